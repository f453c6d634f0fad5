//! The flags of what is done to several torrents.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{DaemonAt, WhichArgs};

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
