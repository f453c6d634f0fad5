//! Logging in and out with a browser: a token for a cookie that no script can read.

use std::sync::Arc;

use axum::extract::{Request, State as Shared};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, RequestExt as _};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::ApiError;
use crate::access::{Access, Door, Gate, Granted};
use crate::http::Connection;

/// What a login needs.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginRequest {
    /// The token.
    token: String,
}

/// Logs in: the answer sets a cookie.
#[utoipa::path(post, path = "/login", request_body = LoginRequest, responses(
    (status = 204), (status = 401, body = ApiError), (status = 429, body = ApiError)))]
pub(super) async fn log_in(
    Shared((gate, door)): Shared<(Arc<Gate>, Door)>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts.clone(), body);
    let Json(login): Json<LoginRequest> =
        request.extract().await.map_err(|_| ApiError::bad_request("a token is needed"))?;
    let connection = connection_of(&parts)?;
    match gate.log_in(&login.token, &parts, connection, &door) {
        Ok(cookie) => Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()),
        Err(refusal) => Ok((door.refuse)(&refusal)),
    }
}

/// Logs out: the answer removes the cookie.
#[utoipa::path(post, path = "/logout", responses((status = 204), (status = 403, body = ApiError)))]
pub(super) async fn log_out(
    Shared((gate, door)): Shared<(Arc<Gate>, Door)>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let connection = connection_of(&parts)?;
    match gate.log_out(&parts, connection, &door) {
        Ok(cookie) => Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()),
        Err(refusal) => Ok((door.refuse)(&refusal)),
    }
}

fn connection_of(parts: &Parts) -> Result<&Connection, ApiError> {
    parts.extensions.get().ok_or_else(|| ApiError::bad_request("no connection"))
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionDetails {
    /// It may look only.
    read_only: bool,
}

/// Whether somebody is logged in, and may do what.
#[utoipa::path(get, path = "/session", responses((status = 200, body = SessionDetails), (status = 401, body = ApiError)))]
pub(super) async fn session(Extension(granted): Extension<Granted>) -> Json<SessionDetails> {
    Json(SessionDetails { read_only: granted.access < Access::Full })
}
