//! What is told of one torrent only: its properties, its pieces, its web seeds, and itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use sprat_core::picker::PieceState;

use super::delta;
use super::failure::Failure;
use super::params::Params;
use super::state::Web;
use super::torrent::{NO_DATE, eta, ratio};
use super::who::one;
use crate::clock;
use crate::service::{InspectError, TorrentDetails, TrackerDetails};
use crate::torrents::Summary;

/// `torrents/properties`. Rates are bytes per second and −1 where there is no limit.
pub(super) async fn properties(
    State(web): State<Arc<Web>>,
    params: Params,
) -> Result<Json<Map<String, Value>>, Failure> {
    let torrent = one(&web, &params)?.torrent;
    let (details, trackers) = tokio::join!(web.service.details(torrent), web.service.trackers(torrent));
    let (details, trackers) = (details?, trackers?);
    let mut told = delta::object(&of_summary(&details.summary));
    told.extend(delta::object(&of_details(&details)));
    told.extend(delta::object(&of_trackers(&trackers)));
    let connections = details.summary.connection_limit.unwrap_or(web.service.fixed().connections_per_torrent);
    told.insert("nb_connections_limit".to_owned(), connections.into());
    Ok(Json(told))
}

/// What the list knows as well.
fn of_summary(one: &Summary) -> Value {
    let limit = |limit: Option<u64>| limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(-1);
    let average = |bytes: u64, seconds: u64| bytes.checked_div(seconds).unwrap_or_default();
    let downloading = one.active_seconds.saturating_sub(one.seeding_seconds);
    json!({
        "addition_date": one.added_at,
        "completion_date": one.completed_at.unwrap_or(NO_DATE),
        "dl_limit": limit(one.download_limit),
        "dl_speed": one.download_rate,
        "dl_speed_avg": average(one.downloaded, downloading),
        "download_path": "",
        "eta": eta(one),
        "has_metadata": one.has_metadata,
        "hash": one.hash,
        "is_private": one.is_private,
        "private": one.is_private,
        "last_seen": NO_DATE,
        "name": one.name,
        "nb_connections": one.peers,
        "peers": one.peers.saturating_sub(one.seeds),
        "popularity": popularity(ratio(one), clock::unix_now().saturating_sub(one.added_at)),
        "save_path": one.directory,
        "seeding_time": one.seeding_seconds,
        "seeds": one.seeds,
        "share_ratio": ratio(one),
        "time_elapsed": one.active_seconds,
        "total_downloaded": one.downloaded,
        "total_size": one.size,
        "total_uploaded": one.uploaded,
        "total_wasted": one.wasted,
        "up_limit": limit(one.upload_limit),
        "up_speed": one.upload_rate,
        "up_speed_avg": average(one.uploaded, one.active_seconds),
    })
}

/// What stands in the torrent.
fn of_details(details: &TorrentDetails) -> Value {
    json!({
        "comment": details.comment.as_deref().unwrap_or_default(),
        "created_by": details.created_by.as_deref().unwrap_or_default(),
        "creation_date": details.created_at.unwrap_or(NO_DATE),
        "infohash_v1": details.info_hash_v1.as_deref().unwrap_or_default(),
        "infohash_v2": details.info_hash_v2.as_deref().unwrap_or_default(),
        "piece_size": details.piece_length,
        "pieces_have": details.pieces_have,
        "pieces_num": details.pieces,
    })
}

/// What its trackers say, by who knows most.
fn of_trackers(trackers: &[TrackerDetails]) -> Value {
    let most =
        |of: fn(&TrackerDetails) -> Option<u32>| trackers.iter().filter_map(of).max().map_or(-1, i64::from);
    json!({
        "peers_total": most(|tracker| tracker.leechers),
        "seeds_total": most(|tracker| tracker.seeders),
        "reannounce": trackers.iter().filter_map(|tracker| tracker.next_announce).min().unwrap_or_default(),
    })
}

/// Ratio by months.
#[expect(clippy::cast_precision_loss, reason = "it is looked at")]
fn popularity(ratio: f64, seconds: i64) -> f64 {
    const MONTH: f64 = 30.0 * 86_400.0;
    if seconds <= 0 { 0.0 } else { ratio * MONTH / seconds as f64 }
}

/// `torrents/pieceStates`: how far each piece has come, by the numbers that programs know.
pub(super) async fn piece_states(
    State(web): State<Arc<Web>>,
    params: Params,
) -> Result<Json<Vec<u8>>, Failure> {
    const MISSING: u8 = 0;
    const DOWNLOADING: u8 = 1;
    const HAVE: u8 = 2;
    let states = match web.service.piece_states(one(&web, &params)?.torrent).await {
        Err(InspectError::NoMetadata) => return Ok(Json(Vec::new())),
        states => states?,
    };
    let number = |state| match state {
        PieceState::Missing => MISSING,
        PieceState::Partial | PieceState::Checking => DOWNLOADING,
        PieceState::Have => HAVE,
    };
    Ok(Json(states.into_iter().map(number).collect()))
}

/// `torrents/webseeds`
pub(super) async fn web_seeds(State(web): State<Arc<Web>>, params: Params) -> Result<Json<Value>, Failure> {
    let details = web.service.details(one(&web, &params)?.torrent).await?;
    Ok(Json(details.web_seeds.iter().map(|url| json!({"url": url})).collect()))
}

/// `torrents/export`: the torrent file.
pub(super) async fn export(State(web): State<Arc<Web>>, params: Params) -> Result<Response, Failure> {
    let line = one(&web, &params)?;
    let bytes = web.service.torrent_file(line.torrent).await?;
    let name = format!("attachment; filename=\"{}.torrent\"", line.summary.hash);
    let headers = [(CONTENT_TYPE, "application/x-bittorrent".to_owned()), (CONTENT_DISPOSITION, name)];
    Ok((headers, bytes).into_response())
}
