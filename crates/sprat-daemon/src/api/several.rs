//! What can be done with many torrents at once.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use serde::Deserialize;
use sprat_core::storage::{Files, TorrentId};
use utoipa::ToSchema;

use super::error::ApiError;
use super::one::{ChangeRequest, named};
use crate::service::{Action, Service};

/// Which torrents: by their hashes, or all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Which {
    /// These.
    These(Vec<String>),
    /// `"all"`.
    All(All),
}

/// A word for all torrents.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum All {
    /// All of them.
    All,
}

impl Which {
    fn torrents(&self, service: &Service) -> Result<Vec<TorrentId>, ApiError> {
        match self {
            Self::These(hashes) => hashes.iter().map(|hash| named(service, hash)).collect(),
            Self::All(All::All) => Ok(service.snapshot().lines().iter().map(|line| line.torrent).collect()),
        }
    }
}

/// What is to be done, and with whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ActRequest {
    /// With whom.
    torrents: Which,
    /// What.
    action: Action,
}

/// Does something with torrents: with all that are named, or if one of them is not there, with none.
#[utoipa::path(post, path = "/torrents/act", request_body = ActRequest, responses(
    (status = 204), (status = 404, body = ApiError)))]
pub(super) async fn act(
    Shared(service): Shared<Service>,
    Json(request): Json<ActRequest>,
) -> Result<StatusCode, ApiError> {
    let torrents = request.torrents.torrents(&service)?;
    service.act(&torrents, request.action).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is to be changed, and of whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeManyRequest {
    /// Of whom.
    torrents: Which,
    /// What.
    change: ChangeRequest,
}

/// Changes torrents: all that are named, or if one of them is not there, none.
#[utoipa::path(patch, path = "/torrents", request_body = ChangeManyRequest, responses(
    (status = 204), (status = 404, body = ApiError), (status = 422, body = ApiError)))]
pub(super) async fn change(
    Shared(service): Shared<Service>,
    Json(request): Json<ChangeManyRequest>,
) -> Result<StatusCode, ApiError> {
    let torrents = request.torrents.torrents(&service)?;
    service.change_all(&torrents, request.change.into()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who is to be removed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveRequest {
    /// Whom.
    torrents: Which,
    /// Files that they have made, and that no other torrent uses, are deleted.
    #[serde(default)]
    delete_files: bool,
}

/// Removes torrents: all that are named, or if one of them is not there, none.
#[utoipa::path(post, path = "/torrents/remove", request_body = RemoveRequest, responses(
    (status = 204), (status = 404, body = ApiError)))]
pub(super) async fn remove(
    Shared(service): Shared<Service>,
    Json(request): Json<RemoveRequest>,
) -> Result<StatusCode, ApiError> {
    let torrents = request.torrents.torrents(&service)?;
    let files = if request.delete_files { Files::Delete } else { Files::Forget };
    service.remove(&torrents, files).await?;
    Ok(StatusCode::NO_CONTENT)
}
