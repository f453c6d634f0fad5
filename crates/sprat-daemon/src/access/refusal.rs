//! Why a request may not pass, and what it is told.

use std::time::Duration;

use axum::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use thiserror::Error;

/// Why a request may not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The name that it was sent to is none of ours.
    #[error(
        "this name is not served here: if it is meant to be, add it to api.hosts in the configuration file"
    )]
    WrongHost,
    /// A page of somebody else has sent it, or nobody says which page.
    #[error("this comes from a page of another site")]
    ForeignOrigin,
    /// A header stands there twice, or is none.
    #[error("the request is malformed")]
    Malformed,
    /// A trusted proxy does not say for whom it asks.
    #[error("the proxy does not say who asks")]
    NoClient,
    /// It has no token and no session.
    #[error("a token is needed")]
    NoToken,
    /// What it has is not right, or not right any more.
    #[error("the token is wrong or has been revoked, or the session has ended")]
    WrongToken,
    /// So many were wrong before that nothing is heard from there for a while.
    #[error("too many wrong tokens from your network")]
    TooMany {
        /// For how long.
        wait: Duration,
    },
    /// The link is not one of ours, or opens nothing any more.
    #[error("this link is wrong or has ended")]
    WrongLink,
    /// It has a token that allows to look.
    #[error("this token allows to look only")]
    ReadOnly,
}

impl Refusal {
    /// The status that says so.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::WrongHost => StatusCode::MISDIRECTED_REQUEST,
            Self::ForeignOrigin | Self::ReadOnly | Self::WrongLink => StatusCode::FORBIDDEN,
            Self::Malformed | Self::NoClient => StatusCode::BAD_REQUEST,
            Self::NoToken | Self::WrongToken => StatusCode::UNAUTHORIZED,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// Headers that belong to it. Not `Basic`: browsers would ask for a password that does not exist.
    #[must_use]
    pub fn headers(self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::NoToken | Self::WrongToken => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::TooMany { wait } => {
                headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
            }
            _ => {}
        }
        headers
    }

    /// As plain text.
    #[must_use]
    pub fn to_text(self) -> Response {
        (self.status(), self.headers(), format!("{self}\n")).into_response()
    }
}
