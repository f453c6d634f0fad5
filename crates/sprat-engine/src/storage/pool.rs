//! The files that are open: few at a time, the least recently used are closed first.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use sprat_core::storage::TorrentId;

/// A file of a torrent, by its place in the info dictionary.
pub(crate) type FileKey = (TorrentId, usize);

/// Fewer than this are not worth closing to make room.
const SMALLEST: usize = 4;

/// How often an open is tried again while the process has no descriptor left. The waits double from 1 ms to 1 s in
/// all: the hazard is a socket peak, and it passes.
const ATTEMPTS: u32 = 10;

/// Open files, shared by all threads of a disk: whoever makes room closes files of his own disk, and waits for no other.
#[derive(Debug)]
pub(crate) struct FilePool {
    /// Of all pools together: as configured, or what the system allows.
    all: usize,
    /// How many pools share that.
    pools: Arc<AtomicUsize>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    open: BTreeMap<FileKey, OpenFile>,
    by_age: BTreeMap<u64, FileKey>,
    clock: u64,
    /// At most [`FilePool::most`]; less after the system ran out of descriptors.
    limit: usize,
}

#[derive(Debug)]
struct OpenFile {
    descriptor: Arc<OwnedFd>,
    writable: bool,
    age: u64,
}

impl FilePool {
    pub(crate) fn new(configured: usize) -> Self {
        Self::sharing(configured, Arc::default())
    }

    /// One of several, as many as `pools` says.
    pub(super) fn sharing(configured: usize, pools: Arc<AtomicUsize>) -> Self {
        // A quarter: the rest is for sockets.
        let allowed = getrlimit(Resource::Nofile)
            .current
            .map_or(usize::MAX, |soft| usize::try_from(soft / 4).unwrap_or(usize::MAX));
        let all = configured.min(allowed);
        let state = State { open: BTreeMap::new(), by_age: BTreeMap::new(), clock: 0, limit: all };
        Self { all, pools, state: Mutex::new(state) }
    }

    /// How many files may be open.
    fn most(&self) -> usize {
        (self.all / self.pools.load(Ordering::Relaxed).max(1)).max(SMALLEST)
    }

    /// The file, from the pool or by `open`.
    pub(super) fn file(
        &self,
        key: FileKey,
        writable: bool,
        open: impl Fn() -> Result<OwnedFd, Errno>,
    ) -> Result<Arc<OwnedFd>, Errno> {
        if let Some(file) = self.find(key, writable) {
            return Ok(file);
        }
        let mut attempt = 0;
        loop {
            match open() {
                Ok(file) => return Ok(self.insert(key, writable, file)),
                Err(Errno::MFILE | Errno::NFILE) if attempt < ATTEMPTS => {
                    self.make_room();
                    std::thread::sleep(Duration::from_millis(1 << attempt));
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Closes one file, for instance because its name is gone.
    pub(super) fn forget_file(&self, key: FileKey) {
        let file = self.with(|state| state.remove(key));
        drop(file);
    }

    /// Closes the files of a torrent.
    pub(super) fn forget(&self, torrent: TorrentId) {
        let files: Vec<_> = self.with(|state| {
            let keys: Vec<_> =
                state.open.range((torrent, 0)..=(torrent, usize::MAX)).map(|(key, _)| *key).collect();
            keys.into_iter().filter_map(|key| state.remove(key)).collect()
        });
        drop(files);
    }

    /// The file if it is open.
    pub(super) fn find(&self, key: FileKey, writable: bool) -> Option<Arc<OwnedFd>> {
        self.with(|state| {
            let now = state.tick();
            let file = state.open.get_mut(&key).filter(|file| file.writable || !writable)?;
            state.by_age.remove(&std::mem::replace(&mut file.age, now));
            state.by_age.insert(now, key);
            Some(Arc::clone(&file.descriptor))
        })
    }

    fn insert(&self, key: FileKey, writable: bool, file: OwnedFd) -> Arc<OwnedFd> {
        let descriptor = Arc::new(file);
        let opened = Arc::clone(&descriptor);
        // Closing may wait for the disk, so not under the lock.
        let most = self.most();
        let closed: Vec<_> = self.with(|state| {
            state.limit = (state.limit + 1).min(most);
            let mut closed: Vec<_> = state.remove(key).into_iter().collect();
            while state.open.len() >= state.limit {
                closed.extend(state.remove_oldest());
            }
            let age = state.tick();
            state.by_age.insert(age, key);
            state.open.insert(key, OpenFile { descriptor, writable, age });
            closed
        });
        drop(closed);
        opened
    }

    /// Closes what is too much since there are more pools.
    pub(super) fn make_way(&self) {
        let most = self.most();
        let closed: Vec<_> = self.with(|state| {
            let excess = state.open.len().saturating_sub(most);
            (0..excess).filter_map(|_| state.remove_oldest()).collect()
        });
        drop(closed);
    }

    /// The system has no descriptor left: halves the pool.
    fn make_room(&self) {
        let closed: Vec<_> = self.with(|state| {
            state.limit = (state.open.len() / 2).max(SMALLEST);
            let excess = state.open.len().saturating_sub(state.limit / 2);
            (0..excess).filter_map(|_| state.remove_oldest()).collect()
        });
        drop(closed);
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn remove(&mut self, key: FileKey) -> Option<OpenFile> {
        let file = self.open.remove(&key)?;
        self.by_age.remove(&file.age);
        Some(file)
    }

    fn remove_oldest(&mut self) -> Option<OpenFile> {
        let (_, key) = self.by_age.pop_first()?;
        self.open.remove(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Result<OwnedFd, Errno> {
        rustix::fs::open("/dev/null", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty())
    }

    fn key(file: usize) -> FileKey {
        (TorrentId(1), file)
    }

    #[test]
    fn the_least_recently_used_file_is_closed_first() {
        let pool = FilePool::new(SMALLEST);
        for file in 0..SMALLEST {
            pool.file(key(file), false, open).unwrap();
        }
        assert!(pool.find(key(0), false).is_some());
        pool.file(key(99), false, open).unwrap();
        assert!(pool.find(key(0), false).is_some() && pool.find(key(1), false).is_none());
        assert!(pool.find(key(0), true).is_none(), "opened for reading only");
        pool.forget(TorrentId(1));
        assert!(pool.find(key(0), false).is_none());
    }

    #[test]
    fn pools_that_share_have_equal_parts_as_soon_as_there_are_several() {
        let pools = Arc::new(AtomicUsize::new(1));
        let pool = FilePool::sharing(4 * SMALLEST, Arc::clone(&pools));
        let open_files = |pool: &FilePool| pool.with(|state| state.open.len());
        for file in 0..4 * SMALLEST {
            pool.file(key(file), false, open).unwrap();
        }
        pools.store(2, Ordering::Relaxed);
        pool.make_way();
        assert_eq!(open_files(&pool), 2 * SMALLEST);
        pools.store(100, Ordering::Relaxed);
        pool.file(key(99), false, open).unwrap();
        assert_eq!(open_files(&pool), SMALLEST, "fewer are not worth it");
    }

    #[test]
    fn running_out_of_descriptors_closes_files_and_tries_again() {
        let pool = FilePool::new(64);
        for file in 0..64 {
            pool.file(key(file), false, open).unwrap();
        }
        let failures = std::cell::Cell::new(3);
        let scarce = || {
            if failures.get() == 0 {
                return open();
            }
            failures.set(failures.get() - 1);
            Err(Errno::MFILE)
        };
        pool.file(key(64), false, scarce).unwrap();
        assert!(pool.with(|state| state.open.len()) < 32);
    }
}
