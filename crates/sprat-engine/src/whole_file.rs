//! Files that are there whole or not at all, whatever happens while they are written.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

/// Writes a file beside its place, waits until it is durable, and renames it. Directories on the way are made, and
/// are durable as well.
///
/// Waits for the disk: not for a thread that serves connections.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = directory_of(path);
    make_directory(directory)?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(".part");
    if let Err(error) = write_and_rename(&draft, path, bytes) {
        // On a full disk, half a file is what nobody needs. If it cannot be removed either, the next draft replaces it.
        let _ = fs::remove_file(&draft);
        return Err(error);
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
    match fs::create_dir(path) {
        // Somebody else may have been first, and may not have synced it yet.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !path.is_dir() => return Err(error),
        _ => {}
    }
    sync_directory(parent)
}

/// Makes the names in a directory durable: what was created, renamed and removed there.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

/// The directory in which a file lies.
#[must_use]
pub fn directory_of(path: &Path) -> &Path {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    directory.unwrap_or_else(|| Path::new("."))
}

fn write_and_rename(draft: &OsStr, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(draft, path)
}

#[cfg(test)]
mod tests {
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
