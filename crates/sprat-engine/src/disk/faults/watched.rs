//! One watched directory, as all threads see it.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::plan::Plan;
use super::recorder::Recorder;

#[derive(Debug)]
pub(super) struct Watched {
    /// Canonical.
    pub(super) root: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) plan: Plan,
    pub(super) recorder: Recorder,
}

impl Watched {
    pub(super) fn new(root: PathBuf, recorder: Recorder) -> Self {
        Self { root, inner: Mutex::new(Inner { plan: Plan::default(), recorder }) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
