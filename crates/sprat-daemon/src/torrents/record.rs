//! What the daemon keeps of a torrent, besides what the engine keeps: it lies in the engine's list as the torrent's note.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ContentLayout;
use super::times::Times;

/// What is kept of a torrent. What a later version adds is passed over by this one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// When it was added, seconds since 1970.
    pub added_at: i64,
    /// When everything wanted was there.
    pub completed_at: Option<i64>,
    /// What it calls itself here, if the user has given it another name than its own.
    pub name: Option<String>,
    /// The label it has.
    pub label: Option<String>,
    /// Words it was tagged with.
    pub tags: BTreeSet<String>,
    /// The user wants it to run. When it does is for the queue to say.
    pub is_started: bool,
    /// The queue has no say.
    pub is_forced: bool,
    /// Its place in the queue: a smaller number is earlier.
    pub position: i64,
    /// When it has given enough.
    pub seeding: SeedingLimits,
    /// It has reached one of them, and was stopped for that.
    pub has_given_enough: bool,
    /// The limits that it had reached when its user started it all the same: they do not end it again until they are raised.
    pub overruled: ReachedLimits,
    /// For how long it has run and seeded.
    #[serde(flatten)]
    pub times: Times,
    /// When something of it was last sent or received.
    pub active_at: Option<i64>,
    /// Where it is moved when it is complete; `None` when it is there, or cannot be brought there.
    pub destination: Option<PathBuf>,
    /// How its files are to lie as soon as it is known which they are; as the torrent says when that is done, or cannot be.
    pub layout: ContentLayout,
    /// Who has added it, in words for a person: "api", "watch folder", "feed …".
    pub origin: String,
}

/// When a torrent has given enough.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SeedingLimits {
    /// Bytes sent for each byte of its content.
    pub ratio: SeedingLimit<f64>,
    /// Seconds of seeding.
    pub seconds: SeedingLimit<u64>,
    /// Seconds in which nobody wanted anything.
    pub idle_seconds: SeedingLimit<u64>,
}

/// Limits that a torrent has reached, each as it stood then; `None` where there is none, or it is not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReachedLimits {
    /// Of bytes sent for each byte of its content, in thousandths.
    pub ratio_thousandths: Option<u32>,
    /// Of seconds of seeding.
    pub seconds: Option<u64>,
    /// Of seconds in which nobody wanted anything.
    pub idle_seconds: Option<u64>,
}

impl ReachedLimits {
    /// Whether one of them is reached that was not when the user overruled those, or that is higher than it was then.
    #[must_use]
    pub fn go_beyond(&self, overruled: &Self) -> bool {
        self.ratio_thousandths > overruled.ratio_thousandths
            || self.seconds > overruled.seconds
            || self.idle_seconds > overruled.idle_seconds
    }
}

/// What is to become of them; what is left out stays.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SeedingChange {
    /// Bytes sent for each byte of its content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<SeedingLimit<f64>>,
    /// Seconds of seeding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<SeedingLimit<u64>>,
    /// Seconds in which nobody wanted anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_seconds: Option<SeedingLimit<u64>>,
}

impl SeedingChange {
    /// The limits that there are after it.
    #[must_use]
    pub fn applied_to(self, before: SeedingLimits) -> SeedingLimits {
        SeedingLimits {
            ratio: self.ratio.unwrap_or(before.ratio),
            seconds: self.seconds.unwrap_or(before.seconds),
            idle_seconds: self.idle_seconds.unwrap_or(before.idle_seconds),
        }
    }
}

/// One of them: its own, none, or that of whoever it belongs to (its label, then the settings).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeedingLimit<T> {
    /// What holds for its label, or for all.
    #[default]
    Inherit,
    /// There is none.
    Unlimited,
    /// This.
    Limit(T),
}

impl<T: Copy> SeedingLimit<T> {
    /// Its own limit.
    #[must_use]
    pub const fn own(self) -> Option<T> {
        self.or(None)
    }

    /// What holds, if the one that this belongs to says `outer`.
    #[must_use]
    pub const fn or(self, outer: Option<T>) -> Option<T> {
        match self {
            Self::Inherit => outer,
            Self::Unlimited => None,
            Self::Limit(limit) => Some(limit),
        }
    }
}

impl<T> From<Option<T>> for SeedingLimit<T> {
    /// No limit is none, and not that of somebody else.
    fn from(limit: Option<T>) -> Self {
        limit.map_or(Self::Unlimited, Self::Limit)
    }
}
