//! Who comes before whom in the queue.
//!
//! [`Record::position`](crate::torrents::Record::position) is a number of which only the order counts: there may be gaps, and it may be
//! negative. So one that goes to the top of ten thousand is the only one of which anything is written. What interfaces show is the place
//! that follows from it.

use std::collections::BTreeSet;

use sprat_core::storage::TorrentId;
use sprat_engine::client::Ended;

use super::known::Known;
use super::{Action, Service, hold};

impl Service {
    /// Moves torrents in the queue, as far as the action says so.
    pub(super) fn requeue(&self, torrents: &[TorrentId], action: Action) {
        let mut known = hold(&self.0.known);
        let chosen: BTreeSet<TorrentId> = torrents.iter().copied().collect();
        let order = known.in_queue_order();
        match action {
            Action::QueueTop => known.put_first(&order, &chosen),
            Action::QueueUp => known.put_in_order(&order, one_earlier(order.clone(), &chosen)),
            Action::QueueDown => {
                let mut reversed = one_earlier(order.iter().rev().copied().collect(), &chosen);
                reversed.reverse();
                known.put_in_order(&order, reversed);
            }
            Action::QueueBottom => known.put_last(&order, &chosen),
            _ => {}
        }
    }

    /// Gives torrents this place in the queue and those after it; from 0.
    pub async fn requeue_at(&self, torrents: &[TorrentId], place: usize) -> Result<(), Ended> {
        {
            let mut known = hold(&self.0.known);
            let chosen: BTreeSet<TorrentId> = torrents.iter().copied().collect();
            let before = known.in_queue_order();
            let mut order = before.clone();
            order.retain(|id| !chosen.contains(id));
            let there = torrents.iter().copied().filter(|id| known.torrents.contains_key(id));
            let place = place.min(order.len());
            order.splice(place..place, there.collect::<Vec<_>>());
            known.put_in_order(&before, order);
        }
        self.look().await?;
        self.keep_records().await;
        Ok(())
    }
}

/// Each of those that are chosen changes places with the one before it, unless that one is chosen as well.
fn one_earlier(mut order: Vec<TorrentId>, chosen: &BTreeSet<TorrentId>) -> Vec<TorrentId> {
    for at in 1..order.len() {
        if chosen.contains(&order[at]) && !chosen.contains(&order[at - 1]) {
            order.swap(at, at - 1);
        }
    }
    order
}

impl Known {
    /// All torrents, who comes first in the queue first.
    fn in_queue_order(&self) -> Vec<TorrentId> {
        let mut order: Vec<(i64, TorrentId)> =
            self.torrents.iter().map(|(id, one)| (one.record.position, *id)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, id)| id).collect()
    }

    /// Shows each at its place, if places are not what they were. Once for all that has changed: one that goes moves all after it.
    pub(super) fn rank(&mut self) {
        if !std::mem::take(&mut self.is_reordered) {
            return;
        }
        for (place, id) in (0..).zip(self.in_queue_order()) {
            if let Some(one) = self.torrents.get_mut(&id).filter(|one| one.place != place) {
                one.place = place;
                self.show(id);
            }
        }
    }

    fn put_first(&mut self, order: &[TorrentId], chosen: &BTreeSet<TorrentId>) {
        let chosen: Vec<TorrentId> = order.iter().copied().filter(|id| chosen.contains(id)).collect();
        if !order.starts_with(&chosen) {
            let first = order.first().map_or(0, |id| self.position(*id));
            for (before, id) in (1..).zip(chosen.into_iter().rev()) {
                self.set_position(id, first.saturating_sub(before));
            }
        }
    }

    fn put_last(&mut self, order: &[TorrentId], chosen: &BTreeSet<TorrentId>) {
        let chosen: Vec<TorrentId> = order.iter().copied().filter(|id| chosen.contains(id)).collect();
        if !order.ends_with(&chosen) {
            let last = order.last().map_or(0, |id| self.position(*id));
            for (after, id) in (1..).zip(chosen) {
                self.set_position(id, last.saturating_add(after));
            }
        }
    }

    /// Puts them in another order. The positions stay, and are handed on: only those change that have another place.
    fn put_in_order(&mut self, before: &[TorrentId], after: Vec<TorrentId>) {
        let mut free = i64::MIN;
        let mut positions = Vec::with_capacity(before.len());
        for id in before {
            // Two that were added at the same time may share one, which could not be handed on.
            let position = self.position(*id).max(free);
            positions.push(position);
            free = position.saturating_add(1);
        }
        for (position, id) in positions.into_iter().zip(after) {
            self.set_position(id, position);
        }
    }

    fn position(&self, id: TorrentId) -> i64 {
        self.torrents.get(&id).map_or(0, |one| one.record.position)
    }

    fn set_position(&mut self, id: TorrentId, position: i64) {
        if let Some(one) = self.torrents.get_mut(&id).filter(|one| one.record.position != position) {
            one.record.position = position;
            one.is_unwritten = true;
            self.is_reordered = true;
            self.decided_at = None;
        }
    }
}
