//! What is on the disk when a torrent is opened, and what is to be believed of it.

use std::sync::atomic::Ordering;

use rustix::io::Errno;
use sprat_core::bitfield::Bitfield;
use sprat_core::storage::{Found, StorageError, StorageErrorKind};
use sprat_wire::metainfo::File;

use super::contain::Root;
use super::content::{Content, nearest_existing};
use super::fault::conflict;
use super::progress::{FileRecord, Origin, Progress};
use super::signature::Signature;
use crate::disk::planted::PlantedBug;

/// Looks at the files and at the record; then creates the empty files.
pub(super) fn open(content: &Content, adopt: bool) -> Result<Found, StorageError> {
    content
        .place
        .check(&content.info)
        .map_err(|error| conflict(content.directory().display(), &error.to_string()))?;
    let record = content.recorder.load(content.geometry.pieces(), content.info.files.len())?;
    let held_something =
        record.as_ref().is_some_and(|record| record.files.iter().any(|file| file.signature.is_some()));
    content.look_anew();
    let (signatures, device) = match content.root() {
        Ok(root) => {
            let device = root.device().map_err(|errno| content.root_fault(errno))?;
            (content.signatures(&root)?, Some(device))
        }
        Err(Errno::NOENT) if held_something => return Err(content.missing("is not there")),
        Err(Errno::NOENT) => (vec![None; content.info.files.len()], None),
        Err(errno) => return Err(content.root_fault(errno)),
    };
    let here = device.or_else(|| nearest_existing(content.directory()).and_then(|root| root.device().ok()));
    if let Some(record) = &record
        && held_something
        && signatures.iter().all(Option::is_none)
        && here != Some(record.device)
    {
        // Starting over would fill the bare mount point.
        return Err(content.missing("is empty, and lies on another file system than before"));
    }
    let trust: Vec<Trust> = match &record {
        Some(record) => signatures
            .iter()
            .zip(&record.files)
            .map(|(now, then)| judge(*now, then, record.at_rest))
            .collect(),
        None => signatures.iter().map(|now| judge_unrecorded(*now)).collect(),
    };
    let files: Vec<FileRecord> = trust.iter().map(|trust| trust.record(adopt)).collect();
    let recorded = record.as_ref().map_or(&[][..], |record| &record.directories);
    let directories = content.existing(recorded)?;
    let found = find(content, &trust, record.as_ref());
    warn_of_long_files(content, &signatures);
    content.opened(&files, &directories);
    let progress = Progress {
        have: found.have.clone(),
        unproven: found.unproven.clone(),
        // What is written now would be taken for somebody else's doing otherwise.
        at_rest: true,
        device: here.unwrap_or(0),
        files,
        directories,
    };
    content.recorder.opened(progress, record.as_ref().is_none_or(|record| record.at_rest));
    // What is written down for them would say of what was not looked at yet that it is not had.
    content.lacks_empty_files.store(true, Ordering::Release);
    if found.unchecked.is_empty() {
        make_empty_files(content);
    }
    Ok(found)
}

/// Makes the empty files. That this fails keeps nobody from giving what there is; it is tried again at the next commit.
pub(super) fn make_empty_files(content: &Content) {
    match create_empty_files(content) {
        Ok(()) => content.lacks_empty_files.store(false, Ordering::Release),
        Err(error) => tracing::warn!(%error, "an empty file could not be made"),
    }
}

/// What a file is, and what may be believed of the pieces recorded in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trust {
    origin: Origin,
    signature: Option<Signature>,
    belief: Belief,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Belief {
    /// It is as it was.
    Certain,
    /// It was being written by us, or looks as if nothing but its names has changed.
    Unproven,
    /// Nothing is known.
    None,
}

impl Trust {
    fn record(&self, adopt: bool) -> FileRecord {
        let adopted = adopt && self.origin == Origin::Foreign;
        let origin = if adopted { Origin::Adopted } else { self.origin };
        FileRecord { origin, signature: self.signature }
    }
}

/// A file of which there is a record.
fn judge(now: Option<Signature>, then: &FileRecord, at_rest: bool) -> Trust {
    let signature = now;
    let (origin, belief) = match (now, then.signature) {
        (None, None) => (Origin::Absent, Belief::Certain),
        (None, Some(_)) => (Origin::Absent, Belief::None),
        (Some(now), Some(then_)) if now == then_ => (then.origin, Belief::Certain),
        (Some(now), Some(then_)) if now.has_same_bytes(&then_) => (then.origin, Belief::Unproven),
        (Some(now), Some(then_))
            if !at_rest && then.origin.is_writable() && now.may_be_grown_from(&then_) =>
        {
            (then.origin, Belief::Unproven)
        }
        (Some(now), Some(then_)) if now.inode == then_.inode => (then.origin, Belief::None),
        // In the place of what we knew.
        (Some(_), Some(_)) => (adoption_of(then.origin), Belief::None),
        // We were about to make it. Nothing of it is recorded, so nothing is lost with it.
        (Some(_), None) if !at_rest => (Origin::Ours, Belief::Certain),
        (Some(_), None) => (Origin::Foreign, Belief::None),
    };
    Trust { origin, signature, belief }
}

/// Whoever replaced an adopted file is trusted as he was with the first one.
const fn adoption_of(origin: Origin) -> Origin {
    match origin {
        Origin::Adopted => Origin::Adopted,
        Origin::Absent | Origin::Ours | Origin::Foreign => Origin::Foreign,
    }
}

fn judge_unrecorded(now: Option<Signature>) -> Trust {
    let origin = if now.is_some() { Origin::Foreign } else { Origin::Absent };
    Trust { origin, signature: now, belief: Belief::None }
}

/// Sorts the pieces by what is believed of the files that they lie in.
fn find(content: &Content, trust: &[Trust], record: Option<&Progress>) -> Found {
    let pieces = content.geometry.pieces();
    let mut found = Found::nothing(pieces);
    // Mostly there is nothing at all, or nothing has changed.
    if trust.iter().all(|trust| trust.signature.is_none()) {
        return found;
    }
    let recorded = record.map_or_else(|| Bitfield::new(pieces), |record| record.have.clone());
    for piece in content.geometry.all_pieces() {
        let mut belief = Belief::Certain;
        let mut is_there = true;
        for slice in content.geometry.slices(piece, 0, content.geometry.length_of(piece)) {
            let Some(file) = trust.get(slice.file) else { continue };
            belief = belief.max(file.belief);
            let size = file.signature.map_or(0, |signature| signature.size);
            is_there &= slice.offset + slice.length <= size;
        }
        if !is_there {
            continue;
        }
        match belief {
            Belief::None => _ = found.unchecked.insert(piece.get()),
            Belief::Certain | Belief::Unproven if recorded.contains(piece.get()) => {
                found.have.insert(piece.get());
                let was_unproven = record.is_some_and(|record| record.unproven.contains(piece.get()));
                let is_trusted = content.is_planted(PlantedBug::ResumeTrustsUnproven);
                if !is_trusted && (was_unproven || belief == Belief::Unproven) {
                    found.unproven.insert(piece.get());
                }
            }
            Belief::Certain | Belief::Unproven => {}
        }
    }
    found
}

fn warn_of_long_files(content: &Content, signatures: &[Option<Signature>]) {
    for (file, signature) in content.info.files.iter().zip(signatures) {
        if let Some(signature) = signature.filter(|signature| signature.size > file.length) {
            tracing::warn!(
                file = file.path,
                size = signature.size,
                expected = file.length,
                "a file is longer than the torrent says; what follows its end is left alone"
            );
        }
    }
}

fn create_empty_files(content: &Content) -> Result<(), StorageError> {
    for (index, file) in content.info.files.iter().enumerate() {
        let is_empty = file.length == 0 && file.is_on_disk();
        if is_empty && content.watch.record(index).signature.is_none() {
            match content.create_empty(index) {
                // It holds nothing that anybody could want.
                Err(error) if error.kind == StorageErrorKind::Conflict => {}
                result => result?,
            }
        }
    }
    Ok(())
}

impl Content {
    /// How each file looks now.
    pub(super) fn signatures(&self, root: &Root) -> Result<Vec<Option<Signature>>, StorageError> {
        let signature = |(index, file): (usize, &File)| {
            if !file.is_on_disk() {
                return Ok(None);
            }
            Ok(self.stat(root, index)?.as_ref().map(Signature::of))
        };
        self.info.files.iter().enumerate().map(signature).collect()
    }

    /// Those of some directories below the root that are there. Of others it was said that we would make them.
    fn existing(&self, directories: &[String]) -> Result<Vec<String>, StorageError> {
        if directories.is_empty() {
            return Ok(Vec::new());
        }
        match self.root() {
            Ok(root) => Ok(directories.iter().filter(|path| root.stat(path).is_ok()).cloned().collect()),
            Err(Errno::NOENT) => Ok(Vec::new()),
            Err(errno) => Err(self.root_fault(errno)),
        }
    }
}
