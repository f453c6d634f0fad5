//! Which swarms a tracker serves.

use sprat_wire::hash::InfoHash;
use thiserror::Error;

/// Which info-hashes are served.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Access {
    /// All.
    #[default]
    Open,
    /// Only those on the list.
    Allow(InfoHashList),
    /// All but those on the list.
    Deny(InfoHashList),
}

impl Access {
    /// Whether the swarm of `info_hash` is served.
    #[must_use]
    pub fn permits(&self, info_hash: &InfoHash) -> bool {
        match self {
            Self::Open => true,
            Self::Allow(list) => list.contains(info_hash),
            Self::Deny(list) => !list.contains(info_hash),
        }
    }
}

/// A set of info-hashes, 20 bytes each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InfoHashList(Vec<InfoHash>); // sorted

impl InfoHashList {
    /// Reads a list with one info-hash in hexadecimal per line. What follows the hash after white space, empty lines
    /// and everything after `#` are for people.
    pub fn parse(text: &str) -> Result<Self, ParseListError> {
        let mut hashes = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let content = line.split('#').next().unwrap_or_default();
            let Some(word) = content.split_whitespace().next() else { continue };
            hashes.push(word.parse().map_err(|_| ParseListError { line: index + 1 })?);
        }
        Ok(hashes.into_iter().collect())
    }

    /// Whether `info_hash` is on the list.
    #[must_use]
    pub fn contains(&self, info_hash: &InfoHash) -> bool {
        self.0.binary_search(info_hash).is_ok()
    }

    /// How many info-hashes are on the list.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the list is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<InfoHash> for InfoHashList {
    fn from_iter<I: IntoIterator<Item = InfoHash>>(hashes: I) -> Self {
        let mut hashes: Vec<InfoHash> = hashes.into_iter().collect();
        hashes.sort_unstable();
        hashes.dedup();
        hashes.shrink_to_fit();
        Self(hashes)
    }
}

/// A line of a list is not an info-hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("line {line} does not begin with an info-hash of 40 hexadecimal digits")]
pub struct ParseListError {
    /// The line, counted from 1.
    pub line: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789abcdef0123456789ABCDEF01234567";

    #[test]
    fn a_list_may_have_comments_and_empty_lines() {
        let text = format!("# ours\n\n  {HASH} the album # mine\n{HASH}\r\n");
        let list = InfoHashList::parse(&text).unwrap();
        assert_eq!(list.len(), 1);
        assert!(list.contains(&HASH.parse().unwrap()));
    }

    #[test]
    fn a_wrong_line_is_named() {
        assert_eq!(InfoHashList::parse(&format!("{HASH}\nnonsense")), Err(ParseListError { line: 2 }));
    }

    #[test]
    fn either_mode_works() {
        let list: InfoHashList = [InfoHash([1; 20])].into_iter().collect();
        let (listed, other) = (InfoHash([1; 20]), InfoHash([2; 20]));
        assert!(Access::Allow(list.clone()).permits(&listed));
        assert!(!Access::Allow(list.clone()).permits(&other));
        assert!(!Access::Deny(list.clone()).permits(&listed));
        assert!(Access::Deny(list).permits(&other));
        assert!(Access::Open.permits(&other));
    }
}
