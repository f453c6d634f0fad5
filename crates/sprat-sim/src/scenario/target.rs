//! What a scenario promises: one figure, or one over another, and a limit.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

/// `mean.honest / control:mean.honest <= 1.10`: a figure of this run, perhaps over a figure of this or another run,
/// compared with a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    left: Figure,
    over: Option<Figure>,
    comparison: Comparison,
    limit: f64,
}

/// `mean`, `mean.leechers`, `control:mean.leechers`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Figure {
    run: Option<String>,
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    AtMost,
    AtLeast,
}

/// Whether a target was met.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Of which run; empty if there is only one.
    pub run: String,
    /// As the scenario has it.
    pub target: String,
    /// What was measured; `None` when the run has no such figure.
    pub measured: Option<f64>,
    /// Whether it was met.
    pub met: bool,
}

/// Why a text is no target.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a target such as `last / bound <= 1.30`")]
pub struct TargetError(String);

/// The figures of a run by name.
pub type Figures = BTreeMap<String, f64>;

impl Target {
    /// Judges a run; `of` are the figures of a run by its name, or of the run itself.
    pub(super) fn judge(&self, run: &str, of: impl Fn(Option<&str>) -> Option<Figures>) -> Verdict {
        let value = |figure: &Figure| {
            of(figure.run.as_deref()).and_then(|figures| figures.get(&figure.name).copied())
        };
        let measured = match &self.over {
            None => value(&self.left),
            Some(over) => value(&self.left).zip(value(over)).map(|(left, over)| left / over),
        };
        let measured = measured.filter(|measured| measured.is_finite());
        let met = measured.is_some_and(|measured| match self.comparison {
            Comparison::AtMost => measured <= self.limit,
            Comparison::AtLeast => measured >= self.limit,
        });
        Verdict { run: run.to_owned(), target: self.to_string(), measured, met }
    }

    /// The names of runs that it speaks of.
    pub(super) fn runs(&self) -> impl Iterator<Item = &str> {
        [Some(&self.left), self.over.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(|figure| figure.run.as_deref())
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError(text.to_owned());
        let (sides, comparison) = [("<=", Comparison::AtMost), (">=", Comparison::AtLeast)]
            .into_iter()
            .find_map(|(sign, comparison)| text.split_once(sign).map(|sides| (sides, comparison)))
            .ok_or_else(wrong)?;
        let (left, over) = match sides.0.split_once('/') {
            Some((left, over)) => (left, Some(over)),
            None => (sides.0, None),
        };
        let limit: f64 =
            sides.1.trim().parse().ok().filter(|limit: &f64| limit.is_finite()).ok_or_else(wrong)?;
        let left = Figure::parse(left).ok_or_else(wrong)?;
        let over = over.map(|over| Figure::parse(over).ok_or_else(wrong)).transpose()?;
        Ok(Self { left, over, comparison, limit })
    }
}

impl Figure {
    fn parse(text: &str) -> Option<Self> {
        let (run, name) = match text.split_once(':') {
            Some((run, name)) => (Some(run.trim().to_owned()), name.trim()),
            None => (None, text.trim()),
        };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        let name = Some(name).filter(|name| !name.is_empty() && name.chars().all(plain))?.to_owned();
        Some(Self { run, name })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.left)?;
        if let Some(over) = &self.over {
            write!(f, " / {over}")?;
        }
        let sign = if self.comparison == Comparison::AtMost { "≤" } else { "≥" };
        write!(f, " {sign} {}", self.limit)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.run {
            Some(run) => write!(f, "{run}:{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(target: &str) -> (Option<f64>, bool) {
        let figures = |run: Option<&str>| {
            let mean = if run == Some("control") { 10.0 } else { 12.0 };
            Some(Figures::from([("mean".to_owned(), mean), ("bound".to_owned(), 8.0)]))
        };
        let verdict = target.parse::<Target>().unwrap().judge("", figures);
        (verdict.measured, verdict.met)
    }

    #[test]
    fn a_figure_is_held_against_a_limit() {
        assert_eq!(judge("mean <= 12"), (Some(12.0), true));
        assert_eq!(judge("mean / bound <= 1.4"), (Some(1.5), false));
        assert_eq!(judge("mean / control:mean >= 1.2"), (Some(1.2), true));
        assert_eq!(judge("nothing <= 1"), (None, false));
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for wrong in ["", "mean", "mean < 1", "mean <= x", "<= 1", "mean / <= 1", "Mean <= 1", "mean <= inf"]
        {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
        assert_eq!("last/bound<=1.3".parse::<Target>().unwrap().to_string(), "last / bound ≤ 1.3");
    }
}
