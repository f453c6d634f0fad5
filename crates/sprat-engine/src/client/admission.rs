//! What is said of a torrent when it is added, besides what the session has to know.

use std::path::PathBuf;

use super::note::Note;
use crate::storage::Place;

/// Where the files of a new torrent lie, and what is to be remembered of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Where its files lie.
    pub place: Place,
    /// What the application wants to remember.
    pub note: Note,
}

impl From<Place> for Admission {
    /// Without a note.
    fn from(place: Place) -> Self {
        Self { place, note: Note::default() }
    }
}

impl From<PathBuf> for Admission {
    /// Without a note, and as [`Place`] has it.
    fn from(directory: PathBuf) -> Self {
        Place::from(directory).into()
    }
}
