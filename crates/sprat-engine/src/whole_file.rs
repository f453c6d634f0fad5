//! Files that are there whole or not at all, whatever happens while they are written.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::disk;

/// Writes a file beside its place, waits until it is durable, and renames it. Directories on the way are made.
///
/// Waits for the disk: not for a thread that serves connections.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    let directory = directory.unwrap_or_else(|| Path::new("."));
    disk::create_dir_all(directory)?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(".part");
    let draft = Path::new(&draft);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let file = disk::open(draft, flags, Mode::from_raw_mode(0o666))?;
    write_all(&file, bytes)?;
    retried(|| disk::fsync(&file))?;
    disk::renameat(CWD, draft, CWD, path)?;
    let directory = disk::open(directory, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(retried(|| disk::fsync(&directory))?)
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
fn retried<T>(mut act: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
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
}
