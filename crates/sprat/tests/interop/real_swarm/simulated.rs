//! A scenario on the simulator.
//!
//! It is told what the real machines have: the payload that a line carries ([`Line`] adds the headers of TCP, IP and
//! Ethernet to what it lets through), and the time on the way, which is next to nothing within one machine ([`LATENCY`]; the
//! waiting at the lines comes by itself in both). The tracker is as near as everybody else.

use std::time::Duration;

use anyhow::{Result, anyhow};
use sprat_sim::{ContentConfig, PeerConfig, Simulation, TrackerConfig};
use sprat_wire::metainfo::Version;

use crate::real_swarm::line::{Line, MIB};
use crate::real_swarm::scenario::{PIECE_LENGTH, Scenario};

/// From a machine to the switch.
const LATENCY: Duration = Duration::from_micros(25);

/// From a request to a file in memory until the answer, threads included.
const DISK_LATENCY: Duration = Duration::from_micros(100);

/// A line without a limit: as fast as memory is copied.
const UNLIMITED: u64 = 1 << 30;

/// When leechers come, after the seeder.
const SIGNAL: Duration = Duration::from_secs(5);

/// When leechers had everything, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion {
    pub(crate) first: f64,
    pub(crate) median: f64,
    pub(crate) mean: f64,
    pub(crate) last: f64,
    /// Copies that the seeder sent.
    pub(crate) copies: f64,
}

impl Completion {
    pub(crate) fn of(mut times: Vec<f64>, copies: f64) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |index: usize| times.get(index).copied().unwrap_or(f64::NAN);
        Self {
            first: at(0),
            median: at(times.len() / 2),
            mean: times.iter().sum::<f64>() / times.len() as f64,
            last: at(times.len().saturating_sub(1)),
            copies,
        }
    }
}

/// Runs it with one seed.
pub(crate) fn simulate(scenario: &Scenario, seed: u64) -> Result<Completion> {
    let tracker = TrackerConfig { latency: LATENCY, ..TrackerConfig::default() };
    let content = ContentConfig {
        version: Version::V1,
        piece_length: PIECE_LENGTH,
        files: vec![scenario.content * MIB],
        trackers: vec![vec![tracker.url.clone()]],
    };
    let mut simulation = Simulation::new(seed, &content)?;
    simulation.add_tracker(tracker);
    let peer = |line: Line| PeerConfig {
        upload: line.upload,
        download: line.download.unwrap_or(UNLIMITED),
        latency: LATENCY,
        disk_latency: DISK_LATENCY,
        ..PeerConfig::default()
    };
    let seeder = simulation.add_peer(PeerConfig { has_everything: true, ..peer(scenario.seeder) });
    for line in &scenario.leechers {
        // The seeder is known to the tracker by then.
        simulation.add_peer(PeerConfig { joins: SIGNAL, ..peer(*line) });
    }
    simulation
        .run_until_complete(SIGNAL + scenario.patience())
        .map_err(|violation| anyhow!("simulated with seed {seed}: {violation}"))?;
    let leechers = simulation.reports().filter(|report| report.number != seeder);
    let times = leechers.filter_map(|report| report.took);
    let uploaded = simulation.report(seeder).map_or(0, |report| report.uploaded);
    Ok(Completion::of(times.map(|took| took.as_secs_f64()).collect(), uploaded as f64 / scenario.bytes()))
}
