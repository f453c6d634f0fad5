//! Where a descriptor or a name leads: canonical paths, as the kernel knows them.

use std::ffi::OsString;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::disk::call::Place;

/// The path of what is open; of a file that was removed, with a remark of the kernel at its end.
pub(in crate::disk) fn path_of(file: BorrowedFd<'_>) -> Option<PathBuf> {
    if file.as_raw_fd() == CWD.as_raw_fd() {
        return std::env::current_dir().ok();
    }
    let path = rustix::fs::readlinkat(CWD, link_to(file), Vec::new()).ok()?;
    Some(PathBuf::from(OsString::from_vec(path.into_bytes())))
}

/// The path that a name stands for; a link in its last component is not followed.
pub(super) fn path_of_place(place: Place<'_>) -> Option<PathBuf> {
    let Place { directory, path } = place;
    let Some(name) = path.file_name() else {
        return path_of(as_fd(&open_path(place)?));
    };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let Some(parent) = parent else { return Some(path_of(directory)?.join(name)) };
    match open_path(Place { directory, path: parent }) {
        Some(parent) => Some(path_of(as_fd(&parent))?.join(name)),
        // The call will fail as well; whose it is can be seen from the words alone.
        None if path.is_absolute() => Some(path.to_path_buf()),
        None => Some(path_of(directory)?.join(path)),
    }
}

/// Opens once more what is open, for another purpose.
pub(super) fn reopen(file: BorrowedFd<'_>, flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(CWD, link_to(file), flags | OFlags::CLOEXEC, Mode::empty())
}

fn open_path(place: Place<'_>) -> Option<OwnedFd> {
    rustix::fs::openat(place.directory, place.path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()
}

fn link_to(file: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

fn as_fd(file: &OwnedFd) -> BorrowedFd<'_> {
    std::os::fd::AsFd::as_fd(file)
}
