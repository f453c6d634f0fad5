//! What is on the disk when a torrent is opened.

use rustix::io::Errno;
use sprat_core::bitfield::Bitfield;
use sprat_core::storage::{Found, StorageError};
use sprat_wire::hash::InfoHashes;

use super::contain::Root;
use super::content::{Content, nearest_existing};
use super::fault::changed;
use super::resume::{Record, Records, Signature};

/// Looks for data and a believable record; then creates the empty files.
pub(super) fn open(
    content: &Content,
    hashes: &InfoHashes,
    records: Option<&Records>,
) -> Result<Found, StorageError> {
    let record =
        records.and_then(|records| records.load(hashes, &content.geometry, content.info.files.len()));
    let files = match content.root() {
        Ok(root) => content.signatures(&root)?,
        Err(Errno::NOENT) => vec![None; content.info.files.len()],
        Err(errno) => return Err(content.root_fault(errno)),
    };
    let found = judge(content, &files, record)?;
    for (index, file) in content.info.files.iter().enumerate() {
        if file.length == 0 && !file.attributes.pad && !file.attributes.symlink {
            content.create_empty(index)?;
        }
    }
    Ok(found)
}

fn judge(
    content: &Content,
    files: &[Option<Signature>],
    record: Option<Record>,
) -> Result<Found, StorageError> {
    let covered = content.covered(files);
    let nothing = files.iter().all(Option::is_none);
    if let Some(record) = record.filter(|record| !record.have.is_empty()) {
        let possible = record.have.iter().all(|piece| covered.contains(piece));
        if possible && record.files == files {
            return Ok(Found::Resumed(record.have));
        }
        let device = nearest_existing(&content.directory).and_then(|root| root.device().ok());
        if nothing && device != Some(record.device) {
            // Starting over would fill the bare mount point.
            let what =
                "held this torrent, is empty, and lies on another file system now; is a disk not mounted?";
            return Err(changed(content.directory.display(), what));
        }
        tracing::info!(directory = %content.directory.display(), "files changed since the resume record; checking them");
    }
    if nothing {
        return Ok(Found::Nothing);
    }
    for (file, signature) in content.info.files.iter().zip(files) {
        if let Some(signature) = signature.filter(|signature| signature.size() > file.length) {
            tracing::warn!(
                file = file.path,
                size = signature.size(),
                expected = file.length,
                "a file is longer than the torrent says; what follows its end is left alone"
            );
        }
    }
    Ok(Found::Unchecked(covered))
}

impl Content {
    /// How each file that should have bytes looks now.
    pub(super) fn signatures(&self, root: &Root) -> Result<Vec<Option<Signature>>, StorageError> {
        let signature = |(index, file)| {
            if !Self::has_bytes(file) {
                return Ok(None);
            }
            Ok(self.stat(root, index)?.as_ref().map(Signature::of))
        };
        self.info.files.iter().enumerate().map(signature).collect()
    }

    /// The pieces all of whose bytes lie within existing files.
    pub(super) fn covered(&self, files: &[Option<Signature>]) -> Bitfield {
        let mut covered = Bitfield::new(self.geometry.pieces());
        for piece in self.geometry.all_pieces() {
            let length = self.geometry.length_of(piece);
            let there = self.geometry.slices(piece, 0, length).all(|slice| {
                let size = files.get(slice.file).copied().flatten().map_or(0, |signature| signature.size());
                slice.offset + slice.length <= size
            });
            if there {
                covered.insert(piece.get());
            }
        }
        covered
    }
}
