//! Which items are added, and how.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::episode::Episode;
use super::episode_filter::EpisodeFilter;
use super::item::Item;
use super::name::Name;
use super::pattern::{Notation, Pattern, PatternError};
use super::recent::Recent;

/// The episodes that a rule remembers.
const MAX_EPISODES: usize = 10_000;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How what a rule matches is added.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AddWith {
    /// Its label.
    pub label: Option<String>,
    /// Words it is tagged with.
    pub tags: BTreeSet<String>,
    /// The directory, absolute, if not that of the label.
    #[schema(value_type = Option<String>)]
    pub save_path: Option<PathBuf>,
    /// Not started.
    pub paused: bool,
}

/// What is to be added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Whether it is followed; it is unless this is false.
    pub enabled: bool,
    /// The feeds it is for, by name; all of them if there is none.
    #[schema(value_type = Vec<String>)]
    pub feeds: BTreeSet<Name>,
    /// How the next two are written.
    pub notation: Notation,
    /// What the title must contain. Empty: anything.
    pub must_contain: String,
    /// What the title must not contain. Empty: nothing.
    pub must_not_contain: String,
    /// The episodes that are wanted, such as `1x2-5;8;2x`. Titles that name none are not, unless this is empty.
    #[schema(value_type = String)]
    pub episodes: EpisodeFilter,
    /// Each episode only once, except for corrections (PROPER, REPACK).
    pub each_episode_once: bool,
    /// After a match, items that were published within this many days are not wanted. 0: all are.
    pub ignore_days: u16,
    /// How it is added.
    pub add: AddWith,
}

impl Default for Rule {
    /// Everything that any feed offers.
    fn default() -> Self {
        Self {
            enabled: true,
            feeds: BTreeSet::new(),
            notation: Notation::default(),
            must_contain: String::new(),
            must_not_contain: String::new(),
            episodes: EpisodeFilter::default(),
            each_episode_once: false,
            ignore_days: 0,
            add: AddWith::default(),
        }
    }
}

/// A rule that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RuleError {
    /// See there.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// It is for a feed that is not there.
    #[error("there is no feed {0:?}")]
    NoSuchFeed(String),
    /// More rules than are followed.
    #[error("there are too many rules")]
    TooMany,
}

/// Why a rule does not want an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// The rule is for other feeds.
    OtherFeed,
    /// The item has nothing that could be added.
    NothingToAdd,
    /// The title lacks something.
    MustContain,
    /// The title has something that it must not have.
    MustNotContain,
    /// No episode, or none of those that are wanted.
    Episode,
    /// An episode that was there before.
    KnownEpisode,
    /// Published too soon after the last match.
    TooSoon,
}

/// What a rule has matched so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct History {
    pub(super) last_match: Option<LastMatch>,
    /// With the highest correction.
    episodes: Recent<String, u8>,
}

/// The newest match of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastMatch {
    /// When it was found, by the clock on the wall.
    pub date: Timestamp,
    /// The item's title.
    pub title: String,
}

impl LastMatch {
    pub(super) fn of(item: &Item, date: Timestamp) -> Self {
        Self { date, title: item.title.clone() }
    }
}

/// A [`Rule`] that can be followed.
#[derive(Debug, Clone)]
pub(super) struct CompiledRule {
    pub(super) rule: Rule,
    must_contain: Option<Pattern>,
    must_not_contain: Option<Pattern>,
}

impl CompiledRule {
    pub(super) fn new(rule: Rule) -> Result<Self, RuleError> {
        let must_contain = Pattern::new(&rule.must_contain, rule.notation)?;
        let must_not_contain = Pattern::new(&rule.must_not_contain, rule.notation)?;
        Ok(Self { rule, must_contain, must_not_contain })
    }

    /// Whether the rule, were it enabled, wants `item` of `feed` at `date`.
    pub(super) fn judge(
        &self,
        feed: &Name,
        item: &Item,
        history: &History,
        date: Timestamp,
    ) -> Result<(), Rejection> {
        let rule = &self.rule;
        let reject = |rejected: bool, why: Rejection| if rejected { Err(why) } else { Ok(()) };
        reject(!rule.feeds.is_empty() && !rule.feeds.contains(feed), Rejection::OtherFeed)?;
        reject(item.source.is_none(), Rejection::NothingToAdd)?;
        let lacks = self.must_contain.as_ref().is_some_and(|pattern| !pattern.matches(&item.title));
        reject(lacks, Rejection::MustContain)?;
        let has = self.must_not_contain.as_ref().is_some_and(|pattern| pattern.matches(&item.title));
        reject(has, Rejection::MustNotContain)?;

        let episode = item.episode.as_ref();
        let wanted = rule.episodes.is_empty() || episode.is_some_and(|episode| rule.episodes.wants(episode));
        reject(!wanted, Rejection::Episode)?;
        let known = rule.each_episode_once && episode.is_some_and(|episode| history.knows(episode));
        reject(known, Rejection::KnownEpisode)?;

        let ignored = SignedDuration::try_from(DAY * rule.ignore_days.into()).unwrap_or(SignedDuration::MAX);
        let published = item.published.unwrap_or(date);
        let too_soon =
            history.last_match.as_ref().is_some_and(|last| published.duration_since(last.date) < ignored);
        reject(too_soon && rule.ignore_days > 0, Rejection::TooSoon)
    }
}

impl History {
    fn knows(&self, episode: &Episode) -> bool {
        episode
            .keys()
            .iter()
            .all(|key| self.episodes.get(key).is_some_and(|revision| *revision >= episode.revision))
    }

    /// Notes that something was matched.
    pub(super) fn note(&mut self, found: LastMatch, episode: Option<&Episode>) {
        self.last_match = Some(found);
        if let Some(episode) = episode {
            for key in episode.keys() {
                let revision = self.episodes.get(&key).copied().unwrap_or(0).max(episode.revision);
                self.episodes.note(key, revision);
            }
            self.episodes.shrink_to(MAX_EPISODES);
        }
    }
}
