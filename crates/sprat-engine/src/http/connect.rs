//! Connections to web servers: the first address that answers, and TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

use super::HttpError;
use crate::uplink::Uplink;

/// Head start of each address over the next one (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// A connection of either kind.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects to the first of `addresses` that answers ("happy eyeballs"): a host whose IPv6 leads nowhere should not
/// cost a timeout. The caller limits the time.
pub(super) async fn first_of(addresses: &[SocketAddr], uplink: &Uplink) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    let mut waiting = addresses.iter();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        let started = waiting.next().map(|address| {
            // The tests of the address policy count these.
            tracing::trace!(%address, "connecting");
            let (address, uplink) = (*address, uplink.clone());
            attempts.spawn(async move { uplink.connect(address).await })
        });
        let ended = if started.is_some() && waiting.len() > 0 {
            timeout(HEAD_START, attempts.join_next()).await.unwrap_or_default()
        } else {
            attempts.join_next().await
        };
        match ended {
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(error))) => last = error,
            Some(Err(error)) => last = io::Error::other(error),
            None if waiting.len() > 0 => {}
            None => return Err(last),
        }
    }
}

/// What is needed to verify servers. There is deliberately no way to leave the verification out.
#[derive(Debug)]
pub(super) struct Tls {
    extra_roots: Vec<CertificateDer<'static>>,
    config: OnceCell<Arc<ClientConfig>>,
}

impl Tls {
    pub(super) fn new(extra_roots: Vec<CertificateDer<'static>>) -> Self {
        Self { extra_roots, config: OnceCell::new() }
    }

    pub(super) async fn handshake(
        &self,
        url: &Url,
        stream: TcpStream,
    ) -> Result<Box<TlsStream<TcpStream>>, HttpError> {
        let config = self.config.get_or_try_init(|| self.configure()).await?;
        let name = match url.host() {
            Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).ok(),
            Some(Host::Ipv4(ip)) => Some(ServerName::from(std::net::IpAddr::V4(ip))),
            Some(Host::Ipv6(ip)) => Some(ServerName::from(std::net::IpAddr::V6(ip))),
            None => None,
        };
        let name = name.ok_or(HttpError::Url("the host of the URL cannot have a certificate"))?;
        let connector = TlsConnector::from(Arc::clone(config));
        connector.connect(name, stream).await.map(Box::new).map_err(HttpError::Tls)
    }

    async fn configure(&self) -> Result<Arc<ClientConfig>, HttpError> {
        let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
        let mut roots = RootCertStore::empty();
        if let Ok(found) = found {
            for error in &found.errors {
                tracing::warn!(%error, "could not read some certificate authorities");
            }
            roots.add_parsable_certificates(found.certs);
        }
        roots.add_parsable_certificates(self.extra_roots.iter().cloned());
        if roots.is_empty() {
            return Err(HttpError::NoRoots);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| HttpError::Tls(io::Error::other(error)))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}
