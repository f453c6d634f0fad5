//! Between a call and the kernel: counts it, lets it fail, records what it changed.

use std::io::IoSlice;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use rustix::fs::Stat;
use rustix::io::Errno;

use super::plan::{Fault, Verdict};
use super::recorder::{Before, Outcome};
use super::watched::{Inner, Watched};
use super::whereabouts::{path_of, path_of_place};
use crate::disk::call::Call;

/// Everything that is watched in this process.
static REGISTRY: RwLock<Vec<Arc<Watched>>> = RwLock::new(Vec::new());

/// How many there are: where nothing is watched, calls cost no more than this look.
static WATCHES: AtomicUsize = AtomicUsize::new(0);

pub(super) fn register(watched: Arc<Watched>) {
    let mut registry = REGISTRY.write().unwrap_or_else(PoisonError::into_inner);
    registry.push(watched);
    WATCHES.store(registry.len(), Ordering::Release);
}

pub(super) fn unregister(watched: &Arc<Watched>) {
    let mut registry = REGISTRY.write().unwrap_or_else(PoisonError::into_inner);
    registry.retain(|other| !Arc::ptr_eq(other, watched));
    WATCHES.store(registry.len(), Ordering::Release);
}

pub(in crate::disk) fn call<T>(call: Call<'_>, act: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    match Seen::of(&call) {
        Some(seen) => seen.run(&call, |_| act(), |_| Outcome::Done),
        None => act(),
    }
}

pub(in crate::disk) fn open(
    call: Call<'_>,
    act: impl FnOnce() -> Result<OwnedFd, Errno>,
) -> Result<OwnedFd, Errno> {
    match Seen::of(&call) {
        Some(seen) => seen.run(&call, |_| act(), |file| Outcome::Opened(file.as_fd())),
        None => act(),
    }
}

pub(in crate::disk) fn write(
    call: Call<'_>,
    buffers: &[IoSlice<'_>],
    act: impl FnOnce(&[IoSlice<'_>]) -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let Some(seen) = Seen::of(&call) else { return act(buffers) };
    let act = |most: Option<usize>| match most {
        Some(most) => act(&first(buffers, most)),
        None => act(buffers),
    };
    seen.run(&call, act, |length| Outcome::Transferred(*length))
}

pub(in crate::disk) fn copy(
    call: Call<'_>,
    length: usize,
    act: impl FnOnce(usize) -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let Some(seen) = Seen::of(&call) else { return act(length) };
    seen.run(&call, |most| act(most.unwrap_or(length)), |length| Outcome::Transferred(*length))
}

pub(in crate::disk) fn stat(
    call: Call<'_>,
    act: impl FnOnce() -> Result<Stat, Errno>,
) -> Result<Stat, Errno> {
    let Some(seen) = Seen::of(&call) else { return act() };
    let mut stat = seen.run(&call, |_| act(), |_| Outcome::Done)?;
    seen.watched.lock().recorder.disguises.apply(&mut stat);
    Ok(stat)
}

/// A call that concerns a watched directory.
struct Seen {
    watched: Arc<Watched>,
    /// What it names, from the root; for two names the old one, wherever it is.
    path: PathBuf,
    second: Option<PathBuf>,
}

impl Seen {
    fn of(call: &Call<'_>) -> Option<Self> {
        if WATCHES.load(Ordering::Acquire) == 0 {
            return None;
        }
        let (first, second) = match *call {
            Call::Open { at, .. }
            | Call::StatAt { at }
            | Call::ReadLink { at }
            | Call::MakeDirectory { at }
            | Call::Remove { at } => (path_of_place(at)?, None),
            Call::Read { file, .. }
            | Call::Write { file, .. }
            | Call::Copy { to: file, .. }
            | Call::Clone { to: file }
            | Call::Sync { file }
            | Call::SyncAll { file }
            | Call::Truncate { file, .. }
            | Call::Allocate { file, .. }
            | Call::Advise { file, .. }
            | Call::Stat { file }
            | Call::List { directory: file } => (path_of(file)?, None),
            Call::Rename { from, to, .. } | Call::Link { from, to } => {
                (path_of_place(from)?, Some(path_of_place(to)?))
            }
        };
        let registry = REGISTRY.read().unwrap_or_else(PoisonError::into_inner);
        let below = |watched: &&Arc<Watched>, path: &PathBuf| path.starts_with(&watched.root);
        let watched = registry
            .iter()
            .find(|watched| second.as_ref().is_some_and(|path| below(watched, path)))
            .or_else(|| registry.iter().find(|watched| below(watched, &first)))?;
        let from_root = |path: PathBuf| path.strip_prefix(&watched.root).map(PathBuf::from).ok();
        Some(Self {
            watched: Arc::clone(watched),
            path: from_root(first.clone()).unwrap_or(first),
            second: second.and_then(from_root),
        })
    }

    /// A call that changes something is made and recorded in one go, so that the order of the record is the true one.
    fn run<T>(
        &self,
        call: &Call<'_>,
        act: impl FnOnce(Option<usize>) -> Result<T, Errno>,
        outcome: impl Fn(&T) -> Outcome<'_>,
    ) -> Result<T, Errno> {
        let waits = !matches!(call, Call::Read { waits: false, .. });
        let Some(mut guard) = self.watched.enter(&self.path, waits) else { return Err(Errno::AGAIN) };
        let inner: &mut Inner = &mut guard;
        let most = match inner.plan.judge(call, &self.path) {
            Verdict::Go => None,
            Verdict::Short(most) => Some(most),
            Verdict::Fail(fault, errno) => {
                if let Call::Sync { file } | Call::SyncAll { file } = call
                    && fault != Fault::Interrupted
                {
                    inner.recorder.sync_failed(*file, &self.path, fault != Fault::SyncLoses);
                }
                return Err(errno);
            }
        };
        let before = inner.recorder.before(call, &self.path, self.second.as_deref());
        if matches!(before, Before::Nothing) {
            drop(guard);
            return act(most);
        }
        let result = act(most);
        match &result {
            Ok(value) => inner.recorder.after(call, before, outcome(value)),
            Err(errno) if *errno != Errno::INTR => {
                if let Call::Sync { file } = call {
                    inner.recorder.sync_failed(*file, &self.path, true);
                }
            }
            Err(_) => {}
        }
        result
    }
}

/// The first `most` bytes of some buffers.
fn first<'a>(buffers: &'a [IoSlice<'_>], mut most: usize) -> Vec<IoSlice<'a>> {
    let mut cut = Vec::new();
    for buffer in buffers {
        let length = buffer.len().min(most);
        most -= length;
        cut.push(IoSlice::new(buffer.get(..length).unwrap_or_default()));
    }
    cut
}
