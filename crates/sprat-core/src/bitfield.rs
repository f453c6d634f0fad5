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
            if u32::from(last.trailing_zeros() as u8) < spare && *last != 0 {
                return None;
            }
        }
        let count = bytes.iter().map(|byte| byte.count_ones()).sum();
        Some(Self { bytes: bytes.to_vec(), length, count })
    }

    /// The payload of a `bitfield` message.
    #[must_use]
    pub fn to_wire(&self) -> Bytes {
        Bytes::copy_from_slice(&self.bytes)
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
        self.bytes.iter().enumerate().flat_map(|(at, &byte)| {
            (0..8_u32).filter(move |bit| byte & (0x80 >> bit) != 0).map(move |bit| at as u32 * 8 + bit)
        })
    }
}

const fn mask(index: u32) -> u8 {
    0x80 >> (index % 8)
}

#[cfg(test)]
mod tests {
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
