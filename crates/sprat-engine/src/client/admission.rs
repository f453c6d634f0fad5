//! What is said of a torrent when it is added, besides what the session has to know.

use std::path::PathBuf;

use super::note::Note;
use crate::address_policy::Origin;
use crate::storage::Place;

/// Where the files of a new torrent lie, what is to be remembered of it, and on whose word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Where its files lie.
    pub place: Place,
    /// What the application wants to remember.
    pub note: Note,
    /// Who has named its extra trackers. An application that does as others tell it says [`Origin::Torrent`]: they get no further
    /// into the local network than a torrent does.
    pub trackers_by: Origin,
}

impl From<Place> for Admission {
    /// Without a note; the user has named all.
    fn from(place: Place) -> Self {
        Self { place, note: Note::default(), trackers_by: Origin::User }
    }
}

impl From<PathBuf> for Admission {
    /// Without a note, and as [`Place`] has it.
    fn from(directory: PathBuf) -> Self {
        Place::from(directory).into()
    }
}
