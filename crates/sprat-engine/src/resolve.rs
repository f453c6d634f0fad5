//! From the name of a host to addresses that may be contacted.
//!
//! The policy judges what a name resolved to, and callers connect to exactly these addresses: a name server that
//! answers differently the second time (DNS rebinding) is not asked a second time.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use thiserror::Error;
use tokio::time::timeout;

use crate::address_policy::{AddressPolicy, Origin, RefusedAddress};

/// How long the system's resolver may take: twice the 5 s after which common resolvers ask the next server.
pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How many addresses of one host are of interest. Nobody waits for the ninth to fail.
const MAX_ADDRESSES: usize = 8;

/// Why a host has no address that could be contacted.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// The resolver knows no address, or was not reached.
    #[error("the host name did not resolve: {0}")]
    Lookup(#[source] io::Error),
    /// The resolver was silent.
    #[error("the host name did not resolve within {} s", RESOLVE_TIMEOUT.as_secs())]
    Timeout,
    /// The name exists, but without an address.
    #[error("the host name has no address")]
    Empty,
    /// All addresses are forbidden; this is the first.
    #[error(transparent)]
    Refused(#[from] RefusedAddress),
}

/// Asks the resolver of the operating system.
#[derive(Debug, Clone, Default)]
pub struct Resolver {
    pinned: BTreeMap<String, Arc<Pinned>>,
}

/// What is said of a host instead of what the system says.
#[derive(Debug)]
struct Pinned {
    answers: Vec<Vec<IpAddr>>,
    given: AtomicUsize,
}

impl Pinned {
    fn answer(&self) -> Vec<IpAddr> {
        let number = self.given.fetch_add(1, Ordering::Relaxed);
        self.answers.get(number).or(self.answers.last()).cloned().unwrap_or_default()
    }
}

impl Resolver {
    /// The resolver of the operating system.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// The same, but `host` has these addresses whatever the system says, like an entry in a hosts file.
    #[must_use]
    pub fn pinning(self, host: &str, addresses: Vec<IpAddr>) -> Self {
        self.pinning_in_turn(host, vec![addresses])
    }

    /// The same, but `host` has other addresses each time that it is looked up, and the last ones from then on: a name
    /// server that rebinds, for tests. Clones count together.
    #[must_use]
    pub fn pinning_in_turn(mut self, host: &str, answers: Vec<Vec<IpAddr>>) -> Self {
        let pinned = Pinned { answers, given: AtomicUsize::new(0) };
        self.pinned.insert(host.to_ascii_lowercase(), Arc::new(pinned));
        self
    }

    /// The addresses of `host` (a name, or an address with or without brackets) that `policy` permits, in the order
    /// of the resolver's preference; at least one.
    pub async fn resolve(
        &self,
        host: &str,
        port: u16,
        policy: &AddressPolicy,
        origin: Origin,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let found = self.lookup(host).await?;
        let mut addresses = Vec::new();
        let mut refused = None;
        for ip in found {
            match policy.check(ip, origin) {
                Ok(()) => {
                    let address = SocketAddr::new(ip, port);
                    if addresses.len() < MAX_ADDRESSES && !addresses.contains(&address) {
                        addresses.push(address);
                    }
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        match refused {
            _ if !addresses.is_empty() => Ok(addresses),
            Some(error) => Err(error.into()),
            None => Err(ResolveError::Empty),
        }
    }

    async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = literal.parse::<IpAddr>() {
            return Ok(vec![ip.to_canonical()]);
        }
        if let Some(pinned) = self.pinned.get(&host.to_ascii_lowercase()) {
            return Ok(pinned.answer());
        }
        let answer = timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host((host, 0))).await;
        let addresses = answer.map_err(|_| ResolveError::Timeout)?.map_err(ResolveError::Lookup)?;
        Ok(addresses.map(|address| address.ip().to_canonical()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn resolve(
        host: &str,
        policy: &AddressPolicy,
        origin: Origin,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let resolver = Resolver::system().pinning(
            "mixed.example",
            vec!["10.0.0.1".parse().unwrap(), "1.1.1.1".parse().unwrap(), "::1".parse().unwrap()],
        );
        resolver.resolve(host, 80, policy, origin).await
    }

    #[tokio::test]
    async fn forbidden_addresses_of_a_host_are_left_out() {
        let public = AddressPolicy::public();
        let addresses = resolve("MIXED.example", &public, Origin::Torrent).await.unwrap();
        assert_eq!(addresses, ["1.1.1.1:80".parse().unwrap()]);
        let addresses = resolve("mixed.example", &public, Origin::User).await.unwrap();
        assert_eq!(addresses.len(), 3);
    }

    #[tokio::test]
    async fn every_spelling_of_this_machine_is_refused() {
        // The last three are what the C library makes of numbers.
        for host in
            ["127.0.0.1", "::1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "2130706433", "0x7f.1", "0177.1"]
        {
            let answer = resolve(host, &AddressPolicy::public(), Origin::Torrent).await;
            assert!(matches!(answer, Err(ResolveError::Refused(_))), "{host}: {answer:?}");
        }
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_an_error() {
        let resolver = Resolver::system().pinning("empty.example", Vec::new());
        let answer = resolver.resolve("empty.example", 80, &AddressPolicy::permissive(), Origin::User).await;
        assert!(matches!(answer, Err(ResolveError::Empty)), "{answer:?}");
    }
}
