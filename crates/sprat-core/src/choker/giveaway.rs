//! Slots for peers of torrents that we have: a queue, so that everybody gets a turn.
//!
//! A seeder gets nothing back, so there is nobody to prefer. Preferring those who take fastest, as BEP 3 has it, lets
//! three fast attackers slow down everybody else more than fourfold (Adamsky et al. 2014); preferring those who have
//! not been served for longest does not (the newer seed choker of the original client, found fair and robust by Legout
//! et al. 2006). Connecting anew puts a peer at the end of the queue, and a whole [`Subnet`] has one place in it, so
//! neither reconnecting nor a crowd of identities brings an advantage.
//!
//! As long as we are the only one with some pieces, everybody waits for those who pass them on: they keep most slots, and
//! who keeps such pieces to itself comes after all others.

use std::collections::BTreeMap;
use std::time::Duration;

use super::subnet_memory::SubnetMemory;
use super::{Contender, PassesOn, Round};
use crate::io::ConnectionId;
use crate::storage::TorrentId;
use crate::subnet::Subnet;
use crate::time::Time;

/// A turn lasts at least this long: less is not enough for a piece over a slow line.
const SHORTEST_TURN: Duration = Duration::from_secs(30);

/// A turn ends after this, however little was taken, when others wait.
const LONGEST_TURN: Duration = Duration::from_secs(60);

/// A turn may end before [`LONGEST_TURN`] when this much was sent: several pieces of most torrents.
const FULL_TURN: u64 = 16 * 1024 * 1024;

/// While others wait, one subnet has at most one slot of so many, but one always.
const SLOTS_PER_SUBNET_SLOT: usize = 4;

/// Of so many slots one at least has its turns, whoever passes pieces on: somebody may be out of reach of all others.
const SLOTS_PER_TURN: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Giveaway {
    /// When a subnet had a slot last.
    served: SubnetMemory,
}

impl Giveaway {
    /// Those to be unchoked, at most `slots`.
    pub(super) fn choose(
        &mut self,
        round: Round,
        contenders: &[Contender],
        slots: usize,
    ) -> Vec<ConnectionId> {
        let (mut serving, waiting): (Vec<&Contender>, Vec<&Contender>) =
            contenders.iter().partition(|c| in_turn(round, c));
        serving.sort_by_key(|c| (c.candidate.last_unchoked, c.candidate.connection));
        let (serving_on, waiting) = keep_spreaders(round, slots, waiting);
        serving.extend(serving_on);
        for contender in contenders.iter().filter(|c| c.candidate.unchoked) {
            self.served.note(contender.subnet, round.now);
        }

        let mut queue = Queue { now: round.now, waiting, subnets: self.places(contenders) };
        let mut chosen = Chosen::default();
        let cap = if round.regular { (slots / SLOTS_PER_SUBNET_SLOT).max(1) } else { usize::MAX };
        // What the cap leaves free is given to whoever is there: an idle slot helps nobody.
        for cap in [cap, usize::MAX] {
            serving.retain(|contender| {
                let takes = chosen.connections.len() < slots && chosen.of_subnet(contender.subnet) < cap;
                if takes {
                    chosen.add(contender);
                }
                !takes
            });
            while chosen.connections.len() < slots {
                let Some(next) = queue.pop(&chosen, cap) else { break };
                chosen.add(next);
                self.served.note(next.subnet, round.now);
            }
        }
        self.served.forget(round.now);
        chosen.connections
    }

    /// Since when each subnet waits.
    fn places(&self, contenders: &[Contender]) -> BTreeMap<Subnet, Time> {
        let mut places: BTreeMap<Subnet, Time> = BTreeMap::new();
        for contender in contenders {
            let since = places.entry(contender.subnet).or_insert(contender.candidate.connected_at);
            *since = contender.candidate.connected_at.min(*since);
        }
        for (subnet, since) in &mut places {
            if let Some(served) = self.served.last(*subnet) {
                *since = (*since).max(served);
            }
        }
        places
    }
}

/// Of those whose turn is over, the ones who pass on what only we have go on: so many that some slots are left for others.
fn keep_spreaders(
    round: Round,
    slots: usize,
    waiting: Vec<&Contender>,
) -> (Vec<&Contender>, Vec<&Contender>) {
    let (mut spreaders, mut waiting): (Vec<&Contender>, Vec<&Contender>) = waiting
        .into_iter()
        .partition(|c| round.regular && c.candidate.unchoked && c.candidate.passes_on == PassesOn::Yes);
    // Who has had the shortest turn goes on.
    spreaders.sort_by_key(|c| (std::cmp::Reverse(c.candidate.last_unchoked), c.candidate.connection));
    let most = slots - slots.div_ceil(SLOTS_PER_TURN);
    waiting.extend(spreaders.split_off(most.min(spreaders.len())));
    (spreaders, waiting)
}

/// Whether the turn of an unchoked peer goes on.
fn in_turn(round: Round, contender: &Contender) -> bool {
    let candidate = &contender.candidate;
    if !candidate.unchoked || !round.regular {
        return candidate.unchoked;
    }
    let age = candidate.last_unchoked.map_or(LONGEST_TURN, |since| round.now.since(since));
    age < SHORTEST_TURN
        || (candidate.passes_on != PassesOn::No
            && age < LONGEST_TURN
            && candidate.sent_since_unchoke < FULL_TURN)
}

struct Queue<'a> {
    now: Time,
    waiting: Vec<&'a Contender>,
    /// Since when each subnet waits.
    subnets: BTreeMap<Subnet, Time>,
}

impl<'a> Queue<'a> {
    /// The next whose subnet has less than `cap` slots: of the torrent that has fewest, who does not keep to itself what
    /// only we have, from the subnet that waits longest, and of that the peer that waits longest.
    fn pop(&mut self, chosen: &Chosen, cap: usize) -> Option<&'a Contender> {
        let place = |c: &Contender| {
            let candidate = &c.candidate;
            (
                chosen.of_torrent(candidate.torrent),
                candidate.passes_on == PassesOn::No,
                self.subnets.get(&c.subnet).copied(),
                waits_since(self.now, c),
                c.dice,
                candidate.connection,
            )
        };
        let (first, contender) = self
            .waiting
            .iter()
            .enumerate()
            .filter(|(_, c)| chosen.of_subnet(c.subnet) < cap)
            .min_by_key(|(_, c)| place(c))
            .map(|(index, contender)| (index, *contender))?;
        self.waiting.swap_remove(first);
        self.subnets.insert(contender.subnet, self.now);
        Some(contender)
    }
}

/// Who holds a slot now has waited least.
fn waits_since(now: Time, contender: &Contender) -> Time {
    let candidate = &contender.candidate;
    if candidate.unchoked {
        return now;
    }
    candidate.last_unchoked.map_or(candidate.connected_at, |last| last.max(candidate.connected_at))
}

/// What has been given out in one decision.
#[derive(Debug, Default)]
struct Chosen {
    connections: Vec<ConnectionId>,
    torrents: BTreeMap<TorrentId, usize>,
    subnets: BTreeMap<Subnet, usize>,
}

impl Chosen {
    fn add(&mut self, contender: &Contender) {
        self.connections.push(contender.candidate.connection);
        *self.torrents.entry(contender.candidate.torrent).or_default() += 1;
        *self.subnets.entry(contender.subnet).or_default() += 1;
    }

    fn of_torrent(&self, torrent: TorrentId) -> usize {
        self.torrents.get(&torrent).copied().unwrap_or(0)
    }

    fn of_subnet(&self, subnet: Subnet) -> usize {
        self.subnets.get(&subnet).copied().unwrap_or(0)
    }
}
