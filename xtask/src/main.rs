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
use clap::{Parser, Subcommand};

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
    /// Checks the rules of the house that the compiler does not know.
    Tidy,
    /// Measures sprat beside other clients.
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
    /// One seeder to one leecher of the same client on this machine: speed, CPU time and memory of both.
    Transfer,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let workspace = Workspace::find()?;
    let mut report = Report::default();
    match arguments.task {
        Task::Test { quick: true } => test::run_quick(&workspace, &mut report),
        Task::Test { quick: false } => test::run_all(&workspace, &mut report),
        Task::Tidy => report.step("tidy", || tidy::run(&workspace)),
        Task::Bench { part: Bench::Transfer } => report.step("bench transfer", || {
            let arguments = ["bench", "--package", "sprat", "--bench", "transfer"];
            test::must_succeed(workspace.cargo(arguments))
        }),
        Task::InstallClients => clients::install(&workspace, &mut report),
    }
    Ok(report.finish())
}
