//! The flags of the simulator.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// `sprat sim`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct SimArgs {
    /// The name of a built-in scenario, or a TOML file; `all` for all that are built in. Without it, they are listed.
    pub(crate) scenario: Option<String>,

    /// How it is run.
    #[command(flatten)]
    pub(crate) run: SimRunArgs,

    /// Something else.
    #[command(subcommand)]
    pub(crate) command: Option<SimCommand>,
}

/// How a scenario is run.
#[derive(Debug, Clone, Args)]
pub(crate) struct SimRunArgs {
    /// Everything follows from it: the same seed, the same run.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// So many seeds, from --seed on: median, least and most of every figure.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) seeds: u64,

    /// Give a key of the scenario another value, such as groups.leechers.count=50. Can be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,

    /// Run another scenario, or the same with another value, and put them side by side.
    #[arg(long, value_name = "SCENARIO|KEY=VALUE")]
    pub(crate) compare: Vec<String>,

    /// Write the swarm over time into this file.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) csv: Option<PathBuf>,

    /// Write pictures and figures into this page.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) html: Option<PathBuf>,

    /// Put targets, figures and a picture into a section of this Markdown file.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, hide = true)]
    pub(crate) write: Option<PathBuf>,

    /// Print the scenario as TOML instead of running it: something to begin with.
    #[arg(long)]
    pub(crate) print: bool,

    /// When something happens that must not, look for a smaller swarm in which it does too.
    #[arg(long)]
    pub(crate) shrink: bool,

    /// Threads to compute on. Default: one per core.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
}

/// What else the simulator does.
#[derive(Debug, Subcommand)]
pub(crate) enum SimCommand {
    /// Draw small swarms with faults and misbehaving peers from seeds, and look for anything that must not happen.
    Soak(SoakArgs),
}

/// `sprat sim soak`
#[derive(Debug, Args)]
pub(crate) struct SoakArgs {
    /// For how long.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub(crate) minutes: u64,

    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// No more seeds than this.
    #[arg(long, value_name = "N")]
    pub(crate) seeds: Option<u64>,

    /// Leave out these parts of the swarm, as a failing run prints them.
    #[arg(long, value_name = "PARTS", num_args = 1.., value_delimiter = ',')]
    pub(crate) without: Vec<String>,

    /// Threads to compute on. Default: one per core.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
}
