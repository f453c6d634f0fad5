//! Where requests come from.

use std::net::SocketAddr;

/// Where a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The protocol.
    pub protocol: Protocol,
    /// The address. IPv4 addresses mapped into IPv6 count as IPv4.
    pub address: SocketAddr,
}

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// BEP 3.
    Http,
    /// BEP 15.
    Udp,
}
