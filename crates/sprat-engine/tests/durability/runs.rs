//! Which runs are made: all of them have a number, and the number says everything about a run.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use tempfile::TempDir;

use crate::oracle;

/// Percent of the runs that are made when nobody says how many.
const SHARE: u64 = 15;

/// The numbers below `all` that are to be run.
pub(crate) fn chosen(all: u64) -> Vec<u64> {
    if let Some(seed) = number("SPRAT_SEED") {
        return vec![seed];
    }
    let share = number("SPRAT_RUNS").unwrap_or(SHARE).min(100);
    // Spread over all of them by the golden ratio, the same ones each time.
    let is_chosen = |run: &u64| run.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 < (share << 32) / 100;
    (0..all).filter(is_chosen).collect()
}

/// Makes the runs. `run` returns whether something failed in it, as it should.
pub(crate) fn make<E: Display>(test: &str, all: u64, run: impl Fn(u64) -> Result<bool, E>) {
    let (mut made, mut failing, mut losses) = (0, 0, Vec::new());
    for number in chosen(all) {
        let result = catch_unwind(AssertUnwindSafe(|| run(number)));
        match result {
            Ok(Ok(failed)) => failing += u64::from(failed),
            Ok(Err(loss)) => {
                println!("run {number}: {loss}");
                losses.push(number);
            }
            Err(panic) => {
                println!("run {number} panicked");
                resume_unwind(panic);
            }
        }
        made += 1;
    }
    if let Some(number) = losses.first() {
        panic!(
            "{} of {made} runs have lost something\nrepeat the first with: SPRAT_SEED={number} cargo test -p \
             sprat-engine --features disk-faults --test durability {test}",
            losses.len()
        );
    }
    let images = oracle::images();
    println!("{test}: {made} runs and {images} power cuts, nothing lost (in {failing} runs a call failed)");
}

/// A directory for one run: in memory where that is possible, unless `TMPDIR` says where.
pub(crate) fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if std::env::var_os("TMPDIR").is_none() && memory.is_dir() {
        return tempfile::tempdir_in(memory).unwrap();
    }
    tempfile::tempdir().unwrap()
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}
