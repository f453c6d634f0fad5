//! The date and time of day: the one place where the daemon asks for it.
//!
//! It may jump by years. So it may say at what time of day which limits hold, and when something happened, for people.
//! Whatever waits or expires goes by the monotonic clock (see docs/DECISIONS.md, 54).

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// The time by the clock on the wall. A clock that shows a time before 1970 or after 9999 counts as stopped there.
#[must_use]
pub fn now() -> Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "dates for people, and the time of day they have set limits for"
    )]
    let now = SystemTime::now();
    let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}
