//! Among peers of every bad kind, the honest ones get everything from one honest seed, and none of them is accused.
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

use sprat_sim::{Behaviour, PeerConfig, PeerNumber, Simulation, Violation};
use sprat_wire::metainfo::Version;
use swarm::{Swarm, run_seeds};

/// Eight honest leechers among so many of that kind.
fn among(seed: u64, version: Version, behaviour: Behaviour, count: u32) -> Result<Simulation, Violation> {
    let swarm = Swarm { leechers: 8, version, ..Swarm::small(seed) };
    let mut simulation = swarm.build();
    for _ in 0..count {
        simulation.add_peer(PeerConfig { behaviour, ..swarm.leecher.clone() });
    }
    simulation.run_until_complete(swarm.patience() * 3)?;
    let last = simulation.reports().take(9).filter_map(|report| report.took).max().unwrap();
    let wasted: u64 = simulation.reports().take(9).map(|report| report.wasted).sum();
    let bans: u32 = simulation.reports().map(|report| report.banned_by).sum();
    println!(
        "seed {seed}, {count} {behaviour:?}: last {last:?}, {wasted} wasted, {bans} bans, {} events",
        simulation.events()
    );
    Ok(simulation)
}

#[test]
fn colluding_poisoners() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        run_seeds(3, |seed| {
            for per_mille in [50, 500, 1000] {
                let simulation = among(seed, version, Behaviour::ColludingPoisoner { per_mille }, 9)?;
                assert!(simulation.reports().skip(9).any(|report| report.banned_by > 0));
            }
            Ok(())
        });
    }
}

#[test]
fn liars_about_what_they_have() {
    run_seeds(3, |seed| {
        among(seed, Version::V1, Behaviour::Liar { rejects: true }, 6)?;
        among(seed, Version::V1, Behaviour::Liar { rejects: false }, 6).map(drop)
    });
}

/// All places are taken before the seed comes, by peers that have nothing to give.
#[test]
fn a_few_places_full_of_liars_are_given_to_others() {
    run_seeds(3, |seed| {
        let swarm = Swarm { leechers: 0, ..Swarm::small(seed) };
        let seeder = PeerConfig { joins: Duration::from_secs(30), ..swarm.seeder.clone() };
        let mut simulation = Swarm { seeder, ..swarm.clone() }.empty();
        let mut few = swarm.leecher.clone();
        few.session.connections_per_torrent = 4;
        let leecher = simulation.add_peer(few);
        for number in 0..8 {
            let behaviour = Behaviour::Liar { rejects: number % 2 == 0 };
            simulation.add_peer(PeerConfig { behaviour, ..swarm.leecher.clone() });
        }
        simulation.run_until_complete(Duration::from_secs(900))?;
        let took = simulation.report(leecher).unwrap().took.unwrap();
        println!("seed {seed}: {took:?}");
        assert!(took < Duration::from_secs(400), "{took:?}");
        Ok(())
    });
}

#[test]
fn slow_readers() {
    run_seeds(3, |seed| among(seed, Version::V1, Behaviour::SlowReader, 6).map(drop));
}

#[test]
fn request_flooders() {
    run_seeds(3, |seed| among(seed, Version::V1, Behaviour::RequestFlooder, 4).map(drop));
}

#[test]
fn seed_slot_attackers() {
    run_seeds(3, |seed| among(seed, Version::V1, Behaviour::SeedSlotAttacker, 3).map(drop));
}

/// Many names of one owner, in one subnet, who are a majority.
#[test]
fn sybils() {
    let poisoner = Behaviour::ColludingPoisoner { per_mille: 500 };
    for behaviour in
        [poisoner, Behaviour::Liar { rejects: false }, Behaviour::SeedSlotAttacker, Behaviour::Strategic]
    {
        run_seeds(3, |seed| {
            let swarm = Swarm { leechers: 8, ..Swarm::small(seed) };
            let mut simulation = swarm.build();
            let sybil = PeerConfig { behaviour, subnet: Some(0), ..swarm.leecher.clone() };
            (0..24).for_each(|_| _ = simulation.add_peer(sybil.clone()));
            simulation.run_until_complete(swarm.patience() * 4)
        });
    }
}

#[test]
fn strategic_peers() {
    run_seeds(3, |seed| {
        let mut simulation = among(seed, Version::V1, Behaviour::Strategic, 3)?;
        simulation
            .run(simulation.now().since(sprat_core::time::Time::ZERO) + Duration::from_secs(120), |_| {
                false
            })?;
        let took = |number| simulation.report(PeerNumber(number)).unwrap().took;
        println!("strategic: {:?}, honest: {:?}", took(9), took(5));
        assert!(took(9).is_some(), "it has not found out how to download");
        Ok(())
    });
}
