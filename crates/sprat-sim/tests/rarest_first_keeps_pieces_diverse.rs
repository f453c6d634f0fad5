//! Rarest first spreads all pieces at the same pace, so that nearly any two peers have something for each other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a scenario fails loudly and says what it measured"
)]

mod swarm;

use std::time::Duration;

use sprat_core::time::Time;
use sprat_sim::{PeerConfig, Snapshot, Violation};
use swarm::{Swarm, run_seeds};

/// The swarm over time until the first leecher is done.
fn snapshots(seed: u64, sequential: bool) -> Result<Vec<Snapshot>, Violation> {
    let swarm = Swarm { leechers: 20, ..Swarm::new(seed) };
    let seeder = PeerConfig { upload: 256 << 10, ..swarm.seeder.clone() };
    let leecher = PeerConfig { sequential, ..swarm.leecher.clone() };
    let mut simulation = Swarm { seeder, leecher, ..swarm }.build();
    let first_done = |simulation: &sprat_sim::Simulation| {
        simulation.snapshots().last().is_some_and(|snapshot| snapshot.complete > 1)
    };
    simulation.run(Duration::from_secs(600), first_done)?;
    Ok(simulation.snapshots().to_vec())
}

/// Pairs of which one has something for the other, in thousandths, over the time in which there is anything to have.
fn useful_permille(snapshots: &[Snapshot]) -> u64 {
    let told = || snapshots.iter().filter(|snapshot| snapshot.rarest > 0 && snapshot.pairs > 0);
    let begin = told().next().map_or(Time::ZERO, |first| first.at + Duration::from_secs(3));
    let told = || told().filter(|snapshot| snapshot.at >= begin);
    let useful: u64 = told().map(|snapshot| u64::from(snapshot.useful_pairs)).sum();
    useful * 1000 / told().map(|snapshot| u64::from(snapshot.pairs)).sum::<u64>().max(1)
}

/// How many copies the rarest piece has for a thousand of the average one, over the whole time.
fn evenness_permille(snapshots: &[Snapshot], pieces: u64) -> u64 {
    let rarest: u64 = snapshots.iter().map(|snapshot| u64::from(snapshot.rarest)).sum();
    let copies: u64 = snapshots.iter().map(|snapshot| snapshot.copies).sum();
    rarest * pieces * 1000 / copies.max(1)
}

/// When every piece had a copy besides the seeder's.
fn replicated_after(snapshots: &[Snapshot]) -> Duration {
    let at = snapshots.iter().find(|snapshot| snapshot.rarest >= 2).map(|snapshot| snapshot.at);
    at.map_or(Duration::MAX, |at| at.since(Time::ZERO))
}

#[test]
fn rarest_first_keeps_pieces_diverse() {
    run_seeds(3, |seed| {
        let (rarest, sequential) = (snapshots(seed, false)?, snapshots(seed, true)?);
        let useful = useful_permille(&rarest);
        let (even, even_in_order) = (evenness_permille(&rarest, 128), evenness_permille(&sequential, 128));
        let (out, out_in_order) = (replicated_after(&rarest), replicated_after(&sequential));
        println!(
            "seed {seed}: useful pairs {useful} (in order {}); evenness {even} (in order {even_in_order}); one full \
             copy after {out:?} (in order {out_in_order:?})",
            useful_permille(&sequential),
        );
        assert!(useful >= 900, "{useful} of 1000 pairs have something for each other");
        assert!(2 * even > 3 * even_in_order, "evenness {even}, in order {even_in_order}");
        assert!(out < out_in_order, "one full copy after {out:?}, in order {out_in_order:?}");
        Ok(())
    });
}
