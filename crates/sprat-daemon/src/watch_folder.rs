//! Directories from which `.torrent` and `.magnet` files are added.
//!
//! A directory is looked through every few seconds: file systems of other machines tell nobody what happens in them. A
//! file is taken once two looks have found it the same, so not while it is being written. Symbolic links are not
//! followed, and nothing is renamed or removed but the very file that was read.
//!
//! Each directory has a thread of its own, which may hang with its disk and holds up nothing else.

use std::io;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError, mpsc as thread_mpsc};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sprat_core::time::Time;
use sprat_wire::magnet::Magnet;
use sprat_wire::metainfo::Metainfo;
use tokio::sync::{mpsc, oneshot};

mod directory;
mod sightings;

use directory::Directory;
use sightings::Sightings;

pub use sightings::Stamp;

/// The longest `.torrent` file, in bytes: that of a download.
const MAX_TORRENT_LENGTH: u64 = 32 * 1024 * 1024;

/// The longest `.magnet` file, in bytes.
const MAX_MAGNET_LENGTH: u64 = 64 * 1024;

/// What becomes of a file that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Afterwards {
    /// It gets `.added` behind its name.
    #[default]
    Rename,
    /// It is deleted.
    Delete,
    /// It is left alone and remembered, and so is what cannot be added.
    Leave,
}

/// A directory that is watched.
#[derive(Debug, Clone)]
pub struct WatchConfig {
    /// The directory. Links on the way to it are followed.
    pub directory: PathBuf,
    /// How long to wait between two looks.
    pub interval: Duration,
    /// What becomes of the files.
    pub afterwards: Afterwards,
}

impl WatchConfig {
    /// A look every five seconds; files are renamed.
    #[must_use]
    pub const fn new(directory: PathBuf) -> Self {
        Self { directory, interval: Duration::from_secs(5), afterwards: Afterwards::Rename }
    }
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// A `.torrent` file. It was parsed once and is whole.
    TorrentFile(Bytes),
    /// A magnet link.
    Magnet(Box<Magnet>),
}

/// A file that is there.
#[derive(Debug)]
pub struct Found {
    /// Its name, for people.
    pub name: String,
    /// What it holds.
    pub document: Document,
    /// What became of it. Dropping it is [`Verdict::Later`].
    pub verdict: oneshot::Sender<Verdict>,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was added, or was there already.
    Added,
    /// It cannot be added, and never will be.
    Refused(String),
    /// It could not be added now. It comes again in a minute.
    Later,
}

/// What happens in a directory.
#[derive(Debug)]
pub enum News {
    /// Something to add.
    Found(Found),
    /// A file was left where it is: to be kept and given to [`WatchFolder::start`] the next time.
    Left(Left),
    /// The file with this name need not be kept any more.
    Gone(Vec<u8>),
}

/// A file that was dealt with and left where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Its name, as the file system has it.
    pub name: Vec<u8>,
    /// Which one it was. Another one with its name is new.
    pub stamp: Stamp,
}

/// How a directory is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WatchStatus {
    /// Since when it is being looked through, or a file is waiting to be added. Long, if the disk hangs.
    pub busy_since: Option<Instant>,
    /// Why it, or a file in it, cannot be read or renamed.
    pub trouble: Option<String>,
}

/// A directory that is watched. Dropping it ends that, without waiting for the disk.
#[derive(Debug)]
pub struct WatchFolder {
    status: Arc<Mutex<WatchStatus>>,
    _stop: thread_mpsc::Sender<()>,
}

impl WatchFolder {
    /// Watches, and tells `news`. `left` is what was left in the directory, by earlier news.
    pub fn start(config: WatchConfig, left: Vec<Left>, news: mpsc::Sender<News>) -> io::Result<Self> {
        let (stop, stopped) = thread_mpsc::channel();
        let status = Arc::new(Mutex::new(WatchStatus::default()));
        let watcher = Watcher {
            sightings: Sightings::new(left),
            begin: Instant::now(),
            status: Arc::clone(&status),
            config,
            news,
            trouble: None,
        };
        thread::Builder::new().name("watch-folder".to_owned()).spawn(move || watcher.run(&stopped))?;
        Ok(Self { status, _stop: stop })
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> WatchStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Nobody listens any more.
struct Ended;

struct Watcher {
    sightings: Sightings,
    begin: Instant,
    status: Arc<Mutex<WatchStatus>>,
    config: WatchConfig,
    news: mpsc::Sender<News>,
    /// The first of the present look.
    trouble: Option<String>,
}

impl Watcher {
    fn run(mut self, stopped: &thread_mpsc::Receiver<()>) {
        loop {
            self.update(|status| status.busy_since = Some(Instant::now()));
            let ended = self.look().is_err();
            let trouble = self.trouble.take();
            self.update(|status| {
                if trouble.is_some() && trouble != status.trouble {
                    tracing::warn!(trouble, "a watched directory has a problem");
                }
                *status = WatchStatus { busy_since: None, trouble };
            });
            let wait = stopped.recv_timeout(self.config.interval);
            if ended || wait != Err(thread_mpsc::RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    fn update(&self, change: impl FnOnce(&mut WatchStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn look(&mut self) -> Result<(), Ended> {
        let found = Directory::open(&self.config.directory)
            .and_then(|directory| directory.list().map(|listing| (directory, listing)));
        let (directory, listing) = match found {
            Ok(found) => found,
            Err(error) => {
                self.note(format!("{}: {error}", self.config.directory.display()));
                return Ok(());
            }
        };
        for gone in self.sightings.see(self.now(), listing) {
            self.tell(News::Gone(gone))?;
        }
        for (name, stamp) in self.sightings.settled(self.now()) {
            self.take(&directory, &name, stamp)?;
        }
        Ok(())
    }

    fn take(&mut self, directory: &Directory, name: &[u8], stamp: Stamp) -> Result<(), Ended> {
        let is_magnet = has_extension(name, b".magnet");
        let limit = if is_magnet { MAX_MAGNET_LENGTH } else { MAX_TORRENT_LENGTH };
        if stamp.size > limit {
            return self.refuse(directory, name, stamp, &format!("longer than {limit} bytes"));
        }
        let bytes = match directory.read(name, stamp) {
            Ok(Some(bytes)) => bytes,
            // Changed since: the next look sees it as new.
            Ok(None) => return Ok(()),
            Err(error) => {
                self.later(name, &error);
                return Ok(());
            }
        };
        match document(bytes, is_magnet) {
            Err(reason) => self.refuse(directory, name, stamp, &reason),
            Ok(document) => {
                let (verdict, answer) = oneshot::channel();
                self.tell(News::Found(Found { name: shown(name), document, verdict }))?;
                match answer.blocking_recv().unwrap_or(Verdict::Later) {
                    Verdict::Added => self.dispose(directory, name, stamp, self.config.afterwards, ".added"),
                    Verdict::Refused(reason) => self.set_aside(directory, name, stamp, &reason),
                    Verdict::Later => {
                        self.sightings.put_off(name, self.now());
                        Ok(())
                    }
                }
            }
        }
    }

    /// What cannot be read may be half of what somebody is still writing, slowly.
    fn refuse(
        &mut self,
        directory: &Directory,
        name: &[u8],
        stamp: Stamp,
        reason: &str,
    ) -> Result<(), Ended> {
        if !self.sightings.has_long_been_the_same(name, self.now()) {
            return Ok(());
        }
        self.set_aside(directory, name, stamp, reason)
    }

    fn set_aside(
        &mut self,
        directory: &Directory,
        name: &[u8],
        stamp: Stamp,
        reason: &str,
    ) -> Result<(), Ended> {
        tracing::warn!(file = shown(name), reason, "a file in a watched directory cannot be added");
        let afterwards = match self.config.afterwards {
            Afterwards::Rename | Afterwards::Delete => Afterwards::Rename,
            Afterwards::Leave => Afterwards::Leave,
        };
        self.dispose(directory, name, stamp, afterwards, ".invalid")
    }

    fn dispose(
        &mut self,
        directory: &Directory,
        name: &[u8],
        stamp: Stamp,
        afterwards: Afterwards,
        suffix: &str,
    ) -> Result<(), Ended> {
        let done = match afterwards {
            Afterwards::Rename => directory.rename(name, stamp, suffix),
            Afterwards::Delete => directory.delete(name, stamp),
            Afterwards::Leave => Ok(()),
        };
        if let Err(error) = done {
            self.note(format!("{}: {error}", shown(name)));
        } else if afterwards != Afterwards::Leave {
            return Ok(());
        }
        // What could be neither renamed nor deleted must not be added again and again.
        let left = Left { name: name.to_vec(), stamp };
        self.sightings.leave(left.clone());
        self.tell(News::Left(left))
    }

    fn later(&mut self, name: &[u8], error: &io::Error) {
        self.note(format!("{}: {error}", shown(name)));
        self.sightings.put_off(name, self.now());
    }

    fn note(&mut self, trouble: String) {
        self.trouble.get_or_insert(trouble);
    }

    fn tell(&self, news: News) -> Result<(), Ended> {
        self.news.blocking_send(news).map_err(|_| Ended)
    }

    fn now(&self) -> Time {
        Time::ZERO + self.begin.elapsed()
    }
}

fn document(bytes: Vec<u8>, is_magnet: bool) -> Result<Document, String> {
    if is_magnet {
        let text = str::from_utf8(&bytes).map_err(|_| "not text".to_owned())?;
        return Magnet::from_str(text)
            .map(|magnet| Document::Magnet(Box::new(magnet)))
            .map_err(|error| error.to_string());
    }
    Metainfo::parse(&bytes).map_err(|error| error.to_string())?;
    Ok(Document::TorrentFile(bytes.into()))
}

fn has_extension(name: &[u8], extension: &[u8]) -> bool {
    let start = name.len().saturating_sub(extension.len());
    name.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(extension))
}

/// A name in one line of a log.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().map(|char| if char.is_control() { '?' } else { char }).collect()
}

#[cfg(test)]
mod tests;
