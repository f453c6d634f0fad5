//! Fetches what [`Feeds`] finds due.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sprat_core::time::Time;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{Feeds, FetchDue, Fetched, Match, SavedFeeds, Ticket, parse};
use crate::clock;
use crate::fetch::{FeedDocument, Fetcher};

/// Where no feed is due, for as long.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// Of what is said of a failure, in characters.
const MAX_REASON_LENGTH: usize = 300;

/// What to do about a feed that may not be asked for.
const AT_HOME: &str = "; if the feed is in your own network, add its host:port to feeds.private_servers in the configuration file";

/// Feeds that are fetched. Clones are the same.
#[derive(Debug, Clone)]
pub struct FeedDriver {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    feeds: Mutex<Feeds>,
    changed: Notify,
    begin: Instant,
}

impl FeedDriver {
    /// What was saved. `seed` spreads the fetches in time.
    #[must_use]
    pub fn new(saved: SavedFeeds, seed: u64) -> Self {
        let feeds = Mutex::new(Feeds::new(saved, Time::ZERO, seed));
        Self { shared: Arc::new(Shared { feeds, changed: Notify::new(), begin: Instant::now() }) }
    }

    /// Looks at the feeds, or commands something. Nothing is fetched meanwhile, so it should not take long. The time
    /// is the one that the commands ask for.
    pub fn with<R>(&self, act: impl FnOnce(&mut Feeds, Time) -> R) -> R {
        let now = self.now();
        let result = act(&mut self.feeds(), now);
        self.shared.changed.notify_one();
        result
    }

    /// Fetches feeds until nobody takes the matches any more. Each match is to be [settled](Feeds::settle), and then
    /// [`Feeds::save`] to be called.
    pub async fn run(&self, fetcher: Fetcher, found: mpsc::Sender<Vec<Match>>) {
        let mut fetches = JoinSet::new();
        loop {
            for due in self.feeds().poll(self.now()) {
                let (driver, fetcher) = (self.clone(), fetcher.clone());
                fetches.spawn(async move {
                    let result = fetch(&fetcher, &due).await;
                    driver.fetched(due.ticket, result).await
                });
            }
            let next = self.feeds().next_due();
            let wake = next.map_or(Instant::now() + LONG, |due| self.shared.begin + due.since(Time::ZERO));
            tokio::select! {
                () = found.closed() => return,
                () = self.shared.changed.notified() => {}
                () = sleep_until(wake) => {}
                Some(ended) = fetches.join_next() => {
                    // A task neither panics nor is aborted: what may panic is a task of its own.
                    let Ok(matches) = ended else { continue };
                    if !matches.is_empty() && found.send(matches).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    async fn fetched(self, ticket: Ticket, result: Fetched) -> Vec<Match> {
        if let Fetched::Failed { reason, .. } = &result {
            tracing::info!(feed = %ticket.feed(), reason, "could not fetch a feed");
        }
        // Hundreds of rules may have to look at thousands of titles.
        let judging = tokio::task::spawn_blocking(move || {
            let now = self.now();
            self.feeds().fetched(now, clock::now(), &ticket, result)
        });
        judging.await.unwrap_or_default()
    }

    fn now(&self) -> Time {
        Time::ZERO + self.shared.begin.elapsed()
    }

    fn feeds(&self) -> MutexGuard<'_, Feeds> {
        self.shared.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn fetch(fetcher: &Fetcher, due: &FetchDue) -> Fetched {
    let (body, base, validators) = match fetcher.feed(&due.url, &due.known).await {
        Ok(FeedDocument::Unchanged) => return Fetched::Unchanged,
        Ok(FeedDocument::Changed { body, base, validators }) => (body, base, validators),
        Err(error) if error.is_refused_address() => return failed(&format!("{error}{AT_HOME}"), None),
        Err(error) => return failed(&error.to_string(), error.retry_after()),
    };
    match tokio::task::spawn_blocking(move || parse(&body, &base)).await {
        Ok(Ok(channel)) => Fetched::Changed { channel, validators },
        Ok(Err(problem)) => failed(&problem.to_string(), None),
        Err(_) => failed("the feed could not be read", None),
    }
}

/// One line of bounded length: a parser that complains may quote what it has read.
fn failed(reason: &str, retry_after: Option<Duration>) -> Fetched {
    let line = reason.chars().take(MAX_REASON_LENGTH).map(|char| if char.is_control() { ' ' } else { char });
    Fetched::Failed { reason: line.collect(), retry_after }
}
