//! A torrent names several trackers so that one may fail (BEP 12).
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

use sprat_sim::TrackerConfig;
use swarm::{Swarm, run_seeds};

fn dead(url: &str) -> TrackerConfig {
    TrackerConfig { url: url.to_owned(), dead_from: Some(Duration::ZERO), ..TrackerConfig::default() }
}

#[test]
fn a_dead_tracker_in_a_tier_is_survived() {
    run_seeds(3, |seed| {
        let alive = TrackerConfig::default().url;
        let (silent, unknown) = ("http://silent.example/announce", "udp://unknown.example:1");
        let trackers = vec![vec![silent.to_owned(), alive.clone(), unknown.to_owned()]];
        let swarm = Swarm { trackers, ..Swarm::small(seed) };
        let mut simulation = swarm.build();
        simulation.add_tracker(dead(silent));
        simulation.run_until_complete(swarm.patience())?;
        assert_eq!(simulation.announces_answered(silent), 0);
        assert!(simulation.announces_answered(&alive) > u64::from(swarm.leechers));
        Ok(())
    });
}

#[test]
fn a_dead_first_tier_is_survived() {
    run_seeds(3, |seed| {
        let silent = "http://silent.example/announce";
        let trackers = vec![vec![silent.to_owned()], vec![TrackerConfig::default().url]];
        let swarm = Swarm { trackers, ..Swarm::small(seed) };
        let mut simulation = swarm.build();
        simulation.add_tracker(dead(silent));
        simulation.run_until_complete(swarm.patience())
    });
}
