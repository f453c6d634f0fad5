//! The files of one torrent, read and written by piece.

use std::collections::BTreeSet;
use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use rustix::fs::{Advice, FallocateFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use sprat_core::geometry::{FileSlice, Geometry, PieceIndex};
use sprat_core::storage::{StorageError, TorrentId};
use sprat_wire::metainfo::{File, Info};

use super::contain::Root;
use super::fault::{changed, fault};
use super::file_read::{read_exact_at, read_resident_at};
use super::pool::FilePool;
use crate::disk;
use crate::disk::planted::{PlantedBug, is_planted, is_planted_in};

/// Buffers per system call: `IOV_MAX` of Linux and the BSDs.
const VECTORS_PER_CALL: usize = 1024;

/// Where a torrent lies and how it is cut. Shared by all threads; the only locks guard what has to be synced.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) torrent: TorrentId,
    pub(crate) directory: PathBuf,
    pub(crate) info: Arc<Info>,
    pub(crate) geometry: Arc<Geometry>,
    preallocate: bool,
    pool: Arc<FilePool>,
    /// The file system of the directory when we first saw it.
    device: OnceLock<u64>,
    unsynced: Mutex<Unsynced>,
    /// Why syncing failed once: nothing written since the record before can be vouched for.
    sync_failure: OnceLock<StorageError>,
    /// The file that could not be written last, for [`Content::probe`].
    refused: Mutex<Option<usize>>,
}

/// What was written since the last sync.
#[derive(Debug, Default)]
struct Unsynced {
    files: BTreeSet<usize>,
    /// Files whose names are new.
    created: BTreeSet<usize>,
}

impl Content {
    pub(crate) fn new(
        torrent: TorrentId,
        directory: PathBuf,
        info: Arc<Info>,
        geometry: Arc<Geometry>,
        pool: Arc<FilePool>,
        preallocate: bool,
    ) -> Self {
        Self {
            torrent,
            directory,
            info,
            geometry,
            preallocate,
            pool,
            device: OnceLock::new(),
            unsynced: Mutex::default(),
            sync_failure: OnceLock::new(),
            refused: Mutex::new(None),
        }
    }

    /// Fills `buffer` from `begin` of `piece`, with zeros where there is padding.
    ///
    /// A missing or short file is [`StorageErrorKind::Changed`](sprat_core::storage::StorageErrorKind::Changed).
    pub(crate) fn read(&self, piece: PieceIndex, begin: u32, buffer: &mut [u8]) -> Result<(), StorageError> {
        self.each_slice(piece, begin, buffer, |slice, target| {
            let file = self.open(slice.file, Access::Read)?;
            match read_exact_at(&file, target, slice.offset) {
                Ok(true) => Ok(()),
                Ok(false) => Err(changed(self.path(slice.file), "is shorter than it was")),
                Err(errno) => Err(fault(self.path(slice.file), "reading it", errno)),
            }
        })
    }

    /// As [`Self::read`], but only if that takes no wait: the files are open, and the bytes in the kernel's memory.
    /// Returns whether it was so; whatever went wrong, [`Self::read`] will tell.
    pub(super) fn read_resident(&self, piece: PieceIndex, begin: u32, buffer: &mut [u8]) -> bool {
        let read = self.each_slice(piece, begin, buffer, |slice, target| {
            let file = self.pool.find((self.torrent, slice.file), false).ok_or(())?;
            if read_resident_at(&file, target, slice.offset) { Ok(()) } else { Err(()) }
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
            self.write_slice(&slice, vectors).inspect_err(|_| {
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(slice.file);
            })?;
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
        let root = Root::open(&self.directory)?;
        let device = root.device()?;
        if *self.device.get_or_init(|| device) != device {
            // A disk was unmounted below us: what is there now is the bare mount point.
            return Err(Errno::NODEV);
        }
        Ok(root)
    }

    /// Creates an empty file unless something has its name.
    pub(super) fn create_empty(&self, file: usize) -> Result<(), StorageError> {
        match self.open(file, Access::Read) {
            Ok(_) => Ok(()),
            Err(_) => self.open(file, Access::Write).map(drop),
        }
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
        let refused = *self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = refused {
            self.open(file, Access::Write)?;
        }
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// Makes what was written since the last call durable: first the bytes, then the names.
    ///
    /// After a failed `fsync` this fails for good: the kernel drops pages that it could not write, and a second `fsync`
    /// would report a success that never was.
    pub(super) fn sync(&self) -> Result<(), StorageError> {
        if let Some(error) = self.sync_failure.get() {
            return Err(error.clone());
        }
        let unsynced = std::mem::take(&mut *self.unsynced.lock().unwrap_or_else(PoisonError::into_inner));
        self.sync_list(&unsynced).inspect_err(|_| {
            let mut later = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
            later.files.extend(&unsynced.files);
            later.created.extend(&unsynced.created);
        })
    }

    fn sync_list(&self, unsynced: &Unsynced) -> Result<(), StorageError> {
        for &file in &unsynced.files {
            let descriptor = self.open(file, Access::Read)?;
            if let Err(errno) = disk::fsync(&descriptor)
                && !is_planted(&self.directory, PlantedBug::LostSyncError)
            {
                let error = fault(self.path(file), "syncing it", errno);
                return Err(self.sync_failure.get_or_init(|| error).clone());
            }
        }
        if unsynced.created.is_empty() || is_planted(&self.directory, PlantedBug::DirectoryNotSynced) {
            return Ok(());
        }
        let root = self.root().map_err(|errno| self.root_fault(errno))?;
        let directories: BTreeSet<&str> =
            unsynced.created.iter().flat_map(|file| directories_of(self.path(*file))).collect();
        for directory in directories {
            root.sync_directory(directory)
                .map_err(|errno| fault(self.directory.join(directory).display(), "syncing it", errno))?;
        }
        Ok(())
    }

    /// Closes the files.
    pub(crate) fn close(&self) {
        self.pool.forget(self.torrent);
    }

    /// Whether this file has bytes on the disk at all.
    pub(super) fn has_bytes(file: &File) -> bool {
        file.length > 0 && !file.attributes.pad && !file.attributes.symlink
    }

    pub(super) fn path(&self, file: usize) -> &str {
        self.info.files.get(file).map_or("", |file| &file.path)
    }

    pub(super) fn root_fault(&self, errno: Errno) -> StorageError {
        if errno == Errno::NODEV {
            return changed(
                self.directory.display(),
                "is on another file system now; is a disk not mounted?",
            );
        }
        fault(self.directory.display(), "using the directory", errno)
    }

    fn write_slice(&self, slice: &FileSlice, mut vectors: Vec<IoSlice<'_>>) -> Result<(), StorageError> {
        let path = self.path(slice.file);
        let file = self.open(slice.file, Access::Write)?;
        let written = write_all_at(&file, &mut vectors, slice.offset);
        if !is_planted(&self.directory, PlantedBug::LostWriteError) {
            written.map_err(|errno| fault(path, "writing it", errno))?;
        }
        // A file that was removed while open takes our bytes and keeps them for nobody.
        let links = disk::fstat(&file).map_err(|errno| fault(path, "looking at it", errno))?.st_nlink;
        if links == 0 {
            self.pool.forget_file((self.torrent, slice.file));
            return Err(changed(path, "was removed"));
        }
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).files.insert(slice.file);
        Ok(())
    }

    fn open(&self, file: usize, access: Access) -> Result<Arc<OwnedFd>, StorageError> {
        let open = || match access {
            Access::Read => self.root()?.file(self.path(file), OFlags::RDONLY).and_then(only_regular),
            Access::Write => self.open_for_writing(file),
        };
        self.pool.file((self.torrent, file), access == Access::Write, open).map_err(|errno| {
            let path = self.path(file);
            match errno {
                Errno::LOOP | Errno::XDEV | Errno::NXIO | Errno::ISDIR | Errno::NOTDIR => {
                    changed(path, "a link, a directory or something else lies where a file should be")
                }
                Errno::NODEV => self.root_fault(errno),
                _ => fault(path, "opening it", errno),
            }
        })
    }

    fn open_for_writing(&self, file: usize) -> Result<OwnedFd, Errno> {
        let path = self.path(file);
        let root = self.root_for_writing()?;
        let descriptor = match root.file(path, OFlags::RDWR) {
            Err(Errno::NOENT) => {
                let descriptor = root.create(path, OFlags::RDWR, self.permissions(file))?;
                self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).created.insert(file);
                descriptor
            }
            result => result?,
        };
        let descriptor = only_regular(descriptor)?;
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

    /// What a new file may be used for: what the torrent says of it (BEP 47), as far as the user's umask allows.
    fn permissions(&self, file: usize) -> Mode {
        let executable = self.info.files.get(file).is_some_and(|file| file.attributes.executable);
        Mode::from_raw_mode(if executable { 0o777 } else { 0o666 })
    }

    fn root_for_writing(&self) -> Result<Root, Errno> {
        match self.root() {
            Err(Errno::NOENT) if self.device.get().is_none() => {
                disk::create_dir_all(&self.directory)?;
                self.root()
            }
            result => result,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

fn only_regular(file: OwnedFd) -> Result<OwnedFd, Errno> {
    let mode = disk::fstat(&file)?.st_mode;
    if FileType::from_raw_mode(mode).is_file() { Ok(file) } else { Err(Errno::NXIO) }
}

/// The directories on the way to a file, the root (empty) first.
fn directories_of(path: &str) -> impl Iterator<Item = &str> {
    std::iter::once("").chain(path.match_indices('/').filter_map(|(at, _)| path.get(..at)))
}

/// Cuts `length` bytes off the front.
fn take<'a>(rest: &mut &'a mut [u8], length: usize) -> &'a mut [u8] {
    rest.split_off_mut(..length).unwrap_or_default()
}

/// Writes every byte, in as few calls as the system allows.
fn write_all_at(file: impl AsFd, mut vectors: &mut [IoSlice<'_>], mut offset: u64) -> Result<(), Errno> {
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
