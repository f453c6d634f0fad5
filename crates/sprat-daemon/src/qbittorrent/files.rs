//! The files of a torrent. Clients number them as they stand in the list, in which there is no padding; sprat numbers all.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use sprat_core::geometry::Geometry;
use sprat_core::io::FilePriority;

use super::failure::Failure;
use super::params::Params;
use super::state::Web;
use super::torrent::part;
use super::who::{ids, one};
use crate::service::{Change, FileDetails, InspectError, Priority};

/// How much a file is wanted, by its number.
mod priority {
    pub(super) const SKIP: u8 = 0;
    pub(super) const NORMAL: u8 = 1;
    pub(super) const HIGH: u8 = 6;
    pub(super) const HIGHEST: u8 = 7;
}

/// `torrents/files`
pub(super) async fn list(State(web): State<Arc<Web>>, params: Params) -> Result<Json<Vec<Value>>, Failure> {
    let line = one(&web, &params)?;
    let files = match web.service.files(line.torrent).await {
        Err(InspectError::NoMetadata) => return Ok(Json(Vec::new())),
        files => files?,
    };
    let metainfo = web.service.metainfo(line.torrent).await.ok_or(InspectError::NoMetadata)?;
    let availability = web.service.availability(line.torrent).await?;
    let geometry = Geometry::new(&metainfo.info);
    let wanted: Option<Vec<usize>> = match params.list("indexes", '|').as_slice() {
        [] => None,
        numbers => Some(numbers.iter().filter_map(|number| number.parse().ok()).collect()),
    };
    let is_wanted =
        |(place, _): &(usize, &FileDetails)| wanted.as_ref().is_none_or(|wanted| wanted.contains(place));
    let describe = |(place, file): (usize, &FileDetails)| {
        let pieces = geometry.pieces_of(file.index);
        let range = pieces.start as usize..pieces.end as usize;
        let available = availability.get(range).unwrap_or_default();
        let elsewhere = available.iter().filter(|peers| **peers > 0).count();
        let mut described = json!({
            "index": place,
            "name": file.path,
            "size": file.size,
            "progress": if file.size == 0 { 1.0 } else { part(file.have, file.size) },
            "priority": match file.priority {
                Priority::Skip => priority::SKIP,
                // There is none that is lower than normal.
                Priority::Low | Priority::Normal => priority::NORMAL,
                Priority::High => priority::HIGH,
            },
            "piece_range": [pieces.start, pieces.end.saturating_sub(1).max(pieces.start)],
            "availability": part(elsewhere as u64, available.len() as u64),
        });
        if place == 0 {
            described["is_seed"] = json!(line.summary.is_complete);
        }
        described
    };
    Ok(Json(files.iter().enumerate().filter(is_wanted).map(describe).collect()))
}

/// `torrents/filePrio`
pub(super) async fn set_priority(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let line = one(&web, &params)?;
    let priority = match params.number("priority")? {
        Some(priority::SKIP) => FilePriority::Skip,
        Some(priority::NORMAL) => FilePriority::Normal,
        Some(priority::HIGH | priority::HIGHEST) => FilePriority::High,
        _ => return Err(Failure::bad_request("priority is none of 0, 1, 6 and 7")),
    };
    let files = web.service.files(line.torrent).await?;
    let mut priorities = Vec::new();
    for number in params.needed("id")?.split('|') {
        let number: usize = number.trim().parse().map_err(|_| Failure::bad_request("id is no number"))?;
        let file = files
            .get(number)
            .ok_or_else(|| Failure::conflict(format!("there is no file number {number}")))?;
        priorities.push((file.index, priority));
    }
    Ok(web.service.change(line.torrent, Change { priorities, ..Change::default() }).await?)
}

/// `torrents/rename`: another name for it in lists; its files have theirs.
pub(super) async fn rename(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let line = one(&web, &params)?;
    let name = params.needed("name")?.trim();
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(Failure::conflict("this cannot be a name"));
    }
    Ok(web.service.change(line.torrent, Change { name: Some(name.to_owned()), ..Change::default() }).await?)
}

/// `torrents/renameFile`: another path below the torrent's directory.
pub(super) async fn rename_file(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let line = one(&web, &params)?;
    let (old, new) = (params.needed("oldPath")?, params.needed("newPath")?);
    let files = web.service.files(line.torrent).await?;
    let file = files.iter().find(|file| file.path == old);
    let file = file.ok_or_else(|| Failure::conflict("there is no such file"))?;
    Ok(web.service.rename_file(line.torrent, file.index, new.to_owned()).await?)
}

/// `torrents/renameFolder`: only its own name, not where it is. The torrent keeps the name that it has in lists.
pub(super) async fn rename_folder(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let line = one(&web, &params)?;
    let (old, new) = (params.needed("oldPath")?, params.needed("newPath")?);
    let split = |path| str::rsplit_once(path, '/').map_or(("", path), |(above, name)| (above, name));
    let ((above, _), (above_new, name)) = (split(old), split(new));
    if above != above_new {
        return Err(Failure::conflict("a directory keeps its place; only its own name can be another one"));
    }
    web.service.rename_path(line.torrent, old, name).await?;
    let name = Some(line.summary.name.clone());
    Ok(web.service.change(line.torrent, Change { name, ..Change::default() }).await?)
}

/// `torrents/setLocation`: moves them.
pub(super) async fn set_location(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let location = params.needed("location")?.trim();
    if location.is_empty() {
        return Err(Failure::bad_request("location is missing"));
    }
    for torrent in ids(&web, &params)? {
        web.service.begin_move(torrent, PathBuf::from(location), false).await?;
    }
    Ok(())
}
