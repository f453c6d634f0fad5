//! Files that say of themselves what others said before a power cut: inode numbers and times survive one, but not the
//! copying of an image into new files.

use std::collections::BTreeMap;

use rustix::fs::Stat;

use super::operation::Metadata;

#[derive(Debug, Default)]
pub(super) struct Disguises {
    device: Option<u64>,
    /// By the true inode.
    by_inode: BTreeMap<u64, Disguise>,
}

#[derive(Debug)]
struct Disguise {
    said: Metadata,
    /// The times of the file when it was disguised: a file that was changed since tells its true times.
    truth: Metadata,
}

impl Disguises {
    pub(super) fn put_on(&mut self, truth: Metadata, said: Metadata) {
        self.by_inode.insert(truth.inode, Disguise { said, truth });
    }

    pub(super) fn pretend_device(&mut self, device: u64) {
        self.device = Some(device);
    }

    /// The file was changed: its true times count, even if the clock of the file system has not ticked in between.
    pub(super) fn reveal_times(&mut self, inode: u64) {
        if let Some(disguise) = self.by_inode.get_mut(&inode) {
            disguise.truth = Metadata::default();
        }
    }

    /// The inode belongs to somebody new.
    pub(super) fn forget(&mut self, inode: u64) {
        self.by_inode.remove(&inode);
    }

    pub(super) fn apply(&self, stat: &mut Stat) {
        self.said(Metadata::of(stat)).put_into(stat);
        stat.st_dev = self.device.unwrap_or(stat.st_dev);
    }

    pub(super) fn said(&self, truth: Metadata) -> Metadata {
        match self.by_inode.get(&truth.inode) {
            None => truth,
            Some(disguise) if disguise.truth == truth => disguise.said,
            Some(disguise) => Metadata { inode: disguise.said.inode, ..truth },
        }
    }
}
