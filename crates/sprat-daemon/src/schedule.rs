//! Which speed limits hold at which hour of the week.
//!
//! A span begins and ends at times of day of the zone it is for. Both are turned into points in time first, and the span
//! holds between these. So where the clocks are set forward over its beginning it begins that much later, and
//! where an hour comes twice, what begins in it begins once.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, civil};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

/// More than one span for each quarter of an hour of a week is not a schedule.
pub const MAX_SPANS: usize = 672;

/// Bytes per second. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpeedLimits {
    /// Of what is sent.
    pub upload: Option<u64>,
    /// Of what is received.
    pub download: Option<u64>,
}

/// A day of the week, by its English abbreviation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "their names say it")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Weekday {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];
}

impl From<civil::Weekday> for Weekday {
    fn from(day: civil::Weekday) -> Self {
        match day {
            civil::Weekday::Monday => Self::Mon,
            civil::Weekday::Tuesday => Self::Tue,
            civil::Weekday::Wednesday => Self::Wed,
            civil::Weekday::Thursday => Self::Thu,
            civil::Weekday::Friday => Self::Fri,
            civil::Weekday::Saturday => Self::Sat,
            civil::Weekday::Sunday => Self::Sun,
        }
    }
}

/// A time of day to the minute, `00:00` to `24:00`, which is the end of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay {
    minutes: u16,
}

/// Text that is no time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a time of day is written like 08:30, from 00:00 to 24:00")]
pub struct NotATimeOfDay;

const MINUTES_PER_DAY: u16 = 24 * 60;

impl TimeOfDay {
    /// So many minutes after midnight, at most all of the day.
    #[must_use]
    pub const fn from_minutes(minutes: u16) -> Self {
        Self { minutes: if minutes < MINUTES_PER_DAY { minutes } else { MINUTES_PER_DAY } }
    }
}

impl FromStr for TimeOfDay {
    type Err = NotATimeOfDay;

    fn from_str(text: &str) -> Result<Self, NotATimeOfDay> {
        let number = |digits: &str| {
            let plain =
                !digits.is_empty() && digits.len() <= 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u16>().ok().filter(|_| plain).ok_or(NotATimeOfDay)
        };
        let (hours, minutes) = text.split_once(':').ok_or(NotATimeOfDay)?;
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        let time = Self { minutes: 60 * hours + minutes };
        if minutes < 60 && time.minutes <= MINUTES_PER_DAY { Ok(time) } else { Err(NotATimeOfDay) }
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = NotATimeOfDay;

    fn try_from(text: String) -> Result<Self, NotATimeOfDay> {
        text.parse()
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

/// Some hours of some days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// The days on which it begins.
    pub days: BTreeSet<Weekday>,
    /// When it begins.
    pub from: TimeOfDay,
    /// When it ends: on the next day, if that is not later than `from`.
    pub to: TimeOfDay,
    /// What holds meanwhile.
    pub limits: SpeedLimits,
}

/// A week.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// A zone of the IANA database, like `Europe/Vienna`; that of the system if `None`.
    pub time_zone: Option<String>,
    /// Of two that hold at the same time, the first one counts.
    pub spans: Vec<Span>,
}

/// A schedule that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// The system does not know the zone.
    #[error("there is no time zone {0:?}")]
    NoSuchZone(String),
    /// More than [`MAX_SPANS`].
    #[error("a schedule has at most {MAX_SPANS} spans")]
    TooManySpans,
}

/// What a schedule says at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForce {
    /// The limits that hold; `None` if the ordinary ones do.
    pub limits: Option<SpeedLimits>,
    /// When to look again at the latest; `None` if nothing will ever change. Since the clock may be set meanwhile, do
    /// not sleep until then: look every minute or so.
    pub until: Option<Timestamp>,
}

/// A [`Schedule`] with its zone.
#[derive(Debug, Clone)]
pub struct Week {
    zone: TimeZone,
    spans: Vec<Span>,
}

impl Schedule {
    /// Finds the zone.
    pub fn resolve(self) -> Result<Week, ScheduleError> {
        if self.spans.len() > MAX_SPANS {
            return Err(ScheduleError::TooManySpans);
        }
        let zone = match self.time_zone {
            None => TimeZone::system(),
            Some(name) => TimeZone::get(&name).map_err(|_| ScheduleError::NoSuchZone(name))?,
        };
        Ok(Week { zone, spans: self.spans })
    }
}

impl Week {
    /// What holds at `now`, and until when.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> InForce {
        let today = now.to_zoned(self.zone.clone()).date();
        let mut limits = None;
        let mut until: Option<Timestamp> = None;
        for span in &self.spans {
            // One that began yesterday may still hold; what has not begun within a week never does.
            for (begin, end) in
                (-1..=7).filter_map(|days| self.occurrence(span, today.checked_add(days.days()).ok()?))
            {
                if begin <= now && now < end {
                    limits = limits.or(Some(span.limits));
                }
                until = [begin, end].into_iter().chain(until).filter(|time| *time > now).min();
            }
        }
        InForce { limits, until }
    }

    /// When `span` begins and ends, if it begins on `date`.
    fn occurrence(&self, span: &Span, date: Date) -> Option<(Timestamp, Timestamp)> {
        if !span.days.contains(&date.weekday().into()) {
            return None;
        }
        let end = if span.to > span.from { date } else { date.tomorrow().ok()? };
        Some((self.point(date, span.from)?, self.point(end, span.to)?))
    }

    fn point(&self, date: Date, time: TimeOfDay) -> Option<Timestamp> {
        let (date, minutes) = match time.minutes {
            MINUTES_PER_DAY => (date.tomorrow().ok()?, 0),
            minutes => (date, minutes),
        };
        let hour = i8::try_from(minutes / 60).ok()?;
        let minute = i8::try_from(minutes % 60).ok()?;
        let time = Time::new(hour, minute, 0, 0).ok()?;
        self.zone.to_ambiguous_zoned(date.to_datetime(time)).compatible().ok().map(|zoned| zoned.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NIGHT: SpeedLimits = SpeedLimits { upload: None, download: None };
    const WORK: SpeedLimits = SpeedLimits { upload: Some(1000), download: Some(5000) };
    const LUNCH: SpeedLimits = SpeedLimits { upload: Some(7), download: None };

    fn span(days: &[Weekday], from: &str, to: &str, limits: SpeedLimits) -> Span {
        Span {
            days: days.iter().copied().collect(),
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            limits,
        }
    }

    fn week(zone: &str, spans: Vec<Span>) -> Week {
        Schedule { time_zone: Some(zone.to_owned()), spans }.resolve().unwrap()
    }

    /// Limits and end, as local times of the zone.
    #[track_caller]
    fn check(week: &Week, now: &str, limits: Option<SpeedLimits>, until: &str) {
        let found = week.at(now.parse().unwrap());
        let until: Timestamp = until.parse().unwrap();
        assert_eq!((found.limits, found.until), (limits, Some(until)), "at {now}");
    }

    #[test]
    fn hours_of_days_have_their_limits() {
        use Weekday::{Fri, Mon, Sun};
        let spans = vec![
            span(&[Mon, Fri], "12:00", "12:30", LUNCH),
            span(&[Mon, Fri], "08:00", "17:00", WORK),
            span(&[Sun], "22:00", "06:00", NIGHT),
        ];
        let week = week("UTC", spans);
        // 2026-03-02 is a Monday.
        check(&week, "2026-03-02T00:00:00Z", Some(NIGHT), "2026-03-02T06:00:00Z");
        check(&week, "2026-03-02T06:00:00Z", None, "2026-03-02T08:00:00Z");
        check(&week, "2026-03-02T08:00:00Z", Some(WORK), "2026-03-02T12:00:00Z");
        check(&week, "2026-03-02T12:00:00Z", Some(LUNCH), "2026-03-02T12:30:00Z");
        check(&week, "2026-03-02T12:30:00Z", Some(WORK), "2026-03-02T17:00:00Z");
        check(&week, "2026-03-02T17:00:00Z", None, "2026-03-06T08:00:00Z");
        check(&week, "2026-03-08T21:59:59Z", None, "2026-03-08T22:00:00Z");
        check(&week, "2026-03-08T22:00:00Z", Some(NIGHT), "2026-03-09T06:00:00Z");
    }

    #[test]
    fn a_day_ends_at_24_and_a_span_without_length_lasts_a_day() {
        let week = week(
            "UTC",
            vec![
                span(&[Weekday::Mon], "20:00", "24:00", WORK),
                span(&[Weekday::Tue], "09:00", "09:00", LUNCH),
            ],
        );
        check(&week, "2026-03-02T23:59:00Z", Some(WORK), "2026-03-03T00:00:00Z");
        check(&week, "2026-03-03T00:00:00Z", None, "2026-03-03T09:00:00Z");
        check(&week, "2026-03-03T09:00:00Z", Some(LUNCH), "2026-03-04T09:00:00Z");
    }

    #[test]
    fn once_a_week_is_found_a_week_before() {
        let week = week("UTC", vec![span(&[Weekday::Mon], "08:00", "09:00", WORK)]);
        check(&week, "2026-03-02T09:00:00Z", None, "2026-03-09T08:00:00Z");
        check(&week, "2026-03-02T08:00:00Z", Some(WORK), "2026-03-02T09:00:00Z");
    }

    #[test]
    fn an_hour_that_is_left_out_moves_what_begins_in_it() {
        // In Vienna 02:00 to 03:00 does not exist on 2026-03-29.
        let week = week("Europe/Vienna", vec![span(&[Weekday::Sun], "02:30", "04:00", WORK)]);
        check(&week, "2026-03-29T02:29:00+01:00[Europe/Vienna]", None, "2026-03-29T03:30:00+02:00");
        check(&week, "2026-03-29T03:30:00+02:00[Europe/Vienna]", Some(WORK), "2026-03-29T04:00:00+02:00");
    }

    #[test]
    fn an_hour_that_comes_twice_counts_once() {
        // In Vienna 02:00 to 03:00 comes twice on 2026-10-25.
        let week = week("Europe/Vienna", vec![span(&[Weekday::Sun], "02:15", "02:45", WORK)]);
        check(&week, "2026-10-25T02:15:00+02:00", Some(WORK), "2026-10-25T02:45:00+02:00");
        check(&week, "2026-10-25T02:15:00+01:00", None, "2026-11-01T02:15:00+01:00");
    }

    #[test]
    fn a_summer_night_is_an_hour_shorter() {
        let week = week("America/New_York", vec![span(&[Weekday::Sat], "22:00", "06:00", NIGHT)]);
        let night = week.at("2026-03-07T22:00:00-05:00".parse().unwrap());
        let end: Timestamp = "2026-03-08T06:00:00-04:00".parse().unwrap();
        assert_eq!((night.limits, night.until), (Some(NIGHT), Some(end)));
    }

    #[test]
    fn an_empty_week_never_changes() {
        assert_eq!(week("UTC", Vec::new()).at(Timestamp::UNIX_EPOCH), InForce { limits: None, until: None });
        let no_day = week("UTC", vec![span(&[], "00:00", "24:00", WORK)]);
        assert_eq!(no_day.at(Timestamp::UNIX_EPOCH), InForce { limits: None, until: None });
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        let nowhere = Schedule { time_zone: Some("Atlantis/Center".to_owned()), spans: Vec::new() };
        assert_eq!(nowhere.resolve().unwrap_err(), ScheduleError::NoSuchZone("Atlantis/Center".to_owned()));
        for time in ["24:01", "8", "08:60", "-1:00", "+8:00", "08:00:00", "99:99", "", ":"] {
            assert_eq!(time.parse::<TimeOfDay>(), Err(NotATimeOfDay), "{time}");
        }
    }

    proptest! {
        #[test]
        fn nothing_changes_before_it_is_to_be_looked_at_again(
            spans in proptest::collection::vec((0..128_u8, 0..=1440_u16, 0..=1440_u16), 0..6),
            zone in prop_oneof![Just("UTC"), Just("Europe/Vienna"), Just("America/New_York"), Just("Australia/Lord_Howe")],
            // Two years from 2026 on.
            second in 1_767_225_600_i64..1_830_297_600,
            part in 0.0..1.0_f64,
        ) {
            let all = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];
            let spans = spans.into_iter().zip(1..).map(|((days, from, to), number)| Span {
                days: (0..7).filter(|day| days & (1 << day) != 0).map(|day| all[day]).collect(),
                from: TimeOfDay { minutes: from },
                to: TimeOfDay { minutes: to },
                limits: SpeedLimits { upload: Some(number), download: None },
            });
            let week = week(zone, spans.collect());
            let now = Timestamp::from_second(second).unwrap();
            let found = week.at(now);
            if let Some(until) = found.until {
                prop_assert!(until > now);
                #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any point between")]
                let between = second + ((until.as_second() - 1 - second) as f64 * part) as i64;
                let between = week.at(Timestamp::from_second(between).unwrap());
                prop_assert_eq!(between, found);
            }
        }
    }
}
