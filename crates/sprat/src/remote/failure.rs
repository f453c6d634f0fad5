//! Why the daemon did not do what it was asked, and what a person can do about it.

use std::fmt;
use std::io;
use std::path::Path;

use hyper::StatusCode;
use serde::Deserialize;

use super::place::Address;
use crate::exit::{self, Failure};

/// A refusal of the API: the counterpart of the daemon's `ApiError`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Refused {
    /// A word for programs.
    pub(crate) error: String,
    /// A sentence for people.
    pub(crate) message: String,
    /// The torrent that is there already.
    #[serde(default)]
    pub(crate) hash: Option<String>,
}

/// Why a call was not answered as it should.
#[derive(Debug)]
pub(crate) enum CallError {
    /// Nobody could be reached.
    Connect { address: Address, error: io::Error },
    /// The connection broke, or the answer is none.
    Answer { address: Address, reason: String },
    /// The token does not open it, or not far enough.
    Token { address: Address, file: String, status: StatusCode, message: String },
    /// The daemon says no.
    Refused(Refused),
}

impl CallError {
    /// What an answer with this status and body means.
    pub(super) fn of_answer(status: StatusCode, body: &[u8], address: &Address, token_file: &Path) -> Self {
        let Ok(refused) = serde_json::from_slice::<Refused>(body) else {
            return Self::Answer {
                address: address.clone(),
                reason: format!("what answers there is no sprat daemon (status {})", status.as_u16()),
            };
        };
        let is_about_token = refused.error == "access"
            && matches!(
                status,
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
            );
        if is_about_token {
            let file = token_file.display().to_string();
            return Self::Token { address: address.clone(), file, status, message: refused.message };
        }
        Self::Refused(refused)
    }

    /// With the code that the program ends with.
    pub(crate) fn into_error(self) -> anyhow::Error {
        match self.exit() {
            Some(failure) => exit::coded(failure, self),
            None => self.into(),
        }
    }

    fn exit(&self) -> Option<Failure> {
        match self {
            Self::Connect { .. } | Self::Answer { .. } => Some(Failure::Network),
            Self::Token { .. } => None,
            Self::Refused(refused) => match refused.error.as_str() {
                "no_torrent" | "no_magnet" | "unknown_torrent" | "unknown_file" => Some(Failure::Torrent),
                "disk" | "state" | "move" => Some(Failure::Disk),
                "fetch" => Some(Failure::Network),
                _ => None,
            },
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { address, error } => connect(f, address, error),
            Self::Answer { address, reason } => write!(f, "{address}: {reason}"),
            Self::Token { address, file, status, .. } if *status == StatusCode::UNAUTHORIZED => write!(
                f,
                "the daemon at {address} does not know the token in {file}: it is another daemon's, or was revoked. Say with \
                 --token-file where the right one is"
            ),
            Self::Token { file, status, .. } if *status == StatusCode::FORBIDDEN => write!(
                f,
                "the token in {file} allows to look only: name one that allows everything with --token-file, such as `token` in \
                 the daemon's state directory"
            ),
            Self::Token { address, message, .. } => write!(f, "{address}: {message}; please wait a while"),
            Self::Refused(refused) => f.write_str(&refused.message),
        }
    }
}

fn connect(f: &mut fmt::Formatter<'_>, address: &Address, error: &io::Error) -> fmt::Result {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => write!(
            f,
            "no daemon is listening at {address}: start one with `sprat daemon`, or say with --daemon where one is"
        ),
        io::ErrorKind::PermissionDenied => {
            write!(f, "you may not use {address}: do it as the user that the daemon runs as")
        }
        io::ErrorKind::TimedOut => write!(f, "{address} does not answer"),
        // What rustls thinks of a certificate.
        io::ErrorKind::InvalidData => write!(
            f,
            "{address} cannot be trusted: {error}. Name the daemon with --daemon as its certificate does; authorities besides the \
             system's can be in a file that the variable SSL_CERT_FILE names"
        ),
        _ => write!(f, "{address} cannot be reached: {error}"),
    }
}

impl std::error::Error for CallError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> CallError {
        let address = "http://127.0.0.1:7772".parse().unwrap();
        CallError::of_answer(
            StatusCode::from_u16(status).unwrap(),
            body.as_bytes(),
            &address,
            Path::new("/t"),
        )
    }

    #[test]
    fn who_may_not_is_told_what_to_do() {
        let access = r#"{"error": "access", "message": "no"}"#;
        let wrong = answer(401, access);
        assert!(wrong.to_string().contains("does not know the token in /t"), "{wrong}");
        let read_only = answer(403, access);
        assert!(read_only.to_string().contains("allows to look only"), "{read_only}");
        let patient = answer(429, access);
        assert!(patient.to_string().contains("wait"), "{patient}");
        assert_eq!(wrong.exit(), None);

        let root = answer(403, r#"{"error": "directory", "message": "not there"}"#);
        assert_eq!(root.to_string(), "not there");
        let unknown = answer(404, r#"{"error": "unknown_torrent", "message": "there is no such torrent"}"#);
        assert_eq!(unknown.exit(), Some(Failure::Torrent));
    }

    #[test]
    fn another_server_is_not_taken_for_a_daemon() {
        let stranger = answer(404, "<html>nothing here</html>");
        assert!(stranger.to_string().contains("no sprat daemon (status 404)"), "{stranger}");
        assert_eq!(stranger.exit(), Some(Failure::Network));
    }
}
