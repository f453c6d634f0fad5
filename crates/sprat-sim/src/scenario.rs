//! Swarms as questions: a TOML file says who takes part, what goes wrong and what is expected; a run gives the answer.
//!
//! ```
//! use sprat_sim::scenario::Scenario;
//!
//! let scenario = Scenario::builtin("hello").unwrap();
//! let outcome = scenario.simulate(1, &mut ()).unwrap();
//! assert!(outcome.is_good());
//! ```
//!
//! A scenario has one run, or several: each `[[runs]]` section has a name and sets some keys to other values. So a sweep
//! is a few runs that differ in one key, and a control is a run with `control = true`, to whose figures the targets of
//! the others refer as `control:mean`.

use std::ops::ControlFlow;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;
use toml::{Table, Value};

use crate::content::ContentError;
use crate::report::Violation;
use crate::simulation::Simulation;

mod amount;
mod builtin;
mod cast;
mod chance;
mod outcome;
mod setup;
mod target;
mod theory;

pub use amount::{AmountError, Rate, Share, Size, Span};
pub use outcome::{GroupOutcome, Outcome, RunOutcome, Series, peer_name};
pub use setup::{
    Arrival, BehaviourSetup, ContentSetup, FaultSetup, GroupSetup, Has, Leaving, Model, NetworkSetup,
    SessionSetup, Setup, TrackerSetup, VersionSetup,
};
pub use target::{Figures, Target, TargetError, Verdict};

/// Characters of a scenario file.
const LONGEST_FILE: usize = 1 << 20;

/// Runs of one scenario.
const MOST_RUNS: usize = 64;

/// A question to a swarm.
#[derive(Debug, Clone)]
pub struct Scenario {
    name: String,
    /// The file without its runs.
    base: Table,
    variants: Vec<Variant>,
    runs: Vec<Run>,
}

/// What a run changes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    name: String,
    #[serde(default)]
    control: bool,
    #[serde(default)]
    set: Table,
}

/// One swarm of a scenario.
#[derive(Debug, Clone)]
pub struct Run {
    name: String,
    control: bool,
    setup: Setup,
    targets: Vec<Target>,
}

/// Why a text is no scenario.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScenarioError {
    /// It is not TOML, or not what a scenario file has.
    #[error("{0}")]
    Syntax(String),
    /// A field says something that cannot be.
    #[error("{0}")]
    Field(String),
    /// No scenario has this name.
    #[error("there is no scenario `{0}`")]
    Unknown(String),
}

/// Why a run has no outcome.
#[derive(Debug, Error)]
pub enum SimulateError {
    /// There is no such content.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// Whoever watches had seen enough.
    #[error("interrupted")]
    Interrupted,
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// Its name.
    pub run: &'a str,
    /// Its index among the runs of the scenario.
    pub index: usize,
    /// Virtual time.
    pub now: Duration,
    /// Pieces that takers have, of all that they want.
    pub had: u64,
    /// Pieces that takers want.
    pub wanted: u64,
    /// Events so far.
    pub events: u64,
}

/// Somebody who watches.
pub trait Progress {
    /// The run is so far; whether it is to go on.
    fn at(&mut self, moment: &Moment<'_>) -> ControlFlow<()>;
}

impl Progress for () {
    fn at(&mut self, _: &Moment<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl<F: FnMut(&Moment<'_>) -> ControlFlow<()>> Progress for F {
    fn at(&mut self, moment: &Moment<'_>) -> ControlFlow<()> {
        self(moment)
    }
}

impl Scenario {
    /// Reads a scenario file.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        if text.len() > LONGEST_FILE {
            return Err(ScenarioError::Syntax("a scenario file has a million characters at most".to_owned()));
        }
        let mut base: Table = toml::from_str(text).map_err(|error| syntax(&error))?;
        let variants = match base.remove("runs") {
            None => Vec::new(),
            Some(runs) => runs
                .try_into::<Vec<Variant>>()
                .map_err(|error| ScenarioError::Field(format!("runs: {}", error.message())))?,
        };
        if variants.is_empty() {
            // Read as it was written, so that an error shows the line.
            toml::from_str::<Setup>(text).map_err(|error| syntax(&error))?;
        }
        Self::build(name, base, variants)
    }

    /// One of those that come with sprat.
    pub fn builtin(name: &str) -> Result<Self, ScenarioError> {
        let text = Self::builtin_text(name).ok_or_else(|| ScenarioError::Unknown(name.to_owned()))?;
        Self::parse(name, text)
    }

    /// The file of one of those that come with sprat.
    #[must_use]
    pub fn builtin_text(name: &str) -> Option<&'static str> {
        builtin::SCENARIOS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
    }

    /// The names of those that come with sprat.
    pub fn builtin_names() -> impl Iterator<Item = &'static str> {
        builtin::SCENARIOS.iter().map(|(name, _)| *name)
    }

    /// The same with another value for a key in all of its runs: `groups.leechers.count`, `16`.
    pub fn with(&self, key: &str, value: &str) -> Result<Self, ScenarioError> {
        let mut base = self.base.clone();
        set(&mut base, key, value_of(value))?;
        let mut variants = self.variants.clone();
        for variant in &mut variants {
            variant.set.remove(key);
        }
        Self::build(&self.name, base, variants)
    }

    /// The same with fewer peers in each group, so that it is over soon: for trying a file out.
    pub fn scaled_down(&self, most: u32) -> Result<Self, ScenarioError> {
        let mut smaller = self.clone();
        for run in &mut smaller.runs {
            for group in run.setup.groups.values_mut() {
                group.count = group.count.min(most);
                if let Arrival::Recorded(times) = &mut group.arrive {
                    times.truncate(most as usize);
                }
            }
            run.setup.check().map_err(ScenarioError::Field)?;
        }
        Ok(smaller)
    }

    /// One of its runs as a scenario of its own, without targets.
    pub fn alone(&self, run: usize) -> Result<Self, ScenarioError> {
        let mut base = self.base.clone();
        for (key, value) in self.variants.get(run).iter().flat_map(|variant| &variant.set) {
            set(&mut base, key, value.clone())?;
        }
        base.remove("targets");
        Self::build(&self.name, base, Vec::new())
    }

    /// Smaller ones, the smallest first: with fewer peers in a group, or a fault less. For [`shrunk`](crate::shrunk).
    #[must_use]
    pub fn smaller(&self) -> Vec<Self> {
        let Some(run) = self.runs.first() else { return Vec::new() };
        let fewer = run.setup.groups.iter().flat_map(|(name, group)| {
            let counts = [0, group.count / 2, group.count.saturating_sub(1)];
            let counts = counts.into_iter().filter(|count| *count < group.count);
            counts.map(move |count| self.with(&format!("groups.{name}.count"), &count.to_string()))
        });
        let without_fault = (0..run.setup.faults.len()).map(|number| {
            let mut base = self.base.clone();
            if let Some(Value::Array(faults)) = base.get_mut("faults") {
                faults.remove(number);
            }
            Self::build(&self.name, base, self.variants.clone())
        });
        without_fault.chain(fewer).filter_map(Result::ok).collect()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it asks.
    #[must_use]
    pub fn question(&self) -> &str {
        self.runs.first().map_or("", |run| run.setup.question.trim())
    }

    /// As a file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut table = self.base.clone();
        let run = |variant: &Variant| {
            let mut run = Table::new();
            run.insert("name".to_owned(), variant.name.clone().into());
            if variant.control {
                run.insert("control".to_owned(), true.into());
            }
            run.insert("set".to_owned(), Value::Table(variant.set.clone()));
            Value::Table(run)
        };
        if !self.variants.is_empty() {
            table.insert("runs".to_owned(), Value::Array(self.variants.iter().map(run).collect()));
        }
        table.to_string()
    }

    /// Its runs.
    pub fn runs(&self) -> impl ExactSizeIterator<Item = &Run> {
        self.runs.iter()
    }

    /// Runs it all, one after the other.
    pub fn simulate(&self, seed: u64, progress: &mut dyn Progress) -> Result<Outcome, SimulateError> {
        let runs = (0..self.runs.len()).map(|index| self.simulate_run(index, seed, 1, progress));
        Ok(self.judge(seed, runs.collect::<Result<_, _>>()?))
    }

    /// Runs one of its runs, on so many threads. The outcome is the same on any number.
    pub fn simulate_run(
        &self,
        index: usize,
        seed: u64,
        threads: usize,
        progress: &mut dyn Progress,
    ) -> Result<RunOutcome, SimulateError> {
        let Some(run) = self.runs.get(index) else { return Err(SimulateError::Interrupted) };
        run.simulate(index, seed, threads, progress)
    }

    /// Puts the outcomes of all runs together, and says which targets are met.
    #[must_use]
    pub fn judge(&self, seed: u64, runs: Vec<RunOutcome>) -> Outcome {
        let mut verdicts = Vec::new();
        for (run, outcome) in self.runs.iter().zip(&runs).filter(|(run, _)| !run.control) {
            for target in &run.targets {
                let of = |name: Option<&str>| {
                    let named = |name| runs.iter().find(|run| run.name == name);
                    name.map_or(Some(outcome), named).map(|run| run.figures.clone())
                };
                verdicts.push(target.judge(&run.name, of));
            }
            // Who is left with nothing, nobody promised anything about.
            if let Some(share) = outcome.figures.get("complete").copied().filter(|share| *share < 1.0)
                && !run.setup.targets.iter().any(|target| target.starts_with("complete"))
            {
                let target = "complete ≥ 1".to_owned();
                verdicts.push(Verdict { run: run.name.clone(), target, measured: Some(share), met: false });
            }
        }
        Outcome { scenario: self.name.clone(), question: self.question().to_owned(), seed, runs, verdicts }
    }

    fn build(name: &str, base: Table, variants: Vec<Variant>) -> Result<Self, ScenarioError> {
        if variants.len() > MOST_RUNS {
            return Err(ScenarioError::Field(format!("runs: {MOST_RUNS} at most")));
        }
        let runs = if variants.is_empty() {
            vec![Run::build(String::new(), false, &base)?]
        } else {
            variants.iter().map(|variant| variant.build(&base)).collect::<Result<_, _>>()?
        };
        let scenario = Self { name: name.to_owned(), base, variants, runs };
        for target in scenario.runs.iter().flat_map(|run| &run.targets) {
            for named in target.runs() {
                if !scenario.runs.iter().any(|run| run.name == named) {
                    return Err(ScenarioError::Field(format!(
                        "targets: `{target}` speaks of a run that is not there"
                    )));
                }
            }
        }
        Ok(scenario)
    }
}

impl Variant {
    fn build(&self, base: &Table) -> Result<Run, ScenarioError> {
        let mut table = base.clone();
        for (key, value) in &self.set {
            set(&mut table, key, value.clone())?;
        }
        Run::build(self.name.clone(), self.control, &table)
            .map_err(|error| ScenarioError::Field(format!("run `{}`: {error}", self.name)))
    }
}

impl Run {
    fn build(name: String, control: bool, table: &Table) -> Result<Self, ScenarioError> {
        let setup: Setup = toml::from_str(&table.to_string()).map_err(|error| syntax(&error))?;
        setup.check().map_err(ScenarioError::Field)?;
        let targets = setup.targets.iter().map(|target| target.parse());
        let targets = targets.collect::<Result<_, TargetError>>();
        let targets = targets.map_err(|error| ScenarioError::Field(format!("targets: {error}")))?;
        Ok(Self { name, control, setup, targets })
    }

    /// Its name; empty if it is the only one.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is made of.
    #[must_use]
    pub const fn setup(&self) -> &Setup {
        &self.setup
    }

    fn simulate(
        &self,
        index: usize,
        seed: u64,
        threads: usize,
        progress: &mut dyn Progress,
    ) -> Result<RunOutcome, SimulateError> {
        let mut simulation = cast::cast(&self.setup, seed, threads)?;
        let violation = self.watch(index, &mut simulation, progress)?;
        Ok(outcome::measure(&self.name, self.control, &self.setup, &simulation, violation.as_ref()))
    }

    /// Lets time pass until everybody has everything or is gone.
    fn watch(
        &self,
        index: usize,
        simulation: &mut Simulation,
        progress: &mut dyn Progress,
    ) -> Result<Option<Violation>, SimulateError> {
        let limit = self.setup.limit.0;
        let mut until = Duration::ZERO;
        while until < limit && simulation.unfinished() > 0 {
            until = (until + step(until)).min(limit);
            if let Err(violation) = simulation.run(until, |_| false) {
                return Ok(Some(violation));
            }
            let (had, wanted) = simulation.way();
            let moment =
                Moment { run: &self.name, index, now: until, had, wanted, events: simulation.events() };
            if progress.at(&moment).is_break() {
                return Err(SimulateError::Interrupted);
            }
        }
        Ok(None)
    }
}

/// After how much virtual time it is looked again.
fn step(now: Duration) -> Duration {
    (now / 64).clamp(Duration::from_millis(250), Duration::from_secs(60))
}

/// The text of a TOML value; what is none is a string.
fn value_of(text: &str) -> Value {
    let parsed = toml::from_str::<Table>(&format!("value = {text}"));
    parsed.ok().and_then(|mut table| table.remove("value")).unwrap_or_else(|| text.into())
}

/// Sets the value at a path of names, making the tables on the way.
fn set(table: &mut Table, path: &str, value: Value) -> Result<(), ScenarioError> {
    if !path.contains('.') && value.is_table() && table.get(path).is_some_and(Value::is_table) {
        let text = "set one of its parts, by a path in quotes such as \"groups.leechers.count\"";
        return Err(ScenarioError::Field(format!("{path}: {text}")));
    }
    put(table, path, value)
}

fn put(table: &mut Table, path: &str, value: Value) -> Result<(), ScenarioError> {
    match path.split_once('.') {
        None if path.is_empty() => Err(ScenarioError::Field("a key without a name".to_owned())),
        None => {
            table.insert(path.to_owned(), value);
            Ok(())
        }
        Some((first, rest)) => match table.entry(first).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => put(inner, rest, value),
            _ => Err(ScenarioError::Field(format!("{path}: {first} is a value and has no parts"))),
        },
    }
}

fn syntax(error: &toml::de::Error) -> ScenarioError {
    ScenarioError::Syntax(error.to_string().trim().to_owned())
}

#[cfg(test)]
mod tests;
