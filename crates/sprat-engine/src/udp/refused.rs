//! Datagrams that came back because nobody listens where they were sent.
//!
//! A socket that is not connected is not told, unless it asks for it, which Linux allows (ip(7), `IP_RECVERR`).
//! Elsewhere a closed port is the same as silence.

use std::io;
use std::net::SocketAddr;

use socket2::Socket;
use tokio::net::UdpSocket;

/// Asks for reports. Without them everything works, but slower.
#[cfg(target_os = "linux")]
pub(super) fn report(socket: &Socket, is_v6: bool) {
    use nix::sys::socket::{setsockopt, sockopt};
    let asked = if is_v6 {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)
    } else {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)
    };
    if let Err(error) = asked {
        tracing::debug!(%error, "closed UDP ports will not be noticed");
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn report(_: &Socket, _: bool) {}

/// Whether an error of a socket is about a datagram that was sent earlier.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
}

/// The datagrams that were refused since the last time, and by whom.
#[cfg(target_os = "linux")]
pub(super) fn take(socket: &UdpSocket, buffer: &mut [u8]) -> Vec<(SocketAddr, Vec<u8>)> {
    use std::io::IoSliceMut;
    use std::os::fd::AsRawFd as _;

    use nix::sys::socket::{MsgFlags, SockaddrStorage, recvmsg};
    let mut refused = Vec::new();
    loop {
        let mut parts = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let Ok(message) = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, None, flags) else {
            break;
        };
        let (length, address) = (message.bytes, message.address.and_then(address));
        if let Some(to) = address {
            refused.push((to, buffer.get(..length).unwrap_or_default().to_vec()));
        }
    }
    refused
}

#[cfg(not(target_os = "linux"))]
pub(super) fn take(_: &UdpSocket, _: &mut [u8]) -> Vec<(SocketAddr, Vec<u8>)> {
    Vec::new()
}

#[cfg(target_os = "linux")]
fn address(storage: nix::sys::socket::SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|address| SocketAddr::from((address.ip(), address.port())));
    v4.or_else(|| storage.as_sockaddr_in6().map(|address| SocketAddr::from((address.ip(), address.port()))))
}
