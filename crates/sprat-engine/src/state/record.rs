//! How a record looks in a database: its value behind a checksum over all that must belong together.
//!
//! ```text
//! checksum: 16 | generation: u64 | value                                           integers little-endian
//! checksum: of SHA-256 over  table: u8 | length of key: u32 | key | generation: u64 | value
//! ```
//!
//! The database has checksums of its own, but looks at them only when it repairs itself. A record whose key or value has
//! changed in the meantime, or that belongs to another key, is not believed.

use sha2::{Digest as _, Sha256};

/// Bytes of a checksum.
const CHECKSUM: usize = 16;

/// A record as it is kept in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The number of the commit that wrote it.
    pub(super) generation: u64,
    pub(super) value: Vec<u8>,
}

impl Entry {
    /// The bytes to be stored under this key.
    pub(super) fn encode(&self, table: u8, key: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(CHECKSUM + 8 + self.value.len());
        bytes.extend_from_slice(&checksum(table, key, self.generation, &self.value));
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&self.value);
        bytes
    }

    /// `None` unless this is just what was stored under this key.
    pub(super) fn decode(table: u8, key: &[u8], bytes: &[u8]) -> Option<Self> {
        let (claimed, rest) = bytes.split_first_chunk::<CHECKSUM>()?;
        let (generation, value) = rest.split_first_chunk::<8>()?;
        let generation = u64::from_le_bytes(*generation);
        (checksum(table, key, generation, value) == *claimed)
            .then(|| Self { generation, value: value.to_vec() })
    }
}

fn checksum(table: u8, key: &[u8], generation: u64, value: &[u8]) -> [u8; CHECKSUM] {
    let mut hasher = Sha256::new();
    hasher.update([table]);
    hasher.update(u32::try_from(key.len()).unwrap_or(u32::MAX).to_le_bytes());
    hasher.update(key);
    hasher.update(generation.to_le_bytes());
    hasher.update(value);
    let digest: [u8; 32] = hasher.finalize().into();
    let mut short = [0; CHECKSUM];
    short.copy_from_slice(digest.split_at(CHECKSUM).0);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_bit_of_a_record_and_any_other_place_is_noticed() {
        let entry = Entry { generation: 7, value: b"value".to_vec() };
        let bytes = entry.encode(1, b"key");
        assert_eq!(Entry::decode(1, b"key", &bytes), Some(entry));
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Entry::decode(1, b"key", &changed), None);
        }
        for length in 0..bytes.len() {
            assert_eq!(Entry::decode(1, b"key", &bytes[..length]), None);
        }
        assert_eq!(Entry::decode(2, b"key", &bytes), None);
        assert_eq!(Entry::decode(1, b"kez", &bytes), None);
    }
}
