//! Peer exchange: without a tracker, whoever knows one peer gets to know the others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a scenario fails loudly and says what it measured"
)]

mod swarm;

use sprat_core::config::Config;
use sprat_sim::{PeerConfig, PeerNumber, Simulation};
use swarm::{Swarm, run_seeds};

/// A seeder and leechers who know nobody but the one who came before them, so that without exchange each has two
/// neighbours at most.
fn chain(seed: u64, pex: bool) -> (Swarm, Simulation) {
    let swarm = Swarm { leechers: 0, trackers: Vec::new(), ..Swarm::small(seed) };
    let mut simulation = swarm.build();
    for number in 0..20 {
        let session = Config { pex, ..swarm.leecher.session.clone() };
        let knows = vec![PeerNumber(number)];
        simulation.add_peer(PeerConfig { knows, session, ..swarm.leecher.clone() });
    }
    (swarm, simulation)
}

/// From its coming to its having everything, for the slowest.
fn seconds_of_the_last(simulation: &Simulation) -> f64 {
    let finished = (0..=20).filter_map(|number| simulation.report(PeerNumber(number))?.took);
    finished.map(|took| took.as_secs_f64()).fold(0.0, f64::max)
}

#[test]
fn a_chain_of_acquaintances_becomes_a_swarm() {
    run_seeds(2, |seed| {
        let mut seconds = [0.0; 2];
        for (seconds, pex) in seconds.iter_mut().zip([true, false]) {
            let (swarm, mut simulation) = chain(seed, pex);
            simulation.run_until_complete(swarm.patience() * 10)?;
            *seconds = seconds_of_the_last(&simulation);
        }
        println!("with exchange {:.0} s, as a chain {:.0} s", seconds[0], seconds[1]);
        assert!(seconds[0] < seconds[1], "{seconds:?}");
        Ok(())
    });
}
