//! A tree as it really lies on the disk.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::operation::{Kind, Metadata};

/// One name below a directory.
#[derive(Debug)]
pub(super) struct Found {
    /// From that directory.
    pub(super) path: PathBuf,
    /// `None` for devices, sockets and pipes.
    pub(super) kind: Option<Kind>,
    pub(super) metadata: Metadata,
}

/// Everything below `root`, parents before children.
pub(super) fn tree(root: &Path) -> io::Result<Vec<Found>> {
    let mut all = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(root.join(&directory))? {
            let found = one(root, &directory.join(entry?.file_name()))?;
            if found.kind == Some(Kind::Directory) {
                open.push(found.path.clone());
            }
            all.push(found);
        }
    }
    Ok(all)
}

/// What has this name.
pub(super) fn one(root: &Path, path: &Path) -> io::Result<Found> {
    let full = root.join(path);
    let metadata = fs::symlink_metadata(&full)?;
    let kind = if metadata.is_dir() {
        Some(Kind::Directory)
    } else if metadata.is_file() {
        Some(Kind::File(Arc::new(fs::read(&full)?)))
    } else if metadata.is_symlink() {
        Some(Kind::Link(fs::read_link(&full)?))
    } else {
        None
    };
    Ok(Found { path: path.to_path_buf(), kind, metadata: of(&metadata) })
}

/// The device that a path lies on, and what is known of what lies there.
pub(super) fn whereabouts(path: &Path) -> io::Result<(u64, Metadata)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), of(&metadata)))
}

fn of(metadata: &fs::Metadata) -> Metadata {
    let nanoseconds = |value: i64| u64::try_from(value).unwrap_or(0);
    Metadata {
        inode: metadata.ino(),
        modified: (metadata.mtime(), nanoseconds(metadata.mtime_nsec())),
        changed: (metadata.ctime(), nanoseconds(metadata.ctime_nsec())),
    }
}
