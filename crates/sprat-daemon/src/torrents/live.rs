//! What only a running session knows of its torrents: looked at once a second, on the session's own thread.

use std::collections::{BTreeMap, BTreeSet};

use sprat_core::Session;
use sprat_core::announcer::TrackerStatus;
use sprat_core::io::{Totals, Trouble};
use sprat_core::storage::TorrentId;
use sprat_core::time::Time;
use sprat_core::torrent::{TorrentState, TorrentStatus};

use super::queue::Swarm;

/// How a torrent does just now.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// What the session does with it.
    pub doing: Doing,
    /// Why it stopped by itself.
    pub trouble: Option<Trouble>,
    /// Counted since it was added.
    pub totals: Totals,
    /// Payload, bytes per second.
    pub download_rate: u64,
    /// Payload, bytes per second.
    pub upload_rate: u64,
    /// Connections.
    pub connections: usize,
    /// Those of them that have everything.
    pub seeds: usize,
    /// Addresses known.
    pub known_peers: usize,
    /// Of the whole torrent, of what is wanted of it and had, and of what is wanted and lacks, bytes. `None` while its metadata is
    /// not known.
    pub bytes: Option<Bytes>,
    /// Who is in its swarm, as far as trackers have said.
    pub swarm: Option<Swarm>,
    /// Whole copies that connected peers hold, and thousandths of one more.
    pub distributed_copies: Option<(u32, u32)>,
}

/// How much there is of a torrent, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes {
    /// All of it.
    pub total: u64,
    /// What it lacks.
    pub left: u64,
    /// What of that is wanted.
    pub wanted_left: u64,
}

/// What the session does with a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Its metadata is looked for; so many thousandths are there.
    FetchingMetadata(u16),
    /// What is there is looked at; so many thousandths are done.
    Checking(u16),
    /// What it lacks is fetched.
    Downloading,
    /// It is given to others.
    Seeding,
    /// Nothing, as the user or the queue has said.
    Paused,
    /// Nothing any more: it is being removed.
    Closing,
}

/// Looks at everything that is awake, and for the last time at those of `before` that have fallen asleep.
#[must_use]
pub fn look(session: &Session, now: Time, before: &BTreeSet<TorrentId>) -> BTreeMap<TorrentId, Live> {
    let torrents = session.torrents().map(|torrent| {
        let live = Live { swarm: swarm(torrent.trackers()), ..of_torrent(torrent.status(now)) };
        (torrent.id(), live)
    });
    let seekers = session.seekers().map(|seeker| {
        let status = seeker.status();
        let permille = status.metadata.map_or(0, |(have, size)| permille(have.into(), size.into()));
        let doing = if status.paused { Doing::Paused } else { Doing::FetchingMetadata(permille) };
        let live = Live {
            trouble: status.trouble,
            connections: status.connections,
            known_peers: status.known_peers,
            ..Live::idle(doing, Totals::default())
        };
        (seeker.id(), live)
    });
    let sleepers =
        session.sleepers().filter(|sleeper| sleeper.trouble().is_some() || before.contains(&sleeper.id()));
    let sleepers = sleepers.map(|sleeper| {
        let doing = if sleeper.is_paused() { Doing::Paused } else { Doing::Seeding };
        let idle = Live::idle(doing, sleeper.totals());
        (sleeper.id(), Live { trouble: sleeper.trouble().cloned(), swarm: swarm(sleeper.trackers()), ..idle })
    });
    torrents.chain(seekers).chain(sleepers).collect()
}

impl Live {
    const fn idle(doing: Doing, totals: Totals) -> Self {
        Self {
            doing,
            trouble: None,
            totals,
            download_rate: 0,
            upload_rate: 0,
            connections: 0,
            seeds: 0,
            known_peers: 0,
            bytes: None,
            swarm: None,
            distributed_copies: None,
        }
    }
}

fn of_torrent(status: TorrentStatus) -> Live {
    let (doing, trouble) = match status.state {
        TorrentState::Opening => (Doing::Checking(0), None),
        TorrentState::Checking { permille } => (Doing::Checking(permille), None),
        TorrentState::Downloading => (Doing::Downloading, None),
        TorrentState::Seeding => (Doing::Seeding, None),
        TorrentState::Paused => (Doing::Paused, None),
        TorrentState::Closing => (Doing::Closing, None),
        TorrentState::Trouble(trouble) => (Doing::Downloading, Some(trouble)),
    };
    let bytes =
        Bytes { total: status.bytes_total, left: status.bytes_left, wanted_left: status.bytes_wanted_left };
    Live {
        doing,
        trouble,
        totals: status.totals,
        download_rate: status.download_rate,
        upload_rate: status.upload_rate,
        connections: status.connections,
        seeds: status.seeds,
        known_peers: status.known_peers,
        bytes: Some(bytes),
        swarm: None,
        distributed_copies: Some(status.distributed_copies),
    }
}

/// The largest that any of its trackers knows.
fn swarm(trackers: impl Iterator<Item = TrackerStatus>) -> Option<Swarm> {
    let known =
        trackers.filter_map(|tracker| Some(Swarm { seeds: tracker.seeders?, leechers: tracker.leechers? }));
    known.max_by_key(|swarm| swarm.seeds.saturating_add(swarm.leechers))
}

/// Thousandths.
pub(super) fn permille(part: u64, whole: u64) -> u16 {
    if whole == 0 {
        return 0;
    }
    u16::try_from(u128::from(part) * 1000 / u128::from(whole)).unwrap_or(1000).min(1000)
}
