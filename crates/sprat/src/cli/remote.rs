//! The flags of what is asked of, or told to, a running daemon.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum, ValueHint};

use super::{FileNumbers, byte_count};

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

/// `sprat add`
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// .torrent files, magnet links, or http(s) URLs of .torrent files. Files are read here and sent; URLs are fetched by the daemon.
    #[arg(required = true, value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    pub(crate) sources: Vec<String>,

    /// Do not start it yet.
    #[arg(long, visible_alias = "stopped")]
    pub(crate) paused: bool,

    /// Give it this label. One that is not known yet becomes so.
    #[arg(long)]
    pub(crate) label: Option<String>,

    /// Tag it with this word. Can be given several times.
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,

    /// Where the files go. Default: what the daemon has for the label, or for all.
    #[arg(long, short, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) directory: Option<PathBuf>,

    /// Call it by this name.
    #[arg(long)]
    pub(crate) name: Option<String>,

    /// Fetch only these files, by the numbers that `sprat show` prints: `0,3-5`.
    #[arg(long, value_name = "FILES", value_parser = FileNumbers::parse)]
    pub(crate) only: Option<FileNumbers>,

    /// Fetch the pieces in order, so that the beginning can be used early.
    #[arg(long)]
    pub(crate) sequential: bool,

    /// Fetch the first and last pieces of each file before all others: a player finds there what it needs to begin.
    #[arg(long)]
    pub(crate) first_last: bool,

    /// As the only seed of a new torrent, give each piece to as few peers as possible, so that they give it to one another.
    #[arg(long)]
    pub(crate) super_seeding: bool,

    /// Put it before all others in the queue.
    #[arg(long)]
    pub(crate) first: bool,

    /// Write files that are there already although the daemon has not made them. What they hold of the torrent is kept; the rest
    /// of them is overwritten.
    #[arg(long)]
    pub(crate) adopt: bool,

    /// Also announce to this tracker. Can be given several times.
    #[arg(long = "tracker", value_name = "URL")]
    pub(crate) trackers: Vec<String>,

    /// Also connect to this peer. Can be given several times.
    #[arg(long = "peer", value_name = "ADDRESS:PORT")]
    pub(crate) peers: Vec<SocketAddr>,

    /// The most to receive, bytes per second; K, M and G are 1024, 1024² and 1024³.
    #[arg(long, value_name = "RATE", value_parser = byte_count)]
    pub(crate) download_limit: Option<u64>,

    /// The most to send, bytes per second.
    #[arg(long, value_name = "RATE", value_parser = byte_count)]
    pub(crate) upload_limit: Option<u64>,

    /// The daemon.
    #[command(flatten)]
    pub(crate) at: DaemonAt,
}

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

/// `sprat start`
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// Whatever the queue says.
    #[arg(long)]
    pub(crate) force: bool,

    /// Let it write files that are there already although the daemon has not made them.
    #[arg(long)]
    pub(crate) adopt: bool,

    /// Which.
    #[command(flatten)]
    pub(crate) which: WhichArgs,

    /// The daemon.
    #[command(flatten)]
    pub(crate) at: DaemonAt,
}

/// `sprat stop`, `sprat recheck`
#[derive(Debug, Args)]
pub(crate) struct ActArgs {
    /// Which.
    #[command(flatten)]
    pub(crate) which: WhichArgs,

    /// The daemon.
    #[command(flatten)]
    pub(crate) at: DaemonAt,
}

/// `sprat rm`
#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// Delete the files as well: those that the torrent has made, and that no other torrent uses.
    #[arg(long)]
    pub(crate) files: bool,

    /// Do not ask. Needed where nobody can be asked.
    #[arg(long, short)]
    pub(crate) yes: bool,

    /// Which.
    #[command(flatten)]
    pub(crate) which: WhichArgs,

    /// The daemon.
    #[command(flatten)]
    pub(crate) at: DaemonAt,
}

/// `sprat mv`
#[derive(Debug, Args)]
pub(crate) struct MoveArgs {
    /// Which.
    #[command(flatten)]
    pub(crate) which: WhichArgs,

    /// The directory that the files are to be in, as the daemon's machine has it.
    #[arg(long = "to", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) directory: PathBuf,

    /// The files are there already: somebody else has put them there.
    #[arg(long)]
    pub(crate) already_there: bool,

    /// Do not wait until it is done.
    #[arg(long)]
    pub(crate) no_wait: bool,

    /// The daemon.
    #[command(flatten)]
    pub(crate) at: DaemonAt,
}

/// A limit that can be taken away.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum LimitArg<T> {
    /// That of the torrent's label, or of all.
    Default,
    /// None.
    Unlimited,
    /// This.
    Limit(T),
}

/// Where in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum QueueArg {
    /// Before all others.
    Top,
    /// One place earlier.
    Up,
    /// One place later.
    Down,
    /// After all others.
    Bottom,
}

/// `sprat set`
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// Which.
    #[command(flatten)]
    pub(crate) which: WhichArgs,

    /// What.
    #[command(flatten)]
    pub(crate) change: ChangeArgs,

    /// The daemon.
    #[command(flatten)]
    pub(crate) at: DaemonAt,
}

/// What is changed of a torrent.
#[derive(Debug, Default, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct ChangeArgs {
    /// Call it by this name; empty is its own.
    #[arg(long)]
    pub(crate) name: Option<String>,

    /// Give it this label; empty is none.
    #[arg(long, value_name = "LABEL")]
    pub(crate) set_label: Option<String>,

    /// Tag it with this word. Can be given several times.
    #[arg(long, value_name = "TAG")]
    pub(crate) add_tag: Vec<String>,

    /// Take this tag away. Can be given several times.
    #[arg(long, value_name = "TAG")]
    pub(crate) remove_tag: Vec<String>,

    /// The most to receive, bytes per second (K, M and G are allowed), or `unlimited`.
    #[arg(long, value_name = "RATE", value_parser = rate_limit)]
    pub(crate) download_limit: Option<LimitArg<u64>>,

    /// The most to send, bytes per second, or `unlimited`.
    #[arg(long, value_name = "RATE", value_parser = rate_limit)]
    pub(crate) upload_limit: Option<LimitArg<u64>>,

    /// Connections at most, or `default`: as many as any torrent may have.
    #[arg(long, value_name = "N", value_parser = connection_limit)]
    pub(crate) connections: Option<LimitArg<u64>>,

    /// It has given enough after so many bytes for each byte of its content: a number, `unlimited` or `default`.
    #[arg(long, value_name = "RATIO", value_parser = ratio_limit)]
    pub(crate) ratio: Option<LimitArg<f64>>,

    /// It has given enough after seeding for so long: `90m`, `12h`, `7d`, `unlimited` or `default`.
    #[arg(long, value_name = "TIME", value_parser = time_limit)]
    pub(crate) seed_time: Option<LimitArg<u64>>,

    /// It has given enough when nobody has wanted anything for so long: as --seed-time.
    #[arg(long, value_name = "TIME", value_parser = time_limit)]
    pub(crate) idle_time: Option<LimitArg<u64>>,

    /// Whether to fetch the pieces in order.
    #[arg(long, value_name = "YES|NO", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) sequential: Option<bool>,

    /// Whether to fetch the first and last pieces of each file before all others.
    #[arg(long, value_name = "YES|NO", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) first_last: Option<bool>,

    /// Whether to give each piece to as few peers as possible, as the only seed of a new torrent.
    #[arg(long, value_name = "YES|NO", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) super_seeding: Option<bool>,

    /// Its place in the queue.
    #[arg(long, value_enum, value_name = "PLACE")]
    pub(crate) queue: Option<QueueArg>,
}

/// `sprat peers`
#[derive(Debug, Args)]
pub(crate) struct PeersArgs {
    /// The torrent.
    pub(crate) torrent: String,

    /// Have this peer called, instead of listing those that are connected. Can be given several times.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) add: Vec<SocketAddr>,

    /// The daemon.
    #[command(flatten)]
    pub(crate) at: DaemonAt,
}

/// `sprat trackers`
#[derive(Debug, Args)]
pub(crate) struct TrackersArgs {
    /// The torrent.
    pub(crate) torrent: String,

    /// Add this tracker, in a tier of its own after the others. Can be given several times.
    #[arg(long, value_name = "URL")]
    pub(crate) add: Vec<String>,

    /// Remove this tracker. Can be given several times.
    #[arg(long, value_name = "URL")]
    pub(crate) remove: Vec<String>,

    /// Ask the trackers for peers now, as far as they allow.
    #[arg(long)]
    pub(crate) announce: bool,

    /// The daemon.
    #[command(flatten)]
    pub(crate) at: DaemonAt,
}

/// `sprat files`
#[derive(Debug, Args)]
pub(crate) struct FilesArgs {
    /// The torrent.
    pub(crate) torrent: String,

    /// Fetch only these files, by the numbers that are listed: `0,3-5`.
    #[arg(long, value_name = "FILES", value_parser = FileNumbers::parse, conflicts_with_all = ["high", "normal", "low", "skip"])]
    pub(crate) only: Option<FileNumbers>,

    /// Fetch these files before others.
    #[arg(long, value_name = "FILES", value_parser = FileNumbers::parse)]
    pub(crate) high: Option<FileNumbers>,

    /// Fetch these files as usual.
    #[arg(long, value_name = "FILES", value_parser = FileNumbers::parse)]
    pub(crate) normal: Option<FileNumbers>,

    /// Fetch these files after others.
    #[arg(long, value_name = "FILES", value_parser = FileNumbers::parse)]
    pub(crate) low: Option<FileNumbers>,

    /// Do not fetch these files.
    #[arg(long, value_name = "FILES", value_parser = FileNumbers::parse)]
    pub(crate) skip: Option<FileNumbers>,

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

fn rate_limit(text: &str) -> Result<LimitArg<u64>, String> {
    match text {
        "unlimited" => Ok(LimitArg::Unlimited),
        _ => byte_count(text).map(LimitArg::Limit),
    }
}

fn connection_limit(text: &str) -> Result<LimitArg<u64>, String> {
    match text {
        "default" => Ok(LimitArg::Default),
        _ => {
            let most = text.parse().ok().filter(|most| *most > 0);
            most.map(LimitArg::Limit)
                .ok_or_else(|| format!("`{text}` is not a number above 0, nor `default`"))
        }
    }
}

fn ratio_limit(text: &str) -> Result<LimitArg<f64>, String> {
    match text {
        "unlimited" => Ok(LimitArg::Unlimited),
        "default" => Ok(LimitArg::Default),
        _ => {
            let ratio = text.parse::<f64>().ok().filter(|ratio| ratio.is_finite() && *ratio >= 0.0);
            let wrong = || format!("`{text}` is not a ratio such as 1.5, nor `unlimited` or `default`");
            ratio.map(LimitArg::Limit).ok_or_else(wrong)
        }
    }
}

/// Seconds.
fn time_limit(text: &str) -> Result<LimitArg<u64>, String> {
    match text {
        "unlimited" => return Ok(LimitArg::Unlimited),
        "default" => return Ok(LimitArg::Default),
        _ => {}
    }
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => 0,
    };
    let number = text.get(..text.len().saturating_sub(1)).and_then(|number| number.parse::<u64>().ok());
    let seconds = number.and_then(|number| number.checked_mul(unit)).filter(|_| unit > 0);
    let wrong = || format!("`{text}` is not a time such as 90m, 12h or 7d, nor `unlimited` or `default`");
    seconds.map(LimitArg::Limit).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_numbers_with_units_or_words() {
        assert_eq!(rate_limit("2M"), Ok(LimitArg::Limit(2 << 20)));
        assert_eq!(rate_limit("unlimited"), Ok(LimitArg::Unlimited));
        assert_eq!(ratio_limit("1.5"), Ok(LimitArg::Limit(1.5)));
        assert_eq!(ratio_limit("default"), Ok(LimitArg::Default));
        assert_eq!(time_limit("90m"), Ok(LimitArg::Limit(5400)));
        assert_eq!(time_limit("7d"), Ok(LimitArg::Limit(604_800)));
        for wrong in ["", "7", "d", "-1d", "1.5h", "99999999999999999999d", "7ä"] {
            assert!(time_limit(wrong).is_err(), "{wrong}");
        }
        assert_eq!(connection_limit("default"), Ok(LimitArg::Default));
        for wrong in ["", "0", "-1", "unlimited"] {
            assert!(connection_limit(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "-1", "nan", "inf"] {
            assert!(ratio_limit(wrong).is_err(), "{wrong}");
        }
    }
}
