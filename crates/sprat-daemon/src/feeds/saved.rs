//! What is kept of feeds and rules.

use serde::{Deserialize, Serialize};

use super::feed::FeedConfig;
use super::item::ItemKey;
use super::name::Name;
use super::recent::Recent;
use super::rule::{History, Rule};

/// What is to be kept over a restart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedFeeds {
    pub(super) feeds: Vec<SavedFeed>,
    pub(super) rules: Vec<SavedRule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedFeed {
    pub(super) name: Name,
    pub(super) config: FeedConfig,
    #[serde(default)]
    pub(super) taken: Recent<ItemKey, ()>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedRule {
    pub(super) name: Name,
    pub(super) rule: Rule,
    #[serde(default)]
    pub(super) history: History,
}
