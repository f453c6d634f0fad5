//! `sprat sim soak`: random swarms, seed after seed, until the time is up.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use sprat_sim::random::{Part, RandomSwarm};
use sprat_sim::shrunk;

use crate::cli::sim::SoakArgs;
use crate::output::Output;

/// A swarm that failed, made as small as it still fails, and how it does.
#[derive(Debug)]
struct Found {
    seed: u64,
    how: String,
    command: String,
}

pub(super) fn run(args: &SoakArgs, output: Output) -> anyhow::Result<()> {
    let without: Vec<Part> = args.without.iter().map(|part| part.parse()).collect::<Result<_, _>>()?;
    let time = Duration::from_secs(args.minutes.saturating_mul(60));
    let last = args.seeds.map_or(u64::MAX, |seeds| args.seed.saturating_add(seeds));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (next, tried) = (AtomicU64::new(args.seed), AtomicU64::new(0));
    let found = Mutex::new(Vec::new());
    let begin = Instant::now();
    let bar = output.bar(time.as_secs().max(1), "{bar:30} {elapsed}  {msg}");
    thread::scope(|scope| {
        for _ in 0..args.threads.unwrap_or(cores).max(1) {
            scope.spawn(|| {
                while begin.elapsed() < time {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= last {
                        break;
                    }
                    if let Some(failed) = try_seed(seed, &without) {
                        bar.suspend(|| tell(&failed, output));
                        if let Ok(mut found) = found.lock() {
                            found.push(failed.seed);
                        }
                    }
                    let count = tried.fetch_add(1, Ordering::Relaxed) + 1;
                    bar.set_position(begin.elapsed().as_secs());
                    bar.set_message(format!("{count} swarms"));
                }
            });
        }
    });
    bar.finish_and_clear();
    let (count, failed) = (tried.into_inner(), found.into_inner().map_or(0, |found| found.len()));
    output.line(format_args!("{count} swarms, {failed} failed"));
    output.object(&json!({ "event": "soaked", "swarms": count, "failed": failed }));
    anyhow::ensure!(failed == 0, "{failed} of {count} swarms failed");
    Ok(())
}

fn try_seed(seed: u64, without: &[Part]) -> Option<Found> {
    let swarm = RandomSwarm::draw(seed).without(without);
    let how = failure(&swarm)?;
    let (smallest, how) = shrunk(swarm, how, RandomSwarm::smaller, failure);
    let left_out: Vec<String> = smallest.left_out().iter().map(Part::to_string).collect();
    let without =
        if left_out.is_empty() { String::new() } else { format!(" --without {}", left_out.join(",")) };
    Some(Found { seed, how, command: format!("sprat sim soak --seed {seed} --seeds 1{without}") })
}

/// A violation, or a panic of the protocol code.
fn failure(swarm: &RandomSwarm) -> Option<String> {
    match catch_unwind(AssertUnwindSafe(|| swarm.run())) {
        Ok(Ok(())) => None,
        Ok(Err(violation)) => Some(violation.to_string()),
        Err(_) => Some("it panics".to_owned()),
    }
}

fn tell(found: &Found, output: Output) {
    output.result(format_args!("seed {}: {}\n  repeat with: {}", found.seed, found.how, found.command));
    output.object(
        &json!({ "event": "failed", "seed": found.seed, "how": found.how, "command": found.command }),
    );
}
