//! Trackers that lie, hang, or answer something else.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sprat_core::io::Event;
use sprat_wire::metainfo::Version;
use sprat_wire::tracker::{AnnounceResponse, http};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::honest::Pair;
use super::loopback::{Answer, WebServer, ok};

const ANY_PORT: &str = "127.0.0.1:0";

fn announces(answer: &AnnounceResponse) -> Answer {
    ok(&http::encode_announce_response(answer, true))
}

#[tokio::test]
async fn whatever_a_tracker_answers_is_an_error_by_name_and_the_transfer_goes_on() {
    let nested = [vec![b'l'; 10_000], vec![b'e'; 10_000]].concat();
    let endless = Answer::Endless(b"HTTP/1.1 200 OK\r\n\r\nd5:peers".to_vec(), vec![b'9'; 65_536]);
    let drip = Answer::Endless(
        b"HTTP/1.1 200 OK\r\n".to_vec(),
        b"X-Padding: a line of a head without end\r\n".to_vec(),
    );
    let answers: Vec<(&str, Answer)> = vec![
        ("garbage", Answer::Bytes(b"\0\xff\x13 nothing".to_vec())),
        ("nothing", Answer::Bytes(Vec::new())),
        ("a page", ok(b"<html>It works!</html>")),
        ("nested lists", ok(&nested)),
        ("a number that is too long", ok(&[b"i".to_vec(), vec![b'9'; 20_000], b"e".to_vec()].concat())),
        ("a string longer than the answer", ok(b"d8:intervali60e5:peers4294967295:")),
        ("a refusal", ok(b"d14:failure reason3:no!e")),
        (
            "a refusal of 100 KB",
            ok(&[b"d14:failure reason100000:".to_vec(), vec![b'!'; 100_000], b"e".to_vec()].concat()),
        ),
        ("a body without end", endless),
        ("a head without end", drip),
        ("an error", Answer::Bytes(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_vec())),
    ];
    let mut servers = Vec::new();
    for (_, answer) in &answers {
        servers.push(WebServer::start(ANY_PORT, vec![answer.clone()]).await);
    }
    let circle = WebServer::start(
        ANY_PORT,
        vec![Answer::Bytes(
            b"HTTP/1.1 302 Found\r\nLocation: /announce\r\nContent-Length: 0\r\n\r\n".to_vec(),
        )],
    )
    .await;
    for (server, what) in
        servers.iter().zip(answers.iter().map(|(what, _)| *what)).chain([(&circle, "a circle")])
    {
        let url = server.url("/announce");
        let mut pair = Pair::start(Version::V1, vec![vec![url.clone()]]).await;
        let failure = pair.leecher.wait_for(what, |event| match event {
            Event::TrackerFailed { url: failed, reason, .. } if **failed == *url => Some(reason.clone()),
            _ => None,
        });
        let reason = failure.await;
        assert!(!reason.is_empty() && reason.len() < 1000, "{what}: {} bytes of reason", reason.len());
        pair.introduce().await;
        pair.completes().await;
    }
}

#[tokio::test]
async fn trackers_that_hang_hold_up_nobody() {
    let hangs = [
        Answer::Hang(Vec::new()),
        Answer::Hang(b"HTTP/1.1 200 OK\r\n".to_vec()),
        Answer::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nd8:inter".to_vec()),
    ];
    let mut tiers = Vec::new();
    let mut servers = Vec::new();
    for hang in hangs {
        let server = WebServer::start(ANY_PORT, vec![hang]).await;
        tiers.push(vec![server.url("/announce")]);
        servers.push(server);
    }
    // Nobody answers there either.
    let deaf = UdpSocket::bind(ANY_PORT).unwrap();
    tiers.push(vec![format!("udp://{}/announce", deaf.local_addr().unwrap())]);
    let mut pair = Pair::start(Version::V1, tiers).await;
    pair.introduce().await;
    pair.completes().await;
}

#[tokio::test]
async fn a_tracker_that_lies_about_everything_is_asked_in_peace() {
    let lies = AnnounceResponse {
        interval: 0,
        min_interval: Some(0),
        complete: Some(u32::MAX),
        incomplete: Some(u32::MAX),
        // Ports 0 and 1, nowhere, everywhere, multicast.
        peers: [
            "127.0.0.1:0",
            "0.0.0.0:6881",
            "255.255.255.255:6881",
            "224.0.0.1:6881",
            "[::]:1",
            "[ff02::1]:6881",
        ]
        .iter()
        .map(|peer| peer.parse().unwrap())
        .collect(),
        external_ip: Some(IpAddr::V4(Ipv4Addr::BROADCAST)),
        ..AnnounceResponse::default()
    };
    let server = WebServer::start(ANY_PORT, vec![announces(&lies)]).await;
    let mut pair = Pair::start(Version::V1, vec![vec![server.url("/announce")]]).await;
    let answered = |event: &Event| matches!(event, Event::TrackerAnswered { .. }).then_some(());
    pair.leecher.wait_for("the tracker's answer", answered).await;
    pair.introduce().await;
    pair.completes().await;
    // Both have started, one has completed: an interval of zero is no reason to ask all the time.
    assert!(server.requests().len() <= 3, "{:?}", server.requests());
}

/// This machine's own address towards others, or `None`. Nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(203, 0, 113, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback())
}

#[tokio::test]
async fn a_victim_named_a_thousand_times_is_called_a_few_times() {
    let Some(victim) = own_address() else {
        eprintln!(
            "skipped: this machine has no address but loopback, and that one is called as often as one likes"
        );
        return;
    };
    let calls = Arc::new(AtomicUsize::new(0));
    let mut listening = JoinSet::new();
    let mut peers = Vec::new();
    for _ in 0..40 {
        let listener = TcpListener::bind((victim, 0)).await.unwrap();
        peers.push(listener.local_addr().unwrap());
        let calls = Arc::clone(&calls);
        listening.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                calls.fetch_add(1, Ordering::Relaxed);
                drop(stream);
            }
        });
    }
    let crowd: Vec<SocketAddr> = peers.iter().copied().cycle().take(1000).collect();
    let answer = AnnounceResponse { interval: 1800, peers: crowd, ..AnnounceResponse::default() };
    let server = WebServer::start(ANY_PORT, vec![announces(&answer)]).await;
    let mut pair = Pair::start(Version::V1, vec![vec![server.url("/announce")]]).await;
    let answered = |event: &Event| matches!(event, Event::TrackerAnswered { .. }).then_some(());
    pair.leecher.wait_for("the tracker's answer", answered).await;
    pair.introduce().await;
    pair.completes().await;
    // The calls that were going to be made are made at once; this waits for their arrival only.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let calls = calls.load(Ordering::Relaxed);
    // Three in ten minutes, by each of two clients.
    assert!((1..=6).contains(&calls), "{calls} calls");
}
