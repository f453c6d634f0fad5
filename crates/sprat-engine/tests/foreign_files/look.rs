//! How a file, a link or a directory looks, without following it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use sha2::Digest as _;

/// By file system and number, whatever its name.
pub(crate) type Inode = (u64, u64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) kind: &'static str,
    pub(crate) size: u64,
    pub(crate) inode: Inode,
    pub(crate) links: u64,
    modified: (i64, i64),
    mode: u32,
    bytes: Option<[u8; 32]>,
    target: Option<PathBuf>,
}

impl Look {
    /// `None`: there is nothing of that name.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        let metadata = fs::symlink_metadata(path).ok()?;
        let kind = match metadata.file_type() {
            kind if kind.is_dir() => "directory",
            kind if kind.is_symlink() => "link",
            kind if kind.is_fifo() => "fifo",
            _ => "file",
        };
        Some(Self {
            kind,
            size: metadata.size(),
            inode: (metadata.dev(), metadata.ino()),
            links: metadata.nlink(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            mode: metadata.mode(),
            bytes: (kind == "file").then(|| sha2::Sha256::digest(fs::read(path).unwrap()).into()),
            target: (kind == "link").then(|| fs::read_link(path).unwrap()),
        })
    }

    /// A directory changes with the files that come and go in it.
    pub(crate) fn is_as(&self, before: &Self) -> bool {
        if before.kind == "directory" {
            return (self.kind, self.inode, self.mode) == (before.kind, before.inode, before.mode);
        }
        self == before
    }
}

/// Everything at and below a path.
pub(crate) fn look_below(path: &Path, looks: &mut BTreeMap<PathBuf, Look>) {
    let Some(look) = Look::at(path) else { return };
    let is_directory = look.kind == "directory";
    looks.insert(path.to_path_buf(), look);
    if is_directory {
        for entry in fs::read_dir(path).unwrap() {
            look_below(&entry.unwrap().path(), looks);
        }
    }
}

/// Which file it is, whatever its name.
pub(crate) fn inode_of(path: &Path) -> Option<Inode> {
    fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}
