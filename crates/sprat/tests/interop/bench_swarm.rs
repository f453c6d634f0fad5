//! Swarms of real processes on real sockets, each on a machine of its own behind a line with limits:
//! `cargo xtask bench real-swarm`.
//!
//! The machines are network namespaces, so it takes Linux and root. The lines are token buckets, which are measured before
//! they are used. The clock starts when all leechers are started at once, the seeder being ready, and stops for each
//! leecher when it says that it has everything, looked at 20 times a second. Everybody stays until everybody is done.
//!
//! `race` lets sprat and the other clients that are installed run against the lower bound; `twin` runs a swarm of twenty on
//! the simulator as well. `SPRAT_BENCH_DIR` is where the files go (the target directory): choose one in memory, with room
//! for five gigabytes.

#![allow(clippy::print_stdout, reason = "a benchmark prints figures")]
#![allow(dead_code, reason = "the clients are those of the interoperability tests, which need more of them")]

mod clients;
mod content;
mod figures;
mod http;
#[path = "../network/mod.rs"]
mod network;
mod process;
mod real_swarm;
mod shared_content;
mod torrent;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum};

use crate::process::is_installed;
use crate::real_swarm::race::{Rounds, race};
use crate::real_swarm::run::TRACKER;
use crate::real_swarm::scenario::{PIECE_LENGTH, Scenario};
use crate::real_swarm::{interrupt, line, twin};
use crate::shared_content::{SharedContent, bench_directory};

/// Measures swarms of real processes. Needs root, for network namespaces.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure; both, if nothing is said.
    part: Option<Part>,
    /// Rounds of sprat, and of either twin.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Rounds of each other client.
    #[arg(long, default_value_t = 1)]
    others: usize,
    /// Only the scenarios whose name contains this.
    #[arg(long, default_value = "")]
    scenario: String,
    /// Only these clients.
    #[arg(long, value_delimiter = ',')]
    clients: Vec<String>,
    /// Divides the capacity of all lines, for machines that cannot keep up with so many processes.
    #[arg(long, default_value_t = 1)]
    slower: u64,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// sprat beside other clients, against the lower bound.
    Race,
    /// Twenty real processes beside the same swarm simulated.
    Twin,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    must_be_possible()?;
    interrupt::watch()?;
    let wanted = |part| arguments.part.is_none_or(|only| only == part);
    let chosen = |scenario: Scenario| {
        scenario.name.contains(&arguments.scenario).then(|| scenario.slower(arguments.slower.max(1)))
    };
    let races = [Scenario::equals(8, 20), Scenario::equals(16, 10)].into_iter().filter_map(chosen);
    let races: Vec<Scenario> = races.filter(|_| wanted(Part::Race)).collect();
    let twins = [
        Scenario::twenty("20 peers, leechers at 2 MiB/s", &[2]),
        Scenario::twenty("20 peers, leechers at 1, 2 and 4 MiB/s", &[1, 2, 4]),
    ];
    let twins: Vec<Scenario> = twins.into_iter().filter_map(chosen).filter(|_| wanted(Part::Twin)).collect();

    let lines: BTreeSet<line::Line> = races.iter().chain(&twins).flat_map(Scenario::lines).collect();
    for line in lines {
        line::verify(line)?;
        interrupt::check()?;
    }
    let directory = bench_directory()?;
    println!("in {}", directory.path().display());
    let file_of = |scenario: &Scenario| {
        let announce = format!("http://{TRACKER}/announce");
        SharedContent::make(directory.path(), scenario.content, 1, &PIECE_LENGTH.to_string(), &announce)
    };
    if !races.is_empty() {
        let clients = clients::present(&arguments.clients);
        let rounds = Rounds { first: arguments.rounds, others: arguments.others };
        for scenario in &races {
            race(&clients, scenario, rounds, &file_of(scenario)?, directory.path())?;
        }
    }
    for scenario in &twins {
        twin::compare(scenario, arguments.rounds, &file_of(scenario)?, directory.path())?;
    }
    Ok(())
}

/// Says what is missing before anything is done.
fn must_be_possible() -> Result<()> {
    let user = fs::metadata("/proc/self").context("this takes Linux")?.uid();
    ensure!(user == 0, "this takes root, for network namespaces: run it again as root");
    for program in ["ip", "tc"] {
        ensure!(is_installed(program), "{program} is not in the path: install iproute2");
    }
    Ok(())
}
