//! When a torrent has been shared enough.
//!
//! A limit may be set in several places: at the torrent, at its label, for all torrents. [`effective`] takes these
//! [layers](Layer) from the inside out; each either says something or leaves it to the next.
//!
//! What is compared with them was counted by the clock that never jumps, and goes on after a restart.

use std::time::Duration;

use super::record::{ReachedLimits, SeedingLimit, SeedingLimits};
use crate::settings::{Quantity as _, Ratio, SeedingAction};

/// What is said at one place. The default leaves everything to the next.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Layer {
    /// The limits.
    pub limits: SeedingLimits,
    /// `None` leaves it to the next layer.
    pub action: Option<SeedingAction>,
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
    /// What is done.
    pub action: SeedingAction,
}

/// What holds for a torrent, by `layers` from the inside (the torrent) to the outside (all torrents). Where none says
/// anything there is no limit, and the torrent is paused.
#[must_use]
pub fn effective(layers: &[Layer]) -> Effective {
    Effective {
        ratio: innermost(layers, |limits| limits.ratio).and_then(Ratio::from_float),
        seeding: innermost(layers, |limits| limits.seconds).map(Duration::from_secs),
        inactive: innermost(layers, |limits| limits.idle_seconds).map(Duration::from_secs),
        action: layers.iter().find_map(|layer| layer.action).unwrap_or(SeedingAction::Pause),
    }
}

fn innermost<T: Copy>(layers: &[Layer], limit: fn(&SeedingLimits) -> SeedingLimit<T>) -> Option<T> {
    layers.iter().rev().fold(None, |outer, layer| limit(&layer.limits).or(outer))
}

/// What a torrent has given in all its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Given {
    /// Bytes of pieces sent to peers.
    pub uploaded: u64,
    /// Bytes of pieces received from peers and web seeds.
    pub downloaded: u64,
    /// Bytes of it on the disk.
    pub have: u64,
    /// Time spent seeding.
    pub seeding: Duration,
    /// Time spent seeding since something was last sent.
    pub inactive: Duration,
}

impl Given {
    /// What is to be given back: what was downloaded, or what was there before, if that is more.
    const fn taken(&self) -> u64 {
        if self.downloaded > self.have { self.downloaded } else { self.have }
    }

    /// Uploaded by downloaded; `None` if there is nothing.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "to be shown")]
        (self.taken() > 0).then(|| self.uploaded as f64 / self.taken() as f64)
    }

    /// Whether that is this ratio: exact to a thousandth, so that equality means something. Of nothing, nothing is enough.
    fn reaches(&self, ratio: Ratio) -> bool {
        let needed = u128::from(self.taken()) * u128::from(ratio.thousandths());
        self.taken() > 0 && u128::from(self.uploaded) * 1000 >= needed
    }
}

/// The limits that a torrent has reached. One is enough.
#[must_use]
pub fn reached(limits: &Effective, given: &Given) -> ReachedLimits {
    let seconds = |limit: Option<Duration>, spent: Duration| {
        limit.filter(|limit| spent >= *limit).map(|limit| limit.as_secs())
    };
    ReachedLimits {
        ratio_thousandths: limits.ratio.filter(|ratio| given.reaches(*ratio)).map(Ratio::thousandths),
        seconds: seconds(limits.seeding, given.seeding),
        idle_seconds: seconds(limits.inactive, given.inactive),
    }
}

#[cfg(test)]
mod tests;
