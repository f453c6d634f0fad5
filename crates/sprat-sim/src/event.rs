//! What can happen in a swarm.

use sprat_core::io::ConnectionId;
use sprat_core::io::TrackerId;
use sprat_core::storage::{StorageReply, TorrentId};
use sprat_wire::tracker::{AnnounceRequest, AnnounceResponse};

use crate::network::{EndId, LinkId, Parcel};
use crate::peer_number::PeerNumber;

/// One thing that is going to happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// A peer starts.
    Join(PeerNumber),
    /// A peer leaves.
    Leave(PeerNumber),
    /// A session asked to be called at this time.
    Wake(PeerNumber),
    /// A call arrives at the peer that is called.
    Ring(LinkId),
    /// The caller learns that its call was taken.
    Connected(LinkId),
    /// The caller learns that nobody is there.
    Refused(PeerNumber, ConnectionId),
    /// The uplink of a peer has sent what it was sending.
    UplinkFree(PeerNumber),
    /// Something arrives at the downlink in front of this end.
    Arrive(EndId, Parcel),
    /// Something has come through the downlink.
    Deliver(EndId, Parcel),
    /// A disk answers.
    Disk(PeerNumber, StorageReply),
    /// An announce arrives at a tracker.
    Announce(Box<Announce>),
    /// The answer to an announce arrives.
    Announced(PeerNumber, TorrentId, TrackerId, Box<Result<AnnounceResponse, String>>),
    /// The state of the swarm is noted.
    Sample,
}

/// An announce on its way.
#[derive(Debug)]
pub(crate) struct Announce {
    pub(crate) peer: PeerNumber,
    pub(crate) torrent: TorrentId,
    pub(crate) id: TrackerId,
    /// Index of the tracker in the simulation.
    pub(crate) tracker: usize,
    pub(crate) request: AnnounceRequest,
}
