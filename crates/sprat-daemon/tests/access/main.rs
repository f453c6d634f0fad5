//! The server and the gate from outside: who is let in, who is not, and who can keep others out.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where its set-up does")]
#![expect(clippy::print_stdout, reason = "a test that measures or skips says so")]

mod crowding;
#[path = "../daemon_under_test/mod.rs"]
mod daemon_under_test;
#[path = "../furnished/mod.rs"]
mod furnished;
mod house;
mod matrix;
mod packaging;
mod real;
#[path = "../service_under_test/mod.rs"]
mod service_under_test;
#[path = "../wire/mod.rs"]
mod wire;

use std::sync::Arc;
use std::time::Duration;

use sprat_daemon::http::{ServerLimits, Timeouts, Tls, TlsFiles};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use house::{Bug, House};
use matrix::Depth;
use sprat_daemon::access::{Access, Granted, Refusal, Way};
use wire::{Request, exchange, exchange_on};

/// What goes through the matrix: how many were refused and let in, or the first that should not have been.
async fn go_through(house: &House) -> Result<(usize, usize), String> {
    let keys = house.keys().await;
    let routes = matrix::routes_of(&house::document(), |path| path.replace("{id}", "1"), |_, _| None);
    let (mut refused, mut controls) = (0, 0);
    for case in routes.iter().flat_map(|route| matrix::cases(route, &keys, Depth::Two)) {
        let before = house.reached();
        let answer = exchange(house.address, &case.request.to_bytes()).await;
        let status = answer.as_ref().map(|answer| answer.status);
        let was_reached = house.reached() > before;
        let is_refusal = status.is_none_or(|status| (400..500).contains(&status));
        let (is_right, count) = if case.wrong.is_empty() {
            (was_reached && status == Some(200), &mut controls)
        } else {
            (!was_reached && is_refusal, &mut refused)
        };
        if !is_right {
            return Err(format!("{:?} {:?} {answer:?}", case.wrong, case.request));
        }
        *count += 1;
    }
    Ok((refused, controls))
}

#[tokio::test]
async fn nothing_in_the_access_matrix_gets_in() {
    let house = House::open(ServerLimits::default()).await;
    let (refused, controls) = go_through(&house).await.unwrap();
    println!("{refused} requests refused, {controls} let in");
    assert!(refused >= 3000 && controls >= 20, "{refused} {controls}");
    house.close().await;
}

#[tokio::test]
async fn the_access_matrix_finds_every_planted_bug() {
    for bug in Bug::ALL {
        let house = House::open_with_bug(bug).await;
        let found = go_through(&house).await;
        assert!(found.is_err(), "{bug:?} was not found");
        house.close().await;
    }
}

#[tokio::test]
async fn a_name_that_was_made_to_lead_here_is_not_answered() {
    let house = House::open(ServerLimits::default()).await;
    let port = house.address.port();
    let status = async |host: String| {
        let request = Request::new("GET", "/things")
            .header("Host", host)
            .header("Authorization", format!("Bearer {}", house.full));
        exchange(house.address, &request.to_bytes()).await.unwrap().status
    };
    for right in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("LOCALHOST:{port}"),
        format!("nas.lan:{port}"),
        "nas.lan".to_owned(),
    ] {
        assert_eq!(status(right.clone()).await, 200, "{right}");
    }
    for wrong in [
        format!("rebound.example:{port}"),
        "127.0.0.1".to_owned(),
        format!("127.0.0.2:{port}"),
        format!("0.0.0.0:{port}"),
        format!("127.1:{port}"),
        format!("nas.lan.evil.example:{port}"),
        format!("evilnas.lan:{port}"),
        format!("nas.lan:{port}@evil.example"),
        format!("[::ffff:127.0.0.1]:{port}"),
        String::new(),
    ] {
        assert_eq!(status(wrong.clone()).await, 421, "{wrong}");
    }
    house.close().await;
}

#[tokio::test]
async fn wrong_tokens_make_wait_and_never_keep_the_right_one_out() {
    let house = House::open(ServerLimits::default()).await;
    let wrong = Request::new("GET", "/things")
        .header("Host", house.address.to_string())
        .header("Authorization", format!("Bearer sprat_{}", "A".repeat(43)))
        .to_bytes();
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(exchange(house.address, &wrong).await.unwrap().status);
    }
    assert_eq!(statuses[..6], [401; 6]);
    assert!(statuses[6..].contains(&429), "{statuses:?}");
    let waiting = exchange(house.address, &wrong).await.unwrap();
    if waiting.status == 429 {
        assert!(waiting.header("retry-after").is_some());
    }
    let right = exchange(house.address, &house.request("GET", "/things").to_bytes()).await.unwrap();
    assert_eq!(right.status, 200);
    house.close().await;
}

#[tokio::test]
async fn every_answer_tells_browsers_to_trust_nothing() {
    let house = House::open(ServerLimits::default()).await;
    for request in
        [house.request("GET", "/things"), Request::new("GET", "/things"), house.request("GET", "/x")]
    {
        let answer = exchange(house.address, &request.to_bytes()).await.unwrap();
        assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    house.close().await;
}

#[tokio::test]
async fn heads_and_bodies_have_limits() {
    let house = House::open(ServerLimits::default()).await;
    let json = |length: usize| {
        let request =
            house.request("POST", "/things").header("Content-Type", "application/json; charset=utf-8");
        request.body(vec![b' '; length]).to_bytes()
    };
    assert_eq!(exchange(house.address, &json(64 * 1024)).await.unwrap().body, "65536 bytes");
    assert_eq!(exchange(house.address, &json(64 * 1024 + 1)).await.unwrap().status, 413);
    let upload = house.request("POST", "/upload").header("Content-Type", "application/x-bittorrent");
    let upload = upload.body(vec![0; 3 << 20]).to_bytes();
    assert_eq!(exchange(house.address, &upload).await.unwrap().status, 200);

    // Without a length in advance: cut off where it is too long.
    let chunked = house.request("POST", "/things").header("Content-Type", "application/json");
    let mut chunked = chunked.header("Transfer-Encoding", "chunked").to_bytes();
    for _ in 0..5 {
        chunked.extend(b"4000\r\n");
        chunked.extend(vec![b' '; 0x4000]);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    assert_eq!(exchange(house.address, &chunked).await.unwrap().status, 413);

    let long = house.request("GET", "/things").header("X-Long", "x".repeat(17 * 1024)).to_bytes();
    assert_eq!(exchange(house.address, &long).await.unwrap().status, 431);
    house.close().await;
}

fn hasty() -> ServerLimits {
    let short = Duration::from_millis(300);
    let timeouts = Timeouts { head: short, body: short, idle: short, stall: short, ..Timeouts::default() };
    ServerLimits { timeouts, ..ServerLimits::default() }
}

/// Waits until the server ends the connection.
async fn ended(stream: &mut TcpStream) {
    let ended = async { while !matches!(stream.read(&mut [0; 4096]).await, Ok(0) | Err(_)) {} };
    timeout(Duration::from_secs(20), ended).await.expect("the server holds on");
}

#[tokio::test]
async fn nobody_is_waited_for_without_end() {
    let house = House::open(hasty()).await;
    let connect = || async { TcpStream::connect(house.address).await.unwrap() };

    let mut silent = connect().await;
    ended(&mut silent).await;

    let mut head = connect().await;
    let drip = async {
        for byte in std::iter::repeat(b"GET / HTTP/1.1\r\nX: ").flatten() {
            if head.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(20), drip).await.expect("a head in drops is waited for");

    let mut body = connect().await;
    let request = house.request("POST", "/things").header("Content-Type", "application/json");
    let request = request.header("Content-Length", "60000").to_bytes();
    body.write_all(&request).await.unwrap();
    ended(&mut body).await;
    assert_eq!(house.reached(), 0);

    // Takes the answer's beginning and then no more of it.
    let mut stalled = connect().await;
    stalled.write_all(&house.request("GET", "/endless").to_bytes()).await.unwrap();
    stalled.read_exact(&mut [0; 1024]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    ended(&mut stalled).await;
    house.close().await;
}

#[tokio::test]
async fn a_stream_of_events_without_events_stays_open_until_the_server_stops() {
    let mut limits = hasty();
    limits.grace = Duration::from_millis(200);
    let house = House::open(limits).await;
    let mut events = TcpStream::connect(house.address).await.unwrap();
    events.write_all(&house.request("GET", "/events").to_bytes()).await.unwrap();
    let mut head = vec![0; 4096];
    let length = events.read(&mut head).await.unwrap();
    assert!(head[..length].starts_with(b"HTTP/1.1 200"));
    let quiet = timeout(Duration::from_secs(1), events.read(&mut head)).await;
    assert!(quiet.is_err(), "longer than any time limit");
    timeout(Duration::from_secs(5), house.close()).await.expect("stops in time");
    assert!(matches!(events.read(&mut head).await, Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_unix_socket_needs_the_token_too_and_its_file_goes_with_the_server() {
    use std::os::unix::fs::PermissionsExt as _;
    let path = |home: &tempfile::TempDir| home.path().join("api.sock");
    let house = House::open_on(ServerLimits::default(), None, |home| {
        // Left over by one who was killed.
        drop(std::os::unix::net::UnixListener::bind(path(home)).unwrap());
        format!("unix:{}", path(home).display())
    })
    .await;
    let socket = path(&house.home);
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    let ask = async |request: Request| {
        let stream = UnixStream::connect(&socket).await.unwrap();
        exchange_on(stream, &request.header("Host", "localhost").to_bytes()).await.unwrap().status
    };
    assert_eq!(ask(Request::new("GET", "/things")).await, 401);
    let token = format!("Bearer {}", house.full);
    assert_eq!(ask(Request::new("GET", "/things").header("Authorization", token)).await, 200);
    let address = serde_json::from_value(format!("unix:{}", socket.display()).into()).unwrap();
    assert!(sprat_daemon::http::bind(&[address]).await.is_err(), "somebody listens there");
    house.close().await;
    assert!(!socket.exists());
}

#[tokio::test]
async fn with_a_certificate_only_tls_is_spoken() {
    let keys = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = TlsFiles { certificate: keys.path().join("cert.pem"), key: keys.path().join("key.pem") };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let tls = Tls::load(files.clone()).unwrap();
    let house =
        House::open_on(ServerLimits::default(), Some(Arc::clone(&tls)), |_| "127.0.0.1:0".to_owned()).await;

    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let host = house.address.to_string();
    let login = |origin: String| {
        let request = Request::new("POST", "/login").header("Host", &host).header("Origin", origin);
        request.body(house.full.as_bytes()).to_bytes()
    };
    let ask = async |request: Vec<u8>| {
        let stream = TcpStream::connect(house.address).await.unwrap();
        let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        exchange_on(stream, &request).await.unwrap()
    };
    let answer = ask(login(format!("https://{host}"))).await;
    assert!(answer.header("set-cookie").unwrap().ends_with("; Secure"));
    assert_eq!(ask(login(format!("http://{host}"))).await.status, 403, "a page that was not encrypted");
    assert!(exchange(house.address, &login(format!("https://{host}"))).await.is_none(), "plain HTTP");

    std::fs::write(&files.certificate, "nothing").unwrap();
    assert!(tls.reload().is_err());
    assert!(ask(login(format!("https://{host}"))).await.header("set-cookie").is_some(), "the old one stays");
    house.close().await;
}

#[tokio::test]
async fn a_link_to_a_file_ends_with_the_token_that_made_it() {
    let house = House::open(ServerLimits::default()).await;
    let made = house.gate.tokens().create("player", Access::ReadOnly).await;
    let token = made.unwrap().0;
    let granted = Granted { access: token.access, token: token.clone(), way: Way::Token };
    let link = house.gate.link(&granted, "aa", 1);
    assert_eq!(house.gate.judge_link(&link, "aa", 1), Ok(token.clone()));
    assert_eq!(house.gate.judge_link(&link, "aa", 2), Err(Refusal::WrongLink));
    house.gate.revoke(&token.id).await.unwrap();
    assert_eq!(house.gate.judge_link(&link, "aa", 1), Err(Refusal::WrongLink));
    house.close().await;
}
