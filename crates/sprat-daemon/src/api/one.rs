//! One torrent.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use axum::Json;
use axum::extract::{Path, Query, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Deserializer};
use sprat_core::storage::{Files, TorrentId};
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;
use crate::service::{Change, PeerDetails, Pieces, Service, TorrentDetails, TrackerDetails};
use crate::torrents::SeedingChange;

/// Who is meant.
pub(super) fn named(service: &Service, hash: &str) -> Result<TorrentId, ApiError> {
    service.find(hash).ok_or_else(ApiError::unknown_torrent)
}

/// All that is known of a torrent.
#[utoipa::path(get, path = "/torrents/{hash}", params(("hash" = String, Path)), responses(
    (status = 200, body = TorrentDetails), (status = 404, body = ApiError)))]
pub(super) async fn details(
    Shared(service): Shared<Service>,
    Path(hash): Path<String>,
) -> Result<Json<TorrentDetails>, ApiError> {
    Ok(Json(service.details(named(&service, &hash)?).await?))
}

/// What is to be changed of a torrent. What is left out stays; `null` takes a label or limit away.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ChangeRequest {
    /// Another name; empty is its own.
    name: Option<String>,
    /// Its label.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    label: Option<Option<String>>,
    /// All its tags.
    tags: Option<BTreeSet<String>>,
    /// Tags that it is to have besides.
    add_tags: BTreeSet<String>,
    /// Tags that it is not to have.
    remove_tags: BTreeSet<String>,
    /// The most to receive, bytes per second.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<u64>)]
    download_limit: Option<Option<u64>>,
    /// The most to send, bytes per second.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<u64>)]
    upload_limit: Option<Option<u64>>,
    /// When it has given enough.
    seeding: SeedingChange,
    /// Pieces in order.
    sequential: Option<bool>,
    /// The first and last pieces of each wanted file before all others.
    first_last: Option<bool>,
    /// When it is alone with everything, to show each peer few pieces at a time (BEP 16).
    super_seeding: Option<bool>,
    /// Connections at most.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<usize>)]
    connection_limit: Option<Option<usize>>,
}

impl From<ChangeRequest> for Change {
    fn from(request: ChangeRequest) -> Self {
        Self {
            name: request.name,
            label: request.label,
            tags: request.tags,
            add_tags: request.add_tags,
            remove_tags: request.remove_tags,
            download_limit: request.download_limit,
            upload_limit: request.upload_limit,
            seeding: request.seeding,
            sequential: request.sequential,
            first_last: request.first_last,
            super_seeding: request.super_seeding,
            connection_limit: request.connection_limit,
            ..Self::default()
        }
    }
}

/// What is there and `null` is not what is not there.
fn said<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Changes a torrent.
#[utoipa::path(patch, path = "/torrents/{hash}", params(("hash" = String, Path)), request_body = ChangeRequest, responses(
    (status = 204), (status = 404, body = ApiError), (status = 422, body = ApiError)))]
pub(super) async fn change(
    Shared(service): Shared<Service>,
    Path(hash): Path<String>,
    Json(request): Json<ChangeRequest>,
) -> Result<StatusCode, ApiError> {
    service.change(named(&service, &hash)?, request.into()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What becomes of the files.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RemoveQuery {
    /// Those that it has made, and that no other torrent uses, are deleted.
    #[serde(default)]
    delete_files: bool,
}

/// Removes a torrent.
#[utoipa::path(delete, path = "/torrents/{hash}", params(("hash" = String, Path), RemoveQuery), responses(
    (status = 204), (status = 404, body = ApiError)))]
pub(super) async fn remove(
    Shared(service): Shared<Service>,
    Path(hash): Path<String>,
    Query(query): Query<RemoveQuery>,
) -> Result<StatusCode, ApiError> {
    let files = if query.delete_files { Files::Delete } else { Files::Forget };
    service.remove(&[named(&service, &hash)?], files).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The peers that it is connected to.
#[utoipa::path(get, path = "/torrents/{hash}/peers", params(("hash" = String, Path)), responses(
    (status = 200, body = Vec<PeerDetails>), (status = 404, body = ApiError)))]
pub(super) async fn peers(
    Shared(service): Shared<Service>,
    Path(hash): Path<String>,
) -> Result<Json<Vec<PeerDetails>>, ApiError> {
    Ok(Json(service.peers(named(&service, &hash)?).await?))
}

/// Peers that the user knows of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PeersRequest {
    /// Addresses with ports.
    #[schema(value_type = Vec<String>)]
    addresses: Vec<SocketAddr>,
}

/// Has peers called.
#[utoipa::path(post, path = "/torrents/{hash}/peers", params(("hash" = String, Path)), request_body = PeersRequest, responses(
    (status = 204), (status = 404, body = ApiError), (status = 422, body = ApiError)))]
pub(super) async fn add_peers(
    Shared(service): Shared<Service>,
    Path(hash): Path<String>,
    Json(request): Json<PeersRequest>,
) -> Result<StatusCode, ApiError> {
    let torrent = named(&service, &hash)?;
    service.add_peers(torrent, request.addresses).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Its trackers.
#[utoipa::path(get, path = "/torrents/{hash}/trackers", params(("hash" = String, Path)), responses(
    (status = 200, body = Vec<TrackerDetails>), (status = 404, body = ApiError)))]
pub(super) async fn trackers(
    Shared(service): Shared<Service>,
    Path(hash): Path<String>,
) -> Result<Json<Vec<TrackerDetails>>, ApiError> {
    Ok(Json(service.trackers(named(&service, &hash)?).await?))
}

/// Trackers, by tier.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TrackersRequest {
    /// URLs.
    tiers: Vec<Vec<String>>,
}

/// Gives it other trackers.
#[utoipa::path(put, path = "/torrents/{hash}/trackers", params(("hash" = String, Path)), request_body = TrackersRequest, responses(
    (status = 204), (status = 404, body = ApiError)))]
pub(super) async fn set_trackers(
    Shared(service): Shared<Service>,
    Path(hash): Path<String>,
    Json(request): Json<TrackersRequest>,
) -> Result<StatusCode, ApiError> {
    let change = Change { trackers: Some(request.tiers), ..Change::default() };
    service.change(named(&service, &hash)?, change).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which pieces there are.
#[utoipa::path(get, path = "/torrents/{hash}/pieces", params(("hash" = String, Path)), responses(
    (status = 200, body = Pieces), (status = 404, body = ApiError), (status = 409, body = ApiError)))]
pub(super) async fn pieces(
    Shared(service): Shared<Service>,
    Path(hash): Path<String>,
) -> Result<Json<Pieces>, ApiError> {
    Ok(Json(service.pieces(named(&service, &hash)?).await?))
}

/// The torrent file.
#[utoipa::path(get, path = "/torrents/{hash}/torrent", params(("hash" = String, Path)), responses(
    (status = 200, content_type = "application/x-bittorrent", body = Vec<u8>), (status = 404, body = ApiError),
    (status = 409, body = ApiError)))]
pub(super) async fn torrent_file(
    Shared(service): Shared<Service>,
    Path(hash): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    let bytes = service.torrent_file(named(&service, &hash)?).await?;
    let name = format!("attachment; filename=\"{hash}.torrent\"");
    let headers =
        [(header::CONTENT_TYPE, "application/x-bittorrent".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, bytes))
}

/// Where the files are to lie.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MoveRequest {
    /// The directory that they are to be below.
    #[schema(value_type = String)]
    directory: PathBuf,
    /// Somebody else has put them there.
    #[serde(default)]
    is_there: bool,
}

/// Has its files lie elsewhere. It is done when the torrent is not `moving` any more.
#[utoipa::path(post, path = "/torrents/{hash}/move", params(("hash" = String, Path)), request_body = MoveRequest, responses(
    (status = 202), (status = 403, body = ApiError), (status = 404, body = ApiError)))]
pub(super) async fn relocate(
    Shared(service): Shared<Service>,
    Path(hash): Path<String>,
    Json(request): Json<MoveRequest>,
) -> Result<StatusCode, ApiError> {
    service.begin_move(named(&service, &hash)?, request.directory, request.is_there).await?;
    Ok(StatusCode::ACCEPTED)
}
