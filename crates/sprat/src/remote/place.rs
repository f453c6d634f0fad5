//! Where the daemon is, and with which token it is spoken to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use sprat_daemon::access::{Token, Tokens};
use sprat_daemon::settings::{Layers, ListenAddress, Overlay, Places};
use url::{Host, Url};

use crate::cli::remote::DaemonAt;
use crate::exit::{Failure, OrExit as _, fail};

/// The longest file that can hold a token, bytes.
const LONGEST_TOKEN_FILE: u64 = 4096;

/// Where the daemon's API is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A socket of this machine.
    Unix(PathBuf),
    /// A server: its name or number, its port, and whether it speaks TLS.
    Tcp {
        host: Host,
        port: u16,
        tls: bool,
        /// What stands before `/api/v1` where a proxy serves more than sprat; without a `/` at its end.
        prefix: String,
    },
}

/// Where the daemon is, and what opens it.
pub(crate) struct Place {
    pub(crate) address: Address,
    pub(crate) token: Token,
    /// Where the token is from, for messages.
    pub(crate) token_file: PathBuf,
}

impl Place {
    /// As the flags say, and where they say nothing, as the configuration of a daemon on this machine does.
    pub(crate) fn find(at: &DaemonAt) -> anyhow::Result<Self> {
        let configured = || configuration(at);
        let address = match &at.url {
            Some(url) => url.parse()?,
            None => Address::of_listener(&configured()?)?,
        };
        let token_file = match &at.token_file {
            Some(file) => file.clone(),
            // The token of a daemon here is nobody else's business.
            None if !address.is_here() => bail!(
                "{address} is on another machine: say with --token-file which file has the token for it"
            ),
            None => Tokens::file(&configured()?.state_directory()),
        };
        let token = read_token(&token_file)?;
        Ok(Self { address, token, token_file })
    }
}

/// The configuration of a daemon on this machine: the one that is named; or that of the user's own daemon, unless the only one is a
/// service that lets us read its token.
fn configuration(at: &DaemonAt) -> anyhow::Result<Layers> {
    let places = Places::of_environment();
    if let Some(file) = &at.configuration {
        return Ok(Layers::load(Some(file), Overlay::default(), places)?);
    }
    let load = |places: Places| Layers::load(None, Overlay::default(), places);
    let has_token = |layers: &Layers| Tokens::file(&layers.state_directory()).exists();
    let own = load(places)?;
    let service = || load(Places::of_service()).ok().filter(has_token);
    if has_token(&own) { Ok(own) } else { Ok(service().unwrap_or(own)) }
}

impl Address {
    /// The best of where a daemon with this configuration listens: a socket of the machine before a port.
    fn of_listener(layers: &Layers) -> anyhow::Result<Self> {
        let api = &layers.settings().api;
        let socket = api.listen.iter().find_map(|one| match one {
            ListenAddress::Unix(path) => Some(Self::Unix(path.clone())),
            ListenAddress::Tcp(_) => None,
        });
        let tls = api.tls_certificate.is_some();
        let port = || {
            let mut ports = api.listen.iter().filter_map(|one| match one {
                ListenAddress::Tcp(address) if address.port() != 0 => Some(*address),
                _ => None,
            });
            ports.next().map(|address| Self::dialled(address, tls))
        };
        socket.or_else(port).context(
            "the configuration does not say at which port the daemon listens: say with --daemon where it is",
        )
    }

    /// How to call somebody who listens there.
    fn dialled(address: SocketAddr, tls: bool) -> Self {
        let host = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Host::Ipv4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => Host::Ipv6(Ipv6Addr::LOCALHOST),
            IpAddr::V4(ip) => Host::Ipv4(ip),
            IpAddr::V6(ip) => Host::Ipv6(ip),
        };
        Self::Tcp { host, port: address.port(), tls, prefix: String::new() }
    }

    /// Whether it is certain to be on this machine.
    pub(crate) fn is_here(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp { host: Host::Ipv4(ip), .. } => ip.is_loopback(),
            Self::Tcp { host: Host::Ipv6(ip), .. } => ip.is_loopback(),
            Self::Tcp { host: Host::Domain(name), .. } => name == "localhost",
        }
    }

    /// What the `Host` header says.
    pub(crate) fn authority(&self) -> String {
        match self {
            Self::Unix(_) => "localhost".to_owned(),
            Self::Tcp { host, port: 443, tls: true, .. } | Self::Tcp { host, port: 80, tls: false, .. } => {
                host.to_string()
            }
            Self::Tcp { host, port, .. } => format!("{host}:{port}"),
        }
    }

    /// What stands before `/api/v1`.
    pub(crate) fn prefix(&self) -> &str {
        match self {
            Self::Unix(_) => "",
            Self::Tcp { prefix, .. } => prefix,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { tls, prefix, .. } => {
                let scheme = if *tls { "https" } else { "http" };
                write!(f, "{scheme}://{}{prefix}", self.authority())
            }
        }
    }
}

impl std::str::FromStr for Address {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            ensure!(path.starts_with('/'), "--daemon: `{text}` needs the whole path: unix:/PATH");
            return Ok(Self::Unix(path.into()));
        }
        let wrong = || format!("--daemon: `{text}` is not http://HOST:PORT, https://HOST:PORT or unix:/PATH");
        let url = Url::parse(text).with_context(wrong)?;
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => bail!(wrong()),
        };
        let is_plain = url.query().is_none() && url.fragment().is_none();
        ensure!(is_plain && url.username().is_empty() && url.password().is_none(), wrong());
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else { bail!(wrong()) };
        let prefix = url.path().trim_end_matches('/').to_owned();
        Ok(Self::Tcp { host: host.to_owned(), port, tls, prefix })
    }
}

/// Reads a token, and says what to do where there is none.
fn read_token(file: &Path) -> anyhow::Result<Token> {
    use std::io::Read as _;
    let name = file.display();
    let read = || {
        let mut text = String::new();
        std::fs::File::open(file)?.take(LONGEST_TOKEN_FILE).read_to_string(&mut text)?;
        Ok::<_, std::io::Error>(text)
    };
    let text = match read() {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return fail(
                Failure::Network,
                format_args!(
                    "there is no token in {name}: no daemon of yours has run on this machine yet. Start one with `sprat daemon`, \
                     or say with --daemon and --token-file where one is"
                ),
            );
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => bail!(
            "you may not read the token in {name}: do it as the user that the daemon runs as, or name a token of yours with \
             --token-file"
        ),
        Err(error) => bail!("the token cannot be read from {name}: {error}"),
    };
    Token::parse(text.trim()).with_context(|| format!("{name} holds no token")).or_exit(Failure::Network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(text: &str) -> Layers {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("sprat.toml");
        std::fs::write(&file, text).unwrap();
        Layers::load(Some(&file), Overlay::default(), Places::of(|_| None)).unwrap()
    }

    fn found(text: &str) -> String {
        Address::of_listener(&layers(text)).unwrap().to_string()
    }

    #[test]
    fn the_configuration_says_where_the_daemon_is() {
        assert_eq!(found(""), "http://127.0.0.1:7772");
        assert_eq!(found("[api]\nlisten = [\"0.0.0.0:99\"]"), "http://127.0.0.1:99");
        assert_eq!(found("[api]\nlisten = [\"[::]:99\"]"), "http://[::1]:99");
        assert_eq!(
            found("[api]\nlisten = [\"127.0.0.1:9\", \"unix:/run/sprat/api.sock\"]"),
            "unix:/run/sprat/api.sock"
        );
        let tls = "[api]\nlisten = [\"10.0.0.1:443\"]\ntls_certificate = \"/c\"\ntls_key = \"/k\"";
        assert_eq!(found(tls), "https://10.0.0.1");
        let any_port = layers("[api]\nlisten = [\"127.0.0.1:0\"]");
        assert!(Address::of_listener(&any_port).unwrap_err().to_string().contains("--daemon"));
    }

    #[test]
    fn a_url_names_a_daemon_and_nothing_else() {
        let address = |text: &str| text.parse::<Address>();
        for text in
            ["http://127.0.0.1:7772", "https://nas.lan", "http://[::1]:1", "unix:/run/x", "https://a/sprat"]
        {
            assert_eq!(address(text).unwrap().to_string(), text);
        }
        for wrong in ["", "nas", "unix:x", "ftp://nas", "http://", "http://token@nas", "http://nas/?a=b"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
        for here in ["unix:/x", "http://127.0.0.2:1", "http://localhost:1", "http://[::1]"] {
            assert!(address(here).unwrap().is_here(), "{here}");
        }
        assert!(!address("http://localhost.evil.example").unwrap().is_here());
    }

    #[test]
    fn the_token_of_this_machine_is_not_sent_to_another_one() {
        let at =
            DaemonAt { url: Some("http://nas.lan:7772".to_owned()), token_file: None, configuration: None };
        let error = Place::find(&at).err().unwrap().to_string();
        assert!(error.contains("--token-file"), "{error}");
    }
}
