//! Labels.

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use serde::Serialize;
use sprat_core::storage::TorrentId;
use utoipa::ToSchema;

use super::error::ApiError;
use crate::labels::{Label, Labels};
use crate::service::{Change, Service};

/// A label, and how many torrents have it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LabelDetails {
    /// Its name.
    name: String,
    /// What holds for its torrents.
    #[serde(flatten)]
    label: Label,
    /// Torrents that have it.
    torrents: usize,
}

/// All labels.
#[utoipa::path(get, path = "/labels", responses((status = 200, body = Vec<LabelDetails>)))]
pub(super) async fn list(Shared(service): Shared<Service>) -> Json<Vec<LabelDetails>> {
    let snapshot = service.snapshot();
    let count = |name: &String| {
        snapshot.lines().iter().filter(|line| line.summary.label.as_ref() == Some(name)).count()
    };
    let labels = service.labels().labels.into_iter();
    Json(labels.map(|(name, label)| LabelDetails { torrents: count(&name), name, label }).collect())
}

/// Makes a label, or changes it.
#[utoipa::path(put, path = "/labels/{name}", params(("name" = String, Path)), request_body = Label, responses(
    (status = 204), (status = 422, body = ApiError)))]
pub(super) async fn put(
    Shared(service): Shared<Service>,
    Path(name): Path<String>,
    Json(label): Json<Label>,
) -> Result<StatusCode, ApiError> {
    if !Labels::is_name(&name) {
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "name",
            "that cannot be the name of a label",
        ));
    }
    let choices = service.choices();
    if let Some(directory) = &label.directory
        && !choices.allows(&choices.downloads.join(directory))
    {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "directory", "torrents may not lie there"));
    }
    service.change_labels(|labels| labels.labels.insert(name, label));
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a label away from the list and from all torrents that have it.
#[utoipa::path(delete, path = "/labels/{name}", params(("name" = String, Path)), responses((status = 204)))]
pub(super) async fn delete(
    Shared(service): Shared<Service>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    service.change_labels(|labels| labels.labels.remove(&name));
    let snapshot = service.snapshot();
    let labelled = snapshot.lines().iter().filter(|line| line.summary.label.as_ref() == Some(&name));
    let torrents: Vec<TorrentId> = labelled.map(|line| line.torrent).collect();
    service.change_all(&torrents, Change { label: Some(None), ..Change::default() }).await?;
    Ok(StatusCode::NO_CONTENT)
}
