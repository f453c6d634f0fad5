//! What can happen in a swarm.

use std::net::SocketAddr;

use sprat_core::io::{ConnectionId, TrackerFailure, TrackerId};
use sprat_core::storage::{StorageReply, TorrentId};
use sprat_core::time::Time;
use sprat_wire::hash::InfoHash;
use sprat_wire::tracker::{AnnounceRequest, AnnounceResponse};

use crate::network::{Parcel, Route};
use crate::peer_number::{Life, PeerNumber};

/// One thing that is going to happen to one peer.
#[derive(Debug)]
pub(crate) enum PeerEvent {
    /// It starts.
    Join,
    /// It leaves.
    Leave,
    /// It begins to read.
    Read,
    /// Its session asked to be called at this time.
    Wake,
    /// Somebody calls.
    Ring(Box<Call>),
    /// Its call was taken: the way to the other end.
    Connected(ConnectionId, Route),
    /// Its call was not taken.
    Refused(ConnectionId),
    /// Its uplink has sent what it was sending.
    UplinkFree,
    /// Its line asked to be called at this time.
    LineTimer,
    /// Something arrives at its downlink.
    Arrive(ConnectionId, Parcel),
    /// Something has come through its downlink.
    Deliver(ConnectionId, Parcel),
    /// Its disk answers.
    Disk(Box<StorageReply>),
    /// It finds the metadata of a torrent again.
    Metadata(TorrentId),
    /// A tracker answers.
    Announced(Box<Announced>),
    /// The DHT answers.
    Found(Box<Found>),
}

/// An event and whose it is.
#[derive(Debug)]
pub(crate) struct Addressed {
    pub(crate) to: PeerNumber,
    pub(crate) life: Life,
    pub(crate) event: PeerEvent,
}

/// A call, as the one that is called sees it.
#[derive(Debug)]
pub(crate) struct Call {
    /// Back to the caller.
    pub(crate) back: Route,
    /// The caller's own name for the connection.
    pub(crate) connection: ConnectionId,
}

/// What a tracker has said.
#[derive(Debug)]
pub(crate) struct Announced {
    pub(crate) torrent: TorrentId,
    pub(crate) tracker: TrackerId,
    pub(crate) result: Result<AnnounceResponse, TrackerFailure>,
}

/// Whom the DHT has found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) torrent: TorrentId,
    pub(crate) peers: Vec<SocketAddr>,
}

/// A question about a swarm, on its way.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) at: Time,
    pub(crate) order: u64,
    pub(crate) peer: PeerNumber,
    pub(crate) life: Life,
    pub(crate) torrent: TorrentId,
    pub(crate) to: Asked,
}

/// Who is asked.
#[derive(Debug)]
pub(crate) enum Asked {
    /// A tracker: under which name the session knows it, its index in the simulation, and what is said.
    Tracker(TrackerId, usize, AnnounceRequest),
    /// The DHT, about this swarm.
    Dht(InfoHash),
}
