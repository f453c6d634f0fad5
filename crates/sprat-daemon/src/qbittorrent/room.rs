//! How much fits on the disk of the downloads. A disk may hang, and whoever asks for the list is not to wait for it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::space;

/// What is known is good for this long.
const FRESH: Duration = Duration::from_secs(10);

/// A disk that works has answered by then.
const PATIENCE: Duration = Duration::from_millis(50);

/// What is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Room(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    free: u64,
    asked_at: Option<Instant>,
    is_asking: bool,
}

impl Room {
    /// Bytes that can be written there, as far as known; 0 while that is not known.
    pub(super) async fn free(&self, directory: PathBuf) -> u64 {
        {
            let mut known = self.hold();
            if known.is_asking || known.asked_at.is_some_and(|at| at.elapsed() < FRESH) {
                return known.free;
            }
            (known.is_asking, known.asked_at) = (true, Some(Instant::now()));
        }
        let room = self.clone();
        let asking = tokio::task::spawn_blocking(move || {
            let space = space::of(&directory);
            let mut known = room.hold();
            known.is_asking = false;
            known.free = space.map_or(0, |space| space.free);
        });
        let _ = tokio::time::timeout(PATIENCE, asking).await;
        self.hold().free
    }

    fn hold(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
