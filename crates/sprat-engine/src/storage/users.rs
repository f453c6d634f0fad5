//! Who else uses a file: torrents that share files, by whatever names.

use std::collections::BTreeSet;

use super::progress::Progress;
use super::signature::Signature;

/// The files of other torrents, as they are seen from a file system.
#[derive(Debug, Default)]
pub(super) struct OtherUsers {
    /// Inodes there.
    here: BTreeSet<u64>,
    /// Inode, size and time of what was recorded on another one. The number of a file system may be another one since: what looks
    /// the same is taken for the same, for to keep a file too many is better than to take one away.
    elsewhere: BTreeSet<(u64, u64, (i64, u32))>,
}

impl OtherUsers {
    /// By the records of other torrents.
    pub(super) fn note(&mut self, record: &[u8], device: u64) {
        let (recorded_on, files) = Progress::signatures(record);
        for file in files {
            if recorded_on == device {
                self.here.insert(file.inode);
            } else {
                self.elsewhere.insert((file.inode, file.size, file.modified));
            }
        }
    }

    /// By a torrent that is open there.
    pub(super) fn note_files(&mut self, files: impl Iterator<Item = Signature>) {
        self.here.extend(files.map(|file| file.inode));
    }

    /// Whether one of them has this file.
    pub(super) fn have(&self, file: &Signature) -> bool {
        self.here.contains(&file.inode) || self.elsewhere.contains(&(file.inode, file.size, file.modified))
    }
}
