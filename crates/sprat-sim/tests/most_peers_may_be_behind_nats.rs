//! Who cannot be called can call.
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

use sprat_sim::{Nat, PeerConfig, PeerNumber, Region, Violation};
use swarm::{Swarm, leecher_times, run_seeds};

/// Of twenty leechers so many cannot be called; how long all together and the last one took, in milliseconds.
fn times(seed: u64, behind_nats: u32) -> Result<(u64, u64), Violation> {
    let swarm = Swarm { leechers: 0, ..Swarm::new(seed) };
    let mut simulation = swarm.build();
    for number in 0..20 {
        let nat = if number < behind_nats { Nat::Closed } else { Nat::None };
        simulation.add_peer(PeerConfig { nat, ..swarm.leecher.clone() });
    }
    simulation.run_until_complete(Duration::from_secs(1200))?;
    swarm.print_times(&simulation);
    let times = leecher_times(&simulation);
    Ok((times.iter().sum(), times.iter().copied().max().unwrap()))
}

/// Those who cannot be called give nothing to one another: all that the fourteen have comes from the seeder and from six.
/// That takes longer than twenty who can all be called, whoever shares it out.
#[test]
fn seventy_per_cent_behind_nats_take_hardly_longer_than_they_must() {
    run_seeds(2, |seed| {
        let (all_open, last_open) = times(seed, 0)?;
        let (all, last) = times(seed, 14)?;
        let swarm = Swarm::new(seed);
        let content: u64 = swarm.files.iter().sum();
        let bound = 14 * content * 1000 / (swarm.seeder.upload + 6 * swarm.leecher.upload);
        let allowed = bound.max(last_open) * 12 / 10;
        assert!(last <= allowed, "the last took {last} ms, {last_open} ms without NATs, at least {bound} ms");
        assert!(all * 10 <= all_open * 13, "{all} ms together, {all_open} ms without NATs");
        Ok(())
    });
}

#[test]
fn a_seeder_behind_a_nat_reaches_those_who_are_not_and_they_pass_it_on() {
    run_seeds(2, |seed| {
        let small = Swarm::small(seed);
        let seeder = PeerConfig { nat: Nat::Closed, ..small.seeder.clone() };
        let swarm = Swarm { seeder, leechers: 3, ..small };
        let mut simulation = swarm.build();
        simulation.add_peer(PeerConfig { nat: Nat::Closed, ..swarm.leecher.clone() });
        simulation.run_until_complete(swarm.patience() + Duration::from_secs(600))
    });
}

#[test]
fn who_is_far_away_is_still_served() {
    run_seeds(1, |seed| {
        let swarm = Swarm { leechers: 0, ..Swarm::small(seed) };
        let mut simulation = swarm.build();
        for region in Region::ALL {
            for _ in 0..2 {
                simulation.add_peer(PeerConfig { region: Some(region), ..swarm.leecher.clone() });
            }
        }
        simulation.run_until_complete(swarm.patience())?;
        assert!(simulation.report(PeerNumber(1)).unwrap().completed_at.is_some());
        Ok(())
    });
}
