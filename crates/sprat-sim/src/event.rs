//! What can happen in a swarm.

use sprat_core::io::ConnectionId;
use sprat_core::io::TrackerId;
use sprat_core::storage::{StorageReply, TorrentId};
use sprat_wire::tracker::{AnnounceRequest, AnnounceResponse};

use crate::network::{EndId, LinkId, Parcel};
use crate::peer_number::PeerNumber;

/// How often a peer had crashed when something was set in motion: answers to a session that is gone are for nobody.
pub(crate) type Life = u32;

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
    Refused(PeerNumber, Life, ConnectionId),
    /// The uplink of a peer has sent what it was sending.
    UplinkFree(PeerNumber),
    /// Something arrives at the downlink in front of this end.
    Arrive(EndId, Parcel),
    /// Something has come through the downlink.
    Deliver(EndId, Parcel),
    /// A disk answers.
    Disk(PeerNumber, Life, StorageReply),
    /// An announce arrives at a tracker.
    Announce(Box<Announce>),
    /// The answer to an announce arrives.
    Announced(PeerNumber, Life, TorrentId, TrackerId, Box<Result<AnnounceResponse, String>>),
    /// Once a second: what must hold is looked after.
    Tick,
    /// The state of the swarm is noted.
    Sample,
    /// A fault begins.
    FaultBegins(usize),
    /// A fault is over.
    FaultEnds(usize),
}

/// An announce on its way.
#[derive(Debug)]
pub(crate) struct Announce {
    pub(crate) peer: PeerNumber,
    pub(crate) life: Life,
    pub(crate) torrent: TorrentId,
    pub(crate) id: TrackerId,
    /// Index of the tracker in the simulation.
    pub(crate) tracker: usize,
    pub(crate) request: AnnounceRequest,
}
