//! The files of one torrent, read and written by piece.

use std::collections::BTreeSet;
use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rustix::fs::{Advice, FallocateFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use sprat_core::geometry::{FileSlice, Geometry, PieceIndex};
use sprat_core::storage::{StorageError, StorageErrorKind, StorageReply, TorrentId};
use sprat_wire::metainfo::Info;
use tokio::sync::mpsc::UnboundedSender;

use super::contain::Root;
use super::fault::{changed, conflict, fault};
use super::file_read::read_exact_at;
use super::place::{Place, directories_of};
use super::pool::FilePool;
use super::progress::{FileRecord, Origin};
use super::recorder::Recorder;
use super::residence::Residence;
use super::signature::Signature;
use super::unsynced::Unsynced;
use super::watch::Watch;
use crate::disk;
use crate::disk::planted::{PlantedBug, is_planted, is_planted_in};

/// Buffers per system call: `IOV_MAX` of Linux and the BSDs.
const VECTORS_PER_CALL: usize = 1024;

/// Where a torrent lies and how it is cut. Shared by all threads; the only locks guard what has to be synced.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) torrent: TorrentId,
    pub(super) place: Place,
    pub(crate) info: Arc<Info>,
    pub(crate) geometry: Arc<Geometry>,
    preallocate: bool,
    pool: Arc<FilePool>,
    pub(super) watch: Watch,
    pub(super) recorder: Recorder,
    /// Who hears of files that were changed by somebody else.
    news: Option<UnboundedSender<StorageReply>>,
    /// The file system of the directory when the torrent was opened.
    device: Mutex<Option<u64>>,
    residence: Residence,
    pub(super) unsynced: Mutex<Unsynced>,
    /// Directories below the root that we have made.
    made: Mutex<BTreeSet<String>>,
    /// How often syncing has failed.
    pub(super) failed_syncs: AtomicU64,
    /// Empty files are still to be made, after the check.
    pub(super) lacks_empty_files: AtomicBool,
    /// The file that could not be written last, for [`Content::probe`].
    refused: Mutex<Option<usize>>,
}

impl Content {
    #[expect(clippy::too_many_arguments, reason = "each is a part of it, and there are two callers")]
    pub(super) fn new(
        torrent: TorrentId,
        place: Place,
        info: Arc<Info>,
        geometry: Arc<Geometry>,
        pool: Arc<FilePool>,
        preallocate: bool,
        recorder: Recorder,
        news: Option<UnboundedSender<StorageReply>>,
    ) -> Self {
        Self {
            torrent,
            place,
            info,
            geometry,
            preallocate,
            pool,
            watch: Watch::default(),
            recorder,
            news,
            device: Mutex::default(),
            residence: Residence::default(),
            unsynced: Mutex::default(),
            made: Mutex::default(),
            failed_syncs: AtomicU64::new(0),
            lacks_empty_files: AtomicBool::new(false),
            refused: Mutex::new(None),
        }
    }

    /// To be read only: nothing is recorded, and nobody hears of changes.
    pub(crate) fn to_read(
        directory: PathBuf,
        info: Arc<Info>,
        geometry: Arc<Geometry>,
        pool: Arc<FilePool>,
    ) -> Self {
        Self::of_nobody(directory.into(), info, geometry, pool, Recorder::new(None, Vec::new()))
    }

    /// Of no session: nobody hears of changes.
    pub(super) fn of_nobody(
        place: Place,
        info: Arc<Info>,
        geometry: Arc<Geometry>,
        pool: Arc<FilePool>,
        recorder: Recorder,
    ) -> Self {
        Self::new(TorrentId(0), place, info, geometry, pool, false, recorder, None)
    }

    /// The torrent is about to be looked at as if for the first time.
    pub(super) fn look_anew(&self) {
        self.pool.forget(self.torrent);
        *locked(&self.device) = None;
        self.residence.forget();
    }

    /// The torrent has been looked at.
    pub(super) fn opened(&self, files: &[FileRecord], made_directories: &[String]) {
        self.watch.begin(files);
        *locked(&self.made) = made_directories.iter().cloned().collect();
    }

    /// No session has it open.
    pub(super) const fn is_of_nobody(&self) -> bool {
        self.news.is_none()
    }

    /// Directories below the root that we have made.
    pub(super) fn made_directories(&self) -> Vec<String> {
        locked(&self.made).iter().cloned().collect()
    }

    /// The file system of the directory when it was last opened, if it was.
    pub(super) fn known_device(&self) -> Option<u64> {
        *locked(&self.device)
    }

    /// How often syncing has failed: what was written while this changed may be gone.
    pub(super) fn failed_syncs(&self) -> u64 {
        self.failed_syncs.load(Ordering::Acquire)
    }

    /// Somebody has changed a file.
    pub(super) fn tell_of_change(&self, file: usize) {
        self.pool.forget_file((self.torrent, file));
        tracing::info!(file = self.path(file), "a file was changed by somebody else");
        if let Some(news) = &self.news {
            // Nobody listens any more: the session has gone.
            let _ = news.send(StorageReply::FileChanged { torrent: self.torrent, file });
        }
    }

    /// Looks at a file by its name: whether it is what it was. Tells if not.
    pub(super) fn look_at(&self, root: &Root, file: usize) -> Result<(), StorageError> {
        let version = self.watch.version(file);
        let now = self.stat(root, file)?.as_ref().map(Signature::of);
        if !self.is_planted(PlantedBug::SignatureIgnored) && !self.watch.look(file, version, now) {
            self.tell_of_change(file);
        }
        Ok(())
    }

    /// Fills `buffer` from `begin` of `piece`, with zeros where there is padding.
    ///
    /// A missing or short file is [`StorageErrorKind::Changed`](sprat_core::storage::StorageErrorKind::Changed).
    pub(crate) fn read(&self, piece: PieceIndex, begin: u32, buffer: &mut [u8]) -> Result<(), StorageError> {
        self.each_slice(piece, begin, buffer, |slice, target| {
            let file = self.open(slice.file, Access::Read)?;
            match read_exact_at(&file, target, slice.offset) {
                Ok(true) if self.is_as_left(slice.file, &file) => Ok(()),
                Ok(true) => {
                    self.look_again(slice.file);
                    Err(changed(self.path(slice.file), "was changed by somebody else"))
                }
                Ok(false) => {
                    self.look_again(slice.file);
                    Err(changed(self.path(slice.file), "is shorter than it was"))
                }
                Err(errno) => Err(fault(self.path(slice.file), "reading it", errno)),
            }
        })
    }

    /// Whether an open file holds what we have left in it, as far as can be told. Asked after its bytes were read.
    fn is_as_left(&self, file: usize, descriptor: &OwnedFd) -> bool {
        self.news.is_none()
            || self.is_planted(PlantedBug::SignatureIgnored)
            || disk::fstat(descriptor)
                .is_ok_and(|stat| stat.st_nlink > 0 && self.watch.may_read(file, Signature::of(&stat)))
    }

    /// Something is wrong with a file: how does it look?
    fn look_again(&self, file: usize) {
        if self.news.is_some()
            && let Ok(root) = self.root()
            && let Err(error) = self.look_at(&root, file)
        {
            tracing::debug!(file = self.path(file), %error, "a file that has changed cannot be looked at");
        }
    }

    /// As [`Self::read`], but only if that takes no wait: the files are open, and the bytes in the kernel's memory.
    /// Returns whether it was so; whatever went wrong, [`Self::read`] will tell.
    pub(super) fn read_resident(&self, piece: PieceIndex, begin: u32, buffer: &mut [u8]) -> bool {
        if !self.residence.is_told() {
            return false;
        }
        let read = self.each_slice(piece, begin, buffer, |slice, target| {
            let file = self.pool.find((self.torrent, slice.file), false).ok_or(())?;
            let is_read = self.residence.read(&file, target, slice.offset);
            if is_read && self.is_as_left(slice.file, &file) { Ok(()) } else { Err(()) }
        });
        read.is_ok()
    }

    /// Has each file's part of `buffer` filled, and fills the padding between them.
    fn each_slice<E>(
        &self,
        piece: PieceIndex,
        begin: u32,
        buffer: &mut [u8],
        mut fill: impl FnMut(&FileSlice, &mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let mut rest = buffer;
        let mut at = begin;
        for slice in self.geometry.slices(piece, begin, length) {
            take(&mut rest, (slice.begin - at) as usize).fill(0);
            fill(&slice, take(&mut rest, slice.length as usize))?;
            at = slice.begin + u32::try_from(slice.length).unwrap_or(u32::MAX);
        }
        rest.fill(0);
        Ok(())
    }

    /// Tells the system that a whole piece will be read: one request to the disk instead of a growing window.
    pub(crate) fn will_read(&self, piece: PieceIndex) {
        for slice in self.geometry.slices(piece, 0, self.geometry.length_of(piece)) {
            let Ok(file) = self.open(slice.file, Access::Read) else { return };
            // Advice: nothing is lost when it is not taken.
            let _ =
                disk::fadvise(&file, slice.offset, std::num::NonZero::new(slice.length), Advice::WillNeed);
        }
    }

    /// Writes blocks that follow one another from `begin` of `piece`. Padding is left out.
    pub(super) fn write(&self, piece: PieceIndex, begin: u32, blocks: &[Bytes]) -> Result<(), StorageError> {
        let length = blocks.iter().map(Bytes::len).sum::<usize>();
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let mut blocks = Blocks { rest: blocks, skip: 0 };
        let mut at = begin;
        for slice in self.geometry.slices(piece, begin, length) {
            blocks.advance((slice.begin - at) as usize);
            let vectors = blocks.take(slice.length as usize);
            at = slice.begin + u32::try_from(slice.length).unwrap_or(u32::MAX);
            self.write_slice(&slice, vectors).inspect_err(|_| *locked(&self.refused) = Some(slice.file))?;
        }
        Ok(())
    }

    /// What the file system knows of a file; `None` when there is none that we would touch.
    pub(super) fn stat(&self, root: &Root, file: usize) -> Result<Option<Stat>, StorageError> {
        let path = self.path(file);
        match root.stat(path) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_file() => Ok(Some(stat)),
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => Ok(None),
            Err(errno) => Err(fault(path, "looking at it", errno)),
        }
    }

    /// The directory, when it exists.
    pub(super) fn root(&self) -> Result<Root, Errno> {
        let root = Root::open(self.directory())?;
        let device = root.device()?;
        if *locked(&self.device).get_or_insert(device) != device {
            // A disk was unmounted below us: what is there now is the bare mount point.
            return Err(Errno::NODEV);
        }
        self.residence.learn(|| root.file_system());
        Ok(root)
    }

    /// Creates an empty file unless something has its name.
    pub(super) fn create_empty(&self, file: usize) -> Result<(), StorageError> {
        self.about_to_write()?;
        self.open(file, Access::Write).map(drop)
    }

    /// Whether a piece could be written now: writes and removes as much in the torrent's directory.
    pub(super) fn probe(&self) -> Result<(), StorageError> {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let root = self.root_for_writing().map_err(|errno| self.root_fault(errno))?;
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let name = format!(".sprat-probe-{}-{serial}", std::process::id());
        let file = root.create_new(&name).map_err(|errno| self.root_fault(errno))?;
        let filled = fill(&file, u64::from(self.geometry.piece_length()));
        drop(file);
        let removed = root.remove(&name);
        filled.and(removed).map_err(|errno| self.root_fault(errno))?;
        let refused = *locked(&self.refused);
        if let Some(file) = refused {
            // It may be made by that.
            self.about_to_write()?;
            self.open(file, Access::Write)?;
        }
        *locked(&self.refused) = None;
        self.recorder.probe()
    }

    /// Closes the files.
    pub(crate) fn close(&self) {
        self.pool.forget(self.torrent);
    }

    /// Nobody writes any more, and the files stay.
    pub(super) fn rest(&self) -> Result<(), StorageError> {
        self.recorder.rest(&self.watch.records(), self.made_directories(), self.watch.is_moving())
    }

    fn about_to_write(&self) -> Result<(), StorageError> {
        self.recorder.about_to_write(|| (self.watch.records(), self.directories_to_be()))
    }

    /// Directories that we have made, and those that are not there and will be when there are all files.
    pub(super) fn directories_to_be(&self) -> Vec<String> {
        let root = self.root();
        let is_missing = |directory: &&str| match &root {
            Ok(root) => matches!(root.stat(directory), Err(Errno::NOENT)),
            Err(errno) => *errno == Errno::NOENT,
        };
        let mut directories = locked(&self.made).clone();
        directories.extend(self.directories().into_iter().filter(is_missing).map(str::to_owned));
        directories.into_iter().collect()
    }

    /// Those in which the files lie, below the root.
    pub(super) fn directories(&self) -> BTreeSet<&str> {
        let files = self.info.files.iter().enumerate().filter(|(_, file)| file.is_on_disk());
        files.flat_map(|(file, _)| directories_of(self.path(file))).filter(|path| !path.is_empty()).collect()
    }

    /// Whether a test has planted this bug here. Never outside of tests.
    pub(super) fn is_planted(&self, bug: PlantedBug) -> bool {
        is_planted(self.directory(), bug)
    }

    /// Below the directory.
    pub(super) fn path(&self, file: usize) -> &str {
        self.place.path(&self.info, file)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.place.directory
    }

    pub(super) fn root_fault(&self, errno: Errno) -> StorageError {
        match errno {
            Errno::NODEV => self.missing("is on another file system than before"),
            Errno::NOENT | Errno::NOTDIR => self.missing("is not there"),
            Errno::NOTCONN | Errno::STALE | Errno::HOSTDOWN | Errno::TIMEDOUT => {
                self.missing(&errno.to_string())
            }
            _ => fault(self.directory().display(), "using the directory", errno),
        }
    }

    /// The directory is not what it was.
    pub(super) fn missing(&self, what: &str) -> StorageError {
        let detail = format!("{} {what}; is a disk not mounted?", self.directory().display());
        StorageError { kind: StorageErrorKind::Missing, detail }
    }

    fn write_slice(&self, slice: &FileSlice, mut vectors: Vec<IoSlice<'_>>) -> Result<(), StorageError> {
        let path = self.path(slice.file);
        self.about_to_write()?;
        let file = self.open(slice.file, Access::Write)?;
        self.watch.begin_write(slice.file);
        let written = write_all_at(&file, &mut vectors, slice.offset);
        locked(&self.unsynced).files.insert(slice.file);
        self.watch.end_write(slice.file);
        if !self.is_planted(PlantedBug::LostWriteError) {
            written.map_err(|errno| fault(path, "writing it", errno))?;
        }
        // A file that was removed while open takes our bytes and keeps them for nobody.
        let links = disk::fstat(&file).map_err(|errno| fault(path, "looking at it", errno))?.st_nlink;
        if links == 0 {
            self.look_again(slice.file);
            return Err(changed(path, "was removed"));
        }
        Ok(())
    }

    pub(super) fn open(&self, file: usize, access: Access) -> Result<Arc<OwnedFd>, StorageError> {
        let open = || match access {
            Access::Read => self.root()?.file(self.path(file), OFlags::RDONLY).and_then(only_regular),
            Access::Write => self.open_for_writing(file),
        };
        self.pool.file((self.torrent, file), access == Access::Write, open).map_err(|errno| {
            let path = self.path(file);
            match errno {
                Errno::LOOP | Errno::XDEV | Errno::NXIO | Errno::ISDIR | Errno::NOTDIR | Errno::EXIST => {
                    let what = "something that we have not made has its place";
                    if access == Access::Write { conflict(path, what) } else { changed(path, what) }
                }
                Errno::NODEV | Errno::NOTCONN | Errno::STALE => self.root_fault(errno),
                Errno::NOENT if matches!(self.root(), Err(Errno::NOENT)) => self.root_fault(errno),
                _ => fault(path, "opening it", errno),
            }
        })
    }

    fn open_for_writing(&self, file: usize) -> Result<OwnedFd, Errno> {
        if self.is_planted(PlantedBug::ForeignFileOverwritten) {
            self.watch.adopt_all();
        }
        if self.watch.record(file).origin == Origin::Foreign {
            return Err(Errno::EXIST);
        }
        let root = self.root_for_writing()?;
        let descriptor = match root.file(self.path(file), OFlags::RDWR) {
            Err(Errno::NOENT) => self.create(&root, file)?,
            result => result?,
        };
        let descriptor = only_regular(descriptor)?;
        // What has come since we looked is not ours, unless another thread is just about to say that it has made it.
        drop(locked(&self.unsynced));
        if !self.watch.record(file).origin.is_writable() {
            return Err(Errno::EXIST);
        }
        let length = self.info.files.get(file).map_or(0, |file| file.length);
        if self.preallocate && length > 0 {
            // The size stays honest: it says how far the file has been written.
            match disk::fallocate(&descriptor, FallocateFlags::KEEP_SIZE, 0, length) {
                // Not every file system can.
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(descriptor)
    }

    /// Makes a file that is not there.
    fn create(&self, root: &Root, file: usize) -> Result<OwnedFd, Errno> {
        // Held meanwhile, so that of two threads that miss the file one makes it and the other finds it.
        let mut unsynced = locked(&self.unsynced);
        if unsynced.created.contains(&file) {
            match root.file(self.path(file), OFlags::RDWR) {
                Err(Errno::NOENT) => {}
                result => return result,
            }
        }
        let mut made = Vec::new();
        let flags = OFlags::RDWR | OFlags::EXCL;
        let created = root.create(self.path(file), flags, self.permissions(file), &mut made);
        locked(&self.made).extend(made);
        let descriptor = created?;
        unsynced.files.insert(file);
        unsynced.created.insert(file);
        // It is ours whether or not it can be looked at.
        self.watch.made(file, None);
        self.watch.made(file, Some(Signature::of(&disk::fstat(&descriptor)?)));
        Ok(descriptor)
    }

    /// What a new file may be used for: what the torrent says of it (BEP 47), as far as the user's umask allows.
    fn permissions(&self, file: usize) -> Mode {
        let executable = self.info.files.get(file).is_some_and(|file| file.attributes.executable);
        Mode::from_raw_mode(if executable { 0o777 } else { 0o666 })
    }

    pub(super) fn root_for_writing(&self) -> Result<Root, Errno> {
        match self.root() {
            Err(Errno::NOENT) if locked(&self.device).is_none() => {
                let missing = self.directory().ancestors().take_while(|path| !path.exists());
                let parents: Vec<PathBuf> = missing.filter_map(Path::parent).map(Path::to_path_buf).collect();
                disk::create_dir_all(self.directory())?;
                locked(&self.unsynced).parents_of_root.extend(parents);
                self.root()
            }
            // Another thread may have made it in the meantime.
            Err(Errno::NOENT) => self.root(),
            result => result,
        }
    }
}

/// What a file is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

pub(super) fn only_regular(file: OwnedFd) -> Result<OwnedFd, Errno> {
    let mode = disk::fstat(&file)?.st_mode;
    if FileType::from_raw_mode(mode).is_file() { Ok(file) } else { Err(Errno::NXIO) }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Cuts `length` bytes off the front.
fn take<'a>(rest: &mut &'a mut [u8], length: usize) -> &'a mut [u8] {
    rest.split_off_mut(..length).unwrap_or_default()
}

/// Writes every byte, in as few calls as the system allows.
pub(super) fn write_all_at(
    file: impl AsFd,
    mut vectors: &mut [IoSlice<'_>],
    mut offset: u64,
) -> Result<(), Errno> {
    IoSlice::advance_slices(&mut vectors, 0); // drops empty ones in front
    while !vectors.is_empty() {
        let batch = vectors.get(..VECTORS_PER_CALL).unwrap_or(vectors);
        match disk::pwritev(&file, batch, offset) {
            Ok(0) => return Err(Errno::IO),
            Ok(mut written) => {
                if is_planted_in(file.as_fd(), PlantedBug::ShortWriteTaken) {
                    written = batch.iter().map(|buffer| buffer.len()).sum();
                }
                offset += written as u64;
                IoSlice::advance_slices(&mut vectors, written);
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Makes a file of `length` bytes that really have a place on the disk.
fn fill(file: &OwnedFd, length: u64) -> Result<(), Errno> {
    match disk::fallocate(file, FallocateFlags::empty(), 0, length) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
        result => return result,
    }
    let zeros = [0_u8; 64 * 1024];
    let mut at = 0;
    while at < length {
        let part = usize::try_from(length - at).unwrap_or(usize::MAX).min(zeros.len());
        write_all_at(file, &mut [IoSlice::new(zeros.get(..part).unwrap_or(&zeros))], at)?;
        at += part as u64;
    }
    disk::fsync(file)
}

/// A cursor over blocks that follow one another.
struct Blocks<'a> {
    rest: &'a [Bytes],
    skip: usize,
}

impl<'a> Blocks<'a> {
    fn advance(&mut self, length: usize) {
        self.take(length);
    }

    /// The next `length` bytes, where they lie.
    fn take(&mut self, mut length: usize) -> Vec<IoSlice<'a>> {
        let mut vectors = Vec::new();
        while length > 0 {
            let Some((first, others)) = self.rest.split_first() else { break };
            let bytes = first.get(self.skip..).unwrap_or_default();
            if bytes.len() > length {
                vectors.push(IoSlice::new(bytes.get(..length).unwrap_or_default()));
                self.skip += length;
                break;
            }
            vectors.push(IoSlice::new(bytes));
            length -= bytes.len();
            self.rest = others;
            self.skip = 0;
        }
        vectors
    }
}

/// The nearest directory on the way to `path` that exists.
pub(super) fn nearest_existing(path: &Path) -> Option<Root> {
    path.ancestors()
        .find_map(|path| Root::open(if path.as_os_str().is_empty() { Path::new(".") } else { path }).ok())
}
