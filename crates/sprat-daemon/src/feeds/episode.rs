//! Episodes of series, as the titles of items name them.

use std::sync::LazyLock;

use jiff::civil::Date;
use regex::{Captures, Regex};

/// A pack with more than this is a season, or the second number is something else.
const MAX_EPISODES: u32 = 50;

/// Which episodes an item has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    /// Of a season, from the first to the last.
    Numbered { season: u32, first: u32, last: u32 },
    /// Of a day.
    Dated(Date),
}

/// What a title says of the item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Episode {
    /// What the title begins with, in lower case and without punctuation.
    show: String,
    pub(super) number: Number,
    /// 0, or which correction it is: PROPER, REPACK2, v2.
    pub(super) revision: u8,
}

struct Notations {
    /// S01E02, S01E02E03, S01E02-E05, s1.e2v2.
    season: Regex,
    /// 1x02, 1x02-05.
    times: Regex,
    /// 2026.03.07.
    year_first: Regex,
    /// 07-03-2026.
    year_last: Regex,
    /// PROPER, REPACK2, RERIP, REAL.
    correction: Regex,
    /// v2.
    version: Regex,
}

impl Notations {
    fn new() -> Result<Self, regex::Error> {
        Ok(Self {
            season: Regex::new(
                r"(?i)\bs(\d{1,4})[ .-]*e(\d{1,4})(?:v\d)?(?:(?:e\d{1,4})*e(\d{1,4})|[ .]*-[ .]*e?(\d{1,4}))?\b",
            )?,
            times: Regex::new(r"(?i)\b(\d{1,2})x(\d{1,4})(?:v\d)?(?:[ .]*-[ .]*(?:\d{1,2}x)?(\d{1,4}))?\b")?,
            year_first: Regex::new(r"\b((?:19|20)\d\d)[ .-](\d{1,2})[ .-](\d{1,2})\b")?,
            year_last: Regex::new(r"\b(\d{1,2})[ .-](\d{1,2})[ .-]((?:19|20)\d\d)\b")?,
            correction: Regex::new(r"(?i)\b(?:proper|repack|rerip|real)(\d)?\b")?,
            version: Regex::new(r"(?i)(?:\b|\d)v([2-9])\b")?,
        })
    }
}

/// `None` cannot be: a test looks.
static NOTATIONS: LazyLock<Option<Notations>> = LazyLock::new(|| Notations::new().ok());

impl Episode {
    /// The episode that `title` names, if it names one.
    pub(super) fn of(title: &str) -> Option<Self> {
        let notations = NOTATIONS.as_ref()?;
        // To a regular expression an underscore is part of a word.
        let title = &title.replace('_', " ");
        let numbered = [&notations.season, &notations.times];
        let numbered = numbered.into_iter().find_map(|notation| notation.captures(title));
        let (start, number) = match &numbered {
            Some(found) => (found.get(0)?.start(), numbers(found)?),
            None => {
                let by_year = notations.year_first.captures(title).map(|found| (found, [1, 2, 3]));
                let (found, [year, month, day]) =
                    by_year.or_else(|| Some((notations.year_last.captures(title)?, [3, 2, 1])))?;
                (found.get(0)?.start(), Number::Dated(date(&found, year, month, day)?))
            }
        };
        let show = normalised(title.get(..start)?);
        Some(Self { show, number, revision: revision(notations, title) })
    }

    /// What to remember of it: one key for each episode.
    pub(super) fn keys(&self) -> Vec<String> {
        match self.number {
            Number::Numbered { season, first, last } => {
                (first..=last).map(|episode| format!("{} {season}x{episode}", self.show)).collect()
            }
            Number::Dated(date) => vec![format!("{} {date}", self.show)],
        }
    }
}

fn number<T: std::str::FromStr>(found: &Captures<'_>, group: usize) -> Option<T> {
    found.get(group)?.as_str().parse().ok()
}

fn numbers(found: &Captures<'_>) -> Option<Number> {
    let (season, first) = (number(found, 1)?, number(found, 2)?);
    let last = number(found, 3).or_else(|| found.len().checked_sub(1).and_then(|group| number(found, group)));
    let last = last.filter(|last| (first..first + MAX_EPISODES).contains(last)).unwrap_or(first);
    Some(Number::Numbered { season, first, last })
}

/// Some write the month before the day; where only that makes a date, it is meant.
fn date(found: &Captures<'_>, year: usize, month: usize, day: usize) -> Option<Date> {
    let (year, month, day) = (number(found, year)?, number(found, month)?, number(found, day)?);
    Date::new(year, month, day).or_else(|_| Date::new(year, day, month)).ok()
}

fn revision(notations: &Notations, title: &str) -> u8 {
    let corrections = notations.correction.captures_iter(title).map(|found| number(&found, 1).unwrap_or(1));
    // The second version is the first correction.
    let versions =
        notations.version.captures_iter(title).filter_map(|found| number::<u8>(&found, 1)?.checked_sub(1));
    corrections.chain(versions).max().unwrap_or(0)
}

/// Words in lower case. What stands in brackets before them is who made the item.
fn normalised(show: &str) -> String {
    let mut rest = show.trim_start();
    while let Some((_, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        rest = after.trim_start_matches([' ', '.']);
    }
    let words = rest.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(title: &str) -> Vec<String> {
        Episode::of(title).map(|episode| episode.keys()).unwrap_or_default()
    }

    #[test]
    fn the_notations_can_be_compiled() {
        assert!(Notations::new().is_ok());
    }

    #[test]
    fn titles_name_episodes_in_many_ways() {
        let cases: [(&str, &[&str]); 17] = [
            ("Some.Show.S01E02.1080p.WEB.h264-GROUP", &["some show 1x2"]),
            ("[GROUP] Some Show - s1e2 [720p]", &["some show 1x2"]),
            ("[A][B]_Some_Show_1x02", &["some show 1x2"]),
            ("Some Show S01E02E03", &["some show 1x2", "some show 1x3"]),
            ("Some Show S01E02E03E04", &["some show 1x2", "some show 1x3", "some show 1x4"]),
            ("Some Show S01E02-E03", &["some show 1x2", "some show 1x3"]),
            ("Some Show S01E02-03 x", &["some show 1x2", "some show 1x3"]),
            ("Some Show 1x02-03", &["some show 1x2", "some show 1x3"]),
            ("Some Show S01E02-1080p", &["some show 1x2"]),
            ("Some Show S01E02 - 2026", &["some show 1x2"]),
            ("Some Show S01E02v2", &["some show 1x2"]),
            ("Some.Show.2026.03.07.720p", &["some show 2026-03-07"]),
            ("Some Show 07-03-2026", &["some show 2026-03-07"]),
            ("Some Show 03-27-2026", &["some show 2026-03-27"]),
            ("Some Show 1920x1080", &[]),
            ("Some Show x264", &[]),
            ("Some Show 2026.13.32", &[]),
        ];
        for (title, expected) in cases {
            assert_eq!(keys(title), expected, "{title}");
        }
    }

    #[test]
    fn corrections_have_a_number() {
        let cases = [
            ("A S01E02 720p", 0),
            ("A.S01E02.PROPER.720p", 1),
            ("A.S01E02.REPACK2.720p", 2),
            ("A_S01E02_rerip_x", 1),
            ("A.S01E02v2", 1),
            ("A S01E02 v3 PROPER", 2),
            ("A.S01E02.properly.surreal", 0),
        ];
        for (title, revision) in cases {
            assert_eq!(Episode::of(title).unwrap().revision, revision, "{title}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_title_may_come(title in "([sSeExXv._ \\[\\]-]|[0-9]{1,5}|PROPER|\\PC){0,20}") {
            if let Some(episode) = Episode::of(&title) {
                let keys = episode.keys();
                proptest::prop_assert!(!keys.is_empty() && keys.len() <= 50);
            }
        }
    }
}
