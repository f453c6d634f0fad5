//! Reading a file of a torrent while it is downloaded.

use bytes::Bytes;
use sprat_core::io::ReaderId;
use sprat_core::storage::{StorageError, TorrentId};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::Task;

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// There is no such torrent, or not any more.
    #[error("there is no such torrent")]
    NoTorrent,
    /// Which files it has is not known yet.
    #[error("the files are not known yet")]
    FilesUnknown,
    /// The torrent has no file of this number, or it is padding.
    #[error("there is no file number {0}")]
    NoSuchFile(usize),
    /// The disk would not give it. It can be tried again: what is gone is fetched once more.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The client has ended.
    #[error("the client has ended")]
    Ended,
}

/// Reads a file of a torrent, and has the client fetch what is needed next before all else, a few seconds ahead of where was read
/// last. What is skipped otherwise is fetched for it as well. Several may read at a time. A torrent that is read does not sleep; one
/// that is paused, or being moved, is read as far as it is there, and waited for: whoever does not want to wait for ever has a
/// time limit of his own.
#[derive(Debug)]
pub struct FileReader {
    /// Not strong: a reader does not keep the client running.
    pub(super) tasks: mpsc::WeakUnboundedSender<Task>,
    pub(super) id: ReaderId,
    pub(super) length: u64,
}

impl FileReader {
    /// Bytes of the file.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Reads at this place of the file, at most so many bytes and as many as are there at once, but at least one, for which it waits;
    /// none at the end of the file. What comes is verified. Whoever stops waiting may read again.
    pub async fn read_at(&mut self, offset: u64, most: usize) -> Result<Bytes, ReadError> {
        if most == 0 || offset >= self.length {
            return Ok(Bytes::new());
        }
        let (answer, result) = oneshot::channel();
        let id = self.id;
        self.run(Box::new(move |driver| driver.read_at(id, offset, most, answer)))?;
        result.await.map_err(|_| ReadError::Ended)?
    }

    fn run(&self, task: Task) -> Result<(), ReadError> {
        let tasks = self.tasks.upgrade().ok_or(ReadError::Ended)?;
        tasks.send(task).map_err(|_| ReadError::Ended)
    }
}

impl Drop for FileReader {
    fn drop(&mut self) {
        let id = self.id;
        // If the client has ended, nobody need know.
        let _ = self.run(Box::new(move |driver| driver.end_reading(id)));
    }
}

/// What the session's thread is asked when a reader is made.
pub(super) type Opened = Result<(ReaderId, u64), ReadError>;

/// Which file of which torrent somebody reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) torrent: TorrentId,
    pub(super) file: usize,
}

/// How its bytes come.
pub(super) type Answer = oneshot::Sender<Result<Bytes, ReadError>>;
