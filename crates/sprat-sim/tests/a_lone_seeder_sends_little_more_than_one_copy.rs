//! Before others can help, every block that a lone seeder sends twice is one that nobody has yet.

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

use sprat_sim::{PeerConfig, PeerNumber};
use swarm::{Swarm, run_seeds};

const LEECHERS: u32 = 8;

#[test]
fn a_lone_seeder_sends_little_more_than_one_copy() {
    run_seeds(2, |seed| {
        // All lines alike: 64 MiB in 1,024 pieces at 4 MiB/s.
        let line = PeerConfig {
            upload: 4 << 20,
            download: 100 << 20,
            latency: Duration::from_millis(1),
            ..PeerConfig::default()
        };
        let swarm = Swarm {
            files: vec![64 << 20],
            leechers: LEECHERS,
            seeder: PeerConfig { has_everything: true, ..line.clone() },
            leecher: line,
            ..Swarm::new(seed)
        };
        let mut simulation = swarm.build();
        simulation.run_until_complete(swarm.patience())?;
        swarm.print_times(&simulation);
        let uploaded = simulation.report(PeerNumber(0)).unwrap().uploaded;
        println!("{:.2} copies", uploaded as f64 / (64 << 20) as f64);
        assert!(uploaded <= (64 << 20) * 12 / 10, "{uploaded}");
        Ok(())
    });
}
