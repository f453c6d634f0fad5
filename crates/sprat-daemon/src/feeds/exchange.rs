//! What the machine and whoever drives it say to each other.

use std::time::Duration;

use jiff::Timestamp;

use super::item::{Channel, Item};
use super::name::Name;
use super::rule::AddWith;
use crate::fetch::Validators;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    pub(super) feed: Name,
    pub(super) number: u64,
}

impl Ticket {
    /// The feed that is fetched.
    #[must_use]
    pub const fn feed(&self) -> &Name {
        &self.feed
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

/// Something to be added, and then to be [settled](super::Feeds::settle).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The feed that offers it.
    pub feed: Name,
    /// Where that was fetched.
    pub feed_url: String,
    /// The rule that wants it.
    pub rule: Name,
    /// What it is.
    pub item: Item,
    /// When it was found, by the clock on the wall.
    pub date: Timestamp,
    /// How it is to be added.
    pub add: AddWith,
}
