//! A disk each of whose calls takes its time: what lies in a directory, seen through FUSE.
//!
//! Calls wait next to one another, as those to a server that is far away do. Needs `/dev/fuse` and the right to mount.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow,
    WriteFlags,
};

/// Calls that can wait at a time.
const CALLS: usize = 16;

/// For so long the kernel believes what it was told of a file.
const BELIEVED: Duration = Duration::from_secs(1);

/// A mounted slow disk. It is unmounted when this is dropped.
pub(crate) struct SlowDisk(#[expect(dead_code, reason = "held")] BackgroundSession);

impl SlowDisk {
    /// Shows `directory` at `mountpoint`. Each call takes `delay` longer than it would.
    pub(crate) fn mount(directory: &Path, mountpoint: &Path, delay: Duration) -> Result<Self> {
        let mirror = Mirror { root: directory.to_path_buf(), paths: Mutex::new(vec![PathBuf::new()]), delay };
        let mut config = Config::default();
        config.n_threads = Some(CALLS);
        let session = fuser::spawn_mount(mirror, mountpoint, &config)
            .with_context(|| format!("cannot mount {}", mountpoint.display()))?;
        Ok(Self(session))
    }
}

struct Mirror {
    root: PathBuf,
    /// What is below the root, by the number under which the kernel knows it, from 1: the root itself.
    paths: Mutex<Vec<PathBuf>>,
    delay: Duration,
}

impl Mirror {
    fn paths(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn relative(&self, number: INodeNo) -> io::Result<PathBuf> {
        let at = usize::try_from(number.0).ok().and_then(|number| number.checked_sub(1));
        at.and_then(|at| self.paths().get(at).cloned()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn path(&self, number: INodeNo) -> io::Result<PathBuf> {
        Ok(self.root.join(self.relative(number)?))
    }

    fn number(&self, relative: &Path) -> INodeNo {
        let mut paths = self.paths();
        let at = paths.iter().position(|path| path == relative).unwrap_or_else(|| {
            paths.push(relative.to_path_buf());
            paths.len() - 1
        });
        INodeNo(at as u64 + 1)
    }

    fn child(&self, parent: INodeNo, name: &OsStr) -> io::Result<PathBuf> {
        Ok(self.relative(parent)?.join(name))
    }

    fn entry(&self, parent: INodeNo, name: &OsStr) -> io::Result<FileAttr> {
        let relative = self.child(parent, name)?;
        let metadata = fs::symlink_metadata(self.root.join(&relative))?;
        Ok(attributes(self.number(&relative), &metadata))
    }

    fn attributes(&self, number: INodeNo) -> io::Result<FileAttr> {
        Ok(attributes(number, &fs::symlink_metadata(self.path(number)?)?))
    }

    /// Does what it is asked for, late.
    fn late<T>(&self, call: impl FnOnce() -> io::Result<T>) -> Result<T, Errno> {
        thread::sleep(self.delay);
        call().map_err(Errno::from)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(self.root.join(from), self.root.join(to))?;
        for path in self.paths().iter_mut() {
            if let Ok(rest) = path.strip_prefix(from) {
                *path = if rest.as_os_str().is_empty() { to.to_path_buf() } else { to.join(rest) };
            }
        }
        Ok(())
    }

    /// Number, kind and name of what is in a directory.
    fn listing(&self, number: INodeNo) -> io::Result<Vec<(INodeNo, FileType, PathBuf)>> {
        let parent = self.relative(number)?;
        let mut list = vec![
            (number, FileType::Directory, ".".into()),
            (INodeNo::ROOT, FileType::Directory, "..".into()),
        ];
        for entry in fs::read_dir(self.root.join(&parent))? {
            let entry = entry?;
            let name = PathBuf::from(entry.file_name());
            list.push((self.number(&parent.join(&name)), kind(entry.file_type()?), name));
        }
        Ok(list)
    }
}

fn kind(kind: fs::FileType) -> FileType {
    if kind.is_dir() { FileType::Directory } else { FileType::RegularFile }
}

fn attributes(number: INodeNo, metadata: &Metadata) -> FileAttr {
    let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
    FileAttr {
        ino: number,
        size: metadata.len(),
        blocks: metadata.blocks(),
        atime: modified,
        mtime: modified,
        ctime: modified,
        crtime: modified,
        kind: kind(metadata.file_type()),
        perm: u16::try_from(metadata.mode() & 0o7777).unwrap_or_default(),
        nlink: 1,
        uid: metadata.uid(),
        gid: metadata.gid(),
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

/// Without links, attributes and locks: whoever needs those is told that there are none. Telling what is free takes no time; clients that
/// look for it each second would do nothing else.
impl Filesystem for Mirror {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.late(|| self.entry(parent, name)) {
            Ok(entry) => reply.entry(&BELIEVED, &entry, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.late(|| self.attributes(number)) {
            Ok(attributes) => reply.attr(&BELIEVED, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _handle: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let changed = self.late(|| {
            if let Some(size) = size {
                OpenOptions::new().write(true).open(self.path(number)?)?.set_len(size)?;
            }
            self.attributes(number)
        });
        match changed {
            Ok(attributes) => reply.attr(&BELIEVED, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _mode: u32, _umask: u32, reply: ReplyEntry) {
        let made = self.late(|| {
            fs::create_dir(self.root.join(self.child(parent, name)?))?;
            self.entry(parent, name)
        });
        match made {
            Ok(entry) => reply.entry(&BELIEVED, &entry, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        match self.late(|| fs::remove_file(self.root.join(self.child(parent, name)?))) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        match self.late(|| fs::remove_dir(self.root.join(self.child(parent, name)?))) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        _flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        match self.late(|| self.rename(&self.child(parent, name)?, &self.child(new_parent, new_name)?)) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn open(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.late(|| self.path(number)) {
            Ok(_) => reply.opened(FileHandle(0), FopenFlags::empty()),
            Err(error) => reply.error(error),
        }
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        let created = self.late(|| {
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(self.root.join(self.child(parent, name)?))?;
            self.entry(parent, name)
        });
        match created {
            Ok(entry) => {
                reply.created(&BELIEVED, &entry, Generation(0), FileHandle(0), FopenFlags::empty());
            }
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = self.late(|| {
            let mut bytes = vec![0; size as usize];
            let length = File::open(self.path(number)?)?.read_at(&mut bytes, offset)?;
            bytes.truncate(length);
            Ok(bytes)
        });
        match read {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let written =
            self.late(|| OpenOptions::new().write(true).open(self.path(number)?)?.write_all_at(data, offset));
        match written {
            Ok(()) => reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX)),
            Err(error) => reply.error(error),
        }
    }

    fn fsync(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        match self.late(|| self.path(number)) {
            Ok(_) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn fsyncdir(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        match self.late(|| self.path(number)) {
            Ok(_) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn readdir(&self, _: &Request, number: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        match self.late(|| self.listing(number)) {
            Ok(list) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                for (at, (number, kind, name)) in list.into_iter().enumerate().skip(from) {
                    if reply.add(number, at as u64 + 1, kind, name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(error) => reply.error(error),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        match rustix::fs::statvfs(&self.root) {
            Ok(disk) => reply.statfs(
                disk.f_blocks,
                disk.f_bfree,
                disk.f_bavail,
                disk.f_files,
                disk.f_ffree,
                u32::try_from(disk.f_bsize).unwrap_or(4096),
                255,
                u32::try_from(disk.f_frsize).unwrap_or(4096),
            ),
            Err(error) => reply.error(io::Error::from(error).into()),
        }
    }
}
