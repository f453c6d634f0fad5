//! A queue that several threads take from and in which torrents take turns, so that one that asks for thousands of things does
//! not keep another waiting that asks for one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use sprat_core::storage::TorrentId;

/// What waits, by torrent.
#[derive(Debug)]
pub(super) struct Turns<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: BTreeMap<TorrentId, VecDeque<T>>,
    /// Whose turn it is next: everybody of whom something waits, once.
    order: VecDeque<TorrentId>,
    is_closed: bool,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        let state = State { waiting: BTreeMap::new(), order: VecDeque::new(), is_closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl<T> Turns<T> {
    pub(super) fn push(&self, torrent: TorrentId, item: T) {
        self.locked().push(torrent, item);
        self.changed.notify_one();
    }

    /// The next item, as soon as there is one; `None` when nothing waits and nothing more will come.
    pub(super) fn next(&self) -> Option<T> {
        let mut state = self.locked();
        loop {
            if let Some(item) = state.take() {
                return Some(item);
            }
            if state.is_closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing more will come.
    pub(super) fn close(&self) {
        self.locked().is_closed = true;
        self.changed.notify_all();
    }

    fn locked(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn push(&mut self, torrent: TorrentId, item: T) {
        let own = self.waiting.entry(torrent).or_default();
        if own.is_empty() {
            self.order.push_back(torrent);
        }
        own.push_back(item);
    }

    fn take(&mut self) -> Option<T> {
        let torrent = self.order.pop_front()?;
        let own = self.waiting.get_mut(&torrent)?;
        let item = own.pop_front();
        if own.is_empty() {
            self.waiting.remove(&torrent);
        } else {
            self.order.push_back(torrent);
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torrents_take_turns_and_each_has_its_own_order() {
        let turns = Turns::default();
        for item in 0..5 {
            turns.push(TorrentId(1), item);
        }
        turns.push(TorrentId(2), 10);
        turns.push(TorrentId(2), 11);
        assert_eq!(turns.next(), Some(0));
        turns.push(TorrentId(3), 20);
        turns.close();
        let rest: Vec<i32> = std::iter::from_fn(|| turns.next()).collect();
        assert_eq!(rest, [10, 1, 20, 11, 2, 3, 4]);
    }

    #[test]
    fn whoever_waits_is_woken_by_an_item_and_by_the_end() {
        let turns = Turns::default();
        std::thread::scope(|scope| {
            let threads = [(); 3].map(|()| scope.spawn(|| std::iter::from_fn(|| turns.next()).count()));
            for item in 0..100 {
                turns.push(TorrentId(item % 7), item);
            }
            turns.close();
            assert_eq!(threads.map(|thread| thread.join().unwrap()).iter().sum::<usize>(), 100);
        });
    }
}
