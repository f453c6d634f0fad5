//! The one place where the daemon looks at the clock on the wall: for dates that people read, and for the time of day at which they
//! have set limits; never to measure (docs/DECISIONS.md, 54).

use jiff::Timestamp;

/// The time by the clock on the wall. It may jump by years.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Seconds since 1970, UTC.
#[must_use]
pub fn unix_now() -> i64 {
    now().as_second()
}
