//! Whatever goes wrong around the peers, everybody has everything once it is over.
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

use sprat_core::config::Config;
use sprat_sim::{DiskFaults, Fault, PeerConfig, PeerNumber, TrackerConfig, Violation};
use sprat_wire::metainfo::Version;
use swarm::{Swarm, run_seeds};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn with_faults(seed: u64, version: Version, faults: &[Fault]) -> Result<(), Violation> {
    let swarm = Swarm { version, ..Swarm::small(seed) };
    let mut simulation = swarm.build();
    for fault in faults {
        simulation.add_fault(fault.clone());
    }
    simulation.run_until_complete(swarm.patience() + secs(300))?;
    swarm.print_times(&simulation);
    Ok(())
}

#[test]
fn a_crash_in_the_middle_of_the_download() {
    for version in [Version::V1, Version::Hybrid] {
        run_seeds(3, |seed| {
            let crash = |peer, at| Fault::Crash { at: secs(at), down_for: secs(5), peer: PeerNumber(peer) };
            with_faults(seed, version, &[crash(1, 5), crash(2, 9), crash(2, 16), crash(0, 12)])
        });
    }
}

#[test]
fn half_of_the_swarm_is_cut_off_for_a_while() {
    run_seeds(3, |seed| {
        let peers = (5..9).map(PeerNumber).collect();
        with_faults(seed, Version::V1, &[Fault::Partition { from: secs(4), until: secs(400), peers }])
    });
}

#[test]
fn lines_are_clogged() {
    run_seeds(3, |seed| {
        let clog = |peer, towards| Fault::Clog { from: secs(3), until: secs(200), peer, towards };
        let (one, other) = (PeerNumber(1), PeerNumber(2));
        with_faults(seed, Version::V1, &[clog(one, None), clog(other, Some(PeerNumber(3)))])
    });
}

#[test]
fn machines_are_suspended_and_go_on() {
    run_seeds(3, |seed| {
        let suspend = |peer, at, by| Fault::Suspend { at: secs(at), by: secs(by), peer: PeerNumber(peer) };
        // The seeder for a moment, a leecher for a while, and one until others have given it up.
        let faults = [suspend(0, 6, 4), suspend(1, 3, 20), suspend(1, 15, 30), suspend(2, 5, 300)];
        with_faults(seed, Version::V1, &faults)
    });
}

#[test]
fn a_disk_is_slow_for_a_while() {
    run_seeds(3, |seed| {
        let slow = |peer, by| Fault::SlowDisk {
            from: secs(2),
            until: secs(30),
            peer: PeerNumber(peer),
            by: secs(by),
        };
        with_faults(seed, Version::V1, &[slow(0, 2), slow(1, 8), slow(1, 8)])
    });
}

#[test]
fn a_disk_is_full_and_then_is_not() {
    run_seeds(3, |seed| {
        let full = Fault::FullDisk { from: secs(3), until: secs(60), peer: PeerNumber(1) };
        with_faults(seed, Version::V1, &[full])
    });
}

#[test]
fn trackers_are_away() {
    run_seeds(3, |seed| {
        let url = TrackerConfig::default().url;
        with_faults(seed, Version::V1, &[Fault::TrackerOutage { from: secs(0), until: secs(90), url }])
    });
}

#[test]
fn without_a_tracker_the_dht_brings_a_swarm_together_once_it_answers() {
    run_seeds(3, |seed| {
        let small = Swarm::small(seed);
        let with_dht = |peer: &PeerConfig| {
            let session = Config { dht_port: 6881, ..peer.session.clone() };
            PeerConfig { session, ..peer.clone() }
        };
        let swarm = Swarm { leecher: with_dht(&small.leecher), seeder: with_dht(&small.seeder), ..small };
        let mut simulation = swarm.build();
        let url = TrackerConfig::default().url;
        simulation.add_fault(Fault::TrackerOutage { from: secs(0), until: secs(100_000), url });
        simulation.add_fault(Fault::DhtOutage { from: secs(0), until: secs(90) });
        let at_first = simulation.way();
        simulation.run(secs(90), |_| false)?;
        assert_eq!(simulation.way(), at_first, "nobody has found anybody");
        simulation.run_until_complete(swarm.patience() + secs(300))
    });
}

#[test]
fn disks_are_slow_and_fail_now_and_then() {
    run_seeds(3, |seed| {
        let small = Swarm::small(seed);
        let faults = DiskFaults { jitter: secs(2), failing_calls: vec![0, 7, 50, 51, 52, 140, 200] };
        let leecher = PeerConfig { disk_faults: faults.clone(), ..small.leecher.clone() };
        let seeder = PeerConfig { disk_faults: faults, ..small.seeder.clone() };
        let swarm = Swarm { leecher, seeder, ..small };
        swarm.build().run_until_complete(swarm.patience() + secs(1200))
    });
}
