//! The flags of what is asked of one torrent, or changed of it: peers, trackers, files.

use std::net::SocketAddr;

use clap::Args;

use super::DaemonAt;
use crate::cli::values::FileNumbers;

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
