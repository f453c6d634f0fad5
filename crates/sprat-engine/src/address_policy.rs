//! Which addresses may be contacted because somebody else said so.
//!
//! A torrent, a tracker, a peer or a redirect names hosts, and what it names may lie inside the network of the user:
//! a router's web page, a database without a password, the metadata service of a cloud. Every such address is
//! therefore judged here, after it was resolved and before a packet is sent to it. A host that the user typed is
//! another matter ([`Origin::User`]): a tracker on the same machine or in the same office is normal.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;

/// Peers at ports below this one are not contacted: no client listens there, but mail, shell and web servers do, and
/// a list of "peers" is a cheap way to send a crowd to a victim.
const FIRST_UNPRIVILEGED_PORT: u16 = 1024;

/// The address at which Azure machines find their platform services: public by number, local by meaning.
const AZURE_PLATFORM: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// Who named a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The user of this machine, on the command line or in the settings.
    User,
    /// Anybody else: a torrent, a magnet link, a tracker, a peer, a redirect.
    Torrent,
}

/// What kind of place an address is, as far as the policy cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// On the public internet.
    Public,
    /// This machine: 127.0.0.0/8 and `::1`.
    Loopback,
    /// This cable: 169.254.0.0/16 and `fe80::/10`. Clouds keep the keys of their machines there.
    LinkLocal,
    /// This site: RFC 1918, unique local (RFC 4193) and old site-local addresses, the shared space of carriers
    /// (RFC 6598) and local translation prefixes (RFC 8215).
    Private,
    /// Set aside for documentation, measurements and the future (RFC 6890), or used by a cloud for its platform.
    Reserved,
    /// Not the address of one machine: unspecified, "this network", multicast, broadcast.
    Unusable,
}

impl AddressClass {
    /// The class of `ip`. An IPv6 address that carries an IPv4 address has the class of what it carries, since
    /// that is where the packets go.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::of_v4(ip),
            IpAddr::V6(ip) => Self::of_v6(ip),
        }
    }

    fn of_v4(ip: Ipv4Addr) -> Self {
        match ip.octets() {
            [0, ..] | [224..=239, ..] | [255, 255, 255, 255] => Self::Unusable,
            [127, ..] => Self::Loopback,
            [169, 254, ..] => Self::LinkLocal,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Self::Private,
            // IETF protocol assignments, three documentation nets, 6to4 relays, benchmarks, the former class E.
            [192, 0, 0 | 2, _]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
            | [192, 88, 99, _]
            | [198, 18..=19, ..]
            | [240..=255, ..] => Self::Reserved,
            _ if ip == AZURE_PLATFORM => Self::Reserved,
            _ => Self::Public,
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Self {
        if ip == Ipv6Addr::LOCALHOST {
            return Self::Loopback;
        }
        let [a, b, c, d, e, f, g, h] = ip.segments();
        let v4 = |high: u16, low: u16| Self::of_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
        match [a, b, c, d, e, f] {
            // IPv4-mapped, -compatible (which holds `::` as 0.0.0.0) and -translated addresses, NAT64 (RFC 6052).
            [0, 0, 0, 0, 0, 0 | 0xffff] | [0, 0, 0, 0, 0xffff, 0] | [0x64, 0xff9b, 0, 0, 0, 0] => v4(g, h),
            // 6to4 carries the address of a router, Teredo those of a server and, inverted, of a client.
            [0x2002, ..] => v4(b, c),
            [0x2001, 0, ..] => match v4(c, d) {
                Self::Public => v4(!g, !h),
                server => server,
            },
            // The rest of 2001::/23 (benchmarks, ORCHID, protocol assignments) and two nets for documentation.
            [0x2001, 0x0001..=0x01ff | 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Self::Reserved,
            [0x2000..=0x3fff, ..] => Self::Public,
            [0xfe80..=0xfebf, ..] => Self::LinkLocal,
            // Unique local, site-local, and the NAT64 prefix for local use.
            [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..] => Self::Private,
            [0xff00..=0xffff, ..] => Self::Unusable,
            _ => Self::Reserved,
        }
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::Loopback => "this machine",
            Self::LinkLocal => "a link-local address",
            Self::Private => "a private address",
            Self::Reserved => "a reserved address",
            Self::Unusable => "not the address of a machine",
        })
    }
}

/// An address that must not be contacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{ip} is {class} and must not be contacted on the word of a torrent, tracker or redirect")]
pub struct RefusedAddress {
    /// The address.
    pub ip: IpAddr,
    /// Why it is refused.
    pub class: AddressClass,
}

/// The judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressPolicy {
    /// This machine may be contacted on anybody's word.
    pub allow_loopback: bool,
    /// This cable may be contacted on anybody's word.
    pub allow_link_local: bool,
    /// This site may be contacted on anybody's word.
    pub allow_private: bool,
    /// Addresses set aside for documentation, measurements and the future may be contacted on anybody's word: closed
    /// networks use them.
    pub allow_reserved: bool,
    /// Peers at ports below 1024 may be contacted.
    pub allow_privileged_peer_ports: bool,
    /// Addresses that may be contacted whatever they are.
    allowed: Vec<IpAddr>,
}

impl Default for AddressPolicy {
    fn default() -> Self {
        Self::public()
    }
}

impl AddressPolicy {
    /// Only the public internet on the word of others: what users run.
    #[must_use]
    pub const fn public() -> Self {
        Self {
            allow_loopback: false,
            allow_link_local: false,
            allow_private: false,
            allow_reserved: false,
            allow_privileged_peer_ports: false,
            allowed: Vec::new(),
        }
    }

    /// Every machine there is: for demonstrations and tests on one machine, and for closed networks.
    #[must_use]
    pub const fn permissive() -> Self {
        Self {
            allow_loopback: true,
            allow_link_local: true,
            allow_private: true,
            allow_reserved: true,
            allow_privileged_peer_ports: true,
            allowed: Vec::new(),
        }
    }

    /// The same, but `ip` may be contacted.
    #[must_use]
    pub fn allowing(mut self, ip: IpAddr) -> Self {
        self.allowed.push(ip.to_canonical());
        self
    }

    /// May a tracker, web server or redirect target at `ip` be contacted?
    ///
    /// The word of the user opens this machine and this site. It does not open link-local addresses, where nothing
    /// that speaks BitTorrent lives but the keys of cloud machines do.
    pub fn check(&self, ip: IpAddr, origin: Origin) -> Result<(), RefusedAddress> {
        let class = AddressClass::of(ip);
        let by_user = origin == Origin::User;
        let allowed = match class {
            AddressClass::Public => true,
            AddressClass::Loopback => self.allow_loopback || by_user,
            AddressClass::LinkLocal => self.allow_link_local,
            AddressClass::Private => self.allow_private || by_user,
            AddressClass::Reserved => self.allow_reserved || by_user,
            AddressClass::Unusable => false,
        };
        if allowed || self.allowed.contains(&ip.to_canonical()) {
            return Ok(());
        }
        Err(RefusedAddress { ip, class })
    }

    /// May `peer` be contacted, on the word of whoever is at `told_by` (a tracker, or a peer that gossips)?
    ///
    /// A swarm within a site is normal when its tracker is in the site as well. So a source within the site may name
    /// peers of the site, a source on this machine may name peers on this machine too, and a source on the internet
    /// (or an unknown one, `None`) only peers on the internet.
    #[must_use]
    pub fn accepts_peer(&self, peer: SocketAddr, told_by: Option<IpAddr>) -> bool {
        let first_port = if self.allow_privileged_peer_ports { 1 } else { FIRST_UNPRIVILEGED_PORT };
        if peer.port() < first_port {
            return false;
        }
        let source = told_by.map_or(AddressClass::Public, AddressClass::of);
        let near = match AddressClass::of(peer.ip()) {
            AddressClass::Loopback => source == AddressClass::Loopback,
            AddressClass::Private => matches!(source, AddressClass::Private | AddressClass::Loopback),
            _ => false,
        };
        near || self.check(peer.ip(), Origin::Torrent).is_ok()
    }
}

#[cfg(test)]
mod tests;
