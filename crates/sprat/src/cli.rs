//! The one declaration of every flag: help, man pages and completions are made from it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use sprat_wire::hash::InfoHash;

pub(crate) mod remote;
pub(crate) mod sim;

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

/// How the client behaves in the network and on disk.
#[derive(Debug, Args)]
pub(crate) struct ClientArgs {
    /// Port on which peers reach us; 0 takes any. Default: the first free one of 6881 to 6889.
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,

    /// Accept and make connections on this machine only.
    #[arg(long)]
    pub(crate) loopback: bool,

    /// Also announce to trackers besides those of the torrent. Can be given several times.
    #[arg(long = "tracker", value_name = "URL")]
    pub(crate) trackers: Vec<String>,

    /// Also connect to this peer. Can be given several times.
    #[arg(long = "peer", value_name = "ADDRESS:PORT")]
    pub(crate) peers: Vec<SocketAddr>,

    /// Let torrents and trackers lead to this machine and the local network. Off by default: a torrent from a
    /// stranger could otherwise make sprat talk to your router.
    #[arg(long)]
    pub(crate) allow_private: bool,

    /// Do not tell peers of other peers, nor believe what they tell.
    #[arg(long)]
    pub(crate) no_pex: bool,

    /// Do not announce torrents on the local network, nor look there for others.
    #[arg(long)]
    pub(crate) no_lsd: bool,

    /// Do not take part in the DHT: peers come from trackers and from --peer alone.
    #[arg(long)]
    pub(crate) no_dht: bool,

    /// A node of the DHT to ask first, instead of the public ones. Can be given several times.
    #[arg(long = "dht-node", value_name = "HOST:PORT", conflicts_with = "no_dht")]
    pub(crate) dht_entrances: Vec<String>,

    /// Limit of the download rate, bytes per second; K, M and G are 1024, 1024² and 1024³.
    #[arg(long, value_name = "RATE", value_parser = byte_count)]
    pub(crate) download_limit: Option<u64>,

    /// Limit of the upload rate, bytes per second; K, M and G are 1024, 1024² and 1024³.
    #[arg(long, value_name = "RATE", value_parser = byte_count)]
    pub(crate) upload_limit: Option<u64>,

    /// Connections of the torrent at most.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) connections: usize,

    /// Memory that everything together may take, at least 64M; K, M and G are 1024, 1024² and 1024³. Above it connections
    /// are let go.
    #[arg(long, value_name = "SIZE", value_parser = memory_size, default_value = "512M")]
    pub(crate) memory: usize,

    /// Where it is kept how far a torrent has come. Default: the state directory of the platform.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) state_dir: Option<PathBuf>,
}

/// `sprat get`
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// A .torrent file, a magnet link, or an http(s) URL of a .torrent file.
    pub(crate) source: String,

    /// Where the files go.
    #[arg(long, short, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,

    /// Fetch only these files, by the numbers that `sprat show` prints: `0,3-5`.
    #[arg(long, value_name = "NUMBERS", value_parser = FileNumbers::parse)]
    pub(crate) files: Option<FileNumbers>,

    /// Fetch the pieces in order, so that the beginning can be used early.
    #[arg(long)]
    pub(crate) sequential: bool,

    /// Reserve the space of every file when its first byte is written.
    #[arg(long)]
    pub(crate) preallocate: bool,

    /// Write files that are there already although no earlier run has made them. What they hold of the torrent is kept; the
    /// rest of them is overwritten.
    #[arg(long)]
    pub(crate) adopt: bool,

    /// Go on seeding when everything is there, until interrupted.
    #[arg(long)]
    pub(crate) seed: bool,

    /// In the network and on disk.
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// `sprat share`
#[derive(Debug, Args)]
pub(crate) struct ShareArgs {
    /// The file or directory.
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) path: PathBuf,

    /// Seed by this .torrent file instead of making one; PATH is the directory that holds its content, or the content.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) torrent: Option<PathBuf>,

    /// Where to save the .torrent file. Default: PATH with `.torrent` appended.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "torrent")]
    pub(crate) output: Option<PathBuf>,

    /// Run a tracker of our own at this address and put it into the torrent. Without any --tracker it is done on a
    /// free port.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) embedded_tracker: Option<SocketAddr>,

    /// Run no tracker: peers find each other in the DHT, or on the local network.
    #[arg(long, conflicts_with = "embedded_tracker")]
    pub(crate) no_tracker: bool,

    /// How the torrent is made.
    #[command(flatten)]
    pub(crate) make: MakeArgs,

    /// In the network and on disk.
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// How a torrent is made.
#[derive(Debug, Args)]
pub(crate) struct MakeArgs {
    /// Which piece hashes: v1 is understood by all clients, v2 finds bad data exactly, hybrid has both.
    #[arg(long, value_enum, default_value_t = TorrentVersion::Hybrid)]
    pub(crate) version: TorrentVersion,

    /// Bytes per piece, a power of two; K and M are allowed. Default: follows the size.
    #[arg(long, value_name = "BYTES", value_parser = byte_count)]
    pub(crate) piece_length: Option<u64>,

    /// Only peers from the torrent's own trackers (BEP 27).
    #[arg(long)]
    pub(crate) private: bool,

    /// A comment in the torrent.
    #[arg(long, value_name = "TEXT")]
    pub(crate) comment: Option<String>,

    /// A web seed (BEP 19). Can be given several times.
    #[arg(long = "web-seed", value_name = "URL")]
    pub(crate) web_seeds: Vec<String>,

    /// A node of the DHT to name in the torrent, for networks of their own (BEP 5). Can be given several times.
    #[arg(long = "node", value_name = "HOST:PORT")]
    pub(crate) nodes: Vec<String>,

    /// Leave the date of creation out, so that the same content makes the same file.
    #[arg(long)]
    pub(crate) no_date: bool,

    /// Threads that hash. Default: one per core.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
}

/// Generations of piece hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TorrentVersion {
    /// BEP 3.
    V1,
    /// BEP 52.
    V2,
    /// Both.
    Hybrid,
}

/// `sprat create`
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The file or directory.
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) path: PathBuf,

    /// Where to save the .torrent file. Default: the name of PATH with `.torrent` appended, here.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,

    /// Tracker. Each one given is a tier of its own; several in one, separated by commas, share a tier (BEP 12).
    #[arg(long = "tracker", value_name = "URL[,URL]")]
    pub(crate) trackers: Vec<String>,

    /// How the torrent is made.
    #[command(flatten)]
    pub(crate) make: MakeArgs,
}

/// `sprat show`
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// A magnet link, the path of a .torrent file, or a torrent of a daemon: by its info-hash or the beginning of it, by its
    /// name, or by a part of its name that no other torrent has. A file that is there comes first; what ends in `.torrent` or
    /// has a `/` in it is always a file.
    pub(crate) source: String,

    /// Print the magnet link only.
    #[arg(long)]
    pub(crate) magnet: bool,

    /// The daemon.
    #[command(flatten)]
    pub(crate) at: remote::DaemonAt,
}

/// `sprat verify`
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The .torrent file.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) torrent: PathBuf,

    /// The directory below which its files are.
    #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
}

/// `sprat tracker`
#[derive(Debug, Args)]
pub(crate) struct TrackerArgs {
    /// Serve HTTP at this address. Can be given several times. Default: port 6969 of every address.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) http: Vec<SocketAddr>,

    /// Serve UDP at this address. Can be given several times. Default: as --http.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) udp: Vec<SocketAddr>,

    /// Seconds between regular announces of a client.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) interval: Option<u32>,

    /// Serve only the torrents whose info-hashes are in this file, one in hexadecimal a line.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) allow: Option<PathBuf>,

    /// Do not serve the torrents whose info-hashes are in this file.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "allow")]
    pub(crate) deny: Option<PathBuf>,
}

/// `sprat dht`
#[derive(Debug, Args)]
pub(crate) struct DhtArgs {
    /// The UDP port. Default: any; for a node that others are told of, one of your choice.
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,

    /// Listen at this address alone. Can be given several times: a host with several links to the internet is a node on
    /// each of them.
    #[arg(long = "address", value_name = "IP")]
    pub(crate) addresses: Vec<IpAddr>,

    /// A node to ask first, instead of the public ones. Can be given several times.
    #[arg(long = "node", value_name = "HOST:PORT")]
    pub(crate) entrances: Vec<String>,

    /// Ask nobody first: the first node of a network of its own.
    #[arg(long, conflicts_with = "entrances")]
    pub(crate) first: bool,

    /// Nodes may be on this machine and in the local network.
    #[arg(long)]
    pub(crate) allow_private: bool,

    /// Where contacts are kept from run to run. Default: nowhere.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) state: Option<PathBuf>,

    /// What to do. Default: run a node until Ctrl-C.
    #[command(subcommand)]
    pub(crate) question: Option<DhtQuestion>,
}

/// What can be asked of the DHT.
#[derive(Debug, Subcommand)]
pub(crate) enum DhtQuestion {
    /// Print the peers of a torrent.
    Peers {
        /// Its info-hash: 40 hexadecimal digits (of a v2 hash, the first 40).
        info_hash: InfoHash,
    },
    /// Print an item that somebody has stored (BEP 44).
    Get {
        /// The SHA-1 of the value, or of the public key with the salt, in hexadecimal.
        target: InfoHash,
        /// The salt of a mutable item.
        #[arg(long, default_value = "")]
        salt: String,
    },
    /// Store an item (BEP 44): immutable, or mutable with --key.
    Put {
        /// A text of at most 996 bytes.
        value: String,
        /// A file with the 32 bytes of the secret key, in hexadecimal; made if it is not there.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        key: Option<PathBuf>,
        /// Tells several items of one key apart.
        #[arg(long, default_value = "", requires = "key")]
        salt: String,
        /// The version; a larger one replaces a smaller one. Default: the seconds since 1970.
        #[arg(long, requires = "key")]
        seq: Option<i64>,
    },
    /// Print info-hashes that nodes near a point hold (BEP 51).
    Sample {
        /// The point: 40 hexadecimal digits.
        target: InfoHash,
    },
    /// Print what there is, in numbers, once the node has found its place.
    Stat,
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

/// `4096`, `64K`, `1.5M`, `2G`.
fn byte_count(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a number of bytes such as 4096, 64K, 1.5M or 2G");
    let trimmed = text.trim_end_matches("iB").trim_end_matches('B');
    let (digits, unit) = match trimmed.chars().last() {
        Some('k' | 'K') => (trimmed.get(..trimmed.len() - 1).unwrap_or_default(), 1_u64 << 10),
        Some('m' | 'M') => (trimmed.get(..trimmed.len() - 1).unwrap_or_default(), 1 << 20),
        Some('g' | 'G') => (trimmed.get(..trimmed.len() - 1).unwrap_or_default(), 1 << 30),
        _ => (trimmed, 1),
    };
    if let Ok(whole) = digits.parse::<u64>() {
        return whole.checked_mul(unit).ok_or_else(wrong);
    }
    let fraction = digits.parse::<f64>().map_err(|_| wrong())?;
    let bytes = fraction * unit as f64;
    // Exact up to 2^53; nobody means more with a fraction.
    if bytes.is_finite() && (0.0..9.0e15).contains(&bytes) { Ok(bytes as u64) } else { Err(wrong()) }
}

/// With less, nothing would be left for peers.
const LEAST_MEMORY: u64 = 64 << 20;

fn memory_size(text: &str) -> Result<usize, String> {
    let bytes = byte_count(text)?;
    if bytes < LEAST_MEMORY {
        return Err(format!("`{text}` is not enough: at least 64M are needed"));
    }
    usize::try_from(bytes).map_err(|_| format!("`{text}` is more than this machine can have"))
}

/// File numbers of a torrent: `0,3-5`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileNumbers(Vec<std::ops::RangeInclusive<usize>>);

impl FileNumbers {
    fn parse(text: &str) -> Result<Self, String> {
        let range = |part: &str| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
            (from <= to).then_some(from..=to)
        };
        let ranges = text.split(',').map(range).collect::<Option<Vec<_>>>();
        ranges.map(Self).ok_or_else(|| format!("`{text}` is not a list of file numbers such as 0,3-5"))
    }

    /// Whether `number` is among them.
    pub(crate) fn contains(&self, number: usize) -> bool {
        self.0.iter().any(|range| range.contains(&number))
    }

    /// As the wire has them.
    pub(crate) fn ranges(&self) -> Vec<std::ops::RangeInclusive<u32>> {
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.0.iter().map(|range| number(*range.start())..=number(*range.end())).collect()
    }

    /// The highest of them.
    pub(crate) fn highest(&self) -> usize {
        self.0.iter().map(|range| *range.end()).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_declaration_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn byte_counts_have_units() {
        assert_eq!(byte_count("4096"), Ok(4096));
        assert_eq!(byte_count("64K"), Ok(65536));
        assert_eq!(byte_count("1.5MiB"), Ok(1_572_864));
        assert_eq!(byte_count("2G"), Ok(2 << 30));
        for wrong in ["", "x", "-1", "1T", "99999999999G", "nan", "1e400"] {
            assert!(byte_count(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn memory_is_64_mib_at_least() {
        assert_eq!(memory_size("64M"), Ok(64 << 20));
        assert!(memory_size("65535K").is_err());
    }

    #[test]
    fn file_numbers_are_lists_of_ranges() {
        let numbers = FileNumbers::parse("0,3-5").unwrap();
        assert!(numbers.contains(0) && numbers.contains(4) && !numbers.contains(2));
        assert_eq!(numbers.highest(), 5);
        assert!(FileNumbers::parse("5-3").is_err() && FileNumbers::parse("a").is_err());
    }
}
