//! Swarms of the shipped protocol code on a virtual network, against what no swarm could do better.
//!
//! Run it with `cargo xtask bench swarm`. All figures but those of computing time follow from the seed.

#![allow(clippy::print_stdout, reason = "a benchmark tells its figures")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "and how long they took")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails where its set-up does")]

use std::time::{Duration, Instant};

use clap::Parser;
use sprat_sim::{ContentConfig, PeerConfig, PeerNumber, Simulation, TrackerConfig};
use sprat_wire::metainfo::Version;

const MIB: u64 = 1 << 20;

/// Measures swarms.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only scenarios whose name contains this.
    #[arg(default_value = "")]
    name: String,
    /// Each scenario with so many seeds.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One seeder and equal leechers who come at once.
#[derive(Debug, Clone)]
struct FlashCrowd {
    name: &'static str,
    leechers: u32,
    content: u64,
    piece_length: u32,
    seeder_upload: u64,
    leecher_upload: u64,
    leecher_download: u64,
    latency: Duration,
}

impl FlashCrowd {
    fn scenarios() -> Vec<Self> {
        let lan = Self {
            name: "8 leechers at 20 MiB/s, 256 MiB",
            leechers: 8,
            content: 256 * MIB,
            piece_length: 256 << 10,
            seeder_upload: 20 * MIB,
            leecher_upload: 20 * MIB,
            leecher_download: 1000 * MIB,
            latency: Duration::from_micros(50),
        };
        let crowd = Self {
            name: "100 leechers",
            leechers: 100,
            content: 64 * MIB,
            piece_length: 256 << 10,
            seeder_upload: 2 * MIB,
            leecher_upload: MIB,
            leecher_download: 8 * MIB,
            latency: Duration::from_millis(20),
        };
        vec![
            Self {
                name: "16 leechers at 10 MiB/s, 256 MiB",
                leechers: 16,
                seeder_upload: 10 * MIB,
                leecher_upload: 10 * MIB,
                ..lan.clone()
            },
            lan,
            Self { name: "1,000 leechers", leechers: 1000, ..crowd.clone() },
            Self { name: "10,000 leechers", leechers: 10_000, ..crowd.clone() },
            crowd,
        ]
    }

    /// No swarm can be faster: max(F / u_seed, N·F / (u_seed + N·u)), seconds.
    fn lower_bound(&self) -> f64 {
        let (content, leechers) = (self.content as f64, f64::from(self.leechers));
        let together = self.seeder_upload as f64 + leechers * self.leecher_upload as f64;
        (content / self.seeder_upload as f64)
            .max(leechers * content / together)
            .max(content / self.leecher_download as f64)
    }

    fn run(&self, seed: u64) {
        let content = ContentConfig {
            version: Version::V1,
            piece_length: self.piece_length,
            files: vec![self.content],
            trackers: vec![vec![TrackerConfig::default().url]],
        };
        let mut simulation = Simulation::new(seed, &content).unwrap();
        simulation.add_tracker(TrackerConfig::default());
        let leecher = PeerConfig {
            upload: self.leecher_upload,
            download: self.leecher_download,
            latency: self.latency,
            disk_latency: Duration::from_micros(500),
            ..PeerConfig::default()
        };
        simulation.add_peer(PeerConfig {
            has_everything: true,
            upload: self.seeder_upload,
            ..leecher.clone()
        });
        for _ in 0..self.leechers {
            simulation.add_peer(leecher.clone());
        }
        let bound = self.lower_bound();
        let begin = Instant::now();
        let patience = Duration::from_secs_f64(bound * 10.0 + 120.0);
        let outcome = simulation.run_until_complete(patience);
        let wall = begin.elapsed().as_secs_f64();
        let seeder = simulation.report(PeerNumber(0)).unwrap();
        let mut times: Vec<f64> = simulation
            .reports()
            .filter(|report| report.number != PeerNumber(0))
            .filter_map(|report| report.took)
            .map(|took| took.as_secs_f64())
            .collect();
        times.sort_unstable_by(f64::total_cmp);
        let mean = times.iter().sum::<f64>() / times.len().max(1) as f64;
        let replicated = simulation.snapshots().iter().find(|snapshot| snapshot.rarest >= 2);
        println!(
            "{}, seed {seed}: bound {bound:.1} s; last {:.2}, mean {:.2} of it; seeder {:.2} copies, every piece elsewhere \
             at {:.2} of the bound; {} of {} done; {:.1} s of computing, {:.2} M events a second",
            self.name,
            times.last().copied().unwrap_or(f64::NAN) / bound,
            mean / bound,
            seeder.uploaded as f64 / self.content as f64,
            replicated.map_or(f64::NAN, |snapshot| snapshot.at.as_nanos() as f64 / 1e9 / bound),
            times.len(),
            self.leechers,
            wall,
            simulation.events() as f64 / 1e6 / wall,
        );
        if let Err(violation) = outcome {
            println!("  {violation}");
        }
    }
}

fn main() {
    let arguments = Arguments::parse();
    for scenario in FlashCrowd::scenarios().iter().filter(|one| one.name.contains(&arguments.name)) {
        for seed in 1..=arguments.seeds {
            scenario.run(seed);
        }
    }
}
