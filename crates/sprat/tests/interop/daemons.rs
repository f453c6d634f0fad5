//! Programs that run torrents for others, behind one face: each is started, told what to do, and asked how it does.

mod qbittorrent;
mod sprat;
mod transmission;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::process::{Process, wait_until};

/// The longest that one of them takes until all torrents are checked: Transmission rests for a tenth of a second after each.
const START_LIMIT: Duration = Duration::from_secs(3600);

/// The daemons, sprat first.
pub(crate) const ALL: [&dyn Daemon; 3] =
    [&sprat::Sprat, &transmission::Transmission, &qbittorrent::Qbittorrent];

/// A program that runs torrents.
pub(crate) trait Daemon {
    /// What to call it.
    fn name(&self) -> &'static str;

    /// Why it cannot be used here, if so.
    fn absence(&self) -> Option<String>;

    /// Starts it; it may not answer yet. It speaks to peers over plain TCP and to trackers, and looks for peers in no other way; as many
    /// torrents run as there are, and several may be checked at a time.
    fn start(&self, home: &Home<'_>) -> Result<Running>;
}

/// Where a daemon finds what it needs.
pub(crate) struct Home<'a> {
    /// Below it lie the files of all torrents.
    pub(crate) content: &'a Path,
    /// A directory of its own, which outlives it.
    pub(crate) state: &'a Path,
}

/// A daemon at work. It is gone when this is dropped.
pub(crate) struct Running {
    pub(crate) process: Process,
    /// The ways of asking it, the one that it is told by first.
    pub(crate) doors: Vec<Door>,
}

/// Opens a connection of its own to a daemon.
pub(crate) type Door = Box<dyn Fn() -> Result<Box<dyn Api>> + Send + Sync>;

impl Running {
    /// A connection by which it is told.
    pub(crate) fn control(&self) -> Result<Box<dyn Api>> {
        self.doors.first().context("a door")?()
    }

    /// Waits until it answers and so many torrents seed.
    pub(crate) fn until_seeding(&mut self, torrents: usize) -> Result<()> {
        let mut control = None;
        wait_until(&format!("{torrents} torrents seed"), START_LIMIT, || {
            self.process.must_be_running()?;
            if control.is_none() {
                // It may not listen yet, or not have written down yet what is needed.
                control = self.doors.first().and_then(|door| door().ok());
            }
            Ok(control.as_mut().is_some_and(|control| control.seeds().is_ok_and(|seeds| seeds >= torrents)))
        })
    }
}

/// A torrent to be added.
#[derive(Clone)]
pub(crate) struct Torrent {
    /// The `.torrent` file.
    pub(crate) metainfo: Vec<u8>,
    /// Its info-hash in hex.
    pub(crate) hash: String,
    /// The directory in which its content lies, or will lie.
    pub(crate) directory: PathBuf,
}

/// How far a torrent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// What is there is compared with its hashes, or will be.
    Checking,
    /// It lacks something.
    Downloading,
    /// It has everything.
    Seeding,
}

/// How a torrent does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) stage: Stage,
    /// Bytes of it that are had.
    pub(crate) have: u64,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) enum Question<'a> {
    /// One torrent in detail.
    Status(&'a str),
    /// A part of the list, by name: after so many torrents, those with these hashes.
    Page { offset: usize, hashes: &'a [String] },
    /// What has changed since it was last asked.
    Changes,
    /// The whole list.
    Everything,
}

/// A connection to a daemon.
pub(crate) trait Api: Send {
    /// What to call it.
    fn name(&self) -> &'static str;

    /// Adds torrents and starts them. What lies where they belong is taken for theirs.
    fn add(&mut self, torrents: &[Torrent]) -> Result<()>;

    /// Removes a torrent, and the files that it has made.
    fn remove(&mut self, hash: &str) -> Result<()>;

    /// Has a torrent checked.
    fn recheck(&mut self, hash: &str) -> Result<()>;

    /// How a torrent does; `None` if it is not there.
    fn progress(&mut self, hash: &str) -> Result<Option<Progress>>;

    /// How many torrents seed.
    fn seeds(&mut self) -> Result<usize>;

    /// Asks, and returns the bytes of the answer.
    fn ask(&mut self, question: Question<'_>) -> Result<usize>;
}
