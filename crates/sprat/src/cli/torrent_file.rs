//! The flags of what makes and reads torrent files.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::remote::DaemonAt;
use super::values::byte_count;

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
    pub(crate) at: DaemonAt,
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
