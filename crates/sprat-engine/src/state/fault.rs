//! What can go wrong with the state directory, in the terms in which somebody can act on it.

use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::io::Errno;
use thiserror::Error;

/// Why the state could not be opened or changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StateError {
    /// No room on the disk, or a quota is used up. When there is room again, the next commit succeeds.
    #[error("no room for the state: {0}")]
    Full(String),
    /// The directory or something in it may not be read or written by us.
    #[error("the state may not be read or written: {0}")]
    NotWritable(String),
    /// Another process has the directory.
    #[error("the state directory is in use by another process: {0}")]
    InUse(String),
    /// A newer version of the program has written it.
    #[error("the state has format {found}, and this version of the program knows formats up to {known}")]
    TooNew {
        /// The format that was found.
        found: u32,
        /// The newest format that we know.
        known: u32,
    },
    /// Any other trouble with the disk.
    #[error("the state cannot be read or written: {0}")]
    Io(String),
    /// The thread that keeps the state has ended.
    #[error("the state is closed")]
    Closed,
}

impl StateError {
    /// `error`, met while `doing` something.
    pub(crate) fn of(doing: impl Display, error: &io::Error) -> Self {
        let detail = format!("{doing}: {error}");
        match Errno::from_io_error(error) {
            Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Self::Full(detail),
            Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Self::NotWritable(detail),
            _ => Self::Io(detail),
        }
    }
}

/// Why a database did not do what it was told.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The file is not what was written.
    Damaged(String),
    /// The device does not give the file back (EIO).
    Unreadable(String),
    /// The system does not let us; the file may be as it should.
    Refused(StateError),
}

impl Trouble {
    /// For a file that cannot be told from one that the system refuses.
    pub(super) fn into_error(self) -> StateError {
        match self {
            Self::Damaged(detail) | Self::Unreadable(detail) => StateError::Io(detail),
            Self::Refused(error) => error,
        }
    }
}

/// Calls the database. What it finds in a damaged file may make it panic, which must not be the end of the program.
///
/// Whatever `call` used must not be used again after trouble.
pub(super) fn guarded<T>(
    name: &str,
    doing: &str,
    call: impl FnOnce() -> Result<T, redb::Error>,
) -> Result<T, Trouble> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(redb::Error::Io(error))) => Err(io_trouble(format!("{name}: {doing}"), &error)),
        Ok(Err(redb::Error::DatabaseAlreadyOpen)) => {
            Err(Trouble::Refused(StateError::InUse(name.to_owned())))
        }
        Ok(Err(error)) => Err(Trouble::Damaged(format!("{name}: {doing}: {error}"))),
        Err(_) => Err(Trouble::Damaged(format!("{name}: {doing}: the database panicked"))),
    }
}

/// Tells damage from refusal. What the database itself finds wrong has no number of the system's.
pub(super) fn io_trouble(doing: impl Display, error: &io::Error) -> Trouble {
    match Errno::from_io_error(error) {
        Some(Errno::IO) => Trouble::Unreadable(format!("{doing}: {error}")),
        None if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
            Trouble::Damaged(format!("{doing}: {error}"))
        }
        _ => Trouble::Refused(StateError::of(doing, error)),
    }
}
