//! What the application that embeds the client wants to remember of a torrent.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Bytes of a [`Note`].
const MOST: usize = 64 * 1024;

/// A text that is kept with a torrent and written and read with its entry in the list, so that either both are there or neither.
/// To the client it means nothing: an application may put its labels there, as JSON for example.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Note(Arc<str>);

/// A note has more than 64 KiB: so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a note of {0} bytes is too long: {MOST} are allowed")]
pub struct NoteTooLong(pub usize);

impl Note {
    /// A note of at most 64 KiB.
    pub fn new(text: &str) -> Result<Self, NoteTooLong> {
        if text.len() > MOST { Err(NoteTooLong(text.len())) } else { Ok(Self(Arc::from(text))) }
    }

    /// What it says.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// It says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Note {
    /// One that is longer than allowed is no reason to lose the entry.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Arc::from(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_has_a_limit_and_survives_whatever_it_says() {
        let text = "{\"labels\":[\"\u{1f41f}\", \"\0\\\"\"]}";
        let note = Note::new(text).unwrap();
        let written = serde_json::to_string(&note).unwrap();
        assert_eq!(serde_json::from_str::<Note>(&written).unwrap().as_str(), text);
        assert!(Note::new(&"x".repeat(MOST)).is_ok());
        assert_eq!(Note::new(&"x".repeat(MOST + 1)), Err(NoteTooLong(MOST + 1)));
    }
}
