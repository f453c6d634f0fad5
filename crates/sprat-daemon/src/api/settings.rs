//! The settings.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::error::ApiError;
use crate::running::{ChangeSettingsError, Running};
use crate::settings::SettingState;

/// Each setting, with what it means and where its value comes from.
#[utoipa::path(get, path = "/settings", responses((status = 200, body = Vec<SettingState>)))]
pub(super) async fn list(State(shared): State<Arc<Running>>) -> Json<Vec<SettingState>> {
    Json(shared.layers().states())
}

/// What waits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Changed {
    /// Settings that hold after the next start only.
    after_restart: Vec<String>,
}

/// Changes settings: an object of sections, each an object of keys (a JSON merge patch, RFC 7396). Kept until they are reset.
#[utoipa::path(patch, path = "/settings", request_body = Object, responses(
    (status = 200, body = Changed), (status = 422, body = ApiError)))]
pub(super) async fn change(
    State(shared): State<Arc<Running>>,
    Json(patch): Json<Value>,
) -> Result<Json<Changed>, ApiError> {
    let after_restart = shared.change_settings(|layers| Ok(layers.patched(&patch)?)).await?;
    Ok(Json(Changed { after_restart }))
}

/// Which settings.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetRequest {
    /// Their keys, as `limits.upload_rate`.
    keys: Vec<String>,
}

/// Lets settings be as the configuration file says.
#[utoipa::path(post, path = "/settings/reset", request_body = ResetRequest, responses(
    (status = 200, body = Changed), (status = 422, body = ApiError)))]
pub(super) async fn reset(
    State(shared): State<Arc<Running>>,
    Json(request): Json<ResetRequest>,
) -> Result<Json<Changed>, ApiError> {
    let keys = request.keys;
    let reset = |layers: &crate::settings::Layers| Ok(layers.reset(keys.iter().map(String::as_str))?);
    Ok(Json(Changed { after_restart: shared.change_settings(reset).await? }))
}

impl From<ChangeSettingsError> for ApiError {
    fn from(error: ChangeSettingsError) -> Self {
        let message = error.to_string();
        match error {
            ChangeSettingsError::Update(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "settings", message)
            }
            ChangeSettingsError::Overlay(_) => Self::new(StatusCode::INSUFFICIENT_STORAGE, "state", message),
            ChangeSettingsError::Settings(_) => Self::new(StatusCode::CONFLICT, "settings_file", message),
        }
    }
}
