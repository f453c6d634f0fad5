//! What feeds and rules are called.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// In bytes.
const MAX_LENGTH: usize = 200;

/// The name of a feed or a rule, unlike that of any other of its kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Text that cannot be a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a name has 1 to {MAX_LENGTH} bytes, not all of them blank, and no control characters")]
pub struct NameError;

impl Name {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        let is_name =
            !text.trim().is_empty() && text.len() <= MAX_LENGTH && !text.chars().any(char::is_control);
        if is_name { Ok(Self(text)) } else { Err(NameError) }
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_can_be_seen() {
        for right in ["a", "Name of a feed", "é", &"x".repeat(MAX_LENGTH)] {
            assert_eq!(Name::try_from(right.to_owned()).unwrap().as_str(), right);
        }
        for wrong in ["", " ", "a\nb", &"x".repeat(MAX_LENGTH + 1)] {
            assert_eq!(Name::try_from(wrong.to_owned()), Err(NameError));
        }
    }
}
