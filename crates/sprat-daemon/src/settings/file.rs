//! The configuration file: what it says, and where what is wrong with it stands.

use std::fmt;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use thiserror::Error;
use toml::de::{DeTable, DeValue};

use super::check::{Problem, check};
use super::sections::Settings;

/// The file cannot be read at all.
#[derive(Debug, Error)]
#[error("cannot read {}: {source}", path.display())]
pub struct ReadError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Why settings cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What it says is wrong. One line for each problem: `file:line:column: key: what is wrong`.
    #[error("{}", lines(.0))]
    Invalid(Vec<PlacedProblem>),
}

fn lines(problems: &[PlacedProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A problem, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedProblem {
    file: PathBuf,
    /// Both from 1; columns are characters.
    line: usize,
    column: usize,
    /// The setting is empty where the file is no TOML.
    problem: Problem,
}

impl fmt::Display for PlacedProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}: ", self.file.display(), self.line, self.column)?;
        if self.problem.key.is_empty() {
            formatter.write_str(&self.problem.message)
        } else {
            self.problem.fmt(formatter)
        }
    }
}

/// A file that is right.
#[derive(Debug, Clone, Default)]
pub(super) struct FileLayer {
    /// Where it is; `None` when there is none.
    pub(super) path: Option<PathBuf>,
    /// What stands in it.
    pub(super) values: Map<String, Value>,
    /// What it means.
    pub(super) settings: Settings,
}

impl FileLayer {
    /// Reads a file; without one, everything has its default.
    pub(super) fn read(path: Option<&Path>) -> Result<Self, SettingsError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = fs::read_to_string(path).map_err(|source| ReadError { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, SettingsError> {
        let invalid = |problems: Vec<(Problem, usize)>| {
            let place = |(problem, offset)| {
                let (line, column) = line_and_column(text, offset);
                PlacedProblem { file: path.to_owned(), line, column, problem }
            };
            SettingsError::Invalid(problems.into_iter().map(place).collect())
        };
        // Only the message of an error is shown: the rest of it quotes the line, and that may hold a secret.
        let unplaced = |error: &toml::de::Error| {
            (error.message().replace('\n', ", "), error.span().map_or(0, |span| span.start))
        };
        let document = DeTable::parse(text).map_err(|error| {
            let (message, offset) = unplaced(&error);
            invalid(vec![(Problem::new("", message), offset)])
        })?;
        let settings: Settings = toml::from_str(text).map_err(|error| {
            let (message, offset) = unplaced(&error);
            invalid(vec![(Problem::new(key_at(document.get_ref(), offset), message), offset)])
        })?;
        let problems = check(&settings);
        if !problems.is_empty() {
            let place = |problem: Problem| {
                let offset = place_of(document.get_ref(), &problem.key).map_or(0, |place| place.start);
                (problem, offset)
            };
            return Err(invalid(problems.into_iter().map(place).collect()));
        }
        let values = toml::from_str(text).map_err(|error| {
            let (message, offset) = unplaced(&error);
            invalid(vec![(Problem::new("", message), offset)])
        })?;
        Ok(Self { path: Some(path.to_owned()), values, settings })
    }
}

/// The setting that a place in the text belongs to.
fn key_at(table: &DeTable<'_>, offset: usize) -> String {
    for (name, value) in table {
        let contains = |range: Range<usize>| range.contains(&offset);
        if let DeValue::Table(inner) = value.get_ref() {
            let below = key_at(inner, offset);
            if !below.is_empty() {
                return format!("{}.{below}", name.get_ref());
            }
        }
        if contains(name.span()) || contains(value.span()) {
            return name.get_ref().to_string();
        }
    }
    String::new()
}

/// Where the value of a setting stands.
fn place_of(table: &DeTable<'_>, key: &str) -> Option<Range<usize>> {
    let (name, rest) = key.split_once('.').map_or((key, None), |(name, rest)| (name, Some(rest)));
    let value = table.get(name)?;
    match (value.get_ref(), rest) {
        (DeValue::Table(inner), Some(rest)) => place_of(inner, rest).or_else(|| Some(value.span())),
        _ => Some(value.span()),
    }
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let error = FileLayer::parse(Path::new("sprat.toml"), text).unwrap_err();
        error.to_string().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_mistake_is_told_with_its_place_and_its_key() {
        let text = "[limits]\nmemory = \"512 MB\"\n";
        let [problem] = problems(text).try_into().unwrap();
        assert!(problem.starts_with("sprat.toml:2:10: limits.memory: invalid value"), "{problem}");
        assert!(problem.contains("512 MiB"), "says how it is written: {problem}");

        let [problem] = problems("[limits]\nupload_slots = 4\nmemroy = 1\n").try_into().unwrap();
        assert!(problem.starts_with("sprat.toml:3:1: limits.memroy: unknown field"), "{problem}");
        assert!(problem.contains("`memory`"), "{problem}");

        let [problem] = problems("[limit]\n").try_into().unwrap();
        assert!(problem.starts_with("sprat.toml:1:2: limit: unknown field"), "{problem}");

        let [problem] = problems("[log]\nlevel = \n").try_into().unwrap();
        assert!(problem.starts_with("sprat.toml:2:9: "), "{problem}");
    }

    #[test]
    fn everything_that_does_not_fit_together_is_told_at_once() {
        let text = "[limits]\nmemory = \"1 MiB\"\n[api]\ntls_key = \"/key\"\nhosts = [\"https://x\"]\n\
                    [[paths.watch]]\ndirectory = \"../x\"\n";
        let problems = problems(text);
        let starts =
            ["6:1: paths.watch", "2:10: limits.memory", "5:9: api.hosts", "3:1: api.tls_certificate"];
        for (problem, start) in problems.iter().zip(starts) {
            assert!(problem.starts_with(&format!("sprat.toml:{start}: ")), "{problem}");
        }
        assert_eq!(problems.len(), starts.len());
    }

    #[test]
    fn no_message_quotes_a_secret() {
        for text in [
            "[webhooks]\nendpoints = [{ url = \"https://x/hunter2\", sceret = \"hunter2\" }]\n",
            "[webhooks]\nendpoints = [{ url = \"hunter2\" }]\n",
            "[webhooks]\nendpoints = [{ url = \"https://x/hunter2\", secret = \"hunter2 ]\n",
        ] {
            let told = problems(text).join("\n");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text: String) {
            let _ = FileLayer::parse(Path::new("sprat.toml"), &text);
        }
    }
}
