//! The one door to the checks of this workspace: `cargo xtask test`, `tidy`, `install-clients`.
//!
//! `.ci/run` calls `cargo xtask test` and nothing else, so what CI sees is what a person sees.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a task runner talks to the terminal")]

mod clients;
mod report;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::report::Report;
use crate::workspace::Workspace;

/// Checks and measures the sprat workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Runs every check: formatting, lints, tidy, dependencies, docs, tests, interoperability.
    Test {
        /// Only formatting, lints, tidy and the fast tests; installs nothing.
        #[arg(long)]
        quick: bool,
    },
    /// The tests of durability and of ceilings at their full length.
    Soak,
    /// Checks the rules of the house that the compiler does not know.
    Tidy,
    /// Measures sprat, beside other clients and by itself.
    Bench {
        /// What to measure.
        #[command(subcommand)]
        part: Bench,
    },
    /// Installs the other BitTorrent clients that the interoperability tests talk to.
    InstallClients,
}

#[derive(Subcommand)]
enum Bench {
    /// One seeder to one leecher on this machine, sprat beside other clients: speed, CPU time and memory of both.
    Transfer(Passed),
    /// What receiving, sending, hashing and writing cost by themselves on this machine.
    Limits(Passed),
    /// One client with 1, 8 and 50 connections, and the memory of connections that want nothing.
    Connections(Passed),
    /// How soon a client answers questions while it checks and downloads.
    Control(Passed),
    /// Ten thousand torrents with nothing to do: starting, memory, idling, stopping.
    Many(Passed),
    /// How soon a daemon with ten thousand torrents answers, idle and at work, sprat beside other daemons.
    Daemon(Passed),
    /// Making and checking a torrent, sprat beside other programs.
    Create(Passed),
    /// Simulated swarms against their targets: `sprat sim`.
    Swarm {
        /// The name of a scenario; all without it.
        #[arg(default_value = "all")]
        scenario: String,
        /// Put the results into docs/SWARM.md.
        #[arg(long)]
        write: bool,
        /// For `sprat sim`, such as `--seeds 3`.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Swarms of real processes behind lines with limits, beside other clients and the simulator. Needs root.
    RealSwarm(Passed),
    /// The operations of the client's state machine, one by one: nanoseconds and instructions.
    Micro(Passed),
    /// A simulated network of DHT nodes: memory and time of a node, and what is found in it.
    Dht(Passed),
}

/// What is passed on.
#[derive(Args)]
struct Passed {
    /// For the benchmark; `--help` names them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let workspace = Workspace::find()?;
    let mut report = Report::default();
    match arguments.task {
        Task::Test { quick: true } => test::run_quick(&workspace, &mut report),
        Task::Test { quick: false } => test::run_all(&workspace, &mut report),
        Task::Soak => test::soak(&workspace, &mut report),
        Task::Tidy => report.step("tidy", || tidy::run(&workspace)),
        Task::Bench { part } => run_bench(&workspace, &mut report, part),
        Task::InstallClients => clients::install(&workspace, &mut report),
    }
    Ok(report.finish())
}

fn run_bench(workspace: &Workspace, report: &mut Report, part: Bench) {
    let (package, name, Passed { arguments }) = match part {
        Bench::Transfer(passed) => ("sprat", "transfer", passed),
        Bench::Limits(passed) => ("sprat", "limits", passed),
        Bench::Connections(passed) => ("sprat", "connections", passed),
        Bench::Control(passed) => ("sprat", "control", passed),
        Bench::Many(passed) => ("sprat", "many", passed),
        Bench::Daemon(passed) => ("sprat", "daemon", passed),
        Bench::Create(passed) => ("sprat", "create", passed),
        Bench::RealSwarm(passed) => ("sprat", "real_swarm", passed),
        Bench::Micro(passed) => ("sprat-core", "micro", passed),
        Bench::Dht(passed) => ("sprat-sim", "dht", passed),
        Bench::Swarm { scenario, write, arguments } => {
            return report.step("bench swarm", || bench_swarm(workspace, &scenario, write, &arguments));
        }
    };
    report.step(&format!("bench {name}"), || bench(workspace, package, name, &arguments));
}

fn bench_swarm(
    workspace: &Workspace,
    scenario: &str,
    write: bool,
    arguments: &[String],
) -> Result<report::Outcome> {
    let cargo = ["run", "--release", "--package", "sprat", "--", "sim", scenario];
    let write = if write { &["--write", "docs/SWARM.md"][..] } else { &[] };
    let arguments = arguments.iter().map(String::as_str);
    test::must_succeed(workspace.cargo(cargo.into_iter().chain(write.iter().copied()).chain(arguments)))
}

fn bench(workspace: &Workspace, package: &str, bench: &str, arguments: &[String]) -> Result<report::Outcome> {
    let cargo = ["bench", "--package", package, "--bench", bench, "--"];
    test::must_succeed(workspace.cargo(cargo.into_iter().chain(arguments.iter().map(String::as_str))))
}
