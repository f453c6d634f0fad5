//! Feeds, and the rules by which what they offer is added.
//!
//! [`Feeds`] is a state machine: it says which feeds are to be fetched now, is told what came, and says what is to be
//! added. It knows neither HTTP nor a clock; [`driver`] brings it both.
//!
//! Rules are applied to all that a feed offers at present, not only to what is new, so that a rule that is made today
//! also takes what was published yesterday. What was handed out once is remembered by its key for as long as the feed
//! offers it, and for some time after.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sprat_core::time::Time;
use thiserror::Error;

use crate::fetch::Validators;

pub mod driver;
mod episode;
mod episode_filter;
mod item;
mod pattern;
mod recent;
mod rule;
mod xml_limits;

pub use episode_filter::{EpisodeFilter, EpisodeFilterError};
pub use item::{Channel, FeedProblem, Item, ItemKey, MAX_ITEMS, parse};
pub use pattern::{Notation, PatternError};
pub use rule::{AddWith, LastMatch, Rejection, Rule, RuleError};
pub use xml_limits::XmlProblem;

use recent::Recent;
use rule::{CompiledRule, History};

/// Feeds are not fetched more often than this, whatever anybody asks for.
pub const MIN_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// How often a feed is fetched that says nothing else.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// After failures it takes at most this long until the next try.
const MAX_BACK_OFF: Duration = Duration::from_secs(24 * 60 * 60);

/// Within this time after the start all feeds are fetched, not all at once.
const START_SPREAD: Duration = Duration::from_secs(60);

/// An interval is longer or shorter by at most this part, so that feeds do not come in step.
const JITTER: f64 = 0.1;

/// At the same time.
const MAX_FETCHES: usize = 4;

/// Of all.
const MAX_FEEDS: usize = 500;

/// Of all.
const MAX_RULES: usize = 500;

/// The keys that are remembered of each feed: what it offers, and as much of what it has offered.
const MAX_TAKEN: usize = 2 * MAX_ITEMS;

/// An item that could not be added is handed out this many times before it is given up.
const MAX_ATTEMPTS: u32 = 5;

/// A feed, for as long as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeedId(u32);

impl fmt::Display for FeedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the user says of a feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedConfig {
    /// Where it is. May contain a key: not to be logged.
    pub url: String,
    /// What to call it, if not by its title.
    #[serde(default)]
    pub name: Option<String>,
    /// How often to fetch it, in seconds. At least [`MIN_INTERVAL`].
    #[serde(default)]
    pub interval_secs: Option<u32>,
    /// Not fetched.
    #[serde(default)]
    pub paused: bool,
}

/// A command that cannot be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FeedsError {
    /// There is none with this number.
    #[error("there is no such feed")]
    NoSuchFeed,
    /// More feeds than are fetched.
    #[error("there are already {MAX_FEEDS} feeds")]
    TooManyFeeds,
    /// There is none with this name.
    #[error("there is no such rule")]
    NoSuchRule,
}

/// What is to be kept over a restart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedFeeds {
    next_id: u32,
    feeds: Vec<SavedFeed>,
    rules: Vec<SavedRule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedFeed {
    id: FeedId,
    config: FeedConfig,
    #[serde(default)]
    taken: Recent<ItemKey, ()>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedRule {
    rule: Rule,
    #[serde(default)]
    history: History,
}

/// A fetch that is to be made now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchDue {
    /// To be given back with the result.
    pub ticket: Ticket,
    /// From where.
    pub url: String,
    /// What the answer may be compared with.
    pub known: Validators,
}

/// Which fetch a result belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    feed: FeedId,
    number: u64,
}

impl Ticket {
    /// The feed that is fetched.
    #[must_use]
    pub const fn feed(&self) -> FeedId {
        self.feed
    }
}

/// What came of a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The feed is what it was.
    Unchanged,
    /// The feed.
    Changed {
        /// What it offers.
        channel: Channel,
        /// What to ask with the next time.
        validators: Validators,
    },
    /// None.
    Failed {
        /// Why, for people. Without secrets.
        reason: String,
        /// How long the server wishes to be left alone.
        retry_after: Option<Duration>,
    },
}

/// Something to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The feed that offers it.
    pub feed: FeedId,
    /// The rule that wants it.
    pub rule: String,
    /// What it is.
    pub item: Item,
    /// How it is to be added.
    pub add: AddWith,
}

/// A feed as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedStatus<'a> {
    /// Which one.
    pub id: FeedId,
    /// What the user says of it.
    pub config: &'a FeedConfig,
    /// Its title, once it was fetched.
    pub title: Option<&'a str>,
    /// When it was fetched last with success since the start, by the clock on the wall.
    pub fetched: Option<Timestamp>,
    /// Why it could not be fetched.
    pub error: Option<&'a str>,
    /// In how many tries, one after the other.
    pub failures: u32,
    /// When it will be fetched again; `None` while it is fetched or paused.
    pub next_fetch: Option<Time>,
    /// What it offers.
    pub items: &'a Arc<[Item]>,
}

/// A rule as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleStatus<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// Its newest match.
    pub last_match: Option<&'a LastMatch>,
}

/// What a rule says to an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement<'a> {
    /// The feed that offers it.
    pub feed: FeedId,
    /// The item.
    pub item: &'a Item,
    /// Whether it is wanted.
    pub verdict: Result<(), Rejection>,
}

/// Feeds and rules.
#[derive(Debug)]
pub struct Feeds {
    feeds: BTreeMap<FeedId, Feed>,
    /// In the order in which they are asked. The first that wants an item gets it.
    rules: Vec<(CompiledRule, History)>,
    next_id: u32,
    next_ticket: u64,
    rng: Rng,
}

#[derive(Debug)]
struct Feed {
    config: FeedConfig,
    taken: Recent<ItemKey, ()>,
    /// How often items could not be added.
    attempts: BTreeMap<ItemKey, u32>,
    items: Arc<[Item]>,
    title: Option<String>,
    validators: Validators,
    fetched: Option<Timestamp>,
    error: Option<String>,
    failures: u32,
    state: FetchState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FetchState {
    Due(Time),
    Fetching(u64),
}

impl Feed {
    fn new(config: FeedConfig, due: Time) -> Self {
        Self {
            config,
            taken: Recent::default(),
            attempts: BTreeMap::new(),
            items: Arc::default(),
            title: None,
            validators: Validators::default(),
            fetched: None,
            error: None,
            failures: 0,
            state: FetchState::Due(due),
        }
    }

    const fn due(&self) -> Option<Time> {
        match self.state {
            FetchState::Due(due) if !self.config.paused => Some(due),
            _ => None,
        }
    }

    fn interval(&self) -> Duration {
        let asked_for = self.config.interval_secs.map(|secs| Duration::from_secs(secs.into()));
        asked_for.unwrap_or(DEFAULT_INTERVAL).max(MIN_INTERVAL)
    }

    fn succeeded(&mut self, date: Timestamp) {
        self.error = None;
        self.failures = 0;
        self.fetched = Some(date);
    }

    /// Until the next fetch: twice as long after each failure in a row.
    fn pause(&self) -> Duration {
        let doubled = self.interval().saturating_mul(1 << self.failures.min(10));
        if self.failures == 0 { doubled } else { doubled.min(MAX_BACK_OFF.max(self.interval())) }
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
        self.attempts.retain(|key, _| offered.contains(key));
    }
}

impl Feeds {
    /// What was saved, from `now` on. `seed` spreads the fetches in time.
    ///
    /// Rules that this version cannot follow are left out; they were checked when they were made.
    #[must_use]
    pub fn new(saved: SavedFeeds, now: Time, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let feeds = saved.feeds.into_iter().take(MAX_FEEDS).map(|saved| {
            let feed =
                Feed { taken: saved.taken, ..Feed::new(saved.config, now + START_SPREAD.mul_f64(rng.f64())) };
            (saved.id, feed)
        });
        let feeds: BTreeMap<FeedId, Feed> = feeds.collect();
        let rules = saved.rules.into_iter().take(MAX_RULES).filter_map(|saved| {
            let rule =
                CompiledRule::new(saved.rule).inspect_err(|error| tracing::warn!(%error, "left out a rule"));
            Some((rule.ok()?, saved.history))
        });
        let rules = rules.collect();
        let after_all = feeds.keys().map(|id| id.0.saturating_add(1)).max().unwrap_or(0);
        Self { feeds, rules, next_id: saved.next_id.max(after_all), next_ticket: 0, rng }
    }

    /// What is to be kept. Changes with each command and each match, not with each fetch.
    #[must_use]
    pub fn save(&self) -> SavedFeeds {
        let feeds = self.feeds.iter().map(|(id, feed)| SavedFeed {
            id: *id,
            config: feed.config.clone(),
            taken: feed.taken.clone(),
        });
        let rules = self
            .rules
            .iter()
            .map(|(rule, history)| SavedRule { rule: rule.rule.clone(), history: history.clone() });
        SavedFeeds { next_id: self.next_id, feeds: feeds.collect(), rules: rules.collect() }
    }

    /// A new feed, which is fetched at once.
    pub fn add_feed(&mut self, now: Time, config: FeedConfig) -> Result<FeedId, FeedsError> {
        if self.feeds.len() >= MAX_FEEDS {
            return Err(FeedsError::TooManyFeeds);
        }
        let id = FeedId(self.next_id);
        self.next_id = self.next_id.checked_add(1).ok_or(FeedsError::TooManyFeeds)?;
        self.feeds.insert(id, Feed::new(config, now));
        Ok(id)
    }

    /// Changes what is said of a feed, and fetches it.
    pub fn change_feed(&mut self, now: Time, id: FeedId, config: FeedConfig) -> Result<(), FeedsError> {
        let feed = self.feeds.get_mut(&id).ok_or(FeedsError::NoSuchFeed)?;
        if feed.config.url != config.url {
            feed.validators = Validators::default();
        }
        feed.config = config;
        feed.state = FetchState::Due(now);
        Ok(())
    }

    /// Forgets a feed. Rules that are for it alone match nothing any more.
    pub fn remove_feed(&mut self, id: FeedId) -> Result<(), FeedsError> {
        self.feeds.remove(&id).map(|_| ()).ok_or(FeedsError::NoSuchFeed)
    }

    /// Fetches a feed now, also one that is backing off. Paused feeds stay paused.
    pub fn refresh(&mut self, now: Time, id: FeedId) -> Result<(), FeedsError> {
        let feed = self.feeds.get_mut(&id).ok_or(FeedsError::NoSuchFeed)?;
        if let FetchState::Due(due) = &mut feed.state {
            *due = now;
        }
        Ok(())
    }

    /// Makes a rule, or changes the one with its name, and applies it to what the feeds offer. `date` is the time by
    /// the clock on the wall.
    pub fn set_rule(&mut self, date: Timestamp, rule: Rule) -> Result<Vec<Match>, RuleError> {
        let compiled = CompiledRule::new(rule)?;
        let is_full = self.rules.len() >= MAX_RULES;
        match self.rules.iter_mut().find(|(other, _)| other.rule.name == compiled.rule.name) {
            Some((other, _)) => *other = compiled,
            None if is_full => return Err(RuleError::TooMany),
            None => self.rules.push((compiled, History::default())),
        }
        let feeds: Vec<FeedId> = self.feeds.keys().copied().collect();
        Ok(feeds.into_iter().flat_map(|feed| self.take_wanted(feed, date)).collect())
    }

    /// Forgets a rule and what it remembers.
    pub fn remove_rule(&mut self, name: &str) -> Result<(), FeedsError> {
        let at =
            self.rules.iter().position(|(rule, _)| rule.rule.name == name).ok_or(FeedsError::NoSuchRule)?;
        self.rules.remove(at);
        Ok(())
    }

    /// What `rule` would say, were it there and enabled, to all that the feeds offer. It remembers the episodes of the
    /// rule with its name.
    pub fn test_rule(&self, date: Timestamp, rule: Rule) -> Result<Vec<Judgement<'_>>, RuleError> {
        let rule = CompiledRule::new(rule)?;
        let known = self.rules.iter().find(|(other, _)| other.rule.name == rule.rule.name);
        let none = History::default();
        let history = known.map_or(&none, |(_, history)| history);
        let judged = self.feeds.iter().flat_map(|(id, feed)| {
            let judge = |item| Judgement { feed: *id, item, verdict: rule.judge(*id, item, history, date) };
            feed.items.iter().map(judge)
        });
        Ok(judged.collect())
    }

    /// Takes back that `found` was handed out, because it could not be added: it comes again with the next fetch, a few
    /// times.
    pub fn give_back(&mut self, found: &Match) {
        let Some(feed) = self.feeds.get_mut(&found.feed) else { return };
        let attempts = feed.attempts.entry(found.item.key.clone()).or_default();
        *attempts += 1;
        if *attempts >= MAX_ATTEMPTS {
            return;
        }
        feed.taken.forget(&found.item.key);
        if let Some((_, history)) = self.rules.iter_mut().find(|(rule, _)| rule.rule.name == found.rule) {
            history.take_back(&found.item.title);
        }
    }

    /// When [`Feeds::poll`] will have something.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        if self.fetches() >= MAX_FETCHES {
            return None;
        }
        self.feeds.values().filter_map(Feed::due).min()
    }

    /// What is to be fetched now. Each is to be answered with [`Feeds::fetched`].
    pub fn poll(&mut self, now: Time) -> Vec<FetchDue> {
        let free = MAX_FETCHES.saturating_sub(self.fetches());
        let mut due: Vec<(Time, FeedId)> = self
            .feeds
            .iter()
            .filter_map(|(id, feed)| feed.due().filter(|due| *due <= now).map(|due| (due, *id)))
            .collect();
        due.sort_unstable();
        let mut fetches = Vec::new();
        for (_, id) in due.into_iter().take(free) {
            let Some(feed) = self.feeds.get_mut(&id) else { continue };
            let number = self.next_ticket;
            self.next_ticket += 1;
            feed.state = FetchState::Fetching(number);
            fetches.push(FetchDue {
                ticket: Ticket { feed: id, number },
                url: feed.config.url.clone(),
                known: feed.validators.clone(),
            });
        }
        fetches
    }

    /// Takes what came of a fetch, and says what is to be added. `date` is the time by the clock on the wall.
    pub fn fetched(&mut self, now: Time, date: Timestamp, ticket: Ticket, result: Fetched) -> Vec<Match> {
        let jitter = 1.0 + JITTER * (2.0 * self.rng.f64() - 1.0);
        let Some(feed) = self.feeds.get_mut(&ticket.feed) else { return Vec::new() };
        if feed.state != FetchState::Fetching(ticket.number) {
            // Changed meanwhile: it will be fetched again.
            return Vec::new();
        }
        let mut at_least = MIN_INTERVAL;
        match result {
            Fetched::Failed { reason, retry_after } => {
                feed.error = Some(reason);
                feed.failures = feed.failures.saturating_add(1);
                at_least = at_least.max(retry_after.unwrap_or_default().min(MAX_BACK_OFF));
            }
            Fetched::Unchanged => feed.succeeded(date),
            Fetched::Changed { channel, validators } => {
                feed.succeeded(date);
                feed.title = channel.title;
                feed.items = channel.items.into();
                feed.validators = validators;
                feed.forget_the_oldest();
            }
        }
        let pause = feed.pause().mul_f64(jitter).max(at_least);
        feed.state = FetchState::Due(now + pause);
        // Also if nothing has changed: what could not be added is wanted again.
        self.take_wanted(ticket.feed, date)
    }

    /// All feeds.
    pub fn feeds(&self) -> impl Iterator<Item = FeedStatus<'_>> {
        self.feeds.iter().map(|(id, feed)| FeedStatus {
            id: *id,
            config: &feed.config,
            title: feed.title.as_deref(),
            fetched: feed.fetched,
            error: feed.error.as_deref(),
            failures: feed.failures,
            next_fetch: feed.due(),
            items: &feed.items,
        })
    }

    /// All rules, in the order in which they are asked.
    pub fn rules(&self) -> impl Iterator<Item = RuleStatus<'_>> {
        self.rules
            .iter()
            .map(|(rule, history)| RuleStatus { rule: &rule.rule, last_match: history.last_match.as_ref() })
    }

    fn fetches(&self) -> usize {
        self.feeds.values().filter(|feed| matches!(feed.state, FetchState::Fetching(_))).count()
    }

    /// Hands out what the rules want of what `id` offers.
    fn take_wanted(&mut self, id: FeedId, date: Timestamp) -> Vec<Match> {
        let Some(feed) = self.feeds.get_mut(&id) else { return Vec::new() };
        let mut found = Vec::new();
        for item in feed.items.iter() {
            if feed.taken.contains(&item.key) {
                continue;
            }
            let mut enabled = self.rules.iter_mut().filter(|(rule, _)| rule.rule.enabled);
            let taker = enabled.find(|(rule, history)| rule.judge(id, item, history, date).is_ok());
            let Some((rule, history)) = taker else { continue };
            history.note(&item.title, date);
            feed.taken.note(item.key.clone(), ());
            let rule = &rule.rule;
            found.push(Match {
                feed: id,
                rule: rule.name.clone(),
                item: item.clone(),
                add: rule.add.clone(),
            });
        }
        feed.taken.shrink_to(MAX_TAKEN);
        found
    }
}

#[cfg(test)]
mod tests;
