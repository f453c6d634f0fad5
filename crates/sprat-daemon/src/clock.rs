//! The one place where the daemon looks at the clock on the wall: for dates that people read, never to measure (docs/DECISIONS.md, 54).

/// Seconds since 1970, UTC.
#[must_use]
pub fn unix_now() -> i64 {
    jiff::Timestamp::now().as_second()
}
