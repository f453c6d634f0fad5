//! A set of piece indices, one bit each, in the byte order of the wire (BEP 3: high bit first).

use bytes::Bytes;

/// A set of pieces out of a fixed number.
#[derive(Clone, PartialEq, Eq)]
pub struct Bitfield {
    bytes: Vec<u8>,
    length: u32,
    count: u32,
}

impl std::fmt::Debug for Bitfield {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bitfield({} of {})", self.count, self.length)
    }
}

impl Bitfield {
    /// The empty set out of `length` pieces.
    #[must_use]
    pub fn new(length: u32) -> Self {
        Self { bytes: vec![0; length.div_ceil(8) as usize], length, count: 0 }
    }

    /// All `length` pieces.
    #[must_use]
    pub fn full(length: u32) -> Self {
        let mut bytes = vec![0xff; length.div_ceil(8) as usize];
        if let Some(last) = bytes.last_mut() {
            *last = 0xff_u8.checked_shl((8 - length % 8) % 8).unwrap_or(0xff);
        }
        Self { bytes, length, count: length }
    }

    /// From the payload of a `bitfield` message; `None` when its length is wrong or a spare bit is set.
    #[must_use]
    pub fn from_wire(bytes: &[u8], length: u32) -> Option<Self> {
        if bytes.len() != length.div_ceil(8) as usize {
            return None;
        }
        if let Some(last) = bytes.last() {
            let spare = length.div_ceil(8) * 8 - length;
            if *last != 0 && last.trailing_zeros() < spare {
                return None;
            }
        }
        let mut set = Self { bytes: bytes.to_vec(), length, count: 0 };
        set.count = set.words().map(u64::count_ones).sum();
        Some(set)
    }

    /// The payload of a `bitfield` message.
    #[must_use]
    pub fn to_wire(&self) -> Bytes {
        Bytes::copy_from_slice(&self.bytes)
    }

    /// Bytes of memory.
    pub(crate) const fn holds(&self) -> usize {
        self.bytes.len()
    }

    /// How many pieces there could be.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.length
    }

    /// How many pieces are in the set.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// No piece is in the set.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Every piece is in the set.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.count == self.length
    }

    /// Whether `index` is in the set; out of range is not.
    #[must_use]
    pub fn contains(&self, index: u32) -> bool {
        self.bytes.get((index / 8) as usize).is_some_and(|byte| byte & mask(index) != 0)
    }

    /// Puts `index` into the set; `false` when it was there already or is out of range.
    pub fn insert(&mut self, index: u32) -> bool {
        if index >= self.length || self.contains(index) {
            return false;
        }
        let Some(byte) = self.bytes.get_mut((index / 8) as usize) else { return false };
        *byte |= mask(index);
        self.count += 1;
        true
    }

    /// Takes `index` out of the set; `false` when it was not there.
    pub fn remove(&mut self, index: u32) -> bool {
        if !self.contains(index) {
            return false;
        }
        let Some(byte) = self.bytes.get_mut((index / 8) as usize) else { return false };
        *byte &= !mask(index);
        self.count -= 1;
        true
    }

    /// The members, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        members(self.words())
    }

    /// The members of both sets, ascending; 64 pieces at a step where there are none.
    pub fn common<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u32> + 'a {
        members(self.words().zip(other.words()).map(|(ours, theirs)| ours & theirs))
    }

    /// The members that the other set lacks, ascending; as quick as [`Self::common`].
    pub fn beyond<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u32> + 'a {
        members(self.words().zip(other.words()).map(|(ours, theirs)| ours & !theirs))
    }

    /// Whether a piece is in both sets.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        self.any_bit(other, |ours, theirs| ours & theirs)
    }

    /// Whether every piece of this set is in the other.
    #[must_use]
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.length == other.length && !self.any_bit(other, |ours, theirs| ours & !theirs)
    }

    /// Whether a bit is set in what `of` makes of the bytes of both. From the end, because whoever downloads in order lacks
    /// the last pieces; 64 bytes at a time, which become a few wide instructions.
    fn any_bit(&self, other: &Self, of: impl Fn(u8, u8) -> u8) -> bool {
        let of_all = |ours: &[u8], theirs: &[u8]| {
            ours.iter().zip(theirs).fold(0, |bits, (ours, theirs)| bits | of(*ours, *theirs))
        };
        let length = self.bytes.len().min(other.bytes.len());
        let (ours, our_rest) = self.bytes[..length].as_chunks::<64>();
        let (theirs, their_rest) = other.bytes[..length].as_chunks::<64>();
        of_all(our_rest, their_rest) != 0
            || ours.iter().zip(theirs).rev().any(|(ours, theirs)| of_all(ours, theirs) != 0)
    }

    /// 64 pieces each, the first one in the highest bit, as on the wire.
    fn words(&self) -> impl Iterator<Item = u64> + '_ {
        let (whole, rest) = self.bytes.as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        whole.iter().copied().chain((!rest.is_empty()).then_some(last)).map(u64::from_be_bytes)
    }
}

fn members(words: impl Iterator<Item = u64>) -> impl Iterator<Item = u32> {
    words.zip(0_u32..).flat_map(|(mut word, at)| {
        std::iter::from_fn(move || {
            let bit = word.leading_zeros();
            word &= !(1_u64 << 63).checked_shr(bit)?;
            Some(at * 64 + bit)
        })
    })
}

const fn mask(index: u32) -> u8 {
    0x80 >> (index % 8)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_wire_form_has_the_high_bit_first_and_no_spare_bits() {
        let mut set = Bitfield::new(10);
        assert!(set.insert(0) && set.insert(9) && !set.insert(9) && !set.insert(10));
        assert_eq!(set.to_wire().as_ref(), [0x80, 0x40]);
        assert_eq!(Bitfield::from_wire(&[0x80, 0x40], 10), Some(set.clone()));
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 9]);
        assert_eq!(Bitfield::from_wire(&[0x80, 0x20], 10), None, "spare bit");
        assert_eq!(Bitfield::from_wire(&[0x80], 10), None, "short");
        assert_eq!(Bitfield::from_wire(&[0x80, 0, 0], 10), None, "long");
        assert!(set.remove(0) && !set.remove(0));
        assert_eq!(set.count(), 1);
    }

    proptest! {
        #[test]
        fn a_set_behaves_like_a_sorted_set_of_numbers(
            length in 0..300_u32,
            ours in proptest::collection::vec(0..310_u32, 0..60),
            theirs in proptest::collection::btree_set(0..300_u32, 0..60),
        ) {
            let mut set = Bitfield::new(length);
            let mut model = BTreeSet::new();
            for index in ours {
                // Half of the numbers come twice: put in, then taken out.
                if index % 2 == 0 && model.contains(&index) {
                    prop_assert!(set.remove(index) && model.remove(&index));
                } else {
                    prop_assert_eq!(set.insert(index), index < length && model.insert(index));
                }
            }
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(set.count() as usize, model.len());
            prop_assert_eq!(Bitfield::from_wire(&set.to_wire(), length), Some(set.clone()));

            let mut other = Bitfield::new(length);
            for &index in &theirs {
                other.insert(index);
            }
            let common: Vec<u32> = model.intersection(&theirs).copied().collect();
            prop_assert_eq!(set.intersects(&other), !common.is_empty());
            prop_assert_eq!(set.common(&other).collect::<Vec<_>>(), common);
            let beyond: Vec<u32> = model.difference(&theirs).copied().collect();
            prop_assert_eq!(set.beyond(&other).collect::<Vec<_>>(), beyond);
        }

        #[test]
        fn bytes_from_the_wire_are_taken_back_unchanged_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..20), length in 0..170_u32,
        ) {
            if let Some(set) = Bitfield::from_wire(&bytes, length) {
                prop_assert_eq!(set.to_wire(), bytes);
                prop_assert!(set.iter().all(|index| index < length));
                prop_assert_eq!(set.iter().count() as u32, set.count());
            }
        }
    }

    #[test]
    fn a_single_piece_in_common_is_found_wherever_it_is() {
        for length in [1, 8, 100, 511, 512, 513, 1024, 1030, 1600] {
            for piece in 0..length {
                let (mut single, mut others) = (Bitfield::new(length), Bitfield::full(length));
                assert!(single.insert(piece) && others.remove(piece));
                let everything = Bitfield::full(length);
                assert!(single.intersects(&everything) && everything.intersects(&single));
                assert!(!single.intersects(&others) && !others.intersects(&single));
                assert!(single.is_subset_of(&everything) && others.is_subset_of(&everything));
                assert!(!single.is_subset_of(&others) && !everything.is_subset_of(&others));
                let more = Bitfield::full(length + 700);
                assert!(single.intersects(&more) && more.intersects(&single) && !single.is_subset_of(&more));
            }
        }
    }

    #[test]
    fn full_sets_of_every_length_are_full_and_legal() {
        for length in 0..70 {
            let full = Bitfield::full(length);
            assert!(full.is_full());
            assert_eq!(full.iter().count() as u32, length);
            assert_eq!(Bitfield::from_wire(&full.to_wire(), length), Some(full));
        }
    }
}
