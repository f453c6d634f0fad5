//! At which hours of the week the alternative limits hold.
//!
//! A window begins and ends at times of the local day. Both are turned into points in time first, and the window holds between
//! these. So where the clocks are set forward over its beginning it begins that much later, and where an hour comes twice, what
//! begins in it begins once.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::settings::{AlternativeWindow, TimeOfDay};

/// Whether one of `windows` is open at `now`, by the clocks of `zone`.
#[must_use]
pub fn is_open(windows: &[AlternativeWindow], zone: &TimeZone, now: Timestamp) -> bool {
    let today = now.to_zoned(zone.clone()).date();
    // One that began yesterday may still be open.
    let begins = [today.checked_sub(1.day()).ok(), Some(today)];
    windows.iter().any(|window| {
        let spans = begins.into_iter().flatten().filter_map(|date| span(window, zone, date));
        spans.into_iter().any(|(from, until)| from <= now && now < until)
    })
}

/// When the window that begins on `date` opens and closes; `None` if none does.
fn span(window: &AlternativeWindow, zone: &TimeZone, date: Date) -> Option<(Timestamp, Timestamp)> {
    if !window.days.is_empty() && !window.days.contains(&date.weekday().into()) {
        return None;
    }
    let end = if window.until > window.from { date } else { date.tomorrow().ok()? };
    Some((point(zone, date, window.from)?, point(zone, end, window.until)?))
}

fn point(zone: &TimeZone, date: Date, time: TimeOfDay) -> Option<Timestamp> {
    let (date, minutes) = match time.minutes() {
        // The end of the day.
        1440 => (date.tomorrow().ok()?, 0),
        minutes => (date, minutes),
    };
    let time = Time::new(i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?, 0, 0).ok()?;
    zone.to_ambiguous_zoned(date.to_datetime(time)).compatible().ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Weekday::{self, Fri, Mon, Sat, Sun, Tue};

    fn window(days: &[Weekday], from: &str, until: &str) -> AlternativeWindow {
        let json = serde_json::json!({ "days": days, "from": from, "until": until });
        serde_json::from_value(json).unwrap()
    }

    /// Whether it is open at each of these times, and not a second before where that differs.
    #[track_caller]
    fn check(zone: &str, windows: &[AlternativeWindow], expected: &[(&str, bool)]) {
        let zone = TimeZone::get(zone).unwrap();
        for (now, open) in expected {
            let now: Timestamp = now.parse().unwrap();
            assert_eq!(is_open(windows, &zone, now), *open, "at {now}");
        }
    }

    #[test]
    fn a_window_is_open_from_its_first_second_to_the_one_before_its_end() {
        // 2026-03-02 is a Monday.
        check(
            "UTC",
            &[window(&[Mon, Fri], "08:00", "17:00"), window(&[Sun], "22:00", "06:00")],
            &[
                ("2026-03-02T05:59:59Z", true),
                ("2026-03-02T06:00:00Z", false),
                ("2026-03-02T07:59:59Z", false),
                ("2026-03-02T08:00:00Z", true),
                ("2026-03-02T16:59:59Z", true),
                ("2026-03-02T17:00:00Z", false),
                ("2026-03-03T12:00:00Z", false),
                ("2026-03-06T12:00:00Z", true),
                ("2026-03-08T21:59:59Z", false),
                ("2026-03-08T22:00:00Z", true),
            ],
        );
    }

    #[test]
    fn without_days_it_is_every_day() {
        let nights = [window(&[], "23:00", "01:00")];
        check("UTC", &nights, &[("2026-03-04T00:59:59Z", true), ("2026-03-05T23:00:00Z", true)]);
        check("UTC", &nights, &[("2026-03-04T01:00:00Z", false)]);
        check("UTC", &[], &[("2026-03-04T01:00:00Z", false)]);
    }

    #[test]
    fn a_day_ends_at_24_and_a_window_without_length_lasts_a_day() {
        check(
            "UTC",
            &[window(&[Mon], "20:00", "24:00"), window(&[Tue], "09:00", "09:00")],
            &[
                ("2026-03-02T23:59:59Z", true),
                ("2026-03-03T00:00:00Z", false),
                ("2026-03-03T09:00:00Z", true),
                ("2026-03-04T08:59:59Z", true),
                ("2026-03-04T09:00:00Z", false),
            ],
        );
    }

    #[test]
    fn an_hour_that_is_left_out_moves_what_begins_in_it() {
        // In Vienna 02:00 to 03:00 does not exist on 2026-03-29.
        check(
            "Europe/Vienna",
            &[window(&[Sun], "02:30", "04:00")],
            &[
                ("2026-03-29T03:29:59+02:00", false),
                ("2026-03-29T03:30:00+02:00", true),
                ("2026-03-29T04:00:00+02:00", false),
            ],
        );
    }

    #[test]
    fn an_hour_that_comes_twice_counts_once() {
        // In Vienna 02:00 to 03:00 comes twice on 2026-10-25.
        check(
            "Europe/Vienna",
            &[window(&[Sun], "02:15", "02:45")],
            &[("2026-10-25T02:15:00+02:00", true), ("2026-10-25T02:15:00+01:00", false)],
        );
    }

    #[test]
    fn a_summer_night_is_an_hour_shorter() {
        check(
            "America/New_York",
            &[window(&[Sat], "22:00", "06:00")],
            &[
                ("2026-03-07T22:00:00-05:00", true),
                ("2026-03-08T05:59:59-04:00", true),
                ("2026-03-08T06:00:00-04:00", false),
            ],
        );
    }
}
