//! Who sends bad data is found by its hashes and is not talked to again; nobody else is punished for it.
//!
//! That no honest peer is banned is watched by the simulation itself, in every scenario.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a scenario fails loudly and says what it measured"
)]

mod swarm;

use sprat_sim::{Behaviour, PeerConfig, Violation};
use sprat_wire::metainfo::Version;
use swarm::{Swarm, run_seeds};

fn with_poisoner(seed: u64, version: Version, per_mille: u16) -> Result<(), Violation> {
    let swarm = Swarm { leechers: 10, version, ..Swarm::small(seed) };
    let mut simulation = swarm.build();
    let poisoner = simulation.add_peer(PeerConfig {
        behaviour: Behaviour::Poisoner { per_mille },
        has_everything: true,
        upload: 512 << 10,
        ..swarm.leecher.clone()
    });
    simulation.run_until_complete(swarm.patience())?;
    let rejected: u64 = simulation.reports().map(|report| report.rejected_pieces).sum();
    let bans = simulation.report(poisoner).unwrap().banned_by;
    swarm.print_times(&simulation);
    println!("{version:?}, {per_mille}/1000 bad: {rejected} pieces rejected, {bans} bans");
    assert!(rejected > 0, "the poisoner did not get to send anything");
    assert!(bans > 0);
    assert!(bans <= swarm.leechers, "somebody banned it twice");
    Ok(())
}

#[test]
fn a_poisoner_is_found_and_banned_in_a_v1_swarm() {
    run_seeds(5, |seed| with_poisoner(seed, Version::V1, 1000));
}

#[test]
fn a_poisoner_that_lies_rarely_is_found_and_banned() {
    run_seeds(5, |seed| with_poisoner(seed, Version::V1, 200));
}

#[test]
fn a_poisoner_is_found_and_banned_in_a_v2_swarm() {
    run_seeds(5, |seed| with_poisoner(seed, Version::V2, 300));
}

#[test]
fn a_poisoner_is_found_and_banned_in_a_hybrid_swarm() {
    run_seeds(5, |seed| with_poisoner(seed, Version::Hybrid, 300));
}
