//! A torrent lies elsewhere, where somebody else has put its files: which of them are those that are recorded?

use std::sync::Arc;

use sprat_core::bitfield::Bitfield;
use sprat_core::geometry::Geometry;
use sprat_core::storage::StorageError;
use sprat_wire::metainfo::Metainfo;

use super::content::Content;
use super::place::Place;
use super::pool::FilePool;
use super::progress::{FileRecord, Origin, Progress};
use super::recorder::{Recorder, key_of};
use super::signature::Signature;
use crate::ledger::LedgerHandle;
use crate::state::Change;

/// The record of the torrent's progress at the place `at`. A file that has the size and the time of the one that was recorded is
/// believed to be that one, but unproven: its pieces are had at once, and hashed before anybody gets them. Any other is hashed
/// first.
pub(crate) fn recognise(
    metainfo: &Metainfo,
    ledger: LedgerHandle,
    at: Place,
) -> Result<Change, StorageError> {
    let adopt = at.adopt;
    let geometry = Arc::new(Geometry::new(&metainfo.info));
    let (pieces, files) = (geometry.pieces(), metainfo.info.files.len());
    let recorder = Recorder::new(Some(ledger), key_of(&metainfo.info_hashes));
    let record = recorder.load(pieces, files)?;
    let pool = Arc::new(FilePool::new(1));
    let content = Content::of_nobody(at, Arc::clone(&metainfo.info), geometry, pool, recorder);
    let root = content.root().map_err(|errno| content.root_fault(errno))?;
    let device = root.device().map_err(|errno| content.root_fault(errno))?;
    let now = content.signatures(&root)?;
    let recorded = record.as_ref().map(|record| (record.files.as_slice(), record.device == device));
    let files: Vec<FileRecord> = now
        .iter()
        .enumerate()
        .map(|(file, now)| {
            let (then, is_same_device) = recorded?;
            known(*now, then.get(file)?, is_same_device, adopt)
        })
        .map(Option::unwrap_or_default)
        .collect();
    let mut have = Bitfield::new(pieces);
    for piece in record.iter().flat_map(|record| record.have.iter()) {
        let Some(index) = content.geometry.piece(piece) else { continue };
        let mut slices = content.geometry.slices(index, 0, content.geometry.length_of(index));
        if slices.all(|slice| files.get(slice.file).is_some_and(|file| file.signature.is_some())) {
            have.insert(piece);
        }
    }
    let unproven = have.clone();
    let progress = Progress { have, unproven, at_rest: true, device, files, directories: Vec::new() };
    Ok(content.recorder.change(&progress))
}

/// What is to be recorded of a file that looks like the one that was recorded; `None` if it does not.
fn known(now: Option<Signature>, then: &FileRecord, is_same_device: bool, adopt: bool) -> Option<FileRecord> {
    let (now, before) = (now?, then.signature?);
    let looks_the_same = (now.size, now.modified) == (before.size, before.modified);
    let is_the_same = is_same_device && now.inode == before.inode;
    let origin = match then.origin {
        origin if is_the_same => origin,
        _ if adopt => Origin::Adopted,
        _ => Origin::Foreign,
    };
    looks_the_same.then_some(FileRecord { origin, signature: Some(now) })
}
