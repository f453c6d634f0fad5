//! Figures and states of torrents in words.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sprat_daemon::torrents::{State, Summary};

use crate::text;

/// Nothing to say.
pub(crate) const NONE: &str = "–";

/// What a torrent is doing.
pub(crate) const fn state(state: State) -> &'static str {
    match state {
        State::Stopped => "stopped",
        State::Queued => "queued",
        State::FetchingMetadata => "metadata",
        State::Checking => "checking",
        State::Downloading => "downloading",
        State::Seeding => "seeding",
        State::Moving => "moving",
        State::Trouble => "trouble",
    }
}

/// `99.9 %`, and `100 %` only of what is whole.
pub(crate) fn permille(permille: u64) -> String {
    if permille >= 1000 { "100 %".to_owned() } else { format!("{}.{} %", permille / 10, permille % 10) }
}

/// How much of so many bytes.
pub(crate) fn share(have: u64, size: u64) -> String {
    let share = (u128::from(have) * 1000).checked_div(u128::from(size)).unwrap_or(1000);
    permille(u64::try_from(share).unwrap_or(1000))
}

/// `1.50`
pub(crate) fn ratio(ratio: f64) -> String {
    format!("{ratio:.2}")
}

/// A rate; nothing where nothing moves.
pub(crate) fn rate(bytes_per_second: u64) -> String {
    if bytes_per_second == 0 { NONE.to_owned() } else { text::rate(bytes_per_second) }
}

/// `2026-05-31 12:04`, as the clocks are here. `at` is seconds since 1970.
pub(crate) fn date(at: i64) -> String {
    shown(at, "%Y-%m-%d %H:%M")
}

/// `2026-05-31 12:04:09`
pub(crate) fn moment(at: i64) -> String {
    shown(at, "%Y-%m-%d %H:%M:%S")
}

fn shown(at: i64, format: &str) -> String {
    let Ok(at) = Timestamp::from_second(at) else { return NONE.to_owned() };
    at.to_zoned(TimeZone::system()).strftime(format).to_string()
}

/// When a torrent will be complete.
pub(crate) fn eta(one: &Summary) -> String {
    let left = one.eta.map(|_| text::remaining(one.left, one.download_rate));
    match left {
        Some(Some(left)) => text::duration(left),
        Some(None) => "∞".to_owned(),
        None => NONE.to_owned(),
    }
}

/// A time in seconds.
pub(crate) fn seconds(seconds: u64) -> String {
    text::duration(Duration::from_secs(seconds))
}

/// A number that may not be known.
pub(crate) fn known(number: Option<impl ToString>) -> String {
    number.map_or_else(|| NONE.to_owned(), |number| number.to_string())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A torrent of which nothing but this is known.
    pub(crate) fn summary(hash: &str, name: &str) -> Summary {
        let value = serde_json::json!({
            "hash": hash, "id": 1, "name": name, "state": "stopped", "progress": 0, "size": 0, "wanted": 0, "left": 0,
            "have": 0, "downloaded": 0, "uploaded": 0, "wasted": 0, "ratio": 0.0, "download_rate": 0, "upload_rate": 0,
            "peers": 0, "seeds": 0, "known_peers": 0, "tags": [], "directory": "/downloads", "added_at": 0,
            "seeding_seconds": 0, "active_seconds": 0, "position": 0, "is_forced": false, "is_complete": false,
            "is_private": false, "has_metadata": true, "sequential": false, "first_last": false,
            "super_seeding": false, "seeding": {}, "has_given_enough": false, "origin": "test",
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn only_what_is_whole_is_a_hundred_per_cent() {
        assert_eq!(share(999_999, 1_000_000), "99.9 %");
        assert_eq!(share(10, 10), "100 %");
        assert_eq!(share(0, 0), "100 %");
        assert_eq!(share(u64::MAX, u64::MAX), "100 %");
        assert_eq!(permille(0), "0.0 %");
    }

    #[test]
    fn dates_that_are_none_are_not_shown() {
        assert_eq!(date(i64::MAX), NONE);
        assert_eq!(date(0).len(), "1970-01-01 00:00".len());
    }
}
