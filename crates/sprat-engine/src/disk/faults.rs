//! Disks that fail, and disks whose power is cut: for tests of what the storage promises.
//!
//! [`watch`] a directory, and all disk calls below it are counted, can be made to fail, and what they change is
//! recorded. From a [`Recording`] come [`Image`]s: what the disk may hold if power is cut in the middle.
//!
//! ```text
//! storage ──► disk::pwritev … ──► hook ──► plan: fails? ──► kernel ──► recorder: operation on a node
//!                                                                          │
//!             real files ◄── image ◄── crash: which survive? ◄── state ◄───┘ replayed up to the cut
//! ```
//!
//! Several directories may be watched at a time, so tests may run side by side; they must not lie in one another.
//! What is done past the functions of [`disk`](super) is taken in when a call touches it; bytes that are changed so
//! in a file that is known already are not seen, see [`Watch::deviation`].

mod crash;
mod disguise;
pub(super) mod hook;
mod image;
mod live;
mod operation;
mod plan;
mod recorder;
mod recording;
mod scan;
mod state;
mod watched;
mod whereabouts;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub use self::crash::Extreme;
pub use self::image::{Content, Entry, Image};
pub use self::operation::{Kind, Metadata, Node, Operation, Recorded, Slot};
pub use self::plan::{Fault, Lasting};
use self::recorder::Recorder;
pub use self::recording::{Mark, Recording};
use self::watched::Watched;
pub(super) use self::whereabouts::path_of;

/// A directory all of whose disk calls are seen, until this is dropped.
#[derive(Debug)]
#[must_use = "nothing is watched any more when this is dropped"]
pub struct Watch(Arc<Watched>);

/// Watches all disk calls on what is below `root`, an existing directory. What lies there already is durable.
pub fn watch(root: &Path) -> io::Result<Watch> {
    let root = root.canonicalize()?;
    let watched = Arc::new(Watched::new(root.clone(), Recorder::new(root)?));
    hook::register(Arc::clone(&watched));
    Ok(Watch(watched))
}

impl Image {
    /// What a start of the machine finds: makes the files in `into`, an existing and empty directory, watches it and
    /// disguises the files.
    pub fn boot(&self, into: &Path) -> io::Result<Watch> {
        self.materialise(into)?;
        let watch = watch(into)?;
        watch.disguise(self)?;
        Ok(watch)
    }
}

impl Watch {
    /// Lets the `nth` call from now fail, the first being 1. Only calls count that can fail in this way.
    pub fn fail_nth(&self, nth: usize, fault: Fault, lasting: Lasting) {
        self.fail_nth_below(Path::new(""), nth, fault, lasting);
    }

    /// As [`Self::fail_nth`], of the calls on `path` and below, given from the watched directory.
    pub fn fail_nth_below(&self, path: &Path, nth: usize, fault: Fault, lasting: Lasting) {
        self.0.lock().plan.fail(nth, fault, lasting, path.to_path_buf());
    }

    /// The cause has gone: no call fails any more.
    pub fn heal(&self) {
        self.0.lock().plan.heal();
    }

    /// From now on calls on `path` and below, given from the watched directory, do not come back before [`Self::release`]: a server
    /// that is gone, a disk that starts up. Only reads that do not wait say so at once.
    pub fn stall_below(&self, path: &Path) {
        self.0.stall(Some(path.to_path_buf()));
    }

    /// Calls come back, and those that hang go on.
    pub fn release(&self) {
        self.0.stall(None);
    }

    /// Returns when at least so many calls hang.
    pub fn await_hanging(&self, calls: usize) {
        self.0.await_hanging(calls);
    }

    /// Calls until now.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.0.lock().plan.calls
    }

    /// Calls until now that could have failed in this way.
    #[must_use]
    pub fn calls_for(&self, fault: Fault) -> usize {
        self.0.lock().plan.count(fault)
    }

    /// Calls that were made to fail.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.0.lock().plan.failed
    }

    /// The first of them in words.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        self.0.lock().plan.log.clone()
    }

    /// Notes something between two operations, for instance a promise that was made now.
    pub fn mark(&self, label: impl Into<String>) {
        self.0.lock().recorder.mark(label.into());
    }

    /// What was done until now.
    #[must_use]
    pub fn recording(&self) -> Recording {
        self.0.lock().recorder.recording()
    }

    /// Makes the files of an image that was materialised here say of themselves what the files of the recording said
    /// when power was cut: their inodes, their times, their device. A file that is changed after that tells its own
    /// times again.
    pub fn disguise(&self, image: &Image) -> io::Result<()> {
        self.0.lock().recorder.disguise(image)
    }

    /// Where the tree is not as the recording has it, for each file in words: something changed it past the functions
    /// of [`disk`](super).
    pub fn deviation(&self) -> io::Result<Vec<String>> {
        self.0.lock().recorder.deviation()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.release();
        hook::unregister(&self.0);
    }
}
