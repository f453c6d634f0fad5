//! The state of the swarm, noted at equal intervals, and what is looked after once a second.

use std::time::Duration;

use super::Simulation;
use crate::behaviour::Behaviour;
use crate::event::Event;
use crate::peer::{Peer, Presence};
use crate::report::{GroupSnapshot, Snapshot};

/// How often it is looked after what must hold.
const TICK: Duration = Duration::from_secs(1);

/// No more snapshots are kept: enough for a curve as wide as a screen. When there are so many, every second one is
/// dropped and the interval doubles.
pub const SNAPSHOTS: usize = 512;

/// The first interval.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(125);

/// Pairs of peers that a snapshot looks at: of a few dozen peers all, of thousands a sample.
const PAIRS: u32 = 2000;

/// What was seen, and when to look next.
#[derive(Debug)]
pub(super) struct Sampler {
    snapshots: Vec<Snapshot>,
    interval: Duration,
    /// Its own: looking on changes nothing.
    rng: fastrand::Rng,
}

impl Sampler {
    pub(super) fn new(seed: u64) -> Self {
        Self { snapshots: Vec::new(), interval: SHORTEST_INTERVAL, rng: fastrand::Rng::with_seed(!seed) }
    }

    pub(super) fn snapshots(&self) -> &[Snapshot] {
        &self.snapshots
    }

    fn keep(&mut self, snapshot: Snapshot) {
        if self.snapshots.len() == SNAPSHOTS {
            let mut number = 0;
            self.snapshots.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.interval *= 2;
        }
        self.snapshots.push(snapshot);
    }
}

impl Simulation {
    pub(super) fn tick(&mut self) {
        self.schedule.at(self.now + TICK, Event::Tick);
        self.let_slow_readers_read();
        if self.checks_wires {
            self.check_wires();
            self.check_peers();
        }
        if let Err(violation) = self.check() {
            self.violate(violation);
        }
    }

    pub(super) fn sample(&mut self) {
        let snapshot = self.look_around();
        self.sampler.keep(snapshot);
        self.schedule.at(self.now + self.sampler.interval, Event::Sample);
    }

    /// Peers that want everything, have not got it, and are there or going to come.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        let unfinished = |peer: &&Peer| peer.presence != Presence::Gone && !peer.disk.have().is_full();
        self.peers.iter().filter(|peer| takes(peer)).filter(unfinished).count()
    }

    /// Pieces that those have who want everything, gone or not, and pieces that they want.
    #[must_use]
    pub fn way(&self) -> (u64, u64) {
        self.peers.iter().filter(|peer| takes(peer)).fold((0, 0), |(had, wanted), peer| {
            let have = peer.disk.have();
            (had + u64::from(have.count()), wanted + u64::from(have.len()))
        })
    }

    pub(super) fn look_around(&mut self) -> Snapshot {
        let (mut present, mut capacity) = (0, 0);
        let mut groups = vec![GroupSnapshot::default(); self.ledger.groups()];
        let mut leechers: Vec<&Peer> = Vec::new();
        for peer in self.peers.iter().filter(|peer| peer.joined_at.is_some()) {
            if let Some(group) = groups.get_mut(usize::from(peer.config.group)) {
                group.joined += 1;
                group.complete += u32::from(peer.completed_at.is_some());
                group.pieces += u64::from(peer.disk.have().count());
                group.present += u32::from(peer.presence == Presence::Present);
            }
            if peer.presence != Presence::Present {
                continue;
            }
            present += 1;
            if peer.config.behaviour == Behaviour::Honest {
                capacity += peer.config.upload;
            }
            if !peer.disk.have().is_full() {
                leechers.push(peer);
            }
        }
        let (pairs, useful_pairs) = count_pairs(&leechers, &mut self.sampler.rng);
        Snapshot {
            at: self.now,
            present,
            complete: present - leechers.len() as u32,
            rarest: self.copies.iter().copied().min().unwrap_or(0),
            commonest: self.copies.iter().copied().max().unwrap_or(0),
            lacking: self.copies.iter().filter(|copies| **copies == 0).count() as u32,
            copies: self.copies.iter().map(|copies| u64::from(*copies)).sum(),
            payload: self.ledger.flows().by_contributors,
            capacity,
            groups,
            pairs,
            useful_pairs,
        }
    }
}

/// It wants the content, and takes it in a way that leads there.
const fn takes(peer: &Peer) -> bool {
    matches!(peer.config.behaviour, Behaviour::Honest | Behaviour::FreeRider | Behaviour::Strategic)
}

/// Ordered pairs looked at, and those of which the first has something for the second.
fn count_pairs(leechers: &[&Peer], rng: &mut fastrand::Rng) -> (u32, u32) {
    let count = leechers.len();
    if count < 2 {
        return (0, 0);
    }
    let useful = |from: &Peer, to: &Peer| {
        from.disk.have().count() > 0
            && from.disk.have().common(to.disk.have()).count() < from.disk.have().count() as usize
    };
    let (mut pairs, mut useful_pairs) = (0, 0);
    let mut look = |one: usize, other: usize| {
        if one != other {
            pairs += 1;
            useful_pairs += u32::from(useful(leechers[one], leechers[other]));
        }
    };
    if count * count <= PAIRS as usize {
        for one in 0..count {
            for other in 0..count {
                look(one, other);
            }
        }
    } else {
        for _ in 0..PAIRS {
            look(rng.usize(..count), rng.usize(..count));
        }
    }
    (pairs, useful_pairs)
}
