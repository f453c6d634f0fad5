//! What is done when a torrent has everything that is wanted of it.

use sprat_core::storage::TorrentId;

use super::{HappeningKind, Service, Torrent, hold};
use crate::clock;

impl Service {
    /// Everything wanted of a torrent is there, and durable. That is told when its files are where they are to stay: programs take
    /// them from where they are told.
    pub(super) fn on_complete(&self, torrent: TorrentId) {
        let is_at_home = {
            let mut known = hold(&self.0.known);
            let Some(one) = known.torrents.get_mut(&torrent) else { return };
            one.facts.is_complete = true;
            if one.record.completed_at.is_some() {
                return;
            }
            one.record.completed_at = Some(clock::unix_now());
            one.is_unwritten = true;
            if was_fetched(one) {
                hold(&self.0.statistics).session.completed += 1;
            }
            let is_at_home = one.record.destination.is_none() && !one.awaits_layout();
            known.show(torrent);
            is_at_home
        };
        if is_at_home {
            self.tell_finished(torrent);
        } else {
            self.bring_home(torrent);
        }
    }

    /// What was there before it was added is no news.
    pub(super) fn tell_finished(&self, torrent: TorrentId) {
        if hold(&self.0.known).torrents.get(&torrent).is_some_and(was_fetched) {
            self.tell_of(torrent, HappeningKind::Finished);
        }
    }

    /// Does what the last run of the daemon has left undone: tells of what has become complete unnoticed, and brings to its place what
    /// was on its way there. To be called when everybody listens who is to be told.
    pub fn go_on(&self) {
        let on_their_way: Vec<(TorrentId, bool)> = {
            let known = hold(&self.0.known);
            let all = known.torrents.iter().map(|(id, one)| (*id, one, one.is_to_be_brought_home()));
            // What has become complete unnoticed is brought home when note is taken of that.
            let moving = all.filter(|(_, one, is_homeward)| {
                if *is_homeward { one.record.completed_at.is_some() } else { one.facts.is_moving }
            });
            moving.map(|(id, _, is_homeward)| (id, is_homeward)).collect()
        };
        self.complete_unnoticed();
        self.lay_out_unnoticed();
        for (torrent, is_homeward) in on_their_way {
            if is_homeward {
                self.bring_home(torrent);
            } else {
                self.follow_move(torrent);
            }
        }
    }

    /// Takes note of those that are complete and of which nobody has told that.
    pub(super) fn complete_unnoticed(&self) {
        let unnoticed: Vec<TorrentId> = {
            let known = hold(&self.0.known);
            let all = known.torrents.iter();
            all.filter(|(_, one)| {
                one.facts.is_complete && one.facts.is_known && one.record.completed_at.is_none()
            })
            .map(|(id, _)| *id)
            .collect()
        };
        for torrent in unnoticed {
            self.on_complete(torrent);
        }
    }
}

/// Something of it was received since it was added.
const fn was_fetched(torrent: &Torrent) -> bool {
    torrent.facts.totals.downloaded > 0
}
