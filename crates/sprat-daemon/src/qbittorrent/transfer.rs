//! `transfer/…`: all torrents together.

use std::sync::Arc;

use axum::extract::State;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::params::Params;
use super::preferences::rate_patch;
use super::server;
use super::state::Web;
use crate::settings::AlternativeRates;

/// `transfer/info`
pub(super) fn info(web: &Web) -> Map<String, Value> {
    server::transfer(web, &web.service.snapshot())
}

/// `transfer/speedLimitsMode`: 1 while the alternative rates hold.
pub(super) fn speed_limits_mode(web: &Web) -> &'static str {
    if web.service.choices().is_alternative { "1" } else { "0" }
}

/// `transfer/setSpeedLimitsMode`
pub(super) async fn set_speed_limits_mode(
    State(web): State<Arc<Web>>,
    params: Params,
) -> Result<(), Failure> {
    let mode: i64 = params.number("mode")?.ok_or_else(|| Failure::bad_request("mode is missing"))?;
    switch(&web, mode != 0).await
}

/// `transfer/toggleSpeedLimitsMode`
pub(super) async fn toggle_speed_limits_mode(State(web): State<Arc<Web>>) -> Result<(), Failure> {
    switch(&web, !web.service.choices().is_alternative).await
}

/// Has the alternative rates hold, or not, until the schedule says the same.
async fn switch(web: &Web, is_on: bool) -> Result<(), Failure> {
    let alternative = if is_on { AlternativeRates::On } else { AlternativeRates::Off };
    let patch = json!({ "limits": { "alternative": alternative } });
    (web.around.change_settings)(patch).await.map_err(Failure::conflict)
}

/// `transfer/downloadLimit`
pub(super) fn download_limit(web: &Web) -> String {
    web.service.choices().limits_now().download.unwrap_or_default().to_string()
}

/// `transfer/uploadLimit`
pub(super) fn upload_limit(web: &Web) -> String {
    web.service.choices().limits_now().upload.unwrap_or_default().to_string()
}

/// `transfer/setDownloadLimit`
pub(super) async fn set_download_limit(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    set(&web, &params, ["download_rate", "alternative_download_rate"]).await
}

/// `transfer/setUploadLimit`
pub(super) async fn set_upload_limit(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    set(&web, &params, ["upload_rate", "alternative_upload_rate"]).await
}

/// Sets the limit that holds just now.
async fn set(web: &Web, params: &Params, [usual, alternative]: [&str; 2]) -> Result<(), Failure> {
    let limit = params.number("limit")?.ok_or_else(|| Failure::bad_request("limit is missing"))?;
    let key = if web.service.choices().is_alternative { alternative } else { usual };
    (web.around.change_settings)(rate_patch(key, limit)).await.map_err(Failure::conflict)
}
