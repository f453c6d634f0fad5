//! Peers lose patience on the way: those who stay lose little by it.
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

use sprat_sim::{Departure, PeerConfig, PeerNumber, Simulation};
use swarm::{Swarm, run_seeds};

const STAYING: u32 = 20;

const PIECES: u32 = 128;

/// The last of those who stay, in seconds.
fn last_of_the_staying(simulation: &Simulation) -> f64 {
    let staying = (1..=STAYING).map(|number| simulation.report(PeerNumber(number)).unwrap());
    staying.map(|report| report.took.unwrap()).max().unwrap().as_secs_f64()
}

#[test]
fn half_of_the_peers_may_leave_midway() {
    run_seeds(2, |seed| {
        let swarm = Swarm { leechers: 2 * STAYING, ..Swarm::new(seed) };
        let mut undisturbed = swarm.build();
        undisturbed.run_until_complete(swarm.patience())?;

        let swarm = Swarm { leechers: STAYING, ..swarm };
        let mut simulation = swarm.build();
        let mut dice = fastrand::Rng::with_seed(seed);
        for _ in 0..STAYING {
            let leaves = Departure::AtPieces(dice.u32(1..PIECES));
            simulation.add_peer(PeerConfig { leaves, ..swarm.leecher.clone() });
        }
        simulation.run_until_complete(swarm.patience() + Duration::from_secs(600))?;
        let left = simulation.reports().skip(1 + STAYING as usize).filter(|report| report.took.is_none());
        assert_eq!(left.count(), STAYING as usize, "nobody of them got to the end");
        let (before, after) = (last_of_the_staying(&undisturbed), last_of_the_staying(&simulation));
        println!("seed {seed}: {before:.1} s if nobody leaves, {after:.1} s if half of them do");
        assert!(after <= before * 1.5);
        Ok(())
    });
}
