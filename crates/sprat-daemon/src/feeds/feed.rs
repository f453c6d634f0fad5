//! One feed: what it offers, what of it was handed out, and when it is fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sprat_core::time::Time;

use super::episode::Episode;
use super::item::{Channel, Item, ItemKey, MAX_ITEMS};
use super::name::Name;
use super::recent::Recent;
use super::rule::LastMatch;
use crate::fetch::Validators;

/// Feeds are not fetched more often than this, whatever anybody asks for.
pub const MIN_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// How often a feed is fetched that says nothing else.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// After failures it takes at most this long until the next try, and no feed is left alone for longer because it asks
/// for that.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// The keys that are remembered of each feed: what it offers, and as much of what it has offered.
pub(super) const MAX_TAKEN: usize = 2 * MAX_ITEMS;

/// An item that could not be added is handed out this many times before it is given up.
const MAX_ATTEMPTS: u32 = 5;

/// What the user says of a feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedConfig {
    /// Where it is. May contain a key: not to be logged.
    pub url: String,
    /// How often to fetch it, in seconds, whatever it asks for itself. At least [`MIN_INTERVAL`].
    #[serde(default)]
    pub interval_secs: Option<u32>,
    /// Not fetched.
    #[serde(default)]
    pub paused: bool,
}

#[derive(Debug)]
pub(super) struct Feed {
    pub(super) config: FeedConfig,
    taken: Recent<ItemKey, ()>,
    /// Handed out, each to its rule, and neither added nor given back yet.
    pub(super) pending: BTreeMap<ItemKey, Pending>,
    failed: BTreeMap<ItemKey, Failure>,
    pub(super) items: Arc<[Item]>,
    pub(super) title: Option<String>,
    patience: Option<Duration>,
    pub(super) validators: Validators,
    pub(super) fetched: Option<Timestamp>,
    pub(super) error: Option<String>,
    pub(super) failures: u32,
    pub(super) state: FetchState,
}

/// An item that is being added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) rule: Name,
    pub(super) found: LastMatch,
    pub(super) episode: Option<Episode>,
}

/// An item that could not be added.
#[derive(Debug)]
struct Failure {
    attempts: u32,
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FetchState {
    Due(Time),
    Fetching(u64),
}

impl Feed {
    pub(super) fn new(config: FeedConfig, taken: Recent<ItemKey, ()>, due: Time) -> Self {
        Self {
            config,
            taken,
            pending: BTreeMap::new(),
            failed: BTreeMap::new(),
            items: Arc::default(),
            title: None,
            patience: None,
            validators: Validators::default(),
            fetched: None,
            error: None,
            failures: 0,
            state: FetchState::Due(due),
        }
    }

    /// When it is to be fetched. Not while items of it are being added, so that there are never more of them than a
    /// feed has.
    pub(super) fn due(&self) -> Option<Time> {
        match self.state {
            FetchState::Due(due) if !self.config.paused && self.pending.is_empty() => Some(due),
            _ => None,
        }
    }

    pub(super) fn change(&mut self, now: Time, config: FeedConfig) {
        if self.config.url != config.url {
            self.validators = Validators::default();
            self.patience = None;
        }
        self.config = config;
        self.state = FetchState::Due(now);
    }

    pub(super) fn failed_to_come(&mut self, reason: String) {
        self.error = Some(reason);
        self.failures = self.failures.saturating_add(1);
    }

    pub(super) fn has_come(&mut self, date: Timestamp) {
        self.error = None;
        self.failures = 0;
        self.fetched = Some(date);
    }

    pub(super) fn has_changed(&mut self, channel: Channel, validators: Validators) {
        self.title = channel.title;
        self.patience = channel.patience;
        self.items = channel.items.into();
        self.validators = validators;
        self.forget_the_oldest();
    }

    /// Until the next fetch: as the user says, or else usually, and as long as the feed asks for; twice as long after
    /// each failure in a row.
    pub(super) fn pause(&self, usual: Duration) -> Duration {
        let interval = match self.config.interval_secs {
            Some(secs) => Duration::from_secs(secs.into()),
            None => usual.max(self.patience.unwrap_or_default().min(MAX_PAUSE)),
        };
        let interval = interval.max(MIN_INTERVAL);
        let doubled = interval.saturating_mul(1 << self.failures.min(10));
        if self.failures == 0 { doubled } else { doubled.min(MAX_PAUSE.max(interval)) }
    }

    pub(super) fn is_taken(&self, key: &ItemKey) -> bool {
        self.taken.contains(key)
    }

    /// Why an item could not be added the last time that it was tried.
    pub(super) fn failure(&self, key: &ItemKey) -> Option<&str> {
        self.failed.get(key).map(|failure| failure.reason.as_str())
    }

    pub(super) fn hand_out(&mut self, item: &Item, rule: Name, date: Timestamp) {
        self.taken.note(item.key.clone(), ());
        self.taken.shrink_to(MAX_TAKEN);
        let pending = Pending { rule, found: LastMatch::of(item, date), episode: item.episode.clone() };
        self.pending.insert(item.key.clone(), pending);
    }

    pub(super) fn was_added(&mut self, key: &ItemKey) {
        self.pending.remove(key);
        self.failed.remove(key);
    }

    /// It comes again, a few times.
    pub(super) fn was_not_added(&mut self, key: &ItemKey, reason: String) {
        self.pending.remove(key);
        let failure =
            self.failed.entry(key.clone()).or_insert(Failure { attempts: 0, reason: String::new() });
        *failure = Failure { attempts: failure.attempts + 1, reason };
        if failure.attempts < MAX_ATTEMPTS {
            self.taken.forget(key);
        }
    }

    /// What is not wanted any more, also after a restart: not what is still being added.
    pub(super) fn settled(&self) -> Recent<ItemKey, ()> {
        let mut taken = self.taken.clone();
        for key in self.pending.keys() {
            taken.forget(key);
        }
        taken
    }

    /// Remembers what the feed still offers for as long as it does, and some of the rest.
    fn forget_the_oldest(&mut self) {
        for item in self.items.iter() {
            if self.taken.contains(&item.key) {
                self.taken.note(item.key.clone(), ());
            }
        }
        self.taken.shrink_to(MAX_TAKEN);
        let offered: BTreeSet<&ItemKey> = self.items.iter().map(|item| &item.key).collect();
        self.failed.retain(|key, _| offered.contains(key));
    }
}
