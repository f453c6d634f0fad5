//! What the program's exit code says (documented by `sprat --help`).

use std::fmt;
use std::process::ExitCode;

/// Why a command did not succeed, as far as a script can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The torrent, link or URL cannot be used.
    Torrent = 3,
    /// The disk would not do as asked.
    Disk = 4,
    /// Nothing could be reached, or nothing could be listened on.
    Network = 5,
    /// Files do not match their torrent.
    Mismatch = 6,
    /// It was interrupted: by Ctrl-C, SIGTERM or SIGHUP. One code for all, as they mean the same.
    Interrupted = 130,
}

/// An error that carries its exit code through `anyhow`.
#[derive(Debug)]
pub(crate) struct Coded {
    failure: Failure,
    error: anyhow::Error,
    /// Said below it, each on a line of its own.
    details: Vec<String>,
}

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // With its causes, since nobody looks behind this one.
        write!(f, "{:#}", self.error)
    }
}

impl std::error::Error for Coded {}

/// Gives errors their exit code.
pub(crate) trait OrExit<T> {
    /// As `?`, with this exit code.
    fn or_exit(self, failure: Failure) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, failure: Failure) -> anyhow::Result<T> {
        self.map_err(|error| coded(failure, error))
    }
}

/// An error with this exit code and this text.
pub(crate) fn fail<T>(failure: Failure, text: impl fmt::Display) -> anyhow::Result<T> {
    Err(anyhow::anyhow!("{text}")).or_exit(failure)
}

/// An error with its exit code.
pub(crate) fn coded(failure: Failure, error: impl Into<anyhow::Error>) -> anyhow::Error {
    Coded { failure, error: error.into(), details: Vec::new() }.into()
}

/// As [`fail`], with lines to be said below it.
pub(crate) fn fail_listing<T>(
    failure: Failure,
    text: impl fmt::Display,
    details: Vec<String>,
) -> anyhow::Result<T> {
    Err(Coded { failure, error: anyhow::anyhow!("{text}"), details }.into())
}

/// What is to be said below an error.
pub(crate) fn details(error: &anyhow::Error) -> &[String] {
    error.downcast_ref::<Coded>().map_or(&[], |coded| &coded.details)
}

/// The exit code of an error.
pub(crate) fn code(error: &anyhow::Error) -> ExitCode {
    error.downcast_ref::<Coded>().map_or(ExitCode::FAILURE, |coded| ExitCode::from(coded.failure as u8))
}
