//! Amounts as people write them: `64 MiB`, `20 Mbit/s`, `1.5 min`, `30 %`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _};
use thiserror::Error;

/// A text that is not the amount it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not {wanted}")]
pub struct AmountError {
    text: String,
    wanted: &'static str,
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Size(pub u64);

/// Bytes per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Rate(pub u64);

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(pub Duration);

/// Thousandths of a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Share(pub u16);

const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// A bit is an eighth of a byte: these are bytes for 8 of the unit.
const BITS: &[(&str, u64)] = &[("kbit/s", 1000), ("Mbit/s", 1_000_000), ("Gbit/s", 1_000_000_000)];

/// In nanoseconds.
const SPANS: &[(&str, u64)] = &[
    ("us", 1000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

impl FromStr for Size {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let wrong = || AmountError { text: text.to_owned(), wanted: "a size such as 64 MiB or 500 kB" };
        amount(text, SIZES).map(Self).ok_or_else(wrong)
    }
}

impl FromStr for Rate {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let bits = || amount(text, BITS).map(|eighths| eighths / 8);
        let bytes = || amount(text.strip_suffix("/s")?, SIZES);
        let wrong = || AmountError { text: text.to_owned(), wanted: "a rate such as 1 MiB/s or 20 Mbit/s" };
        bytes().or_else(bits).map(Self).ok_or_else(wrong)
    }
}

impl FromStr for Span {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let wrong = || AmountError { text: text.to_owned(), wanted: "a time such as 20 ms, 1.5 s or 5 min" };
        amount(text, SPANS).map(|nanos| Self(Duration::from_nanos(nanos))).ok_or_else(wrong)
    }
}

impl FromStr for Share {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let share = amount(text, &[("%", 10)]).and_then(|share| u16::try_from(share).ok());
        let wrong = || AmountError { text: text.to_owned(), wanted: "a share such as 30 %" };
        share.filter(|share| *share <= 1000).map(Self).ok_or_else(wrong)
    }
}

/// A decimal number and one of these units, in the smallest one; exact, rounded down.
fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    let scale = u128::from(units.iter().find(|(name, _)| *name == unit.trim())?.1);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<u64>().ok() };
    if whole.is_empty() || fraction.len() > 9 {
        return None;
    }
    let (whole, parts) = (u128::from(digits(whole)?), u128::from(digits(fraction)?));
    let total = whole * scale + parts * scale / 10_u128.pow(fraction.len() as u32);
    u64::try_from(total).ok()
}

fn from_text<'de, D: Deserializer<'de>, T: FromStr<Err = AmountError>>(
    deserializer: D,
) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", f64::from(self.0) / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units() {
        assert_eq!("64 MiB".parse(), Ok(Size(64 << 20)));
        assert_eq!("1.5KiB".parse(), Ok(Size(1536)));
        assert_eq!("500 kB".parse(), Ok(Size(500_000)));
        assert_eq!("1 MiB/s".parse(), Ok(Rate(1 << 20)));
        assert_eq!("20 Mbit/s".parse(), Ok(Rate(2_500_000)));
        assert_eq!("50 us".parse(), Ok(Span(Duration::from_micros(50))));
        assert_eq!("1.5 min".parse(), Ok(Span(Duration::from_secs(90))));
        assert_eq!("12.5 %".parse(), Ok(Share(125)));
    }

    #[test]
    fn anything_else_is_refused() {
        for wrong in ["", "5", "MiB", "-1 MiB", "1e9 B", ". B", "1.0000000000 B", "99999999999 GiB", "1 mib"]
        {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
        assert!("1 MiB".parse::<Rate>().is_err());
        assert!("5 years".parse::<Span>().is_err());
        assert!("101 %".parse::<Share>().is_err());
        assert_eq!(
            "5 apples".parse::<Size>().unwrap_err().to_string(),
            "`5 apples` is not a size such as 64 MiB or 500 kB"
        );
    }
}
