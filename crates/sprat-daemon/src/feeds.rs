//! Feeds, and the rules by which what they offer is added.
//!
//! [`Feeds`] is a state machine: it says which feeds are to be fetched now, is told what came, and says what is to be
//! added. It knows neither HTTP nor a clock; [`driver`] brings it both.
//!
//! Rules are applied to all that a feed offers at present, not only to what is new, so that a rule that is made today
//! also takes what was published yesterday. What was handed out once is remembered by its key for as long as the feed
//! offers it, and for some time after.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;
use sprat_core::time::Time;
use thiserror::Error;

pub mod driver;
mod episode;
mod episode_filter;
mod exchange;
mod feed;
mod item;
mod name;
mod pattern;
mod recent;
mod rule;
mod saved;
mod shown;
mod xml_limits;

pub use episode_filter::{EpisodeFilter, EpisodeFilterError};
pub use exchange::{FetchDue, Fetched, Match, Ticket};
pub use feed::{DEFAULT_INTERVAL, FeedConfig, MIN_INTERVAL};
pub use item::{Channel, FeedProblem, Item, ItemKey, MAX_ITEMS, parse};
pub use name::{Name, NameError};
pub use pattern::{Notation, PatternError};
pub use rule::{AddWith, LastMatch, Rejection, Rule, RuleError};
pub use saved::SavedFeeds;
pub use shown::{FeedStatus, ItemStatus, Judgement, RuleStatus};
pub use xml_limits::XmlProblem;

use feed::{Feed, FetchState, MAX_PAUSE, Pending};
use recent::Recent;
use rule::{CompiledRule, History};
use saved::{SavedFeed, SavedRule};

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

/// A command that cannot be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FeedsError {
    /// There is none with this name.
    #[error("there is no such feed")]
    NoSuchFeed,
    /// More feeds than are fetched.
    #[error("there are already {MAX_FEEDS} feeds")]
    TooManyFeeds,
    /// There is none with this name.
    #[error("there is no such rule")]
    NoSuchRule,
}

/// Feeds and rules.
#[derive(Debug)]
pub struct Feeds {
    feeds: BTreeMap<Name, Feed>,
    /// In the order in which they are asked. The first that wants an item gets it.
    rules: Vec<NamedRule>,
    /// Of feeds for which the user has said nothing else.
    usual_interval: Duration,
    next_ticket: u64,
    rng: Rng,
}

#[derive(Debug)]
struct NamedRule {
    name: Name,
    compiled: CompiledRule,
    /// What was added.
    added: History,
    /// The same, and what is being added: by this it judges.
    expected: History,
}

impl NamedRule {
    fn new(name: Name, compiled: CompiledRule, added: History) -> Self {
        Self { name, compiled, expected: added.clone(), added }
    }

    fn status(&self) -> RuleStatus<'_> {
        RuleStatus {
            name: &self.name,
            rule: &self.compiled.rule,
            last_match: self.expected.last_match.as_ref(),
        }
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
            let due = now + START_SPREAD.mul_f64(rng.f64());
            (saved.name, Feed::new(saved.config, saved.taken, due))
        });
        let feeds = feeds.collect();
        let rules = saved.rules.into_iter().take(MAX_RULES).filter_map(|saved| {
            let compiled = CompiledRule::new(saved.rule)
                .inspect_err(|error| tracing::warn!(rule = %saved.name, %error, "left out a rule"));
            Some(NamedRule::new(saved.name, compiled.ok()?, saved.history))
        });
        let rules = rules.collect();
        Self { feeds, rules, usual_interval: DEFAULT_INTERVAL, next_ticket: 0, rng }
    }

    /// What is to be kept. Changes with each command and when something is settled, not with each fetch. What is still
    /// being added is as if it had not been seen.
    #[must_use]
    pub fn save(&self) -> SavedFeeds {
        let feeds = self.feeds.iter().map(|(name, feed)| SavedFeed {
            name: name.clone(),
            config: feed.config.clone(),
            taken: feed.settled(),
        });
        let rules = self.rules.iter().map(|rule| SavedRule {
            name: rule.name.clone(),
            rule: rule.compiled.rule.clone(),
            history: rule.added.clone(),
        });
        SavedFeeds { feeds: feeds.collect(), rules: rules.collect() }
    }

    /// How often feeds are fetched for which the user has said nothing else, unless they ask for more time. At least
    /// [`MIN_INTERVAL`].
    pub fn set_usual_interval(&mut self, now: Time, interval: Duration) {
        if interval == self.usual_interval {
            return;
        }
        self.usual_interval = interval;
        for feed in self.feeds.values_mut().filter(|feed| feed.failures == 0) {
            let at_the_latest = now + feed.pause(interval);
            if let FetchState::Due(due) = &mut feed.state {
                *due = (*due).min(at_the_latest);
            }
        }
    }

    /// Makes a feed, or changes the one with its name, and fetches it at once.
    pub fn set_feed(&mut self, now: Time, name: Name, config: FeedConfig) -> Result<(), FeedsError> {
        let is_full = self.feeds.len() >= MAX_FEEDS;
        match self.feeds.get_mut(&name) {
            Some(feed) => feed.change(now, config),
            None if is_full => return Err(FeedsError::TooManyFeeds),
            None => {
                self.feeds.insert(name, Feed::new(config, Recent::default(), now));
            }
        }
        Ok(())
    }

    /// Forgets a feed. Rules that are for it alone match nothing, until there is one with its name again.
    pub fn remove_feed(&mut self, name: &Name) -> Result<(), FeedsError> {
        self.feeds.remove(name).map(|_| ()).ok_or(FeedsError::NoSuchFeed)
    }

    /// Fetches a feed now, also one that is backing off. Paused feeds stay paused.
    pub fn refresh(&mut self, now: Time, name: &Name) -> Result<(), FeedsError> {
        let feed = self.feeds.get_mut(name).ok_or(FeedsError::NoSuchFeed)?;
        if let FetchState::Due(due) = &mut feed.state {
            *due = now;
        }
        Ok(())
    }

    /// Makes a rule, or changes the one with its name, and applies it to what the feeds offer. `date` is the time by
    /// the clock on the wall.
    pub fn set_rule(&mut self, date: Timestamp, name: Name, rule: Rule) -> Result<Vec<Match>, RuleError> {
        if let Some(missing) = rule.feeds.iter().find(|feed| !self.feeds.contains_key(feed)) {
            return Err(RuleError::NoSuchFeed(missing.to_string()));
        }
        let compiled = CompiledRule::new(rule)?;
        let is_full = self.rules.len() >= MAX_RULES;
        match self.rules.iter_mut().find(|rule| rule.name == name) {
            Some(rule) => rule.compiled = compiled,
            None if is_full => return Err(RuleError::TooMany),
            None => self.rules.push(NamedRule::new(name, compiled, History::default())),
        }
        let feeds: Vec<Name> = self.feeds.keys().cloned().collect();
        Ok(feeds.iter().flat_map(|feed| self.take_wanted(feed, date)).collect())
    }

    /// Forgets a rule and what it remembers.
    pub fn remove_rule(&mut self, name: &Name) -> Result<(), FeedsError> {
        let at = self.rules.iter().position(|rule| rule.name == *name).ok_or(FeedsError::NoSuchRule)?;
        self.rules.remove(at);
        Ok(())
    }

    /// What `rule` would say, were it the only one, by this name and enabled, to all that the feeds offer. It remembers
    /// the episodes of the rule with this name.
    pub fn test_rule(
        &self,
        date: Timestamp,
        name: &Name,
        rule: Rule,
    ) -> Result<Vec<Judgement<'_>>, RuleError> {
        let tested = CompiledRule::new(rule)?;
        let known = self.rules.iter().find(|rule| rule.name == *name);
        let mut history = known.map(|rule| rule.expected.clone()).unwrap_or_default();
        let offered =
            self.feeds.iter().flat_map(|(name, feed)| feed.items.iter().map(move |item| (name, feed, item)));
        let judged = offered.map(|(name, feed, item)| {
            let is_taken = feed.is_taken(&item.key);
            let verdict = tested.judge(name, item, &history, date);
            if verdict.is_ok() && !is_taken {
                history.note(LastMatch::of(item, date), item.episode.as_ref());
            }
            Judgement { feed: name, item, is_taken, verdict }
        });
        Ok(judged.collect())
    }

    /// Takes note of what has become of `found`: it was added, or it could not be, and why, without secrets. Then it comes
    /// again with the next fetch, a few times, and its rule knows no more than before.
    pub fn settle(&mut self, found: &Match, result: Result<(), String>) {
        let feed = self.feeds.get_mut(&found.feed);
        let rule = self.rules.iter_mut().find(|rule| rule.name == found.rule);
        match result {
            Ok(()) => {
                if let Some(feed) = feed {
                    feed.was_added(&found.item.key);
                }
                if let Some(rule) = rule {
                    rule.added.note(LastMatch::of(&found.item, found.date), found.item.episode.as_ref());
                }
            }
            Err(reason) => {
                if let Some(feed) = feed {
                    feed.was_not_added(&found.item.key, reason);
                }
                if let Some(rule) = rule {
                    rule.expected = expected(rule, &self.feeds);
                }
            }
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
        let mut due: Vec<(Time, Name)> = self
            .feeds
            .iter()
            .filter_map(|(name, feed)| feed.due().filter(|due| *due <= now).map(|due| (due, name.clone())))
            .collect();
        due.sort_unstable();
        let mut fetches = Vec::new();
        for (_, name) in due.into_iter().take(free) {
            let Some(feed) = self.feeds.get_mut(&name) else { continue };
            let number = self.next_ticket;
            self.next_ticket += 1;
            feed.state = FetchState::Fetching(number);
            fetches.push(FetchDue {
                ticket: Ticket { feed: name, number },
                url: feed.config.url.clone(),
                known: feed.validators.clone(),
            });
        }
        fetches
    }

    /// Takes what came of a fetch, and says what is to be added. `date` is the time by the clock on the wall.
    pub fn fetched(&mut self, now: Time, date: Timestamp, ticket: &Ticket, result: Fetched) -> Vec<Match> {
        let jitter = 1.0 + JITTER * (2.0 * self.rng.f64() - 1.0);
        let Some(feed) = self.feeds.get_mut(&ticket.feed) else { return Vec::new() };
        if feed.state != FetchState::Fetching(ticket.number) {
            // Changed meanwhile: it will be fetched again.
            return Vec::new();
        }
        let mut at_least = MIN_INTERVAL;
        match result {
            Fetched::Failed { reason, retry_after } => {
                feed.failed_to_come(reason);
                at_least = at_least.max(retry_after.unwrap_or_default().min(MAX_PAUSE));
            }
            Fetched::Unchanged => feed.has_come(date),
            Fetched::Changed { channel, validators } => {
                feed.has_come(date);
                feed.has_changed(channel, validators);
            }
        }
        let pause = feed.pause(self.usual_interval).mul_f64(jitter).max(at_least);
        feed.state = FetchState::Due(now + pause);
        // Also if nothing has changed: what could not be added is wanted again.
        self.take_wanted(&ticket.feed, date)
    }

    /// All feeds.
    pub fn feeds(&self) -> impl Iterator<Item = FeedStatus<'_>> {
        self.feeds.iter().map(|(name, feed)| status(name, feed))
    }

    /// One feed.
    pub fn feed(&self, name: &Name) -> Result<FeedStatus<'_>, FeedsError> {
        let (name, feed) = self.feeds.get_key_value(name).ok_or(FeedsError::NoSuchFeed)?;
        Ok(status(name, feed))
    }

    /// What a feed offers, in its order.
    pub fn items(&self, name: &Name) -> Result<impl Iterator<Item = ItemStatus<'_>>, FeedsError> {
        let feed = self.feeds.get(name).ok_or(FeedsError::NoSuchFeed)?;
        Ok(feed.items.iter().map(|item| ItemStatus {
            item,
            is_taken: feed.is_taken(&item.key),
            failure: feed.failure(&item.key),
        }))
    }

    /// All rules, in the order in which they are asked.
    pub fn rules(&self) -> impl Iterator<Item = RuleStatus<'_>> {
        self.rules.iter().map(NamedRule::status)
    }

    /// One rule.
    pub fn rule(&self, name: &Name) -> Result<RuleStatus<'_>, FeedsError> {
        let rule = self.rules.iter().find(|rule| rule.name == *name);
        rule.map(NamedRule::status).ok_or(FeedsError::NoSuchRule)
    }

    fn fetches(&self) -> usize {
        self.feeds.values().filter(|feed| matches!(feed.state, FetchState::Fetching(_))).count()
    }

    /// Hands out what the rules want of what a feed offers.
    fn take_wanted(&mut self, name: &Name, date: Timestamp) -> Vec<Match> {
        let Some(feed) = self.feeds.get_mut(name) else { return Vec::new() };
        let mut found = Vec::new();
        for item in Arc::clone(&feed.items).iter() {
            if feed.is_taken(&item.key) {
                continue;
            }
            let mut enabled = self.rules.iter_mut().filter(|rule| rule.compiled.rule.enabled);
            let taker = enabled.find(|rule| rule.compiled.judge(name, item, &rule.expected, date).is_ok());
            let Some(rule) = taker else { continue };
            rule.expected.note(LastMatch::of(item, date), item.episode.as_ref());
            feed.hand_out(item, rule.name.clone(), date);
            found.push(Match {
                feed: name.clone(),
                feed_url: feed.config.url.clone(),
                rule: rule.name.clone(),
                item: item.clone(),
                date,
                add: rule.compiled.rule.add.clone(),
            });
        }
        found
    }
}

/// What a rule has if all that is being added for it comes.
fn expected(rule: &NamedRule, feeds: &BTreeMap<Name, Feed>) -> History {
    let pending = feeds.values().flat_map(|feed| feed.pending.values());
    let mut pending: Vec<&Pending> = pending.filter(|pending| pending.rule == rule.name).collect();
    pending.sort_by_key(|pending| pending.found.date);
    let mut expected = rule.added.clone();
    for pending in pending {
        expected.note(pending.found.clone(), pending.episode.as_ref());
    }
    expected
}

fn status<'a>(name: &'a Name, feed: &'a Feed) -> FeedStatus<'a> {
    FeedStatus {
        name,
        config: &feed.config,
        title: feed.title.as_deref(),
        fetched: feed.fetched,
        error: feed.error.as_deref(),
        failures: feed.failures,
        next_fetch: feed.due(),
        items: &feed.items,
    }
}

#[cfg(test)]
mod tests;
