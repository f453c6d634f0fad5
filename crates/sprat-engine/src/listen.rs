//! TCP sockets for peers: the listening ones, and the dialled ones.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

#[cfg(any(target_os = "linux", target_os = "android"))]
use socket2::SockRef;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::uplink::Uplink;

/// How long a peer has to accept a connection. Half of all known peers are gone, and each holds a slot that long.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections that the kernel keeps until they are accepted; it cuts the number to its own limit.
const BACKLOG: i32 = 4096;

/// How often the kernel is asked for another free port when the one it chose for IPv4 is taken for IPv6.
const FREE_PORT_ATTEMPTS: usize = 16;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenConfig {
    /// The IPv4 address, or `None` for no IPv4.
    pub v4: Option<Ipv4Addr>,
    /// The IPv6 address, or `None` for no IPv6.
    pub v6: Option<Ipv6Addr>,
    /// The first port of these that is free is taken, the same one for both families. Port 0 is any free port.
    pub ports: RangeInclusive<u16>,
}

impl ListenConfig {
    /// Every address of this machine.
    #[must_use]
    pub const fn everywhere(ports: RangeInclusive<u16>) -> Self {
        Self { v4: Some(Ipv4Addr::UNSPECIFIED), v6: Some(Ipv6Addr::UNSPECIFIED), ports }
    }

    /// Only for programs on this machine.
    #[must_use]
    pub const fn loopback(ports: RangeInclusive<u16>) -> Self {
        Self { v4: Some(Ipv4Addr::LOCALHOST), v6: Some(Ipv6Addr::LOCALHOST), ports }
    }
}

/// Listening sockets on one port; at least one of them is there.
#[derive(Debug)]
pub struct Listeners {
    /// Accepts IPv4.
    pub v4: Option<TcpListener>,
    /// Accepts IPv6, and only IPv6.
    pub v6: Option<TcpListener>,
    /// The port of both.
    pub port: u16,
}

impl Listeners {
    /// Listens as `config` says. A family that this machine does not have is left out. Must be called within a
    /// tokio runtime.
    pub fn bind(config: &ListenConfig) -> io::Result<Self> {
        Self::bind_on(config, &Uplink::any())
    }

    /// The same, on this interface only.
    pub fn bind_on(config: &ListenConfig, uplink: &Uplink) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no address or no port to listen on");
        for port in config.ports.clone() {
            let attempts = if port == 0 { FREE_PORT_ATTEMPTS } else { 1 };
            for _ in 0..attempts {
                match Self::bind_port(config, uplink, port) {
                    Ok(listeners) => return Ok(listeners),
                    Err(error) => last = error,
                }
            }
        }
        Err(last)
    }

    /// The addresses on which peers are accepted.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        [&self.v4, &self.v6].into_iter().flatten().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    fn bind_port(config: &ListenConfig, uplink: &Uplink, port: u16) -> io::Result<Self> {
        let mut missing = None;
        let mut v4 = None;
        if let Some(ip) = config.v4 {
            v4 = present(listen(SocketAddr::from((ip, port)), uplink), &mut missing)?;
        }
        let port = v4.as_ref().map_or(Ok(port), port_of)?;
        let mut v6 = None;
        if let Some(ip) = config.v6 {
            v6 = present(listen(SocketAddr::from((ip, port)), uplink), &mut missing)?;
        }
        let Some(first) = v4.as_ref().or(v6.as_ref()) else {
            return Err(missing.unwrap_or_else(|| io::ErrorKind::InvalidInput.into()));
        };
        Ok(Self { port: port_of(first)?, v4, v6 })
    }
}

/// Bytes that the kernel takes for one peer beyond what TCP may send at present. On a full line it would take megabytes
/// otherwise, as it makes room for twice the window of TCP (seen: 2 MiB for each of four peers behind a line of 20 MiB/s,
/// 0.4 s of it): every new piece is announced that much later, and what was cancelled is sent all the same. Enough for two
/// of the largest packets, so that TCP need not wait for us.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SEND_AHEAD: u32 = 128 * 1024;

/// How long a peer may leave unacknowledged what was sent to it. By itself Linux tries for a quarter of an hour, also when the
/// way there is gone.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Sets a connection to a peer up: messages are sent without delay, since they are put together before they are written,
/// and the kernel takes no more than it can make use of, and does not wait for ever.
pub(crate) fn set_up(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let socket = SockRef::from(stream);
        socket.set_tcp_notsent_lowat(SEND_AHEAD)?;
        socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    }
    Ok(())
}

/// Connects to a peer, by this interface.
///
/// The caller has asked the [policy](crate::address_policy::AddressPolicy) about the address.
pub async fn dial(address: SocketAddr, limit: Duration, uplink: &Uplink) -> io::Result<TcpStream> {
    let connected = timeout(limit, uplink.connect(address)).await;
    let stream = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    set_up(&stream)?;
    Ok(stream)
}

pub(crate) fn listen(address: SocketAddr, uplink: &Uplink) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of an earlier run that the kernel still remembers must not keep the port. On Windows the option
    // means something else: it would let two programs have the port.
    if cfg!(unix) {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    uplink.confine(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// `None`, and the error kept in `missing`, when this machine does not have the family at all.
fn present(
    listener: io::Result<TcpListener>,
    missing: &mut Option<io::Error>,
) -> io::Result<Option<TcpListener>> {
    match listener {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if is_missing_family(&error) => {
            *missing = Some(error);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn is_missing_family(error: &io::Error) -> bool {
    let unsupported = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(unsupported)
}

fn port_of(listener: &TcpListener) -> io::Result<u16> {
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_families_share_a_port_and_accept() {
        let listeners = Listeners::bind(&ListenConfig::loopback(0..=0)).unwrap();
        assert_ne!(listeners.port, 0);
        for address in listeners.addresses() {
            assert_eq!(address.port(), listeners.port);
            let stream = dial(address, DIAL_TIMEOUT, &Uplink::any()).await.unwrap();
            assert!(stream.nodelay().unwrap());
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_peer_that_has_vanished_is_given_up_within_half_a_minute() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let stream = dial(listener.local_addr().unwrap(), DIAL_TIMEOUT, &Uplink::any()).await.unwrap();
        assert_eq!(SockRef::from(&stream).tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_kernel_takes_little_for_a_peer_that_does_not_read() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let stream = dial(listener.local_addr().unwrap(), DIAL_TIMEOUT, &Uplink::any()).await.unwrap();
        let (silent, _) = listener.accept().await.unwrap();
        // A window that is small from the start, so that next to nothing of it is on its way.
        SockRef::from(&silent).set_recv_buffer_size(4096).unwrap();
        stream.writable().await.unwrap();
        let mut taken = 0;
        while let Ok(count) = stream.try_write(&[0; 16 * 1024]) {
            taken += count;
        }
        assert!(taken < 512 * 1024, "{taken} bytes");
    }

    #[tokio::test]
    async fn a_taken_port_is_skipped() {
        let only_v4 = |ports| ListenConfig { v6: None, ..ListenConfig::loopback(ports) };
        let taken = Listeners::bind(&only_v4(0..=0)).unwrap();
        assert!(Listeners::bind(&only_v4(taken.port..=taken.port)).is_err());
        let range = taken.port..=taken.port.saturating_add(20);
        let next = Listeners::bind(&only_v4(range.clone())).unwrap();
        assert!(next.port != taken.port && range.contains(&next.port));
    }

    #[tokio::test]
    async fn nothing_to_listen_on_is_an_error() {
        let config = ListenConfig { v4: None, v6: None, ports: 0..=0 };
        assert!(Listeners::bind(&config).is_err());
    }

    #[tokio::test]
    async fn dialling_nobody_fails() {
        let listeners = Listeners::bind(&ListenConfig::loopback(0..=0)).unwrap();
        let address = listeners.addresses()[0];
        drop(listeners);
        assert!(dial(address, DIAL_TIMEOUT, &Uplink::any()).await.is_err());
    }
}
