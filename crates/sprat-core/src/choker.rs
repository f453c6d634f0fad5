//! Whom to upload to: one choker for the whole session.
//!
//! While a torrent is downloaded, slots are paid for with data (`exchange`); once it is complete they are lent in
//! turn (`giveaway`). How many there are is decided in `slots`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::io::ConnectionId;
use crate::storage::TorrentId;
use crate::subnet::Subnet;
use crate::time::Time;

mod exchange;
mod giveaway;
mod slots;
mod subnet_memory;
#[cfg(test)]
mod tests;

use exchange::Exchange;
use giveaway::Giveaway;

/// Time between two regular decisions (BEP 3: "every ten seconds").
pub const RECHOKE_INTERVAL: Duration = Duration::from_secs(10);

/// How much the choker may give out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChokerConfig {
    /// The session's upload limit in bytes per second, from which the number of slots follows. `None`: from what the
    /// unchoked peers take.
    pub upload_limit: Option<u64>,
    /// At least so many slots; 2 or more, one to pay with and one to try somebody new.
    pub min_slots: usize,
    /// At most so many slots.
    pub max_slots: usize,
}

impl Default for ChokerConfig {
    /// 4 slots as BEP 3 has it, and at most 50: what a link of a gigabit is filled with.
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
    /// The peer says that it wants something from us, and we have something that it lacks. Only then it is ever unchoked: a
    /// slot for one that can use it not yet would be missing when others can.
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
    /// What it does with pieces that nobody else had.
    pub passes_on: PassesOn,
}

/// What becomes of pieces that a peer has from us alone. While a seeder is alone, what it gives to a peer that keeps it is
/// lost to all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PassesOn {
    /// It was given too few, or others have everything as well.
    #[default]
    Unknown,
    /// Others have them after a while.
    Yes,
    /// Nobody else gets them.
    No,
}

/// Decides who is unchoked.
#[derive(Debug)]
pub struct Choker {
    config: ChokerConfig,
    rng: fastrand::Rng,
    next_rechoke: Time,
    slots: usize,
    exchange: Exchange,
    giveaway: Giveaway,
}

impl Choker {
    /// A choker whose first decision is due at once.
    #[must_use]
    pub fn new(config: ChokerConfig, rng: fastrand::Rng) -> Self {
        Self {
            config,
            rng,
            next_rechoke: Time::ZERO,
            slots: slots::least(&config),
            exchange: Exchange::default(),
            giveaway: Giveaway::default(),
        }
    }

    /// Changes the limits; they count from the next regular decision.
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

    /// Who is to be unchoked, in the order of connection ids; everybody else is to be choked. Never more than
    /// [`Self::slots`]. The order of `candidates` does not matter.
    ///
    /// Once [`Self::next_rechoke`] has come this is a regular decision. Before, for instance because an unchoked peer
    /// left, it only fills free slots: choking and unchoking in quick succession would hurt both sides (BEP 3 calls it
    /// fibrillation).
    pub fn rechoke(&mut self, now: Time, candidates: &[Candidate]) -> Vec<ConnectionId> {
        let regular = now >= self.next_rechoke;
        if regular {
            self.next_rechoke = now + RECHOKE_INTERVAL;
            self.slots = slots::count(&self.config, self.slots, candidates);
        }
        let round = Round { now, regular };
        let (giving, exchanging) = self.contenders(candidates);

        let reserved = reserved_for_giving(self.slots, &giving, &exchanging);
        let mut chosen = self.exchange.choose(round, &exchanging, self.slots - reserved, &mut self.rng);
        chosen.extend(self.giveaway.choose(round, &giving, self.slots - chosen.len()));
        chosen.sort_unstable();
        chosen
    }

    /// Those who want something, in the order of connection ids: of torrents that we have, and of those that we want.
    fn contenders(&mut self, candidates: &[Candidate]) -> (Vec<Contender>, Vec<Contender>) {
        let by_id: BTreeMap<_, _> =
            candidates.iter().filter(|c| c.interested).map(|c| (c.connection, *c)).collect();
        by_id
            .into_values()
            .map(|candidate| Contender {
                candidate,
                subnet: Subnet::of(candidate.address),
                dice: self.rng.u64(..),
            })
            .partition(|contender| contender.candidate.seeding)
    }
}

/// When a decision is made, and whether it may take slots away.
#[derive(Debug, Clone, Copy)]
struct Round {
    now: Time,
    regular: bool,
}

/// A candidate that wants a slot.
#[derive(Debug, Clone, Copy)]
struct Contender {
    candidate: Candidate,
    subnet: Subnet,
    /// Decides between equals.
    dice: u64,
}

/// Slots that torrents which we have get even when those that we want could use them all: their part of the torrents,
/// but one at least, and half of all slots at most, because downloads pay.
fn reserved_for_giving(slots: usize, giving: &[Contender], exchanging: &[Contender]) -> usize {
    if exchanging.is_empty() {
        return giving.len().min(slots);
    }
    let (given, exchanged) = (count_torrents(giving), count_torrents(exchanging));
    let part = slots * given / (given + exchanged);
    part.clamp(1, (slots / 2).max(1)).min(giving.len())
}

fn count_torrents(contenders: &[Contender]) -> usize {
    let mut torrents: Vec<TorrentId> = contenders.iter().map(|c| c.candidate.torrent).collect();
    torrents.sort_unstable();
    torrents.dedup();
    torrents.len()
}
