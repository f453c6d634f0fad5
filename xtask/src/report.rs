//! The list of steps that a person reads: what ran, how long it took, what was left out and why.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

/// How a step ended, with what there is to say about it in one line.
#[derive(Debug)]
pub(crate) enum Outcome {
    Passed(String),
    Failed(String),
    Skipped(String),
}

struct Entry {
    name: String,
    outcome: Outcome,
    time: Duration,
}

/// Collects the steps in the order in which they ran.
#[derive(Default)]
pub(crate) struct Report {
    entries: Vec<Entry>,
    closing: Vec<String>,
}

impl Report {
    /// Runs a step under its heading. An error is a failure of the step, not of the run: the others still run.
    pub(crate) fn step(&mut self, name: &str, action: impl FnOnce() -> Result<Outcome>) {
        println!("\n==> {name}");
        let start = Instant::now();
        let outcome = action().unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
        let time = start.elapsed();
        println!("<== {name}: {} ({:.1} s)", headline(&outcome), time.as_secs_f64());
        self.entries.push(Entry { name: name.to_owned(), outcome, time });
    }

    /// Notes something that is not going to run.
    pub(crate) fn skip(&mut self, name: &str, reason: impl Into<String>) {
        let outcome = Outcome::Skipped(reason.into());
        self.entries.push(Entry { name: name.to_owned(), outcome, time: Duration::ZERO });
    }

    /// Repeats a test runner's own summary at the end, where a person and a CI system look for it.
    pub(crate) fn repeat_at_the_end(&mut self, line: String) {
        self.closing.push(line);
    }

    /// Prints the summary; the exit code says whether anything failed.
    pub(crate) fn finish(self) -> ExitCode {
        println!("\n==> summary");
        let width = self.entries.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
        let (mut passed, mut failed, mut skipped) = (0, 0, 0);
        for entry in &self.entries {
            let counter = match entry.outcome {
                Outcome::Passed(_) => &mut passed,
                Outcome::Failed(_) => &mut failed,
                Outcome::Skipped(_) => &mut skipped,
            };
            *counter += 1;
            let seconds = entry.time.as_secs_f64();
            println!("{seconds:>7.1} s  {:width$}  {}", entry.name, headline(&entry.outcome));
        }
        for line in &self.closing {
            println!("{line}");
        }
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn headline(outcome: &Outcome) -> String {
    let (word, note) = match outcome {
        Outcome::Passed(note) => ("passed", note),
        Outcome::Failed(note) => ("FAILED", note),
        Outcome::Skipped(note) => ("skipped", note),
    };
    if note.is_empty() { word.to_owned() } else { format!("{word}: {note}") }
}
