//! Which addresses are likely to belong to one owner.

use std::net::IpAddr;

/// A network that is counted as one: the /24 of an IPv4 address, the /48 of an IPv6 address.
///
/// A /24 is the smallest network that is announced on the internet, a /48 what a site is given (RFC 6177). Many
/// addresses within one are cheap, addresses in many are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet {
    is_v6: bool,
    prefix: u64,
}

impl Subnet {
    /// The network of an address; `None` in private networks (those that BEP 42 exempts, and their like in IPv6), where
    /// nobody from outside can have an address and a few neighbours may be all there is.
    #[must_use]
    pub fn of(ip: IpAddr) -> Option<Self> {
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let private = ip.is_private() || ip.is_loopback() || ip.is_link_local();
                (!private).then(|| Self { is_v6: false, prefix: (ip.to_bits() >> 8).into() })
            }
            IpAddr::V6(ip) => {
                let private = ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local();
                let prefix =
                    ip.segments().into_iter().take(3).fold(0, |prefix, part| prefix << 16 | u64::from(part));
                (!private).then_some(Self { is_v6: true, prefix })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ip: &str) -> Option<Subnet> {
        Subnet::of(ip.parse().unwrap())
    }

    #[test]
    fn a_site_is_one_network() {
        assert_eq!(of("20.1.2.3"), of("20.1.2.255"));
        assert_ne!(of("20.1.2.3"), of("20.1.3.3"));
        assert_eq!(of("::ffff:20.1.2.3"), of("20.1.2.4"));
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:ffff::4"));
        assert_ne!(of("2001:db8:1::"), of("2001:db8:2::"));
        assert_ne!(of("::1:2:3"), of("0.1.0.2"));
    }

    #[test]
    fn private_addresses_have_none() {
        for ip in
            ["10.0.0.1", "172.31.0.1", "192.168.1.1", "169.254.1.1", "127.0.0.1", "::1", "fe80::1", "fc00::1"]
        {
            assert_eq!(of(ip), None, "{ip}");
        }
        assert!(of("172.32.0.1").is_some());
    }
}
