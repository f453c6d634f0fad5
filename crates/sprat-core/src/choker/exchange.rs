//! Slots for peers of torrents that we still download: tit for tat (BEP 3), and a few to find better partners.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::subnet_memory::SubnetMemory;
use super::{Contender, Round};
use crate::io::ConnectionId;
use crate::storage::TorrentId;
use crate::subnet::Subnet;
use crate::time::Time;

/// How long somebody unknown is tried (BEP 3: "rotates every 30 seconds").
const TRIAL: Duration = Duration::from_secs(30);

/// One slot of so many is for trials, but one at least. Cohen has 1 of 4; libtorrent 1 of 5.
const SLOTS_PER_TRIAL: usize = 5;

/// Who is connected for less than this, from a subnet that was not tried before, counts as new. Cohen's rotation is 30 s;
/// twice that lets a newcomer become interested first.
const NEWCOMER: Duration = Duration::from_secs(60);

/// "New connections are three times as likely to start as the current optimistic unchoke" (BEP 3).
const NEWCOMER_WEIGHT: u64 = 3;

#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// Who is being tried, since when.
    trials: BTreeMap<ConnectionId, Time>,
    /// When a torrent last got a trial.
    turns: BTreeMap<TorrentId, Time>,
    /// When a subnet was tried last: whoever connects anew is not new.
    tried: SubnetMemory,
}

impl Exchange {
    /// Those to be unchoked, at most `slots`.
    pub(super) fn choose(
        &mut self,
        round: Round,
        contenders: &[Contender],
        slots: usize,
        rng: &mut fastrand::Rng,
    ) -> Vec<ConnectionId> {
        let mut chosen = Chosen::default();
        if !round.regular {
            for contender in contenders.iter().filter(|c| c.candidate.unchoked).take(slots) {
                chosen.add(contender);
            }
        }
        self.pay(contenders, slots, &mut chosen);
        self.keep_trials(round, contenders, slots, &mut chosen);
        self.start_trials(round, contenders, slots, &mut chosen, rng);

        self.trials.retain(|connection, _| chosen.connections.contains(connection));
        self.tried.forget(round.now);
        self.turns.retain(|torrent, _| contenders.iter().any(|c| c.candidate.torrent == *torrent));
        chosen.connections.into_iter().collect()
    }

    /// All but the trial slots for those who give us most. Who owes us blocks is not paid (anti-snubbing), who gave nothing neither: the
    /// slots that this leaves free are used for trials.
    fn pay(&mut self, contenders: &[Contender], slots: usize, chosen: &mut Chosen) {
        let mut givers: Vec<&Contender> = contenders
            .iter()
            .filter(|c| c.candidate.received_rate > 0 && !c.candidate.snubbed)
            .filter(|c| !chosen.connections.contains(&c.candidate.connection))
            .collect();
        givers.sort_by_key(|c| {
            (Reverse(c.candidate.received_rate), !c.candidate.unchoked, c.dice, c.candidate.connection)
        });
        let paid = chosen.connections.iter().filter(|id| !self.trials.contains_key(id)).count();
        let free = slots.saturating_sub(chosen.connections.len());
        let mut left = share(slots.saturating_sub(trials_of(slots) + paid).min(free), &givers);
        for giver in givers {
            let Some(left) = left.get_mut(&giver.candidate.torrent).filter(|left| **left > 0) else {
                continue;
            };
            *left -= 1;
            chosen.add(giver);
            // It has become a partner; the trial slot is free for the next.
            self.trials.remove(&giver.candidate.connection);
        }
    }

    /// Trials that are not over go on: in a regular decision one of each subnet, so that a crowd that was alone makes room
    /// for others.
    fn keep_trials(&self, round: Round, contenders: &[Contender], slots: usize, chosen: &mut Chosen) {
        let mut crowded: BTreeSet<Subnet> = BTreeSet::new();
        for contender in contenders {
            let connection = contender.candidate.connection;
            let running = self.trials.get(&connection).is_some_and(|since| round.now.since(*since) < TRIAL);
            if running && contender.candidate.unchoked && chosen.connections.len() < slots {
                let is_first = crowded.insert(contender.subnet);
                if is_first || !round.regular {
                    chosen.add(contender);
                }
            }
        }
    }

    /// Fills what is free: the torrent that has least first, in it the subnet that has least, and there by lot.
    fn start_trials(
        &mut self,
        round: Round,
        contenders: &[Contender],
        slots: usize,
        chosen: &mut Chosen,
        rng: &mut fastrand::Rng,
    ) {
        let mut waiting: Vec<&Contender> =
            contenders.iter().filter(|c| !chosen.connections.contains(&c.candidate.connection)).collect();
        while chosen.connections.len() < slots {
            let scarcity = |c: &Contender| {
                let torrent = c.candidate.torrent;
                (
                    chosen.torrents.get(&torrent).copied().unwrap_or(0),
                    self.turns.get(&torrent).copied(),
                    torrent,
                    // Who has just been tried comes after those who wait.
                    self.trials.contains_key(&c.candidate.connection),
                    chosen.subnets.get(&c.subnet).copied().unwrap_or(0),
                )
            };
            let Some(first) = waiting.iter().map(|c| scarcity(c)).min() else { break };
            let lots: Vec<usize> = (0..waiting.len()).filter(|i| scarcity(waiting[*i]) == first).collect();
            let Some(winner) = self.draw(round.now, &waiting, &lots, rng) else { break };
            let winner = waiting.swap_remove(winner);
            chosen.add(winner);
            self.trials.insert(winner.candidate.connection, round.now);
            self.turns.insert(winner.candidate.torrent, round.now);
            self.tried.note(winner.subnet, round.now);
        }
    }

    /// One of `lots` (places in `waiting`): a subnet, a new one with a greater chance, and then one of its peers. A crowd of
    /// names has one lot.
    fn draw(
        &self,
        now: Time,
        waiting: &[&Contender],
        lots: &[usize],
        rng: &mut fastrand::Rng,
    ) -> Option<usize> {
        let mut subnets: BTreeMap<Subnet, Vec<usize>> = BTreeMap::new();
        for place in lots {
            subnets.entry(waiting[*place].subnet).or_default().push(*place);
        }
        let weight = |subnet: Subnet, places: &[usize]| {
            let is_young = |place: &usize| now.since(waiting[*place].candidate.connected_at) < NEWCOMER;
            let is_new = self.tried.last(subnet).is_none() && places.iter().any(is_young);
            if is_new { NEWCOMER_WEIGHT } else { 1 }
        };
        let total: u64 = subnets.iter().map(|(subnet, places)| weight(*subnet, places)).sum();
        let mut ticket = rng.u64(..total.max(1));
        for (subnet, places) in subnets {
            match ticket.checked_sub(weight(subnet, &places)) {
                Some(rest) => ticket = rest,
                None => return places.get(rng.usize(..places.len())).copied(),
            }
        }
        None
    }
}

/// What has been given out in one decision.
#[derive(Debug, Default)]
struct Chosen {
    connections: BTreeSet<ConnectionId>,
    torrents: BTreeMap<TorrentId, usize>,
    subnets: BTreeMap<Subnet, usize>,
}

impl Chosen {
    fn add(&mut self, contender: &Contender) {
        if self.connections.insert(contender.candidate.connection) {
            *self.torrents.entry(contender.candidate.torrent).or_default() += 1;
            *self.subnets.entry(contender.subnet).or_default() += 1;
        }
    }
}

fn trials_of(slots: usize) -> usize {
    (slots / SLOTS_PER_TRIAL).max(1)
}

/// Deals `slots` to the torrents of `givers` one by one, starting with the torrent of the best giver, until all are dealt
/// or nobody is left to take one.
fn share(slots: usize, givers: &[&Contender]) -> BTreeMap<TorrentId, usize> {
    let mut order: Vec<TorrentId> = Vec::new();
    let mut demand: BTreeMap<TorrentId, usize> = BTreeMap::new();
    for giver in givers {
        let torrent = giver.candidate.torrent;
        let count = demand.entry(torrent).or_default();
        if *count == 0 {
            order.push(torrent);
        }
        *count += 1;
    }
    let mut shares: BTreeMap<TorrentId, usize> = BTreeMap::new();
    let mut left = slots.min(givers.len());
    while left > 0 {
        for torrent in &order {
            let share = shares.entry(*torrent).or_default();
            if left > 0 && demand.get(torrent).is_some_and(|demand| *share < *demand) {
                *share += 1;
                left -= 1;
            }
        }
    }
    shares
}
