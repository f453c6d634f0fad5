//! The same swarm twice: real processes on real sockets, and the simulator. They should agree.
//!
//! What the simulator is told is what the real machines have: the payload that a line carries ([`Line`] adds the headers of
//! TCP, IP and Ethernet to what it lets through), and the time on the way, which is next to nothing within one machine
//! ([`LATENCY`]; the waiting at the lines comes by itself in both). The tracker is as near as everybody else.
//!
//! [`Line`]: crate::real_swarm::line::Line

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use sprat_sim::{ContentConfig, PeerConfig, PeerNumber, Simulation, TrackerConfig};
use sprat_wire::metainfo::Version;

use crate::clients::sprat::Sprat;
use crate::figures::Spread;
use crate::real_swarm::line::{Line, MIB};
use crate::real_swarm::run::run;
use crate::real_swarm::scenario::{PIECE_LENGTH, Scenario};
use crate::shared_file::SharedFile;

/// From a machine to the switch.
const LATENCY: Duration = Duration::from_micros(25);

/// From a request to a file in memory until the answer, threads included.
const DISK_LATENCY: Duration = Duration::from_micros(100);

/// A line without a limit: as fast as memory is copied.
const UNLIMITED: u64 = 1 << 30;

/// When leechers had everything, in seconds.
#[derive(Clone, Copy, Debug)]
struct Completion {
    first: f64,
    median: f64,
    mean: f64,
    last: f64,
    /// Copies that the seeder sent.
    copies: f64,
}

impl Completion {
    fn of(mut times: Vec<f64>, copies: f64) -> Self {
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

/// Runs both several times and prints how they compare.
pub(crate) fn compare(scenario: &Scenario, rounds: usize, file: &SharedFile, directory: &Path) -> Result<()> {
    println!("\n{}, {} MiB: bound {:.1} s", scenario.name, scenario.content, scenario.lower_bound());
    let mut real = Vec::new();
    for _ in 0..rounds {
        let outcome = run(&Sprat, scenario, file, directory)?;
        let says = outcome.seeder_says.context("sprat says what it has sent")?;
        let completion = Completion::of(outcome.times, says as f64 / scenario.bytes());
        println!(
            "  real       {completion:.2?}, {:.0} % of the processors' time left",
            outcome.spare * 100.0
        );
        real.push(completion);
    }
    let mut simulated = Vec::new();
    for seed in 1..=rounds as u64 {
        let completion = simulate(scenario, seed)?;
        println!("  simulated  {completion:.2?}");
        simulated.push(completion);
    }
    type Figure = (&'static str, fn(&Completion) -> f64);
    const FIGURES: [Figure; 5] = [
        ("first leecher, s", |completion| completion.first),
        ("median, s", |completion| completion.median),
        ("mean, s", |completion| completion.mean),
        ("last, s", |completion| completion.last),
        ("copies sent by the seeder", |completion| completion.copies),
    ];
    println!(
        "\n| {} | real: median (min – max) of {rounds} | simulated | real to simulated |\n|---|---|---|---|",
        scenario.name
    );
    for (name, figure) in FIGURES {
        let (real, simulated) =
            (Spread::of(real.iter().map(figure)), Spread::of(simulated.iter().map(figure)));
        println!("| {name} | {real} | {simulated} | {:.2} |", real.median / simulated.median);
    }
    Ok(())
}

fn simulate(scenario: &Scenario, seed: u64) -> Result<Completion> {
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
    let is_leecher = |number: PeerNumber| number != seeder;
    let times =
        simulation.reports().filter(|report| is_leecher(report.number)).filter_map(|report| report.took);
    let uploaded = simulation.report(seeder).map_or(0, |report| report.uploaded);
    Ok(Completion::of(times.map(|took| took.as_secs_f64()).collect(), uploaded as f64 / scenario.bytes()))
}

/// When leechers come, after the seeder.
const SIGNAL: Duration = Duration::from_secs(5);
