//! What a reverse proxy says of those for whom it asks.

use std::collections::BTreeSet;
use std::net::IpAddr;

use axum::http::HeaderMap;

use super::connection::Connection;

/// The proxies that are believed.
#[derive(Debug, Clone, Default)]
pub struct Proxies(BTreeSet<IpAddr>);

impl Proxies {
    /// Believes these.
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        Self(addresses.into_iter().map(|address| address.to_canonical()).collect())
    }

    /// Whether the other end of a connection is one of them.
    #[must_use]
    pub fn include(&self, remote: IpAddr) -> bool {
        self.0.contains(&remote.to_canonical())
    }

    /// Who makes a request: the other end of the connection or, where that is a trusted proxy, the last address in
    /// `X-Forwarded-For` that is none. What stands before that one is hearsay. `None` when a proxy does not say.
    #[must_use]
    pub fn client(&self, remote: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let remote = remote.to_canonical();
        if !self.include(remote) {
            return Some(remote);
        }
        let lists = headers.get_all("x-forwarded-for").into_iter().rev();
        for entry in lists.flat_map(|list| list.to_str().unwrap_or("?").rsplit(',')) {
            let address = entry.trim().parse::<IpAddr>().ok()?.to_canonical();
            if !self.include(address) {
                return Some(address);
            }
        }
        None
    }

    /// Whether the client speaks TLS to the proxy, if a trusted one says so.
    #[must_use]
    fn says_tls(&self, remote: IpAddr, headers: &HeaderMap) -> bool {
        let mut schemes = headers.get_all("x-forwarded-proto").into_iter();
        let only = (schemes.next(), schemes.next());
        self.include(remote) && matches!(only, (Some(scheme), None) if scheme == "https")
    }

    /// Whether the client speaks TLS, to us or to a trusted proxy.
    #[must_use]
    pub fn is_encrypted(&self, connection: &Connection, headers: &HeaderMap) -> bool {
        connection.tls || connection.ip().is_some_and(|remote| self.says_tls(remote, headers))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn headers(name: &'static str, values: &[&'static str]) -> HeaderMap {
        let pair = |value: &&'static str| (HeaderName::from_static(name), HeaderValue::from_static(value));
        values.iter().map(pair).collect()
    }

    #[test]
    fn only_a_trusted_proxy_speaks_for_others() {
        let proxies = Proxies::new([ip("10.0.0.1"), ip("10.0.0.2")]);
        let client =
            |remote, lists: &[&'static str]| proxies.client(ip(remote), &headers("x-forwarded-for", lists));
        assert_eq!(client("192.0.2.1", &["198.51.100.1"]), Some(ip("192.0.2.1")), "a stranger's claim");
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.1"]), Some(ip("198.51.100.1")));
        assert_eq!(client("10.0.0.1", &["203.0.113.5, 198.51.100.1"]), Some(ip("198.51.100.1")), "the last");
        assert_eq!(client("10.0.0.1", &["203.0.113.5", "198.51.100.1,10.0.0.2"]), Some(ip("198.51.100.1")));
        assert_eq!(client("10.0.0.1", &[]), None);
        assert_eq!(client("10.0.0.1", &["198.51.100.1, unknown"]), None);

        let tls = |remote, values: &[&'static str]| {
            proxies.says_tls(ip(remote), &headers("x-forwarded-proto", values))
        };
        assert!(tls("10.0.0.1", &["https"]) && !tls("192.0.2.1", &["https"]));
        assert!(!tls("10.0.0.1", &["http", "https"]) && !tls("10.0.0.1", &[]));
    }
}
