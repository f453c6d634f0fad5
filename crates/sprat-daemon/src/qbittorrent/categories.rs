//! Categories: labels, each with the directory that the files of its torrents are below unless another one is named.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use serde_json::{Map, Value};
use sprat_core::storage::TorrentId;

use super::failure::Failure;
use super::filing;
use super::params::Params;
use super::state::Web;
use super::who::{ids, several};
use crate::labels::{Label, Labels};
use crate::service::{Change, ChangeError};
use crate::torrents::Line;

/// `torrents/categories`
pub(super) fn list(web: &Web) -> Map<String, Value> {
    filing::categories(&web.service.labels())
}

/// `torrents/createCategory`
pub(super) fn create(web: &Web, params: &Params) -> Result<(), Failure> {
    let name = params.needed("category")?;
    if name.is_empty() {
        return Err(Failure::bad_request("a category needs a name"));
    }
    if !Labels::is_name(name) {
        return Err(Failure::conflict(ChangeError::Name(name.to_owned())));
    }
    let directory = directory(web, params)?;
    let is_new = web.service.change_labels(|labels| {
        let is_new = !labels.labels.contains_key(name);
        if is_new {
            labels.labels.insert(name.to_owned(), Label { directory, ..Label::default() });
        }
        is_new
    });
    if is_new { Ok(()) } else { Err(Failure::conflict("there is such a category already")) }
}

/// `torrents/editCategory`
pub(super) fn edit(web: &Web, params: &Params) -> Result<(), Failure> {
    let name = params.needed("category")?;
    let directory = directory(web, params)?;
    let found = web.service.change_labels(|labels| {
        labels.labels.get_mut(name).map(|label| label.directory = directory).is_some()
    });
    if found { Ok(()) } else { Err(Failure::conflict("there is no such category")) }
}

/// `torrents/removeCategories`: their torrents have none then.
pub(super) async fn remove(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let names = params.list("categories", '\n');
    web.service.change_labels(|labels| labels.labels.retain(|name, _| !names.contains(&name.as_str())));
    let snapshot = web.service.snapshot();
    let is_in =
        |line: &&Arc<Line>| line.summary.label.as_ref().is_some_and(|label| names.contains(&label.as_str()));
    let torrents: Vec<TorrentId> = snapshot.lines().iter().filter(is_in).map(|line| line.torrent).collect();
    let without = Change { label: Some(None), ..Change::default() };
    Ok(web.service.change_all(&torrents, without).await?)
}

/// `torrents/setCategory`: an empty one is none. Files stay where they are.
pub(super) async fn set(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let name = params.needed("category")?;
    let label = Some(name.to_owned()).filter(|name| !name.is_empty());
    if label.as_ref().is_some_and(|name| !web.service.labels().labels.contains_key(name)) {
        return Err(Failure::conflict("there is no such category"));
    }
    let change = Change { label: Some(label), ..Change::default() };
    Ok(web.service.change_all(&ids(&web, &params)?, change).await?)
}

/// `torrents/setAutoManagement`: files are not moved because their category was changed.
pub(super) fn set_auto_management(web: &Web, params: &Params) -> Result<(), Failure> {
    let meant = several(web, params)?;
    let refused = params.flag("enable") == Some(true) && !meant.is_empty();
    if refused { Err(Failure::conflict("sprat does not move files when a category changes")) } else { Ok(()) }
}

/// Where files may lie, if one is named.
fn directory(web: &Web, params: &Params) -> Result<Option<PathBuf>, Failure> {
    let path = params.text("savePath").map(str::trim).filter(|path| !path.is_empty()).map(PathBuf::from);
    let choices = web.service.choices();
    match path {
        Some(path) if !choices.allows(&choices.downloads.join(&path)) => {
            Err(Failure::conflict(crate::service::MoveError::Directory(path)))
        }
        path => Ok(path),
    }
}
