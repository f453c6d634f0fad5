//! The trackers of all torrents at once, as lists show them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sprat_core::announcer::{TrackerState, TrackerStatus};
use sprat_core::storage::TorrentId;
use sprat_engine::client::Ended;
use tokio::sync::Mutex;

use crate::service::Service;
use crate::torrents::Snapshot;

/// What is known is good for this long: to look costs the session some microseconds for each torrent.
const FRESH: Duration = Duration::from_secs(10);

/// The trackers of a torrent, and what they say of its swarm.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Swarm {
    /// In the order of their tiers, each once.
    pub(super) urls: Vec<Arc<str>>,
    /// The first one that works.
    pub(super) working: Option<Arc<str>>,
    /// Seeders, by who knows most.
    pub(super) seeders: Option<u32>,
    /// Leechers, by who knows most.
    pub(super) leechers: Option<u32>,
}

impl Swarm {
    fn of(trackers: &[TrackerStatus]) -> Self {
        let mut swarm = Self::default();
        for tracker in trackers {
            if !swarm.urls.contains(&tracker.url) {
                swarm.urls.push(Arc::clone(&tracker.url));
            }
            if swarm.working.is_none() && tracker.state == TrackerState::Working {
                swarm.working = Some(Arc::clone(&tracker.url));
            }
            swarm.seeders = swarm.seeders.max(tracker.seeders);
            swarm.leechers = swarm.leechers.max(tracker.leechers);
        }
        swarm
    }
}

/// Those of all torrents.
#[derive(Debug, Default)]
pub(super) struct Overview {
    /// By torrent.
    pub(super) swarms: BTreeMap<TorrentId, Arc<Swarm>>,
    /// Torrents by tracker.
    pub(super) by_tracker: BTreeMap<Arc<str>, Vec<TorrentId>>,
}

impl Overview {
    /// What stayed as it was is the same as in `before`, so that nobody needs to compare it.
    pub(super) fn new(found: BTreeMap<TorrentId, Swarm>, before: &Self) -> Self {
        let mut by_tracker: BTreeMap<Arc<str>, Vec<TorrentId>> = BTreeMap::new();
        let swarms = found.into_iter().map(|(torrent, swarm)| {
            for url in &swarm.urls {
                by_tracker.entry(Arc::clone(url)).or_default().push(torrent);
            }
            let known = before.swarms.get(&torrent).filter(|known| ***known == swarm);
            (torrent, known.map_or_else(|| Arc::new(swarm), Arc::clone))
        });
        let swarms = swarms.collect();
        Self { swarms, by_tracker }
    }
}

/// What was seen last.
#[derive(Debug, Default)]
pub(super) struct Swarms(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    at: Option<Instant>,
    overview: Arc<Overview>,
}

impl Swarms {
    /// The trackers of all torrents of the list.
    pub(super) async fn look(&self, service: &Service, snapshot: &Snapshot) -> Result<Arc<Overview>, Ended> {
        let mut seen = self.0.lock().await;
        let known = &seen.overview.swarms;
        let is_complete = known.len() == snapshot.lines().len()
            && snapshot.lines().iter().all(|line| known.contains_key(&line.torrent));
        if !is_complete || seen.at.is_none_or(|at| at.elapsed() >= FRESH) {
            let torrents: Vec<TorrentId> = snapshot.lines().iter().map(|line| line.torrent).collect();
            let look = move |session: &mut sprat_core::Session, _| {
                torrents.into_iter().map(|one| (one, Swarm::of(&session.trackers(one)))).collect()
            };
            let found = service.client().with(look).await?;
            seen.overview = Arc::new(Overview::new(found, &seen.overview));
            seen.at = Some(Instant::now());
        }
        Ok(Arc::clone(&seen.overview))
    }

    /// Somebody has changed them.
    pub(super) async fn forget(&self) {
        self.0.lock().await.at = None;
    }
}
