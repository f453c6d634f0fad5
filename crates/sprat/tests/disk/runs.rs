//! Which runs are made, and how many at a time.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a run has found wrong, or nothing.
pub(crate) type Outcome = Result<(), String>;

/// Fails a run unless something holds.
macro_rules! ensure {
    ($holds:expr, $($what:tt)*) => {
        if !$holds {
            return Err(format!($($what)*));
        }
    };
}
pub(crate) use ensure;

/// Some runs of a program.
pub(crate) struct Runs {
    /// As `cargo test` knows it.
    pub(crate) test: &'static str,
    /// So many there are.
    pub(crate) all: u64,
    /// So many are made when nobody says how many.
    pub(crate) by_default: u64,
    /// They wait for the disk, the clock and each other most of the time.
    pub(crate) at_once: usize,
}

impl Runs {
    /// The numbers of those that are to be made.
    pub(crate) fn chosen(&self) -> Vec<u64> {
        if let Some(seed) = number("SPRAT_SEED") {
            return vec![seed];
        }
        let wanted = match number("SPRAT_RUNS") {
            Some(share) => (self.all * share.min(100)).div_ceil(100),
            None => self.by_default,
        };
        (0..wanted).collect()
    }

    /// Makes them, each with random numbers of its own. Returns how many were made.
    pub(crate) fn make(&self, run: impl Fn(u64, &mut fastrand::Rng) -> Outcome + Sync) -> usize {
        let chosen = self.chosen();
        let next = AtomicUsize::new(0);
        let failures = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..self.at_once.min(chosen.len()) {
                scope.spawn(|| {
                    while let Some(number) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let mut random = fastrand::Rng::with_seed(*number);
                        if let Err(what) = run(*number, &mut random) {
                            failures.lock().unwrap().push((*number, what));
                        }
                    }
                });
            }
        });
        let failures = failures.into_inner().unwrap();
        if !failures.is_empty() {
            let mut text = format!("{} of {} runs went wrong", failures.len(), chosen.len());
            for (number, what) in &failures {
                let _ = write!(text, "\n  {number}: {what}");
            }
            panic!(
                "{text}\nrepeat the first with: SPRAT_SEED={} cargo test -p sprat --test disk {}",
                failures[0].0, self.test
            );
        }
        chosen.len()
    }
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}
