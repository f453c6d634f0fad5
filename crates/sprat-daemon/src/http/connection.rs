//! What is known of the connection on which a request came; every request has it among its extensions.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::http::request::Parts;

use super::crowd::Ticket;

/// The other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remote {
    /// Over the network.
    Tcp(SocketAddr),
    /// On this machine, through a socket that file permissions guard.
    Unix,
}

/// A connection.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The other end.
    pub remote: Remote,
    /// Our end: the address that was dialled. `None` for Unix sockets.
    pub local: Option<SocketAddr>,
    /// Whether the connection itself is encrypted.
    pub tls: bool,
    ticket: Arc<Ticket>,
}

impl Connection {
    pub(super) const fn new(
        remote: Remote,
        local: Option<SocketAddr>,
        tls: bool,
        ticket: Arc<Ticket>,
    ) -> Self {
        Self { remote, local, tls, ticket }
    }

    /// The one on which a request came. `None`: it did not come through our [`Server`](super::Server).
    #[must_use]
    pub fn of(parts: &Parts) -> Option<Self> {
        parts.extensions.get::<Self>().cloned()
    }

    /// The other end's address, without the port.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match self.remote {
            Remote::Tcp(address) => Some(address.ip()),
            Remote::Unix => None,
        }
    }

    /// A request on it has shown a right token: it need not go for strangers any more.
    pub fn trust(&self) {
        self.ticket.trust();
    }
}
