//! What clients and trackers say to each other. The values here are the same for HTTP ([`http`]) and UDP ([`udp`]);
//! the two modules only know how each carries them.

use std::net::{IpAddr, SocketAddr};

use crate::hash::{InfoHash, PeerId};

pub mod http;
pub mod udp;

/// Addresses that are taken from one answer; what follows is not read. Trackers send 50 to 200.
pub const MAX_PEERS: usize = 5000;

/// The longest interval that is believed, in seconds: a day. A tracker cannot silence a client for longer.
pub const MAX_INTERVAL: u32 = 24 * 60 * 60;

/// Swarms in one scrape over UDP: "up to about 74" (BEP 15), which fill an unfragmented packet. HTTP scrapes are
/// held to the same number.
pub const MAX_SCRAPE: usize = 74;

/// Characters that are kept of a tracker's message to people.
const MAX_MESSAGE: usize = 500;

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
    /// HTTP only: how often `completed` was announced. Not in BEP 3, but some say it, as they do in a scrape (BEP 48).
    pub downloaded: Option<u32>,
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

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    /// Any announce.
    pub(super) fn announce_request() -> impl Strategy<Value = AnnounceRequest> {
        let event = prop_oneof![
            Just(AnnounceEvent::Interval),
            Just(AnnounceEvent::Started),
            Just(AnnounceEvent::Completed),
            Just(AnnounceEvent::Stopped),
        ];
        let ip =
            prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)];
        let optional = (option::of(any::<u32>()), option::of(ip), option::of("[ -~]{1,20}"));
        (any::<([u8; 20], [u8; 20], u16, u64, u64, u64, u32)>(), event, optional).prop_map(
            |(
                (info_hash, peer_id, port, uploaded, downloaded, left, key),
                event,
                (num_want, ip, tracker_id),
            )| {
                AnnounceRequest {
                    info_hash: info_hash.into(),
                    peer_id: peer_id.into(),
                    port,
                    uploaded,
                    downloaded,
                    left,
                    event,
                    num_want,
                    key,
                    ip,
                    tracker_id,
                }
            },
        )
    }
}
