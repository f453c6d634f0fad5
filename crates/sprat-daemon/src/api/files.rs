//! The files of a torrent.

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::error::ApiError;
use super::one::named;
use crate::service::{Change, FileDetails, Priority, Service};

/// Its files.
#[utoipa::path(get, path = "/torrents/{hash}/files", params(("hash" = String, Path)), responses(
    (status = 200, body = Vec<FileDetails>), (status = 404, body = ApiError), (status = 409, body = ApiError)))]
pub(super) async fn files(
    Shared(service): Shared<Service>,
    Path(hash): Path<String>,
) -> Result<Json<Vec<FileDetails>>, ApiError> {
    Ok(Json(service.files(named(&service, &hash)?).await?))
}

/// What is to be changed of files.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FilesRequest {
    /// Which, by their numbers.
    files: Vec<usize>,
    /// How much they are wanted.
    priority: Option<Priority>,
    /// Another path below the torrent's directory, if it is one file.
    path: Option<String>,
}

/// Changes how much files are wanted, or what one of them is called.
#[utoipa::path(patch, path = "/torrents/{hash}/files", params(("hash" = String, Path)), request_body = FilesRequest, responses(
    (status = 204), (status = 404, body = ApiError), (status = 409, body = ApiError)))]
pub(super) async fn change(
    Shared(service): Shared<Service>,
    Path(hash): Path<String>,
    Json(request): Json<FilesRequest>,
) -> Result<StatusCode, ApiError> {
    let torrent = named(&service, &hash)?;
    if let Some(path) = request.path {
        let [file] = request.files.as_slice() else {
            return Err(ApiError::bad_request("only one file can be given a path"));
        };
        service.rename_file(torrent, *file, path).await?;
    }
    if let Some(priority) = request.priority {
        let priorities = request.files.iter().map(|file| (*file, priority.into())).collect();
        service.change(torrent, Change { priorities, ..Change::default() }).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
