//! Tags.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use sprat_core::storage::TorrentId;

use super::failure::Failure;
use super::filing;
use super::params::Params;
use super::state::Web;
use super::who::ids;
use crate::labels::Labels;
use crate::service::{Change, ChangeError};

/// `torrents/tags`
pub(super) fn list(web: &Web) -> Response {
    Json(filing::tags(&web.service.labels(), &web.service.snapshot())).into_response()
}

/// `torrents/createTags`
pub(super) fn create(web: &Web, params: &Params) -> Result<(), Failure> {
    let names = named(params)?;
    web.service.change_labels(|labels| labels.tags.extend(names));
    Ok(())
}

/// `torrents/deleteTags`: no torrent has them then.
pub(super) async fn delete(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let names = named(&params)?;
    web.service.change_labels(|labels| labels.tags.retain(|tag| !names.contains(tag)));
    let snapshot = web.service.snapshot();
    let tagged = snapshot.lines().iter().filter(|line| !line.summary.tags.is_disjoint(&names));
    let tagged: Vec<TorrentId> = tagged.map(|line| line.torrent).collect();
    let change = Change { remove_tags: names, ..Change::default() };
    Ok(web.service.change_all(&tagged, change).await?)
}

/// `torrents/addTags`
pub(super) async fn add(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let names = named(&params)?;
    web.service.change_labels(|labels| labels.tags.extend(names.iter().cloned()));
    let change = Change { add_tags: names, ..Change::default() };
    Ok(web.service.change_all(&ids(&web, &params)?, change).await?)
}

/// `torrents/setTags`
pub(super) async fn set(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let names = named(&params)?;
    web.service.change_labels(|labels| labels.tags.extend(names.iter().cloned()));
    let change = Change { tags: Some(names), ..Change::default() };
    Ok(web.service.change_all(&ids(&web, &params)?, change).await?)
}

/// `torrents/removeTags`: without any named, all.
pub(super) async fn remove(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let names = named(&params)?;
    let change = if names.is_empty() {
        Change { tags: Some(BTreeSet::new()), ..Change::default() }
    } else {
        Change { remove_tags: names, ..Change::default() }
    };
    Ok(web.service.change_all(&ids(&web, &params)?, change).await?)
}

fn named(params: &Params) -> Result<BTreeSet<String>, Failure> {
    let names: BTreeSet<String> = params.list("tags", ',').into_iter().map(str::to_owned).collect();
    match names.iter().find(|name| !Labels::is_name(name)) {
        Some(name) => Err(ChangeError::Name(name.clone()).into()),
        None => Ok(names),
    }
}
