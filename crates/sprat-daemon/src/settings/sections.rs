//! The declaration of every setting.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sprat_engine::dht::PUBLIC_ENTRANCES;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::key::{Key, Section, section};
use super::quantity::{
    Count, CountLimit, Limit, Rate, RateLimit, RatioLimit, SLOW, Size, Span, SpanLimit, TimeOfDay,
};
use super::secret::Secret;
use crate::webhook::EventKind;

/// Where the API listens unless told otherwise: this machine only. 7772 is S-P-R-A on a telephone.
const API_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7772);

/// Declares [`Settings`] and what goes through all sections of it.
macro_rules! settings {
    ($( $(#[doc = $doc:tt])* $name:ident: $section:ident; )*) => {
        /// The configuration file, with every key that it lacks at its default.
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct Settings {
            $( $(#[doc = $doc])* pub $name: $section, )*
        }

        /// Every setting, in the order of the file.
        #[must_use]
        pub fn keys() -> Vec<&'static Key> {
            let sections = [$( $section::KEYS, )*];
            sections.into_iter().flatten().collect()
        }

        /// Each section's name and documentation, in the order of the file.
        pub(super) fn section_names() -> Vec<(&'static str, &'static [&'static str])> {
            vec![$( ($section::NAME, $section::DOCUMENTATION), )*]
        }

        /// The settings in which two differ: what a reload or a change has changed, and so what has to be told of it.
        #[must_use]
        pub fn changed(old: &Settings, new: &Settings) -> Vec<&'static Key> {
            let sections = [$( old.$name.differing(&new.$name), )*];
            sections.into_iter().flatten().collect()
        }
    };
}

settings! {
    /// Directories.
    paths: Paths;
    /// How peers reach us and are found.
    peers: Peers;
    /// How much may be used.
    limits: Limits;
    /// How many torrents are active at a time.
    queue: Queue;
    /// When a torrent has given enough.
    seeding: Seeding;
    /// Whom we contact on the word of strangers.
    addresses: Addresses;
    /// How people and programs reach the daemon.
    api: Api;
    /// Feeds of torrents.
    feeds: Feeds;
    /// Whom to tell of what happens.
    webhooks: Webhooks;
    /// What is written down about the running.
    log: Log;
}

section! {
    /// Directories. Each is an absolute path; `~/` is the home of the daemon's user.
    paths: Paths {
        /// Where the daemon keeps its list of torrents, its progress and its token.
        /// Not set: $STATE_DIRECTORY, $XDG_STATE_HOME/sprat or ~/.local/state/sprat.
        state: Option<PathBuf> as Option<String> [InFile] = None, example "\"/var/lib/sprat\"";
        /// Where the files of a torrent go unless something else is said of it.
        /// Not set: `downloads` in $STATE_DIRECTORY, or ~/Downloads.
        downloads: Option<PathBuf> as Option<String> [AtOnce] = None, example "\"/srv/torrents\"";
        /// Where they are until they are complete. Not set: where they go in the end.
        incomplete: Option<PathBuf> as Option<String> [AtOnce] = None, example "\"/srv/torrents/incomplete\"";
        /// The only directories, besides `downloads` and `incomplete` as this file has them, in which the API may put
        /// files of torrents or look for them.
        roots: Vec<PathBuf> as Vec<String> [InFile] = Vec::new(), example "[\"/srv/torrents\", \"/mnt/more\"]";
        /// Folders in which .torrent files and files with magnet links are looked for. `afterwards` is what becomes of such
        /// a file: "rename" (appends .added), "remove" or "keep". `label`, `downloads` and `start` (default true) are given
        /// to the torrent.
        watch: Vec<WatchFolder> [InFile] = Vec::new(),
            example "[{ directory = \"/srv/watch\", label = \"linux\", afterwards = \"remove\" }]";
    }
}

section! {
    /// How peers reach us and are found.
    peers: Peers {
        /// TCP and UDP port on which peers reach us; 0 is any free one.
        port: u16 [AtRestart] = 6881;
        /// How many ports after `port` are tried while it is taken.
        port_attempts: u16 [AtRestart] = 8;
        /// Addresses to listen on and to call from, at most one of each family; without one of a family it is not used.
        addresses: Vec<IpAddr> as Vec<String> [AtRestart] =
            vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        /// The only network interface by which peers and trackers are spoken to, and files and feeds fetched. When it is gone, nothing is
        /// sent or received until it is there again. Names are looked up as the system does it. Not set: all of them.
        interface: Option<String> [AtRestart] = None, example "\"tun0\"";
        /// Look for peers in the DHT, and be a node of it (BEP 5).
        dht: bool [AtRestart] = true;
        /// Nodes to begin with where none are known yet: host:port.
        dht_entrances: Vec<String> [AtRestart] = PUBLIC_ENTRANCES.map(str::to_owned).to_vec();
        /// Look for peers on the local network (BEP 14).
        lsd: bool [AtRestart] = true;
        /// Tell peers of one another (BEP 11).
        pex: bool [AtRestart] = true;
    }
}

section! {
    /// How much may be used. Sizes have a unit ("512 MiB") or are bytes; rates likewise ("2 MiB/s"); or "unlimited".
    limits: Limits {
        /// What all buffers, connections and torrents together may hold in memory; at least 64 MiB.
        memory: Size [AtRestart] = Size(512 << 20);
        /// Connections to peers of all torrents together.
        connections: Count [AtRestart] = Count(500);
        /// Connections of one torrent.
        connections_per_torrent: Count [AtRestart] = Count(100);
        /// Peers of one torrent that are served at a time. "unlimited": as many as the line can serve well.
        upload_slots: CountLimit [AtRestart] = Limit::Unlimited, example "8";
        /// What is received from all peers together.
        download_rate: RateLimit [AtOnce] = Limit::Unlimited, example "\"20 MiB/s\"";
        /// What is sent to all peers together.
        upload_rate: RateLimit [AtOnce] = Limit::Unlimited, example "\"2 MiB/s\"";
        /// Instead of `download_rate`, while the alternative rates are on.
        alternative_download_rate: RateLimit [AtOnce] = Limit::Unlimited, example "\"1 MiB/s\"";
        /// Instead of `upload_rate`, while the alternative rates are on.
        alternative_upload_rate: RateLimit [AtOnce] = Limit::Unlimited, example "\"100 KiB/s\"";
        /// Whether the alternative rates are on: "schedule", "on" or "off". Switched by hand through an interface, they stay so until the
        /// schedule says the same.
        alternative: AlternativeRates [AtOnce] = AlternativeRates::Schedule;
        /// When the alternative rates are on: on these days (mon, tue, wed, thu, fri, sat, sun; none: every day) from a local
        /// time until a later one, or until that time of the next day.
        alternative_schedule: Vec<AlternativeWindow> [AtOnce] = Vec::new(),
            example "[{ days = [\"mon\", \"fri\"], from = \"08:00\", until = \"17:30\" }]";
    }
}

section! {
    /// How many torrents are active at a time; the others wait for their turn. A number or "unlimited".
    queue: Queue {
        /// Torrents that download.
        active_downloads: CountLimit [AtOnce] = Limit::To(Count(5));
        /// Torrents that are complete and seed.
        active_seeds: CountLimit [AtOnce] = Limit::Unlimited, example "50";
        /// Both together.
        active_total: CountLimit [AtOnce] = Limit::Unlimited, example "60";
        /// A torrent that moves less than this counts in none of them.
        slow_rate: Rate [AtOnce] = SLOW;
        /// How long it must have moved less.
        slow_after: Span [AtOnce] = Span::minutes(1);
    }
}

section! {
    /// When a torrent has given enough: as soon as one of these is reached. "unlimited": never.
    seeding: Seeding {
        /// Bytes given for each byte of the torrent's size.
        ratio: RatioLimit [AtOnce] = Limit::Unlimited, example "2.0";
        /// Time as a seeder.
        time: SpanLimit [AtOnce] = Limit::Unlimited, example "\"14 d\"";
        /// Time as a seeder in which nobody took anything.
        inactivity: SpanLimit [AtOnce] = Limit::Unlimited, example "\"2 d\"";
        /// What then becomes of it: "pause", "remove" (the files stay), "remove_with_data" or "super_seed".
        action: SeedingAction [AtOnce] = SeedingAction::Pause;
    }
}

section! {
    /// Whom we contact on the word of strangers.
    addresses: Addresses {
        /// Addresses of private networks, of this cable and of this machine may be contacted because a torrent, a tracker or
        /// a peer named them. A stranger could make sprat talk to your router.
        allow_private: bool [InFile] = false;
    }
}

section! {
    /// How people and programs reach the daemon. Every way needs the token, from this machine as well.
    api: Api {
        /// Addresses to listen on: "127.0.0.1:7772", `"[::1]:7772"`, or a socket "unix:/run/sprat/api.sock". Sockets that
        /// systemd hands over take their place. Without TLS, whoever sees the traffic sees the token.
        listen: Vec<ListenAddress> [InFile] = vec![ListenAddress::Tcp(API_ADDRESS)];
        /// Names under which browsers may reach the API, exactly as they stand in the address bar: "nas.lan:7772". Addresses
        /// by number, and "localhost" from this machine, need not be said.
        hosts: Vec<String> [InFile] = Vec::new(), example "[\"torrents.example.org\"]";
        /// Addresses of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed. They must pass on Host.
        trusted_proxies: Vec<IpAddr> as Vec<String> [InFile] = Vec::new(), example "[\"127.0.0.1\"]";
        /// The certificate with its chain, and its key, both PEM; with them TCP is TLS only. Read again on reload.
        tls_certificate: Option<PathBuf> as Option<String> [InFile] = None, example "\"/etc/sprat/cert.pem\"";
        /// The private key of the certificate.
        tls_key: Option<PathBuf> as Option<String> [InFile] = None, example "\"/etc/sprat/key.pem\"";
        /// A login in a browser ends when nothing came from it for this time.
        session_idle: Span [AtOnce] = Span::days(7);
        /// A login in a browser ends after this time.
        session_life: Span [AtOnce] = Span::days(30);
        /// Serve what programs for Transmission speak.
        transmission: bool [AtRestart] = false;
        /// Serve what programs for qBittorrent speak.
        qbittorrent: bool [AtRestart] = false;
    }
}

section! {
    /// Feeds of torrents (RSS, Atom, JSON feeds), which are made on the page or through the API.
    feeds: Feeds {
        /// How often each feed is fetched, unless it asks for more time; at least 5 min.
        interval: Span [AtOnce] = Span::minutes(30);
        /// Servers of your own network, host:port, at which feeds may be, and from which their torrents may be fetched: an
        /// indexer on this machine or in this house. Nothing else of the private network is ever fetched for a feed.
        private_servers: Vec<String> [InFile] = Vec::new(), example "[\"127.0.0.1:9117\", \"indexer.lan:9696\"]";
    }
}

section! {
    /// Whom to tell of what happens.
    webhooks: Webhooks {
        /// Each is sent a JSON object by POST. `events` are the kinds of events that it wants (added, metadata, finished, removed,
        /// trouble, feed_match); none: all. With `secret`, the header X-Sprat-Signature-256 is the HMAC-SHA-256 of the body.
        endpoints: Vec<Webhook> [AtOnce] = Vec::new(),
            example "[{ url = \"https://example.org/hook\", events = [\"finished\"], secret = \"change me\" }]";
    }
}

section! {
    /// What is written down about the running, to standard error. Tokens and passkeys never are.
    log: Log {
        /// "error", "warn", "info", "debug" or "trace".
        level: LogLevel [AtOnce] = LogLevel::Info;
    }
}

/// A folder in which torrents are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchFolder {
    /// The folder.
    #[schema(value_type = String)]
    pub directory: PathBuf,
    /// Where the files of its torrents go, if not to the general place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub downloads: Option<PathBuf>,
    /// The label of its torrents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether they start at once.
    #[serde(default = "yes")]
    pub start: bool,
    /// What becomes of the file.
    #[serde(default)]
    pub afterwards: Afterwards,
}

const fn yes() -> bool {
    true
}

/// What becomes of a file in a watch folder once its torrent was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Afterwards {
    /// `.added` is appended to its name.
    #[default]
    Rename,
    /// It is removed.
    Remove,
    /// Nothing; it is not added twice.
    Keep,
}

/// Whether the alternative rates are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlternativeRates {
    /// As the time of day says.
    Schedule,
    /// They are.
    On,
    /// They are not.
    Off,
}

/// A day of the week, by its English abbreviation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "their names say it")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl From<jiff::civil::Weekday> for Weekday {
    fn from(day: jiff::civil::Weekday) -> Self {
        match day {
            jiff::civil::Weekday::Monday => Self::Mon,
            jiff::civil::Weekday::Tuesday => Self::Tue,
            jiff::civil::Weekday::Wednesday => Self::Wed,
            jiff::civil::Weekday::Thursday => Self::Thu,
            jiff::civil::Weekday::Friday => Self::Fri,
            jiff::civil::Weekday::Saturday => Self::Sat,
            jiff::civil::Weekday::Sunday => Self::Sun,
        }
    }
}

/// When the alternative rates are on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlternativeWindow {
    /// The days on which it begins; none is every day.
    #[serde(default)]
    pub days: Vec<Weekday>,
    /// When it begins.
    pub from: TimeOfDay,
    /// When it ends: on the same day if that is later than `from`, otherwise on the next one.
    pub until: TimeOfDay,
}

/// What becomes of a torrent that has given enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeedingAction {
    /// It is paused.
    Pause,
    /// It leaves the list; its files stay.
    Remove,
    /// It leaves the list, and its files are deleted.
    RemoveWithData,
    /// It goes on as a super-seeder (BEP 16).
    SuperSeed,
}

/// Whom to tell of what happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where to: secret, since tokens stand in such URLs.
    #[schema(value_type = String)]
    pub url: Secret<String>,
    /// The kinds of events; none is all of them.
    #[serde(default)]
    pub events: Vec<EventKind>,
    /// The key of the signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub secret: Option<Secret<String>>,
}

/// What is worth a line of the log: the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// What needs somebody.
    Error,
    /// What may need somebody.
    Warn,
    /// What an operator may want to know later.
    Info,
    /// What explains a fault.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// As it stands in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Where the API listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP port; 0 is any free one.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(formatter, "{address}"),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

impl PartialSchema for ListenAddress {
    fn schema() -> RefOr<Schema> {
        String::schema()
    }
}

impl ToSchema for ListenAddress {}

impl Serialize for ListenAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ListenAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = match text.strip_prefix("unix:") {
            Some(path) => path.starts_with('/').then(|| Self::Unix(path.into())),
            None => text.parse().ok().map(Self::Tcp),
        };
        parsed.ok_or_else(|| {
            let expected =
                "an address such as \"127.0.0.1:7772\", \"[::1]:7772\" or \"unix:/run/sprat/api.sock\"";
            D::Error::invalid_value(Unexpected::Str(&text), &expected)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_schema_has_every_setting_with_its_meaning() {
        let mut schemas = Vec::new();
        Settings::schemas(&mut schemas);
        let schemas: BTreeMap<_, _> =
            schemas.into_iter().map(|(name, schema)| (name, serde_json::to_value(schema).unwrap())).collect();
        let whole = serde_json::to_value(Settings::schema()).unwrap();
        for key in keys() {
            let section = whole["properties"][key.section].to_string();
            let (_, name) = section.split_once("#/components/schemas/").unwrap();
            let setting = &schemas[name.split('"').next().unwrap()]["properties"][key.name];
            let told = setting["description"].as_str().unwrap_or_default();
            assert!(told.starts_with(key.documentation[0].trim()), "{}: {setting}", key.path());
        }
    }
}
