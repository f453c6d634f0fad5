//! Feeds, connected: they are fetched, what their rules want is added, all is kept, and whoever listens is told.

use std::sync::Arc;
use std::time::Duration;

use sprat_core::time::Time;
use sprat_engine::state::{Change, StateError, Table};
use thiserror::Error;
use tokio::sync::mpsc::{self, error::SendError};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use crate::clock;
use crate::feeds::driver::FeedDriver;
use crate::feeds::{AddWith, Feeds, FeedsError, Match, Name, Rule, RuleError, SavedFeeds};
use crate::fetch::Fetcher;
use crate::labels::Labels;
use crate::service::{AddError, Added, HappeningKind, NewTorrent, Service};

/// Where they are kept. Must never change.
const KEY: &[u8] = b"daemon/feeds";

/// Batches of matches that nobody has begun to add.
const MAX_BATCHES: usize = 16;

/// Torrents that are fetched at a time: each may have 32 MiB. A feed has one of them at most, so one whose torrents never
/// come leaves room for the others.
const MAX_ADDING: usize = 4;

/// The feeds of a daemon. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Feeding(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    driver: FeedDriver,
    service: Service,
    fetcher: Fetcher,
    found: mpsc::Sender<Vec<Match>>,
    adding: Semaphore,
}

/// Why feeds or rules were not changed.
#[derive(Debug, Error)]
pub(crate) enum ChangeFeedsError {
    #[error(transparent)]
    Feeds(#[from] FeedsError),
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// What a rule wants could never be added as it says.
    #[error(transparent)]
    Add(#[from] AddError),
    #[error("feeds cannot be written down: {0}")]
    State(#[from] StateError),
}

impl Feeding {
    /// What was kept. The matches are for [`Feeding::run`].
    pub(crate) async fn open(
        service: Service,
        fetcher: Fetcher,
    ) -> Result<(Self, mpsc::Receiver<Vec<Match>>), StateError> {
        let ledger = service.ledger().clone();
        let reading = tokio::task::spawn_blocking(move || ledger.get(Table::Settings, KEY));
        let kept = reading.await.map_err(|_| StateError::Closed)??;
        let saved = kept.map(|bytes| serde_json::from_slice::<SavedFeeds>(&bytes)).transpose();
        let saved = saved.unwrap_or_else(|error| {
            tracing::error!(%error, "the feeds cannot be read");
            None
        });
        // Without randomness, feeds are fetched in step after each start.
        let mut seed = [0; 8];
        let _ = getrandom::fill(&mut seed);
        let driver = FeedDriver::new(saved.unwrap_or_default(), u64::from_le_bytes(seed));
        let (found, batches) = mpsc::channel(MAX_BATCHES);
        let inner = Inner { driver, service, fetcher, found, adding: Semaphore::new(MAX_ADDING) };
        Ok((Self(Arc::new(inner)), batches))
    }

    /// Fetches, and adds what is found, as long as the daemon runs.
    pub(crate) async fn run(self, mut batches: mpsc::Receiver<Vec<Match>>) {
        let fetching = self.0.driver.run(self.0.fetcher.clone(), self.0.found.clone());
        let adding = async {
            let mut tasks = JoinSet::new();
            loop {
                tokio::select! {
                    Some(batch) = batches.recv() => {
                        tasks.spawn(self.clone().add_all(batch));
                    }
                    Some(_) = tasks.join_next() => {}
                }
            }
        };
        tokio::select! {
            () = fetching => {}
            () = adding => {}
        }
    }

    /// Looks at feeds and rules.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Feeds, Time) -> T) -> T {
        self.0.driver.with(|feeds, now| look(feeds, now))
    }

    /// How often feeds are fetched, as [`Feeds::set_usual_interval`].
    pub(crate) fn set_usual_interval(&self, interval: Duration) {
        self.0.driver.with(|feeds, now| feeds.set_usual_interval(now, interval));
    }

    /// Fetches a feed soon.
    pub(crate) fn refresh(&self, name: &Name) -> Result<(), ChangeFeedsError> {
        Ok(self.0.driver.with(|feeds, now| feeds.refresh(now, name))?)
    }

    /// Commands something that finds nothing. It is durable when this returns.
    pub(crate) async fn change<T>(
        &self,
        act: impl FnOnce(&mut Feeds, Time) -> Result<T, FeedsError>,
    ) -> Result<T, ChangeFeedsError> {
        let done = self.0.driver.with(act)?;
        self.keep().await?;
        Ok(done)
    }

    /// Makes a rule or changes it, and begins to add what it wants of what is there: how many items. The rule is durable
    /// when this returns.
    pub(crate) async fn set_rule(&self, name: Name, rule: Rule) -> Result<usize, ChangeFeedsError> {
        self.check(&rule.add)?;
        let closed = |_: SendError<()>| StateError::Closed;
        // First the room: what was handed out must reach whoever adds it, even if nobody waits for us any more.
        let room = self.0.found.clone().reserve_owned().await.map_err(closed)?;
        let driver = self.0.driver.clone();
        // Thousands of titles may have to be looked at.
        let setting = tokio::task::spawn_blocking(move || {
            let matches = driver.with(|feeds, _| feeds.set_rule(clock::now(), name, rule))?;
            let count = matches.len();
            room.send(matches);
            Ok::<_, RuleError>(count)
        });
        let count = setting.await.map_err(|_| StateError::Closed)??;
        self.keep().await?;
        Ok(count)
    }

    /// Whether torrents can be added like this at all.
    fn check(&self, add: &AddWith) -> Result<(), AddError> {
        if let Some(name) = add.label.iter().chain(&add.tags).find(|name| !Labels::is_name(name)) {
            return Err(AddError::Name(name.clone()));
        }
        match &add.save_path {
            Some(path) if !self.0.service.choices().allows(path) => Err(AddError::Directory(path.clone())),
            _ => Ok(()),
        }
    }

    /// Has all written down as it is now. It is durable when this returns.
    async fn keep(&self) -> Result<(), StateError> {
        let (reply, answer) = oneshot::channel();
        // Given to the ledger while nobody changes anything: so what is written last is the newest.
        self.0.driver.with(|feeds, _| {
            let Ok(value) = serde_json::to_vec(&feeds.save()) else { return };
            let change = Change { table: Table::Settings, key: KEY.to_vec(), value: Some(value) };
            self.0.service.ledger().write(vec![change], move |result| {
                let _ = reply.send(result);
            });
        });
        answer.await.map_err(|_| StateError::Closed)?
    }

    /// Adds what was found, one after the other. What is killed meanwhile is found again after the start.
    async fn add_all(self, batch: Vec<Match>) {
        for found in &batch {
            let added = self.add(found).await;
            let result = added.as_ref().map(|_| ()).map_err(String::clone);
            self.0.driver.with(|feeds, _| feeds.settle(found, result));
            self.tell(found, added);
        }
        if let Err(error) = self.keep().await {
            tracing::error!(%error, "what was added from a feed could not be written down");
        }
    }

    /// `None`: it was there already. An error is for people, and without secrets.
    async fn add(&self, found: &Match) -> Result<Option<Added>, String> {
        let source = found.item.source.as_ref().ok_or("it names nothing that could be added")?;
        let _place = self.0.adding.acquire().await.map_err(|_| "the daemon ends")?;
        let fetched = self.0.fetcher.torrent_of_feed(&found.feed_url, source).await;
        let new = NewTorrent {
            directory: found.add.save_path.clone(),
            label: found.add.label.clone(),
            tags: found.add.tags.clone(),
            start: !found.add.paused,
            origin: format!("feed {}", found.feed),
            ..NewTorrent::new(fetched.map_err(|error| error.to_string())?.into())
        };
        match self.0.service.add(new).await {
            Ok(added) => Ok(Some(added)),
            Err(AddError::Duplicate(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn tell(&self, found: &Match, result: Result<Option<Added>, String>) {
        let (feed, rule) = (found.feed.to_string(), found.rule.to_string());
        let title = found.item.title.clone();
        match result {
            Ok(Some(added)) => {
                let kind = HappeningKind::FeedMatch { feed, rule, title };
                self.0.service.tell(Some(added.hash), Some(added.name), kind);
            }
            Ok(None) => tracing::debug!(feed, rule, title, "what a rule wants is there already"),
            Err(reason) => {
                tracing::warn!(feed, rule, title, reason, "what a rule wants could not be added");
                let kind = HappeningKind::FeedMatchFailed { feed, rule, title, reason };
                self.0.service.tell(None, None, kind);
            }
        }
    }
}
