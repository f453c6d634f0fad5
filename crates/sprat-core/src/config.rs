//! What can be chosen about a session.

use std::time::Duration;

use crate::announcer::AnnouncerConfig;
use crate::choker::ChokerConfig;
use crate::io::RateLimits;
use crate::peer_list::PeerListConfig;
use crate::planted::Planted;

/// So many addresses are known for each connection that there may be: most of what trackers and peers name cannot be
/// reached or has left.
const ADDRESSES_PER_CONNECTION: usize = 20;

/// The choices of a session.
#[derive(Debug, Clone)]
pub struct Config {
    /// How the client calls itself to peers, as `sprat/0.1.0`.
    pub client: String,
    /// The port on which peers reach us; 0 is none.
    pub listen_port: u16,
    /// The UDP port of our DHT node; 0 is none. Then no peers are sought there.
    pub dht_port: u16,
    /// Tell peers of one another (BEP 11).
    pub pex: bool,
    /// Connections of all torrents together.
    pub connections: usize,
    /// Connections of one torrent. At most twenty addresses are known for each.
    pub connections_per_torrent: usize,
    /// Callers that have not named a torrent yet, besides these. When there are more, the place that most of them come from
    /// loses one.
    pub strangers: usize,
    /// A torrent that has everything and nobody to give it to falls asleep after this time; `None`: never. Whoever drives the
    /// session must be able to find its metadata again.
    pub sleep_after: Option<Duration>,
    /// Bytes that everything may hold for others, all torrents and the driver together. Above it connections are let go,
    /// never blocks of pieces.
    pub memory: usize,
    /// For all torrents together.
    pub limits: RateLimits,
    /// Upload slots.
    pub choker: ChokerConfig,
    /// Dealing with trackers.
    pub announcer: AnnouncerConfig,
    /// Dealing with addresses.
    pub peer_list: PeerListConfig,
    /// A bug to be found by tests.
    #[cfg(feature = "planted-bugs")]
    pub planted_bug: Option<crate::PlantedBug>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            client: concat!("sprat/", env!("CARGO_PKG_VERSION")).to_owned(),
            listen_port: 0,
            dht_port: 0,
            pex: true,
            connections: 500,
            connections_per_torrent: 100,
            sleep_after: None,
            strangers: 512,
            memory: 512 * 1024 * 1024,
            limits: RateLimits::default(),
            choker: ChokerConfig::default(),
            announcer: AnnouncerConfig::default(),
            peer_list: PeerListConfig::default(),
            #[cfg(feature = "planted-bugs")]
            planted_bug: None,
        }
    }
}

impl Config {
    /// Dealing with addresses, of which no more are held than are of use with so few connections.
    pub(crate) fn known_peers(&self) -> PeerListConfig {
        let useful = self.connections_per_torrent.saturating_mul(ADDRESSES_PER_CONNECTION);
        PeerListConfig { capacity: self.peer_list.capacity.min(useful), ..self.peer_list }
    }

    #[cfg_attr(not(feature = "planted-bugs"), expect(clippy::unused_self, reason = "as with the feature"))]
    pub(crate) const fn planted(&self) -> Planted {
        Planted {
            #[cfg(feature = "planted-bugs")]
            bug: self.planted_bug,
        }
    }
}
