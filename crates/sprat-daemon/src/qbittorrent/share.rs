//! When a torrent has given enough, in qBittorrent's numbers: −2 is what holds for all, −1 no limit, times are minutes.

use super::failure::Failure;
use super::params::Params;
use crate::torrents::{SeedingChange, SeedingLimit};

const INHERIT: f64 = -2.0;
const UNLIMITED: f64 = -1.0;

/// Seconds of its unit of time.
pub(super) const MINUTE: u64 = 60;

/// A torrent's own ratio.
pub(super) fn ratio(limit: SeedingLimit<f64>) -> f64 {
    match limit {
        SeedingLimit::Inherit => INHERIT,
        SeedingLimit::Unlimited => UNLIMITED,
        SeedingLimit::Limit(limit) => limit,
    }
}

/// A torrent's own time.
pub(super) fn minutes(limit: SeedingLimit<u64>) -> i64 {
    match limit {
        SeedingLimit::Inherit => -2,
        SeedingLimit::Unlimited => -1,
        SeedingLimit::Limit(seconds) => of_seconds(seconds),
    }
}

/// Whole minutes, rounded up: a limit that is shown as reached is reached.
pub(super) fn of_seconds(seconds: u64) -> i64 {
    i64::try_from(seconds.div_ceil(MINUTE)).unwrap_or(i64::MAX)
}

/// What a request says of limits; what it does not speak of stays.
pub(super) fn wished(params: &Params) -> Result<SeedingChange, Failure> {
    let time = |name| Ok::<_, Failure>(params.number::<i64>(name)?.map(of_minutes));
    let ratio = params.number::<f64>("ratioLimit")?;
    if ratio.is_some_and(|ratio| !ratio.is_finite()) {
        return Err(Failure::bad_request("ratioLimit is no number"));
    }
    Ok(SeedingChange {
        ratio: ratio.map(of_ratio),
        seconds: time("seedingTimeLimit")?,
        idle_seconds: time("inactiveSeedingTimeLimit")?,
    })
}

fn of_ratio(ratio: f64) -> SeedingLimit<f64> {
    if ratio >= 0.0 {
        SeedingLimit::Limit(ratio)
    } else if ratio > INHERIT {
        SeedingLimit::Unlimited
    } else {
        SeedingLimit::Inherit
    }
}

fn of_minutes(minutes: i64) -> SeedingLimit<u64> {
    match (u64::try_from(minutes), minutes) {
        (Ok(minutes), _) => SeedingLimit::Limit(minutes.saturating_mul(MINUTE)),
        (Err(_), -1) => SeedingLimit::Unlimited,
        (Err(_), _) => SeedingLimit::Inherit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_numbers_and_two_of_them_mean_something_else() {
        let change = wished(&"ratioLimit=1.5&inactiveSeedingTimeLimit=-1".into()).unwrap();
        assert_eq!(change.ratio, Some(SeedingLimit::Limit(1.5)));
        assert_eq!((change.seconds, change.idle_seconds), (None, Some(SeedingLimit::Unlimited)));
        let change = wished(&"ratioLimit=-2&seedingTimeLimit=2".into()).unwrap();
        assert_eq!(change.ratio, Some(SeedingLimit::Inherit));
        assert_eq!(change.seconds, Some(SeedingLimit::Limit(120)));
        for limit in [SeedingLimit::Inherit, SeedingLimit::Unlimited, SeedingLimit::Limit(0.5)] {
            assert_eq!(of_ratio(ratio(limit)), limit);
        }
        for limit in [SeedingLimit::Inherit, SeedingLimit::Unlimited, SeedingLimit::Limit(600)] {
            assert_eq!(of_minutes(minutes(limit)), limit);
        }
        assert_eq!(minutes(SeedingLimit::Limit(61)), 2);
        for wrong in ["ratioLimit=x", "ratioLimit=NaN", "seedingTimeLimit=1.5"] {
            assert!(wished(&wrong.into()).is_err(), "{wrong}");
        }
    }
}
