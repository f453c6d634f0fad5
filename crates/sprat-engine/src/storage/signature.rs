//! How a file looks from outside: by this we notice that it is not what we left.

use rustix::fs::Stat;

/// What is noted of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) size: u64,
    pub(super) modified: (i64, u32),
    pub(super) changed: (i64, u32),
    pub(super) inode: u64,
}

impl Signature {
    pub(super) fn of(stat: &Stat) -> Self {
        let nanoseconds = |value| u32::try_from(value).unwrap_or(u32::MAX);
        Self {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime, nanoseconds(stat.st_mtime_nsec)),
            changed: (stat.st_ctime, nanoseconds(stat.st_ctime_nsec)),
            inode: stat.st_ino,
        }
    }

    /// The bytes are as they were. Names, links or permissions may have changed, and so may the bytes if somebody has put
    /// the clock back afterwards.
    pub(super) fn has_same_bytes(&self, before: &Self) -> bool {
        let Self { size, modified, inode, .. } = *self;
        (size, modified, inode) == (before.size, before.modified, before.inode)
    }

    /// As no file looks: what is recorded so is looked at again, and is the same file all the same.
    pub(super) const fn doubtful(self) -> Self {
        Self { modified: (i64::MIN, 0), ..self }
    }

    /// The file was written further since, as a process of ours may have done before it was stopped.
    pub(super) fn may_be_grown_from(&self, before: &Self) -> bool {
        self.inode == before.inode && self.size >= before.size
    }
}
