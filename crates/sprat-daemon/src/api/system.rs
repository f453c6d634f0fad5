//! The daemon itself.

use std::path::PathBuf;

use axum::Json;
use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;
use crate::service::Service;
use crate::statistics::Counts;

/// What was counted over all torrents.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatisticsDetails {
    /// Since the daemon was started.
    session: Counts,
    /// Since the first time that it was.
    all: Counts,
    /// Payload received, bytes per second.
    download_rate: u64,
    /// Payload sent, bytes per second.
    upload_rate: u64,
    /// Connections.
    peers: usize,
    /// Torrents.
    torrents: usize,
}

/// What was counted.
#[utoipa::path(get, path = "/statistics", responses((status = 200, body = StatisticsDetails)))]
pub(super) async fn statistics(Shared(service): Shared<Service>) -> Json<StatisticsDetails> {
    let counted = service.statistics();
    let snapshot = service.snapshot();
    let sum = |of: fn(&crate::torrents::Summary) -> u64| {
        snapshot.lines().iter().map(|line| of(&line.summary)).sum()
    };
    Json(StatisticsDetails {
        session: counted.session,
        all: counted.all(),
        download_rate: sum(|one| one.download_rate),
        upload_rate: sum(|one| one.upload_rate),
        peers: snapshot.lines().iter().map(|line| line.summary.peers).sum(),
        torrents: snapshot.lines().len(),
    })
}

/// Of which disk.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SpaceQuery {
    /// A directory that torrents may lie in; the usual one unless it is said otherwise.
    #[param(value_type = Option<String>)]
    directory: Option<PathBuf>,
}

/// How much room there is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SpaceDetails {
    /// Where.
    directory: String,
    /// Bytes that can be written there.
    free: u64,
    /// Bytes in all.
    total: u64,
}

/// How much room there is for files.
#[utoipa::path(get, path = "/space", params(SpaceQuery), responses((status = 200, body = SpaceDetails), (status = 403, body = ApiError)))]
pub(super) async fn space(
    Shared(service): Shared<Service>,
    Query(query): Query<SpaceQuery>,
) -> Result<Json<SpaceDetails>, ApiError> {
    let choices = service.choices();
    let directory = query.directory.unwrap_or_else(|| choices.downloads.clone());
    if !choices.allows(&directory) {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "directory", "torrents may not lie there"));
    }
    let asked = directory.clone();
    let space = tokio::task::spawn_blocking(move || crate::space::of(&asked)).await;
    let space = space.map_err(ApiError::bad_request)?;
    let space = space.map_err(|error| ApiError::new(StatusCode::CONFLICT, "disk", error))?;
    Ok(Json(SpaceDetails {
        directory: directory.display().to_string(),
        free: space.free,
        total: space.total,
    }))
}

/// Which daemon this is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionDetails {
    /// The program's version.
    version: &'static str,
    /// The port on which peers reach it; 0 is none.
    port: u16,
    /// What of its state was damaged when it was read.
    damages: Vec<String>,
}

/// Which daemon this is.
#[utoipa::path(get, path = "/version", responses((status = 200, body = VersionDetails)))]
pub(super) async fn version(Shared(service): Shared<Service>) -> Json<VersionDetails> {
    Json(VersionDetails {
        version: env!("CARGO_PKG_VERSION"),
        port: service.client().port(),
        damages: service.damages().to_vec(),
    })
}
