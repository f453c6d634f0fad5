//! Documents that somebody asks the daemon to get: `.torrent` files and feeds.
//!
//! Whoever may use the interfaces of the daemon may look at torrents, not around in the network the daemon lives in. So
//! these URLs are judged like those in a torrent ([`Origin::Torrent`]): only public addresses, and those that the
//! policy allows. An indexer in the same house is opened by name and port, for its feeds and for what they offer there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use sprat_engine::address_policy::Origin;
use sprat_engine::http::{HostPort, HttpClient, HttpError, HttpRequest, HttpResponse, Limits};
use sprat_engine::resolve::ResolveError;
use sprat_wire::magnet::{Magnet, MagnetError};
use thiserror::Error;
use url::Url;

/// For a feed. Long ones have about 1 MiB; what takes longer than two minutes comes again anyway.
const FEED: Limits = Limits { body_length: 16 * 1024 * 1024, time: Duration::from_secs(120) };

/// Entity tags and dates longer than this are not remembered: they would be sent back with each request.
const MAX_VALIDATOR_LENGTH: usize = 1024;

/// A server that asks for more patience than this is asked after this long.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// What a URL led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// What should be a `.torrent` file: a bencoded dictionary by its first byte, not looked at further.
    TorrentFile(Bytes),
    /// A magnet link: the "URL" was one, or redirected to one.
    Magnet(Box<Magnet>),
}

/// What a server calls the state of a document, to be asked later whether it is still that one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Validators {
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

impl Validators {
    fn of(response: &HttpResponse) -> Self {
        let value = |name: HeaderName| {
            response.headers.get(name).filter(|value| value.len() <= MAX_VALIDATOR_LENGTH).cloned()
        };
        Self { etag: value(header::ETAG), last_modified: value(header::LAST_MODIFIED) }
    }
}

/// What a server says of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedDocument {
    /// It is what it was.
    Unchanged,
    /// It is this.
    Changed {
        /// The document, not looked at.
        body: Bytes,
        /// The URL that answered, against which relative ones are to be read.
        base: Url,
        /// What to ask with next time.
        validators: Validators,
    },
}

/// Why there is no document. No text of it contains more of a URL than its host.
#[derive(Debug, Error)]
pub enum FetchError {
    /// No answer, or one that must not be taken.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The server has nothing for us.
    #[error("the server answered with status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// How long the server wishes to be left alone; at most a day.
        retry_after: Option<Duration>,
    },
    /// Not a torrent: mostly the page on which to log in.
    #[error("the server sent something that is not a .torrent file{}", if *is_html { " but a web page" } else { "" })]
    NotATorrent {
        /// Said to be, or recognisably, HTML.
        is_html: bool,
    },
    /// A magnet link that is none.
    #[error("not a usable magnet link: {0}")]
    Magnet(#[from] MagnetError),
}

impl FetchError {
    /// How long the server wishes to be left alone, if it said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the address is one that may not be contacted for whoever named it.
    #[must_use]
    pub const fn is_refused_address(&self) -> bool {
        matches!(self, Self::Http(HttpError::Resolve(ResolveError::Refused(_))))
    }
}

/// Gets documents. Clones share everything.
#[derive(Debug, Clone)]
pub struct Fetcher {
    http: HttpClient,
    private_servers: Arc<[HostPort]>,
}

impl Fetcher {
    /// Fetches by `http`, whose policy says which addresses are open to users of the daemon.
    #[must_use]
    pub fn new(http: HttpClient) -> Self {
        Self { http, private_servers: Arc::default() }
    }

    /// The same, but feeds may live at these servers of the private network.
    #[must_use]
    pub fn with_private_servers(self, servers: impl IntoIterator<Item = HostPort>) -> Self {
        Self { private_servers: servers.into_iter().collect(), ..self }
    }

    /// What to add for `url`: an `http` or `https` URL, or a magnet link, for which nothing is fetched. At most 32 MiB
    /// in at most five minutes.
    pub async fn torrent(&self, url: &str) -> Result<Source, FetchError> {
        self.torrent_from(url, HttpRequest::default()).await
    }

    /// The same for a URL that the feed at `feed` offers. If that is a private server, this URL may be of the same one.
    pub async fn torrent_of_feed(&self, feed: &str, url: &str) -> Result<Source, FetchError> {
        self.torrent_from(url, self.request_for(feed)).await
    }

    async fn torrent_from(&self, url: &str, request: HttpRequest) -> Result<Source, FetchError> {
        if is_magnet(url) {
            return magnet(url);
        }
        let response = self.http.send(url, request, Limits::TORRENT_FILE, Origin::Torrent).await?;
        if let Some(location) = response.headers.get(header::LOCATION).and_then(|value| value.to_str().ok())
            && is_magnet(location)
        {
            return magnet(location);
        }
        match response.status {
            200 if response.body.first() == Some(&b'd') => Ok(Source::TorrentFile(response.body)),
            200 => Err(FetchError::NotATorrent { is_html: is_html(&response) }),
            _ => Err(status(&response)),
        }
    }

    /// The feed at `url`, unless it is still the one that `known` was said of. At most 16 MiB in at most two minutes.
    pub async fn feed(&self, url: &str, known: &Validators) -> Result<FeedDocument, FetchError> {
        let mut request = self.request_for(url);
        if let Some(etag) = &known.etag {
            request.headers.insert(header::IF_NONE_MATCH, etag.clone());
        }
        if let Some(last_modified) = &known.last_modified {
            request.headers.insert(header::IF_MODIFIED_SINCE, last_modified.clone());
        }
        let response = self.http.send(url, request, FEED, Origin::Torrent).await?;
        match response.status {
            200 => {
                let validators = Validators::of(&response);
                Ok(FeedDocument::Changed { body: response.body, base: response.final_url, validators })
            }
            304 if *known != Validators::default() => Ok(FeedDocument::Unchanged),
            _ => Err(status(&response)),
        }
    }

    /// A request on behalf of the feed at `feed`.
    fn request_for(&self, feed: &str) -> HttpRequest {
        let server = Url::parse(feed).ok().and_then(|url| HostPort::of(&url));
        HttpRequest {
            private_server: server.filter(|server| self.private_servers.contains(server)),
            ..HttpRequest::default()
        }
    }
}

fn is_magnet(url: &str) -> bool {
    const SCHEME: &[u8] = b"magnet:";
    url.trim_start().as_bytes().get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}

fn magnet(link: &str) -> Result<Source, FetchError> {
    Ok(Source::Magnet(Box::new(link.parse()?)))
}

fn status(response: &HttpResponse) -> FetchError {
    // The other form of the field, a date, is rare, and would have to be compared with a clock that may jump.
    let seconds =
        response.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let retry_after = seconds.map(|seconds| Duration::from_secs(seconds).min(MAX_RETRY_AFTER));
    FetchError::Status { status: response.status, retry_after }
}

fn is_html(response: &HttpResponse) -> bool {
    let declared = response
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    declared || response.body.trim_ascii_start().first() == Some(&b'<')
}
