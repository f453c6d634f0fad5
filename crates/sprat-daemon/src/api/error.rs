//! How a refusal looks: a status, and an object with a word for programs and a sentence for people.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sprat_engine::client::Ended;
use utoipa::ToSchema;

use crate::fetch::FetchError;
use crate::service::{AddError, ChangeError, InspectError, MoveError};

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ApiError {
    #[serde(skip)]
    status: StatusCode,
    /// A word for programs.
    pub error: &'static str,
    /// A sentence for people.
    pub message: String,
    /// The torrent that is there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

impl ApiError {
    /// A refusal.
    pub fn new(status: StatusCode, error: &'static str, message: impl ToString) -> Self {
        Self { status, error, message: message.to_string(), hash: None }
    }

    /// There is no such torrent.
    #[must_use]
    pub fn unknown_torrent() -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown_torrent", "there is no such torrent")
    }

    /// What was sent makes no sense.
    pub fn bad_request(message: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}

impl From<FetchError> for ApiError {
    fn from(error: FetchError) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "fetch", error)
    }
}

impl From<Ended> for ApiError {
    fn from(error: Ended) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ended", error)
    }
}

impl From<AddError> for ApiError {
    fn from(error: AddError) -> Self {
        let message = error.to_string();
        match error {
            AddError::Duplicate(known) => {
                Self { hash: Some(known.hash), ..Self::new(StatusCode::CONFLICT, "duplicate", message) }
            }
            AddError::Metainfo(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "no_torrent", message),
            AddError::Magnet(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "no_magnet", message),
            AddError::Directory(_) => Self::new(StatusCode::FORBIDDEN, "directory", message),
            AddError::Name(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "name", message),
            AddError::Address(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "address", message),
            AddError::Engine(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "engine", message),
            AddError::Ended(error) => error.into(),
        }
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        let message = error.to_string();
        match error {
            ChangeError::Unknown => Self::unknown_torrent(),
            ChangeError::Name(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "name", message),
            ChangeError::File(_) => Self::new(StatusCode::NOT_FOUND, "unknown_file", message),
            ChangeError::Address(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "address", message),
            ChangeError::State(_) => Self::new(StatusCode::INSUFFICIENT_STORAGE, "state", message),
            ChangeError::Ended(error) => error.into(),
        }
    }
}

impl From<InspectError> for ApiError {
    fn from(error: InspectError) -> Self {
        let message = error.to_string();
        match error {
            InspectError::Unknown => Self::unknown_torrent(),
            InspectError::NoMetadata => Self::new(StatusCode::CONFLICT, "no_metadata", message),
            InspectError::File(_) => Self::new(StatusCode::NOT_FOUND, "unknown_file", message),
            InspectError::Incomplete => Self::new(StatusCode::CONFLICT, "incomplete_metadata", message),
            InspectError::Ended(error) => error.into(),
        }
    }
}

impl From<MoveError> for ApiError {
    fn from(error: MoveError) -> Self {
        let message = error.to_string();
        match error {
            MoveError::Unknown => Self::unknown_torrent(),
            MoveError::Directory(_) => Self::new(StatusCode::FORBIDDEN, "directory", message),
            MoveError::Path(_) | MoveError::Name(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "name", message)
            }
            MoveError::Engine(_) => Self::new(StatusCode::CONFLICT, "move", message),
            MoveError::Ended(error) => error.into(),
        }
    }
}
