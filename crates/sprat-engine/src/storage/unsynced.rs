//! What a power cut would take.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// What was written since the last sync.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    pub(super) files: BTreeSet<usize>,
    /// Files whose names are new.
    pub(super) created: BTreeSet<usize>,
    /// The root and what was made on the way to it: the directories that hold their names.
    pub(super) parents_of_root: BTreeSet<PathBuf>,
}
