//! How those who wait for a long copy see how far it is, and end it.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use sprat_core::storage::StorageError;
use tokio::sync::Notify;

/// Why a copy was not made.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Something is wrong. What was made is gone again.
    Failed(StorageError),
    /// The user does not want it any more, which is the same otherwise.
    Cancelled,
    /// This process is about to end. The next one goes on.
    Left,
}

impl From<StorageError> for Stop {
    fn from(error: StorageError) -> Self {
        Self::Failed(error)
    }
}

/// Shared by the thread that copies and those who wait for it.
#[derive(Debug, Default)]
pub(crate) struct Steering {
    order: AtomicU8,
    ordered: Notify,
    done: AtomicU64,
    all: AtomicU64,
}

const CANCEL: u8 = 1;
const LEAVE: u8 = 2;

impl Steering {
    /// The user does not want it any more.
    pub(crate) fn cancel(&self) {
        self.give(CANCEL);
    }

    /// This process is about to end.
    pub(crate) fn leave(&self) {
        self.give(LEAVE);
    }

    /// To leave is the last word.
    fn give(&self, order: u8) {
        self.order.fetch_max(order, Ordering::AcqRel);
        self.ordered.notify_waiters();
    }

    /// Returns when it may not go on.
    pub(crate) async fn stopped(&self) {
        loop {
            // Before the look at the order: `notify_waiters` reaches every future made before it.
            let ordered = self.ordered.notified();
            if self.may_go_on().is_err() {
                return;
            }
            ordered.await;
        }
    }

    /// Whether it may go on.
    pub(crate) fn may_go_on(&self) -> Result<(), Stop> {
        match self.order.load(Ordering::Acquire) {
            CANCEL => Err(Stop::Cancelled),
            LEAVE => Err(Stop::Left),
            _ => Ok(()),
        }
    }

    /// It begins, and has so many bytes to copy.
    pub(super) fn expect(&self, bytes: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.all.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes copied and bytes to be copied.
    pub(crate) fn progress(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.all.load(Ordering::Relaxed))
    }
}
