//! The file of info-hashes, read again when it changes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use sprat_tracker::{Access, InfoHashList};
use tokio::sync::watch;
use tokio::time::sleep;

use super::service::Service;
use super::{AccessFile, TrackerServerError};

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_secs(5);

pub(super) struct WatchedList {
    path: PathBuf,
    mode: fn(InfoHashList) -> Access,
    /// What the file looked like when this list was made, a moment before it was first read.
    seen: Option<Look>,
}

/// A file that changes looks different, unless it changes within the clock's resolution to the same length.
type Look = (SystemTime, u64);

impl WatchedList {
    pub(super) fn new(file: &AccessFile) -> Option<Self> {
        let (path, mode): (&Path, fn(InfoHashList) -> Access) = match file {
            AccessFile::None => return None,
            AccessFile::Allow(path) => (path, Access::Allow),
            AccessFile::Deny(path) => (path, Access::Deny),
        };
        Some(Self { path: path.to_owned(), mode, seen: look(path).ok() })
    }

    pub(super) fn load(&self) -> Result<Access, TrackerServerError> {
        let text = fs::read_to_string(&self.path)
            .map_err(|source| TrackerServerError::ReadList { path: self.path.clone(), source })?;
        let list = InfoHashList::parse(&text)
            .map_err(|source| TrackerServerError::ParseList { path: self.path.clone(), source })?;
        Ok((self.mode)(list))
    }

    /// The list, if the file has changed.
    fn reload(&mut self) -> Option<Result<Access, TrackerServerError>> {
        // While an editor replaces the file there may be none: what is in force stays.
        let now = look(&self.path).ok()?;
        if self.seen == Some(now) {
            return None;
        }
        self.seen = Some(now);
        Some(self.load())
    }
}

/// Keeps the tracker's list like the file.
pub(super) async fn follow(mut list: WatchedList, service: Rc<Service>, mut stopping: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stopping.wait_for(|&stopping| stopping) => return,
            () = sleep(INTERVAL) => {}
        }
        // A list of a million lines takes a while, and a network file system as long as it likes.
        let read = tokio::task::spawn_blocking(move || {
            let access = list.reload();
            (list, access)
        });
        let Ok((returned, access)) = read.await else { return };
        list = returned;
        match access {
            None => {}
            Some(Ok(access)) => {
                tracing::info!(path = %list.path.display(), "the list of info-hashes has changed and is in force");
                service.set_access(access);
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "the list of info-hashes is of no use; the one before stays in force");
            }
        }
    }
}

fn look(path: &Path) -> io::Result<Look> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.modified()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use sprat_wire::hash::InfoHash;

    use super::*;

    #[test]
    fn a_changed_file_is_read_again_and_a_broken_one_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("allowed");
        fs::write(&path, format!("{}\n", "01".repeat(20))).unwrap();
        let mut list = WatchedList::new(&AccessFile::Allow(path.clone())).unwrap();
        let access = list.load().unwrap();
        assert!(access.permits(&InfoHash([1; 20])));
        assert!(!access.permits(&InfoHash([2; 20])));
        assert!(list.reload().is_none(), "nothing has changed");

        fs::write(&path, format!("{}\n{}\n", "01".repeat(20), "02".repeat(20))).unwrap();
        assert!(list.reload().unwrap().unwrap().permits(&InfoHash([2; 20])));

        fs::write(&path, "nonsense").unwrap();
        assert!(matches!(list.reload(), Some(Err(TrackerServerError::ParseList { .. }))));
        fs::remove_file(&path).unwrap();
        assert!(list.reload().is_none(), "the list in force stays");
    }
}
