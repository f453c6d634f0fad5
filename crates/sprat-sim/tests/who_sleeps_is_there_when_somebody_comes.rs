//! Torrents that have everything and nobody to give it to fall asleep after moments, in random swarms with faults. Whoever is
//! honest has everything in the end all the same, and every checker of the simulation watches.

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

use sprat_sim::random::RandomSwarm;
use sprat_sim::{PeerConfig, PeerNumber};
use swarm::{Swarm, run_seeds};

#[test]
fn random_swarms_of_sleepy_peers_complete() {
    for seed in 0..60 {
        let sleepy =
            |config: &mut sprat_core::config::Config| config.sleep_after = Some(Duration::from_secs(2));
        if let Err(violation) = RandomSwarm::draw(seed).with_sessions(sleepy).run() {
            panic!("seed {seed}: {violation}");
        }
    }
}

#[test]
fn who_comes_an_hour_later_finds_a_seeder_that_has_slept() {
    run_seeds(5, |seed| {
        let sleepy = PeerConfig {
            session: sprat_core::config::Config {
                sleep_after: Some(Duration::from_secs(60)),
                ..sprat_core::config::Config::default()
            },
            ..PeerConfig::default()
        };
        let swarm = Swarm {
            files: vec![4 << 20],
            leechers: 2,
            seeder: PeerConfig { has_everything: true, ..sleepy.clone() },
            leecher: PeerConfig { joins: Duration::from_secs(3600), ..sleepy },
            ..Swarm::new(seed)
        };
        let mut simulation = swarm.build();
        simulation.run(Duration::from_secs(3500), |_| false)?;
        let session = simulation.session(PeerNumber(0)).unwrap();
        assert_eq!(session.sleepers().count(), 1, "nobody was there for an hour");
        simulation.run_until_complete(Duration::from_secs(3600) + swarm.patience())?;
        Ok(())
    });
}
