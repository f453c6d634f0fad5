//! Swarms drawn from a seed: some faults, some misbehaving peers, one honest seed that stays. Every checker of the
//! simulation watches, and whoever is honest has everything in the end.
//!
//! A seed that fails is made smaller, by leaving out peers and faults as long as it still fails, and printed as the
//! command that repeats it. `SPRAT_SEEDS` says how many seeds the soak runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a scenario fails loudly and says what it measured"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use sprat_sim::random::{Part, RandomSwarm};
use sprat_sim::shrunk;

/// Seeds of an ordinary run.
const SEEDS: u64 = 1000;

/// They are shared out, so that they run on all cores.
const SHARES: u64 = 4;

/// Why a swarm fails, if it does: a violation, or a panic.
fn failure(swarm: &RandomSwarm) -> Option<String> {
    match catch_unwind(AssertUnwindSafe(|| swarm.run())) {
        Ok(Ok(())) => None,
        Ok(Err(violation)) => Some(violation.to_string()),
        Err(_) => Some("it panics".to_owned()),
    }
}

/// Repeats it.
fn command(swarm: &RandomSwarm) -> String {
    let left_out: Vec<String> = swarm.left_out().iter().map(Part::to_string).collect();
    let without = match left_out.is_empty() {
        true => String::new(),
        false => format!("SPRAT_WITHOUT='{}' ", left_out.join(" ")),
    };
    let seed = swarm.seed();
    format!(
        "SPRAT_SEED={seed} {without}cargo nextest run -p sprat-sim --test random_faults mixed_scenarios_a"
    )
}

fn run(seeds: impl IntoIterator<Item = u64>) {
    let only = std::env::var("SPRAT_SEED").ok().map(|seed| seed.parse().expect("SPRAT_SEED is a number"));
    let without: Vec<Part> = std::env::var("SPRAT_WITHOUT")
        .unwrap_or_default()
        .split_whitespace()
        .map(|part| part.parse().expect("SPRAT_WITHOUT names parts"))
        .collect();
    let seeds: Vec<u64> = only.map_or_else(|| seeds.into_iter().collect(), |seed| vec![seed]);
    let mut failed = Vec::new();
    for seed in seeds {
        let swarm = RandomSwarm::draw(seed).without(&without);
        if let Some(how) = failure(&swarm) {
            let (smallest, how_small) = shrunk(swarm, how.clone(), RandomSwarm::smaller, failure);
            eprintln!("seed {seed} fails: {how}\nshrunk: {how_small}\n{smallest:#?}");
            eprintln!("repeat with: {}", command(&smallest));
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "these seeds fail: {failed:?}");
}

fn share(which: u64) {
    run((0..SEEDS).filter(|seed| seed % SHARES == which));
}

#[test]
fn mixed_scenarios_a() {
    share(0);
}

#[test]
fn mixed_scenarios_b() {
    share(1);
}

#[test]
fn mixed_scenarios_c() {
    share(2);
}

#[test]
fn mixed_scenarios_d() {
    share(3);
}

/// Found by a soak.
#[test]
fn seeds_that_have_failed() {
    run([2977]);
}

/// Four places, most of them taken by peers that give nothing and want nothing. Where all are taken by peers that take and
/// take, somebody may still be left over.
#[test]
fn few_places_do_not_stay_with_the_useless() {
    let few = |session: &mut sprat_core::config::Config| session.connections_per_torrent = 4;
    let failed: Vec<_> = (0..40)
        .filter_map(|seed| Some((seed, failure(&RandomSwarm::draw(seed).with_sessions(few))?)))
        .collect();
    assert!(failed.len() <= 4, "{failed:#?}");
}

#[test]
#[ignore = "a soak: as many seeds as SPRAT_SEEDS says, 100,000 if it says nothing"]
fn soak() {
    let count = std::env::var("SPRAT_SEEDS").map_or(100_000, |count| count.parse().expect("a number"));
    run(SEEDS..SEEDS + count);
}
