//! One server by its name and port.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use url::{Host, Url};

/// A host, as URLs name it, and a port. However a URL spells an address (`127.1`, `0x7f.1`), it is the same host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    host: Host<String>,
    port: u16,
}

/// Text that is not `host:port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not host:port, such as 127.0.0.1:9117, [::1]:9117 or nas.lan:9117")]
pub struct ParseHostPortError;

impl HostPort {
    /// Where `url` leads; `None` if it has no host, or no port and a scheme without a usual one.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        Some(Self { host: url.host()?.to_owned(), port: url.port_or_known_default()? })
    }
}

impl FromStr for HostPort {
    type Err = ParseHostPortError;

    fn from_str(text: &str) -> Result<Self, ParseHostPortError> {
        let (host, port) = text.rsplit_once(':').ok_or(ParseHostPortError)?;
        let host = Host::parse(host).map_err(|_| ParseHostPortError)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(ParseHostPortError)?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> HostPort {
        HostPort::of(&url.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_server_is_the_same_however_it_is_spelled() {
        let server: HostPort = "127.0.0.1:9117".parse().unwrap();
        for same in ["http://127.0.0.1:9117/x?y", "https://me:key@127.1:9117", "http://0x7f.1:9117#z"] {
            assert_eq!(of(same), server, "{same}");
        }
        for other in
            ["http://127.0.0.1:9118/", "http://127.0.0.1/", "http://localhost:9117/", "http://[::1]:9117/"]
        {
            assert_ne!(of(other), server, "{other}");
        }
        assert_eq!(of("https://NAS.lan/"), "nas.LAN:443".parse().unwrap());
        assert_eq!(of("http://[0::1]:80/").to_string(), "[::1]:80");
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for wrong in [
            "",
            "nas.lan",
            ":80",
            "nas.lan:",
            "nas.lan:0",
            "nas.lan:65536",
            "http://nas.lan:80",
            "a b:80",
            "::1:80",
        ] {
            assert_eq!(wrong.parse::<HostPort>(), Err(ParseHostPortError), "{wrong}");
        }
    }
}
