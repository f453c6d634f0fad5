//! Bugs planted on purpose, so that the tests of durability can be seen to find them. Without the feature
//! `disk-faults` there are none.
//!
//! A bug is planted below a directory, so that tests with different bugs may run side by side.

use std::os::fd::BorrowedFd;
use std::path::Path;

#[cfg(feature = "disk-faults")]
pub use self::garden::{Planting, plant};

/// A bug that the storage below a directory can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlantedBug {
    /// What was written is called durable before it is synced.
    ClaimBeforeSync,
    /// That a write failed is not noticed.
    LostWriteError,
    /// That a sync failed is not noticed.
    LostSyncError,
    /// A sync that failed is tried again, and its success believed.
    SyncRetriedAsIfNothing,
    /// Names are not synced, only what they name.
    DirectoryNotSynced,
    /// A file of somebody else that has the name of ours is written over.
    ForeignFileOverwritten,
    /// A file that we did not make is removed.
    ForeignFileDeleted,
    /// What a resume record says is believed although the files have changed.
    SignatureIgnored,
    /// A write that took less than it was given is taken for a whole one.
    ShortWriteTaken,
    /// What nothing proves is taken for had when a torrent is resumed.
    ResumeTrustsUnproven,
    /// A file that is moved is gone from its old place before it is durable at the new one.
    MoveNotSynced,
}

impl PlantedBug {
    /// All of them.
    #[cfg(feature = "disk-faults")]
    pub const ALL: [Self; 11] = [
        Self::ClaimBeforeSync,
        Self::LostWriteError,
        Self::LostSyncError,
        Self::SyncRetriedAsIfNothing,
        Self::DirectoryNotSynced,
        Self::ForeignFileOverwritten,
        Self::ForeignFileDeleted,
        Self::SignatureIgnored,
        Self::ShortWriteTaken,
        Self::ResumeTrustsUnproven,
        Self::MoveNotSynced,
    ];
}

/// Whether the storage of what lies at `path` has this bug.
#[cfg(feature = "disk-faults")]
#[must_use]
pub fn is_planted(path: &Path, bug: PlantedBug) -> bool {
    garden::has(path, bug)
}

/// Whether the storage of this open file or directory has this bug.
#[cfg(feature = "disk-faults")]
#[must_use]
pub fn is_planted_in(file: BorrowedFd<'_>, bug: PlantedBug) -> bool {
    super::faults::path_of(file).is_some_and(|path| garden::has(&path, bug))
}

/// Whether the storage of what lies at `path` has this bug: never without the feature.
#[cfg(not(feature = "disk-faults"))]
#[must_use]
pub const fn is_planted(_path: &Path, _bug: PlantedBug) -> bool {
    false
}

/// Whether the storage of this open file or directory has this bug: never without the feature.
#[cfg(not(feature = "disk-faults"))]
#[must_use]
pub const fn is_planted_in(_file: BorrowedFd<'_>, _bug: PlantedBug) -> bool {
    false
}

#[cfg(feature = "disk-faults")]
mod garden {
    //! Which bugs are planted where, in all of the process.

    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::{PoisonError, RwLock};

    use super::PlantedBug;

    static GARDEN: RwLock<Vec<(PathBuf, PlantedBug)>> = RwLock::new(Vec::new());

    /// A bug that is there until this is dropped.
    #[derive(Debug)]
    #[must_use = "the bug is gone when this is dropped"]
    pub struct Planting {
        root: PathBuf,
        bug: PlantedBug,
    }

    /// Gives the storage of everything below `root`, an existing directory, a bug.
    pub fn plant(root: &Path, bug: PlantedBug) -> io::Result<Planting> {
        let root = root.canonicalize()?;
        GARDEN.write().unwrap_or_else(PoisonError::into_inner).push((root.clone(), bug));
        Ok(Planting { root, bug })
    }

    impl Drop for Planting {
        fn drop(&mut self) {
            let mut garden = GARDEN.write().unwrap_or_else(PoisonError::into_inner);
            let mine = |(root, bug): &(PathBuf, PlantedBug)| *root == self.root && *bug == self.bug;
            if let Some(at) = garden.iter().position(mine) {
                garden.remove(at);
            }
        }
    }

    pub(super) fn has(path: &Path, bug: PlantedBug) -> bool {
        let garden = GARDEN.read().unwrap_or_else(PoisonError::into_inner);
        let mut roots = garden.iter().filter(|(_, planted)| *planted == bug).map(|(root, _)| root).peekable();
        if roots.peek().is_none() {
            return false;
        }
        // What is not there yet lies below the nearest directory that is.
        let canonical = path.ancestors().find_map(|path| path.canonicalize().ok());
        roots.any(|root| {
            path.starts_with(root) || canonical.as_ref().is_some_and(|path| path.starts_with(root))
        })
    }
}
