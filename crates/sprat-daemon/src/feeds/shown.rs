//! Feeds, items and rules as they are shown.

use std::sync::Arc;

use jiff::Timestamp;
use sprat_core::time::Time;

use super::feed::FeedConfig;
use super::item::Item;
use super::name::Name;
use super::rule::{LastMatch, Rejection, Rule};

/// A feed as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedStatus<'a> {
    /// Which one.
    pub name: &'a Name,
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
    /// When it will be fetched again; `None` while it is fetched or paused, or something of it is being added.
    pub next_fetch: Option<Time>,
    /// What it offers.
    pub items: &'a Arc<[Item]>,
}

/// An item as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemStatus<'a> {
    /// What it is.
    pub item: &'a Item,
    /// A rule has taken it, and it does not come again.
    pub is_taken: bool,
    /// Why it could not be added the last time that it was tried.
    pub failure: Option<&'a str>,
}

/// A rule as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleStatus<'a> {
    /// Which one.
    pub name: &'a Name,
    /// The rule.
    pub rule: &'a Rule,
    /// Its newest match.
    pub last_match: Option<&'a LastMatch>,
}

/// What a rule says to an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement<'a> {
    /// The feed that offers it.
    pub feed: &'a Name,
    /// The item.
    pub item: &'a Item,
    /// A rule has taken it before: it does not come again, whatever the verdict is.
    pub is_taken: bool,
    /// Whether it is wanted.
    pub verdict: Result<(), Rejection>,
}
