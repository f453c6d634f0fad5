//! The tracker on real sockets, spoken to in raw bytes.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where its set-up does")]

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use sprat_engine::tracker_server::{
    AccessFile, Timeouts, TrackerHandle, TrackerServer, TrackerServerConfig, TrackerServerError,
};
use sprat_tracker::TrackerConfig;

/// Far more than anything here takes; a test that waits so long fails.
const PATIENCE: Duration = Duration::from_secs(20);

const HASH: [u8; 20] = *b"an info-hash of 20 b";
const QUERY_HASH: &str = "an%20info-hash%20of%2020%20b";

/// The loopback addresses of the families that this machine has.
fn loopbacks() -> Vec<IpAddr> {
    let both = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    both.into_iter().filter(|&ip| UdpSocket::bind((ip, 0)).is_ok()).collect()
}

fn config() -> TrackerServerConfig {
    let addresses: Vec<SocketAddr> = loopbacks().into_iter().map(|ip| SocketAddr::new(ip, 0)).collect();
    let tracker = TrackerConfig { interval_jitter: Duration::ZERO, ..TrackerConfig::default() };
    TrackerServerConfig { http: addresses.clone(), udp: addresses, tracker, ..TrackerServerConfig::default() }
}

fn spawn(config: TrackerServerConfig) -> TrackerHandle {
    TrackerServer::spawn(config).unwrap()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Status, and body, of a request on a connection of its own.
fn get(address: SocketAddr, target: &str) -> (u16, Vec<u8>) {
    exchange(address, &format!("GET {target} HTTP/1.1\r\nHost: tracker\r\nConnection: close\r\n\r\n"))
}

fn exchange(address: SocketAddr, request: &str) -> (u16, Vec<u8>) {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer[end..].to_vec())
}

fn announce_target(port: u16, left: u64, event: &str) -> String {
    format!(
        "/announce?info_hash={QUERY_HASH}&peer_id=-SP0100-abcdefghijkl&port={port}&uploaded=0&downloaded=0\
         &left={left}&compact=1&event={event}"
    )
}

/// Whether the server ends the connection, rather than leaving it open.
fn is_ended(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

struct UdpClient {
    socket: UdpSocket,
}

impl UdpClient {
    fn new(tracker: SocketAddr) -> Self {
        let socket = UdpSocket::bind((tracker.ip(), 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(tracker).unwrap();
        Self { socket }
    }

    fn send(&self, packet: &[u8]) {
        self.socket.send(packet).unwrap();
    }

    fn receive(&self) -> Vec<u8> {
        let mut packet = [0; 4096];
        let length = self.socket.recv(&mut packet).unwrap();
        packet[..length].to_vec()
    }

    /// A connection id. The answer to this request is the next packet, or something was answered before that should
    /// not have been.
    fn connect(&self, transaction: u32) -> u64 {
        self.send(&connect_packet(transaction));
        let answer = self.receive();
        assert_eq!(answer.len(), 16, "what a connect request gets is no longer than itself");
        assert_eq!(answer[..4], [0; 4]);
        assert_eq!(answer[4..8], transaction.to_be_bytes(), "the answer to another request: {answer:?}");
        u64::from_be_bytes(answer[8..].try_into().unwrap())
    }
}

fn connect_packet(transaction: u32) -> Vec<u8> {
    [&0x0417_2710_1980_u64.to_be_bytes()[..], &[0; 4], &transaction.to_be_bytes()].concat()
}

fn announce_packet(connection: u64, transaction: u32, port: u16, left: u64, event: u32) -> Vec<u8> {
    let mut packet = Vec::new();
    packet.extend(connection.to_be_bytes());
    packet.extend(1_u32.to_be_bytes());
    packet.extend(transaction.to_be_bytes());
    packet.extend(HASH);
    packet.extend(b"-SP0100-abcdefghijkl");
    packet.extend(0_u64.to_be_bytes()); // downloaded
    packet.extend(left.to_be_bytes());
    packet.extend(0_u64.to_be_bytes()); // uploaded
    packet.extend(event.to_be_bytes());
    packet.extend(0_u32.to_be_bytes()); // IP address
    packet.extend(0_u32.to_be_bytes()); // key
    packet.extend(u32::MAX.to_be_bytes()); // num_want: default
    packet.extend(port.to_be_bytes());
    assert_eq!(packet.len(), 98);
    packet
}

fn scrape_packet(connection: u64, transaction: u32) -> Vec<u8> {
    [&connection.to_be_bytes()[..], &2_u32.to_be_bytes(), &transaction.to_be_bytes(), &HASH].concat()
}

fn numbers(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn compact(ip: IpAddr, port: u16) -> Vec<u8> {
    let mut bytes = match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    bytes.extend(port.to_be_bytes());
    bytes
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn peers_find_each_other_over_http() {
    for ip in loopbacks() {
        let tracker = spawn(TrackerServerConfig { http: vec![(ip, 0).into()], ..config() });
        let address = tracker.http_addresses()[0];
        let (status, first) = get(address, &announce_target(1001, 0, "started"));
        assert_eq!(status, 200);
        assert!(contains(&first, b"8:completei1e"), "{}", first.escape_ascii());
        assert!(contains(&first, b"8:intervali1800e"), "{}", first.escape_ascii());

        let (_, second) = get(address, &announce_target(1002, 5, "started"));
        let key = if ip.is_ipv4() { &b"5:peers6:"[..] } else { b"6:peers618:" };
        let peers = [key, &compact(ip, 1001)].concat();
        assert!(contains(&second, &peers), "{}", second.escape_ascii());
        assert!(contains(&second, b"10:incompletei1e"), "{}", second.escape_ascii());

        let (_, third) = get(address, &announce_target(1002, 0, "completed"));
        assert!(contains(&third, b"8:completei2e"), "{}", third.escape_ascii());
        assert!(!contains(&third, &compact(ip, 1001)), "a seeder has no use for seeders");

        get(address, &announce_target(1001, 0, "stopped"));
        let (status, scrape) = get(address, &format!("/scrape?info_hash={QUERY_HASH}"));
        let entry = b"d8:completei1e10:downloadedi1e10:incompletei0ee";
        assert_eq!(scrape, [&b"d5:filesd20:"[..], &HASH, entry, b"ee"].concat(), "{}", scrape.escape_ascii());
        assert_eq!(status, 200);
        tracker.stop().unwrap();
    }
}

#[test]
fn peers_find_each_other_over_udp() {
    for ip in loopbacks() {
        let tracker = spawn(TrackerServerConfig { udp: vec![(ip, 0).into()], ..config() });
        let client = UdpClient::new(tracker.udp_addresses()[0]);
        let connection = client.connect(1);

        client.send(&announce_packet(connection, 2, 1001, 0, 2));
        assert_eq!(client.receive(), numbers(&[1, 2, 1800, 0, 1]));

        client.send(&announce_packet(connection, 3, 1002, 9, 2));
        let expected = [numbers(&[1, 3, 1800, 1, 1]), compact(ip, 1001)].concat();
        assert_eq!(client.receive(), expected);

        client.send(&announce_packet(connection, 4, 1002, 0, 1));
        assert_eq!(client.receive(), numbers(&[1, 4, 1800, 0, 2]));

        client.send(&announce_packet(connection, 5, 1001, 0, 3));
        assert_eq!(client.receive(), numbers(&[1, 5, 1800, 0, 1]));

        client.send(&scrape_packet(connection, 6));
        assert_eq!(client.receive(), numbers(&[2, 6, 1, 1, 0]));
        tracker.stop().unwrap();
    }
}

#[test]
fn http_and_udp_share_their_swarms() {
    let tracker = spawn(config());
    get(tracker.http_addresses()[0], &announce_target(1001, 0, "started"));
    let client = UdpClient::new(tracker.udp_addresses()[0]);
    client.send(&announce_packet(client.connect(1), 2, 1002, 1, 2));
    assert!(client.receive().ends_with(&compact(client.socket.peer_addr().unwrap().ip(), 1001)));
}

#[test]
fn garbage_over_udp_is_not_answered() {
    let tracker = spawn(config());
    let client = UdpClient::new(tracker.udp_addresses()[0]);
    let connection = client.connect(1);
    let connect = connect_packet(9);
    let announce = announce_packet(connection, 9, 1001, 0, 2);
    let mut wrong_magic = connect.clone();
    wrong_magic[7] ^= 1;
    let garbage = [
        vec![],
        vec![0],
        connect[..15].to_vec(),
        wrong_magic,
        announce[..97].to_vec(),
        announce_packet(connection, 9, 1001, 0, 4),
        [&announce[..], &[2, 200, b'/']].concat(), // an option that is cut off
        [&connection.to_be_bytes()[..], &numbers(&[3, 9])].concat(),
        scrape_packet(connection, 9)[..16].to_vec(),
        scrape_packet(connection, 9)[..35].to_vec(),
        vec![0xff; 2000],
    ];
    for packet in &garbage {
        client.send(packet);
    }
    client.connect(2);
    let statistics = tracker.statistics().unwrap();
    assert_eq!(statistics.traffic.udp_malformed, garbage.len() as u64);
    assert_eq!(statistics.traffic.udp_packets_out, 2);
    assert_eq!(statistics.tracker.announces.total(), 0);
}

#[test]
fn a_request_without_a_valid_connection_id_is_not_answered() {
    let tracker = spawn(config());
    let client = UdpClient::new(tracker.udp_addresses()[0]);
    let connection = client.connect(1);
    for wrong in [0, 1, u64::MAX, connection ^ 1, connection.swap_bytes()] {
        client.send(&announce_packet(wrong, 9, 1001, 0, 2));
        client.send(&scrape_packet(wrong, 9));
    }
    client.connect(2);
    let statistics = tracker.statistics().unwrap();
    assert_eq!(statistics.traffic.udp_bad_connection_id, 10);
    assert_eq!(statistics.traffic.udp_bytes_out, 32, "two answers to connect requests");
    assert_eq!(statistics.tracker.peers(), 0);
}

#[test]
fn slow_clients_are_cut_off_and_others_are_served_meanwhile() {
    let head = Duration::from_millis(300);
    let tracker =
        spawn(TrackerServerConfig { timeouts: Timeouts { head, ..Timeouts::default() }, ..config() });
    let address = tracker.http_addresses()[0];
    let mut slow: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = connect(address);
            stream.write_all(b"GET /announce?info_hash=").unwrap();
            stream
        })
        .collect();
    for port in 1..=50 {
        let (status, _) = get(address, &announce_target(port, 1, "started"));
        assert_eq!(status, 200);
    }
    // One of them sends a byte now and then. It gains nothing.
    let mut drip = connect(address);
    let started = Instant::now();
    while drip.write_all(b"G").is_ok() && started.elapsed() < PATIENCE {
        std::thread::sleep(head / 10);
    }
    assert!(started.elapsed() < PATIENCE);
    assert!(slow.iter_mut().all(is_ended));
    let traffic = tracker.statistics().unwrap().traffic;
    assert_eq!((traffic.http_timeouts, traffic.http_requests), (201, 50));
}

#[test]
fn idle_connections_are_closed() {
    let timeouts = Timeouts { head: PATIENCE * 2, idle: Duration::from_millis(100) };
    let tracker = spawn(TrackerServerConfig { timeouts, ..config() });
    let mut never_spoke = connect(tracker.http_addresses()[0]);
    assert!(is_ended(&mut never_spoke));
    let mut spoke = connect(tracker.http_addresses()[0]);
    spoke.write_all(b"GET /stats HTTP/1.1\r\nHost: tracker\r\n\r\n").unwrap();
    assert!(is_ended(&mut spoke));
    assert_eq!(tracker.statistics().unwrap().traffic.http_timeouts, 2);
}

#[test]
fn a_connection_serves_many_requests() {
    let tracker = spawn(config());
    let mut stream = connect(tracker.http_addresses()[0]);
    for port in 1..=3 {
        let target = announce_target(port, 1, "started");
        stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: tracker\r\n\r\n").as_bytes()).unwrap();
        let mut answer = Vec::new();
        let mut byte = [0];
        while !contains(&answer, b"8:intervali1800e") || answer.last() != Some(&b'e') {
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
    }
    let statistics = tracker.statistics().unwrap();
    assert_eq!((statistics.traffic.http_connections, statistics.tracker.announces.total()), (1, 3));
}

#[test]
fn a_head_that_is_too_long_is_refused() {
    let tracker = spawn(config());
    let mut stream = connect(tracker.http_addresses()[0]);
    let request = format!("GET /stats HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(16 * 1024));
    // The server may have hung up before it has read everything.
    let _ = stream.write_all(request.as_bytes());
    assert!(is_ended(&mut stream));
    let traffic = tracker.statistics().unwrap().traffic;
    assert_eq!((traffic.http_requests, traffic.http_errors), (0, 1));

    let long = format!("GET /stats HTTP/1.1\r\nX: {}\r\nConnection: close\r\n\r\n", "x".repeat(7 * 1024));
    assert_eq!(exchange(tracker.http_addresses()[0], &long).0, 200);
}

#[test]
fn what_is_not_served_is_refused() {
    let tracker = spawn(config());
    let address = tracker.http_addresses()[0];
    assert_eq!(get(address, "/").0, 404);
    assert_eq!(get(address, "/announce/../stats").0, 404);
    let (status, body) = get(address, "/announce?info_hash=short");
    assert_eq!(status, 400);
    assert!(body.starts_with(b"d14:failure reason"), "{}", body.escape_ascii());
    assert_eq!(get(address, "/scrape").0, 400, "a scrape of everything");
    let with_body = "POST /announce HTTP/1.1\r\nHost: tracker\r\nContent-Length: 1000000\r\n\r\n";
    assert_eq!(exchange(address, with_body).0, 405, "and the connection ends although no body came");
    assert_eq!(tracker.statistics().unwrap().traffic.http_errors, 5);

    let silent = spawn(TrackerServerConfig { serve_statistics: false, ..config() });
    assert_eq!(get(silent.http_addresses()[0], "/stats").0, 404);
    assert_eq!(get(silent.http_addresses()[0], "/metrics").0, 404);
}

#[test]
fn connections_beyond_the_limit_are_closed_at_once() {
    let tracker = spawn(TrackerServerConfig { max_connections: 2, ..config() });
    let address = tracker.http_addresses()[0];
    let mut held: Vec<TcpStream> = (0..2).map(|_| connect(address)).collect();
    assert!(is_ended(&mut connect(address)));
    let mut first = held.remove(0);
    first.write_all(b"GET /stats HTTP/1.1\r\nHost: tracker\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    first.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert_eq!(tracker.statistics().unwrap().traffic.http_connections_refused, 1);
}

#[test]
fn the_numbers_are_right() {
    let tracker = spawn(config());
    let address = tracker.http_addresses()[0];
    get(address, &announce_target(1001, 0, "started"));
    get(address, &announce_target(1002, 1, "started"));
    get(address, &announce_target(1002, 0, "completed"));
    get(address, &format!("/scrape?info_hash={QUERY_HASH}"));
    let client = UdpClient::new(tracker.udp_addresses()[0]);
    client.send(&announce_packet(client.connect(1), 2, 1003, 1, 2));
    client.receive();

    let (status, json) = get(address, "/stats");
    let json = String::from_utf8(json).unwrap();
    assert_eq!(status, 200);
    for line in [
        "\"swarms\": 1,",
        "\"peers\": {\"seeder\": 2, \"leecher\": 1},",
        "\"peers_by_family\": {\"ipv4\": 3, \"ipv6\": 0},",
        "\"completed\": 1,",
        "\"announces\": {\"http_ipv4\": 3, \"http_ipv6\": 0, \"udp_ipv4\": 1, \"udp_ipv6\": 0},",
        "\"scrapes\": {\"http_ipv4\": 1, \"http_ipv6\": 0, \"udp_ipv4\": 0, \"udp_ipv6\": 0},",
        "\"connects\": 1,",
        "\"http_requests\": 5,",
        "\"udp_packets\": {\"in\": 2, \"out\": 2},",
        "\"udp_bytes\": {\"in\": 114, \"out\": 48},",
    ] {
        assert!(json.contains(line), "{line} in {json}");
    }
    let (status, metrics) = get(address, "/metrics");
    assert_eq!(status, 200);
    assert!(contains(&metrics, b"sprat_tracker_completed_total 1\n"));
}

#[test]
fn a_list_decides_which_swarms_are_served() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("denied");
    let hash: String = HASH.iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(&path, format!("# not ours\n{hash}\n")).unwrap();
    let tracker = spawn(TrackerServerConfig { access: AccessFile::Deny(path.clone()), ..config() });

    let (status, body) = get(tracker.http_addresses()[0], &announce_target(1, 1, "started"));
    assert_eq!(status, 200, "clients read refusals in good answers only");
    assert!(body.starts_with(b"d14:failure reason"), "{}", body.escape_ascii());

    let client = UdpClient::new(tracker.udp_addresses()[0]);
    client.send(&announce_packet(client.connect(1), 2, 1, 1, 2));
    assert!(client.receive().starts_with(&numbers(&[3, 2])));
    assert_eq!(tracker.statistics().unwrap().tracker.refused_not_permitted, 2);

    std::fs::write(&path, "nonsense").unwrap();
    let broken = TrackerServer::bind(TrackerServerConfig { access: AccessFile::Allow(path), ..config() });
    assert!(matches!(broken, Err(TrackerServerError::ParseList { .. })));
    let missing = AccessFile::Allow(directory.path().join("missing"));
    let missing = TrackerServer::bind(TrackerServerConfig { access: missing, ..config() });
    assert!(matches!(missing, Err(TrackerServerError::ReadList { .. })));
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let result = TrackerServer::bind(TrackerServerConfig { http: vec![address], ..config() });
    let Err(TrackerServerError::Bind { protocol: "HTTP", address: named, .. }) = result else {
        panic!("bound twice");
    };
    assert_eq!(named, address);
}

#[test]
fn stopping_ends_in_time_whatever_is_open() {
    let tracker = spawn(config());
    let address = tracker.http_addresses()[0];
    let mut idle = connect(address);
    let mut halfway = connect(address);
    halfway.write_all(b"GET /announce?").unwrap();
    get(address, "/stats"); // by now the two were accepted
    let started = Instant::now();
    tracker.stop().unwrap();
    assert!(started.elapsed() < PATIENCE / 2);
    assert!(is_ended(&mut idle));
    assert!(is_ended(&mut halfway));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn it_runs_within_a_runtime_until_told_to_stop() {
    let server = TrackerServer::bind(config()).unwrap();
    let address = server.http_addresses()[0];
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let client = std::thread::spawn(move || {
        let (status, _) = get(address, "/stats");
        drop(stop);
        status
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stopped = async {
        let _ = stopped.await;
    };
    runtime.block_on(server.run(stopped)).unwrap();
    assert_eq!(client.join().unwrap(), 200);
}
