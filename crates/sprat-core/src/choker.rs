//! Whom to upload to: one choker for the whole session.

use std::net::SocketAddr;
use std::time::Duration;

use crate::io::ConnectionId;
use crate::storage::TorrentId;
use crate::time::Time;

/// Time between two regular decisions (BEP 3: "every 10 seconds").
pub const RECHOKE_INTERVAL: Duration = Duration::from_secs(10);

/// How much the choker may give out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChokerConfig {
    /// The session's upload limit in bytes per second, from which the number of slots follows. `None`: from what the
    /// unchoked peers take.
    pub upload_limit: Option<u64>,
    /// At least so many slots; 2 or more.
    pub min_slots: usize,
    /// At most so many slots.
    pub max_slots: usize,
}

impl Default for ChokerConfig {
    fn default() -> Self {
        Self { upload_limit: None, min_slots: 4, max_slots: 50 }
    }
}

/// A connected peer, as far as the choker cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The connection.
    pub connection: ConnectionId,
    /// The torrent that it is about.
    pub torrent: TorrentId,
    /// The remote end.
    pub address: SocketAddr,
    /// The peer wants something from us. Only then it is ever unchoked.
    pub interested: bool,
    /// We have everything that we want of this torrent.
    pub seeding: bool,
    /// Payload that it gives us, bytes per second over [`CHOKE_WINDOW`](crate::rate::CHOKE_WINDOW).
    pub received_rate: u64,
    /// Payload that we give it, bytes per second over the same window.
    pub sent_rate: u64,
    /// Payload bytes that we gave it since it was unchoked last.
    pub sent_since_unchoke: u64,
    /// Whether it is unchoked at present.
    pub unchoked: bool,
    /// When it was unchoked last; `None` when never.
    pub last_unchoked: Option<Time>,
    /// When the handshake was completed.
    pub connected_at: Time,
    /// It owes us blocks and does not deliver.
    pub snubbed: bool,
}

/// Decides who is unchoked.
#[derive(Debug)]
pub struct Choker {
    config: ChokerConfig,
    rng: fastrand::Rng,
    next_rechoke: Time,
    slots: usize,
}

impl Choker {
    /// A choker whose first decision is due at once.
    #[must_use]
    pub fn new(config: ChokerConfig, rng: fastrand::Rng) -> Self {
        Self { config, rng, next_rechoke: Time::ZERO, slots: config.min_slots }
    }

    /// Changes the limits; they count from the next decision.
    pub fn set_config(&mut self, config: ChokerConfig) {
        self.config = config;
    }

    /// When the next regular decision is due.
    #[must_use]
    pub const fn next_rechoke(&self) -> Time {
        self.next_rechoke
    }

    /// How many may be unchoked at present.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.slots
    }

    /// Who is to be unchoked, in the order of connection ids; everybody else is to be choked.
    ///
    /// Once [`Self::next_rechoke`] has come this is a regular decision. Before, for instance because an unchoked peer
    /// left, it only fills free slots.
    pub fn rechoke(&mut self, now: Time, candidates: &[Candidate]) -> Vec<ConnectionId> {
        if now >= self.next_rechoke {
            self.next_rechoke = now + RECHOKE_INTERVAL;
        }
        let _ = self.rng.bool();
        let mut chosen: Vec<ConnectionId> =
            candidates.iter().filter(|c| c.interested).map(|c| c.connection).collect();
        chosen.sort_unstable();
        chosen.truncate(self.slots);
        chosen
    }
}
