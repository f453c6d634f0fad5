//! The disk calls: everything that the storage of torrents asks of a file system goes through the functions here.
//!
//! Each forwards to the system call of its name and adds nothing. They stand in one place so that a test can come
//! between: see which calls were made, let one of them fail, or ask what a disk may hold if power is cut after it.
//! That is the feature `disk-faults` and its module `faults`; without it `unwatched` stands in, which is nothing.

mod call;
#[cfg(feature = "disk-faults")]
pub mod faults;
pub mod planted;
#[cfg(not(feature = "disk-faults"))]
mod unwatched;

use std::ffi::CString;
use std::io::{IoSlice, IoSliceMut};
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    Advice, AtFlags, CWD, Dir, FallocateFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags, SeekFrom,
    Stat, StatFs, StatVfs, Timespec, Timestamps,
};
use rustix::io::{Errno, ReadWriteFlags};

use self::call::{Call, Place};
#[cfg(feature = "disk-faults")]
use self::faults::hook;
#[cfg(not(feature = "disk-faults"))]
use self::unwatched as hook;

/// Opens by a path that is the user's own: links on the way are followed.
#[inline]
pub fn open(path: &Path, flags: OFlags, permissions: Mode) -> Result<OwnedFd, Errno> {
    openat(CWD, path, flags, permissions)
}

/// Opens, or creates, what has this name in `directory`.
#[inline]
pub fn openat(
    directory: impl AsFd,
    path: impl AsRef<Path>,
    flags: OFlags,
    permissions: Mode,
) -> Result<OwnedFd, Errno> {
    let (directory, path) = (directory.as_fd(), path.as_ref());
    let call = Call::Open { at: Place { directory, path }, flags };
    hook::open(call, || rustix::fs::openat(directory, path, flags, permissions))
}

/// As [`openat`], with a say in how the path may be resolved.
#[inline]
pub fn openat2(
    directory: impl AsFd,
    path: impl AsRef<Path>,
    flags: OFlags,
    permissions: Mode,
    resolve: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    let (directory, path) = (directory.as_fd(), path.as_ref());
    let call = Call::Open { at: Place { directory, path }, flags };
    hook::open(call, || rustix::fs::openat2(directory, path, flags, permissions, resolve))
}

/// Reads from a position; less than asked for means little.
#[inline]
pub fn pread(file: impl AsFd, target: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let file = file.as_fd();
    hook::call(Call::Read { file, waits: true }, || rustix::io::pread(file, target, offset))
}

/// Reads from a position into several buffers, with flags.
#[inline]
pub fn preadv2(
    file: impl AsFd,
    targets: &mut [IoSliceMut<'_>],
    offset: u64,
    flags: ReadWriteFlags,
) -> Result<usize, Errno> {
    let file = file.as_fd();
    let waits = !flags.contains(ReadWriteFlags::NOWAIT);
    hook::call(Call::Read { file, waits }, || rustix::io::preadv2(file, targets, offset, flags))
}

/// Writes at a position and returns how much was taken.
#[inline]
pub fn pwrite(file: impl AsFd, bytes: &[u8], offset: u64) -> Result<usize, Errno> {
    pwritev(file, &[IoSlice::new(bytes)], offset)
}

/// Writes several buffers at a position and returns how much was taken.
#[inline]
pub fn pwritev(file: impl AsFd, buffers: &[IoSlice<'_>], offset: u64) -> Result<usize, Errno> {
    let file = file.as_fd();
    let call = Call::Write { file, buffers, offset };
    hook::write(call, buffers, |buffers| rustix::io::pwritev(file, buffers, offset))
}

/// Waits until a file's bytes and size, or a directory's names, are durable.
#[inline]
pub fn fsync(file: impl AsFd) -> Result<(), Errno> {
    let file = file.as_fd();
    hook::call(Call::Sync { file }, || rustix::fs::fsync(file))
}

/// As [`fsync`], without what is not needed to read the bytes again: times may be lost.
#[inline]
pub fn fdatasync(file: impl AsFd) -> Result<(), Errno> {
    let file = file.as_fd();
    hook::call(Call::Sync { file }, || rustix::fs::fdatasync(file))
}

/// Waits until everything on the file system of `file` is durable.
#[inline]
pub fn syncfs(file: impl AsFd) -> Result<(), Errno> {
    let file = file.as_fd();
    hook::call(Call::SyncAll { file }, || rustix::fs::syncfs(file))
}

/// Cuts a file, or lengthens it by a hole.
#[inline]
pub fn ftruncate(file: impl AsFd, length: u64) -> Result<(), Errno> {
    let file = file.as_fd();
    hook::call(Call::Truncate { file, length }, || rustix::fs::ftruncate(file, length))
}

/// Reserves a place on the disk.
#[inline]
pub fn fallocate(file: impl AsFd, flags: FallocateFlags, offset: u64, length: u64) -> Result<(), Errno> {
    let file = file.as_fd();
    let call = Call::Allocate { file, flags, offset, length };
    hook::call(call, || rustix::fs::fallocate(file, flags, offset, length))
}

/// Says how a part of a file will be used. Advice: nothing is lost when it is not taken.
#[inline]
pub fn fadvise(
    file: impl AsFd,
    offset: u64,
    length: Option<std::num::NonZero<u64>>,
    advice: Advice,
) -> Result<(), Errno> {
    let file = file.as_fd();
    let call = Call::Advise { file, offset, length, advice };
    hook::call(call, || rustix::fs::fadvise(file, offset, length, advice))
}

/// What the file system knows of an open file.
#[inline]
pub fn fstat(file: impl AsFd) -> Result<Stat, Errno> {
    let file = file.as_fd();
    hook::stat(Call::Stat { file }, || rustix::fs::fstat(file))
}

/// What the file system knows of what has this name in `directory`.
#[inline]
pub fn statat(directory: impl AsFd, path: impl AsRef<Path>, flags: AtFlags) -> Result<Stat, Errno> {
    let (directory, path) = (directory.as_fd(), path.as_ref());
    hook::stat(Call::StatAt { at: Place { directory, path } }, || rustix::fs::statat(directory, path, flags))
}

/// From where to where a file has bytes, at or after `offset`; what lies before is a hole. `None`: nothing follows. A file system
/// that does not know its holes has none.
pub fn next_data(file: impl AsFd, offset: u64) -> Result<Option<Range<u64>>, Errno> {
    let file = file.as_fd();
    match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(begin) => Ok(Some(begin..rustix::fs::seek(file, SeekFrom::Hole(begin))?)),
        Err(Errno::NXIO) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Gives a file the times of another one.
pub fn set_times(file: impl AsFd, like: &Stat) -> Result<(), Errno> {
    let time = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let last_access = time(like.st_atime, i64::try_from(like.st_atime_nsec).unwrap_or(0));
    let last_modification = time(like.st_mtime, i64::try_from(like.st_mtime_nsec).unwrap_or(0));
    rustix::fs::futimens(file, &Timestamps { last_access, last_modification })
}

/// Of which kind the file system of an open file is.
#[inline]
pub fn fstatfs(file: impl AsFd) -> Result<StatFs, Errno> {
    let file = file.as_fd();
    hook::call(Call::Stat { file }, || rustix::fs::fstatfs(file))
}

/// How much room there is on the file system of an open file.
#[inline]
pub fn fstatvfs(file: impl AsFd) -> Result<StatVfs, Errno> {
    rustix::fs::fstatvfs(file)
}

/// Makes one directory.
#[inline]
pub fn mkdirat(directory: impl AsFd, path: impl AsRef<Path>, permissions: Mode) -> Result<(), Errno> {
    let (directory, path) = (directory.as_fd(), path.as_ref());
    let call = Call::MakeDirectory { at: Place { directory, path } };
    hook::call(call, || rustix::fs::mkdirat(directory, path, permissions))
}

/// Gives a file another name; what has that name already is replaced in the same instant.
#[inline]
pub fn renameat(
    from: impl AsFd,
    old: impl AsRef<Path>,
    to: impl AsFd,
    new: impl AsRef<Path>,
) -> Result<(), Errno> {
    renameat_with(from, old, to, new, RenameFlags::empty())
}

/// As [`renameat`], with flags: [`RenameFlags::NOREPLACE`] refuses instead of replacing.
#[inline]
pub fn renameat_with(
    from: impl AsFd,
    old: impl AsRef<Path>,
    to: impl AsFd,
    new: impl AsRef<Path>,
    flags: RenameFlags,
) -> Result<(), Errno> {
    let (from, old, to, new) = (from.as_fd(), old.as_ref(), to.as_fd(), new.as_ref());
    let call = Call::Rename {
        from: Place { directory: from, path: old },
        to: Place { directory: to, path: new },
        flags,
    };
    hook::call(call, || {
        if flags.is_empty() {
            // Works on every file system and kernel; the call with flags does not.
            return rustix::fs::renameat(from, old, to, new);
        }
        rustix::fs::renameat_with(from, old, to, new, flags)
    })
}

/// Gives a file one more name, unless something has that name.
#[inline]
pub fn linkat(
    from: impl AsFd,
    old: impl AsRef<Path>,
    to: impl AsFd,
    new: impl AsRef<Path>,
    flags: AtFlags,
) -> Result<(), Errno> {
    let (from, old, to, new) = (from.as_fd(), old.as_ref(), to.as_fd(), new.as_ref());
    let call =
        Call::Link { from: Place { directory: from, path: old }, to: Place { directory: to, path: new } };
    hook::call(call, || rustix::fs::linkat(from, old, to, new, flags))
}

/// Removes a name of a file.
#[inline]
pub fn unlinkat(directory: impl AsFd, path: impl AsRef<Path>) -> Result<(), Errno> {
    let (directory, path) = (directory.as_fd(), path.as_ref());
    let call = Call::Remove { at: Place { directory, path } };
    hook::call(call, || rustix::fs::unlinkat(directory, path, AtFlags::empty()))
}

/// Removes a directory if it is empty.
#[inline]
pub fn rmdirat(directory: impl AsFd, path: impl AsRef<Path>) -> Result<(), Errno> {
    let (directory, path) = (directory.as_fd(), path.as_ref());
    let call = Call::Remove { at: Place { directory, path } };
    hook::call(call, || rustix::fs::unlinkat(directory, path, AtFlags::REMOVEDIR))
}

/// Where a symbolic link leads.
#[inline]
pub fn readlinkat(directory: impl AsFd, path: impl AsRef<Path>) -> Result<CString, Errno> {
    let (directory, path) = (directory.as_fd(), path.as_ref());
    let call = Call::ReadLink { at: Place { directory, path } };
    hook::call(call, || rustix::fs::readlinkat(directory, path, Vec::new()))
}

/// Copies from file to file without a detour through this process, and returns how much.
#[inline]
pub fn copy_file_range(
    from: impl AsFd,
    from_offset: u64,
    to: impl AsFd,
    to_offset: u64,
    length: usize,
) -> Result<usize, Errno> {
    let (from, to) = (from.as_fd(), to.as_fd());
    hook::copy(Call::Copy { to, offset: to_offset, length }, length, |length| {
        let (mut from_offset, mut to_offset) = (from_offset, to_offset);
        rustix::fs::copy_file_range(from, Some(&mut from_offset), to, Some(&mut to_offset), length)
    })
}

/// Makes `to` share all of the bytes of `from`, where the file system can.
#[inline]
pub fn ficlone(to: impl AsFd, from: impl AsFd) -> Result<(), Errno> {
    let (to, from) = (to.as_fd(), from.as_fd());
    hook::call(Call::Clone { to }, || rustix::fs::ioctl_ficlone(to, from))
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The name.
    pub name: CString,
    /// What it is, [`FileType::Unknown`] where the file system does not say.
    pub kind: FileType,
}

/// The names in a directory, without `.` and `..`, in the order of the file system.
pub fn list(directory: impl AsFd) -> Result<Vec<DirectoryEntry>, Errno> {
    let directory = directory.as_fd();
    hook::call(Call::List { directory }, || {
        let mut entries = Vec::new();
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                entries.push(DirectoryEntry { name: name.to_owned(), kind: entry.file_type() });
            }
        }
        Ok(entries)
    })
}

/// Makes a directory and those on the way to it, as far as they are missing.
pub fn create_dir_all(path: &Path) -> Result<(), Errno> {
    match make_dir(path) {
        Err(Errno::NOENT) => {}
        result => return result,
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_dir_all(parent)?;
    }
    make_dir(path)
}

/// Makes one directory unless there is one.
fn make_dir(path: &Path) -> Result<(), Errno> {
    match mkdirat(CWD, path, Mode::from_raw_mode(0o777)) {
        // Whatever the error: where a directory is, none is missing. A read-only parent does not say EEXIST.
        Err(errno) if errno != Errno::NOENT && is_dir(path) => Ok(()),
        result => result,
    }
}

fn is_dir(path: &Path) -> bool {
    statat(CWD, path, AtFlags::empty()).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir())
}
