//! Moving the files of a torrent, which nobody uses meanwhile, so that a power cut at any moment leaves a whole copy.
//!
//! 1. Each file gets a second name at its new place or, on another file system, a copy that is synced, read back and compared.
//! 2. One commit of the ledger says that the torrent lies there: whoever asked for the move makes it, of [`Moved`].
//! 3. [`Relocation::take_away`] removes the old names.
//!
//! Nothing that is there already is written over. A copy has a name of its own until it is whole, so that what was interrupted
//! can be told from what is somebody else's.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{Advice, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sprat_core::geometry::Geometry;
use sprat_core::storage::StorageError;
use sprat_wire::metainfo::{Info, Metainfo};

use super::contain::Root;
use super::content::{Content, locked, only_regular};
use super::fault::{changed, conflict, fault};
use super::place::{Place, is_file};
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

/// A move from one place to another.
#[derive(Debug)]
pub(crate) struct Relocation {
    from: Content,
    to: Content,
    intent: Intent,
    /// An earlier process may have begun it.
    is_resumed: bool,
    steering: Arc<Steering>,
}

/// What is written down before anything is done, so that what was made can be told from what is somebody else's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intent {
    /// In the names of unfinished copies; no other move has it.
    mark: u64,
    /// Those that were not there.
    #[serde(default)]
    directories: Vec<String>,
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
    /// Files by number, and the inodes that they have there.
    files: Vec<(usize, u64)>,
    directories: Vec<String>,
}

/// What a file has become at its new place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    /// It has not moved.
    Same,
    /// It has one more name.
    Linked,
    Copied,
}

struct Roots {
    from: Root,
    to: Root,
}

/// What was made at the new place so far.
#[derive(Default)]
struct Made {
    /// By number, with their inodes.
    files: Vec<(usize, u64)>,
    directories: Vec<String>,
}

impl Intent {
    /// That of a move of which nothing is known yet.
    pub(crate) const fn new(mark: u64) -> Self {
        Self { mark, directories: Vec::new() }
    }
}

impl Relocation {
    pub(crate) fn new(
        metainfo: &Metainfo,
        ledger: LedgerHandle,
        [from, to]: [Place; 2],
        intent: Intent,
        is_resumed: bool,
        steering: Arc<Steering>,
    ) -> Self {
        let info: Arc<Info> = Arc::clone(&metainfo.info);
        let geometry = Arc::new(Geometry::new(&info));
        let recorder = Recorder::new(Some(ledger), key_of(&metainfo.info_hashes));
        let [from, to] =
            [(from, recorder), (to, Recorder::new(None, Vec::new()))].map(|(place, recorder)| {
                let pool = Arc::new(FilePool::new(OPEN_FILES));
                let (info, geometry) = (Arc::clone(&info), Arc::clone(&geometry));
                Content::of_nobody(place, info, geometry, pool, recorder)
            });
        Self { from, to, intent, is_resumed, steering }
    }

    /// Looks whether something is in the way, and what is to be made. Changes nothing.
    pub(crate) fn look(&self) -> Result<Intent, StorageError> {
        let intent = Intent { directories: self.to.directories_to_be(), ..self.intent.clone() };
        let to = match self.to.root() {
            Ok(to) => to,
            Err(Errno::NOENT) => return Ok(intent),
            Err(errno) => return Err(self.to.root_fault(errno)),
        };
        let from = match self.from.root() {
            Ok(from) => Some(from),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(self.from.root_fault(errno)),
        };
        for file in self.files() {
            let is_same = from.as_ref().is_some_and(|from| self.is_same_entry(from, &to, file));
            if !is_same && !matches!(to.stat(self.to.path(file)), Err(Errno::NOENT | Errno::NOTDIR)) {
                return Err(self.is_taken(file));
            }
        }
        Ok(intent)
    }

    /// Has every file at the new place as well, durable.
    pub(crate) fn copy(&self) -> Result<Moved, Stop> {
        let found = survey::open(&self.from, false)?;
        let mut made = Made::default();
        if self.is_resumed {
            made.directories = self.to.existing(&self.intent.directories)?;
        }
        match self.bring_all(&mut made) {
            Ok((files, left)) => {
                let mut have = found.have;
                let mut unproven = found.unproven;
                // Nobody has looked at them. They are hashed when they are needed.
                for piece in found.unchecked.iter() {
                    have.insert(piece);
                    unproven.insert(piece);
                }
                let device = self.to.root().and_then(|root| root.device()).unwrap_or(0);
                let directories = self.to.made_directories();
                let progress = Progress { have, unproven, at_rest: true, device, files, directories };
                Ok(Moved { record: self.from.recorder.change(&progress), left })
            }
            // The next process goes on with what is there, perhaps already.
            Err(_) if matches!(self.steering.may_go_on(), Err(Stop::Left)) => Err(Stop::Left),
            Err(stop) => {
                self.undo(&mut made);
                Err(stop)
            }
        }
    }

    fn bring_all(&self, made: &mut Made) -> Result<(Vec<FileRecord>, Left), Stop> {
        let mut records = self.from.watch.records();
        let mut left = Left { files: Vec::new(), directories: self.from.made_directories() };
        if self.from.watch.is_empty_handed() {
            return Ok((records, left));
        }
        let roots = Roots {
            from: self.from.root().map_err(|errno| self.from.root_fault(errno))?,
            to: self.to.root_for_writing().map_err(|errno| self.to.root_fault(errno))?,
        };
        self.steering.expect(records.iter().filter_map(|record| Some(record.signature?.size)).sum());
        for (file, record) in records.iter_mut().enumerate() {
            let Some(then) = record.signature else { continue };
            self.steering.may_go_on()?;
            let arrival = self.bring(&roots, file, record.origin, then, made)?;
            let now = self.to.stat(&roots.to, file)?.ok_or_else(|| self.is_gone(file))?;
            let now = Signature::of(&now);
            if arrival != Arrival::Same {
                locked(&self.to.unsynced).created.insert(file);
                if record.origin.is_writable() {
                    left.files.push((file, then.inode));
                }
            }
            let origin = if arrival == Arrival::Copied { Origin::Ours } else { record.origin };
            *record = FileRecord { origin, signature: Some(now) };
        }
        let mut directories = made.directories.clone();
        if roots.from.identity().ok() == roots.to.identity().ok() {
            directories.extend(self.from.made_directories());
        }
        self.to.opened(&records, &directories);
        if !self.from.is_planted(PlantedBug::MoveNotSynced) {
            self.to.sync()?;
        }
        Ok((records, left))
    }

    /// Has a file at its new place.
    fn bring(
        &self,
        roots: &Roots,
        file: usize,
        origin: Origin,
        then: Signature,
        made: &mut Made,
    ) -> Result<Arrival, Stop> {
        let (old, new) = (self.from.path(file), self.to.path(file));
        let source = self.from.stat(&roots.from, file)?.ok_or_else(|| self.is_gone(file))?;
        if !Signature::of(&source).has_same_bytes(&then) {
            return Err(changed(old, "was changed by somebody else").into());
        }
        if self.is_same_entry(&roots.from, &roots.to, file) {
            return Ok(Arrival::Same);
        }
        match roots.to.stat(new) {
            Err(Errno::NOENT) => {}
            Ok(target) if self.is_resumed && is_same_file(&source, &target) => {
                made.files.push((file, target.st_ino));
                return Ok(Arrival::Linked);
            }
            Ok(target)
                if self.is_resumed && self.is_copy(roots, file, [&source, &target], &self.steering)? =>
            {
                made.files.push((file, target.st_ino));
                return Ok(Arrival::Copied);
            }
            Err(Errno::NOTDIR) | Ok(_) => return Err(self.is_taken(file).into()),
            Err(errno) => return Err(fault(new, "looking at it", errno).into()),
        }
        // What stays with somebody else must not be written by another name.
        if origin.is_writable() {
            match roots.from.link(old, &roots.to, new, &mut made.directories) {
                Ok(()) => {
                    made.files.push((file, source.st_ino));
                    return self.is_linked(roots, file, &source).map_err(Stop::from);
                }
                Err(Errno::EXIST) => return Err(self.is_taken(file).into()),
                // Another file system, or one that knows no links, or the file is not ours to link: it is copied.
                Err(_) => {}
            }
        }
        self.copy_file(roots, file, &source, made)?;
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

    fn copy_file(&self, roots: &Roots, file: usize, source: &Stat, made: &mut Made) -> Result<(), Stop> {
        let new = self.to.path(file);
        let (draft, name) = self.draft(file);
        if self.is_resumed {
            // Whatever it holds, it is ours, and not whole.
            match roots.to.remove_file(&draft) {
                Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(errno) => return Err(fault(&draft, "removing it", errno).into()),
            }
        }
        let at = |doing| move |errno| fault(new, doing, errno);
        let flags = OFlags::RDWR | OFlags::EXCL;
        let permissions = Mode::from_raw_mode(source.st_mode & 0o777);
        let target =
            roots.to.create(&draft, flags, permissions, &mut made.directories).map_err(at("creating it"))?;
        let copied = self.fill(roots, file, source, &target).and_then(|()| {
            let inode = disk::fstat(&target).map_err(at("looking at it"))?.st_ino;
            roots.to.rename(&draft, name).map_err(|errno| match errno {
                Errno::EXIST => self.is_taken(file),
                errno => fault(new, "renaming its copy", errno),
            })?;
            made.files.push((file, inode));
            Ok(())
        });
        if matches!(copied, Err(Stop::Failed(_) | Stop::Cancelled)) {
            // If it stays, it is in nobody's way.
            let _ = roots.to.remove_file(&draft);
        }
        copied
    }

    /// Copies the bytes, and does not believe it before they were read back.
    fn fill(&self, roots: &Roots, file: usize, source: &Stat, target: &OwnedFd) -> Result<(), Stop> {
        let (old, new) = (self.from.path(file), self.to.path(file));
        let original = self.original(roots, file, source)?;
        let is_shared =
            replicate(&original, target, &self.steering).map_err(|hitch| hitch.at(new, "copying to it"))?;
        // Only for those who look at the date.
        let _ = disk::set_times(target, source);
        if self.from.is_planted(PlantedBug::MoveNotSynced) {
            return Ok(());
        }
        retried(|| disk::fsync(target)).map_err(|errno| fault(new, "syncing it", errno))?;
        if is_shared {
            return Ok(());
        }
        // What is compared is what the disk has, as far as the kernel takes the hint.
        let _ = disk::fadvise(target, 0, None, Advice::DontNeed);
        let is_right = is_equal(&original, target, &self.steering)
            .map_err(|hitch| hitch.at(old, "comparing it with its copy"))?;
        if is_right { Ok(()) } else { Err(changed(new, "is not what was written to it").into()) }
    }

    /// Whether somebody has copied this file already: an earlier process of ours, since there was nothing before it.
    fn is_copy(
        &self,
        roots: &Roots,
        file: usize,
        [source, target]: [&Stat; 2],
        steering: &Steering,
    ) -> Result<bool, Stop> {
        if !FileType::from_raw_mode(target.st_mode).is_file() || target.st_size != source.st_size {
            return Ok(false);
        }
        let new = self.to.path(file);
        let copy = roots.to.file(new, OFlags::RDONLY).and_then(only_regular);
        let copy = copy.map_err(|errno| fault(new, "opening it", errno))?;
        retried(|| disk::fsync(&copy)).map_err(|errno| fault(new, "syncing it", errno))?;
        let original = self.original(roots, file, source)?;
        is_equal(&original, &copy, steering).map_err(|hitch| hitch.at(new, "comparing it"))
    }

    fn original(&self, roots: &Roots, file: usize, source: &Stat) -> Result<OwnedFd, StorageError> {
        let old = self.from.path(file);
        let original = roots.from.file(old, OFlags::RDONLY).and_then(only_regular);
        let original = original.map_err(|errno| fault(old, "opening it", errno))?;
        let stat = disk::fstat(&original).map_err(|errno| fault(old, "looking at it", errno))?;
        if is_same_file(source, &stat) { Ok(original) } else { Err(self.is_gone(file)) }
    }

    /// Where the copy of a file lies until it is whole, and what it is called then.
    fn draft(&self, file: usize) -> (String, &str) {
        let new = self.to.path(file);
        let (directory, name) = new.rsplit_once('/').map_or(("", new), |(directory, name)| (directory, name));
        let slash = if directory.is_empty() { "" } else { "/" };
        (format!("{directory}{slash}.sprat-moving-{:016x}-{file}", self.intent.mark), name)
    }

    /// Removes what was made. What cannot be removed stays, and is said in the log.
    fn undo(&self, made: &mut Made) {
        let Ok(to) = self.to.root() else { return };
        if self.is_resumed {
            self.find_remains(made);
        }
        for &(file, inode) in &made.files {
            let path = self.to.path(file);
            let is_it = to.stat(path).is_ok_and(|stat| stat.st_ino == inode);
            if is_it && let Err(error) = to.remove_file(path) {
                tracing::warn!(file = path, %error, "a copy is left behind");
            }
        }
        for directory in made.directories.iter().rev() {
            let _ = to.remove_directory(directory);
        }
    }

    /// Adds what an earlier process has made and this one has not come to, and removes what is not whole of it.
    fn find_remains(&self, made: &mut Made) {
        let (Ok(from), Ok(to)) = (self.from.root(), self.to.root()) else { return };
        let roots = Roots { from, to };
        let known: BTreeSet<usize> = made.files.iter().map(|(file, _)| *file).collect();
        for file in self.files().filter(|file| !known.contains(file)) {
            let _ = roots.to.remove_file(&self.draft(file).0);
            if self.is_same_entry(&roots.from, &roots.to, file) {
                continue;
            }
            let (Ok(Some(source)), Ok(Some(target))) =
                (self.from.stat(&roots.from, file), self.to.stat(&roots.to, file))
            else {
                continue;
            };
            // Nobody can end this: whoever has ended the move waits for it.
            let is_ours = is_same_file(&source, &target)
                || self
                    .is_copy(&roots, file, [&source, &target], &Steering::default())
                    .is_ok_and(|is_copy| is_copy);
            if is_ours {
                made.files.push((file, target.st_ino));
            }
        }
    }

    /// Removes what is left at the old place, as far as nobody else uses it, and returns how the record looks then: removing one
    /// of two names changes the times of a file.
    pub(crate) fn take_away(&self, left: &Left) -> Result<Option<Change>, StorageError> {
        let from = match self.from.root() {
            Ok(from) => from,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(self.from.root_fault(errno)),
        };
        let to = match self.to.root() {
            Ok(to) => to,
            Err(Errno::NOENT) if left.files.is_empty() => return Ok(None),
            Err(errno) => return Err(self.to.root_fault(errno)),
        };
        let device = from.device().map_err(|errno| self.from.root_fault(errno))?;
        let in_use = self.from.recorder.inodes_of_others(device)?;
        let mut touched = BTreeSet::new();
        for &(file, inode) in &left.files {
            if self.may_go(&from, &to, file, inode) && !in_use.contains(&inode) {
                let path = self.from.path(file);
                from.remove_file(path).map_err(|errno| fault(path, "removing it", errno))?;
                touched.insert(path.rsplit_once('/').map_or("", |(directory, _)| directory));
            }
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
        self.record_after(&to)
    }

    /// Whether the old name can be removed: it still is the file that was moved, and the new one is there.
    fn may_go(&self, from: &Root, to: &Root, file: usize, inode: u64) -> bool {
        let (Ok(old), Ok(new)) = (from.stat(self.from.path(file)), to.stat(self.to.path(file))) else {
            return false;
        };
        old.st_ino == inode
            && FileType::from_raw_mode(old.st_mode).is_file()
            && new.st_size == old.st_size
            && !self.is_same_entry(from, to, file)
            // Of a file that has only one, both are the same name, on a file system that does not know cases apart.
            && (!is_same_file(&old, &new) || old.st_nlink > 1)
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

    fn files(&self) -> impl Iterator<Item = usize> + '_ {
        let files = self.from.info.files.iter().enumerate();
        files.filter(|(_, file)| is_file(file)).map(|(index, _)| index)
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

fn is_same_file(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}
