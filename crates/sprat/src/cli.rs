//! The one declaration of every flag: help, man pages and completions are made from it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

mod client;
mod network;
pub(crate) mod remote;
pub(crate) mod sim;
mod torrent_file;
mod values;

pub(crate) use client::{ClientArgs, GetArgs, ShareArgs};
pub(crate) use network::{DhtArgs, DhtQuestion, TrackerArgs};
pub(crate) use torrent_file::{CreateArgs, MakeArgs, ShowArgs, TorrentVersion, VerifyArgs};
pub(crate) use values::FileNumbers;

use values::byte_count;

/// A complete BitTorrent system: client, tracker and demo in one program.
#[derive(Debug, Parser)]
#[command(name = "sprat", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Print one JSON object per line instead of text and progress bars.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print errors only.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    /// Log to standard error; give it twice for more.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Told by `--help`, and kept by [`crate::exit`].
const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 torrent or link unusable or not there, \
4 disk trouble, 5 network trouble, 6 data does not match, 130 interrupted by Ctrl-C, SIGTERM or SIGHUP \
(get can be run again to resume). The first of these signals ends in good order within 5 s, another one at once; \
what seeds or serves until it is interrupted then ends with 0.";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Download what a .torrent file, a magnet link or the URL of a .torrent file names.
    Get(GetArgs),
    /// Make a torrent of a file or directory and seed it.
    Share(ShareArgs),
    /// Make a .torrent file.
    Create(CreateArgs),
    /// Show what is in a .torrent file or magnet link, or what a daemon knows of a torrent.
    Show(ShowArgs),
    /// Check files on disk against a .torrent file.
    Verify(VerifyArgs),
    /// Run a tracker.
    Tracker(TrackerArgs),
    /// Run a node of the DHT, or ask the DHT something.
    Dht(DhtArgs),
    /// Look after torrents for years, for a page, programs and scripts.
    Daemon(DaemonArgs),
    /// Give a daemon torrents to look after.
    Add(remote::AddArgs),
    /// List the torrents of a daemon.
    #[command(visible_alias = "list", after_help = remote::NAMING)]
    Ls(remote::ListArgs),
    /// Let torrents of a daemon run.
    #[command(after_help = remote::NAMING)]
    Start(remote::StartArgs),
    /// Let torrents of a daemon not run.
    #[command(after_help = remote::NAMING)]
    Stop(remote::ActArgs),
    /// Take torrents out of a daemon's list. Their files stay, unless --files is given.
    #[command(visible_alias = "remove", after_help = remote::NAMING)]
    Rm(remote::RemoveArgs),
    /// Bring the files of torrents into another directory.
    #[command(visible_alias = "move", after_help = remote::NAMING)]
    Mv(remote::MoveArgs),
    /// Change limits, label, tags, name or place in the queue of a daemon's torrents.
    #[command(after_help = remote::NAMING)]
    Set(remote::SetArgs),
    /// Compare the files of a daemon's torrents with their hashes.
    #[command(after_help = remote::NAMING)]
    Recheck(remote::ActArgs),
    /// List the peers that a daemon's torrent is connected to.
    #[command(after_help = remote::NAMING)]
    Peers(remote::PeersArgs),
    /// List the trackers of a daemon's torrent, or change which it has.
    #[command(after_help = remote::NAMING)]
    Trackers(remote::TrackersArgs),
    /// List the files of a daemon's torrent, or say how much they are wanted.
    #[command(after_help = remote::NAMING)]
    Files(remote::FilesArgs),
    /// Show what a daemon has counted.
    Stats(remote::StatisticsArgs),
    /// Print what happens in a daemon, as it happens.
    #[command(after_help = remote::NAMING)]
    Watch(remote::WatchArgs),
    /// Print the last lines of a daemon's log.
    Log(remote::LogArgs),
    /// Watch and steer a daemon's torrents in the terminal.
    Top(remote::TopArgs),
    /// Watch a file cross a swarm of real sessions on this machine.
    Demo(DemoArgs),
    /// Simulate swarms of up to ten thousand peers that run the shipped protocol code.
    Sim(sim::SimArgs),
    /// Print a script that completes sprat's commands in a shell.
    Completions {
        /// For which shell.
        shell: Shell,
    },
    /// Write the manual pages into a directory.
    #[command(hide = true)]
    Manual {
        /// Where to.
        #[arg(value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
}

/// Where a daemon finds its configuration.
#[derive(Debug, Args)]
pub(crate) struct DaemonArgs {
    /// The configuration file. Default: sprat.toml in $CONFIGURATION_DIRECTORY or ~/.config/sprat, if it is there.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,

    /// Print a configuration file with every key, what it means and its default, and end.
    #[arg(long)]
    pub(crate) print_config: bool,
}

/// `sprat demo`
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Share this file instead of one that is made up.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,

    /// Bytes of the made-up file; K, M and G are allowed.
    #[arg(long, value_name = "BYTES", default_value = "256M", value_parser = byte_count)]
    pub(crate) size: u64,

    /// How many leechers.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) leechers: usize,

    /// Upload limit of the seeder, bytes per second.
    #[arg(long, value_name = "RATE", default_value = "20M", value_parser = byte_count)]
    pub(crate) seed_rate: u64,

    /// Upload limit of each leecher, bytes per second.
    #[arg(long, value_name = "RATE", default_value = "10M", value_parser = byte_count)]
    pub(crate) peer_rate: u64,

    /// Where the picture of the swarm is written.
    #[arg(long, value_name = "FILE", default_value = "sprat-demo.html", value_hint = ValueHint::FilePath)]
    pub(crate) picture: PathBuf,

    /// Keep the downloaded copies in this directory instead of removing them.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) keep: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_declaration_is_consistent() {
        Cli::command().debug_assert();
    }
}
