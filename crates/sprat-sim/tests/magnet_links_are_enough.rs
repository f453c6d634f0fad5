//! A swarm in which only the seeder has the torrent file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a scenario fails loudly and says what it measured"
)]

mod swarm;

use sprat_sim::PeerConfig;
use sprat_wire::metainfo::Version;
use swarm::{Swarm, run_seeds};

#[test]
fn everybody_completes_from_a_magnet_link() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        run_seeds(2, |seed| {
            let small = Swarm::small(seed);
            let leecher = PeerConfig { from_magnet: true, ..small.leecher.clone() };
            let swarm = Swarm { leechers: 20, version, leecher, files: vec![1 << 20, 1 << 20], ..small };
            let mut simulation = swarm.build();
            simulation.run_until_complete(swarm.patience())?;
            swarm.print_times(&simulation);
            Ok(())
        });
    }
}
