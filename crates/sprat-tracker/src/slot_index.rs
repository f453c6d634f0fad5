//! A hash index from info-hashes to slots of a vector.
//!
//! Unlike the standard hash map it keeps the keys elsewhere (the vector has them), says in advance what it
//! will allocate, and leaves no tombstones, so a table that is full and loses an entry has room for one again.
//! Linear probing with backward-shift deletion; a bucket is 8 bytes.

/// Fewest buckets, once there are any.
const MIN_BUCKETS: usize = 8;

#[derive(Default)]
pub(crate) struct SlotIndex {
    buckets: Vec<Bucket>, // a power of two, or none
    len: usize,
}

#[derive(Clone, Copy)]
struct Bucket {
    hash: u32,
    slot: u32,
}

const FREE: Bucket = Bucket { hash: 0, slot: u32::MAX };

impl Bucket {
    const fn is_free(self) -> bool {
        self.slot == u32::MAX
    }
}

impl SlotIndex {
    /// The slot filed under `hash` for which `is_it` holds.
    pub(crate) fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.bucket_of(hash, is_it).map(|bucket| self.buckets[bucket].slot)
    }

    /// Whether an insertion must be preceded by [`Self::grow`].
    pub(crate) const fn is_full(&self) -> bool {
        // At most three quarters are used: a search then looks at two or three buckets.
        (self.len + 1) * 4 > self.buckets.len() * 3
    }

    /// Bytes that [`Self::grow`] will allocate.
    pub(crate) fn grown_bytes(&self) -> usize {
        (self.buckets.len() * 2).max(MIN_BUCKETS) * size_of::<Bucket>()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.buckets.len() * size_of::<Bucket>()
    }

    /// Doubles the table.
    pub(crate) fn grow(&mut self) {
        self.resize((self.buckets.len() * 2).max(MIN_BUCKETS));
    }

    /// Gives back memory when the table is mostly empty.
    pub(crate) fn shrink(&mut self) {
        let wanted = if self.len == 0 { 0 } else { (self.len * 2 + 2).next_power_of_two().max(MIN_BUCKETS) };
        if wanted * 4 <= self.buckets.len() {
            self.resize(wanted);
        }
    }

    /// Files `slot` under `hash`. The table must not be full and not have the slot.
    pub(crate) fn insert(&mut self, hash: u32, slot: u32) {
        debug_assert!(!self.is_full());
        let mut bucket = self.home(hash);
        while !self.buckets[bucket].is_free() {
            bucket = self.after(bucket);
        }
        self.buckets[bucket] = Bucket { hash, slot };
        self.len += 1;
    }

    /// The swarm in slot `old` has moved to slot `new`.
    pub(crate) fn relocate(&mut self, hash: u32, old: u32, new: u32) {
        if let Some(bucket) = self.bucket_of(hash, |slot| slot == old) {
            self.buckets[bucket].slot = new;
        }
    }

    pub(crate) fn remove(&mut self, hash: u32, slot: u32) {
        let Some(mut hole) = self.bucket_of(hash, |candidate| candidate == slot) else { return };
        self.len -= 1;
        let mut next = self.after(hole);
        loop {
            let entry = self.buckets[next];
            if entry.is_free() {
                break;
            }
            // An entry may fill the hole unless its home lies (cyclically) behind the hole.
            let mask = self.buckets.len() - 1;
            let from_home = next.wrapping_sub(self.home(entry.hash)) & mask;
            let from_hole = next.wrapping_sub(hole) & mask;
            if from_home >= from_hole {
                self.buckets[hole] = entry;
                hole = next;
            }
            next = self.after(next);
        }
        self.buckets[hole] = FREE;
    }

    fn bucket_of(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<usize> {
        if self.buckets.is_empty() {
            return None;
        }
        let mut bucket = self.home(hash);
        loop {
            let entry = self.buckets[bucket];
            if entry.is_free() {
                return None;
            }
            if entry.hash == hash && is_it(entry.slot) {
                return Some(bucket);
            }
            bucket = self.after(bucket);
        }
    }

    fn resize(&mut self, buckets: usize) {
        let old = std::mem::replace(&mut self.buckets, vec![FREE; buckets]);
        self.len = 0;
        for entry in old.into_iter().filter(|entry| !entry.is_free()) {
            self.insert(entry.hash, entry.slot);
        }
    }

    const fn home(&self, hash: u32) -> usize {
        hash as usize & (self.buckets.len() - 1)
    }

    const fn after(&self, bucket: usize) -> usize {
        (bucket + 1) & (self.buckets.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Few distinct hashes, so that chains are long and wrap around the end of the table.
        #[test]
        fn it_behaves_like_a_map(operations in prop::collection::vec((0_u32..40, any::<bool>()), 0..400)) {
            let hash_of = |slot: u32| (slot % 5).wrapping_sub(2);
            let mut index = SlotIndex::default();
            let mut model = BTreeMap::new();
            for (slot, insert) in operations {
                let hash = hash_of(slot);
                if insert && !model.contains_key(&slot) {
                    if index.is_full() {
                        index.grow();
                    }
                    index.insert(hash, slot);
                    model.insert(slot, hash);
                } else if !insert {
                    index.remove(hash, slot);
                    model.remove(&slot);
                    index.shrink();
                }
                for slot in 0..40 {
                    let found = index.find(hash_of(slot), |candidate| candidate == slot);
                    prop_assert_eq!(found.is_some(), model.contains_key(&slot));
                }
            }
        }
    }

    #[test]
    fn an_empty_table_takes_no_memory() {
        let mut index = SlotIndex::default();
        assert_eq!(index.bytes(), 0);
        index.grow();
        index.insert(7, 1);
        index.remove(7, 1);
        index.shrink();
        assert_eq!(index.bytes(), 0);
    }
}
