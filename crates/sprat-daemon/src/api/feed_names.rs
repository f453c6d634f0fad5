//! The name in a path of a feed or a rule.

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::error::ApiError;
use crate::feeding::ChangeFeedsError;
use crate::feeds::{FeedsError, Name};

/// Of a feed that is said to be there.
pub(super) struct FeedName(pub(super) Name);

/// Of a rule that is said to be there.
pub(super) struct RuleName(pub(super) Name);

/// Of a feed or rule that may have to be made.
pub(super) struct NewName(pub(super) Name);

impl<S: Send + Sync> FromRequestParts<S> for FeedName {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        known(text(parts, state).await?, FeedsError::NoSuchFeed).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RuleName {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        known(text(parts, state).await?, FeedsError::NoSuchRule).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NewName {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let name = text(parts, state).await?.try_into();
        name.map(Self).map_err(|error| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "name", error))
    }
}

async fn text<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<String, ApiError> {
    let path = Path::<String>::from_request_parts(parts, state).await;
    path.map(|Path(text)| text).map_err(ApiError::bad_request)
}

/// What cannot be a name is the name of nothing.
fn known(text: String, missing: FeedsError) -> Result<Name, ApiError> {
    text.try_into().map_err(|_| ChangeFeedsError::Feeds(missing).into())
}
