//! The limits of single torrents.

use std::sync::Arc;

use axum::extract::State;
use serde_json::{Map, Value};

use super::failure::Failure;
use super::params::Params;
use super::share;
use super::state::Web;
use super::who::{ids, several};
use crate::service::Change;
use crate::torrents::Summary;

/// `torrents/downloadLimit` and `torrents/uploadLimit`: bytes per second by hash, 0 for none.
pub(super) fn rates(
    web: &Web,
    params: &Params,
    of: fn(&Summary) -> Option<u64>,
) -> Result<Map<String, Value>, Failure> {
    let rate = |one: &Summary| (one.hash.clone(), Value::from(of(one).unwrap_or_default()));
    Ok(several(web, params)?.iter().map(|line| rate(&line.summary)).collect())
}

/// `torrents/setDownloadLimit`
pub(super) async fn set_download(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let limit = wished(&params)?;
    let change = Change { download_limit: Some(limit), ..Change::default() };
    Ok(web.service.change_all(&ids(&web, &params)?, change).await?)
}

/// `torrents/setUploadLimit`
pub(super) async fn set_upload(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let limit = wished(&params)?;
    let change = Change { upload_limit: Some(limit), ..Change::default() };
    Ok(web.service.change_all(&ids(&web, &params)?, change).await?)
}

/// What a request limits a rate to.
pub(super) fn wished(params: &Params) -> Result<Option<u64>, Failure> {
    let limit = params.number("limit")?.ok_or_else(|| Failure::bad_request("limit is missing"))?;
    Ok(rate(limit))
}

/// Bytes per second; what is not above 0 is no limit.
pub(super) fn rate(limit: i64) -> Option<u64> {
    u64::try_from(limit).ok().filter(|limit| *limit > 0)
}

/// `torrents/setShareLimits`: what is not spoken of stays.
pub(super) async fn set_share(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let change = Change { seeding: share::wished(&params)?, ..Change::default() };
    Ok(web.service.change_all(&ids(&web, &params)?, change).await?)
}
