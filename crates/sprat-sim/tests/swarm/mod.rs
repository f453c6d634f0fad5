//! What the scenarios have in common: a tracker, a seeder, leechers.
#![allow(dead_code, reason = "every scenario uses its own part of it")]

use std::time::Duration;

use sprat_sim::{ContentConfig, Network, PeerConfig, PeerNumber, Simulation, TrackerConfig, Violation};
use sprat_wire::metainfo::Version;

/// A swarm of one seeder, number 0, and equal leechers.
#[derive(Debug, Clone)]
pub(crate) struct Swarm {
    pub(crate) seed: u64,
    pub(crate) version: Version,
    pub(crate) piece_length: u32,
    pub(crate) files: Vec<u64>,
    pub(crate) leechers: u32,
    pub(crate) seeder: PeerConfig,
    pub(crate) leecher: PeerConfig,
    pub(crate) trackers: Vec<Vec<String>>,
    pub(crate) threads: usize,
    pub(crate) network: Network,
}

impl Swarm {
    /// 8 MiB in 128 pieces, all lines alike.
    pub(crate) fn new(seed: u64) -> Self {
        let leecher = PeerConfig { upload: 128 << 10, download: 1 << 20, ..PeerConfig::default() };
        Self {
            seed,
            version: Version::V1,
            piece_length: 64 << 10,
            files: vec![8 << 20],
            leechers: 10,
            seeder: PeerConfig { has_everything: true, upload: 512 << 10, ..leecher.clone() },
            leecher,
            trackers: vec![vec![TrackerConfig::default().url]],
            threads: 1,
            network: Network::Block,
        }
    }

    /// 2 MiB in 64 pieces.
    pub(crate) fn small(seed: u64) -> Self {
        Self { piece_length: 32 << 10, files: vec![2 << 20], ..Self::new(seed) }
    }

    /// Without leechers.
    pub(crate) fn empty(&self) -> Simulation {
        let content = ContentConfig {
            version: self.version,
            piece_length: self.piece_length,
            files: self.files.clone(),
            trackers: self.trackers.clone(),
        };
        let simulation = Simulation::new(self.seed, &content).unwrap();
        let mut simulation = simulation.with_threads(self.threads).with_network(self.network);
        simulation.add_tracker(TrackerConfig::default());
        simulation.add_peer(self.seeder.clone());
        simulation
    }

    pub(crate) fn build(&self) -> Simulation {
        let mut simulation = self.empty();
        for _ in 0..self.leechers {
            simulation.add_peer(self.leecher.clone());
        }
        simulation
    }

    /// No swarm of this kind can be faster: max(F / u_seed, N·F / (u_seed + N·u)), in milliseconds.
    pub(crate) fn lower_bound_ms(&self) -> u64 {
        let content: u64 = self.files.iter().sum();
        let leechers = u64::from(self.leechers);
        let seeder_alone = content * 1000 / self.seeder.upload;
        let together = leechers * content * 1000 / (self.seeder.upload + leechers * self.leecher.upload);
        let own_line = content * 1000 / self.leecher.download;
        seeder_alone.max(together).max(own_line)
    }

    /// Long enough for any swarm that works.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_millis(10 * self.lower_bound_ms()) + Duration::from_secs(120)
    }

    pub(crate) fn print_times(&self, simulation: &Simulation) {
        let times: Vec<u64> = leecher_times(simulation);
        println!(
            "seed {}: lower bound {} ms, mean {} ms, last {} ms, {} events",
            self.seed,
            self.lower_bound_ms(),
            times.iter().sum::<u64>() / times.len().max(1) as u64,
            times.iter().max().unwrap(),
            simulation.events(),
        );
    }
}

/// How long each peer but the first took, in milliseconds; those who have nothing to show are left out.
pub(crate) fn leecher_times(simulation: &Simulation) -> Vec<u64> {
    let leechers = simulation.reports().filter(|report| report.number != PeerNumber(0));
    leechers.filter_map(|report| report.took).map(|took| took.as_millis() as u64).collect()
}

/// Runs a scenario with several seeds; or, if `SPRAT_SEED` is set, with that one.
pub(crate) fn run_seeds(count: u64, scenario: impl Fn(u64) -> Result<(), Violation>) {
    let seeds: Vec<u64> = match std::env::var("SPRAT_SEED") {
        Ok(seed) => vec![seed.parse().expect("SPRAT_SEED is a number")],
        Err(_) => (1..=count).collect(),
    };
    for seed in seeds {
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        let guard = Guard { seed, test };
        if let Err(violation) = scenario(seed) {
            panic!("{violation}");
        }
        std::mem::forget(guard);
    }
}

/// Says how to repeat a run that panics.
struct Guard {
    seed: u64,
    test: String,
}

impl Drop for Guard {
    fn drop(&mut self) {
        eprintln!("repeat with: SPRAT_SEED={} cargo test -p sprat-sim {}", self.seed, self.test);
    }
}
