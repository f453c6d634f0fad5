//! The basic promise: everybody gets everything, whatever kind of torrent it is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a scenario fails loudly and says what it measured"
)]

mod swarm;

use sprat_wire::metainfo::Version;
use swarm::{Swarm, run_seeds};

#[test]
fn one_seeder_fifty_leechers_complete() {
    run_seeds(1, |seed| {
        let swarm = Swarm { leechers: 50, ..Swarm::new(seed) };
        let mut simulation = swarm.build();
        simulation.run_until_complete(swarm.patience())?;
        swarm.print_times(&simulation);
        Ok(())
    });
}

#[test]
fn also_in_a_v2_swarm() {
    run_seeds(2, |seed| {
        let swarm = Swarm { leechers: 12, version: Version::V2, ..Swarm::small(seed) };
        swarm.build().run_until_complete(swarm.patience())
    });
}

#[test]
fn also_in_a_hybrid_swarm_with_files_that_end_within_a_piece() {
    run_seeds(2, |seed| {
        let files = vec![300_000, 1, 0, 70_000, 500_001];
        let swarm = Swarm { leechers: 12, version: Version::Hybrid, files, ..Swarm::small(seed) };
        swarm.build().run_until_complete(swarm.patience())
    });
}
