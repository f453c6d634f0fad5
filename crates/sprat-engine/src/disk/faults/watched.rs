//! One watched directory, as all threads see it.

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::plan::Plan;
use super::recorder::Recorder;

#[derive(Debug)]
pub(super) struct Watched {
    /// Canonical.
    pub(super) root: PathBuf,
    inner: Mutex<Inner>,
    /// A call hangs, or calls are let go on.
    stalling: Condvar,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) plan: Plan,
    pub(super) recorder: Recorder,
    /// Calls on this and what is below it do not come back.
    stalled: Option<PathBuf>,
    hanging: usize,
}

impl Watched {
    pub(super) fn new(root: PathBuf, recorder: Recorder) -> Self {
        let inner = Inner { plan: Plan::default(), recorder, stalled: None, hanging: 0 };
        Self { root, inner: Mutex::new(inner), stalling: Condvar::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Self::lock`], for a call on `path`: hangs as long as calls there do. `None` if the call is one that does not wait and
    /// would hang.
    pub(super) fn enter(&self, path: &Path, waits: bool) -> Option<MutexGuard<'_, Inner>> {
        let mut inner = self.lock();
        let is_stalled = |inner: &Inner| inner.stalled.as_ref().is_some_and(|below| path.starts_with(below));
        if !is_stalled(&inner) {
            return Some(inner);
        }
        if !waits {
            return None;
        }
        inner.hanging += 1;
        self.stalling.notify_all();
        while is_stalled(&inner) {
            inner = self.wait(inner);
        }
        inner.hanging -= 1;
        Some(inner)
    }

    pub(super) fn stall(&self, below: Option<PathBuf>) {
        self.lock().stalled = below;
        self.stalling.notify_all();
    }

    /// Returns when so many calls hang.
    pub(super) fn await_hanging(&self, calls: usize) {
        let mut inner = self.lock();
        while inner.hanging < calls {
            inner = self.wait(inner);
        }
    }

    fn wait<'a>(&self, inner: MutexGuard<'a, Inner>) -> MutexGuard<'a, Inner> {
        self.stalling.wait(inner).unwrap_or_else(PoisonError::into_inner)
    }
}
