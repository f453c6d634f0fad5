//! What was seen of the files in a directory, and which of them are to be read now.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sprat_core::time::Time;

use super::Left;

/// A file that cannot be read is given up when it was the same for so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// When a file is tried again that could not be added.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Files that were left are remembered for as long as they are there. So many are remembered although they are not: a
/// directory whose disk is not mounted is empty.
const MAX_ABSENT: usize = 10_000;

/// Tells the content of a file from any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub(super) device: u64,
    pub(super) inode: u64,
    /// In bytes.
    pub(super) size: u64,
    /// The time of the last change of content, in nanoseconds since 1970.
    pub(super) modified: i128,
}

#[derive(Debug)]
struct Sighting {
    stamp: Stamp,
    /// When it was first seen like this.
    since: Time,
    /// Seen like this at least twice.
    settled: bool,
    not_before: Time,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Sightings {
    seen: BTreeMap<Vec<u8>, Sighting>,
    left: BTreeMap<Vec<u8>, Stamp>,
}

impl Sightings {
    pub(super) fn new(left: Vec<Left>) -> Self {
        Self { seen: BTreeMap::new(), left: left.into_iter().map(|left| (left.name, left.stamp)).collect() }
    }

    /// Takes what is in the directory. Returns the names of files that were left and need not be remembered any more.
    pub(super) fn see(&mut self, now: Time, listing: BTreeMap<Vec<u8>, Stamp>) -> Vec<Vec<u8>> {
        let mut gone = Vec::new();
        if self.left.len() > MAX_ABSENT {
            gone.extend(self.left.keys().filter(|name| !listing.contains_key(*name)).cloned());
            self.left.retain(|name, _| listing.contains_key(name));
        }
        let mut before = std::mem::take(&mut self.seen);
        for (name, stamp) in listing {
            if self.left.get(&name) == Some(&stamp) {
                continue;
            }
            let sighting = match before.remove(&name) {
                Some(sighting) if sighting.stamp == stamp => Sighting { settled: true, ..sighting },
                _ => Sighting { stamp, since: now, settled: false, not_before: now },
            };
            self.seen.insert(name, sighting);
        }
        gone
    }

    /// The files that are to be read now.
    pub(super) fn settled(&self, now: Time) -> Vec<(Vec<u8>, Stamp)> {
        let ready = self.seen.iter().filter(|(_, sighting)| sighting.settled && sighting.not_before <= now);
        ready.map(|(name, sighting)| (name.clone(), sighting.stamp)).collect()
    }

    /// Whether a file that makes no sense is not just being written.
    pub(super) fn has_long_been_the_same(&self, name: &[u8], now: Time) -> bool {
        self.seen.get(name).is_some_and(|sighting| now.since(sighting.since) >= PATIENCE)
    }

    /// Lets a file be for a while.
    pub(super) fn put_off(&mut self, name: &[u8], now: Time) {
        if let Some(sighting) = self.seen.get_mut(name) {
            sighting.not_before = now + RETRY_AFTER;
        }
    }

    /// Lets a file be until it is another.
    pub(super) fn leave(&mut self, left: Left) {
        self.seen.remove(&left.name);
        self.left.insert(left.name, left.stamp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(size: u64) -> Stamp {
        Stamp { device: 1, inode: 2, size, modified: 3 }
    }

    fn listing(files: &[(&str, u64)]) -> BTreeMap<Vec<u8>, Stamp> {
        files.iter().map(|(name, size)| (name.as_bytes().to_vec(), stamp(*size))).collect()
    }

    fn names(sightings: &Sightings, second: u64) -> Vec<String> {
        let settled = sightings.settled(Time::from_secs(second)).into_iter();
        settled.map(|(name, _)| String::from_utf8(name).unwrap()).collect()
    }

    #[test]
    fn a_file_is_ready_when_two_looks_have_found_it_the_same() {
        let mut sightings = Sightings::new(Vec::new());
        for (second, size, ready) in
            [(0, 1, false), (5, 2, false), (10, 2, true), (15, 3, false), (20, 3, true)]
        {
            sightings.see(Time::from_secs(second), listing(&[("a", size)]));
            assert_eq!(names(&sightings, second) == ["a"], ready, "{second}");
        }
        sightings.see(Time::from_secs(25), listing(&[]));
        sightings.see(Time::from_secs(30), listing(&[("a", 3)]));
        assert_eq!(names(&sightings, 30), [""; 0]);
    }

    #[test]
    fn what_was_left_is_new_only_when_it_has_changed() {
        let mut sightings = Sightings::new(vec![Left { name: b"a".to_vec(), stamp: stamp(1) }]);
        for second in 0..3 {
            sightings.see(Time::from_secs(second), listing(&[("a", 1), ("b", 1)]));
        }
        assert_eq!(names(&sightings, 9), ["b"]);
        sightings.leave(Left { name: b"b".to_vec(), stamp: stamp(1) });
        // Not mounted for a while.
        sightings.see(Time::from_secs(4), listing(&[]));
        for second in 5..7 {
            sightings.see(Time::from_secs(second), listing(&[("a", 2), ("b", 1)]));
        }
        assert_eq!(names(&sightings, 9), ["a"]);
    }

    #[test]
    fn what_was_put_off_comes_again() {
        let mut sightings = Sightings::new(Vec::new());
        for second in 0..2 {
            sightings.see(Time::from_secs(second), listing(&[("a", 1)]));
        }
        sightings.put_off(b"a", Time::from_secs(1));
        assert_eq!((names(&sightings, 60).len(), names(&sightings, 61).len()), (0, 1));
        assert!(!sightings.has_long_been_the_same(b"a", Time::from_secs(29)));
        assert!(sightings.has_long_been_the_same(b"a", Time::from_secs(30)));
    }

    #[test]
    fn not_everything_that_is_gone_is_remembered_for_ever() {
        let left =
            (0..=MAX_ABSENT).map(|number| Left { name: number.to_string().into_bytes(), stamp: stamp(1) });
        let mut sightings = Sightings::new(left.collect());
        assert_eq!(sightings.see(Time::ZERO, listing(&[("7", 1)])).len(), MAX_ABSENT);
        assert_eq!(sightings.see(Time::ZERO, listing(&[])).len(), 0);
    }
}
