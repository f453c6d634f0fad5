//! Address lists of 6 (BEP 23) and 18 (BEP 7) bytes an entry: the address, then the port, big-endian.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::BufMut;

/// Which addresses a list holds; one list never holds both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// 6 bytes an entry.
    V4,
    /// 18 bytes an entry.
    V6,
}

impl Family {
    /// The family of an address. An IPv4-mapped IPv6 address is IPv4.
    #[must_use]
    pub const fn of(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Bytes of one entry.
    #[must_use]
    pub const fn entry_length(self) -> usize {
        match self {
            Self::V4 => 6,
            Self::V6 => 18,
        }
    }
}

/// Appends those of `addresses` that belong to `family`.
pub fn encode(family: Family, addresses: impl IntoIterator<Item = SocketAddr>, out: &mut impl BufMut) {
    for address in addresses {
        match (family, address.ip().to_canonical()) {
            (Family::V4, IpAddr::V4(ip)) => out.put_slice(&ip.octets()),
            (Family::V6, IpAddr::V6(ip)) => out.put_slice(&ip.octets()),
            _ => continue,
        }
        out.put_u16(address.port());
    }
}

/// The addresses in a list, one after the other, with nothing allocated.
///
/// Left out are entries with port 0, to which nobody can connect, and a last entry that is cut off: what came
/// before it is of use. An IPv4-mapped address is given as the IPv4 address that it stands for, so that filters
/// need not know two forms.
pub fn decode(family: Family, list: &[u8]) -> impl Iterator<Item = SocketAddr> {
    list.chunks_exact(family.entry_length()).filter_map(move |entry| {
        let (ip, port) = entry.split_last_chunk::<2>()?;
        let ip = match family {
            Family::V4 => Ipv4Addr::from(<[u8; 4]>::try_from(ip).ok()?).into(),
            Family::V6 => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?)).to_canonical(),
        };
        let port = u16::from_be_bytes(*port);
        (port != 0).then_some(SocketAddr::new(ip, port))
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Addresses as `decode` gives them.
    pub(crate) fn address() -> impl Strategy<Value = SocketAddr> {
        let ip = prop_oneof![any::<u32>().prop_map(|ip| IpAddr::from(Ipv4Addr::from_bits(ip))), ip_v6()];
        (ip, 1..=u16::MAX).prop_map(SocketAddr::from)
    }

    fn ip_v6() -> impl Strategy<Value = IpAddr> {
        any::<u128>().prop_map(|ip| IpAddr::from(Ipv6Addr::from_bits(ip)).to_canonical())
    }

    #[test]
    fn layouts_are_those_of_the_beps() {
        let mut out = Vec::new();
        encode(Family::V4, ["1.2.3.4:6881".parse().unwrap(), "[::1]:1".parse().unwrap()], &mut out);
        assert_eq!(out, [1, 2, 3, 4, 0x1a, 0xe1]);
        out.clear();
        encode(Family::V6, ["1.2.3.4:6881".parse().unwrap(), "[::1]:2".parse().unwrap()], &mut out);
        assert_eq!(out, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2]);
    }

    #[test]
    fn unusable_entries_are_left_out() {
        let list = [1, 2, 3, 4, 0, 0, 5, 6, 7, 8, 0, 9, 1, 2, 3];
        assert_eq!(decode(Family::V4, &list).collect::<Vec<_>>(), ["5.6.7.8:9".parse().unwrap()]);
    }

    #[test]
    fn a_mapped_address_is_its_ipv4_address() {
        let mapped: SocketAddr = "[::ffff:1.2.3.4]:5".parse().unwrap();
        assert_eq!(Family::of(mapped), Family::V4);
        let mut list = Ipv6Addr::from_bits(0xffff_0102_0304).octets().to_vec();
        list.extend([0, 5]);
        assert_eq!(decode(Family::V6, &list).collect::<Vec<_>>(), ["1.2.3.4:5".parse().unwrap()]);
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(addresses in vec(address(), 0..50)) {
            for family in [Family::V4, Family::V6] {
                let mut out = Vec::new();
                encode(family, addresses.iter().copied(), &mut out);
                let expected: Vec<_> =
                    addresses.iter().copied().filter(|address| Family::of(*address) == family).collect();
                prop_assert_eq!(decode(family, &out).collect::<Vec<_>>(), expected);
            }
        }
    }
}
