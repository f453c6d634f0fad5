//! Which episodes of a series are wanted, in the notation that people know from other clients.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::episode::{Episode, Number};

/// Longer filters have no use.
const MAX_LENGTH: usize = 1024;

/// Parts separated by semicolons: `1x2` is one episode, `1x2-5` some of a season, `2x` a season, `2x7-` all
/// from there on, later seasons too. `1x2;4;6-8` all means the first season. An empty filter wants everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EpisodeFilter {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Season(u32),
    Range { season: u32, first: u32, last: u32 },
    From { season: u32, first: u32 },
}

/// Text that is no filter of episodes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EpisodeFilterError {
    /// Longer than 1 KiB.
    #[error("the filter is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// A part without season, before any with one.
    #[error("{0:?} does not say which season; write for example 1x{0}")]
    NoSeason(String),
    /// Something else.
    #[error("{0:?} is not an episode filter; write for example 1x2-5;8;2x")]
    Malformed(String),
}

impl EpisodeFilter {
    /// Whether it wants everything.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether any of the episodes is wanted. What has a date instead of numbers is not.
    pub(super) fn wants(&self, episode: &Episode) -> bool {
        let Number::Numbered { season: found, first: found_first, last: found_last } = episode.number else {
            return self.is_empty();
        };
        self.is_empty()
            || self.parts.iter().any(|part| match *part {
                Part::Season(season) => found == season,
                Part::Range { season, first, last } => {
                    found == season && found_first <= last && first <= found_last
                }
                Part::From { season, first } => found > season || found == season && found_last >= first,
            })
    }
}

impl FromStr for EpisodeFilter {
    type Err = EpisodeFilterError;

    fn from_str(text: &str) -> Result<Self, EpisodeFilterError> {
        if text.len() > MAX_LENGTH {
            return Err(EpisodeFilterError::TooLong);
        }
        let mut parts = Vec::new();
        let mut season = None;
        for text in text.split(';').map(str::trim).filter(|text| !text.is_empty()) {
            let malformed = || EpisodeFilterError::Malformed(text.to_owned());
            let number = |text: &str| {
                let digits = text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
                text.parse::<u32>().ok().filter(|_| digits).ok_or_else(malformed)
            };
            let episodes = match text.split_once(['x', 'X']) {
                Some((before, after)) => {
                    season = Some(number(before)?);
                    after
                }
                None => text,
            };
            let season = season.ok_or_else(|| EpisodeFilterError::NoSeason(text.to_owned()))?;
            parts.push(match episodes.split_once('-') {
                None if episodes.is_empty() => Part::Season(season),
                None => Part::Range { season, first: number(episodes)?, last: number(episodes)? },
                Some((first, "")) => Part::From { season, first: number(first)? },
                Some((first, last)) => Part::Range { season, first: number(first)?, last: number(last)? },
            });
        }
        Ok(Self { text: text.to_owned(), parts })
    }
}

impl TryFrom<String> for EpisodeFilter {
    type Error = EpisodeFilterError;

    fn try_from(text: String) -> Result<Self, EpisodeFilterError> {
        text.parse()
    }
}

impl From<EpisodeFilter> for String {
    fn from(filter: EpisodeFilter) -> Self {
        filter.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(filter: &str, title: &str) -> bool {
        filter.parse::<EpisodeFilter>().unwrap().wants(&Episode::of(title).unwrap())
    }

    #[test]
    fn seasons_ranges_and_single_episodes_can_be_wanted() {
        let wanted = |filter: &str| -> Vec<&str> {
            let all = ["1x1", "1x2", "1x5", "1x6", "1x8", "2x1", "2x9", "3x1"];
            all.into_iter().filter(|title| wants(filter, title)).collect()
        };
        assert_eq!(wanted("1x2-5;2x;"), ["1x2", "1x5", "2x1", "2x9"]);
        assert_eq!(wanted("1x2;6-8"), ["1x2", "1x6", "1x8"]);
        assert_eq!(wanted("1X6-"), ["1x6", "1x8", "2x1", "2x9", "3x1"]);
        assert_eq!(wanted(" 01x02 ; 2x01 "), ["1x2", "2x1"]);
        assert_eq!(wanted("4x").len(), 0);
        assert_eq!(wanted("").len(), 8);
    }

    #[test]
    fn a_pack_is_wanted_for_any_episode_in_it() {
        assert!(wants("1x3", "A S01E02-E04"));
        assert!(wants("1x4-", "A S01E02-E04"));
        assert!(!wants("1x5;1x1", "A S01E02-E04"));
        assert!(!wants("1x", "A 2026-03-07") && wants("", "A 2026-03-07"));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for filter in ["x", "1", "1y2", "1x2-x", "-1x2", "1x+2", "1x2--3", "1x2,3", "99999x1", "1x2-3-4"] {
            assert!(filter.parse::<EpisodeFilter>().is_err(), "{filter}");
        }
        assert_eq!("1;".repeat(600).parse::<EpisodeFilter>(), Err(EpisodeFilterError::TooLong));
    }
}
