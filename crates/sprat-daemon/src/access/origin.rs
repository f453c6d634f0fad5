//! Which names are ours, and which pages may speak to us.
//!
//! A foreign page can make a browser call any name that leads here (DNS rebinding), and send requests to ours (CSRF). The
//! first is seen from `Host`, the second from `Origin`; both are compared whole.

use std::net::SocketAddr;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};

use super::refusal::Refusal;
use crate::http::{Connection, Proxies};

/// Names under which the API may be reached.
#[derive(Debug, Clone, Default)]
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    pub(super) fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// The name that a request was sent to, if it is one of ours.
    pub(super) fn check(&self, parts: &Parts, connection: &Connection) -> Result<String, Refusal> {
        let host = only(&parts.headers, &header::HOST)?.ok_or(Refusal::WrongHost)?.to_ascii_lowercase();
        // `GET http://elsewhere/ HTTP/1.1`: which of the two is meant?
        let target = parts.uri.authority().map(|authority| authority.as_str().to_ascii_lowercase());
        if target.is_some_and(|target| target != host) || !self.is_ours(&host, connection) {
            return Err(Refusal::WrongHost);
        }
        Ok(host)
    }

    fn is_ours(&self, host: &str, connection: &Connection) -> bool {
        let local = connection.local.map(|local| SocketAddr::new(local.ip().to_canonical(), local.port()));
        let with_port = |name: &str| local.map(|local| format!("{name}:{}", local.port()));
        let default_port = if connection.tls { 443 } else { 80 };
        // Without a port it is behind a proxy or on the scheme's own port; otherwise on ours.
        if self.0.iter().any(|name| host == name || with_port(name).as_deref() == Some(host)) {
            return true;
        }
        match local {
            // By number: the very address that was dialled. A name that leads here is never that.
            Some(local) => {
                let without_port = (local.port() == default_port).then(|| match local {
                    SocketAddr::V4(local) => local.ip().to_string(),
                    SocketAddr::V6(local) => format!("[{}]", local.ip()),
                });
                let is_number = host == local.to_string() || without_port.as_deref() == Some(host);
                is_number || local.ip().is_loopback() && with_port("localhost").as_deref() == Some(host)
            }
            // No browser gets at a Unix socket.
            None => host == "localhost",
        }
    }
}

/// Whether the request comes from a page of ours; `None` where no page is named.
pub(super) fn check_origin(
    parts: &Parts,
    connection: &Connection,
    proxies: &Proxies,
    host: &str,
) -> Result<Option<()>, Refusal> {
    let Some(origin) = only(&parts.headers, &header::ORIGIN)? else { return Ok(None) };
    let own = origin_of(host, proxies.is_encrypted(connection, &parts.headers));
    if origin == own { Ok(Some(())) } else { Err(Refusal::ForeignOrigin) }
}

/// The origin (RFC 6454) of a page of ours under this name.
pub(super) fn origin_of(host: &str, is_encrypted: bool) -> String {
    let scheme = if is_encrypted { "https" } else { "http" };
    format!("{scheme}://{host}")
}

/// The value of a header that may stand there once. Two would be read differently by two readers.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Refusal::Malformed),
        _ => Err(Refusal::Malformed),
    }
}
