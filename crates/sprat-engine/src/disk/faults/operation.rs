//! What is recorded: every change, in order.

use std::ffi::OsString;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::Stat;

/// A file or directory, whatever its names. Not an inode: those are given away again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node(pub(super) u32);

impl Node {
    /// The watched directory.
    pub(super) const ROOT: Self = Self(0);
}

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// Where.
    pub directory: Node,
    /// The name.
    pub name: OsString,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file with these bytes; new ones have none.
    File(Arc<Vec<u8>>),
    /// A directory.
    Directory,
    /// A symbolic link to there.
    Link(PathBuf),
}

/// A change, or what makes changes durable.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Something came to be there without a call of ours, and is durable.
    Found {
        /// What.
        node: Node,
        /// What it is.
        kind: Kind,
        /// Under which name.
        at: Slot,
    },
    /// A name is gone without a call of ours, for good.
    Vanished {
        /// Which.
        at: Slot,
    },
    /// A new file, or a new directory. Without a name if it was made so.
    Create {
        /// What.
        node: Node,
        /// What it is.
        kind: Kind,
        /// Under which name.
        at: Option<Slot>,
    },
    /// Bytes were written.
    Write {
        /// Into what.
        node: Node,
        /// From where.
        offset: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// A file was cut or lengthened.
    Truncate {
        /// Which.
        node: Node,
        /// How long it is now.
        length: u64,
    },
    /// Room was reserved.
    Allocate {
        /// In what.
        node: Node,
        /// How long the file is now at least; `None` if its length stays.
        at_least: Option<u64>,
    },
    /// One more name.
    Link {
        /// Of what.
        node: Node,
        /// Which.
        at: Slot,
    },
    /// A name is gone: `unlink` or `rmdir`.
    Remove {
        /// Which.
        at: Slot,
    },
    /// A name became another one in one instant.
    Rename {
        /// Of what.
        node: Node,
        /// The old name.
        from: Slot,
        /// The new name.
        to: Slot,
        /// Two names were exchanged: this has the old one now.
        exchanged: Option<Node>,
    },
    /// What was written to a file, or the names in a directory, are durable.
    Sync {
        /// Which.
        node: Node,
    },
    /// A sync failed: what was written to the file since the last one may never reach the disk, whatever a later sync
    /// says.
    SyncFailed {
        /// Which.
        node: Node,
    },
    /// The kernel threw away what it could not write.
    Lost {
        /// Of what.
        node: Node,
        /// From where to where.
        range: Range<u64>,
    },
    /// Everything is durable.
    SyncAll,
}

/// What a file system says of a node that is not in its bytes and names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Metadata {
    /// The number of the inode.
    pub inode: u64,
    /// When the bytes changed last: seconds, nanoseconds.
    pub modified: (i64, u64),
    /// When anything about the inode changed last.
    pub changed: (i64, u64),
}

impl Metadata {
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            inode: stat.st_ino,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    /// Makes `stat` say this.
    pub(super) fn put_into(&self, stat: &mut Stat) {
        stat.st_ino = self.inode;
        (stat.st_mtime, stat.st_mtime_nsec) = self.modified;
        (stat.st_ctime, stat.st_ctime_nsec) = self.changed;
    }
}

/// One operation, with what shows whom it concerns.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// What was done.
    pub operation: Operation,
    /// To what, from the watched directory: the name at that time.
    pub path: PathBuf,
    /// What the file system said of the nodes after it.
    pub after: Vec<(Node, Metadata)>,
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.operation {
            Operation::Found { .. } => write!(f, "found {path}"),
            Operation::Vanished { .. } => write!(f, "missed {path}"),
            Operation::Create { kind: Kind::Directory, .. } => write!(f, "mkdir {path}"),
            Operation::Create { .. } => write!(f, "create {path}"),
            Operation::Write { offset, bytes, .. } => {
                write!(f, "write {path} {offset}..{}", offset + bytes.len() as u64)
            }
            Operation::Truncate { length, .. } => write!(f, "truncate {path} to {length}"),
            Operation::Allocate { at_least, .. } => write!(f, "allocate {path}, length {at_least:?}"),
            Operation::Link { .. } => write!(f, "link {path}"),
            Operation::Remove { .. } => write!(f, "remove {path}"),
            Operation::Rename { from, .. } => write!(f, "rename {} to {path}", from.name.display()),
            Operation::Sync { .. } => write!(f, "sync {path}"),
            Operation::SyncFailed { .. } => write!(f, "sync failed {path}"),
            Operation::Lost { .. } => write!(f, "lost what was not synced of {path}"),
            Operation::SyncAll => write!(f, "sync everything"),
        }
    }
}
