//! What clients and trackers say to each other. The values here are the same for HTTP ([`http`]) and UDP ([`udp`]);
//! the two modules only know how each carries them.

use std::net::{IpAddr, SocketAddr};

use crate::hash::{InfoHash, PeerId};

pub mod http;
pub mod udp;

/// An announce: "I am here, and this is how far I am" (BEP 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnounceRequest {
    /// The swarm.
    pub info_hash: InfoHash,
    /// The client.
    pub peer_id: PeerId,
    /// The port on which the client accepts peers.
    pub port: u16,
    /// Payload bytes sent since the `started` event.
    pub uploaded: u64,
    /// Payload bytes received since the `started` event.
    pub downloaded: u64,
    /// Bytes still missing; 0 is a seeder.
    pub left: u64,
    /// Why this announce is made.
    pub event: AnnounceEvent,
    /// How many peers are wanted; `None` leaves it to the tracker.
    pub num_want: Option<u32>,
    /// A number that stays the same when the client's address changes (BEP 15 `key`).
    pub key: u32,
    /// The address that the client claims. Servers ignore it unless told to trust it.
    pub ip: Option<IpAddr>,
    /// HTTP only: the `tracker id` of an earlier answer.
    pub tracker_id: Option<String>,
}

/// `event` of an announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AnnounceEvent {
    /// A regular announce.
    #[default]
    Interval,
    /// The first announce of a session.
    Started,
    /// The download has just become complete. Not sent when it was complete from the start.
    Completed,
    /// The client leaves.
    Stopped,
}

/// The answer to an announce.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnnounceResponse {
    /// Seconds until the next regular announce.
    pub interval: u32,
    /// Seconds below which the client must not announce again.
    pub min_interval: Option<u32>,
    /// HTTP only: to be sent back in later announces.
    pub tracker_id: Option<String>,
    /// Seeders.
    pub complete: Option<u32>,
    /// Leechers.
    pub incomplete: Option<u32>,
    /// Addresses of peers, of both families.
    pub peers: Vec<SocketAddr>,
    /// The client's address as the tracker sees it (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// Something a person should read, although the announce succeeded.
    pub warning: Option<String>,
}

/// What a scrape says of one swarm (BEP 48).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScrapeEntry {
    /// Seeders.
    pub complete: u32,
    /// How often `completed` was announced.
    pub downloaded: u32,
    /// Leechers.
    pub incomplete: u32,
}
