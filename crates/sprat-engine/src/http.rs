//! The one HTTP client for everything that goes out: announces, `.torrent` files, feeds, notifications.
//!
//! HTTP is spoken by hyper and TLS by rustls. What is added here is distrust: every hop's resolved address is judged
//! by the [policy](crate::address_policy) and exactly that address is connected to, redirects are few and never lead
//! from TLS to plain text, heads, bodies and durations have limits, certificates are always verified, and no error
//! text contains a path or a query, where private trackers put the keys of their users.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use data_encoding::BASE64;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use sprat_wire::compact::Family;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::{Position, Url};

use crate::address_policy::{AddressPolicy, Origin};
use crate::resolve::{ResolveError, Resolver};
use crate::uplink::Uplink;

mod connect;
mod host_port;
mod redacted;

pub use host_port::{HostPort, ParseHostPortError};
pub use redacted::RedactedUrl;

/// What servers are told about this program.
pub const USER_AGENT: &str = concat!("sprat/", env!("CARGO_PKG_VERSION"));

/// A chain of redirects longer than this is a loop or a game.
const MAX_REDIRECTS: usize = 5;

/// A status line with its header fields; browsers and servers agree on about this much.
const MAX_HEAD_LENGTH: usize = 16 * 1024;

/// How a [`HttpClient`] goes about its work.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Which addresses may be contacted.
    pub policy: Arc<AddressPolicy>,
    /// Who resolves host names.
    pub resolver: Resolver,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// How long setting up a connection may take, TLS included.
    pub connect_timeout: Duration,
    /// How long the server may take for its head, and how long it may be silent within its body.
    pub silence_timeout: Duration,
    /// Certificate authorities to trust in addition to those of the operating system.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// By which way servers are reached. Names are looked up as the system does it.
    pub uplink: Uplink,
}

impl HttpConfig {
    /// Everything but the policy as it should be.
    #[must_use]
    pub fn new(policy: Arc<AddressPolicy>) -> Self {
        Self {
            policy,
            resolver: Resolver::system(),
            user_agent: USER_AGENT.to_owned(),
            connect_timeout: Duration::from_secs(10),
            silence_timeout: Duration::from_secs(20),
            extra_roots: Vec::new(),
            uplink: Uplink::any(),
        }
    }
}

/// How much of an answer is taken, and for how long it is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest body, in bytes.
    pub body_length: usize,
    /// How long everything may take, redirects included.
    pub time: Duration,
}

impl Limits {
    /// For the answer of a tracker. 1 MiB holds 170,000 compact peers.
    pub const TRACKER: Self = Self { body_length: 1024 * 1024, time: Duration::from_secs(30) };

    /// For a `.torrent` file. Real ones reach 24 MiB.
    pub const TORRENT_FILE: Self = Self { body_length: 32 * 1024 * 1024, time: Duration::from_secs(300) };
}

/// What a request brings along.
#[derive(Default)]
pub struct HttpRequest {
    /// Header fields beyond the client's own. They are repeated wherever a redirect leads, so they must hold nothing
    /// that is meant for one server only.
    pub headers: HeaderMap,
    /// Posted if there is one. A POST is not repeated anywhere: a redirect is then an answer like any other.
    pub body: Option<Bytes>,
    /// The internet to use; either if `None`.
    pub family: Option<Family>,
    /// The one server that may be in the user's network although others name it, because the user has said so
    /// ([`Origin::User`]): here, and wherever redirects come back to it. A redirect from it leads to no other port of
    /// its machine.
    pub private_server: Option<HostPort>,
}

/// An answer, whatever its status.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code. Redirects have been followed, except to a magnet link, which is an answer in itself, and those
    /// of a POST.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body, complete.
    pub body: Bytes,
    /// The URL that answered.
    pub final_url: Url,
    /// The address that answered.
    pub remote: SocketAddr,
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("body_length", &self.body.len())
            .field("final_url", &RedactedUrl::from(&self.final_url))
            .field("remote", &self.remote)
            .finish()
    }
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum HttpError {
    /// The URL is not one that can be asked for.
    #[error("{0}")]
    Url(&'static str),
    /// The host has no address that may be contacted.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The host is not on the internet that was asked for.
    #[error("the host has no {} address", match .0 { Family::V4 => "IPv4", Family::V6 => "IPv6" })]
    NoAddress(Family),
    /// No connection to the host.
    #[error("could not connect: {0}")]
    Connect(#[source] io::Error),
    /// The host could not prove who it is, or does not speak TLS.
    #[error("could not connect securely: {0}")]
    Tls(#[source] io::Error),
    /// Nothing to verify certificates with.
    #[error("this system has no certificate authorities to verify the server with")]
    NoRoots,
    /// The server was too slow.
    #[error("timed out {0}")]
    Timeout(&'static str),
    /// The server does not speak HTTP/1, or hung up.
    #[error("the server did not answer in HTTP: {0}")]
    Protocol(#[source] hyper::Error),
    /// The head of the answer is over the limit.
    #[error("the head of the answer is longer than {} KiB", MAX_HEAD_LENGTH / 1024)]
    HeadTooLong,
    /// The body of the answer is over the limit.
    #[error("the answer is longer than {limit} bytes")]
    BodyTooLong {
        /// The limit.
        limit: usize,
    },
    /// The body is compressed, although nobody said that it may be.
    #[error("the server sent a compressed answer without being asked to")]
    Encoded,
    /// A redirect that must not be followed.
    #[error("refused a redirect {0}")]
    Redirect(&'static str),
    /// A redirect too many.
    #[error("redirected more than {MAX_REDIRECTS} times")]
    TooManyRedirects,
}

/// Fetches. Clones share everything.
#[derive(Debug, Clone)]
pub struct HttpClient {
    config: Arc<HttpConfig>,
    tls: Arc<connect::Tls>,
}

impl HttpClient {
    /// A client that works as `config` says. Costs nothing: the certificate authorities are read when the first
    /// `https` URL is asked for.
    #[must_use]
    pub fn new(config: HttpConfig) -> Self {
        let tls = Arc::new(connect::Tls::new(config.extra_roots.clone()));
        Self { config: Arc::new(config), tls }
    }

    /// Fetches `url`, which `origin` named.
    pub async fn get(&self, url: &str, limits: Limits, origin: Origin) -> Result<HttpResponse, HttpError> {
        self.send(url, HttpRequest::default(), limits, origin).await
    }

    /// Fetches `url` over one internet: a tracker learns the address from which it is asked (BEP 7).
    pub async fn get_over(
        &self,
        family: Family,
        url: &str,
        limits: Limits,
        origin: Origin,
    ) -> Result<HttpResponse, HttpError> {
        let request = HttpRequest { family: Some(family), ..HttpRequest::default() };
        self.send(url, request, limits, origin).await
    }

    /// Sends `request` to `url`, which `origin` named.
    pub async fn send(
        &self,
        url: &str,
        request: HttpRequest,
        limits: Limits,
        origin: Origin,
    ) -> Result<HttpResponse, HttpError> {
        let url = Url::parse(url).map_err(|_| HttpError::Url("not a URL"))?;
        if !is_of_the_web(&url) {
            return Err(HttpError::Url("neither an http nor an https URL"));
        }
        let answer = timeout(limits.time, self.follow(url, &request, limits, origin)).await;
        answer.map_err(|_| HttpError::Timeout("waiting for the answer"))?
    }

    async fn follow(
        &self,
        mut url: Url,
        request: &HttpRequest,
        limits: Limits,
        mut origin: Origin,
    ) -> Result<HttpResponse, HttpError> {
        let mut policy = Arc::clone(&self.config.policy);
        for _ in 0..=MAX_REDIRECTS {
            let is_private_server =
                request.private_server.is_some() && request.private_server == HostPort::of(&url);
            let named_by = if is_private_server { Origin::User } else { origin };
            let addresses = self.addresses(&url, request.family, &policy, named_by).await?;
            let (response, remote, _driver) = self.ask(&url, request, &addresses).await?;
            let next = match request.body {
                Some(_) => None,
                None => redirect_target(&url, response.status(), response.headers())?,
            };
            let Some(next) = next else {
                return self.receive(url, remote, response, limits.body_length).await;
            };
            tracing::debug!(from = %RedactedUrl::from(&url), to = %RedactedUrl::from(&next), "redirected");
            // The user named the first host, not where it points. Back to the very same machine is fine, unless only
            // one port of it was meant.
            if !is_private_server {
                policy = Arc::new(AddressPolicy::clone(&policy).allowing(remote.ip()));
            }
            origin = Origin::Torrent;
            url = next;
        }
        Err(HttpError::TooManyRedirects)
    }

    async fn addresses(
        &self,
        url: &Url,
        family: Option<Family>,
        policy: &AddressPolicy,
        origin: Origin,
    ) -> Result<Vec<SocketAddr>, HttpError> {
        let host = url.host_str().ok_or(HttpError::Url("the URL has no host"))?;
        let port = url.port_or_known_default().ok_or(HttpError::Url("the URL has no port"))?;
        let mut addresses = self.config.resolver.resolve(host, port, policy, origin).await?;
        if let Some(family) = family {
            addresses.retain(|address| Family::of(*address) == family);
            if addresses.is_empty() {
                return Err(HttpError::NoAddress(family));
            }
        }
        Ok(addresses)
    }

    /// Connects, asks, and returns the head of the answer. The connection lives as long as its driver.
    async fn ask(
        &self,
        url: &Url,
        request: &HttpRequest,
        addresses: &[SocketAddr],
    ) -> Result<(Response<Incoming>, SocketAddr, JoinSet<()>), HttpError> {
        let connected = timeout(self.config.connect_timeout, self.connect(url, addresses)).await;
        let (stream, remote) = connected.map_err(|_| HttpError::Timeout("connecting"))??;
        let (response, driver) = match stream {
            connect::Stream::Plain(stream) => self.exchange(self.request(url, request)?, stream).await?,
            connect::Stream::Tls(stream) => self.exchange(self.request(url, request)?, stream).await?,
        };
        Ok((response, remote, driver))
    }

    async fn connect(
        &self,
        url: &Url,
        addresses: &[SocketAddr],
    ) -> Result<(connect::Stream, SocketAddr), HttpError> {
        let stream = connect::first_of(addresses, &self.config.uplink).await.map_err(HttpError::Connect)?;
        let remote = stream.peer_addr().map_err(HttpError::Connect)?;
        let stream = match url.scheme() {
            "https" => connect::Stream::Tls(self.tls.handshake(url, stream).await?),
            _ => connect::Stream::Plain(stream),
        };
        Ok((stream, remote))
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<(Response<Incoming>, JoinSet<()>), HttpError> {
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_header_size(MAX_HEAD_LENGTH)
            .max_buf_size(2 * MAX_HEAD_LENGTH)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(protocol_error)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // What goes wrong here reaches the request and the body as well.
            let _ = connection.await;
        });
        let response = timeout(self.config.silence_timeout, sender.send_request(request)).await;
        let response = response.map_err(|_| HttpError::Timeout("waiting for the answer"))?;
        Ok((response.map_err(protocol_error)?, driver))
    }

    fn request(&self, url: &Url, asked: &HttpRequest) -> Result<Request<Full<Bytes>>, HttpError> {
        let mut request = Request::builder()
            .method(if asked.body.is_some() { Method::POST } else { Method::GET })
            .uri(&url[Position::BeforePath..Position::AfterQuery])
            .header(header::HOST, &url[Position::BeforeHost..Position::AfterPort])
            .header(header::USER_AGENT, &self.config.user_agent)
            .header(header::ACCEPT, "*/*")
            .header(header::CONNECTION, "close");
        if let Some(authorization) = authorization(url) {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        for (name, value) in &asked.headers {
            request = request.header(name, value);
        }
        let body = Full::new(asked.body.clone().unwrap_or_default());
        request.body(body).map_err(|_| HttpError::Url("the URL cannot be asked for"))
    }

    async fn receive(
        &self,
        final_url: Url,
        remote: SocketAddr,
        response: Response<Incoming>,
        limit: usize,
    ) -> Result<HttpResponse, HttpError> {
        let encoding = response.headers().get(header::CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(HttpError::Encoded);
        }
        let (head, body) = response.into_parts();
        let body = self.receive_body(body, limit).await?;
        Ok(HttpResponse { status: head.status.as_u16(), headers: head.headers, body, final_url, remote })
    }

    async fn receive_body(&self, mut body: Incoming, limit: usize) -> Result<Bytes, HttpError> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > limit {
            return Err(HttpError::BodyTooLong { limit });
        }
        let mut received = BytesMut::new();
        loop {
            let frame = timeout(self.config.silence_timeout, body.frame()).await;
            let Some(frame) = frame.map_err(|_| HttpError::Timeout("in the middle of the answer"))? else {
                return Ok(received.freeze());
            };
            let Ok(data) = frame.map_err(protocol_error)?.into_data() else { continue };
            if data.len() > limit.saturating_sub(received.len()) {
                return Err(HttpError::BodyTooLong { limit });
            }
            received.extend_from_slice(&data);
        }
    }
}

fn is_of_the_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// Where a redirect leads, or `None` when the answer is not one that can be followed: no redirect at all, or one to
/// a magnet link, which nobody has to be asked about.
fn redirect_target(url: &Url, status: StatusCode, headers: &HeaderMap) -> Result<Option<Url>, HttpError> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = headers.get(header::LOCATION).map(HeaderValue::as_bytes);
    let location = location.and_then(|location| str::from_utf8(location).ok());
    let location = location.ok_or(HttpError::Redirect("that does not say where to"))?;

    // Credentials are for the server they were written for: a relative target must not carry them along.
    let mut base = url.clone();
    strip_credentials(&mut base);
    let mut next = base.join(location).map_err(|_| HttpError::Redirect("to something that is not a URL"))?;
    if next.scheme() == "magnet" {
        return Ok(None);
    }
    if !is_of_the_web(&next) {
        return Err(HttpError::Redirect("to something that is neither http nor https"));
    }
    if url.scheme() == "https" && next.scheme() == "http" {
        return Err(HttpError::Redirect("from a secure to an insecure connection"));
    }
    if has_credentials(&next) {
        return Err(HttpError::Redirect("that brings its own credentials"));
    }
    if url.origin() == next.origin() && has_credentials(url) {
        // Cannot fail: the target has a host.
        let _ = next.set_username(url.username());
        let _ = next.set_password(url.password());
    }
    Ok(Some(next))
}

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn strip_credentials(url: &mut Url) {
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

/// The user name and password of a URL as a header (RFC 7617).
fn authorization(url: &Url) -> Option<HeaderValue> {
    if !has_credentials(url) {
        return None;
    }
    let mut credentials: Vec<u8> = percent_encoding::percent_decode_str(url.username()).collect();
    credentials.push(b':');
    credentials.extend(percent_encoding::percent_decode_str(url.password().unwrap_or_default()));
    let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64.encode(&credentials))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn protocol_error(error: hyper::Error) -> HttpError {
    if error.is_parse_too_large() { HttpError::HeadTooLong } else { HttpError::Protocol(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(from: &str, location: &str) -> Result<Option<Url>, HttpError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, HeaderValue::from_str(location).unwrap());
        redirect_target(&Url::parse(from).unwrap(), StatusCode::FOUND, &headers)
    }

    #[test]
    fn redirects_lead_where_they_say() {
        let cases = [
            ("http://a.example/x/y", "z", "http://a.example/x/z"),
            ("http://a.example/x/y", "/z?q", "http://a.example/z?q"),
            ("http://a.example/x", "//b.example/z", "http://b.example/z"),
            ("http://a.example/x", "https://a.example/x", "https://a.example/x"),
            ("http://me:key@a.example/x", "/z", "http://me:key@a.example/z"),
            ("http://me:key@a.example/x", "http://b.example/z", "http://b.example/z"),
            ("http://me:key@a.example/x", "http://a.example:81/z", "http://a.example:81/z"),
            ("http://me:key@a.example/x", "https:/z", "https://z/"),
        ];
        for (from, location, expected) in cases {
            assert_eq!(redirect(from, location).unwrap().unwrap().as_str(), expected, "{from} to {location}");
        }
    }

    #[test]
    fn redirects_out_of_the_web_are_refused() {
        let cases = [
            ("http://a.example/x", "file:///etc/passwd"),
            ("http://a.example/x", "ftp://a.example/"),
            ("http://a.example/x", "udp://a.example:80/"),
            ("http://a.example/x", "data:,x"),
            ("http://a.example/x", "gopher://a.example/"),
            ("https://a.example/x", "http://a.example/x"),
            ("http://a.example/x", "http://me:key@a.example/x"),
            ("http://a.example/x", "http://[::1"),
        ];
        for (from, location) in cases {
            let answer = redirect(from, location);
            assert!(matches!(answer, Err(HttpError::Redirect(_))), "{from} to {location}: {answer:?}");
        }
        let nowhere =
            redirect_target(&Url::parse("http://a.example").unwrap(), StatusCode::FOUND, &HeaderMap::new());
        assert!(matches!(nowhere, Err(HttpError::Redirect(_))));
    }

    #[test]
    fn a_redirect_to_a_magnet_link_is_an_answer() {
        assert_eq!(redirect("https://me:key@a.example/x", "MAGNET:?xt=urn:btih:0").unwrap(), None);
    }

    #[test]
    fn only_redirects_redirect() {
        let url = Url::parse("http://a.example").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, HeaderValue::from_static("http://b.example"));
        for status in [200, 201, 300, 304, 404, 500] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(redirect_target(&url, status, &headers).unwrap().is_none());
        }
    }

    #[test]
    fn credentials_become_a_header() {
        let url = Url::parse("http://me:a%20key@a.example/").unwrap();
        assert_eq!(authorization(&url).unwrap(), "Basic bWU6YSBrZXk=");
        assert_eq!(authorization(&Url::parse("http://a.example/").unwrap()), None);
    }
}
