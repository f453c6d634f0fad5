//! In what Transmission measures.

/// Bytes of a `kB`, of which speeds and their limits are counted.
pub(super) const KILOBYTE: u64 = 1000;

const MINUTE: u64 = 60;

/// Thousands of bytes per second. A limit that is lower than one of them is not 0.
#[expect(clippy::cast_precision_loss, reason = "nobody has such a line")]
pub(super) const fn kilobytes(bytes: u64) -> f64 {
    bytes.div_ceil(KILOBYTE) as f64
}

/// Bytes per second.
pub(super) fn bytes(kilobytes: f64) -> u64 {
    natural(kilobytes).saturating_mul(KILOBYTE)
}

/// Minutes.
#[expect(clippy::cast_precision_loss, reason = "nobody waits that long")]
pub(super) const fn minutes(seconds: u64) -> f64 {
    seconds.div_ceil(MINUTE) as f64
}

/// Seconds.
pub(super) fn seconds(minutes: f64) -> u64 {
    natural(minutes).saturating_mul(MINUTE)
}

/// Without what is behind the point.
pub(super) fn whole(value: f64) -> i64 {
    i64::try_from(natural(value)).unwrap_or(i64::MAX)
}

/// What is less than 0 is 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
const fn natural(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        assert_eq!((kilobytes(50_000), kilobytes(1), kilobytes(0)), (50.0, 1.0, 0.0));
        assert_eq!((bytes(50.0), bytes(-3.0)), (50_000, 0));
        assert_eq!((minutes(1800), seconds(30.0)), (30.0, 1800));
        assert_eq!(whole(99.9), 99);
    }
}
