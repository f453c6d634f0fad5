//! The flags of what only shows something.

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use super::{DaemonAt, FilterArgs};

/// What is shown of a torrent in a list, and what a list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Column {
    /// The beginning of its info-hash.
    Hash,
    /// Its name.
    Name,
    /// What it is doing.
    State,
    /// How much of what is wanted is there.
    Progress,
    /// Bytes of its content.
    Size,
    /// Bytes that it lacks.
    Left,
    /// What it receives, bytes per second.
    Down,
    /// What it sends, bytes per second.
    Up,
    /// Bytes received.
    Downloaded,
    /// Bytes sent.
    Uploaded,
    /// Bytes sent for each byte of its content.
    Ratio,
    /// When it will be complete.
    Eta,
    /// Connections.
    Peers,
    /// Connections to those that have everything.
    Seeds,
    /// Its label.
    Label,
    /// Its tags.
    Tags,
    /// Where its files are.
    Directory,
    /// When it was added.
    Added,
    /// When it was complete.
    Completed,
    /// When something of it was last sent or received.
    Active,
    /// Its place in the queue.
    Position,
}

/// `sprat ls`
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Show these torrents. Default: all.
    #[arg(value_name = "TORRENT")]
    pub(crate) torrents: Vec<String>,

    /// Those of them that are like this.
    #[command(flatten)]
    pub(crate) filter: FilterArgs,

    /// What to show, in this order, with commas between.
    #[arg(
        long,
        short,
        value_enum,
        value_delimiter = ',',
        value_name = "COLUMNS",
        default_value = "hash,name,state,progress,size,down,up,eta,ratio,peers,label"
    )]
    pub(crate) columns: Vec<Column>,

    /// What to sort by. Default: the place in the queue.
    #[arg(long, short, value_enum, value_name = "COLUMN")]
    pub(crate) sort: Option<Column>,

    /// The greatest first.
    #[arg(long, short)]
    pub(crate) reverse: bool,

    /// Show so many at the most.
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) limit: Option<usize>,

    /// The daemon.
    #[command(flatten)]
    pub(crate) at: DaemonAt,
}

/// `sprat stats`
#[derive(Debug, Args)]
pub(crate) struct StatisticsArgs {
    /// The daemon.
    #[command(flatten)]
    pub(crate) at: DaemonAt,
}

/// `sprat watch`
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Only what happens to these torrents. Default: to any.
    #[arg(value_name = "TORRENT")]
    pub(crate) torrents: Vec<String>,

    /// End when these torrents have all that is wanted of them; fail if one of them is removed or stops by itself.
    #[arg(long, requires = "torrents")]
    pub(crate) until_finished: bool,

    /// The daemon.
    #[command(flatten)]
    pub(crate) at: DaemonAt,
}

/// `sprat log`
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Go on with what comes, until interrupted.
    #[arg(long, short)]
    pub(crate) follow: bool,

    /// So many lines at the most, the last ones.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    pub(crate) lines: usize,

    /// Lines of this level and graver ones. How much the daemon logs is said by its configuration (log.level).
    #[arg(long, value_name = "LEVEL", default_value = "trace",
        value_parser = PossibleValuesParser::new(["error", "warn", "info", "debug", "trace"]))]
    pub(crate) level: String,

    /// The daemon.
    #[command(flatten)]
    pub(crate) at: DaemonAt,
}

/// `sprat top`
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// The daemon.
    #[command(flatten)]
    pub(crate) at: DaemonAt,
}
