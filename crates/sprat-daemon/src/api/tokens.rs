//! The tokens by which programs and people reach the daemon. Whoever asks here may do everything.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::ApiError;
use crate::access::{Access, Gate, TokenError, TokenInfo};

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenDetails {
    /// Which one.
    #[serde(flatten)]
    info: TokenInfo,
    /// When it was used last, seconds since 1970; after a restart perhaps an hour too early.
    last_used_at: Option<i64>,
}

/// All tokens, the owner's first.
#[utoipa::path(get, path = "/tokens", responses((status = 200, body = Vec<TokenDetails>), (status = 403, body = ApiError)))]
pub(super) async fn list(State(gate): State<Arc<Gate>>) -> Json<Vec<TokenDetails>> {
    let tokens = gate.tokens().list().into_iter();
    Json(tokens.map(|(info, last_used_at)| TokenDetails { info, last_used_at }).collect())
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenRequest {
    /// What to call it: where it is used.
    name: String,
    /// What it is to allow.
    access: Access,
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NewToken {
    /// Which one.
    #[serde(flatten)]
    info: TokenInfo,
    /// The secret, which is shown this once.
    token: String,
}

/// Makes a token.
#[utoipa::path(post, path = "/tokens", request_body = TokenRequest, responses(
    (status = 201, body = NewToken), (status = 403, body = ApiError), (status = 409, body = ApiError), (status = 422, body = ApiError)))]
pub(super) async fn create(
    State(gate): State<Arc<Gate>>,
    Json(request): Json<TokenRequest>,
) -> Result<(StatusCode, Json<NewToken>), ApiError> {
    let (info, token) = gate.tokens().create(&request.name, request.access).await?;
    Ok((StatusCode::CREATED, Json(NewToken { info, token: token.reveal() })))
}

/// Revokes a token, by its id: it, its logins and its event streams end at once. The owner's ends with its file. If the end cannot
/// be written down, it holds until the daemon is started again: ask again then.
#[utoipa::path(delete, path = "/tokens/{id}", params(("id" = String, Path)), responses(
    (status = 204), (status = 403, body = ApiError), (status = 404, body = ApiError), (status = 409, body = ApiError),
    (status = 507, body = ApiError)))]
pub(super) async fn revoke(
    State(gate): State<Arc<Gate>>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    gate.revoke(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        let message = error.to_string();
        match error {
            TokenError::Name => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "name", message),
            TokenError::Unknown => Self::new(StatusCode::NOT_FOUND, "unknown_token", message),
            TokenError::Owner => Self::new(StatusCode::CONFLICT, "owners_token", message),
            TokenError::TooMany => Self::new(StatusCode::CONFLICT, "too_many", message),
            TokenError::State(_) => Self::new(StatusCode::INSUFFICIENT_STORAGE, "state", message),
            TokenError::File { .. } | TokenError::Content { .. } | TokenError::Randomness(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "token", message)
            }
        }
    }
}
