//! A lone seeder with a slow line keeps everybody waiting, and its user should know (Legout et al. 2007).
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

use sprat_sim::{PeerConfig, PeerNumber, Simulation};
use swarm::{Swarm, run_seeds};

/// Seconds until the seeder is told; `None` if it is not.
fn told_after(swarm: &Swarm, upload: u64) -> Option<u64> {
    let seeder = PeerConfig { upload, ..swarm.seeder.clone() };
    let mut simulation = Swarm { seeder, ..swarm.clone() }.build();
    simulation.skip_wire_checks();
    let is_told = |simulation: &Simulation| {
        let session = simulation.session(PeerNumber(0)).unwrap();
        session.torrents().any(|torrent| torrent.status(simulation.now()).upload_is_bottleneck)
    };
    (1..900).find(|second| {
        simulation.run(Duration::from_secs(*second), |_| false).unwrap();
        is_told(&simulation)
    })
}

#[test]
fn a_seeder_is_told_that_others_wait_for_it() {
    run_seeds(2, |seed| {
        let swarm = Swarm { leechers: 20, ..Swarm::new(seed) };
        let (slow, fast) = (told_after(&swarm, 24 << 10), told_after(&swarm, 512 << 10));
        println!("seed {seed}: a slow seeder is told after {slow:?}, a fast one {fast:?}");
        assert!(slow.is_some_and(|after| after < 200), "{slow:?}");
        assert_eq!(fast, None);
        Ok(())
    });
}
