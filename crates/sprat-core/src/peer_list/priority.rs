//! BEP 40: which connections to prefer, such that both ends agree.
//!
//! The order is as good as random, so nobody is shut out of a swarm whose members are all full, and an attacker cannot
//! fill everybody's connections.

use std::net::SocketAddr;

use crc::{CRC_32_ISCSI, Crc};

/// CRC-32C. The small table: this runs once per address learnt.
const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// The priority of the connection between two endpoints, the same from both sides. Higher is better. Endpoints of
/// different families can never meet; they have priority 0.
#[must_use]
pub fn canonical_priority(one: SocketAddr, other: SocketAddr) -> u32 {
    match (one, other) {
        (SocketAddr::V4(a), SocketAddr::V4(b)) if a.ip() == b.ip() => by_port(one, other),
        (SocketAddr::V6(a), SocketAddr::V6(b)) if a.ip() == b.ip() => by_port(one, other),
        // FF.FF.55.55, and one byte more when the first two, or three, are the same.
        (SocketAddr::V4(a), SocketAddr::V4(b)) => by_address(a.ip().octets(), b.ip().octets(), 2),
        // A /48 counts like an IPv4 /16.
        (SocketAddr::V6(a), SocketAddr::V6(b)) => by_address(a.ip().octets(), b.ip().octets(), 6),
        _ => 0,
    }
}

fn by_port(one: SocketAddr, other: SocketAddr) -> u32 {
    of_sorted(one.port().to_be_bytes(), other.port().to_be_bytes())
}

/// Of two addresses in which only the first `whole` bytes count in full, or one more than they have in common.
fn by_address<const N: usize>(one: [u8; N], other: [u8; N], whole: usize) -> u32 {
    let common = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let whole = if common < whole { whole } else { common + 1 };
    of_sorted(masked(one, whole), masked(other, whole))
}

fn masked<const N: usize>(mut address: [u8; N], whole: usize) -> [u8; N] {
    for byte in address.iter_mut().skip(whole) {
        *byte &= 0x55;
    }
    address
}

fn of_sorted<const N: usize>(one: [u8; N], other: [u8; N]) -> u32 {
    let mut digest = CRC32C.digest();
    digest.update(&one.min(other));
    digest.update(&one.max(other));
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn priority(one: &str, other: &str) -> u32 {
        canonical_priority(one.parse().unwrap(), other.parse().unwrap())
    }

    #[test]
    fn the_examples_of_the_bep() {
        assert_eq!(priority("123.213.32.10:1", "98.76.54.32:2"), 0xec2d_7224);
        assert_eq!(priority("123.213.32.10:1", "123.213.32.234:2"), 0x9956_8189);
    }

    #[test]
    fn the_mask_grows_with_what_is_in_common() {
        let plain = |bytes: &[u8]| CRC32C.checksum(bytes);
        assert_eq!(
            priority("10.20.255.255:1", "10.20.0.255:1"),
            plain(&[10, 20, 0, 0x55, 10, 20, 255, 0x55])
        );
        assert_eq!(priority("10.0.0.1:258", "10.0.0.1:5"), plain(&[0, 5, 1, 2]));
        let v6 = |tail: [u8; 3]| {
            let mut bytes = [0x55; 16];
            bytes[..6].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff]);
            bytes[6..9].copy_from_slice(&tail);
            bytes
        };
        let ones = "ffff:ffff:ffff:ffff";
        assert_eq!(
            priority(&format!("[2001:db8:ffff:1fff:{ones}]:1"), &format!("[2001:db8:ffff:2fff:{ones}]:1")),
            plain(&[v6([0x1f, 0x55, 0x55]), v6([0x2f, 0x55, 0x55])].concat())
        );
        assert_eq!(
            priority(&format!("[2001:db8:ffff:11ff:{ones}]:1"), &format!("[2001:db8:ffff:12ff:{ones}]:1")),
            plain(&[v6([0x11, 0x55, 0x55]), v6([0x12, 0x55, 0x55])].concat())
        );
        assert_eq!(
            priority(&format!("[2001:db8:ffff:1101:{ones}]:1"), &format!("[2001:db8:ffff:1102:{ones}]:1")),
            plain(&[v6([0x11, 0x01, 0x55]), v6([0x11, 0x02, 0x55])].concat())
        );
    }

    proptest! {
        #[test]
        fn both_ends_agree(a: SocketAddr, b: SocketAddr) {
            prop_assert_eq!(canonical_priority(a, b), canonical_priority(b, a));
        }
    }
}
