//! What the system reports, in the terms of [`StorageErrorKind`].

use std::fmt::Display;

use rustix::io::Errno;
use sprat_core::storage::{StorageError, StorageErrorKind};

/// `errno`, met while `doing` something with `file`.
pub(super) fn fault(file: impl Display, doing: &str, errno: Errno) -> StorageError {
    StorageError { kind: kind_of(errno), detail: format!("{file}: {doing}: {errno}") }
}

/// A file is not what we count on.
pub(super) fn changed(file: impl Display, what: &str) -> StorageError {
    StorageError { kind: StorageErrorKind::Changed, detail: format!("{file}: {what}") }
}

/// Something has the place of one of our files.
pub(super) fn conflict(file: impl Display, what: &str) -> StorageError {
    StorageError { kind: StorageErrorKind::Conflict, detail: format!("{file}: {what}") }
}

/// Any other trouble.
pub(super) fn other(what: impl Into<String>) -> StorageError {
    StorageError { kind: StorageErrorKind::Io, detail: what.into() }
}

/// The system's word for what `std` reports.
pub(super) fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

fn kind_of(errno: Errno) -> StorageErrorKind {
    match errno {
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => StorageErrorKind::Full,
        Errno::ACCESS | Errno::PERM | Errno::ROFS => StorageErrorKind::NotWritable,
        // LOOP and XDEV: a symbolic link lies in the way. NXIO: a socket or FIFO does.
        Errno::NOENT | Errno::NOTDIR | Errno::ISDIR | Errno::LOOP | Errno::XDEV | Errno::NXIO => {
            StorageErrorKind::Changed
        }
        _ => StorageErrorKind::Io,
    }
}
