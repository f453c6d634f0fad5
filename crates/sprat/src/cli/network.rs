//! The flags of what helps peers to find one another: a tracker, a node of the DHT.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use sprat_wire::hash::InfoHash;

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
