//! A connection to the daemon: a Unix socket, TCP, or TLS over it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use url::Host;

use super::place::Address;

/// So long a machine may take to answer at all.
const CONNECT: Duration = Duration::from_secs(10);

/// What bytes go over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Calls the daemon.
pub(super) async fn connect(address: &Address) -> io::Result<Box<dyn Stream>> {
    let connecting = async {
        let stream: Box<dyn Stream> = match address {
            Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Address::Tcp { host, port, tls, .. } => {
                let stream = match host {
                    Host::Domain(name) => TcpStream::connect((name.as_str(), *port)).await?,
                    Host::Ipv4(ip) => TcpStream::connect((*ip, *port)).await?,
                    Host::Ipv6(ip) => TcpStream::connect((*ip, *port)).await?,
                };
                stream.set_nodelay(true)?;
                if *tls { Box::new(secured(stream, host).await?) } else { Box::new(stream) }
            }
        };
        Ok(stream)
    };
    tokio::time::timeout(CONNECT, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// With a certificate that the system's authorities vouch for, or those in `SSL_CERT_FILE`.
async fn secured(stream: TcpStream, host: &Host) -> io::Result<impl Stream + use<>> {
    let name = match host {
        Host::Domain(name) => ServerName::try_from(name.clone()).map_err(io::Error::other)?,
        Host::Ipv4(ip) => ServerName::from(std::net::IpAddr::V4(*ip)),
        Host::Ipv6(ip) => ServerName::from(std::net::IpAddr::V6(*ip)),
    };
    let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await?;
    for error in &found.errors {
        tracing::warn!(%error, "could not read some certificate authorities");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}
