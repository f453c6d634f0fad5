//! Something to be measured, and how long it takes.

use std::fmt::{self, Display};
use std::time::Instant;

/// What happens again and again.
pub(crate) trait Operation {
    /// Does it so many times. Only this is measured.
    fn run(&mut self, rounds: u64);

    /// Makes things as they were before.
    fn reset(&mut self) {}
}

impl<F: FnMut()> Operation for F {
    fn run(&mut self, rounds: u64) {
        for _ in 0..rounds {
            self();
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Rounds of one run; an even number, as half of them are counted by valgrind.
    pub(crate) rounds: u64,
    /// Of what the line is about, so many are in one round.
    pub(crate) per_round: u64,
    pub(crate) prepare: fn() -> Box<dyn Operation>,
}

/// For one of what the line is about.
#[derive(Clone, Copy)]
pub(crate) struct Nanoseconds {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Case {
    pub(crate) fn time(&self, runs: usize) -> Nanoseconds {
        let mut operation = (self.prepare)();
        // The first run meets cold caches and buffers that have yet to grow.
        operation.run(self.rounds);
        operation.reset();
        let mut times = Vec::new();
        for _ in 0..runs.max(1) {
            let begin = Instant::now();
            operation.run(self.rounds);
            times.push(begin.elapsed().as_nanos() as f64 / (self.rounds * self.per_round) as f64);
            operation.reset();
        }
        times.sort_unstable_by(f64::total_cmp);
        Nanoseconds { least: times[0], median: times[times.len() / 2], most: times[times.len() - 1] }
    }
}

impl Display for Nanoseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { least, median, most } = *self;
        write!(f, "{} ({} – {})", three_digits(median), three_digits(least), three_digits(most))
    }
}

/// As exact as such figures are.
pub(crate) fn three_digits(figure: f64) -> String {
    if figure < 9.995 {
        return format!("{figure:.2}");
    }
    if figure < 99.95 {
        return format!("{figure:.1}");
    }
    let digits = format!("{figure:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
