//! The file of a database, by way of [`disk`]: so a test sees what a database does to the disk, as it sees the rest.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::disk;

#[derive(Debug)]
pub(super) struct DatabaseFile {
    file: File,
    /// Of the same file: knows how databases are locked.
    locks: FileBackend,
}

impl DatabaseFile {
    /// Opens a file, or makes an empty one.
    pub(super) fn open(path: &Path) -> Result<Self, DatabaseError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let file = disk::open(path, flags, Mode::from_raw_mode(0o666)).map_err(io::Error::from);
        let file = File::from(file.map_err(redb::StorageError::from)?);
        let locks = FileBackend::new(file.try_clone().map_err(redb::StorageError::from)?)?;
        Ok(Self { file, locks })
    }
}

impl StorageBackend for DatabaseFile {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(disk::fstat(&self.file)?.st_size).unwrap_or(0))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut read = 0;
        while let Some(rest) = out.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match disk::pread(&self.file, rest, offset + read as u64) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(more) => read += more,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        retried(|| disk::ftruncate(&self.file, length))
    }

    fn sync_data(&self) -> io::Result<()> {
        retried(|| disk::fdatasync(&self.file))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        write_all_at(&self.file, data, offset)
    }

    fn close(&self) -> io::Result<()> {
        self.locks.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.locks.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.locks.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.locks.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.locks.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.locks.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.locks.query_lock_range(start, end)
    }
}

/// Writes every byte.
pub(super) fn write_all_at(file: &File, data: &[u8], offset: u64) -> io::Result<()> {
    let mut written = 0;
    while let Some(rest) = data.get(written..).filter(|rest| !rest.is_empty()) {
        match disk::pwrite(file, rest, offset + written as u64) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(more) => written += more,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Tries again whenever a signal came between.
pub(super) fn retried(mut act: impl FnMut() -> Result<(), Errno>) -> io::Result<()> {
    loop {
        match act() {
            Err(Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}
