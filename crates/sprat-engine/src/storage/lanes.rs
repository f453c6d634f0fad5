//! The disks in use: each has threads of its own, so that one that does not answer stops nobody else.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use sprat_core::storage::StorageReply;
use tokio::sync::mpsc::UnboundedSender;

use super::activity::Activity;
use super::budget::{Budget, Portion};
use super::buffers::Buffers;
use super::lane::{self, Lane};
use super::mounts::{Device, Mounts, absolute};
use super::open_contents::OpenContents;
use super::pool::FilePool;
use super::pressure::Pressure;
use super::{Shared, StorageConfig};

/// Disks with threads of their own at the most. Those beyond share the threads of others.
const MOST: usize = 16;

/// Names a disk in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LaneId(usize);

#[derive(Debug)]
pub(super) struct Lanes {
    /// Filled from the front, and never emptied: requests find their way without a lock.
    slots: [OnceLock<Lane>; MOST],
    assignment: Mutex<Assignment>,
    config: StorageConfig,
    reply: UnboundedSender<StorageReply>,
    buffers: Buffers,
    queued: Arc<Budget>,
    held: Arc<Budget>,
    open: OpenContents,
    /// How many there are; files are shared out by it.
    count: Arc<AtomicUsize>,
}

/// Which disk has which slot.
#[derive(Debug, Default)]
struct Assignment {
    /// By slot; `None` is what the table does not know.
    devices: Vec<Option<Device>>,
    /// What is mounted, and the text that says so.
    mounts: (Vec<u8>, Mounts),
}

impl Lanes {
    pub(super) fn new(
        config: StorageConfig,
        reply: UnboundedSender<StorageReply>,
        open: OpenContents,
    ) -> Self {
        Self {
            open,
            slots: Default::default(),
            assignment: Mutex::default(),
            queued: Budget::new(config.queue_limit),
            held: Budget::new(config.held_limit),
            count: Arc::new(AtomicUsize::new(0)),
            buffers: Buffers::default(),
            config,
            reply,
        }
    }

    pub(super) fn get(&self, LaneId(slot): LaneId) -> Option<&Lane> {
        self.slots.get(slot)?.get()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Lane> {
        self.slots.iter().map_while(OnceLock::get)
    }

    /// Bytes of unfinished pieces beyond what all disks together should hold: a disk that hangs does not give back what it has
    /// had before it had to share.
    pub(super) fn held_beyond_limit(&self) -> usize {
        let held: usize = self.all().map(|lane| lane.shared.held.taken()).sum();
        held.saturating_sub(self.held.total())
    }

    /// The disk that `directory` lies on. Its threads are started if it has none.
    pub(super) fn of(&self, directory: &Path) -> io::Result<LaneId> {
        let mut assignment = self.assignment.lock().unwrap_or_else(PoisonError::into_inner);
        let mount = assignment.mounts(&self.config.mount_table).of(&absolute(directory));
        let device = mount.map(|mount| mount.device);
        let point = mount.map_or_else(|| directory.to_path_buf(), |mount| mount.point.clone());
        if let Some(slot) = assignment.devices.iter().position(|other| *other == device) {
            return Ok(LaneId(slot));
        }
        let slot = assignment.devices.len();
        let Some(place) = self.slots.get(slot) else { return Ok(shared_slot(device)) };
        match self.start(point) {
            Ok(lane) => {
                assignment.devices.push(device);
                self.count.fetch_add(1, Ordering::Relaxed);
                // It is empty: whoever fills one holds the lock.
                let _ = place.set(lane);
                Ok(LaneId(slot))
            }
            Err(error) if slot > 0 => {
                tracing::warn!(%error, "no threads for one more disk; it shares those of another");
                Ok(LaneId(0))
            }
            Err(error) => Err(error),
        }
    }

    /// Has all threads end. Those of a disk that does not answer by `deadline` are left behind.
    pub(super) fn stop(self, deadline: Instant) {
        let closing: Vec<_> =
            self.slots.into_iter().filter_map(OnceLock::into_inner).map(Lane::close).collect();
        for lane in closing {
            lane.wait(deadline);
        }
    }

    fn start(&self, disk: PathBuf) -> io::Result<Lane> {
        let workers = self.config.workers.max(1);
        let shared = Shared {
            disk,
            reply: self.reply.clone(),
            pool: Arc::new(FilePool::sharing(self.config.open_files, Arc::clone(&self.count))),
            pressure: Pressure::new(Arc::clone(&self.queued)),
            buffers: self.buffers.clone(),
            ledger: self.config.ledger.clone(),
            held: Portion::new(Arc::clone(&self.held)),
            activity: Activity::new(lane::threads(workers)),
            open: self.open.clone(),
        };
        Lane::start(Arc::new(shared), workers)
    }
}

impl Assignment {
    /// What is mounted now; nothing if that cannot be read, and then everything lies on the same unknown disk. Thousands of
    /// torrents are opened at a start: what has not changed is not taken apart again.
    fn mounts(&mut self, table: &Path) -> &Mounts {
        let text = std::fs::read(table).unwrap_or_else(|error| {
            tracing::debug!(%error, "the mounts are not known; all disks share their threads");
            Vec::new()
        });
        if self.mounts.0 != text {
            let mounts = Mounts::parse(&text);
            self.mounts = (text, mounts);
        }
        &self.mounts.1
    }
}

/// Whose threads a disk shares for which there is no slot: always the same.
fn shared_slot(device: Option<Device>) -> LaneId {
    let number = device.map_or(0, |device| device.major.wrapping_mul(31).wrapping_add(device.minor));
    LaneId(number as usize % MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_disk_beyond_the_last_slot_has_one_that_is_there() {
        let slots = (0..1000).map(|minor| shared_slot(Some(Device { major: 8, minor })).0);
        assert!(slots.max() < Some(MOST));
        assert_eq!(shared_slot(None), LaneId(0));
    }
}
