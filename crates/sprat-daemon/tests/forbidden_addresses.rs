//! Nobody who names a URL to the daemon, or to somebody whom the daemon believes, makes it look around in the network
//! that it lives in.
//!
//! "No connection is made" is seen in three ways: by the error, by an observer of every attempt to connect (the engine
//! logs them), and by listeners on all addresses of this machine, which are knocked at in the end: whoever else has
//! knocked before comes out first.

#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, Once, PoisonError};

use sprat_daemon::feeds;
use sprat_daemon::fetch::{FetchError, Fetcher, Validators};
use sprat_engine::address_policy::{AddressPolicy, Origin};
use sprat_engine::announce::{AnnounceClient, AnnounceConfig, AnnounceError};
use sprat_engine::http::{HttpClient, HttpConfig, HttpError};
use sprat_engine::resolve::{ResolveError, Resolver};
use sprat_engine::udp::{UdpConfig, UdpSockets};
use sprat_wire::hash::{InfoHash, PeerId};
use sprat_wire::tracker::{AnnounceEvent, AnnounceRequest};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tracing::field::{Field, Visit};

use loopback::{Answer, WebServer, ok};

#[allow(dead_code, reason = "not every test needs all of it")]
#[path = "../../sprat-engine/tests/loopback/mod.rs"]
mod loopback;

/// Stands for a server on the internet: the only address that may be contacted.
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 7, 7, 7));

/// Stands for a machine of the house, at one port of which feeds may be.
const AT_HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 7, 7, 8));

/// Hosts in every spelling that leads inside.
const HOSTS: [&str; 112] = [
    // This machine, as text, with parts left out, decimal, hexadecimal, octal, and in other digits.
    "127.0.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "127.1",
    "127.0.1",
    "127.0.0.1.",
    "2130706433",
    "0x7f000001",
    "0x7F.1",
    "0x7f.0x0.0x0.0x1",
    "0177.0.0.1",
    "0177.1",
    "017700000001",
    "127.0x1",
    "127.0.01",
    "localhost",
    "LocalHost",
    "loc%61lhost",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "１２７.０.０.１",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "0",
    "0.0.0.0",
    "0x0",
    "00",
    "0.1.2.3",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[::]",
    // Link-local, and where clouds keep the keys of their machines.
    "169.254.169.254",
    "169.254.0.1",
    "2852039166",
    "0xa9fea9fe",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.16689662",
    "[fe80::1]",
    "[febf::1]",
    "[fe80::a9fe:a9fe]",
    "[fd00:ec2::254]",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    // This site.
    "10.0.0.1",
    "10.255.255.255",
    "10.1",
    "167772161",
    "0x0a000001",
    "012.0.0.1",
    "172.16.0.1",
    "172.20.30.40",
    "172.31.255.254",
    "2886729729",
    "192.168.0.1",
    "192.168.1.1",
    "192.168.257",
    "3232235777",
    "0xc0a80101",
    "0300.0250.1.1",
    "100.64.0.1",
    "100.127.255.254",
    "[fc00::1]",
    "[fd12:3456:789a::1]",
    "[fdff:ffff:ffff::1]",
    "[fec0::1]",
    "[64:ff9b:1::1]",
    // IPv6 addresses that carry others.
    "[::127.0.0.1]",
    "[::10.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::ffff:0.0.0.0]",
    "[::ffff:10.0.0.1]",
    "[::ffff:172.16.0.1]",
    "[::ffff:192.168.1.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:7f00:1::]",
    "[2002:c0a8:101::]",
    "[2002:a9fe:a9fe::1]",
    "[2001:0:7f00:1::]",
    "[2001:0:102:304:0:0:80ff:fffe]",
    // Addresses of nobody, and of many.
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "198.18.0.1",
    "192.88.99.1",
    "240.0.0.1",
    "255.255.255.255",
    "224.0.0.1",
    "239.255.255.250",
    "[ff02::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[100::1]",
    // Names that resolve to such addresses (see `resolver`).
    "loopback.example",
    "LOOPBACK.example",
    "six.example",
    "mapped.example",
    "metadata.example",
    "private.example",
    "unique.example",
    "zero.example",
    "several.example",
];

/// Whole URLs that say one thing and mean another. `{}` is a port at which this machine listens.
const TRICKS: [&str; 31] = [
    "http://1.1.1.1@127.0.0.1:{}/",
    "http://1.1.1.1:80@127.0.0.1:{}/",
    "http://user:1.1.1.1@127.0.0.1:{}/",
    "http://1.1.1.1%2F@127.0.0.1:{}/",
    "http://a%40b@127.0.0.1:{}/",
    "http://a@b@127.0.0.1:{}/",
    "http://@127.0.0.1:{}/",
    "http://127.0.0.1:{}\\@1.1.1.1/",
    "http://127.0.0.1:{}#@1.1.1.1/",
    "http://127.0.0.1:{}?@1.1.1.1/",
    "http:\\\\127.0.0.1:{}/",
    "http:/127.0.0.1:{}/",
    "http:///127.0.0.1:{}/",
    "HTTP://127.0.0.1:{}/",
    " http://127.0.0.1:{}/ ",
    "ht\ttp://127.0.\t0.1:{}/",
    "https://127.0.0.1:{}/",
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "FILE:///etc/passwd",
    "ftp://127.0.0.1:{}/",
    "gopher://127.0.0.1:{}/_x",
    "dict://127.0.0.1:{}/",
    "ldap://127.0.0.1:{}/",
    "sftp://127.0.0.1:{}/",
    "smb://127.0.0.1/share",
    "ws://127.0.0.1:{}/",
    "unix:/run/docker.sock",
    "jar:http://127.0.0.1:{}/!/",
    "data:application/x-bittorrent,d1:a0:e",
    "javascript:alert(1)",
];

fn resolver() -> Resolver {
    let names: [(&str, &[&str]); 8] = [
        ("loopback.example", &["127.0.0.1"]),
        ("six.example", &["::1"]),
        ("mapped.example", &["::ffff:127.0.0.1"]),
        ("metadata.example", &["169.254.169.254"]),
        ("private.example", &["10.0.0.1", "192.168.0.1"]),
        ("unique.example", &["fd00::1"]),
        ("zero.example", &["0.0.0.0"]),
        ("several.example", &["10.0.0.1", "::1", "127.0.0.1", "169.254.169.254"]),
    ];
    names.into_iter().fold(Resolver::system(), |resolver, (name, addresses)| {
        resolver.pinning(name, addresses.iter().map(|ip| ip.parse().unwrap()).collect())
    })
}

fn policy() -> Arc<AddressPolicy> {
    Arc::new(AddressPolicy::public().allowing(OUTSIDE))
}

fn fetcher_with(resolver: Resolver) -> Fetcher {
    Fetcher::new(HttpClient::new(HttpConfig { resolver, ..HttpConfig::new(policy()) }))
}

fn fetcher() -> Fetcher {
    fetcher_with(resolver())
}

fn announcer_with(resolver: Resolver) -> AnnounceClient {
    let config = AnnounceConfig { resolver, ..AnnounceConfig::new(policy()) };
    AnnounceClient::new(config, UdpSockets::bind(&UdpConfig::everywhere(0)).unwrap())
}

/// Every address to which somebody in this process wanted to connect.
static ATTEMPTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Takes down what the engine logs before it connects.
struct Observer;

impl tracing::Subscriber for Observer {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("sprat_engine") && metadata.fields().field("address").is_some()
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Attempt);
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

struct Attempt;

impl Visit for Attempt {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "address" {
            attempts(|attempts| attempts.push(format!("{value:?}")));
        }
    }
}

fn attempts<R>(look: impl FnOnce(&mut Vec<String>) -> R) -> R {
    look(&mut ATTEMPTS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Listens on every address of this machine, at one port.
struct Inside {
    tcp: TcpListener,
    udp: UdpSocket,
    port: u16,
}

impl Inside {
    async fn listen() -> Self {
        static OBSERVE: Once = Once::new();
        OBSERVE.call_once(|| tracing::subscriber::set_global_default(Observer).unwrap());
        loop {
            // Both families at once, where there are both.
            let tcp = match TcpListener::bind("[::]:0").await {
                Ok(listener) => listener,
                Err(_) => TcpListener::bind("0.0.0.0:0").await.unwrap(),
            };
            let address = tcp.local_addr().unwrap();
            // Somebody else may have the same port of the other kind.
            if let Ok(udp) = UdpSocket::bind(address).await {
                return Self { tcp, udp, port: address.port() };
            }
        }
    }

    fn urls(&self) -> Vec<String> {
        let hosts = HOSTS.iter().map(|host| format!("http://{host}:{}/x.torrent", self.port));
        hosts.chain(TRICKS.iter().map(|trick| trick.replace("{}", &self.port.to_string()))).collect()
    }

    /// Nobody but the server outside was contacted.
    async fn was_left_alone(self) {
        let knock = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.unwrap();
        let (_, first) = self.tcp.accept().await.unwrap();
        assert_eq!(first.port(), knock.local_addr().unwrap().port(), "somebody was here before");
        let knock = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        knock.send_to(b"knock", (Ipv4Addr::LOCALHOST, self.port)).await.unwrap();
        let (_, first) = self.udp.recv_from(&mut [0; 16]).await.unwrap();
        assert_eq!(first.port(), knock.local_addr().unwrap().port(), "somebody was here before");
        let contacted = attempts(|attempts| attempts.clone());
        // Other ports of the machine of the house are listened at as well.
        let is_open =
            |attempt: &&String| [OUTSIDE, AT_HOME].contains(&attempt.parse::<SocketAddr>().unwrap().ip());
        let inside = contacted.iter().find(|attempt| !is_open(attempt));
        assert_eq!(inside, None);
    }
}

fn redirect(location: &str) -> Answer {
    let head = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    Answer::Bytes(head.into_bytes())
}

async fn outside(answers: Vec<Answer>) -> WebServer {
    WebServer::start("127.7.7.7:0", answers).await
}

#[track_caller]
fn assert_refused<T: fmt::Debug>(result: Result<T, FetchError>, url: &str) {
    let error = result.unwrap_err();
    let refused = matches!(
        error,
        FetchError::Http(
            HttpError::Resolve(ResolveError::Refused(_))
                | HttpError::Url(_)
                | HttpError::Redirect(_)
                // Relative to where it stands, `http:/x` leads to the same server.
                | HttpError::TooManyRedirects
        )
    );
    assert!(refused, "{url}: {error:?}");
}

#[tokio::test]
async fn a_torrent_by_url() {
    let inside = Inside::listen().await;
    let urls = inside.urls();
    assert!(urls.len() >= 120);
    for url in urls {
        assert_refused(fetcher().torrent(&url).await, &url);
    }
    inside.was_left_alone().await;
}

#[tokio::test]
async fn a_feed() {
    let inside = Inside::listen().await;
    for url in inside.urls() {
        assert_refused(fetcher().feed(&url, &Validators::default()).await, &url);
    }
    inside.was_left_alone().await;
}

#[tokio::test]
async fn an_enclosure_of_a_feed() {
    let inside = Inside::listen().await;
    let base = "http://feed.example/".parse().unwrap();
    let mut fetched = 0;
    for url in inside.urls() {
        let text = url.replace('&', "&amp;").replace('\t', "&#9;");
        let document = format!(
            "<rss version='2.0'><channel><item><enclosure url='{text}' type='application/x-bittorrent'/></item>\
             </channel></rss>"
        );
        let channel = feeds::parse(document.as_bytes(), &base).unwrap();
        // What is neither of the web nor a magnet link is not offered at all.
        if let Some(source) = &channel.items[0].source {
            assert_refused(fetcher().torrent(source).await, &url);
            fetched += 1;
        }
    }
    assert!(fetched >= 120, "{fetched}");
    inside.was_left_alone().await;
}

#[tokio::test]
async fn redirects_of_a_torrent_and_a_feed() {
    let inside = Inside::listen().await;
    for url in inside.urls() {
        let server = outside(vec![redirect("/further"), redirect(&url)]).await;
        assert_refused(fetcher().torrent(&server.url("/x.torrent")).await, &url);
        let server = outside(vec![redirect(&url)]).await;
        assert_refused(fetcher().feed(&server.url("/rss"), &Validators::default()).await, &url);
    }
    inside.was_left_alone().await;
}

async fn at_home(answers: Vec<Answer>) -> (WebServer, Fetcher) {
    let server = WebServer::start("127.7.7.8:0", answers).await;
    let allowed = server.address.to_string().parse().unwrap();
    (server, fetcher().with_private_servers([allowed]))
}

#[tokio::test]
async fn a_feed_of_a_server_that_the_user_has_opened() {
    let inside = Inside::listen().await;
    let (server, fetcher) = at_home(vec![redirect("/moved"), ok(b"<rss/>")]).await;
    assert!(fetcher.feed(&server.url("/rss"), &Validators::default()).await.is_ok());
    let (server, fetcher) = at_home(vec![ok(b"de"), redirect("/moved"), ok(b"de")]).await;
    for _ in 0..2 {
        assert!(fetcher.torrent_of_feed(&server.url("/rss"), &server.url("/1.torrent")).await.is_ok());
    }
    // It may send us out, as many do.
    let public = outside(vec![ok(b"de")]).await;
    let (server, fetcher) = at_home(vec![redirect(&public.url("/"))]).await;
    assert!(fetcher.torrent_of_feed(&server.url("/rss"), &server.url("/1.torrent")).await.is_ok());
    inside.was_left_alone().await;
}

/// The server that was opened is, for all others, as closed as ever; and it opens nobody else.
#[tokio::test]
async fn beside_the_server_that_the_user_has_opened() {
    let inside = Inside::listen().await;
    let beside = format!("http://{AT_HOME}:{}/x.torrent", inside.port);
    for url in inside.urls().into_iter().chain([beside]) {
        let (server, fetcher) = at_home(vec![redirect(&url)]).await;
        let feed = server.url("/rss");
        assert_refused(fetcher.feed(&feed, &Validators::default()).await, &url);
        assert_refused(fetcher.torrent_of_feed(&feed, &server.url("/1.torrent")).await, &url);
        assert_refused(fetcher.torrent_of_feed(&feed, &url).await, &url);
        assert_refused(fetcher.feed(&url, &Validators::default()).await, &url);
    }
    let (server, fetcher) = at_home(vec![ok(b"de")]).await;
    let (home, public) = (server.url("/1.torrent"), "http://feed.example/rss");
    assert_refused(fetcher.torrent_of_feed(public, &home).await, "what a feed of somebody else offers");
    assert_refused(fetcher.torrent(&home).await, "what somebody with a token asks for");
    let foreign = outside(vec![redirect(&home)]).await;
    assert_refused(fetcher.feed(&foreign.url("/rss"), &Validators::default()).await, "a redirect of others");
    assert_refused(fetcher.torrent_of_feed(&foreign.url("/rss"), &foreign.url("/")).await, "of a torrent");
    assert_eq!(server.requests().len(), 0);
    inside.was_left_alone().await;
}

fn announce() -> AnnounceRequest {
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

async fn assert_no_announce(client: &AnnounceClient, url: &str) {
    let error = client.announce(url, &announce(), Origin::Torrent).await.unwrap_err();
    let refused = matches!(
        error,
        AnnounceError::Resolve(ResolveError::Refused(_))
            | AnnounceError::Url(_)
            | AnnounceError::Http(HttpError::Redirect(_) | HttpError::TooManyRedirects)
    );
    assert!(refused, "{url}: {error:?}");
}

#[tokio::test]
async fn a_tracker_of_a_torrent() {
    let inside = Inside::listen().await;
    let client = announcer_with(resolver());
    for url in inside.urls() {
        assert_no_announce(&client, &url).await;
        let server = outside(vec![redirect(&url)]).await;
        assert_no_announce(&client, &server.url("/announce")).await;
    }
    inside.was_left_alone().await;
}

#[tokio::test]
async fn a_udp_tracker_of_a_torrent() {
    let inside = Inside::listen().await;
    let client = announcer_with(resolver());
    // Where only browsers know how to read a host, the resolver of the system would ask the internet.
    let is_plain =
        |host: &&&str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:[]".contains(&byte));
    for host in HOSTS.iter().filter(is_plain).filter(|host| !host.ends_with('.')) {
        assert_no_announce(&client, &format!("udp://{host}:{}/announce", inside.port)).await;
    }
    inside.was_left_alone().await;
}

/// A name that leads outside when it is looked up first, and inside from then on.
fn rebinding(inside: &[&str]) -> Resolver {
    let inside = inside.iter().map(|ip| ip.parse().unwrap()).collect();
    resolver().pinning_in_turn("rebind.example", vec![vec![OUTSIDE], inside])
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_the_second_time() {
    let inside = Inside::listen().await;
    let back = format!("http://rebind.example:{}/x.torrent", inside.port);
    for addresses in
        [&["127.0.0.1"][..], &["::1"], &["169.254.169.254"], &["10.0.0.1", "127.0.0.1"], &["::ffff:10.0.0.1"]]
    {
        // Redirected to itself.
        let server = outside(vec![redirect(&back)]).await;
        let first = format!("http://rebind.example:{}/", server.address.port());
        assert_refused(fetcher_with(rebinding(addresses)).torrent(&first).await, &first);
        let feed = fetcher_with(rebinding(addresses)).feed(&first, &Validators::default()).await;
        assert_refused(feed, &first);
        assert_no_announce(&announcer_with(rebinding(addresses)), &first).await;

        // Asked a second time, after all was well the first time.
        let server = outside(vec![ok(b"de")]).await;
        let first = format!("http://rebind.example:{}/", server.address.port());
        let fetcher = fetcher_with(rebinding(addresses));
        if let Err(error) = fetcher.torrent(&first).await {
            panic!("{first}: {error:?}");
        }
        assert_refused(fetcher.torrent(&back).await, &back);
    }
    inside.was_left_alone().await;
}

/// What the other tests rely on: that an attempt is seen.
#[tokio::test]
async fn the_observer_sees_what_is_contacted() {
    let _inside = Inside::listen().await;
    let server = outside(vec![ok(b"de")]).await;
    assert!(fetcher().torrent(&server.url("/")).await.is_ok());
    assert!(attempts(|attempts| attempts.contains(&server.address.to_string())));
    let tracker = UdpSocket::bind((OUTSIDE, 0)).await.unwrap();
    let address = tracker.local_addr().unwrap();
    let client = announcer_with(resolver());
    let url = format!("udp://{address}/announce");
    let announcing = tokio::spawn(async move { client.announce(&url, &announce(), Origin::Torrent).await });
    tracker.recv_from(&mut [0; 64]).await.unwrap();
    announcing.abort();
    assert!(attempts(|attempts| attempts.contains(&address.to_string())));
}
