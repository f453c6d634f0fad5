//! When the local network is told of which torrents (BEP 14).
//!
//! Torrents that are awake are announced each five minutes, all of them. Those that sleep may be ten thousand: each minute,
//! the most that BEP 14 allows, some are named, as many as fit into the datagram that leaves then, and the next ones a
//! minute later. Whoever looks for one of the others says so itself, which wakes it: see [`heard_of`].

use std::time::Duration;

use sprat_core::Session;
use sprat_core::storage::TorrentId;
use sprat_core::torrent::{Torrent, TorrentState};
use sprat_wire::hash::InfoHash;
use sprat_wire::lsd::MOST_SENT;
use tokio::time::Instant;

use crate::lsd::{INTERVAL, LocalDiscovery};

/// "A client should send no more than 1 announce per minute" (BEP 14).
const TURN: Duration = Duration::from_secs(60);

/// Long enough for a list of torrents that a user adds at once.
const SOON: Duration = Duration::from_millis(500);

/// The client as the local network hears of it.
#[derive(Debug)]
pub(super) struct Local {
    discovery: LocalDiscovery,
    /// When those that are awake are announced.
    next: Instant,
    /// When some that sleep are.
    next_turn: Instant,
    /// The last of them that was.
    last: Option<TorrentId>,
}

impl Local {
    pub(super) fn new(discovery: LocalDiscovery) -> Self {
        let now = Instant::now();
        Self { discovery, next: now, next_turn: now + TURN, last: None }
    }

    /// From now on by these interfaces.
    pub(super) fn move_to(&mut self, discovery: LocalDiscovery) {
        self.discovery = discovery;
    }

    pub(super) fn next_time(&self) -> Instant {
        self.next.min(self.next_turn)
    }

    /// There is something new to announce; several new torrents share one announcement.
    pub(super) fn announce_soon(&mut self) {
        self.next = self.next.min(Instant::now() + SOON);
    }

    /// Makes the announcement that is due.
    pub(super) fn announce(&mut self, session: &Session) {
        let now = Instant::now();
        let mut hashes = Vec::new();
        if self.next <= now {
            self.next = now + INTERVAL;
            hashes.extend(awake(session));
        }
        if self.next_turn <= now {
            self.next_turn = now + TURN;
            let room = if hashes.is_empty() {
                MOST_SENT
            } else {
                hashes.len().next_multiple_of(MOST_SENT) - hashes.len()
            };
            hashes.extend(take_turns(session, &mut self.last, room));
        }
        self.discovery.announce(&hashes);
    }
}

/// What everybody may hear of (BEP 27: not private torrents), and that takes part in its swarm already.
fn awake(session: &Session) -> impl Iterator<Item = InfoHash> + '_ {
    let torrents = session.torrents().filter(|torrent| is_open_to_all(torrent));
    let torrents = torrents.map(|torrent| torrent.metainfo().info_hashes);
    let seekers = session.seekers().filter(|seeker| !seeker.is_paused()).map(|seeker| *seeker.info_hashes());
    torrents.chain(seekers).flat_map(|hashes| hashes.on_the_wire())
}

fn is_open_to_all(torrent: &Torrent) -> bool {
    let takes_part = matches!(torrent.state(), TorrentState::Downloading | TorrentState::Seeding);
    takes_part && !torrent.metainfo().info.private
}

/// Names of those that sleep and come after `last`, and after the last one the first ones again. At most `room`.
fn take_turns(session: &Session, last: &mut Option<TorrentId>, room: usize) -> Vec<InfoHash> {
    let public = || session.sleepers().filter(|one| !one.is_paused() && !one.is_private());
    let before = *last;
    let later = public().filter(|one| before.is_none_or(|last| one.id() > last));
    let earlier = public().take_while(|one| before.is_some_and(|last| one.id() <= last));
    let mut hashes = Vec::new();
    for one in later.chain(earlier) {
        let names: Vec<InfoHash> = one.info_hashes().on_the_wire().collect();
        if hashes.len() + names.len() > room {
            break;
        }
        hashes.extend(names);
        *last = Some(one.id());
    }
    hashes
}

/// The torrent of this name, if neighbours may help it or be helped by it.
pub(super) fn heard_of(session: &Session, info_hash: InfoHash) -> Option<TorrentId> {
    let id = session.by_info_hash(info_hash)?;
    session.torrent(id).is_none_or(is_open_to_all).then_some(id)
}

#[cfg(test)]
mod tests {
    use sprat_core::config::Config;
    use sprat_core::io::AddSleeping;
    use sprat_core::time::Time;
    use sprat_wire::hash::{InfoHashes, Sha1Hash};

    use super::*;

    fn session(private: &[bool]) -> Session {
        let mut session = Session::new(Config::default(), 1);
        for (number, private) in (0_u8..).zip(private) {
            let asleep = AddSleeping {
                private: *private,
                ..AddSleeping::new(InfoHashes::new(Some(Sha1Hash([number; 20])), None).unwrap())
            };
            session.add_sleeping(Time::ZERO, asleep).unwrap();
        }
        session
    }

    #[test]
    fn those_that_sleep_take_turns_and_private_ones_are_not_named() {
        let session = session(&[false, true, false, false, false]);
        let mut last = None;
        let mut turn = |room| -> Vec<u8> {
            take_turns(&session, &mut last, room).iter().map(|hash| hash.0[0]).collect()
        };
        assert_eq!(turn(2), [0, 2]);
        assert_eq!(turn(1), [3]);
        assert_eq!(turn(3), [4, 0, 2]);
        assert_eq!(turn(20), [3, 4, 0, 2], "each once");
        assert_eq!(turn(0), [0; 0]);
    }

    #[test]
    fn one_that_sleeps_is_known_by_its_name() {
        let session = session(&[false]);
        assert!(heard_of(&session, InfoHash([0; 20])).is_some());
        assert!(heard_of(&session, InfoHash([1; 20])).is_none());
    }
}
