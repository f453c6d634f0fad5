//! The part of a file that a request asks for (RFC 9110, section 14).
//!
//! One range is answered as such. Several at once may be answered by the whole (section 14.2), which is what they get: no player asks for
//! them, and a thousand that overlap cost no more than one. The same for what is no range, or one in another unit.

use std::ops::Range;

/// What is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it, with status 200.
    Whole,
    /// These bytes, at least one, with status 206.
    Part(Range<u64>),
    /// Nothing, since it begins behind the end: status 416.
    Unsatisfiable,
}

/// What the value of a `Range` header asks for of so many bytes.
pub(super) fn wanted(range: &str, length: u64) -> Wanted {
    let Some((unit, list)) = range.split_once('=') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let Some((first, last)) = list.trim().split_once('-') else { return Wanted::Whole };
    match (number(first), number(last)) {
        (Some(first), _) if last.is_empty() => part(first..length),
        (Some(first), Some(last)) if first <= last => part(first..length.min(last.saturating_add(1))),
        (None, Some(suffix)) if first.is_empty() => part(length - suffix.min(length)..length),
        _ => Wanted::Whole,
    }
}

/// Digits and nothing else, however many: what is too large for any file is the largest number.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

fn part(bytes: Range<u64>) -> Wanted {
    if bytes.is_empty() { Wanted::Unsatisfiable } else { Wanted::Part(bytes) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    #[test]
    fn one_range_is_a_part_and_never_reaches_behind_the_end() {
        for (range, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-", 0..100),
            ("Bytes = 10-19 ", 10..20),
            ("bytes=99-", 99..100),
            ("bytes=90-1000", 90..100),
            ("bytes=5-18446744073709551615", 5..100),
            ("bytes=5-99999999999999999999999", 5..100),
            ("bytes=-1", 99..100),
            ("bytes=-1000", 0..100),
        ] {
            assert_eq!(wanted(range, 100), Wanted::Part(expected), "{range}");
        }
    }

    #[test]
    fn what_begins_behind_the_end_cannot_be_had() {
        for range in ["bytes=100-", "bytes=100-200", "bytes=99999999999999999999999-", "bytes=-0"] {
            assert_eq!(wanted(range, 100), Wanted::Unsatisfiable, "{range}");
        }
        for range in ["bytes=0-", "bytes=-5", "bytes=0-0"] {
            assert_eq!(wanted(range, 0), Wanted::Unsatisfiable, "{range} of nothing");
        }
    }

    #[test]
    fn what_is_no_single_range_of_bytes_is_passed_over() {
        let many = format!("bytes={}", vec!["0-99"; 1000].join(","));
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=--5",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=9-1",
            "bytes=1",
            "bytes=0-1,5-6",
            "items=0-5",
            "bytes=0x1-2",
            "bytes=1 - 2",
            &many,
        ] {
            assert_eq!(wanted(range, 100), Wanted::Whole, "{range}");
        }
    }

    proptest! {
        #[test]
        fn nothing_leads_out_of_the_file(range in "(bytes=)?[0-9,= -]{0,30}", length in 0_u64..200) {
            if let Wanted::Part(part) = wanted(&range, length) {
                prop_assert!(part.start < part.end && part.end <= length);
            }
        }
    }
}
