//! The one network interface that may be used, where not all may: a tunnel, beside which nothing is to be sent.
//!
//! Each socket is bound to the interface itself (`SO_BINDTODEVICE`), not to one of its addresses: what routes there are does not matter
//! then, and when the interface is gone the kernel refuses to send. Linux lets everybody do that since version 5.7. Where it cannot be
//! done there is no socket: never one by another way.
//!
//! A tunnel that is opened again is another interface to the kernel, also under the same name, and a socket cannot be bound anew
//! without privileges: sockets that stay are made again.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use thiserror::Error;
use tokio::net::{TcpSocket, TcpStream};

/// The longest name of one (`IFNAMSIZ`, without the zero at the end).
const LONGEST_NAME: usize = 15;

/// So often is looked whether the interface of a socket is still there, and then whether it is there again.
const LOOK: Duration = Duration::from_secs(2);

/// The way to the network that sockets take: by all interfaces, or by one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Uplink(Option<Arc<str>>);

/// This cannot be the name of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the name of an interface has 1 to {LONGEST_NAME} letters without `/`, `:` and blanks")]
pub struct InterfaceNameError;

impl Uplink {
    /// All of them, as the routes of the system have it.
    #[must_use]
    pub const fn any() -> Self {
        Self(None)
    }

    /// Only the one of this name. It need not be there yet.
    pub fn only(name: &str) -> Result<Self, InterfaceNameError> {
        let is_letter =
            |letter: char| !letter.is_whitespace() && !letter.is_control() && !"/:".contains(letter);
        let is_name = (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_letter);
        if is_name { Ok(Self(Some(name.into()))) } else { Err(InterfaceNameError) }
    }

    /// Whether this one may be used.
    pub(crate) fn includes(&self, name: &str) -> bool {
        self.0.as_deref().is_none_or(|only| only == name)
    }

    /// Has a socket, which is not bound yet, send and receive there only.
    pub(crate) fn confine<'s>(&self, socket: impl Into<SockRef<'s>>) -> io::Result<()> {
        let Some(name) = &self.0 else { return Ok(()) };
        bind(&socket.into(), name).map_err(|error| {
            io::Error::new(error.kind(), format!("the interface {name} cannot be used: {error}"))
        })
    }

    /// Ends when the interface that a socket was [confined](Self::confine) to is gone; never if it may use all.
    pub(crate) async fn lost<'s>(&self, socket: impl Into<SockRef<'s>>) {
        let Some(name) = &self.0 else { return std::future::pending().await };
        let socket = socket.into();
        while is_on(&socket, name) {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Makes a socket in place of one that is [lost](Self::lost), as soon as that can be done.
    pub(crate) async fn renew<S>(&self, make: impl Fn(&Self) -> io::Result<S>) -> S {
        loop {
            if let Ok(socket) = make(self) {
                tracing::info!(interface = %self, "a socket was made anew, since the interface was");
                return socket;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Connects to `address`. The caller limits the time.
    pub(crate) async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        self.confine(&socket)?;
        socket.connect(address).await
    }
}

impl fmt::Display for Uplink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_deref().unwrap_or("all"))
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn bind(socket: &SockRef<'_>, name: &str) -> io::Result<()> {
    socket.bind_device(Some(name.as_bytes()))
}

/// Whether the interface that a socket was bound to is there, under this name.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_on(socket: &SockRef<'_>, name: &str) -> bool {
    match socket.device() {
        Ok(device) => device.as_deref() == Some(name.as_bytes()),
        Err(error) => error.raw_os_error() != Some(rustix::io::Errno::NODEV.raw_os_error()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_on(_: &SockRef<'_>, _: &str) -> bool {
    true
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn bind(_: &SockRef<'_>, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::{ListenConfig, Listeners};
    use crate::udp::{UdpConfig, UdpSockets};

    #[test]
    fn names_are_those_of_the_system() {
        for name in ["lo", "tun0", "enp3s0.100", "a23456789012345"] {
            assert_eq!(Uplink::only(name).unwrap().to_string(), name);
        }
        for name in ["", "a b", "a/b", "eth0:1", "a234567890123456", "a\0"] {
            assert_eq!(Uplink::only(name), Err(InterfaceNameError), "{name:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn sockets_use_it_and_there_are_none_where_it_is_not() {
        let (own, gone) = (Uplink::only("lo").unwrap(), Uplink::only("not-there").unwrap());
        let config = ListenConfig { v6: None, ..ListenConfig::loopback(0..=0) };
        let listeners = Listeners::bind_on(&config, &own).unwrap();
        let address = listeners.addresses()[0];
        let stream = own.connect(address).await.unwrap();
        assert_eq!(SockRef::from(&stream).device().unwrap().as_deref(), Some(&b"lo"[..]));
        let sockets = UdpSockets::bind_on(&UdpConfig::loopback(0), &own).unwrap();
        assert_ne!(sockets.port(), 0);

        let error = gone.connect(address).await.unwrap_err();
        assert!(error.to_string().contains("not-there"), "{error}");
        assert!(Listeners::bind_on(&config, &gone).is_err());
        assert!(UdpSockets::bind_on(&UdpConfig::loopback(0), &gone).is_err());
    }
}
