//! Adding torrents, and looking into them before.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use bytes::Bytes;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use sprat_core::io::{Manner, RateLimits};
use sprat_wire::magnet::Magnet;
use sprat_wire::metainfo::Metainfo;
use utoipa::ToSchema;

use super::error::ApiError;
use crate::fetch::Fetcher;
use crate::service::{NewTorrent, Priority, Service, Source};
use crate::torrents::SeedingLimits;

/// A torrent that is to be added: one of `file`, `magnet` and `url`, and how.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AddRequest {
    /// A torrent file, base64.
    file: Option<String>,
    /// A magnet link.
    magnet: Option<String>,
    /// Where a torrent file can be fetched.
    url: Option<String>,
    /// Where its files lie; where those of its label do unless it is said otherwise.
    #[schema(value_type = Option<String>)]
    directory: Option<PathBuf>,
    /// Another name for it.
    name: Option<String>,
    /// Its label.
    label: Option<String>,
    /// Words to tag it with.
    tags: BTreeSet<String>,
    /// It is not to run yet.
    stopped: bool,
    /// Before all others in the queue.
    at_top: bool,
    /// Files that are there already may be written.
    adopt: bool,
    /// Pieces in order.
    sequential: bool,
    /// The first and last pieces of each wanted file before all others.
    first_last: bool,
    /// When it is alone with everything, to show each peer few pieces at a time (BEP 16).
    super_seeding: bool,
    /// Connections at most; as many as any torrent may have unless it is said otherwise.
    connection_limit: Option<usize>,
    /// How much files are wanted, by their number.
    priorities: Vec<FilePriority>,
    /// Trackers besides its own, by tier.
    trackers: Vec<Vec<String>>,
    /// Peers to call.
    #[schema(value_type = Vec<String>)]
    peers: Vec<SocketAddr>,
    /// The most to receive, bytes per second.
    download_limit: Option<u64>,
    /// The most to send, bytes per second.
    upload_limit: Option<u64>,
    /// When it has given enough.
    seeding: SeedingLimits,
}

/// How much a file is wanted.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub(super) struct FilePriority {
    /// Its number.
    file: usize,
    /// How much.
    priority: Priority,
}

/// A torrent that was added.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AddedTorrent {
    /// By what it is called here.
    hash: String,
    /// A number that is shorter, and good until the daemon ends.
    id: u32,
    /// As it calls itself.
    name: String,
}

/// Adds a torrent. It is in the list for good when this is answered.
#[utoipa::path(post, path = "/torrents", request_body = AddRequest, responses(
    (status = 201, body = AddedTorrent), (status = 409, body = ApiError), (status = 422, body = ApiError)))]
pub(super) async fn add(
    Shared((service, fetcher)): Shared<(Service, Fetcher)>,
    Json(request): Json<AddRequest>,
) -> Result<(StatusCode, Json<AddedTorrent>), ApiError> {
    let source = source_of(&fetcher, &request).await?;
    let new = NewTorrent {
        directory: request.directory,
        name: request.name,
        label: request.label,
        tags: request.tags,
        start: !request.stopped,
        at_top: request.at_top,
        adopt: request.adopt,
        sequential: request.sequential,
        manner: Manner {
            first_last_first: request.first_last,
            super_seeding: request.super_seeding,
            connections: request.connection_limit,
        },
        priorities: request.priorities.iter().map(|one| (one.file, one.priority.into())).collect(),
        trackers: request.trackers,
        peers: request.peers,
        limits: RateLimits { download: request.download_limit, upload: request.upload_limit },
        seeding: request.seeding,
        origin: "api".to_owned(),
        ..NewTorrent::new(source)
    };
    let added = service.add(new).await?;
    Ok((StatusCode::CREATED, Json(AddedTorrent { hash: added.hash, id: added.torrent.0, name: added.name })))
}

async fn source_of(fetcher: &Fetcher, request: &AddRequest) -> Result<Source, ApiError> {
    match (&request.file, &request.magnet, &request.url) {
        (Some(file), None, None) => {
            let bytes =
                BASE64.decode(file.as_bytes()).map_err(|_| ApiError::bad_request("`file` is not base64"))?;
            Ok(Source::File(Bytes::from(bytes)))
        }
        (None, Some(magnet), None) => Ok(Source::Magnet(magnet.clone())),
        (None, None, Some(url)) => Ok(fetcher.torrent(url).await?.into()),
        _ => Err(ApiError::bad_request("one of `file`, `magnet` and `url` is needed")),
    }
}

/// What is in a torrent that was not added yet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Inspected {
    /// By what it would be called here.
    hash: String,
    /// As it calls itself.
    name: String,
    /// `v1`, `v2` or `hybrid`; none while its metadata is not known.
    version: Option<&'static str>,
    /// Bytes of its content.
    size: u64,
    /// Bytes of a piece.
    piece_length: u32,
    /// Only its own trackers may hear of it.
    is_private: bool,
    /// What whoever has made it says of it.
    comment: Option<String>,
    /// Its files, padding left out; empty while its metadata is not known.
    files: Vec<InspectedFile>,
    /// It is in the list already.
    is_known: bool,
}

/// A file of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InspectedFile {
    /// Its number.
    index: usize,
    /// Its path.
    path: String,
    /// Bytes.
    size: u64,
}

/// Looks into a torrent without adding it.
#[utoipa::path(post, path = "/torrents/inspect", request_body = AddRequest, responses(
    (status = 200, body = Inspected), (status = 422, body = ApiError)))]
pub(super) async fn inspect(
    Shared((service, fetcher)): Shared<(Service, Fetcher)>,
    Json(request): Json<AddRequest>,
) -> Result<Json<Inspected>, ApiError> {
    let inspected = match source_of(&fetcher, &request).await? {
        Source::File(bytes) => {
            let parsed = tokio::task::spawn_blocking(move || Metainfo::parse(&bytes)).await;
            let metainfo = parsed.map_err(ApiError::bad_request)?;
            of_metainfo(&service, &metainfo.map_err(crate::service::AddError::from)?)
        }
        Source::Magnet(link) => {
            let magnet = link.parse::<Magnet>().map_err(crate::service::AddError::from)?;
            let hash = magnet.info_hashes.primary().to_string();
            Inspected {
                is_known: service.find(&hash).is_some(),
                name: magnet.name.unwrap_or_else(|| hash.clone()),
                hash,
                version: None,
                size: 0,
                piece_length: 0,
                is_private: false,
                comment: None,
                files: Vec::new(),
            }
        }
    };
    Ok(Json(inspected))
}

fn of_metainfo(service: &Service, metainfo: &Metainfo) -> Inspected {
    let hash = metainfo.info_hashes.primary().to_string();
    let info = &metainfo.info;
    let files = info.files.iter().enumerate().filter(|(_, file)| !file.attributes.pad);
    Inspected {
        is_known: service.find(&hash).is_some(),
        hash,
        name: info.name.clone(),
        version: Some(info.version.name()),
        size: info.content_length(),
        piece_length: info.piece_length,
        is_private: info.private,
        comment: metainfo.comment.clone(),
        files: files
            .map(|(index, file)| InspectedFile { index, path: file.path.clone(), size: file.length })
            .collect(),
    }
}
