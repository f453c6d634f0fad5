//! Numbers as people write them: `512 MiB`, `2 MiB/s`, `90 min`, `07:30`, and `unlimited`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{OneOfBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// Something that is written as a text with a unit, or as a plain number.
pub trait Quantity: Copy {
    /// The name of the kind, as in the schema.
    const NAME: &'static str;
    /// What is expected, with examples, for messages and for the schema.
    const EXPECTED: &'static str;

    /// From `512 MiB`.
    fn from_text(text: &str) -> Option<Self>;
    /// From a number without a unit.
    fn from_integer(number: u64) -> Option<Self>;
    /// From a number with a fraction; most kinds have none.
    fn from_float(_: f64) -> Option<Self> {
        None
    }
    /// As a person would write it, without losing anything.
    fn to_text(&self) -> String;
}

struct QuantityVisitor<T>(PhantomData<T>);

impl<T: Quantity> Visitor<'_> for QuantityVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(T::EXPECTED)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        T::from_text(text.trim()).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
        T::from_integer(number).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
        let unsigned = u64::try_from(number).ok().and_then(T::from_integer);
        unsigned.ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<T, E> {
        T::from_float(number).ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
    }
}

/// `Serialize`, `Deserialize`, `Display` and the schema of a [`Quantity`].
macro_rules! as_quantity {
    ($type:ty) => {
        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.to_text())
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.to_text())
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(QuantityVisitor(PhantomData))
            }
        }

        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                text_or_number(<$type>::EXPECTED)
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(<$type>::NAME)
            }
        }
    };
}

fn text_or_number(expected: &str) -> RefOr<Schema> {
    let one = |kind| ObjectBuilder::new().schema_type(SchemaType::Type(kind));
    OneOfBuilder::new().item(one(Type::String)).item(one(Type::Number)).description(Some(expected)).into()
}

/// A count of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

const SIZE_UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Quantity for Size {
    const NAME: &'static str = "Size";
    const EXPECTED: &'static str = "a size such as \"512 MiB\" (B, KiB, MiB, GiB, TiB) or a number of bytes";

    fn from_text(text: &str) -> Option<Self> {
        with_unit(text, &SIZE_UNITS).map(Self)
    }

    fn from_integer(number: u64) -> Option<Self> {
        Some(Self(number))
    }

    fn to_text(&self) -> String {
        in_largest_unit(self.0, &SIZE_UNITS)
    }
}
as_quantity!(Size);

/// Bytes per second; never 0, which some programs take for "no limit".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

impl Rate {
    /// So many bytes per second, unless that is none.
    #[must_use]
    pub const fn new(bytes_per_second: u64) -> Option<Self> {
        if bytes_per_second == 0 { None } else { Some(Self(bytes_per_second)) }
    }

    /// So many KiB per second, at least one.
    const fn kib(kib_per_second: u64) -> Self {
        Self(if kib_per_second == 0 { 1024 } else { kib_per_second * 1024 })
    }

    /// The number.
    #[must_use]
    pub const fn bytes_per_second(self) -> u64 {
        self.0
    }
}

/// What torrents move at that are worth a slot of the queue: 2 KiB/s.
pub(super) const SLOW: Rate = Rate::kib(2);

impl Quantity for Rate {
    const NAME: &'static str = "Rate";
    const EXPECTED: &'static str =
        "a rate such as \"2 MiB/s\" (B/s, KiB/s, MiB/s, GiB/s) or a number of bytes per second, not 0";

    fn from_text(text: &str) -> Option<Self> {
        with_unit(text.strip_suffix("/s")?, &SIZE_UNITS).and_then(Self::new)
    }

    fn from_integer(number: u64) -> Option<Self> {
        Self::new(number)
    }

    fn to_text(&self) -> String {
        in_largest_unit(self.0, &SIZE_UNITS) + "/s"
    }
}
as_quantity!(Rate);

/// A length of time in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(u64);

const SPAN_UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];

/// A hundred years. Whoever means more means "unlimited"; and sums of it cannot overflow.
const LONGEST: u64 = 36_525 * 86_400;

impl Span {
    /// So many minutes.
    pub(super) const fn minutes(minutes: u32) -> Self {
        Self(minutes as u64 * 60)
    }

    /// So many days.
    pub(super) const fn days(days: u16) -> Self {
        Self(days as u64 * 86_400)
    }

    /// As the clock has it.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl Quantity for Span {
    const NAME: &'static str = "Span";
    const EXPECTED: &'static str = "a time such as \"90 min\" (s, min, h, d) or a number of seconds";

    fn from_text(text: &str) -> Option<Self> {
        with_unit(text, &SPAN_UNITS).and_then(Self::from_integer)
    }

    fn from_integer(number: u64) -> Option<Self> {
        (number <= LONGEST).then_some(Self(number))
    }

    fn to_text(&self) -> String {
        in_largest_unit(self.0, &SPAN_UNITS)
    }
}
as_quantity!(Span);

/// What was given for each byte that was taken, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio(u32);

impl Ratio {
    /// Bytes given for a thousand that were taken.
    #[must_use]
    pub const fn thousandths(self) -> u32 {
        self.0
    }
}

impl Quantity for Ratio {
    const NAME: &'static str = "Ratio";
    const EXPECTED: &'static str = "a ratio such as 1.5, at most 1000000";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().and_then(Self::from_float)
    }

    fn from_integer(number: u64) -> Option<Self> {
        u32::try_from(number).ok().filter(|&number| number <= 1_000_000)?.checked_mul(1000).map(Self)
    }

    fn from_float(number: f64) -> Option<Self> {
        (0.0..=1_000_000.0).contains(&number).then(|| Self((number * 1000.0).round() as u32))
    }

    fn to_text(&self) -> String {
        let (whole, thousandths) = (self.0 / 1000, self.0 % 1000);
        let text = format!("{whole}.{thousandths:03}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}
as_quantity!(Ratio);

/// A number of things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u32);

impl Quantity for Count {
    const NAME: &'static str = "Count";
    const EXPECTED: &'static str = "a whole number such as 5";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    fn from_integer(number: u64) -> Option<Self> {
        u32::try_from(number).ok().map(Self)
    }

    fn to_text(&self) -> String {
        self.0.to_string()
    }
}
as_quantity!(Count);

/// A time of the local day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// Minutes since midnight, as the clock on the wall shows it; 1440 is the end of the day.
    #[must_use]
    pub const fn minutes(self) -> u16 {
        self.0
    }
}

impl Quantity for TimeOfDay {
    const NAME: &'static str = "TimeOfDay";
    const EXPECTED: &'static str = "a time of the day such as \"07:30\", from \"00:00\" to \"24:00\"";

    fn from_text(text: &str) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        let two_digits = |part: &str| {
            let is_number = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| part.parse::<u16>().ok()).flatten()
        };
        let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
        let total = hours * 60 + minutes;
        (minutes < 60 && total <= 24 * 60).then_some(Self(total))
    }

    fn from_integer(_: u64) -> Option<Self> {
        None
    }

    fn to_text(&self) -> String {
        format!("{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}
as_quantity!(TimeOfDay);

/// A quantity, or none at all: written `"unlimited"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit<T> {
    /// There is no limit.
    Unlimited,
    /// This much.
    To(T),
}

/// At most so many.
pub type CountLimit = Limit<Count>;
/// At most so fast.
pub type RateLimit = Limit<Rate>;
/// At most so long.
pub type SpanLimit = Limit<Span>;
/// At most so much for what was taken.
pub type RatioLimit = Limit<Ratio>;

const UNLIMITED: &str = "unlimited";

impl<T: Copy> Limit<T> {
    /// The limit, if there is one.
    #[must_use]
    pub const fn get(self) -> Option<T> {
        match self {
            Self::Unlimited => None,
            Self::To(limit) => Some(limit),
        }
    }
}

impl<T: Quantity> Serialize for Limit<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unlimited => serializer.serialize_str(UNLIMITED),
            Self::To(limit) => serializer.serialize_str(&limit.to_text()),
        }
    }
}

impl<'de, T: Quantity> Deserialize<'de> for Limit<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LimitVisitor(PhantomData))
    }
}

struct LimitVisitor<T>(PhantomData<T>);

impl<T: Quantity> Visitor<'_> for LimitVisitor<T> {
    type Value = Limit<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, or \"{UNLIMITED}\"", T::EXPECTED)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Limit<T>, E> {
        if text.trim() == UNLIMITED {
            return Ok(Limit::Unlimited);
        }
        T::from_text(text.trim()).map(Limit::To).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Limit<T>, E> {
        T::from_integer(number)
            .map(Limit::To)
            .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Limit<T>, E> {
        let unsigned = u64::try_from(number).ok().and_then(T::from_integer);
        unsigned.map(Limit::To).ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Limit<T>, E> {
        T::from_float(number).map(Limit::To).ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
    }
}

impl<T: Quantity> PartialSchema for Limit<T> {
    fn schema() -> RefOr<Schema> {
        text_or_number(&format!("{}, or \"{UNLIMITED}\"", T::EXPECTED))
    }
}

impl<T: Quantity> ToSchema for Limit<T> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}Limit", T::NAME))
    }
}

/// `1.5 GiB` in the smallest unit: exact, and at most what has a meaning there.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits_end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits_end);
    let &(_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    // Six digits fit beside the largest factor.
    let is_fraction = (1..=6).contains(&fraction.len());
    let tenths = is_fraction.then(|| fraction.parse::<u64>().ok()).flatten()?;
    let power = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    whole.checked_add(tenths.checked_mul(factor)? / power)
}

/// With the largest unit of which it is a whole number.
fn in_largest_unit(number: u64, units: &[(&str, u64)]) -> String {
    let fits = |&&(_, factor): &&(&str, u64)| number != 0 && number.is_multiple_of(factor);
    let (unit, factor) = units.iter().find(fits).or(units.last()).copied().unwrap_or(("", 1));
    format!("{} {unit}", number / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: serde::de::DeserializeOwned>(json: serde_json::Value) -> Result<T, String> {
        serde_json::from_value(json).map_err(|error| error.to_string())
    }

    #[test]
    fn sizes_and_times_are_written_with_units_or_as_numbers() {
        assert_eq!(read::<Size>("512 MiB".into()), Ok(Size(512 << 20)));
        assert_eq!(read::<Size>("1.5GiB".into()), Ok(Size(3 << 29)));
        assert_eq!(read::<Size>(4096.into()), Ok(Size(4096)));
        assert_eq!(read::<Span>("90 min".into()), Ok(Span(5400)));
        assert_eq!(read::<Span>("1.5 h".into()), Ok(Span(5400)));
        assert_eq!(read::<Rate>("2 MiB/s".into()), Ok(Rate(2 << 20)));
        assert_eq!(read::<TimeOfDay>("07:30".into()).map(TimeOfDay::minutes), Ok(450));
        assert_eq!(read::<Ratio>(1.5.into()), Ok(Ratio(1500)));
        assert_eq!(read::<Limit<Count>>("unlimited".into()), Ok(Limit::Unlimited));
        assert_eq!(read::<Limit<Count>>(5.into()), Ok(Limit::To(Count(5))));
    }

    #[test]
    fn what_is_not_clear_is_refused() {
        for wrong in
            ["", "12", "MiB", "-1 MiB", "1 MB", "1.2.3 MiB", "99999999999 TiB", "1e3 B", ". MiB", "1. KiB"]
        {
            assert!(read::<Size>(wrong.into()).is_err(), "{wrong}");
        }
        for wrong in ["7:30", "24:01", "12:60", "+1:00", "noon"] {
            assert!(read::<TimeOfDay>(wrong.into()).is_err(), "{wrong}");
        }
        assert!(read::<Rate>(0.into()).is_err(), "neither stopped nor unlimited");
        assert!(read::<Rate>("2 MiB".into()).is_err());
        assert!(read::<Span>("1000000 d".into()).is_err());
        assert!(read::<Count>((-1).into()).is_err());
        let message = read::<Limit<Rate>>("fast".into()).unwrap_err();
        assert!(message.contains("2 MiB/s") && message.contains("unlimited"), "{message}");
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_again(number: u64, thousandths in 0_u32..=1_000_000_000, minutes in 0_u16..=1440) {
            let size = Size(number);
            assert_eq!(Size::from_text(&size.to_text()), Some(size));
            let span = Span(number % LONGEST);
            assert_eq!(Span::from_text(&span.to_text()), Some(span));
            let ratio = Ratio(thousandths);
            assert_eq!(Ratio::from_text(&ratio.to_text()), Some(ratio));
            let time = TimeOfDay(minutes);
            assert_eq!(TimeOfDay::from_text(&time.to_text()), Some(time));
        }

        #[test]
        fn no_text_makes_a_quantity_panic(text: String) {
            let _ = (Size::from_text(&text), Rate::from_text(&text), Span::from_text(&text));
            let _ = (Ratio::from_text(&text), TimeOfDay::from_text(&text), Count::from_text(&text));
        }
    }
}
