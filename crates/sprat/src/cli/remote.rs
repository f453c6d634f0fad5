//! The flags of what is asked of, or told to, a running daemon.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueHint};

mod act;
mod add;
mod change;
mod look;
mod one;

pub(crate) use act::{ActArgs, MoveArgs, RemoveArgs, StartArgs};
pub(crate) use add::AddArgs;
pub(crate) use change::{ChangeArgs, LimitArg, QueueArg, SetArgs};
pub(crate) use look::{Column, ListArgs, LogArgs, StatisticsArgs, TopArgs, WatchArgs};
pub(crate) use one::{FilesArgs, PeersArgs, TrackersArgs};

const DAEMON: &str = "Daemon";
const FILTER: &str = "Filter";

/// How a list can be filtered by state: the words of the API.
const STATES: [&str; 8] =
    ["stopped", "queued", "fetching_metadata", "checking", "downloading", "seeding", "moving", "trouble"];

/// How torrents are named, told by the help of every command that takes them.
pub(crate) const NAMING: &str = "A torrent is named by its info-hash or the beginning of it, by its name, or by a part of \
its name that no other torrent has. What could mean several torrents means none: they are listed, and nothing is done.";

/// Which daemon is spoken to.
#[derive(Debug, Clone, Args)]
pub(crate) struct DaemonAt {
    /// Where the daemon is: http://HOST:PORT, https://HOST:PORT or unix:/PATH. Plain http lets whoever sees the traffic see the
    /// token. Default: where the configuration on this machine has it listen.
    #[arg(long = "daemon", value_name = "URL", env = "SPRAT_DAEMON", help_heading = DAEMON)]
    pub(crate) url: Option<String>,

    /// The file that holds the daemon's token. Default: `token` in the daemon's state directory on this machine.
    #[arg(long, value_name = "FILE", env = "SPRAT_TOKEN_FILE", value_hint = ValueHint::FilePath, help_heading = DAEMON)]
    pub(crate) token_file: Option<PathBuf>,

    /// The configuration file that the daemon was started with. Default: the user's own, or that of the system's service.
    #[arg(long = "config", value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = DAEMON)]
    pub(crate) configuration: Option<PathBuf>,
}

/// A part of the list.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct FilterArgs {
    /// Torrents in this state.
    #[arg(long, value_parser = PossibleValuesParser::new(STATES), help_heading = FILTER)]
    pub(crate) state: Option<String>,

    /// Torrents with this label; empty is those without any.
    #[arg(long = "label", value_name = "LABEL", help_heading = FILTER)]
    pub(crate) with_label: Option<String>,

    /// Torrents with this tag.
    #[arg(long = "tag", value_name = "TAG", help_heading = FILTER)]
    pub(crate) with_tag: Option<String>,

    /// Torrents whose name has all of these words.
    #[arg(long, value_name = "WORDS", help_heading = FILTER)]
    pub(crate) search: Option<String>,
}

impl FilterArgs {
    /// Whether all torrents pass.
    pub(crate) const fn is_empty(&self) -> bool {
        self.state.is_none() && self.with_label.is_none() && self.with_tag.is_none() && self.search.is_none()
    }
}

/// Which torrents are meant. With a filter, names are looked up among those that pass it; without names, all that pass it are
/// meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct WhichArgs {
    /// The torrents.
    #[arg(value_name = "TORRENT")]
    pub(crate) torrents: Vec<String>,

    /// All torrents.
    #[arg(long, conflicts_with = "torrents")]
    pub(crate) all: bool,

    /// Those of them that are like this.
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}
