//! Where connections come from: TCP ports, Unix sockets, and sockets that systemd hands over.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use listenfd::ListenFd;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::settings::ListenAddress;

/// The daemon's user and group may connect.
const SOCKET_MODE: u32 = 0o660;

/// Why it is not possible to listen.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {error}")]
pub struct BindError {
    /// Where.
    pub address: ListenAddress,
    /// Why.
    pub error: io::Error,
}

/// A socket that connections come from.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        /// To be removed in the end, unless it is systemd's.
        _file: Option<SocketFile>,
    },
}

#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A connection that has come.
pub(super) enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

/// Sockets that systemd hands over (`LISTEN_FDS`); by default none.
#[derive(Debug, Default)]
pub struct Inherited(Vec<InheritedSocket>);

#[derive(Debug)]
enum InheritedSocket {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

impl Inherited {
    /// Those of this process. To be called first of all, and once: it takes variables out of the environment, which no other
    /// thread may be looking at.
    pub fn take() -> io::Result<Self> {
        let mut sockets = ListenFd::from_env();
        let mut taken = Vec::new();
        for index in 0..sockets.len() {
            // Of the wrong kind is an error that leaves it there for the next question.
            let socket = match sockets.take_tcp_listener(index) {
                Ok(socket) => socket.map(InheritedSocket::Tcp),
                Err(_) => sockets.take_unix_listener(index)?.map(InheritedSocket::Unix),
            };
            taken.extend(socket);
        }
        Ok(Self(taken))
    }

    /// None.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Listens on them.
    pub fn listen(self) -> io::Result<Vec<Listener>> {
        let listen = |socket| {
            Ok(Listener(match socket {
                InheritedSocket::Tcp(socket) => {
                    socket.set_nonblocking(true)?;
                    Kind::Tcp(TcpListener::from_std(socket)?)
                }
                InheritedSocket::Unix(socket) => {
                    socket.set_nonblocking(true)?;
                    Kind::Unix { listener: UnixListener::from_std(socket)?, _file: None }
                }
            }))
        };
        self.0.into_iter().map(listen).collect()
    }
}

/// Listens on all of `addresses`.
pub async fn bind(addresses: &[ListenAddress]) -> Result<Vec<Listener>, BindError> {
    let mut listeners = Vec::new();
    for address in addresses {
        let bound = match address {
            ListenAddress::Tcp(address) => TcpListener::bind(address).await.map(Kind::Tcp),
            ListenAddress::Unix(path) => bind_unix(path).await,
        };
        let fail = |error| BindError { address: address.clone(), error };
        listeners.push(Listener(bound.map_err(fail)?));
    }
    Ok(listeners)
}

/// Puts the socket there with its permissions in one step: until it has its name nobody can connect.
async fn bind_unix(path: &Path) -> io::Result<Kind> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
        }
        Ok(_) if UnixStream::connect(path).await.is_ok() => {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody else listens there"));
        }
        // Left over by somebody who was killed, or nothing.
        _ => {}
    }
    let mut unnamed = path.as_os_str().to_owned();
    unnamed.push(format!(".{}", std::process::id()));
    let unnamed = PathBuf::from(unnamed);
    let _ = fs::remove_file(&unnamed);
    let listener = UnixListener::bind(&unnamed)?;
    fs::set_permissions(&unnamed, fs::Permissions::from_mode(SOCKET_MODE))
        .and_then(|()| fs::rename(&unnamed, path))
        .inspect_err(|_| drop(fs::remove_file(&unnamed)))?;
    Ok(Kind::Unix { listener, _file: Some(SocketFile(path.to_owned())) })
}

impl Listener {
    /// Where it listens, as far as that is an address.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr().ok(),
            Kind::Unix { .. } => None,
        }
    }

    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match &self.0 {
            Kind::Tcp(listener) => {
                listener.accept().await.map(|(stream, remote)| Accepted::Tcp(stream, remote))
            }
            Kind::Unix { listener, .. } => listener.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
        }
    }
}
