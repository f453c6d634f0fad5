//! When a torrent has been shared enough, and what happens then.
//!
//! A limit may be set in several places: at the torrent, at its label, for all torrents. [`effective`] takes these
//! [layers](Layer) from the inside out; each either says something or leaves it to the next.
//!
//! What is compared with the limits is kept in [`Totals`], which are saved and go on after a restart. They are advanced
//! by measured time, so no jump of the clock on the wall makes a torrent look older than it is.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::record::{SeedingLimit, SeedingLimits};

/// Uploaded by downloaded. Exact to a thousandth, so that equality means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio {
    thousandths: u32,
}

/// A number that is no ratio.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[error("a ratio is a number from 0 to 1000000, not {0}")]
pub struct NotARatio(f64);

impl Ratio {
    const MAX: f64 = 1_000_000.0;

    /// `thousandths` / 1000.
    #[must_use]
    pub const fn from_thousandths(thousandths: u32) -> Self {
        Self { thousandths }
    }

    /// Whether `uploaded` bytes are at least this many times `base` bytes. Of nothing, nothing is enough.
    #[must_use]
    pub fn is_reached(self, uploaded: u64, base: u64) -> bool {
        base > 0 && u128::from(uploaded) * 1000 >= u128::from(base) * u128::from(self.thousandths)
    }
}

impl TryFrom<f64> for Ratio {
    type Error = NotARatio;

    fn try_from(ratio: f64) -> Result<Self, NotARatio> {
        if !(0.0..=Self::MAX).contains(&ratio) {
            return Err(NotARatio(ratio));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in 0..=10^9, see above")]
        let thousandths = (ratio * 1000.0).round() as u32;
        Ok(Self { thousandths })
    }
}

impl From<Ratio> for f64 {
    fn from(ratio: Ratio) -> Self {
        Self::from(ratio.thousandths) / 1000.0
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(*self))
    }
}

/// What is done with a torrent that has been shared enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is paused.
    Pause,
    /// It is forgotten; its files stay.
    Remove,
    /// It is forgotten, and its files are removed.
    RemoveWithData,
    /// It goes on, but gives each piece only to one peer until it has come back from another (BEP 16).
    SuperSeed,
}

/// How several limits go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combination {
    /// The first that is reached is enough.
    Any,
    /// All that there are must be reached.
    All,
}

/// What is said at one place. The default leaves everything to the next.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Layer {
    /// The limits.
    pub limits: SeedingLimits,
    /// `None` leaves it to the next layer.
    pub combination: Option<Combination>,
    /// `None` leaves it to the next layer.
    pub action: Option<Action>,
}

/// What all layers together say. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effective {
    /// Uploaded by downloaded.
    pub ratio: Option<Ratio>,
    /// Time spent seeding.
    pub seeding: Option<Duration>,
    /// Time spent seeding without giving anything.
    pub inactive: Option<Duration>,
    /// How these go together.
    pub combination: Combination,
    /// What is done.
    pub action: Action,
}

/// What holds for a torrent, by `layers` from the inside (the torrent) to the outside (all torrents). Where none says
/// anything there is no limit, the first that is reached counts, and the torrent is paused.
#[must_use]
pub fn effective(layers: &[Layer]) -> Effective {
    Effective {
        ratio: innermost(layers, |limits| limits.ratio).and_then(|ratio| Ratio::try_from(ratio).ok()),
        seeding: innermost(layers, |limits| limits.seconds).map(Duration::from_secs),
        inactive: innermost(layers, |limits| limits.idle_seconds).map(Duration::from_secs),
        combination: layers.iter().find_map(|layer| layer.combination).unwrap_or(Combination::Any),
        action: layers.iter().find_map(|layer| layer.action).unwrap_or(Action::Pause),
    }
}

fn innermost<T: Copy>(layers: &[Layer], limit: fn(&SeedingLimits) -> SeedingLimit<T>) -> Option<T> {
    layers.iter().rev().fold(None, |outer, layer| limit(&layer.limits).or(outer))
}

/// What a torrent has done in all its runs. To be saved now and then; what a crash loses is only counted later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Bytes of pieces sent to peers.
    pub uploaded: u64,
    /// Bytes of pieces received from peers and web seeds.
    pub downloaded: u64,
    /// Time spent seeding.
    pub seeding: Duration,
    /// Time spent seeding since something was last sent.
    pub inactive: Duration,
}

/// What happened between two looks at a torrent that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// By the monotonic clock.
    pub elapsed: Duration,
    /// Bytes of pieces sent meanwhile.
    pub uploaded: u64,
    /// Bytes of pieces received meanwhile.
    pub downloaded: u64,
    /// Whether it has all that is wanted.
    pub seeding: bool,
}

impl Totals {
    /// Adds what has happened. Time during which a torrent is paused or waits is not to be added.
    pub fn advance(&mut self, step: Step) {
        self.uploaded = self.uploaded.saturating_add(step.uploaded);
        self.downloaded = self.downloaded.saturating_add(step.downloaded);
        if step.seeding {
            self.seeding = self.seeding.saturating_add(step.elapsed);
            self.inactive = self.inactive.saturating_add(step.elapsed);
        }
        if step.uploaded > 0 || !step.seeding {
            self.inactive = Duration::ZERO;
        }
    }

    /// Uploaded by downloaded; by `have` bytes, those on the disk, when less was downloaded: what was there before is
    /// also to be given back. `None` if there is nothing.
    #[must_use]
    pub fn ratio(&self, have: u64) -> Option<f64> {
        let base = self.downloaded.max(have);
        #[expect(clippy::cast_precision_loss, reason = "to be shown")]
        (base > 0).then(|| self.uploaded as f64 / base as f64)
    }
}

/// Whether a torrent that seeds, has `have` bytes on the disk and has done `totals` has been shared enough.
#[must_use]
pub fn is_reached(limits: &Effective, totals: &Totals, have: u64) -> bool {
    let reached = [
        limits.ratio.map(|ratio| ratio.is_reached(totals.uploaded, totals.downloaded.max(have))),
        limits.seeding.map(|limit| totals.seeding >= limit),
        limits.inactive.map(|limit| totals.inactive >= limit),
    ];
    let mut reached = reached.into_iter().flatten().peekable();
    match limits.combination {
        Combination::Any => reached.any(|reached| reached),
        Combination::All => reached.peek().is_some() && reached.all(|reached| reached),
    }
}

#[cfg(test)]
mod tests;
