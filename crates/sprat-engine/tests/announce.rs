//! Announces and scrapes to trackers that are well, ill, deaf or hostile.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where its set-up does")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sprat_engine::address_policy::{AddressPolicy, Origin};
use sprat_engine::announce::{AnnounceClient, AnnounceConfig, AnnounceError, UdpPatience};
use sprat_engine::resolve::{ResolveError, Resolver};
use sprat_engine::udp::{UdpConfig, UdpSockets};
use sprat_wire::compact::Family;
use sprat_wire::hash::{InfoHash, PeerId};
use sprat_wire::tracker::udp::{Request, Response};
use sprat_wire::tracker::{AnnounceEvent, AnnounceRequest, AnnounceResponse, MAX_SCRAPE, ScrapeEntry, http};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

use loopback::{Answer, WebServer, ok};

mod loopback;

const CONNECTION: u64 = 0x0123_4567_89ab_cdef;
const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

fn client_with(config: AnnounceConfig) -> AnnounceClient {
    AnnounceClient::new(config, UdpSockets::bind(&UdpConfig::everywhere(0)).unwrap())
}

fn config() -> AnnounceConfig {
    AnnounceConfig::new(Arc::new(AddressPolicy::public()))
}

fn client() -> AnnounceClient {
    client_with(config())
}

/// Repeats UDP requests after 0.3 s, 0.6 s and 1.2 s: for trackers that are silent on purpose. Everybody else is
/// given the default 15 s, so that a busy machine does not look like a silent tracker.
fn impatient() -> AnnounceClient {
    let udp_patience = UdpPatience { first_timeout: Duration::from_millis(300), attempts: 3 };
    client_with(AnnounceConfig { udp_patience, ..config() })
}

fn request() -> AnnounceRequest {
    AnnounceRequest {
        info_hash: InfoHash([7; 20]),
        peer_id: PeerId(*b"-SP0100-abcdefghijkl"),
        port: 6881,
        uploaded: 1,
        downloaded: 2,
        left: 3,
        event: AnnounceEvent::Started,
        num_want: None,
        key: 4,
        ip: None,
        tracker_id: None,
    }
}

/// Announces, and fails when that takes longer than the shortest of the default time limits that matter here.
async fn promptly(
    client: &AnnounceClient,
    url: &str,
    request: &AnnounceRequest,
) -> Result<AnnounceResponse, AnnounceError> {
    let found = client.announce(url, request, Origin::User);
    tokio::time::timeout(Duration::from_secs(10), found).await.expect("an announce that does not wait")
}

fn peers(list: &[&str]) -> Vec<SocketAddr> {
    list.iter().map(|peer| peer.parse().unwrap()).collect()
}

fn answer(interval: u32, list: &[&str]) -> AnnounceResponse {
    AnnounceResponse { interval, peers: peers(list), ..AnnounceResponse::default() }
}

fn has_v6() -> bool {
    std::net::UdpSocket::bind((V6, 0)).is_ok()
}

/// One datagram that a tracker sends.
enum Datagram {
    Proper(Response),
    Raw(Vec<u8>),
    /// As proper as can be, but from another socket.
    FromElsewhere(Response),
}

/// A UDP tracker that follows a script: the datagrams to send for each request.
struct UdpTracker {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    _tasks: JoinSet<()>,
}

impl UdpTracker {
    async fn start(ip: IpAddr, mut script: impl FnMut(&Request) -> Vec<Datagram> + Send + 'static) -> Self {
        let socket = UdpSocket::bind((ip, 0)).await.unwrap();
        let elsewhere = UdpSocket::bind((ip, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let family = Family::of(address);
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut buffer = [0; 4096];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let request = Request::decode(&buffer[..length]).unwrap();
                let datagrams = script(&request);
                seen.lock().unwrap().push(request);
                for datagram in datagrams {
                    let (socket, bytes) = match datagram {
                        Datagram::Proper(response) => (&socket, encode(&response, family)),
                        Datagram::Raw(bytes) => (&socket, bytes),
                        Datagram::FromElsewhere(response) => (&elsewhere, encode(&response, family)),
                    };
                    // A client that has gone is no reason to stop.
                    let _ = socket.send_to(&bytes, from).await;
                }
            }
        });
        Self { address, requests, _tasks: tasks }
    }

    fn url(&self) -> String {
        format!("udp://{}/announce", self.address)
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    fn connects(&self) -> usize {
        self.requests().iter().filter(|request| matches!(request, Request::Connect { .. })).count()
    }
}

fn encode(response: &Response, family: Family) -> Vec<u8> {
    let mut bytes = Vec::new();
    response.encode(family, &mut bytes);
    bytes
}

/// What a healthy tracker answers.
fn proper(request: &Request, list: &[&str]) -> Response {
    let transaction = request.transaction();
    match request {
        Request::Connect { .. } => Response::Connect { transaction, connection: CONNECTION },
        Request::Announce { connection, .. } | Request::Scrape { connection, .. }
            if *connection != CONNECTION =>
        {
            Response::Error { transaction, message: "connection id?".to_owned() }
        }
        Request::Announce { .. } => Response::Announce { transaction, announce: answer(1800, list) },
        Request::Scrape { info_hashes, .. } => {
            let entries = info_hashes.iter().map(|hash| ScrapeEntry { complete: hash.0[0].into(), ..zero() });
            Response::Scrape { transaction, entries: entries.collect() }
        }
    }
}

fn zero() -> ScrapeEntry {
    ScrapeEntry::default()
}

fn refusal(request: &Request, message: &str) -> Datagram {
    Datagram::Proper(Response::Error { transaction: request.transaction(), message: message.to_owned() })
}

/// The transaction id changed by one.
fn other_transaction(request: &Request) -> Request {
    let mut request = request.clone();
    match &mut request {
        Request::Connect { transaction }
        | Request::Announce { transaction, .. }
        | Request::Scrape { transaction, .. } => *transaction = transaction.wrapping_add(1),
    }
    request
}

#[tokio::test]
async fn a_udp_announce_brings_peers_and_the_connection_id_is_used_again() {
    let tracker =
        UdpTracker::start(V4, |request| vec![Datagram::Proper(proper(request, &["8.8.8.8:6881"]))]).await;
    let client = client();
    for _ in 0..2 {
        let found = client.announce(&tracker.url(), &request(), Origin::User).await.unwrap();
        assert_eq!((found.interval, found.peers), (1800, peers(&["8.8.8.8:6881"])));
    }
    assert_eq!(tracker.connects(), 1);
    let Request::Announce { announce, url_data, .. } = &tracker.requests()[1] else { panic!() };
    assert_eq!((announce, &url_data[..]), (&request(), &b"/announce"[..]));
}

#[tokio::test]
async fn udp_over_ipv6_brings_ipv6_peers() {
    if !has_v6() {
        return;
    }
    let list = &["[2606:4700::1]:6881", "[2606:4700::2]:6882"];
    let tracker = UdpTracker::start(V6, |request| vec![Datagram::Proper(proper(request, list))]).await;
    let found = client().announce(&tracker.url(), &request(), Origin::User).await.unwrap();
    assert_eq!(found.peers, peers(list));
}

#[tokio::test]
async fn datagrams_that_are_not_the_answer_are_passed_over() {
    let tracker = UdpTracker::start(V4, |request| {
        let forged = proper(&other_transaction(request), &["6.6.6.6:6666"]);
        let right = proper(request, &["8.8.8.8:6881"]);
        let wrong_kind = match request {
            Request::Connect { transaction } => {
                Response::Scrape { transaction: *transaction, entries: Vec::new() }
            }
            _ => Response::Connect { transaction: request.transaction(), connection: 1 },
        };
        let mut cut_off = encode(&right, Family::V4);
        cut_off.pop();
        let mut unknown_action = encode(&right, Family::V4);
        unknown_action[3] = 9;
        vec![
            Datagram::Raw(Vec::new()),
            Datagram::Raw(vec![0; 7]),
            Datagram::Raw(vec![0xff; 2000]),
            Datagram::Raw(cut_off),
            Datagram::Raw(unknown_action),
            Datagram::Proper(forged),
            Datagram::Proper(wrong_kind),
            Datagram::FromElsewhere(proper(request, &["6.6.6.6:6666"])),
            Datagram::Proper(right),
        ]
    })
    .await;
    let found = client().announce(&tracker.url(), &request(), Origin::User).await.unwrap();
    assert_eq!(found.peers, peers(&["8.8.8.8:6881"]));
}

#[tokio::test]
async fn answers_from_elsewhere_alone_are_silence() {
    let tracker =
        UdpTracker::start(V4, |request| vec![Datagram::FromElsewhere(proper(request, &["6.6.6.6:6666"]))])
            .await;
    let found = impatient().announce(&tracker.url(), &request(), Origin::User).await;
    assert!(matches!(found, Err(AnnounceError::Timeout)), "{found:?}");
}

#[tokio::test]
async fn requests_are_repeated_and_then_given_up() {
    let tracker = UdpTracker::start(V4, |_| Vec::new()).await;
    let found = impatient().announce(&tracker.url(), &request(), Origin::User).await;
    assert!(matches!(found, Err(AnnounceError::Timeout)), "{found:?}");
    let requests = tracker.requests();
    assert_eq!(requests.len(), 3);
    // Repeated as they were, so that an answer to any of them counts.
    assert!(requests.iter().all(|request| *request == requests[0]));
}

#[tokio::test]
async fn a_lost_request_and_a_late_answer_cost_a_repetition_each() {
    let mut late = None;
    let mut connects = 0;
    let tracker = UdpTracker::start(V4, move |request| {
        if matches!(request, Request::Connect { .. }) {
            // The first one is lost.
            connects += 1;
            return if connects == 1 { Vec::new() } else { vec![Datagram::Proper(proper(request, &[]))] };
        }
        // The answer to the first announce comes only after the repetition.
        match late.take() {
            None => {
                late = Some(proper(request, &["8.8.8.8:6881"]));
                Vec::new()
            }
            Some(response) => vec![Datagram::Proper(response)],
        }
    })
    .await;
    let found = impatient().announce(&tracker.url(), &request(), Origin::User).await.unwrap();
    assert_eq!(found.peers, peers(&["8.8.8.8:6881"]));
    assert_eq!((tracker.connects(), tracker.requests().len()), (2, 4));
}

#[tokio::test]
async fn a_connection_id_that_the_tracker_has_forgotten_is_replaced() {
    for silent in [false, true] {
        let mut current = 0;
        let mut announces = 0;
        let tracker = UdpTracker::start(V4, move |request| match request {
            Request::Connect { transaction } => {
                current += 1;
                vec![Datagram::Proper(Response::Connect { transaction: *transaction, connection: current })]
            }
            Request::Announce { connection, transaction, .. } => {
                announces += 1;
                if announces == 2 {
                    return if silent { Vec::new() } else { vec![refusal(request, "who are you?")] };
                }
                assert_eq!(*connection, current);
                let announce = answer(announces, &[]);
                vec![Datagram::Proper(Response::Announce { transaction: *transaction, announce })]
            }
            Request::Scrape { .. } => Vec::new(),
        })
        .await;
        let client = impatient();
        assert_eq!(client.announce(&tracker.url(), &request(), Origin::User).await.unwrap().interval, 1);
        assert_eq!(client.announce(&tracker.url(), &request(), Origin::User).await.unwrap().interval, 3);
        assert_eq!(tracker.connects(), 2, "silent: {silent}");
    }
}

#[tokio::test]
async fn a_udp_refusal_is_reported_in_the_trackers_words() {
    let tracker = UdpTracker::start(V4, |request| match request {
        Request::Connect { .. } => vec![Datagram::Proper(proper(request, &[]))],
        _ => vec![refusal(request, "unregistered torrent")],
    })
    .await;
    let error = client().announce(&tracker.url(), &request(), Origin::User).await.unwrap_err();
    assert_eq!(error.to_string(), "the tracker says: unregistered torrent");
}

#[tokio::test]
async fn a_closed_port_is_noticed_without_waiting() {
    let closed = std::net::UdpSocket::bind((V4, 0)).unwrap().local_addr().unwrap();
    // Waiting would take 15 s.
    let found = promptly(&client(), &format!("udp://{closed}"), &request()).await;
    assert!(matches!(found, Err(AnnounceError::Socket(_))), "{found:?}");
}

#[tokio::test]
async fn a_client_that_leaves_does_not_wait_for_a_deaf_tracker() {
    let udp = UdpTracker::start(V4, |_| Vec::new()).await;
    let web = WebServer::start("127.0.0.1:0", vec![Answer::Hang(Vec::new())]).await;
    let client = client_with(AnnounceConfig { stopped_time_limit: Duration::from_millis(100), ..config() });
    let stopped = AnnounceRequest { event: AnnounceEvent::Stopped, ..request() };
    for url in [udp.url(), web.url("/announce")] {
        let found = promptly(&client, &url, &stopped).await;
        assert!(matches!(found, Err(AnnounceError::Timeout)), "{found:?}");
    }
}

#[tokio::test]
async fn peers_are_believed_as_near_as_the_tracker() {
    let named = &[
        "8.8.8.8:6881",
        "127.0.0.1:6882",
        "192.168.1.9:6881",
        "169.254.169.254:6881",
        "8.8.4.4:22",
        "224.0.0.1:6881",
    ];
    let believed = peers(&["8.8.8.8:6881", "127.0.0.1:6882", "192.168.1.9:6881"]);
    let udp = UdpTracker::start(V4, |request| vec![Datagram::Proper(proper(request, named))]).await;
    let body = http::encode_announce_response(&answer(1800, named), true);
    let web = WebServer::start("127.0.0.1:0", vec![ok(&body)]).await;
    for url in [udp.url(), web.url("/announce")] {
        assert_eq!(client().announce(&url, &request(), Origin::User).await.unwrap().peers, believed, "{url}");
    }
}

#[tokio::test]
async fn a_torrent_cannot_name_a_tracker_on_this_machine() {
    let udp = UdpTracker::start(V4, |request| vec![Datagram::Proper(proper(request, &[]))]).await;
    let web = WebServer::start("127.0.0.1:0", vec![ok(b"")]).await;
    let urls = [
        udp.url(),
        web.url("/announce"),
        format!("udp://2130706433:{}", udp.address.port()),
        format!("udp://0x7f.1:{}", udp.address.port()),
        format!("udp://localhost:{}", udp.address.port()),
        format!("udp://[::ffff:127.0.0.1]:{}", udp.address.port()),
    ];
    for url in urls {
        let found = client().announce(&url, &request(), Origin::Torrent).await;
        assert!(matches!(found, Err(AnnounceError::Resolve(ResolveError::Refused(_)))), "{url}: {found:?}");
        let found = client().scrape(&url, &[InfoHash([7; 20])], Origin::Torrent).await;
        assert!(matches!(found, Err(AnnounceError::Resolve(ResolveError::Refused(_)))), "{url}: {found:?}");
    }
    assert_eq!((udp.requests().len(), web.requests().len()), (0, 0));
}

#[tokio::test]
async fn an_http_announce_carries_its_query_and_brings_peers() {
    let told = AnnounceResponse { tracker_id: Some("id".to_owned()), ..answer(900, &["8.8.8.8:6881"]) };
    let bodies = [true, false].map(|compact| ok(&http::encode_announce_response(&told, compact)));
    let web = WebServer::start("127.0.0.1:0", bodies.to_vec()).await;
    for _ in 0..2 {
        let found =
            client().announce(&web.url("/announce?passkey=1"), &request(), Origin::User).await.unwrap();
        assert_eq!((found.interval, found.peers), (900, peers(&["8.8.8.8:6881"])));
    }
    let head = &web.requests()[0];
    let query = head.strip_prefix("GET /announce?").unwrap().split(' ').next().unwrap();
    let sent = http::announce_request_from_query(query.as_bytes()).unwrap();
    assert_eq!(sent.announce, request());
    assert!(query.contains("passkey=1&"), "what the URL brought along stays: {query}");
}

#[tokio::test]
async fn http_failures_give_a_short_reason() {
    let failure = b"d14:failure reason12:unregisterede";
    let forbidden = [&b"HTTP/1.1 403 Forbidden\r\n\r\n"[..], failure].concat();
    let endless = Answer::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 4096]);
    let cases = [
        (ok(failure), "the tracker says: unregistered"),
        (Answer::Bytes(forbidden), "the tracker says: unregistered"),
        (
            Answer::Bytes(b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>".to_vec()),
            "the tracker answered with HTTP status 502",
        ),
        (ok(b"<html>"), "the answer is not one of a tracker"),
        (ok(b"de"), "the tracker's answer has no usable"),
        (ok(b""), "the answer is not one of a tracker"),
        (ok(&b"l".repeat(100_000)), "the answer is not one of a tracker"),
        (endless, "the answer is longer than 1048576 bytes"),
        (Answer::Bytes(b"garbage\r\n\r\n".to_vec()), "the server did not answer in HTTP"),
    ];
    for (answer, expected) in cases {
        let web = WebServer::start("127.0.0.1:0", vec![answer]).await;
        let error = client().announce(&web.url("/announce"), &request(), Origin::User).await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(expected) && text.len() < 200, "{text} instead of {expected}");
    }
}

/// A web server on one port of both internets of this machine, known as `tracker.example`; `None` without IPv6.
async fn on_both(v4: Answer, v6: Answer) -> Option<(WebServer, WebServer, String, AnnounceConfig)> {
    if !has_v6() {
        return None;
    }
    let resolver = Resolver::system().pinning("tracker.example", vec![V6, V4]);
    loop {
        let first = WebServer::start("127.0.0.1:0", vec![v4.clone()]).await;
        let port = first.address.port();
        // Somebody else may have the port on the other internet.
        let other = SocketAddr::new(V6, port);
        if TcpListener::bind(other).await.is_err() {
            continue;
        }
        let second = WebServer::start(&other.to_string(), vec![v6]).await;
        let url = format!("http://tracker.example:{port}/announce");
        return Some((first, second, url, AnnounceConfig { resolver, ..config() }));
    }
}

#[tokio::test]
async fn answers_over_both_internets_are_merged() {
    let v4 = ok(&http::encode_announce_response(&answer(900, &["8.8.8.8:6881"]), true));
    let v6 =
        ok(&http::encode_announce_response(&answer(1800, &["[2606:4700::1]:6881", "8.8.8.8:6881"]), true));
    let Some((first, second, url, config)) = on_both(v4, v6).await else { return };
    let patient = AnnounceConfig { second_family_grace: Duration::from_secs(30), ..config };
    let found = client_with(patient).announce(&url, &request(), Origin::User).await.unwrap();
    let mut list = found.peers;
    list.sort_unstable();
    assert_eq!((found.interval, list), (1800, peers(&["8.8.8.8:6881", "[2606:4700::1]:6881"])));
    assert_eq!((first.requests().len(), second.requests().len()), (1, 1));
}

#[tokio::test]
async fn one_internet_is_enough() {
    let good = || ok(&http::encode_announce_response(&answer(900, &["8.8.8.8:6881"]), true));
    let refusal = || ok(b"d14:failure reason7:no IPv6e");
    let deaf = || Answer::Hang(Vec::new());
    for (v4, v6) in [(good(), refusal()), (refusal(), good()), (good(), deaf()), (deaf(), good())] {
        let Some((_first, _second, url, config)) = on_both(v4, v6).await else { return };
        // Long enough that a deaf server would be noticed, were it waited for.
        let config = AnnounceConfig { second_family_grace: Duration::from_millis(100), ..config };
        let found = promptly(&client_with(config), &url, &request()).await.unwrap();
        assert_eq!(found.peers, peers(&["8.8.8.8:6881"]));
    }
}

#[tokio::test]
async fn the_refusal_of_one_internet_is_shown_rather_than_the_silence_of_the_other() {
    let Some((_first, _second, url, config)) =
        on_both(Answer::Hang(Vec::new()), ok(b"d14:failure reason12:unregisterede")).await
    else {
        return;
    };
    let config = AnnounceConfig { time_limit: Duration::from_millis(500), ..config };
    let error = client_with(config).announce(&url, &request(), Origin::User).await.unwrap_err();
    assert_eq!(error.to_string(), "the tracker says: unregistered");
}

#[tokio::test]
async fn scrapes_bring_the_figures_of_each_swarm() {
    // More than are asked for at a time.
    let swarms: Vec<InfoHash> = (0..100).map(|number| InfoHash([number; 20])).collect();
    let figures: BTreeMap<InfoHash, ScrapeEntry> =
        swarms.iter().map(|hash| (*hash, ScrapeEntry { complete: hash.0[0].into(), ..zero() })).collect();
    let parts = swarms.chunks(MAX_SCRAPE).map(|part| {
        let part = part.iter().map(|hash| (*hash, figures[hash])).collect();
        ok(&http::encode_scrape_response(&part))
    });
    let udp = UdpTracker::start(V4, |request| vec![Datagram::Proper(proper(request, &[]))]).await;
    let web = WebServer::start("127.0.0.1:0", parts.collect()).await;
    for url in [udp.url(), web.url("/announce?passkey=1")] {
        let found = client().scrape(&url, &swarms, Origin::User).await.unwrap();
        assert!(found == figures, "{url}: {} swarms", found.len());
    }
    assert_eq!((udp.connects(), udp.requests().len()), (1, 3));
    assert!(web.requests()[0].starts_with("GET /scrape?passkey=1&info_hash=%00"), "{}", web.requests()[0]);

    let found = client().scrape(&web.url("/tracker.php"), &swarms, Origin::User).await;
    assert!(matches!(found, Err(AnnounceError::Url(_))), "{found:?}");
    assert!(client().scrape(&web.url("/announce"), &[], Origin::User).await.unwrap().is_empty());
}
