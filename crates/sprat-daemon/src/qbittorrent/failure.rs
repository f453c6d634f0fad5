//! How a refusal looks: a status, and a sentence for people.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use sprat_engine::client::Ended;

use crate::service::{AddError, ChangeError, InspectError, MoveError};

/// Why something was not done. Not 401 or 403: programs take these for an ended session, and log in again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    status: StatusCode,
    text: String,
}

impl Failure {
    /// A refusal.
    pub(super) fn new(status: StatusCode, text: impl ToString) -> Self {
        Self { status, text: text.to_string() }
    }

    /// What was sent makes no sense.
    pub(super) fn bad_request(text: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// There is no such thing.
    pub(super) fn unknown(text: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// It makes sense, and cannot be done.
    pub(super) fn conflict(text: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, text)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, self.text).into_response()
    }
}

impl From<Ended> for Failure {
    fn from(error: Ended) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error)
    }
}

impl From<AddError> for Failure {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Ended(error) => error.into(),
            AddError::Metainfo(_) => Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error),
            _ => Self::conflict(error),
        }
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Unknown => Self::unknown(error),
            ChangeError::State(_) => Self::new(StatusCode::INSUFFICIENT_STORAGE, error),
            ChangeError::Ended(error) => error.into(),
            ChangeError::Name(_) | ChangeError::File(_) | ChangeError::Address(_) => Self::conflict(error),
        }
    }
}

impl From<InspectError> for Failure {
    fn from(error: InspectError) -> Self {
        match error {
            InspectError::Unknown | InspectError::File(_) => Self::unknown(error),
            InspectError::Ended(error) => error.into(),
            _ => Self::conflict(error),
        }
    }
}

impl From<MoveError> for Failure {
    fn from(error: MoveError) -> Self {
        match error {
            MoveError::Unknown => Self::unknown(error),
            MoveError::Ended(error) => error.into(),
            _ => Self::conflict(error),
        }
    }
}
