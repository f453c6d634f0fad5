//! The HTTP client against servers that are far away, slow, endless, wrong, or not who they say they are.

#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sprat_engine::address_policy::{AddressClass, AddressPolicy, Origin, RefusedAddress};
use sprat_engine::http::{HttpClient, HttpConfig, HttpError, HttpRequest, Limits};
use sprat_engine::resolve::{ResolveError, Resolver};
use sprat_wire::compact::Family;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use loopback::{Answer, WebServer, ok, read_head};

mod loopback;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const LIMITS: Limits = Limits { body_length: 1000, time: Duration::from_secs(20) };
const SHORT: Duration = Duration::from_millis(500);

fn config(policy: AddressPolicy) -> HttpConfig {
    HttpConfig::new(Arc::new(policy))
}

/// May contact 127.0.0.1, and nothing else on this machine.
fn client() -> HttpClient {
    HttpClient::new(config(AddressPolicy::public().allowing(LOCALHOST)))
}

fn redirect(location: &str) -> Answer {
    Answer::Bytes(
        format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into_bytes(),
    )
}

fn bytes(answer: &str) -> Answer {
    Answer::Bytes(answer.as_bytes().to_vec())
}

fn refused_class(answer: Result<impl Sized, HttpError>) -> Option<AddressClass> {
    match answer {
        Err(HttpError::Resolve(ResolveError::Refused(RefusedAddress { class, .. }))) => Some(class),
        _ => None,
    }
}

#[tokio::test]
async fn asks_plainly_and_understands_every_kind_of_body() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nspr\r\n2;x=y\r\nat\r\n0\r\n\r\n";
    let answers = vec![ok(b"sprat"), bytes(chunked), bytes("HTTP/1.0 404 Not Found\r\n\r\nsprat")];
    let server = WebServer::start("127.0.0.1:0", answers).await;
    for status in [200, 200, 404] {
        let url = server.url("/a%20b/announce?info_hash=%00%ff&x=1#fragment");
        let response = client().get(&url, LIMITS, Origin::Torrent).await.unwrap();
        assert_eq!((response.status, &response.body[..]), (status, &b"sprat"[..]));
        assert_eq!(response.remote, server.address);
    }
    let request = server.requests()[0].to_lowercase();
    assert!(request.starts_with("get /a%20b/announce?info_hash=%00%ff&x=1 http/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: {}\r\n", server.address)), "{request}");
    assert!(request.contains("user-agent: sprat/"), "{request}");
    assert!(!request.contains("accept-encoding") && !request.contains("authorization"), "{request}");
}

#[tokio::test]
async fn a_torrent_cannot_reach_this_machine_but_the_user_can() {
    let server = WebServer::start("127.0.0.1:0", vec![ok(b"secret")]).await;
    let client = HttpClient::new(config(AddressPolicy::public()));
    let port = server.address.port();
    for host in
        ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:127.0.0.1]", "127.1"]
    {
        let answer = client.get(&format!("http://{host}:{port}/"), LIMITS, Origin::Torrent).await;
        assert_eq!(refused_class(answer), Some(AddressClass::Loopback), "{host}");
    }
    let answer = client.get(&format!("http://0:{port}/"), LIMITS, Origin::Torrent).await;
    assert_eq!(refused_class(answer), Some(AddressClass::Unusable));
    assert_eq!(server.requests().len(), 0);
    assert_eq!(client.get(&server.url("/"), LIMITS, Origin::User).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_redirect_cannot_leave_what_the_policy_allows() {
    // Listens on every address of this machine, so that it would be reached if it were tried.
    let inner = WebServer::start("0.0.0.0:0", vec![ok(b"secret")]).await;
    let port = inner.address.port();
    let targets = [
        (format!("http://127.0.0.2:{port}/"), AddressClass::Loopback),
        (format!("http://[::ffff:127.0.0.2]:{port}/"), AddressClass::Loopback),
        (format!("//rebound.example:{port}/"), AddressClass::Loopback),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), AddressClass::LinkLocal),
        ("http://192.168.0.1/".to_owned(), AddressClass::Private),
    ];
    let resolver = Resolver::system().pinning("rebound.example", vec!["127.0.0.3".parse().unwrap()]);
    // The word of the user holds for the host that the user named, not for where that host points.
    for (policy, origin) in [
        (AddressPolicy::public().allowing(LOCALHOST), Origin::Torrent),
        (AddressPolicy::public(), Origin::User),
    ] {
        let client = HttpClient::new(HttpConfig { resolver: resolver.clone(), ..config(policy) });
        for (target, class) in &targets {
            let outer = WebServer::start("127.0.0.1:0", vec![redirect(target)]).await;
            let answer = client.get(&outer.url("/"), LIMITS, origin).await;
            assert_eq!(refused_class(answer), Some(*class), "{target}");
        }
        // To another port of the same machine is no further than before.
        let outer =
            WebServer::start("127.0.0.1:0", vec![redirect(&format!("http://127.0.0.1:{port}/"))]).await;
        assert_eq!(client.get(&outer.url("/"), LIMITS, origin).await.unwrap().body, "secret");
    }
    assert_eq!(inner.requests().len(), 2);
}

#[tokio::test]
async fn five_redirects_are_followed_and_six_are_not() {
    let mut answers = vec![redirect("/again"); 5];
    answers.push(ok(b"there"));
    let server = WebServer::start("127.0.0.1:0", answers).await;
    let response = client().get(&server.url("/"), LIMITS, Origin::Torrent).await.unwrap();
    assert_eq!((response.body, response.final_url.as_str()), ("there".into(), &server.url("/again")[..]));

    let server = WebServer::start("127.0.0.1:0", vec![redirect("/again")]).await;
    let answer = client().get(&server.url("/"), LIMITS, Origin::Torrent).await;
    assert!(matches!(answer, Err(HttpError::TooManyRedirects)), "{answer:?}");
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn a_redirect_to_a_magnet_link_is_handed_back() {
    let magnet = "magnet:?xt=urn:btih:0123456789012345678901234567890123456789";
    let server = WebServer::start("127.0.0.1:0", vec![redirect("/again"), redirect(magnet)]).await;
    let response = client().get(&server.url("/"), LIMITS, Origin::Torrent).await.unwrap();
    assert_eq!((response.status, response.headers["location"].to_str().unwrap()), (302, magnet));
}

#[tokio::test]
async fn a_post_is_made_once_wherever_it_is_redirected_to() {
    let other = WebServer::start("127.0.0.1:0", vec![ok(b"")]).await;
    let server = WebServer::start("127.0.0.1:0", vec![redirect(&other.url("/"))]).await;
    let mut request = HttpRequest { body: Some("{}".into()), ..HttpRequest::default() };
    request.headers.insert("x-delivery", "7".parse().unwrap());
    let response = client().send(&server.url("/hook"), request, LIMITS, Origin::User).await.unwrap();
    assert_eq!(response.status, 302);
    let request = server.requests()[0].to_lowercase();
    assert!(request.starts_with("post /hook http/1.1\r\n"), "{request}");
    assert!(request.contains("x-delivery: 7\r\n") && request.ends_with("\r\n\r\n{}"), "{request}");
    assert_eq!(other.requests().len(), 0);
}

#[tokio::test]
async fn header_fields_go_along_and_come_back() {
    let unchanged = bytes("HTTP/1.1 304 Not Modified\r\nETag: \"b\"\r\n\r\n");
    let server = WebServer::start("127.0.0.1:0", vec![redirect("/moved"), unchanged]).await;
    let mut request = HttpRequest::default();
    request.headers.insert("if-none-match", "\"a\"".parse().unwrap());
    let response = client().send(&server.url("/"), request, LIMITS, Origin::Torrent).await.unwrap();
    assert_eq!((response.status, response.headers["etag"].to_str().unwrap()), (304, "\"b\""));
    assert!(server.requests().iter().all(|request| request.contains("if-none-match: \"a\"\r\n")));
}

#[tokio::test]
async fn a_name_is_looked_up_once_for_each_request() {
    let server = WebServer::start("127.0.0.1:0", vec![ok(b"")]).await;
    let answers = vec![vec![LOCALHOST], vec!["127.0.0.2".parse().unwrap()]];
    let resolver = Resolver::system().pinning_in_turn("rebound.example", answers);
    let policy = AddressPolicy::public().allowing(LOCALHOST);
    let client = HttpClient::new(HttpConfig { resolver, ..config(policy) });
    let url = format!("http://rebound.example:{}/", server.address.port());
    assert!(client.get(&url, LIMITS, Origin::Torrent).await.is_ok());
    let answer = client.get(&url, LIMITS, Origin::Torrent).await;
    assert_eq!(refused_class(answer), Some(AddressClass::Loopback));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_server_at_home_may_be_asked_and_leads_to_nobody_beside_it() {
    let beside = WebServer::start("127.0.0.1:0", vec![ok(b"")]).await;
    let answers = vec![redirect("/again"), ok(b"x"), redirect(&beside.url("/"))];
    let server = WebServer::start("127.0.0.1:0", answers).await;
    let client = HttpClient::new(config(AddressPolicy::public()));
    let ask = async |url: String| {
        let private_server = Some(server.address.to_string().parse().unwrap());
        let request = HttpRequest { private_server, ..HttpRequest::default() };
        client.send(&url, request, LIMITS, Origin::Torrent).await
    };
    assert_eq!(ask(server.url("/")).await.unwrap().body, "x");
    for url in [server.url("/"), beside.url("/")] {
        assert_eq!(refused_class(ask(url).await), Some(AddressClass::Loopback));
    }
    assert_eq!(beside.requests().len(), 0);
}

#[tokio::test]
async fn credentials_stay_with_the_server_they_are_for() {
    let other = WebServer::start("127.0.0.1:0", vec![ok(b"")]).await;
    let server =
        WebServer::start("127.0.0.1:0", vec![redirect("/same"), redirect(&other.url("/other"))]).await;
    let url = format!("http://me:key@{}/", server.address);
    client().get(&url, LIMITS, Origin::User).await.unwrap();
    let with_key = |request: &String| request.contains("authorization: Basic bWU6a2V5\r\n");
    assert!(server.requests().iter().all(with_key));
    assert!(!other.requests().iter().any(with_key));
}

#[tokio::test]
async fn a_body_may_reach_the_limit_and_no_further() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let endless_chunks =
        Answer::Endless(chunked.to_vec(), [&b"400\r\n"[..], &[b'x'; 0x400], b"\r\n"].concat());
    let endless = Answer::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 1024]);
    let boastful = bytes("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999\r\n\r\nx");
    let answers = vec![ok(&[b'x'; 1000]), ok(&[b'x'; 1001]), endless_chunks, endless, boastful];
    let server = WebServer::start("127.0.0.1:0", answers).await;
    let response = client().get(&server.url("/"), LIMITS, Origin::Torrent).await.unwrap();
    assert_eq!(response.body.len(), 1000);
    for _ in 0..4 {
        let answer = client().get(&server.url("/"), LIMITS, Origin::Torrent).await;
        assert!(matches!(answer, Err(HttpError::BodyTooLong { limit: 1000 })), "{answer:?}");
    }
}

#[tokio::test]
async fn a_head_may_be_16_kib_long_and_no_longer() {
    let head = |length: usize| {
        let before = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ";
        format!("{before}{}\r\n\r\n", "x".repeat(length - before.len() - 4))
    };
    let limit = 16 * 1024;
    let endless = Answer::Endless(b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 1024]);
    let server =
        WebServer::start("127.0.0.1:0", vec![bytes(&head(limit)), bytes(&head(limit + 1)), endless]).await;
    assert_eq!(client().get(&server.url("/"), LIMITS, Origin::Torrent).await.unwrap().status, 200);
    for _ in 0..2 {
        let answer = client().get(&server.url("/"), LIMITS, Origin::Torrent).await;
        assert!(matches!(answer, Err(HttpError::HeadTooLong)), "{answer:?}");
    }
}

#[tokio::test]
async fn silence_times_out_wherever_it_falls() {
    let answers = vec![
        Answer::Hang(Vec::new()),
        Answer::Hang(b"HTTP/1.1 200 OK\r\nContent-".to_vec()),
        Answer::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nspr".to_vec()),
    ];
    let server = WebServer::start("127.0.0.1:0", answers).await;
    let impatient =
        HttpConfig { silence_timeout: SHORT, connect_timeout: SHORT, ..config(AddressPolicy::permissive()) };
    let client = HttpClient::new(impatient);
    for phase in ["waiting for the answer", "waiting for the answer", "in the middle of the answer"] {
        let answer = client.get(&server.url("/"), LIMITS, Origin::Torrent).await;
        assert!(matches!(answer, Err(HttpError::Timeout(found)) if found == phase), "{answer:?}");
    }
    // A server that never says anything does not finish setting up TLS either.
    let answer = client.get(&format!("https://{}/", server.address), LIMITS, Origin::Torrent).await;
    assert!(matches!(answer, Err(HttpError::Timeout("connecting"))), "{answer:?}");
}

#[tokio::test]
async fn the_whole_exchange_has_a_time_limit() {
    // Never silent, never done.
    let endless = Answer::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 16]);
    let server = WebServer::start("127.0.0.1:0", vec![endless]).await;
    let limits = Limits { body_length: usize::MAX, time: SHORT };
    let answer = client().get(&server.url("/"), limits, Origin::Torrent).await;
    assert!(matches!(answer, Err(HttpError::Timeout(_))), "{answer:?}");
}

#[tokio::test]
async fn what_is_not_http_is_an_error() {
    let answers = vec![
        bytes(""),
        bytes("d8:intervali1800e5:peers0:e"),
        bytes("ICY 200 OK\r\n\r\n"),
        bytes("HTTP/1.1 2x0 OK\r\n\r\n"),
        bytes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"),
        bytes("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        bytes("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
        bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx"),
        bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx"),
        Answer::Bytes((0..=255).collect()),
    ];
    let count = answers.len();
    let server = WebServer::start("127.0.0.1:0", answers).await;
    for number in 0..count {
        let answer = client().get(&server.url("/"), LIMITS, Origin::Torrent).await;
        assert!(matches!(answer, Err(HttpError::Protocol(_))), "{number}: {answer:?}");
    }
}

#[tokio::test]
async fn compressed_answers_are_refused() {
    let gzip = bytes("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx");
    let identity = bytes("HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 1\r\n\r\nx");
    let server = WebServer::start("127.0.0.1:0", vec![gzip, identity]).await;
    let answer = client().get(&server.url("/"), LIMITS, Origin::Torrent).await;
    assert!(matches!(answer, Err(HttpError::Encoded)), "{answer:?}");
    assert!(client().get(&server.url("/"), LIMITS, Origin::Torrent).await.is_ok());
}

#[tokio::test]
async fn other_schemes_are_refused() {
    for url in ["file:///etc/passwd", "ftp://127.0.0.1/", "udp://127.0.0.1:1/", "127.0.0.1", ""] {
        let answer = client().get(url, LIMITS, Origin::User).await;
        assert!(matches!(answer, Err(HttpError::Url(_))), "{url}: {answer:?}");
    }
}

#[tokio::test]
async fn dead_and_forbidden_addresses_of_a_host_are_passed_over() {
    let server = WebServer::start("127.0.0.1:0", vec![ok(b"")]).await;
    // Nobody listens at the second, and the first must not be tried.
    let addresses = ["169.254.169.254", "127.0.0.2", "127.0.0.1"].map(|ip| ip.parse().unwrap()).to_vec();
    let resolver = Resolver::system().pinning("many.example", addresses);
    let policy = AddressPolicy::public().allowing(LOCALHOST).allowing("127.0.0.2".parse().unwrap());
    let client = HttpClient::new(HttpConfig { resolver, ..config(policy) });
    let url = format!("http://many.example:{}/", server.address.port());
    let response = client.get(&url, LIMITS, Origin::Torrent).await.unwrap();
    assert_eq!(response.remote, server.address);
}

#[tokio::test]
async fn a_family_can_be_demanded() {
    let server = WebServer::start("127.0.0.1:0", vec![ok(b"")]).await;
    let client = client();
    assert!(client.get_over(Family::V4, &server.url("/"), LIMITS, Origin::Torrent).await.is_ok());
    let answer = client.get_over(Family::V6, &server.url("/"), LIMITS, Origin::Torrent).await;
    assert!(matches!(answer, Err(HttpError::NoAddress(Family::V6))), "{answer:?}");
}

#[tokio::test]
async fn keys_do_not_reach_error_texts() {
    let server =
        WebServer::start("127.0.0.1:0", vec![bytes("?"), redirect("file:///0passkey0"), ok(&[0; 2000])])
            .await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let urls = [
        server.url("/0passkey0/announce?key=0passkey0"),
        server.url("/0passkey0/announce?key=0passkey0"),
        server.url("/0passkey0/announce?key=0passkey0"),
        format!("http://{closed}/0passkey0"),
        "http://10.0.0.1/0passkey0".to_owned(),
        "ftp://a.example/0passkey0".to_owned(),
        "http:///\\0passkey0 0passkey0:0passkey0".to_owned(),
    ];
    for url in urls {
        let error = client().get(&url, LIMITS, Origin::Torrent).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("passkey"), "{error:?}");
    }
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), root }
    }

    /// A certificate for `host`, changed by `change`, and its key.
    fn certify(
        &self,
        host: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        (certificate, PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }
}

/// Serves "sprat" over TLS; returns the port.
async fn serve_tls(
    tasks: &mut JoinSet<()>,
    (certificate, key): (CertificateDer<'static>, PrivateKeyDer<'static>),
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    tasks.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            read_head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsprat").await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

#[tokio::test]
async fn only_servers_that_prove_who_they_are_are_talked_to() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let mut tasks = JoinSet::new();
    let good = serve_tls(&mut tasks, authority.certify("tracker.example", |_| {})).await;
    let by_address = serve_tls(&mut tasks, authority.certify("127.0.0.1", |_| {})).await;
    let other_name = serve_tls(&mut tasks, authority.certify("other.example", |_| {})).await;
    let by_stranger = serve_tls(&mut tasks, stranger.certify("tracker.example", |_| {})).await;
    let expired = authority.certify("tracker.example", |params| {
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    });
    let expired = serve_tls(&mut tasks, expired).await;
    let self_signed = rcgen::generate_simple_self_signed(vec!["tracker.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(self_signed.signing_key.serialize_der()).unwrap();
    let self_signed = serve_tls(&mut tasks, (self_signed.cert.der().clone(), key)).await;

    let client = HttpClient::new(HttpConfig {
        extra_roots: vec![authority.root.clone()],
        resolver: Resolver::system().pinning("tracker.example", vec![LOCALHOST]),
        ..config(AddressPolicy::permissive())
    });
    for url in [format!("https://tracker.example:{good}/"), format!("https://127.0.0.1:{by_address}/")] {
        assert_eq!(client.get(&url, LIMITS, Origin::Torrent).await.unwrap().body, "sprat", "{url}");
    }
    for (problem, url) in [
        ("another name", format!("https://tracker.example:{other_name}/")),
        ("a name, not an address", format!("https://127.0.0.1:{good}/")),
        ("unknown authority", format!("https://tracker.example:{by_stranger}/")),
        ("expired", format!("https://tracker.example:{expired}/")),
        ("self-signed", format!("https://tracker.example:{self_signed}/")),
    ] {
        // The word of the user does not change this.
        let answer = client.get(&url, LIMITS, Origin::User).await;
        assert!(matches!(answer, Err(HttpError::Tls(_))), "{problem}: {answer:?}");
    }
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", plain.local_addr().unwrap());
    tasks.spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let answer = client.get(&url, LIMITS, Origin::User).await;
    assert!(matches!(answer, Err(HttpError::Tls(_))), "{answer:?}");
}
