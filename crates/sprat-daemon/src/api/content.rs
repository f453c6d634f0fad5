//! What is in the files of a torrent, for players and for saving, and addresses that players can open.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::Serialize;
use sprat_core::storage::TorrentId;
use sprat_engine::client::ReadError;
use utoipa::ToSchema;

use super::error::ApiError;
use super::one::named;
use crate::access::{Access, Gate, Granted, Refusal, ending_with};
use crate::http::Connection;
use crate::media_type;
use crate::running::Running;
use crate::service::{InspectError, Priority, Service};
use crate::streaming::{StreamError, Streaming, escaped_name};

/// Files in a playlist at the most.
const LONGEST_PLAYLIST: usize = 10_000;

/// Somewhat later there may be a place.
const TRY_AGAIN: HeaderValue = HeaderValue::from_static("5");

/// What is in a file, also while it is downloaded: what is asked for is fetched first, and waited for. One range of bytes is answered
/// by that part, several by the whole. `HEAD` is answered as well. A file that is skipped is fetched as well for whoever may do
/// everything; whoever may only look gets it if it is there (409 otherwise).
#[utoipa::path(get, path = "/torrents/{hash}/files/{index}/content",
    params(("hash" = String, Path), ("index" = usize, Path), ("Range" = Option<String>, Header), ("If-Range" = Option<String>, Header)),
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 404, body = ApiError), (status = 409, body = ApiError), (status = 416, body = ApiError),
        (status = 503, body = ApiError)))]
pub(super) async fn content(
    Shared(streaming): Shared<Streaming>,
    Path((hash, index)): Path<(String, usize)>,
    Extension(granted): Extension<Granted>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    answer(&streaming, granted.access, (&hash, index), &method, &headers).await
}

/// The same for whoever has a link, who may do what its maker may.
pub(super) async fn linked(
    Shared(shared): Shared<Arc<Running>>,
    Path((hash, index, link, _name)): Path<(String, usize, String, String)>,
    Extension(connection): Extension<Connection>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let token = match shared.gate.judge_link(&link, &hash, index) {
        Ok(token) => token,
        Err(refusal) => return refused(refusal).into_response(),
    };
    connection.trust();
    let response = answer(&shared.streaming, token.access, (&hash, index), &method, &headers).await;
    ending_with(Arc::clone(&shared.gate), token.id, response)
}

async fn answer(
    streaming: &Streaming,
    access: Access,
    (hash, index): (&str, usize),
    method: &Method,
    headers: &HeaderMap,
) -> Response {
    let torrent = match named(streaming.service(), hash) {
        Ok(torrent) => torrent,
        Err(error) => return error.into_response(),
    };
    if access < Access::Full {
        match lacks_skipped(streaming.service(), torrent, index).await {
            Ok(false) => {}
            Ok(true) => return skipped().into_response(),
            Err(error) => return ApiError::from(error).into_response(),
        }
    }
    let error = match streaming.answer(torrent, index, method, headers).await {
        Ok(response) => return response,
        Err(error) => error,
    };
    let said = match &error {
        StreamError::Range { length } => {
            let place = HeaderValue::try_from(format!("bytes */{length}")).ok();
            place.map(|place| (header::CONTENT_RANGE, place))
        }
        StreamError::Busy | StreamError::Late => Some((header::RETRY_AFTER, TRY_AGAIN)),
        _ => None,
    };
    let mut response = ApiError::from(error).into_response();
    response.headers_mut().extend(said);
    response
}

/// Whether a file is not to be downloaded, and is not there: to read it would be to have it downloaded all the same.
async fn lacks_skipped(service: &Service, torrent: TorrentId, index: usize) -> Result<bool, InspectError> {
    let files = service.files(torrent).await?;
    let file = files.iter().find(|file| file.index == index);
    Ok(file.is_some_and(|file| file.priority == Priority::Skip && file.have < file.size))
}

fn skipped() -> ApiError {
    let message = "this file is not downloaded, and whoever may only look cannot change that";
    ApiError::new(StatusCode::CONFLICT, "skipped", message)
}

/// An address of a file.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LinkDetails {
    /// The whole address, as the daemon is reached by whoever asks.
    url: String,
    /// Without the name of the daemon.
    path: String,
    /// Seconds for which it opens the file.
    expires_in: u64,
}

/// An address by which a program that cannot send a token may read this file and nothing else, such as a player. It ends after a day,
/// with the token that it was asked for with, and with the daemon. What that token may not have fetched (see
/// `/torrents/{hash}/files/{index}/content`), the address does not either.
#[utoipa::path(get, path = "/torrents/{hash}/files/{index}/link", params(("hash" = String, Path), ("index" = usize, Path)), responses(
    (status = 200, body = LinkDetails), (status = 404, body = ApiError), (status = 409, body = ApiError)))]
pub(super) async fn link(
    Shared(shared): Shared<Arc<Running>>,
    Path((hash, index)): Path<(String, usize)>,
    Extension(granted): Extension<Granted>,
    Extension(connection): Extension<Connection>,
    parts: Parts,
) -> Result<Json<LinkDetails>, ApiError> {
    let file = shared.service.file(named(&shared.service, &hash)?, index).await?;
    let origin = shared.gate.own_origin(&parts, &connection).map_err(refused)?;
    let path = path_of(&shared.gate, &granted, &file.hash, (index, &file.path));
    Ok(Json(LinkDetails { url: format!("{origin}{path}"), path, expires_in: Gate::LINK_LIFE.as_secs() }))
}

/// What can be played of a torrent, with links as `/torrents/{hash}/files/{index}/link` gives them, for a player to open.
#[utoipa::path(get, path = "/torrents/{hash}/playlist.m3u8", params(("hash" = String, Path)), responses(
    (status = 200, content_type = "audio/x-mpegurl", body = String), (status = 404, body = ApiError), (status = 409, body = ApiError)))]
pub(super) async fn playlist(
    Shared(shared): Shared<Arc<Running>>,
    Path(hash): Path<String>,
    Extension(granted): Extension<Granted>,
    Extension(connection): Extension<Connection>,
    parts: Parts,
) -> Result<Response, ApiError> {
    let torrent = named(&shared.service, &hash)?;
    let snapshot = shared.service.snapshot();
    let summary = &snapshot.line(torrent).ok_or_else(ApiError::unknown_torrent)?.summary;
    let origin = shared.gate.own_origin(&parts, &connection).map_err(refused)?;
    let mut list = "#EXTM3U\n".to_owned();
    let files = shared.service.files(torrent).await?;
    let playable = files.iter().filter(|file| media_type::is_playable(media_type::of(&file.path)));
    for file in playable.take(LONGEST_PLAYLIST) {
        // A name that breaks the line would be one more line.
        let title: String = file.path.chars().filter(|letter| !letter.is_control()).collect();
        let path = path_of(&shared.gate, &granted, &summary.hash, (file.index, &file.path));
        // Nothing can fail that is written into memory.
        let _ = write!(list, "#EXTINF:-1,{title}\n{origin}{path}\n");
    }
    let name = format!("attachment; filename*=UTF-8''{}.m3u8", escaped_name(&summary.name.replace('/', "_")));
    let headers = [
        (header::CONTENT_TYPE, "audio/x-mpegurl; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, list).into_response())
}

/// The path of the address of a file. Its end is for players that show it.
fn path_of(gate: &Gate, granted: &Granted, hash: &str, (index, path): (usize, &str)) -> String {
    let link = gate.link(granted, hash, index);
    format!("/content/{hash}/{index}/{link}/{}", escaped_name(path))
}

fn refused(refusal: Refusal) -> ApiError {
    ApiError::new(refusal.status(), "access", refusal)
}

impl From<StreamError> for ApiError {
    fn from(error: StreamError) -> Self {
        let message = error.to_string();
        match error {
            StreamError::Inspect(error) => error.into(),
            StreamError::Read(ReadError::NoTorrent) => Self::unknown_torrent(),
            StreamError::Read(ReadError::FilesUnknown) => {
                Self::new(StatusCode::CONFLICT, "no_metadata", message)
            }
            StreamError::Read(ReadError::NoSuchFile(_)) => {
                Self::new(StatusCode::NOT_FOUND, "unknown_file", message)
            }
            StreamError::Read(ReadError::Storage(_)) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "disk", message)
            }
            StreamError::Read(ReadError::Ended) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "ended", message)
            }
            StreamError::Late => Self::new(StatusCode::SERVICE_UNAVAILABLE, "late", message),
            StreamError::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message),
            StreamError::Range { .. } => Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "range", message),
        }
    }
}
