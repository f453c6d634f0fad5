//! The flags of `sprat add`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::DaemonAt;
use crate::cli::values::{FileNumbers, byte_count};

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
