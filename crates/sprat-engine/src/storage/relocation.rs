//! Moving the files of a torrent, which nobody uses meanwhile, so that a power cut at any moment leaves a whole copy.
//!
//! 1. [`Relocation::begin`] looks whether anything is in the way, makes the new directory, and a mark in it: where that is not,
//!    a disk is not mounted.
//! 2. [`Relocation::copy`] gives each file a second name at its new place or, on another file system, makes a copy under a name
//!    with the mark, syncs it, reads it back and compares it. Which copies those are is written down.
//! 3. [`Relocation::place`] gives them their names. One commit of the ledger says that the torrent lies there: [`Moved`].
//! 4. [`Relocation::take_away`] removes the old names.
//!
//! What is written down between the steps is the caller's affair. Nothing that is there already is written over, and what was
//! interrupted is told from what is somebody else's by inodes that were written down.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use rustix::fs::{Advice, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sprat_core::bitfield::Bitfield;
use sprat_core::geometry::Geometry;
use sprat_core::storage::{Found, StorageError};
use sprat_wire::metainfo::{File, Info, Metainfo};

use super::contain::Root;
use super::content::{Content, locked, only_regular};
use super::fault::{changed, conflict, fault};
use super::open_contents::OpenContents;
use super::place::{Place, PlaceError};
use super::pool::FilePool;
use super::progress::{FileRecord, Origin, Progress};
use super::recorder::{Recorder, key_of};
use super::replica::{is_equal, replicate};
use super::signature::Signature;
use super::steering::{Steering, Stop};
use super::survey;
use crate::disk;
use crate::disk::planted::PlantedBug;
use crate::ledger::LedgerHandle;
use crate::state::Change;
use crate::whole_file::retried;

/// Files kept open at a time: those that are being copied.
const OPEN_FILES: usize = 8;

/// Files by number, with their inodes.
type Inodes = Vec<(usize, u64)>;

/// A move from one place to another.
#[derive(Debug)]
pub(crate) struct Relocation {
    from: Content,
    to: Content,
    open: OpenContents,
    /// In names that are there only during the move; no other move has it.
    mark: u64,
    /// An earlier process may have begun it.
    is_resumed: bool,
    steering: Arc<Steering>,
    /// Files at the new place that we have made.
    made: Mutex<BTreeMap<usize, u64>>,
    made_directories: Vec<String>,
}

/// What a move is about.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    pub(crate) from: Place,
    pub(crate) to: Place,
    pub(crate) mark: u64,
    /// What was written down of it, if it was begun.
    pub(crate) begun: Begun,
    /// An earlier process has begun it.
    pub(crate) is_resumed: bool,
}

/// What is written down of a move that was begun.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begun {
    /// That are whole.
    pub(crate) copies: Inodes,
    /// Below the new place, that we make.
    directories: Vec<String>,
}

/// Every file is at the new place, perhaps under a name that is not its own yet.
#[derive(Debug)]
pub(crate) struct Copied {
    found: Found,
    arrivals: Vec<Option<Arrival>>,
    /// With the copies among them, to be written down.
    pub(crate) begun: Begun,
}

/// Everything is at the new place as well.
#[derive(Debug)]
pub(crate) struct Moved {
    /// The record of the torrent's progress there.
    pub(crate) record: Change,
    pub(crate) left: Left,
}

/// What is still at the old place, and is to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Left {
    /// With the inodes that they have there.
    files: Inodes,
    directories: Vec<String>,
}

impl Begun {
    /// Whether it speaks of files that the torrent has.
    pub(crate) fn check(&self, info: &Info) -> Result<(), PlaceError> {
        check_files(&self.copies, info)
    }
}

impl Left {
    /// Whether it speaks of files that the torrent has.
    pub(crate) fn check(&self, info: &Info) -> Result<(), PlaceError> {
        check_files(&self.files, info)
    }

    /// Nothing has to be removed any more.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

fn check_files(files: &Inodes, info: &Info) -> Result<(), PlaceError> {
    let stranger = files.iter().find(|(file, _)| !info.files.get(*file).is_some_and(File::is_on_disk));
    stranger.map_or(Ok(()), |(file, _)| Err(PlaceError::NoSuchFile(*file)))
}

/// What a file has become at its new place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    /// It has not moved.
    Same,
    /// It has one more name.
    Linked,
    /// There is a copy.
    Copied,
}

struct Roots {
    from: Root,
    to: Root,
}

impl Relocation {
    pub(crate) fn new(
        metainfo: &Metainfo,
        ledger: LedgerHandle,
        open: OpenContents,
        course: Course,
        steering: Arc<Steering>,
    ) -> Self {
        let Course { from, to, mark, begun: Begun { copies, directories: made_directories }, is_resumed } =
            course;
        let info: Arc<Info> = Arc::clone(&metainfo.info);
        let geometry = Arc::new(Geometry::new(&info));
        let recorder = Recorder::new(Some(ledger), key_of(&metainfo.info_hashes));
        let [from, to] =
            [(from, recorder), (to, Recorder::new(None, Vec::new()))].map(|(place, recorder)| {
                let pool = Arc::new(FilePool::new(OPEN_FILES));
                let (info, geometry) = (Arc::clone(&info), Arc::clone(&geometry));
                Content::of_nobody(place, info, geometry, pool, recorder)
            });
        let made = Mutex::new(copies.into_iter().collect());
        Self { from, to, open, mark, is_resumed, steering, made, made_directories }
    }

    /// Looks whether something is in the way, and marks the directory.
    pub(crate) fn begin(&self) -> Result<Begun, StorageError> {
        let from = match self.from.root() {
            Ok(from) => Some(from),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(self.from.root_fault(errno)),
        };
        if let Some(to) = self.root_if_there()? {
            for file in self.files() {
                let is_same = from.as_ref().is_some_and(|from| self.is_same_entry(from, &to, file));
                if !is_same && !matches!(to.stat(self.to.path(file)), Err(Errno::NOENT | Errno::NOTDIR)) {
                    return Err(self.is_taken(file));
                }
            }
        }
        let to = self.to.root_for_writing().map_err(|errno| self.to.root_fault(errno))?;
        let mark = self.mark();
        to.create_new(&mark).map_err(|errno| fault(&mark, "making it", errno))?;
        // The names of the directory itself, and of the mark in it.
        self.to.sync()?;
        retried(|| to.sync_directory("")).map_err(|errno| self.to.root_fault(errno))?;
        let is_missing = |directory: &&str| matches!(to.stat(directory), Err(Errno::NOENT));
        let directories = self.to.directories().into_iter().filter(is_missing).map(str::to_owned).collect();
        Ok(Begun { copies: Vec::new(), directories })
    }

    fn root_if_there(&self) -> Result<Option<Root>, StorageError> {
        match self.to.root() {
            Ok(to) => Ok(Some(to)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.to.root_fault(errno)),
        }
    }

    /// Has every file at the new place, but copies not under their names.
    pub(crate) fn copy(&self) -> Result<Copied, Stop> {
        self.steering.may_go_on()?;
        let found = survey::open(&self.from, false)?;
        let records = self.from.watch.records();
        let mut arrivals = vec![None; records.len()];
        if !self.from.watch.is_empty_handed() {
            let roots = self.roots()?;
            self.steering.expect(records.iter().filter_map(|record| Some(record.signature?.size)).sum());
            for (file, (record, arrival)) in records.iter().zip(&mut arrivals).enumerate() {
                self.steering.may_go_on()?;
                let Some(then) = record.signature else { continue };
                *arrival = Some(self.bring(&roots, file, record.origin, then)?);
            }
        }
        let made = locked(&self.made);
        let copies = made.iter().filter(|(file, _)| arrivals.get(**file) == Some(&Some(Arrival::Copied)));
        let copies = copies.map(|(file, inode)| (*file, *inode)).collect();
        drop(made);
        let begun = Begun { copies, directories: self.made_directories.clone() };
        Ok(Copied { found, arrivals, begun })
    }

    fn roots(&self) -> Result<Roots, StorageError> {
        let from = self.from.root().map_err(|errno| self.from.root_fault(errno))?;
        let to = self.to.root().map_err(|errno| self.to.root_fault(errno))?;
        match to.stat(&self.mark()) {
            Ok(_) => Ok(Roots { from, to }),
            Err(Errno::NOENT) => Err(self.to.missing("is not the one in which the move was begun")),
            Err(errno) => Err(self.to.root_fault(errno)),
        }
    }

    /// Has a file at its new place.
    fn bring(&self, roots: &Roots, file: usize, origin: Origin, then: Signature) -> Result<Arrival, Stop> {
        let (old, new) = (self.from.path(file), self.to.path(file));
        let source = self.from.stat(&roots.from, file)?.ok_or_else(|| self.is_gone(file))?;
        if !Signature::of(&source).has_same_bytes(&then) {
            return Err(changed(old, "was changed by somebody else").into());
        }
        if self.is_same_entry(&roots.from, &roots.to, file) {
            return Ok(Arrival::Same);
        }
        let is_copy = |stat: &Stat| {
            let looks = |stat: &Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
            locked(&self.made).get(&file) == Some(&stat.st_ino) && looks(stat) == looks(&source)
        };
        match roots.to.stat(new) {
            Err(Errno::NOENT) => {}
            Ok(target) if self.is_resumed && origin.is_writable() && is_same_file(&source, &target) => {
                locked(&self.made).insert(file, target.st_ino);
                return Ok(Arrival::Linked);
            }
            Ok(target) if is_copy(&target) => return Ok(Arrival::Copied),
            Err(Errno::NOTDIR) | Ok(_) => return Err(self.is_taken(file).into()),
            Err(errno) => return Err(fault(new, "looking at it", errno).into()),
        }
        let draft = self.draft(file);
        match roots.to.stat(&draft) {
            Ok(stat) if is_copy(&stat) => return Ok(Arrival::Copied),
            // Not whole, or nobody knows.
            Ok(_) => roots.to.remove_file(&draft).map_err(|errno| fault(&draft, "removing it", errno))?,
            Err(_) => {}
        }
        // What stays with somebody else must not be written by another name.
        if origin.is_writable() {
            match roots.from.link(old, &roots.to, new, &mut Vec::new()) {
                Ok(()) => {
                    locked(&self.made).insert(file, source.st_ino);
                    return Ok(self.is_linked(roots, file, &source)?);
                }
                Err(Errno::EXIST) => return Err(self.is_taken(file).into()),
                // Another file system, or one that knows no links, or the file is not ours to link: it is copied.
                Err(_) => {}
            }
        }
        self.copy_file(roots, file, &source)?;
        let after = self.from.stat(&roots.from, file)?.ok_or_else(|| self.is_gone(file))?;
        // What has changed on the way may be half of this and half of that.
        let is_whole = Signature::of(&after).has_same_bytes(&then);
        is_whole.then_some(Arrival::Copied).ok_or_else(|| changed(old, "was changed by somebody else").into())
    }

    /// That what has the new name is what had the old one: somebody may have put a link in its place.
    fn is_linked(&self, roots: &Roots, file: usize, source: &Stat) -> Result<Arrival, StorageError> {
        let target = self.to.stat(&roots.to, file)?;
        let is_it = target.is_some_and(|target| is_same_file(source, &target));
        is_it.then_some(Arrival::Linked).ok_or_else(|| self.is_gone(file))
    }

    /// Copies the bytes, and does not believe it before they were read back.
    fn copy_file(&self, roots: &Roots, file: usize, source: &Stat) -> Result<(), Stop> {
        let (old, draft) = (self.from.path(file), self.draft(file));
        let original = self.original(roots, file, source)?;
        let at = |doing| {
            let draft = &draft;
            move |errno| fault(draft, doing, errno)
        };
        let flags = OFlags::RDWR | OFlags::EXCL;
        let permissions = Mode::from_raw_mode(source.st_mode & 0o777);
        let copy = roots.to.create(&draft, flags, permissions, &mut Vec::new());
        let copy = copy.map_err(at("creating it"))?;
        let is_shared =
            replicate(&original, &copy, &self.steering).map_err(|hitch| hitch.at(&draft, "copying to it"))?;
        // A copy of what the file was before looks otherwise.
        disk::set_times(&copy, source).map_err(at("setting its times"))?;
        if !self.from.is_planted(PlantedBug::MoveNotSynced) {
            retried(|| disk::fsync(&copy)).map_err(at("syncing it"))?;
            // What is compared is what the disk has, as far as the kernel takes the hint.
            let _ = disk::fadvise(&copy, 0, None, Advice::DontNeed);
        }
        let is_right = is_shared
            || is_equal(&original, &copy, &self.steering)
                .map_err(|hitch| hitch.at(old, "comparing it with its copy"))?;
        if !is_right {
            return Err(changed(&draft, "is not what was written to it").into());
        }
        let inode = disk::fstat(&copy).map_err(at("looking at it"))?.st_ino;
        locked(&self.made).insert(file, inode);
        Ok(())
    }

    fn original(&self, roots: &Roots, file: usize, source: &Stat) -> Result<OwnedFd, StorageError> {
        let old = self.from.path(file);
        let original = roots.from.file(old, OFlags::RDONLY).and_then(only_regular);
        let original = original.map_err(|errno| fault(old, "opening it", errno))?;
        let stat = disk::fstat(&original).map_err(|errno| fault(old, "looking at it", errno))?;
        if is_same_file(source, &stat) { Ok(original) } else { Err(self.is_gone(file)) }
    }

    /// Gives the copies their names, and has everything durable. Which copies there are is written down already.
    pub(crate) fn place(&self, copied: Copied) -> Result<Moved, Stop> {
        let Copied { found, arrivals, begun: _ } = copied;
        let mut files = self.from.watch.records();
        let mut left = Left { files: Vec::new(), directories: self.from.made_directories() };
        let mut directories = Vec::new();
        // They are looked at when the torrent is opened at its new place.
        let unchecked = self.files_of(&found.unchecked);
        if !self.from.watch.is_empty_handed() {
            let roots = self.roots()?;
            for (file, (record, arrival)) in files.iter_mut().zip(&arrivals).enumerate() {
                let (Some(arrival), Some(then)) = (*arrival, record.signature) else { continue };
                if arrival == Arrival::Copied {
                    self.steering.may_go_on()?;
                    self.name_copy(&roots, file)?;
                }
                if arrival != Arrival::Same {
                    locked(&self.to.unsynced).created.insert(file);
                    if record.origin.is_writable() {
                        left.files.push((file, then.inode));
                    }
                }
                let now = self.to.stat(&roots.to, file)?.ok_or_else(|| self.is_gone(file))?;
                let now = Signature::of(&now);
                let signature = Some(if unchecked.contains(&file) { now.doubtful() } else { now });
                *record = FileRecord { origin: origin_of(arrival, record.origin), signature };
            }
            let is_there = |directory: &&String| roots.to.stat(directory).is_ok();
            directories.extend(self.made_directories.iter().filter(is_there).cloned());
            if roots.from.identity().ok() == roots.to.identity().ok() {
                directories.extend(self.from.made_directories());
            }
        }
        self.to.opened(&files, &directories);
        if !self.from.is_planted(PlantedBug::MoveNotSynced) {
            self.to.sync()?;
        }
        let Found { have, unproven, .. } = found;
        let device = self.to.root().and_then(|root| root.device()).unwrap_or(0);
        let directories = self.to.made_directories();
        let progress = Progress { have, unproven, at_rest: true, device, files, directories };
        Ok(Moved { record: self.from.recorder.change(&progress), left })
    }

    /// Gives a copy its name, unless an earlier process has done so.
    fn name_copy(&self, roots: &Roots, file: usize) -> Result<(), StorageError> {
        let (new, draft) = (self.to.path(file), self.draft(file));
        let inode = locked(&self.made).get(&file).copied();
        if roots.to.stat(new).is_ok_and(|stat| Some(stat.st_ino) == inode) {
            return Ok(());
        }
        let name = new.rsplit_once('/').map_or(new, |(_, name)| name);
        roots.to.rename(&draft, name).map_err(|errno| match errno {
            Errno::EXIST => self.is_taken(file),
            errno => fault(new, "renaming its copy", errno),
        })
    }

    /// Where the copy of a file lies until it has its name.
    fn draft(&self, file: usize) -> String {
        let (directory, slash) =
            self.to.path(file).rsplit_once('/').map_or(("", ""), |(directory, _)| (directory, "/"));
        format!("{directory}{slash}{}-{file}", self.mark())
    }

    fn mark(&self) -> String {
        format!(".sprat-moving-{:016x}", self.mark)
    }

    /// Removes what was made. Drafts in any case: the torrent lies at the old place, and nobody reads them. What has its name already goes
    /// only where the original is seen to be there; where the old place is missing it may be the only copy. What cannot be removed
    /// stays, and is said in the log.
    pub(crate) fn undo(&self) {
        let to = match self.to.root() {
            Ok(to) => to,
            Err(Errno::NOENT) => return,
            Err(errno) => {
                let error = self.to.root_fault(errno);
                tracing::warn!(%error, "unfinished copies may be left behind");
                return;
            }
        };
        let from = self.from.root();
        for file in self.files() {
            let _ = to.remove_file(&self.draft(file));
            let path = self.to.path(file);
            let Ok(copy) = to.stat(path) else { continue };
            let is_noted = locked(&self.made).get(&file) == Some(&copy.st_ino);
            let seen = from.as_ref().map(|from| (from, from.stat(self.from.path(file))));
            let Ok((from, Ok(original))) = seen else {
                if is_noted {
                    tracing::warn!(file = path, "a copy whose original cannot be seen is left behind");
                }
                continue;
            };
            let is_made = is_noted || (self.is_resumed && is_same_file(&original, &copy));
            let is_spare =
                copy.st_size == original.st_size && !self.is_one(from, &to, file, &original, &copy);
            if is_made
                && is_spare
                && let Err(error) = to.remove_file(path)
            {
                tracing::warn!(file = path, %error, "a copy is left behind");
            }
        }
        for directory in self.made_directories.iter().rev() {
            let _ = to.remove_directory(directory);
        }
    }

    /// Removes the mark, when nothing says any more that there is one.
    pub(crate) fn forget_mark(&self) {
        let Ok(to) = self.to.root() else { return };
        if let Err(error) = self.unmark(&to) {
            tracing::warn!(%error, "the mark of a move is left behind");
        }
    }

    /// Removes the mark for good.
    fn unmark(&self, to: &Root) -> Result<(), StorageError> {
        let mark = self.mark();
        match to.remove(&mark) {
            Ok(()) => retried(|| to.sync_directory("")).map_err(|errno| self.to.root_fault(errno)),
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(fault(&mark, "removing it", errno)),
        }
    }

    /// Removes what is left at the old place, as far as nobody else uses it. Returns how the record looks then, for removing one of
    /// two names changes the times of a file, and what could not be removed.
    pub(crate) fn take_away(&self, left: &Left) -> Result<(Option<Change>, Left), StorageError> {
        let to = self.to.root().map_err(|errno| self.to.root_fault(errno))?;
        let from = match self.from.root() {
            Ok(from) => from,
            Err(Errno::NOENT) if left.is_empty() => {
                self.unmark(&to)?;
                return Ok((None, left.clone()));
            }
            Err(errno) => return Err(self.from.root_fault(errno)),
        };
        let is_there = |(file, _): &(usize, u64)| to.stat(self.to.path(*file)).is_ok();
        if !left.files.is_empty() && !left.files.iter().any(is_there) {
            return Err(self.to.missing("has nothing of what was moved there"));
        }
        let device = from.device().map_err(|errno| self.from.root_fault(errno))?;
        let mut users = self.from.recorder.other_users(device)?;
        self.open.note(&mut users, &self.from, device);
        let mut rest = Left { files: Vec::new(), directories: left.directories.clone() };
        let mut touched = BTreeSet::new();
        for &(file, inode) in &left.files {
            let path = self.from.path(file);
            let Some(old) = self.spare(&from, &to, file, inode).filter(|old| !users.have(old)) else {
                continue;
            };
            if let Err(error) = from.remove_file(path) {
                tracing::warn!(file = path, size = old.size, %error, "a file that was moved is left behind");
                rest.files.push((file, inode));
                continue;
            }
            touched.insert(path.rsplit_once('/').map_or("", |(directory, _)| directory));
        }
        // Otherwise a power cut could bring them back when nobody knows of them any more.
        for directory in touched {
            retried(|| from.sync_directory(directory))
                .map_err(|errno| fault(directory, "syncing it", errno))?;
        }
        for directory in left.directories.iter().rev() {
            // One that is not empty holds something of somebody else, or of the new place.
            let _ = from.remove_directory(directory);
        }
        self.unmark(&to)?;
        Ok((self.record_after(&to)?, rest))
    }

    /// What still has the old name, if it can be removed: it is the file that was moved, and the new one is there.
    fn spare(&self, from: &Root, to: &Root, file: usize, inode: u64) -> Option<Signature> {
        let old = from.stat(self.from.path(file)).ok()?;
        let new = to.stat(self.to.path(file)).ok()?;
        let is_spare = old.st_ino == inode
            && FileType::from_raw_mode(old.st_mode).is_file()
            && new.st_size >= old.st_size
            && !self.is_one(from, to, file, &old, &new);
        is_spare.then(|| Signature::of(&old))
    }

    /// Whether the old and the new name are one: removing it would take the file.
    fn is_one(&self, from: &Root, to: &Root, file: usize, old: &Stat, new: &Stat) -> bool {
        // A file that has only one is reached by both where the file system does not know cases apart.
        self.is_same_entry(from, to, file) || (is_same_file(old, new) && old.st_nlink < 2)
    }

    fn record_after(&self, to: &Root) -> Result<Option<Change>, StorageError> {
        let record = self.from.recorder.load(self.from.geometry.pieces(), self.from.info.files.len())?;
        let Some(mut progress) = record else { return Ok(None) };
        for (file, record) in progress.files.iter_mut().enumerate() {
            let now = self.to.stat(to, file)?.as_ref().map(Signature::of);
            if let (Some(now), Some(then)) = (now, record.signature)
                && now.has_same_bytes(&then)
            {
                record.signature = Some(now);
            }
        }
        Ok(Some(self.from.recorder.change(&progress)))
    }

    fn files_of(&self, pieces: &Bitfield) -> BTreeSet<usize> {
        let geometry = &self.from.geometry;
        let pieces = pieces.iter().filter_map(|piece| geometry.piece(piece));
        pieces
            .flat_map(|piece| geometry.slices(piece, 0, geometry.length_of(piece)))
            .map(|slice| slice.file)
            .collect()
    }

    fn files(&self) -> impl Iterator<Item = usize> + '_ {
        let files = self.from.info.files.iter().enumerate();
        files.filter(|(_, file)| file.is_on_disk()).map(|(index, _)| index)
    }

    /// Whether old and new path are the same name in the same directory, however that is called.
    fn is_same_entry(&self, from: &Root, to: &Root, file: usize) -> bool {
        let (old, new) = (from.slot(self.from.path(file)), to.slot(self.to.path(file)));
        matches!((old, new), (Ok(old), Ok(new)) if old == new)
    }

    fn is_taken(&self, file: usize) -> StorageError {
        let path = self.to.directory().join(self.to.path(file));
        conflict(path.display(), "something has its place")
    }

    fn is_gone(&self, file: usize) -> StorageError {
        changed(self.from.path(file), "was moved or removed by somebody else")
    }
}

/// Whose a file is at its new place. A copy of what is not ours to write is ours; of what was lent to us it is as well lent.
const fn origin_of(arrival: Arrival, origin: Origin) -> Origin {
    match (arrival, origin) {
        (Arrival::Copied, Origin::Foreign | Origin::Absent) => Origin::Ours,
        (_, origin) => origin,
    }
}

fn is_same_file(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}
