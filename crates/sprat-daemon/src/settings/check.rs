//! What is wrong with settings of which each by itself can be read.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Component, Path};

use serde::Serialize;
use sprat_engine::http::HostPort;
use sprat_engine::uplink::Uplink;
use utoipa::ToSchema;

use super::quantity::{Size, Span};
use super::sections::{ListenAddress, Settings};

/// With less, nothing would be left for peers.
const LEAST_MEMORY: Size = Size(64 << 20);

/// Feeds are other people's servers.
const LEAST_FEED_INTERVAL: Span = Span::minutes(5);

/// Something that is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// The setting, as `limits.memory`.
    pub key: String,
    /// What is wrong, for people.
    pub message: String,
}

impl Problem {
    pub(super) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.key, self.message)
    }
}

/// Everything that is wrong.
pub(super) fn check(settings: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    paths(settings, &mut problems);
    limits(settings, &mut problems);
    network(settings, &mut problems);
    api(settings, &mut problems);
    problems
}

/// Whether a path says by itself where it leads: absolute, or from the home, and without a way back.
fn is_definite(path: &Path) -> bool {
    let rooted = path.is_absolute() || path.starts_with("~");
    rooted && path.components().all(|part| !matches!(part, Component::ParentDir))
}

fn paths(settings: &Settings, problems: &mut Vec<Problem>) {
    let paths = &settings.paths;
    let single = [
        ("paths.state", &paths.state),
        ("paths.downloads", &paths.downloads),
        ("paths.incomplete", &paths.incomplete),
        ("api.tls_certificate", &settings.api.tls_certificate),
        ("api.tls_key", &settings.api.tls_key),
    ];
    let single = single.into_iter().filter_map(|(key, path)| Some((key, path.as_deref()?)));
    let roots = paths.roots.iter().map(|path| ("paths.roots", path.as_path()));
    let watched = paths.watch.iter().flat_map(|folder| {
        let downloads = folder.downloads.as_deref();
        [Some(folder.directory.as_path()), downloads].into_iter().flatten().map(|path| ("paths.watch", path))
    });
    for (key, path) in single.chain(roots).chain(watched) {
        if !is_definite(path) {
            let message = format!("`{}` is not an absolute path without `..`", path.display());
            problems.push(Problem::new(key, message));
        }
    }
}

fn limits(settings: &Settings, problems: &mut Vec<Problem>) {
    let limits = &settings.limits;
    if limits.memory < LEAST_MEMORY {
        problems.push(Problem::new("limits.memory", format!("at least {LEAST_MEMORY} are needed")));
    }
    if limits.connections.0 == 0 {
        problems.push(Problem::new("limits.connections", "without connections nothing can be done"));
    }
    if limits.connections_per_torrent.0 == 0 {
        problems
            .push(Problem::new("limits.connections_per_torrent", "without connections nothing can be done"));
    }
    if limits.alternative_schedule.iter().any(|window| window.from.minutes() == 24 * 60) {
        problems.push(Problem::new("limits.alternative_schedule", "`from` is before \"24:00\""));
    }
    if settings.feeds.interval < LEAST_FEED_INTERVAL {
        problems.push(Problem::new("feeds.interval", format!("at least {LEAST_FEED_INTERVAL}")));
    }
}

fn network(settings: &Settings, problems: &mut Vec<Problem>) {
    let peers = &settings.peers;
    let families: BTreeSet<bool> = peers.addresses.iter().map(|address| address.is_ipv4()).collect();
    if peers.addresses.is_empty() || families.len() < peers.addresses.len() {
        problems.push(Problem::new("peers.addresses", "one address or two, and of each family one"));
    }
    if let Some(Err(error)) = peers.interface.as_deref().map(Uplink::only) {
        problems.push(Problem::new("peers.interface", error.to_string()));
    }
    if peers.port.checked_add(peers.port_attempts).is_none() {
        problems.push(Problem::new("peers.port_attempts", "there are no ports above 65535"));
    }
    for entrance in &peers.dht_entrances {
        let has_port = |(host, port): (&str, &str)| !host.is_empty() && port.parse::<u16>().is_ok();
        if !entrance.rsplit_once(':').is_some_and(has_port) {
            problems.push(Problem::new("peers.dht_entrances", format!("`{entrance}` is not host:port")));
        }
    }
    for server in &settings.feeds.private_servers {
        if let Err(error) = server.parse::<HostPort>() {
            problems.push(Problem::new("feeds.private_servers", format!("`{server}` is {error}")));
        }
    }
}

fn api(settings: &Settings, problems: &mut Vec<Problem>) {
    let api = &settings.api;
    for host in &api.hosts {
        if !is_host(host) {
            let message =
                format!("`{host}` is not a name as it stands in an address bar, such as nas.lan:7772");
            problems.push(Problem::new("api.hosts", message));
        }
    }
    match (&api.tls_certificate, &api.tls_key) {
        (Some(_), None) => problems.push(Problem::new("api.tls_key", "the certificate needs its key")),
        (None, Some(_)) => {
            problems.push(Problem::new("api.tls_certificate", "the key needs its certificate"));
        }
        _ => {}
    }
    let mut seen = Vec::new();
    for address in &api.listen {
        let free_port = matches!(address, ListenAddress::Tcp(address) if address.port() == 0);
        if !free_port && seen.contains(&address) {
            problems.push(Problem::new("api.listen", format!("`{address}` stands there twice")));
        }
        seen.push(address);
    }
    for webhook in &settings.webhooks.endpoints {
        let is_http = |url: url::Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        if !url::Url::parse(webhook.url.reveal()).is_ok_and(is_http) {
            problems.push(Problem::new("webhooks.endpoints", "a `url` is not an http or https URL"));
        }
    }
}

/// `name` or `name:port`, and nothing else of a URL; no pattern either.
fn is_host(text: &str) -> bool {
    let (name, port) = text.rsplit_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '[' | ']' | ':');
    !name.is_empty() && name.chars().all(is_name) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}
