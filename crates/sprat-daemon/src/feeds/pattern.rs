//! What the title of an item must or must not contain.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

/// Of a pattern, in bytes.
const MAX_LENGTH: usize = 1024;

/// Of a compiled pattern, in bytes: `(a{1000}){1000}` is short to write.
const MAX_COMPILED_SIZE: usize = 256 * 1024;

/// Of brackets in brackets.
const MAX_NESTING: u32 = 32;

/// How a pattern is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Notation {
    /// Words that must all be there, in any order; `|` separates alternatives, `?` is any character, `*` any number of
    /// them.
    #[default]
    Words,
    /// A regular expression, as the `regex` crate has them; found anywhere.
    Regex,
}

/// A text that cannot be used as a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// Longer than 1 KiB.
    #[error("the pattern is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// Not a regular expression, or one that would take too much memory.
    #[error("the regular expression cannot be used: {0}")]
    Regex(String),
}

/// A compiled pattern. Upper and lower case are the same. Looking takes time in proportion to the title.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// One of these must match: each of its expressions must be found.
    alternatives: Vec<Vec<Regex>>,
}

impl Pattern {
    /// `None` if `text` is empty: it then says nothing.
    pub(super) fn new(text: &str, notation: Notation) -> Result<Option<Self>, PatternError> {
        if text.len() > MAX_LENGTH {
            return Err(PatternError::TooLong);
        }
        let text = text.trim();
        let alternatives = match notation {
            Notation::Regex if text.is_empty() => Vec::new(),
            Notation::Regex => vec![vec![compile(text)?]],
            Notation::Words => {
                let words =
                    |text: &str| text.split_whitespace().map(|word| compile(&from_wildcards(word))).collect();
                let alternatives: Result<Vec<Vec<Regex>>, _> = text.split('|').map(words).collect();
                alternatives?.into_iter().filter(|words| !words.is_empty()).collect()
            }
        };
        Ok((!alternatives.is_empty()).then_some(Self { alternatives }))
    }

    pub(super) fn matches(&self, title: &str) -> bool {
        self.alternatives.iter().any(|words| words.iter().all(|word| word.is_match(title)))
    }
}

fn from_wildcards(word: &str) -> String {
    regex::escape(word).replace(r"\*", ".*").replace(r"\?", ".")
}

fn compile(pattern: &str) -> Result<Regex, PatternError> {
    RegexBuilder::new(pattern)
        .case_insensitive(true)
        .size_limit(MAX_COMPILED_SIZE)
        .dfa_size_limit(MAX_COMPILED_SIZE)
        .nest_limit(MAX_NESTING)
        .build()
        .map_err(|error| PatternError::Regex(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, notation: Notation, title: &str) -> bool {
        Pattern::new(pattern, notation).unwrap().unwrap().matches(title)
    }

    #[test]
    fn words_may_come_in_any_order_and_contain_wildcards() {
        let title = "Some.Show.S01E02.[1080p].(WEB)";
        for pattern in
            ["show some", "SOME", "[1080p]", "nothing | show", "s??e02", "some*web", "(web)", "ome | |"]
        {
            assert!(matches(pattern, Notation::Words, title), "{pattern}");
        }
        for pattern in ["show other", "[0-9]", "some?web", "web*some", "nothing | show other", "s.*e"] {
            assert!(!matches(pattern, Notation::Words, title), "{pattern}");
        }
    }

    #[test]
    fn regular_expressions_are_found_anywhere() {
        assert!(matches(r"s\d+e0[2-5]\b", Notation::Regex, "Some.Show.S01E02.1080p"));
        assert!(!matches(r"^show", Notation::Regex, "Some.Show.S01E02.1080p"));
    }

    #[test]
    fn an_empty_pattern_says_nothing() {
        for text in ["", "  ", " | | "] {
            assert!(Pattern::new(text, Notation::Words).unwrap().is_none());
        }
        assert!(Pattern::new(" ", Notation::Regex).unwrap().is_none());
    }

    #[test]
    fn what_would_take_too_much_is_refused() {
        let deep = "(".repeat(100) + &")".repeat(100);
        for pattern in ["(a{1000}){1000}", "[", "(?=x)", &deep, &"x".repeat(1025)] {
            assert!(Pattern::new(pattern, Notation::Regex).is_err(), "{pattern}");
        }
    }
}
