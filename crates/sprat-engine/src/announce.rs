//! Announces and scrapes, over whatever the URL of the tracker asks for.
//!
//! A tracker learns a client's address from where its announce comes from, so that it is told over IPv4 and over IPv6
//! at once (BEP 7). One success is a success; its peers are those of both answers.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sprat_core::io::TrackerFailure;
use sprat_wire::compact::Family;
use sprat_wire::hash::InfoHash;
use sprat_wire::tracker::http::{AnswerError, Retry};
use sprat_wire::tracker::udp::{MAX_URL_DATA, Request, Response};
use sprat_wire::tracker::{
    AnnounceEvent, AnnounceRequest, AnnounceResponse, MAX_PEERS, MAX_SCRAPE, ScrapeEntry,
};
use thiserror::Error;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use url::{Position, Url};

use crate::address_policy::{AddressPolicy, Origin};
use crate::http::{HttpClient, HttpConfig, HttpError, RedactedUrl, USER_AGENT};
use crate::resolve::{ResolveError, Resolver};
use crate::udp::UdpSockets;
use crate::uplink::Uplink;

mod http;
mod udp;

pub use udp::UdpPatience;
use udp::{UdpClient, UdpError};

/// Addresses of one UDP tracker that are tried, when the ones before were unreachable.
const MAX_UDP_ADDRESSES: usize = 3;

/// How an [`AnnounceClient`] goes about its work.
#[derive(Debug, Clone)]
pub struct AnnounceConfig {
    /// Which trackers may be contacted, and which peers are believed.
    pub policy: Arc<AddressPolicy>,
    /// Who resolves host names.
    pub resolver: Resolver,
    /// What HTTP trackers are told about this program.
    pub user_agent: String,
    /// How long one announce may take.
    pub time_limit: Duration,
    /// How long the announce of a client that leaves may take: somebody is waiting for the program to end.
    pub stopped_time_limit: Duration,
    /// How long the answer over the second internet is waited for, once there is one over the first.
    pub second_family_grace: Duration,
    /// How UDP requests are repeated.
    pub udp_patience: UdpPatience,
    /// By which way HTTP trackers are reached; UDP trackers by that of the sockets.
    pub uplink: Uplink,
}

impl AnnounceConfig {
    /// Everything but the policy as it should be.
    #[must_use]
    pub fn new(policy: Arc<AddressPolicy>) -> Self {
        Self {
            policy,
            resolver: Resolver::system(),
            user_agent: USER_AGENT.to_owned(),
            time_limit: Duration::from_secs(60),
            stopped_time_limit: Duration::from_secs(5),
            second_family_grace: Duration::from_secs(2),
            udp_patience: UdpPatience::default(),
            uplink: Uplink::any(),
        }
    }
}

/// Why an announce or a scrape failed: one short line for a person, without the URL.
#[derive(Debug, Error)]
pub enum AnnounceError {
    /// The URL is not one of a tracker, or not one that can do this.
    #[error("{0}")]
    Url(&'static str),
    /// The tracker has no address that may be contacted.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The tracker is not on this internet.
    #[error("the tracker has no address")]
    NoAddress,
    /// The HTTP exchange failed.
    #[error(transparent)]
    Http(HttpError),
    /// The HTTP tracker answered with an error, and without a reason.
    #[error("the tracker answered with HTTP status {0}")]
    Status(u16),
    /// The answer was not understood.
    #[error(transparent)]
    Answer(AnswerError),
    /// The UDP tracker was not reached.
    #[error("could not reach the tracker: {0}")]
    Socket(#[source] io::Error),
    /// No answer within the time limit.
    #[error("the tracker did not answer")]
    Timeout,
    /// The tracker refuses.
    #[error("the tracker says: {reason}")]
    Refused {
        /// Why, in the tracker's words.
        reason: String,
        /// When it may be asked again (BEP 31).
        retry: Option<Retry>,
    },
}

impl From<HttpError> for AnnounceError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Resolve(error) => Self::Resolve(error),
            HttpError::NoAddress(_) => Self::NoAddress,
            HttpError::Url(problem) => Self::Url(problem),
            error => Self::Http(error),
        }
    }
}

impl From<UdpError> for AnnounceError {
    fn from(error: UdpError) -> Self {
        match error {
            UdpError::Socket(error) => Self::Socket(error),
            UdpError::Silence => Self::Timeout,
            UdpError::Refused(reason) => Self::Refused { reason, retry: None },
        }
    }
}

impl AnnounceError {
    /// As the session is told.
    pub(crate) fn into_failure(self) -> TrackerFailure {
        let reason = self.to_string();
        if self.is_silence() { TrackerFailure::unreachable(reason) } else { TrackerFailure::answered(reason) }
    }

    /// Nothing came back from the host. That an address is forbidden to a torrent says nothing of the host: the user may
    /// have named it as well.
    const fn is_silence(&self) -> bool {
        match self {
            Self::Resolve(error) | Self::Http(HttpError::Resolve(error)) => {
                !matches!(error, ResolveError::Refused(_))
            }
            Self::NoAddress | Self::Socket(_) | Self::Timeout => true,
            Self::Http(error) => {
                matches!(
                    error,
                    HttpError::Connect(_)
                        | HttpError::Tls(_)
                        | HttpError::Timeout(_)
                        | HttpError::Protocol(_)
                )
            }
            Self::Url(_) | Self::Status(_) | Self::Answer(_) | Self::Refused { .. } => false,
        }
    }

    /// Of the errors of two internets, the one that tells more is shown: the tracker's own words before silence, and
    /// silence before an internet that this machine does not have.
    const fn weight(&self) -> u8 {
        match self {
            Self::Refused { .. } => 5,
            Self::Answer(_) | Self::Status(_) => 4,
            Self::Http(_) | Self::Timeout => 3,
            Self::Socket(_) => 2,
            Self::Resolve(_) | Self::Url(_) => 1,
            Self::NoAddress => 0,
        }
    }

    fn or_more_telling(self, other: Option<Self>) -> Self {
        match other {
            Some(other) if other.weight() >= self.weight() => other,
            _ => self,
        }
    }
}

/// Talks to trackers. Clones share everything.
#[derive(Debug, Clone)]
pub struct AnnounceClient {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: AnnounceConfig,
    http: HttpClient,
    udp: UdpClient,
}

/// A tracker's URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tracker {
    Http { url: String },
    Udp { host: String, port: u16, url_data: Vec<u8> },
}

impl AnnounceClient {
    /// A client that works as `config` says, and speaks with UDP trackers through these sockets.
    #[must_use]
    pub fn new(config: AnnounceConfig, sockets: UdpSockets) -> Self {
        let http = HttpClient::new(HttpConfig {
            resolver: config.resolver.clone(),
            user_agent: config.user_agent.clone(),
            uplink: config.uplink.clone(),
            ..HttpConfig::new(Arc::clone(&config.policy))
        });
        let udp = UdpClient::new(sockets, config.udp_patience);
        Self { inner: Arc::new(Inner { config, http, udp }) }
    }

    /// Our own network has changed: what UDP trackers have given us belongs to the address that we had.
    pub fn network_changed(&self) {
        self.inner.udp.forget_all();
    }

    /// Announces to the tracker at `url`, which `origin` named, over every internet that leads there.
    ///
    /// Peers that the [policy](AddressPolicy::accepts_peer) does not believe are left out. A client that leaves waits
    /// only shortly for an answer.
    pub async fn announce(
        &self,
        url: &str,
        request: &AnnounceRequest,
        origin: Origin,
    ) -> Result<AnnounceResponse, AnnounceError> {
        let config = &self.inner.config;
        let tracker = Tracker::parse(url)?;
        let limit = match request.event {
            AnnounceEvent::Stopped => config.stopped_time_limit,
            _ => config.time_limit,
        };
        let answers = over_each_family(limit, config.second_family_grace, |family| {
            let (inner, tracker, request) = (Arc::clone(&self.inner), tracker.clone(), request.clone());
            async move { inner.announce_over(family, &tracker, &request, origin).await }
        });
        let answers = answers.await;
        if let Err(error) = &answers {
            tracing::debug!(tracker = %RedactedUrl::parse(url), %error, "announce failed");
        }
        Ok(merge(answers?))
    }

    /// Asks the tracker at `url` for its figures on `swarms`. Swarms that it does not know may be missing in the
    /// answer.
    pub async fn scrape(
        &self,
        url: &str,
        swarms: &[InfoHash],
        origin: Origin,
    ) -> Result<BTreeMap<InfoHash, ScrapeEntry>, AnnounceError> {
        if swarms.is_empty() {
            return Ok(BTreeMap::new());
        }
        let tracker = Tracker::parse(url)?;
        // Both internets lead to the same figures: the first answer will do.
        let answers = over_each_family(self.inner.config.time_limit, Duration::ZERO, |family| {
            let (inner, tracker, swarms) = (Arc::clone(&self.inner), tracker.clone(), swarms.to_vec());
            async move { inner.scrape_over(family, &tracker, &swarms, origin).await }
        });
        Ok(answers.await?.into_iter().next().unwrap_or_default())
    }
}

impl Inner {
    async fn announce_over(
        &self,
        family: Family,
        tracker: &Tracker,
        request: &AnnounceRequest,
        origin: Origin,
    ) -> Result<AnnounceResponse, AnnounceError> {
        let (mut answer, remote) = match tracker {
            Tracker::Http { url } => http::announce(&self.http, url, request, family, origin).await?,
            Tracker::Udp { host, port, url_data } => {
                let ask = |connection, transaction| Request::Announce {
                    connection,
                    transaction,
                    announce: request.clone(),
                    url_data: url_data.clone(),
                };
                let (response, remote) = self.ask_udp(host, *port, family, origin, ask).await?;
                let Response::Announce { announce, .. } = response else {
                    return Err(AnnounceError::Timeout);
                };
                (announce, remote)
            }
        };
        let named = answer.peers.len();
        answer.peers.retain(|peer| self.config.policy.accepts_peer(*peer, Some(remote)));
        if answer.peers.len() < named {
            tracing::debug!(tracker = %remote, refused = named - answer.peers.len(), "refused some peers");
        }
        Ok(answer)
    }

    async fn scrape_over(
        &self,
        family: Family,
        tracker: &Tracker,
        swarms: &[InfoHash],
        origin: Origin,
    ) -> Result<BTreeMap<InfoHash, ScrapeEntry>, AnnounceError> {
        let mut figures = BTreeMap::new();
        for part in swarms.chunks(MAX_SCRAPE) {
            match tracker {
                Tracker::Http { url } => {
                    figures.append(&mut http::scrape(&self.http, url, part, family, origin).await?);
                }
                Tracker::Udp { host, port, .. } => {
                    let ask = |connection, transaction| Request::Scrape {
                        connection,
                        transaction,
                        info_hashes: part.to_vec(),
                    };
                    let (response, _) = self.ask_udp(host, *port, family, origin, ask).await?;
                    let Response::Scrape { entries, .. } = response else {
                        return Err(AnnounceError::Timeout);
                    };
                    figures.extend(part.iter().copied().zip(entries));
                }
            }
        }
        Ok(figures)
    }

    async fn ask_udp(
        &self,
        host: &str,
        port: u16,
        family: Family,
        origin: Origin,
        ask: impl Fn(u64, u32) -> Request,
    ) -> Result<(Response, IpAddr), AnnounceError> {
        let addresses = self.config.resolver.resolve(host, port, &self.config.policy, origin).await?;
        let of_family = addresses.into_iter().filter(|address| Family::of(*address) == family);
        let mut failure = AnnounceError::NoAddress;
        for address in of_family.take(MAX_UDP_ADDRESSES) {
            // The tests of the address policy count these.
            tracing::trace!(%address, "connecting");
            match self.udp.ask(address, &ask).await {
                Ok(response) => return Ok((response, address.ip())),
                Err(UdpError::Socket(error)) => failure = AnnounceError::Socket(error),
                Err(error) => return Err(error.into()),
            }
        }
        Err(failure)
    }
}

impl Tracker {
    fn parse(text: &str) -> Result<Self, AnnounceError> {
        let url = Url::parse(text).map_err(|_| AnnounceError::Url("not a URL"))?;
        match url.scheme() {
            // The text, not the URL: what a private tracker wrote after the "?" is left as it is.
            "http" | "https" => Ok(Self::Http { url: text.to_owned() }),
            "udp" => {
                let host = url.host_str().filter(|host| !host.is_empty());
                let host = host.ok_or(AnnounceError::Url("the URL has no host"))?.to_owned();
                let port = url.port().ok_or(AnnounceError::Url("the URL of a UDP tracker needs a port"))?;
                let path_and_query = &url[Position::BeforePath..Position::AfterQuery];
                if path_and_query.len() > MAX_URL_DATA {
                    return Err(AnnounceError::Url("the URL is too long for UDP"));
                }
                let url_data = if path_and_query == "/" { "" } else { path_and_query };
                Ok(Self::Udp { host, port, url_data: url_data.as_bytes().to_vec() })
            }
            "ws" | "wss" => Err(AnnounceError::Url("WebSocket trackers are for browsers and not supported")),
            _ => Err(AnnounceError::Url("not the URL of a tracker: neither http, https nor udp")),
        }
    }
}

/// Asks over both internets at once. After the first success the other has `grace` to follow. At least one answer, or
/// the more telling of the errors.
async fn over_each_family<T, F>(
    limit: Duration,
    grace: Duration,
    ask: impl Fn(Family) -> F,
) -> Result<Vec<T>, AnnounceError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, AnnounceError>> + Send + 'static,
{
    let mut asking = JoinSet::new();
    for family in [Family::V4, Family::V6] {
        asking.spawn(ask(family));
    }
    let mut deadline = Instant::now() + limit;
    let mut answers = Vec::new();
    let mut failure = None;
    loop {
        match timeout_at(deadline, asking.join_next()).await {
            Ok(Some(Ok(Ok(answer)))) => {
                answers.push(answer);
                deadline = deadline.min(Instant::now() + grace);
            }
            Ok(Some(Ok(Err(error)))) => failure = Some(error.or_more_telling(failure)),
            Ok(Some(Err(error))) => tracing::error!(%error, "an announce ended in a bug"),
            Ok(None) => break,
            Err(_) => {
                failure = Some(AnnounceError::Timeout.or_more_telling(failure));
                break;
            }
        }
    }
    if answers.is_empty() { Err(failure.unwrap_or(AnnounceError::Timeout)) } else { Ok(answers) }
}

/// One answer out of those of both internets: all peers, the longer intervals, the larger figures.
fn merge(answers: Vec<AnnounceResponse>) -> AnnounceResponse {
    let mut answers = answers.into_iter();
    let mut merged = answers.next().unwrap_or_default();
    for answer in answers {
        merged.interval = merged.interval.max(answer.interval);
        merged.min_interval = merged.min_interval.max(answer.min_interval);
        merged.complete = merged.complete.max(answer.complete);
        merged.incomplete = merged.incomplete.max(answer.incomplete);
        merged.tracker_id = merged.tracker_id.or(answer.tracker_id);
        merged.external_ip = merged.external_ip.or(answer.external_ip);
        merged.warning = merged.warning.or(answer.warning);
        merged.peers.extend(answer.peers);
    }
    remove_duplicates(&mut merged.peers);
    merged.peers.truncate(MAX_PEERS);
    merged
}

fn remove_duplicates(peers: &mut Vec<SocketAddr>) {
    let mut seen = BTreeSet::new();
    peers.retain(|peer| seen.insert(*peer));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracker_urls_are_taken_apart() {
        let udp = |host: &str, port, url_data: &str| Tracker::Udp {
            host: host.to_owned(),
            port,
            url_data: url_data.as_bytes().to_vec(),
        };
        let cases = [
            ("udp://a.example:80", udp("a.example", 80, "")),
            ("udp://a.example:80/", udp("a.example", 80, "")),
            ("udp://a.example:80/announce", udp("a.example", 80, "/announce")),
            ("udp://a.example:80/a?key=1#x", udp("a.example", 80, "/a?key=1")),
            ("udp://[::1]:80", udp("[::1]", 80, "")),
            ("UDP://A.example:80", udp("A.example", 80, "")),
        ];
        for (url, expected) in cases {
            assert_eq!(Tracker::parse(url).unwrap(), expected, "{url}");
        }
        let http = Tracker::Http { url: "http://a.example/announce".to_owned() };
        assert_eq!(Tracker::parse("http://a.example/announce").unwrap(), http);
    }

    #[test]
    fn other_urls_are_not_trackers() {
        let long = format!("udp://a.example:80/{}", "x".repeat(MAX_URL_DATA));
        let urls = [
            "",
            "x",
            "udp://a.example",
            "udp://:80",
            "udp:a",
            "wss://a.example",
            "file:///etc/passwd",
            &long,
        ];
        for url in urls {
            assert!(matches!(Tracker::parse(url), Err(AnnounceError::Url(_))), "{url}");
        }
    }

    #[test]
    fn answers_of_both_internets_become_one() {
        let peers =
            |list: &[&str]| list.iter().map(|peer| peer.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let v4 = AnnounceResponse {
            interval: 1800,
            complete: Some(3),
            peers: peers(&["1.1.1.1:1111", "2.2.2.2:2222"]),
            ..AnnounceResponse::default()
        };
        let v6 = AnnounceResponse {
            interval: 900,
            min_interval: Some(60),
            complete: Some(5),
            warning: Some("old".to_owned()),
            peers: peers(&["[2606::1]:1111", "1.1.1.1:1111"]),
            ..AnnounceResponse::default()
        };
        let merged = merge(vec![v4, v6]);
        assert_eq!((merged.interval, merged.min_interval, merged.complete), (1800, Some(60), Some(5)));
        assert_eq!(merged.peers, peers(&["1.1.1.1:1111", "2.2.2.2:2222", "[2606::1]:1111"]));
        assert_eq!(merged.warning.as_deref(), Some("old"));
    }

    #[test]
    fn the_trackers_own_words_are_shown_first() {
        let refused = || AnnounceError::Refused { reason: "unregistered".to_owned(), retry: None };
        let shown = AnnounceError::Timeout.or_more_telling(Some(refused()));
        assert_eq!(shown.to_string(), "the tracker says: unregistered");
        let shown = refused().or_more_telling(Some(AnnounceError::NoAddress));
        assert_eq!(shown.to_string(), "the tracker says: unregistered");
    }
}
