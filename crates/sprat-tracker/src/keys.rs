//! The secrets of one tracker, all from its seed.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher24;
use sprat_wire::hash::InfoHash;

/// Independent keys for independent purposes: what one of them lets show says nothing about the others.
#[derive(Clone, Copy)]
pub(crate) struct Keys {
    connection: [u8; 16],
    table: [u8; 16],
    /// Seeds the generator behind intervals, samples and evictions.
    pub(crate) random: u64,
    /// The order of peers within a swarm.
    pub(crate) order: Order,
}

/// The order of peers within a swarm: by a keyed permutation of their networks, so that neighbours in the store are
/// neighbours nowhere else and nobody can choose its place.
#[derive(Clone, Copy)]
pub(crate) struct Order(u64);

impl Keys {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let word = |label: u8| {
            let (mut key, mut message) = ([0; 16], [0; 16]);
            key.copy_from_slice(&seed[..16]);
            message.copy_from_slice(&seed[16..]);
            let mut hasher = SipHasher24::new_with_key(&key);
            hasher.write(&message);
            hasher.write_u8(label);
            hasher.finish()
        };
        let key = |label: u8| {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&word(label).to_le_bytes());
            key[8..].copy_from_slice(&word(label + 1).to_le_bytes());
            key
        };
        Self { connection: key(0), table: key(2), random: word(4), order: Order(word(5)) }
    }

    /// Where a swarm lies in the store. Keyed, or strangers could choose info-hashes that all collide.
    pub(crate) fn table_hash(&self, info_hash: &InfoHash) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.table);
        hasher.write(info_hash.as_bytes());
        hasher.finish()
    }

    /// The code that proves that an address was handed it in a certain slice of time.
    pub(crate) fn connection_code(&self, address: std::net::IpAddr, slice: u64) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.connection);
        match address.to_canonical() {
            std::net::IpAddr::V4(address) => hasher.write(&address.octets()),
            std::net::IpAddr::V6(address) => hasher.write(&address.octets()),
        }
        hasher.write_u64(slice);
        hasher.finish()
    }
}

impl Order {
    /// The place of a network: a permutation of 64 bits (the finaliser of SplitMix64), so that two networks never
    /// share one.
    pub(crate) const fn of(self, network: u64) -> u64 {
        let mut word = network ^ self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}
