//! Files that are there whole or not at all, whatever happens while they are written.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::disk;

/// Writes a file beside its place, waits until it is durable, and renames it. Directories on the way are made, and
/// are durable as well.
///
/// Waits for the disk: not for a thread that serves connections.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = directory_of(path);
    make_directory(directory)?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(".part");
    let draft = Path::new(&draft);
    if let Err(error) = write_and_rename(draft, path, bytes) {
        // On a full disk, half a file is what nobody needs. If it cannot be removed either, the next draft replaces it.
        let _ = disk::unlinkat(CWD, draft);
        return Err(error.into());
    }
    sync_directory(directory)
}

/// Makes a directory and those to it, unless they exist, and their names durable.
pub fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = directory_of(path);
    make_directory(parent)?;
    match disk::mkdirat(CWD, path, Mode::from_raw_mode(0o777)) {
        // Somebody else may have been first, and may not have synced it yet.
        Err(error) if error != Errno::EXIST || !path.is_dir() => return Err(error.into()),
        _ => {}
    }
    sync_directory(parent)
}

/// Makes the names in a directory durable: what was created, renamed and removed there. The empty path, which is the parent
/// of a name by itself, is the directory that we are in.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let directory = disk::open(path, flags, Mode::empty())?;
    Ok(retried(|| disk::fsync(&directory))?)
}

/// The directory in which a file lies.
#[must_use]
pub fn directory_of(path: &Path) -> &Path {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    directory.unwrap_or_else(|| Path::new("."))
}

fn write_and_rename(draft: &Path, path: &Path, bytes: &[u8]) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let file = disk::open(draft, flags, Mode::from_raw_mode(0o666))?;
    write_all(&file, bytes)?;
    retried(|| disk::fsync(&file))?;
    disk::renameat(CWD, draft, CWD, path)
}

fn write_all(file: impl AsFd, bytes: &[u8]) -> Result<(), Errno> {
    let (mut rest, mut offset) = (bytes, 0);
    while !rest.is_empty() {
        let written = retried(|| disk::pwrite(&file, rest, offset))?;
        if written == 0 {
            return Err(Errno::IO);
        }
        rest = rest.get(written..).unwrap_or_default();
        offset += written as u64;
    }
    Ok(())
}

/// Tries again whenever a signal came between.
pub(crate) fn retried<T>(mut act: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match act() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_parent_of_a_name_by_itself_can_be_synced() {
        let parent = Path::new("somewhere").parent().unwrap();
        sync_directory(parent).unwrap();
        assert!(sync_directory(Path::new("/there is no such directory")).is_err());
    }

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("new/place/file.state");
        for bytes in [&b"first"[..], b"2"] {
            write(&path, bytes).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        let names: Vec<_> =
            fs::read_dir(path.parent().unwrap()).unwrap().map(|one| one.unwrap().file_name()).collect();
        assert_eq!(names, ["file.state"]);
    }

    #[test]
    fn a_draft_that_cannot_take_its_place_is_removed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("taken");
        fs::create_dir_all(path.join("by a directory")).unwrap();
        write(&path, b"bytes").unwrap_err();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_below_a_file_is_an_error_and_not_a_loop() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), b"").unwrap();
        make_directory(&home.path().join("file/below/it")).unwrap_err();
    }
}
