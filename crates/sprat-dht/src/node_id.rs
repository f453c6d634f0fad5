//! Distances between ids, and ids that fit an address (BEP 42).

use std::net::IpAddr;

use crc::{CRC_32_ISCSI, Crc};
use sprat_wire::hash::NodeId;

use crate::subnet::Subnet;

/// CRC-32C.
const CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// What counts of an IPv4 address (BEP 42).
const V4_MASK: [u8; 4] = [0x03, 0x0f, 0x3f, 0xff];

/// What counts of the first half of an IPv6 address (BEP 42).
const V6_MASK: [u8; 8] = [0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff];

/// The distance of two ids: their XOR, which compares as a number does (BEP 5).
#[must_use]
pub fn distance(a: NodeId, b: NodeId) -> [u8; NodeId::LENGTH] {
    let mut distance = a.0;
    for (byte, other) in distance.iter_mut().zip(b.0) {
        *byte ^= other;
    }
    distance
}

/// How many leading bits two ids share; 160 if they are the same.
#[must_use]
pub fn common_prefix(a: NodeId, b: NodeId) -> usize {
    let mut bits = 0;
    for (byte, other) in a.0.iter().zip(b.0) {
        let differing = byte ^ other;
        bits += differing.leading_zeros() as usize;
        if differing != 0 {
            break;
        }
    }
    bits
}

/// Whether a node at this address may have this id. In a private network it may have any.
#[must_use]
pub fn is_secure(id: NodeId, ip: IpAddr) -> bool {
    let [first, second, third, .., last] = id.0;
    let prefix = prefix_for(ip, last);
    let differing =
        [first, second, third].into_iter().zip(prefix).fold(0, |all, (a, b)| all << 8 | u32::from(a ^ b));
    Subnet::of(ip).is_none() || differing >> 3 == 0
}

/// A random id for a node at this address.
#[must_use]
pub fn secure(ip: IpAddr, random: &mut fastrand::Rng) -> NodeId {
    let mut id = NodeId::default();
    random.fill(&mut id.0);
    let [first, second, third, .., last] = &mut id.0;
    let prefix = prefix_for(ip, *last);
    (*first, *second) = (prefix[0], prefix[1]);
    *third = prefix[2] & 0xf8 | *third & 0x07;
    id
}

/// The first three bytes, of which 21 bits count, for an id with this last byte, of which three bits count.
fn prefix_for(ip: IpAddr, last: u8) -> [u8; 3] {
    let seed = last << 5;
    let crc = match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let mut octets = ip.octets();
            octets.iter_mut().zip(V4_MASK).for_each(|(octet, mask)| *octet &= mask);
            octets[0] |= seed;
            CASTAGNOLI.checksum(&octets)
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, h, ..] = ip.octets();
            let mut octets = [a, b, c, d, e, f, g, h];
            octets.iter_mut().zip(V6_MASK).for_each(|(octet, mask)| *octet &= mask);
            octets[0] |= seed;
            CASTAGNOLI.checksum(&octets)
        }
    };
    let [first, second, third, _] = crc.to_be_bytes();
    [first, second, third]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_vectors_of_bep_42() {
        for (ip, id) in [
            ("124.31.75.21", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"),
            ("21.75.31.124", "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"),
            ("65.23.51.170", "a5d43220bc8f112a3d426c84764f8c2a1150e616"),
            ("84.124.73.14", "1b0321dd1bb1fe518101ceef99462b947a01ff41"),
            ("43.213.53.83", "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"),
        ] {
            let id: NodeId = id.parse().unwrap();
            let ip: IpAddr = ip.parse().unwrap();
            assert!(is_secure(id, ip), "{ip}");
            let mut wrong = id;
            wrong.0[2] ^= 0x08;
            assert!(!is_secure(wrong, ip), "{ip}: the 21st bit counts");
            wrong.0[2] ^= 0x0c;
            assert!(is_secure(wrong, ip), "{ip}: the 22nd bit does not");
            wrong.0[19] ^= 0x01;
            assert!(!is_secure(wrong, ip), "{ip}: the last bits count");
        }
    }

    #[test]
    fn in_a_private_network_every_id_is_good() {
        for ip in
            ["10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.0.1", "127.0.0.1", "::1", "fe80::1", "fd00::1"]
        {
            assert!(is_secure(NodeId([1; 20]), ip.parse().unwrap()), "{ip}");
        }
        assert!(!is_secure(NodeId([1; 20]), "2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn prefixes_are_counted_in_bits() {
        let id = |byte| NodeId([byte; 20]);
        assert_eq!(common_prefix(id(0), id(0x80)), 0);
        assert_eq!(common_prefix(id(0), id(0x01)), 7);
        assert_eq!(common_prefix(id(5), id(5)), 160);
    }

    proptest! {
        #[test]
        fn ids_that_are_made_are_good(v4: u32, v6: u128, seed: u64) {
            let mut random = fastrand::Rng::with_seed(seed);
            for ip in [IpAddr::V4(v4.into()), IpAddr::V6(v6.into())] {
                prop_assert!(is_secure(secure(ip, &mut random), ip));
            }
        }

        #[test]
        fn a_longer_prefix_is_a_shorter_distance(a: [u8; 20], b: [u8; 20], target: [u8; 20]) {
            let (a, b, target) = (NodeId(a), NodeId(b), NodeId(target));
            if common_prefix(a, target) > common_prefix(b, target) {
                prop_assert!(distance(a, target) < distance(b, target));
            }
        }
    }
}
