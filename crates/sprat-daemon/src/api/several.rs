//! What can be done with many torrents at once.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use serde::Deserialize;
use sprat_core::storage::{Files, TorrentId};
use utoipa::ToSchema;

use super::error::ApiError;
use super::one::{named, said};
use crate::service::{Action, Change, Service};
use crate::torrents::SeedingLimits;

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

/// What is to be changed, and of whom. What is left out stays; `null` takes a label or limit away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeManyRequest {
    /// Of whom.
    torrents: Which,
    /// Their label.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    label: Option<Option<String>>,
    /// All their tags.
    #[serde(default)]
    tags: Option<BTreeSet<String>>,
    /// Tags that they are to have besides.
    #[serde(default)]
    add_tags: BTreeSet<String>,
    /// Tags that they are not to have.
    #[serde(default)]
    remove_tags: BTreeSet<String>,
    /// The most that each is to receive, bytes per second.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<u64>)]
    download_limit: Option<Option<u64>>,
    /// The most that each is to send, bytes per second.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<u64>)]
    upload_limit: Option<Option<u64>>,
    /// When each has given enough.
    #[serde(default)]
    seeding: Option<SeedingLimits>,
    /// Pieces in order.
    #[serde(default)]
    sequential: Option<bool>,
}

/// Changes torrents: all that are named, or if one of them is not there, none.
#[utoipa::path(patch, path = "/torrents", request_body = ChangeManyRequest, responses(
    (status = 204), (status = 404, body = ApiError), (status = 422, body = ApiError)))]
pub(super) async fn change(
    Shared(service): Shared<Service>,
    Json(request): Json<ChangeManyRequest>,
) -> Result<StatusCode, ApiError> {
    let torrents = request.torrents.torrents(&service)?;
    let change = Change {
        label: request.label,
        tags: request.tags,
        add_tags: request.add_tags,
        remove_tags: request.remove_tags,
        download_limit: request.download_limit,
        upload_limit: request.upload_limit,
        seeding: request.seeding,
        sequential: request.sequential,
        ..Change::default()
    };
    service.change_all(&torrents, change).await?;
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
