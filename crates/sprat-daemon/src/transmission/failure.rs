//! Why something was not done, in the terms of the protocol.

use sprat_engine::client::Ended;
use thiserror::Error;

use super::value::Object;
use crate::service::{AddError, ChangeError, InspectError, MoveError};

/// What kind of failure it is: the numbers of JSON-RPC, and those that Transmission has added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Code {
    #[error("this is not JSON")]
    Parse = -32700,
    #[error("this is not a request")]
    InvalidRequest = -32600,
    #[error("there is no such method")]
    MethodNotFound = -32601,
    #[error("the parameters make no sense")]
    InvalidParams = -32602,
    #[error("it could not be done")]
    Internal = -32603,
    #[error("the trackers could not be set")]
    Trackers = 1,
    #[error("these are not trackers")]
    NoTrackers = 2,
    #[error("the path does not begin at the root")]
    RelativePath = 3,
    #[error("this is not a torrent")]
    NoTorrent = 4,
    #[error("the system refuses")]
    System = 5,
    #[error("there is no such file in the torrent")]
    NoFile = 6,
    #[error("what was to be fetched cannot be had")]
    Fetch = 8,
}

impl Code {
    /// The number in an error of JSON-RPC.
    pub(super) const fn number(self) -> i32 {
        self as i32
    }
}

/// A failure.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{detail}")]
pub(super) struct Failure {
    /// Which kind.
    pub(super) code: Code,
    /// What exactly, for a person.
    pub(super) detail: String,
    /// What is answered nevertheless.
    pub(super) result: Object,
}

impl Failure {
    /// A failure that is explained.
    pub(super) fn new(code: Code, detail: impl ToString) -> Self {
        Self { code, detail: detail.to_string(), result: Object::new() }
    }

    /// One that says what is wrong by its kind.
    pub(super) fn plain(code: Code) -> Self {
        Self::new(code, code)
    }

    /// A parameter is missing or makes no sense.
    pub(super) fn parameter(name: &str, problem: &str) -> Self {
        Self::new(Code::InvalidParams, format!("{name}: {problem}"))
    }
}

impl From<Ended> for Failure {
    fn from(error: Ended) -> Self {
        Self::new(Code::Internal, error)
    }
}

impl From<AddError> for Failure {
    fn from(error: AddError) -> Self {
        let code = match &error {
            AddError::Metainfo(_) | AddError::Magnet(_) => Code::NoTorrent,
            AddError::Directory(directory) if directory.is_relative() => Code::RelativePath,
            AddError::Directory(_) | AddError::Name(_) | AddError::Address(_) => Code::InvalidParams,
            AddError::Engine(_) => Code::System,
            _ => Code::Internal,
        };
        Self::new(code, error)
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        let code = match &error {
            ChangeError::Name(_) | ChangeError::Address(_) => Code::InvalidParams,
            ChangeError::File(_) => Code::NoFile,
            ChangeError::State(_) => Code::System,
            _ => Code::Internal,
        };
        Self::new(code, error)
    }
}

impl From<InspectError> for Failure {
    fn from(error: InspectError) -> Self {
        Self::new(Code::Internal, error)
    }
}

impl From<MoveError> for Failure {
    fn from(error: MoveError) -> Self {
        let code = match &error {
            MoveError::Directory(directory) if directory.is_relative() => Code::RelativePath,
            MoveError::Directory(_) | MoveError::Path(_) | MoveError::Name(_) => Code::InvalidParams,
            MoveError::Engine(_) => Code::System,
            _ => Code::Internal,
        };
        Self::new(code, error)
    }
}
