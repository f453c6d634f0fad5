//! Tit-for-tat: who gives gets more.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a scenario fails loudly and says what it measured"
)]

mod swarm;

use std::cell::Cell;
use std::time::Duration;

use sprat_sim::{Behaviour, Departure, PeerConfig, PeerNumber, Simulation};
use swarm::{Swarm, run_seeds};

/// From coming to having everything, in milliseconds.
fn mean_ms(simulation: &Simulation, peers: &[PeerNumber]) -> u64 {
    let times = peers.iter().map(|peer| simulation.report(*peer).unwrap().took.unwrap().as_millis() as u64);
    times.sum::<u64>() / peers.len() as u64
}

/// Nobody gives for nothing but the seeder: contributors go when they have everything. The seeder is quick enough to spread
/// all pieces early; where it is not, everybody waits for it alike.
#[test]
fn a_free_rider_is_slower_than_contributors() {
    let sums = Cell::new((0, 0, 0));
    run_seeds(3, |seed| {
        let swarm = Swarm { leechers: 0, ..Swarm::new(seed) };
        let seeder = PeerConfig { upload: 512 << 10, ..swarm.seeder.clone() };
        let mut simulation = Swarm { seeder, ..swarm.clone() }.empty();
        let leaves = Departure::AfterCompletion(Duration::ZERO);
        let contributor = PeerConfig { leaves, ..swarm.leecher };
        let rider = PeerConfig { behaviour: Behaviour::FreeRider, ..contributor.clone() };
        let contributors: Vec<_> = (0..20).map(|_| simulation.add_peer(contributor.clone())).collect();
        let riders: Vec<_> = (0..4).map(|_| simulation.add_peer(rider.clone())).collect();
        simulation.run_until_complete(Duration::from_secs(3600))?;
        let (contributors, riders) = (mean_ms(&simulation, &contributors), mean_ms(&simulation, &riders));
        println!("seed {seed}: free riders took {riders} ms, contributors {contributors} ms");
        let (runs, all_riders, all_contributors) = sums.get();
        sums.set((runs + 1, all_riders + riders, all_contributors + contributors));
        Ok(())
    });
    let (runs, riders, contributors) = sums.get();
    let (riders, contributors) = (riders / runs, contributors / runs);
    assert!(riders > contributors * 5 / 4, "free riders took {riders} ms, contributors {contributors} ms");
}
