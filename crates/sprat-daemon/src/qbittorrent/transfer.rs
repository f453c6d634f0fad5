//! `transfer/…`: all torrents together.

use std::sync::Arc;

use axum::extract::State;
use serde_json::{Map, Value};
use sprat_core::io::RateLimits;

use super::failure::Failure;
use super::limits;
use super::params::Params;
use super::server;
use super::state::Web;
use crate::service::Choices;

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
    choose(web, |choices| choices.is_alternative = is_on).await
}

async fn choose(web: &Web, change: impl FnOnce(&mut Choices)) -> Result<(), Failure> {
    let before = web.service.choices();
    let mut after = before.clone();
    change(&mut after);
    (web.around.choose)(before, after).await.map_err(Failure::conflict)
}

/// `transfer/downloadLimit`
pub(super) fn download_limit(web: &Web) -> String {
    web.service.choices().limits_now().download.unwrap_or_default().to_string()
}

/// `transfer/uploadLimit`
pub(super) fn upload_limit(web: &Web) -> String {
    web.service.choices().limits_now().upload.unwrap_or_default().to_string()
}

/// `transfer/setDownloadLimit`: of the rates that hold just now.
pub(super) async fn set_download_limit(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let limit = limits::wished(&params)?;
    choose(&web, |choices| in_force(choices).download = limit).await
}

/// `transfer/setUploadLimit`: of the rates that hold just now.
pub(super) async fn set_upload_limit(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let limit = limits::wished(&params)?;
    choose(&web, |choices| in_force(choices).upload = limit).await
}

const fn in_force(choices: &mut Choices) -> &mut RateLimits {
    if choices.is_alternative { &mut choices.alternative } else { &mut choices.limits }
}
