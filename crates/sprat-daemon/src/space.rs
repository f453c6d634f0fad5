//! How much room there is on a disk.

use std::io;
use std::path::Path;

/// Room, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What can be written.
    pub free: u64,
    /// Of all.
    pub total: u64,
}

/// Of the disk that a directory is on, or will be on. Waits for it.
pub fn of(directory: &Path) -> io::Result<Space> {
    let there = directory.ancestors().find(|one| one.exists()).unwrap_or(Path::new("/"));
    let found = rustix::fs::statvfs(there)?;
    Ok(Space {
        free: found.f_bavail.saturating_mul(found.f_frsize),
        total: found.f_blocks.saturating_mul(found.f_frsize),
    })
}
