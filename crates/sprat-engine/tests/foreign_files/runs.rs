//! Which runs are made: all of them have a number, and the number says everything about a run but how fast the machine was.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What a run has found wrong, or nothing.
pub(crate) type Outcome = Result<(), String>;

/// Percent of the runs that are made when nobody says how many.
const SHARE: u64 = 15;

/// Fails a run unless something holds.
macro_rules! ensure {
    ($holds:expr, $($what:tt)*) => {
        if !$holds {
            return Err(format!($($what)*));
        }
    };
}
pub(crate) use ensure;

/// The numbers below `all` that are to be run.
pub(crate) fn chosen(all: u64) -> Vec<u64> {
    if let Some(seed) = number("SPRAT_SEED") {
        return vec![seed];
    }
    let share = number("SPRAT_RUNS").unwrap_or(SHARE).min(100);
    (0..(all * share).div_ceil(100)).collect()
}

/// Makes the runs, one after the other, and returns how many.
pub(crate) fn make(test: &str, all: u64, run: impl Fn(u64, &mut fastrand::Rng) -> Outcome) -> usize {
    let chosen = chosen(all);
    let mut failures = Vec::new();
    for &number in &chosen {
        let mut random = fastrand::Rng::with_seed(number);
        let outcome = catch_unwind(AssertUnwindSafe(|| run(number, &mut random)));
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(what)) => {
                println!("run {number}: {what}");
                failures.push(number);
            }
            Err(panic) => {
                println!("run {number} panicked");
                resume_unwind(panic);
            }
        }
    }
    if let Some(number) = failures.first() {
        panic!(
            "{} of {} runs went wrong\nrepeat the first with: SPRAT_SEED={number} cargo test -p sprat-engine --test foreign_files \
             {test}",
            failures.len(),
            chosen.len()
        );
    }
    chosen.len()
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}
