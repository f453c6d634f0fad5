//! The state of the swarm, noted at equal intervals, and what is looked after once a second.

use std::time::Duration;

use super::{Appointment, Simulation};
use crate::behaviour::Behaviour;
use crate::event::PeerEvent;
use crate::peer::{Departure, Peer, Presence};
use crate::peer_number::PeerNumber;
use crate::report::{Flows, GroupSnapshot, Snapshot, Violation};

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
}

impl Default for Sampler {
    fn default() -> Self {
        Self { snapshots: Vec::new(), interval: SHORTEST_INTERVAL }
    }
}

impl Sampler {
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
    pub(super) fn tick(&mut self) -> Result<(), Violation> {
        self.agenda.insert((self.now + TICK, Appointment::Tick));
        self.let_slow_readers_read();
        self.let_leave_who_is_not_needed();
        if self.world.checks_wires {
            self.check_wires()?;
            self.check_peers()?;
        }
        self.check_bytes()
    }

    pub(super) fn sample(&mut self) {
        let snapshot = self.snapshot();
        self.sampler.keep(snapshot);
        self.agenda.insert((self.now + self.sampler.interval, Appointment::Sample));
    }

    /// Of each piece among those present.
    fn copies(&self) -> Vec<u32> {
        let mut copies = vec![0; self.content().geometry().pieces() as usize];
        for shard in &self.shards {
            for (sum, some) in copies.iter_mut().zip(&shard.desk.copies) {
                *sum += some;
            }
        }
        copies
    }

    fn let_leave_who_is_not_needed(&mut self) {
        let copies = self.copies();
        let is_elsewhere = |peer: &Peer| {
            let mine = peer.disk.have();
            (0..).zip(&copies).all(|(piece, copies)| *copies > u32::from(mine.contains(piece)))
        };
        let leaving: Vec<PeerNumber> = self
            .peers()
            .filter(|peer| peer.config.leaves == Departure::OnceReplicated && !peer.leaving)
            .filter(|peer| peer.presence == Presence::Present && is_elsewhere(peer))
            .map(|peer| peer.number)
            .collect();
        for number in leaving {
            self.with_peer(number, |peer, cx| {
                peer.leaving = true;
                peer.later(cx, cx.now, PeerEvent::Leave);
            });
        }
    }

    /// Peers that want everything, have not got it or do not know it yet, and are there or going to come.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        let unfinished = |peer: &&Peer| {
            let knows_all = peer.completed_at.is_some() && peer.disk.have().is_full();
            peer.presence != Presence::Gone && !knows_all
        };
        self.peers().filter(|peer| takes(peer)).filter(unfinished).count()
    }

    /// Pieces that those have who want everything, gone or not, and pieces that they want.
    #[must_use]
    pub fn way(&self) -> (u64, u64) {
        self.peers().filter(|peer| takes(peer)).fold((0, 0), |(had, wanted), peer| {
            let have = peer.disk.have();
            (had + u64::from(have.count()), wanted + u64::from(have.len()))
        })
    }

    /// Who gave how much to whom.
    #[must_use]
    pub fn flows(&self) -> Flows {
        let rows = |size: usize, row: &dyn Fn(&Peer) -> &Vec<u64>, index: &dyn Fn(&Peer) -> usize| {
            let mut matrix = vec![vec![0; size]; size];
            for peer in self.peers() {
                for (sum, given) in matrix[index(peer)].iter_mut().zip(row(peer)) {
                    *sum += given;
                }
            }
            matrix
        };
        let groups = self.world.groups();
        let peers = if self.world.is_small() { self.peer_count as usize } else { 0 };
        Flows {
            groups: rows(groups, &|peer| &peer.account.to_groups, &|peer| usize::from(peer.config.group)),
            peers: if peers == 0 {
                Vec::new()
            } else {
                rows(peers, &|peer| &peer.account.to_peers, &|peer| peer.number.index())
            },
            by_contributors: self.given_by_contributors(),
        }
    }

    fn given_by_contributors(&self) -> u64 {
        let contributors = self.peers().filter(|peer| peer.config.behaviour == Behaviour::Honest);
        contributors.map(|peer| peer.account.total()).sum()
    }

    /// The swarm now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let copies = self.copies();
        let (mut present, mut capacity) = (0, 0);
        let mut groups = vec![GroupSnapshot::default(); self.world.groups()];
        let mut leechers: Vec<&Peer> = Vec::new();
        for peer in self.peers().filter(|peer| peer.joined_at.is_some()) {
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
        // Looking on changes nothing: not even what will be drawn.
        let mut rng = fastrand::Rng::with_seed(self.now.as_nanos());
        let (pairs, useful_pairs) = count_pairs(&leechers, &mut rng);
        Snapshot {
            at: self.now,
            present,
            complete: present - leechers.len() as u32,
            rarest: copies.iter().copied().min().unwrap_or(0),
            commonest: copies.iter().copied().max().unwrap_or(0),
            lacking: copies.iter().filter(|copies| **copies == 0).count() as u32,
            copies: copies.iter().map(|copies| u64::from(*copies)).sum(),
            payload: self.given_by_contributors(),
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
