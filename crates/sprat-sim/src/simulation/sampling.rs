//! The state of the swarm, noted once a second.

use std::time::Duration;

use super::Simulation;
use crate::event::Event;
use crate::peer::{Peer, Presence};
use crate::report::Snapshot;

/// How often the state of the swarm is noted.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Pairs of peers that a snapshot looks at: of a few dozen peers all, of thousands a sample.
const PAIRS: u32 = 2000;

impl Simulation {
    pub(super) fn sample(&mut self) {
        let present: Vec<&Peer> =
            self.peers.iter().filter(|peer| peer.presence == Presence::Present).collect();
        let leechers: Vec<&Peer> =
            present.iter().copied().filter(|peer| !peer.disk.have().is_full()).collect();
        let (pairs, useful_pairs) = count_pairs(&leechers, &mut self.rng);
        self.snapshots.push(Snapshot {
            at: self.now,
            present: present.len() as u32,
            complete: (present.len() - leechers.len()) as u32,
            rarest: self.copies.iter().copied().min().unwrap_or(0),
            commonest: self.copies.iter().copied().max().unwrap_or(0),
            copies: self.copies.iter().map(|copies| u64::from(*copies)).sum(),
            pairs,
            useful_pairs,
        });
        self.schedule.at(self.now + SAMPLE_INTERVAL, Event::Sample);
        self.let_slow_readers_read();
        if self.checks_wires {
            self.check_wires();
            self.check_peers();
        }
        if let Err(violation) = self.check() {
            self.violate(violation);
        }
    }
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
