//! Opening files so that nothing outside a torrent's directory is ever touched, whatever names and symbolic links
//! lie in the way.
//!
//! The kernel holds the line: `openat2` with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`. Where there is none, a walk
//! from directory to directory with `O_NOFOLLOW` gives the same: each step names one component, and none is `..`.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FsWord, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use crate::disk;
use crate::whole_file::retried;

/// The directory in which the files of a torrent lie.
#[derive(Debug)]
pub(super) struct Root(OwnedFd);

/// A directory as a place to start from only: needs no permission to list it.
const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// For every file. `NONBLOCK`: a FIFO planted in the way must not hold up the thread.
const FILE: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NOCTTY).union(OFlags::NONBLOCK);

impl Root {
    /// Opens an existing directory. Links on the way to it are the user's own and are followed.
    pub(super) fn open(directory: &Path) -> Result<Self, Errno> {
        disk::openat(CWD, directory, DIRECTORY, Mode::empty()).map(Self)
    }

    /// Opens a file below the root. `path` is joined by `/`.
    pub(super) fn file(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        check(path)?;
        // Some kernels and sandboxes have no openat2; an error of the walk is then the true one.
        match retried(|| contained_open(self.0.as_fd(), path, flags | FILE)) {
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::AGAIN) => self.walk(path, flags | FILE),
            result => result,
        }
    }

    /// Creates a file, and the directories to it, unless they exist. `permissions` are narrowed by the umask; `made` gets
    /// the directories that were missing.
    pub(super) fn create(
        &self,
        path: &str,
        flags: OFlags,
        permissions: Mode,
        made: &mut Vec<String>,
    ) -> Result<OwnedFd, Errno> {
        check(path)?;
        let (parent, name) = self.parent(path, Missing::Create(made))?;
        disk::openat(at(&parent, self), name, flags | FILE | OFlags::CREATE, permissions)
    }

    /// Looks at what has this name, without following it when it is a link.
    pub(super) fn stat(&self, path: &str) -> Result<Stat, Errno> {
        disk::fstat(self.file(path, OFlags::PATH)?)
    }

    /// Gives a file one more name below `to`, unless something has it. Directories are made as in [`Self::create`].
    pub(super) fn link(
        &self,
        path: &str,
        to: &Self,
        name: &str,
        made: &mut Vec<String>,
    ) -> Result<(), Errno> {
        check(path)?;
        check(name)?;
        let (from_parent, old) = self.parent(path, Missing::Refuse)?;
        let (to_parent, new) = to.parent(name, Missing::Create(made))?;
        disk::linkat(at(&from_parent, self), old, at(&to_parent, to), new, AtFlags::empty())
    }

    /// Gives a file another name in its directory, unless something has it.
    pub(super) fn rename(&self, path: &str, name: &str) -> Result<(), Errno> {
        check(name)?;
        let (parent, old) = self.parent(path, Missing::Refuse)?;
        let parent = at(&parent, self);
        match disk::renameat_with(parent, old, parent, name, RenameFlags::NOREPLACE) {
            // Not every file system can refuse to replace.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            result => return result,
        }
        match disk::linkat(parent, old, parent, name, AtFlags::empty()) {
            Ok(()) => return disk::unlinkat(parent, old),
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {}
            result => return result,
        }
        // Nor does it know links. Who makes a file between these two calls loses it.
        match disk::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => disk::renameat(parent, old, parent, name),
            result => result.and(Err(Errno::EXIST)),
        }
    }

    /// Which directory a path lies in, whatever its name, and the last component.
    pub(super) fn slot<'a>(&self, path: &'a str) -> Result<((u64, u64), &'a str), Errno> {
        check(path)?;
        let (parent, name) = self.parent(path, Missing::Refuse)?;
        Ok((identity_of(at(&parent, self))?, name))
    }

    /// Which directory it is, whatever its name.
    pub(super) fn identity(&self) -> Result<(u64, u64), Errno> {
        identity_of(self.0.as_fd())
    }

    /// Makes the names in a directory below the root durable; the empty path is the root itself.
    pub(super) fn sync_directory(&self, path: &str) -> Result<(), Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let directory = if path.is_empty() {
            disk::openat(&self.0, ".", flags | OFlags::CLOEXEC, Mode::empty())?
        } else {
            self.file(path, flags)?
        };
        disk::fsync(directory)
    }

    /// Creates a file of a name that nothing else has.
    pub(super) fn create_new(&self, name: &str) -> Result<OwnedFd, Errno> {
        check(name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | FILE;
        disk::openat(&self.0, name, flags, Mode::from_raw_mode(0o600))
    }

    /// Removes what [`Root::create_new`] made.
    pub(super) fn remove(&self, name: &str) -> Result<(), Errno> {
        check(name)?;
        disk::unlinkat(&self.0, name)
    }

    /// Removes a file below the root.
    pub(super) fn remove_file(&self, path: &str) -> Result<(), Errno> {
        check(path)?;
        let (parent, name) = self.parent(path, Missing::Refuse)?;
        disk::unlinkat(at(&parent, self), name)
    }

    /// Removes a directory below the root, if it is empty.
    pub(super) fn remove_directory(&self, path: &str) -> Result<(), Errno> {
        check(path)?;
        let (parent, name) = self.parent(path, Missing::Refuse)?;
        disk::rmdirat(at(&parent, self), name)
    }

    /// Number of the file system.
    pub(super) fn device(&self) -> Result<u64, Errno> {
        Ok(self.identity()?.0)
    }

    /// Of which kind the file system is.
    pub(super) fn file_system(&self) -> Result<FsWord, Errno> {
        Ok(disk::fstatfs(&self.0)?.f_type)
    }

    fn walk(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let (parent, name) = self.parent(path, Missing::Refuse)?;
        disk::openat(at(&parent, self), name, flags, Mode::empty())
    }

    /// The directory of `path` (`None`: the root) and the last component.
    fn parent<'a>(
        &self,
        path: &'a str,
        mut missing: Missing<'_>,
    ) -> Result<(Option<OwnedFd>, &'a str), Errno> {
        let Some((directories, name)) = path.rsplit_once('/') else { return Ok((None, path)) };
        let mut at: Option<OwnedFd> = None;
        let mut end = 0;
        for component in directories.split('/') {
            let here = at.as_ref().map_or(self.0.as_fd(), AsFd::as_fd);
            end += component.len() + usize::from(end > 0);
            let (directory, is_new) = step(here, component, matches!(missing, Missing::Create(_)))?;
            at = Some(directory);
            if let Missing::Create(made) = &mut missing
                && is_new
            {
                made.extend(directories.get(..end).map(str::to_owned));
            }
        }
        Ok((at, name))
    }
}

/// The directory that was found on the way to a path, or the root.
fn at<'a>(parent: &'a Option<OwnedFd>, root: &'a Root) -> BorrowedFd<'a> {
    parent.as_ref().map_or(root.0.as_fd(), AsFd::as_fd)
}

fn identity_of(directory: BorrowedFd<'_>) -> Result<(u64, u64), Errno> {
    let stat = disk::fstat(directory)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// What to do where there is no directory.
enum Missing<'a> {
    /// Make it, and note its path.
    Create(&'a mut Vec<String>),
    Refuse,
}

/// One directory further, and whether it was made for that.
fn step(here: BorrowedFd<'_>, component: &str, may_create: bool) -> Result<(OwnedFd, bool), Errno> {
    let flags = DIRECTORY | OFlags::NOFOLLOW;
    match disk::openat(here, component, flags, Mode::empty()) {
        Err(Errno::NOENT) if may_create => {}
        result => return result.map(|directory| (directory, false)),
    }
    let is_new = match disk::mkdirat(here, component, Mode::from_raw_mode(0o777)) {
        Ok(()) => true,
        // Another thread may have been first.
        Err(Errno::EXIST) => false,
        Err(errno) => return Err(errno),
    };
    disk::openat(here, component, flags, Mode::empty()).map(|directory| (directory, is_new))
}

fn contained_open(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    use rustix::fs::ResolveFlags;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    disk::openat2(root, path, flags, Mode::empty(), resolve)
}

/// Metainfo vouches for its paths; this is the second lock on the same door.
fn check(path: &str) -> Result<(), Errno> {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    if path.split('/').all(plain) && !OsStr::new(path).is_empty() { Ok(()) } else { Err(Errno::XDEV) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn names_that_leave_the_root_are_refused_in_every_way_of_opening() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("secret"), "x").unwrap();
        fs::create_dir_all(base.path().join("root/sub")).unwrap();
        let root = Root::open(&base.path().join("root")).unwrap();
        for path in
            ["../secret", "sub/../../secret", "/etc/passwd", "", ".", "..", "sub/..", "sub//x", "a\0b"]
        {
            assert!(root.file(path, OFlags::RDONLY).is_err(), "{path:?}");
            assert!(root.walk(path, OFlags::RDONLY).is_err() || check(path).is_err(), "{path:?}");
            assert!(root.create(path, OFlags::RDWR, Mode::RWXU, &mut Vec::new()).is_err(), "{path:?}");
        }
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 2);
    }

    #[test]
    fn links_are_followed_neither_as_directories_nor_as_files() {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir(base.path().join("outside")).unwrap();
        fs::write(base.path().join("outside/file"), "untouched").unwrap();
        fs::create_dir(base.path().join("root")).unwrap();
        symlink("../outside", base.path().join("root/dir")).unwrap();
        symlink("../outside/file", base.path().join("root/file")).unwrap();
        symlink("../outside/new", base.path().join("root/dangling")).unwrap();
        let root = Root::open(&base.path().join("root")).unwrap();
        for path in ["dir/file", "dir/other", "file", "dangling"] {
            assert!(root.file(path, OFlags::RDWR).is_err(), "{path}");
            assert!(root.walk(path, OFlags::RDWR | FILE).is_err(), "{path}");
            assert!(root.create(path, OFlags::RDWR, Mode::RWXU, &mut Vec::new()).is_err(), "{path}");
        }
        assert_eq!(fs::read_dir(base.path().join("outside")).unwrap().count(), 1);
    }
}
