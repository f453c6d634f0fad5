//! HTTP connections: how many there may be, and what is served over them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sprat_tracker::{Protocol, Refusal};
use sprat_wire::tracker::http as wire;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::TrackerServerConfig;
use super::guard::{Guarded, Timeouts, Watch};
use super::report;
use super::service::Service;

/// The longest head of a request: an announce takes 300 bytes, a scrape of 74 swarms 5 200.
const MAX_HEAD: usize = 8 * 1024;

/// How long nothing is accepted after the system refused to: usually it is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Bencoded answers go as this since the first tracker.
const TEXT: &str = "text/plain";
const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=0.0.4";

/// Who may connect, and who is connected.
pub(super) struct Gate {
    max_connections: usize,
    max_per_address: usize,
    proxies: BTreeSet<IpAddr>,
    timeouts: Timeouts,
    serve_statistics: bool,
    open: RefCell<Open>,
}

#[derive(Default)]
struct Open {
    total: usize,
    by_network: BTreeMap<IpAddr, usize>,
}

impl Gate {
    pub(super) fn new(config: &TrackerServerConfig) -> Self {
        Self {
            max_connections: config.max_connections,
            max_per_address: config.max_connections_per_address,
            proxies: config.trusted_proxies.iter().map(IpAddr::to_canonical).collect(),
            timeouts: config.timeouts,
            serve_statistics: config.serve_statistics,
            open: RefCell::default(),
        }
    }

    /// A place for a connection from `address`, held until the pass is dropped.
    fn enter(self: &Rc<Self>, address: IpAddr) -> Option<Pass> {
        let address = address.to_canonical();
        let mut open = self.open.borrow_mut();
        let network = network(address);
        let of_network = open.by_network.get(&network).copied().unwrap_or_default();
        let exempt = address.is_loopback() || self.proxies.contains(&address);
        if open.total >= self.max_connections || (of_network >= self.max_per_address && !exempt) {
            return None;
        }
        open.total += 1;
        open.by_network.insert(network, of_network + 1);
        Some(Pass { gate: Rc::clone(self), network })
    }

    /// Who makes a request: the other end of the connection or, where that is a trusted proxy, the last address in
    /// `X-Forwarded-For` that is none. What stands before that one is hearsay. `None` when a proxy does not say.
    fn client(&self, remote: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let remote = remote.to_canonical();
        if !self.proxies.contains(&remote) {
            return Some(remote);
        }
        let lists = headers.get_all("x-forwarded-for").into_iter().rev();
        for entry in lists.flat_map(|list| list.to_str().unwrap_or("?").rsplit(',')) {
            let address = entry.trim().parse::<IpAddr>().ok()?.to_canonical();
            if !self.proxies.contains(&address) {
                return Some(address);
            }
        }
        None
    }
}

struct Pass {
    gate: Rc<Gate>,
    network: IpAddr,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut open = self.gate.open.borrow_mut();
        open.total -= 1;
        if let Some(count) = open.by_network.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                open.by_network.remove(&self.network);
            }
        }
    }
}

/// What the limit per address counts by: the address in IPv4, the /64 in IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// Accepts until the server stops, then waits for the open connections.
pub(super) async fn serve(
    listener: TcpListener,
    service: Rc<Service>,
    gate: Rc<Gate>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stopping.wait_for(|&stopping| stopping) => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, remote)) = accepted else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Some(pass) = gate.enter(remote.ip()) else {
            service.count(|traffic| traffic.http_connections_refused += 1);
            continue;
        };
        service.count(|traffic| {
            traffic.http_connections += 1;
            traffic.http_connections_open += 1;
        });
        let (service, stopping) = (Rc::clone(&service), stopping.clone());
        connections.spawn_local(async move {
            serve_connection(stream, remote, &service, &pass.gate, stopping).await;
            service.count(|traffic| traffic.http_connections_open -= 1);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve_connection(
    stream: TcpStream,
    remote: SocketAddr,
    service: &Rc<Service>,
    gate: &Rc<Gate>,
    mut stopping: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true); // without it answers come later, and come
    let watch = Rc::new(Watch::new(gate.timeouts));
    let guarded = Guarded { stream, watch: Rc::clone(&watch), service: Rc::clone(service) };
    let handle = service_fn(|request: Request<hyper::body::Incoming>| {
        watch.request_arrived();
        service.count(|traffic| traffic.http_requests += 1);
        let response = respond(service, gate, remote, &request);
        if response.status() != StatusCode::OK {
            service.count(|traffic| traffic.http_errors += 1);
        }
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let connection = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .header_read_timeout(None) // the watch knows better
        .serve_connection(TokioIo::new(guarded), handle);
    let mut connection = pin!(connection);
    let mut expired = pin!(watch.expired());
    let mut ending = false;
    loop {
        tokio::select! {
            biased; // the watch is to see what the connection has just done
            ended = &mut connection => {
                if ended.is_err_and(|error| error.is_parse()) {
                    service.count(|traffic| traffic.http_errors += 1);
                }
                return;
            }
            () = &mut expired => {
                service.count(|traffic| traffic.http_timeouts += 1);
                return;
            }
            _ = stopping.wait_for(|&stopping| stopping), if !ending => {
                ending = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn respond<B: hyper::body::Body>(
    service: &Service,
    gate: &Gate,
    remote: SocketAddr,
    request: &Request<B>,
) -> Response<Full<Bytes>> {
    let mut response = route(service, gate, remote, request);
    // Nothing here reads a body; so that none has to be skipped, the connection ends with it.
    if !request.body().is_end_stream() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn route<B>(
    service: &Service,
    gate: &Gate,
    remote: SocketAddr,
    request: &Request<B>,
) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET is served\n");
    }
    let query = request.uri().query().unwrap_or_default().as_bytes();
    match request.uri().path() {
        "/announce" | "/scrape" => {
            let Some(client) = gate.client(remote.ip(), request.headers()) else {
                return response(StatusCode::BAD_REQUEST, TEXT, "the proxy does not say who asks\n");
            };
            // Behind a proxy the port is the proxy's; the machine does not look at it.
            let client = SocketAddr::new(client, remote.port());
            let body = if request.uri().path() == "/announce" {
                announce(service, client, query)
            } else {
                scrape(service, client, query)
            };
            body.map_or_else(|error| malformed(&error), |body| response(StatusCode::OK, TEXT, body))
        }
        "/stats" if gate.serve_statistics => {
            response(StatusCode::OK, JSON, report::json(&service.statistics()))
        }
        "/metrics" if gate.serve_statistics => {
            response(StatusCode::OK, PROMETHEUS, report::prometheus(&service.statistics()))
        }
        _ => response(StatusCode::NOT_FOUND, TEXT, "this is a BitTorrent tracker: /announce, /scrape\n"),
    }
}

fn announce(service: &Service, client: SocketAddr, query: &[u8]) -> Result<Vec<u8>, wire::QueryError> {
    let query = wire::announce_request_from_query(query)?;
    Ok(match service.announce(Protocol::Http, client, &query.announce) {
        Ok(answer) => wire::encode_announce_response(&answer, query.compact),
        // Clients read refusals in answers with status 200; many ignore the body of others.
        Err(refusal) => {
            wire::encode_failure(&wire::Failure { reason: refusal.to_string(), retry: retry(refusal) })
        }
    })
}

fn scrape(service: &Service, client: SocketAddr, query: &[u8]) -> Result<Vec<u8>, wire::QueryError> {
    let info_hashes = wire::scrape_hashes_from_query(query)?;
    let entries = service.scrape(Protocol::Http, client, &info_hashes);
    Ok(wire::encode_scrape_response(&info_hashes.into_iter().zip(entries).collect()))
}

const fn retry(refusal: Refusal) -> Option<wire::Retry> {
    match refusal {
        Refusal::NotPermitted => Some(wire::Retry::Never),
        Refusal::Full => Some(wire::Retry::Minutes(30)),
    }
}

/// A bencoded refusal, because a client may well read it, but with the status of an error.
fn malformed(error: &wire::QueryError) -> Response<Full<Bytes>> {
    let failure = wire::Failure { reason: error.to_string(), retry: None };
    response(StatusCode::BAD_REQUEST, TEXT, wire::encode_failure(&failure))
}

fn response(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(config: TrackerServerConfig) -> Rc<Gate> {
        Rc::new(Gate::new(&config))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn forwarded(lists: &[&'static str]) -> HeaderMap {
        lists
            .iter()
            .map(|list| {
                (hyper::header::HeaderName::from_static("x-forwarded-for"), HeaderValue::from_static(list))
            })
            .collect()
    }

    #[test]
    fn only_a_trusted_proxy_speaks_for_others() {
        let gate = gate(TrackerServerConfig {
            trusted_proxies: vec![ip("10.0.0.1"), ip("10.0.0.2")],
            ..TrackerServerConfig::default()
        });
        let client = |remote, lists: &[&'static str]| gate.client(ip(remote), &forwarded(lists));
        assert_eq!(client("192.0.2.1", &["198.51.100.1"]), Some(ip("192.0.2.1")), "a stranger's claim");
        assert_eq!(client("10.0.0.1", &["198.51.100.1"]), Some(ip("198.51.100.1")));
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.1"]), Some(ip("198.51.100.1")));
        assert_eq!(
            client("10.0.0.1", &["203.0.113.5, 198.51.100.1"]),
            Some(ip("198.51.100.1")),
            "the last counts"
        );
        assert_eq!(client("10.0.0.1", &["203.0.113.5", "198.51.100.1,10.0.0.2"]), Some(ip("198.51.100.1")));
        assert_eq!(client("10.0.0.1", &[]), None);
        assert_eq!(client("10.0.0.1", &["198.51.100.1, unknown"]), None);
        assert_eq!(client("10.0.0.1", &["2001:db8::1"]), Some(ip("2001:db8::1")));
    }

    #[test]
    fn connections_are_limited_by_source_and_in_total() {
        let gate = gate(TrackerServerConfig {
            max_connections: 6,
            max_connections_per_address: 2,
            ..TrackerServerConfig::default()
        });
        let mut passes: Vec<Pass> = (0..2).filter_map(|_| gate.enter(ip("192.0.2.1"))).collect();
        assert!(gate.enter(ip("192.0.2.1")).is_none());
        assert!(gate.enter(ip("::ffff:192.0.2.1")).is_none());
        passes.extend(gate.enter(ip("2001:db8::1")));
        passes.extend(gate.enter(ip("2001:db8::2")));
        assert!(gate.enter(ip("2001:db8::3")).is_none(), "one /64 is one source");
        passes.pop();
        passes.extend(gate.enter(ip("2001:db8::3")));
        assert_eq!(passes.len(), 4);

        passes.extend(gate.enter(ip("192.0.2.2")));
        passes.extend(gate.enter(ip("127.0.0.1")));
        assert_eq!(passes.len(), 6);
        assert!(gate.enter(ip("127.0.0.1")).is_none(), "the total holds for all");
        drop(passes);
        assert!(gate.open.borrow().by_network.is_empty());
    }

    #[test]
    fn loopback_may_open_any_number() {
        let gate =
            gate(TrackerServerConfig { max_connections_per_address: 1, ..TrackerServerConfig::default() });
        let passes: Vec<Pass> = (0..100).filter_map(|_| gate.enter(ip("127.0.0.1"))).collect();
        assert_eq!(passes.len(), 100);
    }
}
