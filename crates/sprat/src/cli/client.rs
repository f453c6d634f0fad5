//! The flags of what fetches and gives in this process.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::torrent_file::MakeArgs;
use super::values::{FileNumbers, byte_count, memory_size};

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
