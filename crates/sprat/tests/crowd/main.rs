//! A program with 2,000 connections, and 5,000 callers beside them who do not say who they are: what a connection costs, and
//! how long an honest caller waits for an answer.
//!
//! `SPRAT_RUNS` is how many there are, per cent of all these (15 if it says nothing).

#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};
use serde_json::Value;
use sprat_wire::hash::{InfoHash, PeerId};
use sprat_wire::metainfo::Metainfo;
use sprat_wire::peer::extension::{ExtensionHandshake, ExtensionIds};
use sprat_wire::peer::handshake::{Handshake, PROTOCOL, Reserved};
use sprat_wire::peer::message::Message;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::{JoinSet, LocalSet};

/// Connections that stay, with `SPRAT_RUNS=100`.
const LIVE: u32 = 2000;

/// Callers that say one byte and no more.
const HALF_OPEN: u32 = 5000;

/// Honest callers that are timed while those are there.
const PROBES: u32 = 500;

/// Of memory, for each connection.
const MOST_EACH: f64 = 32.0;

/// How long all but one in a hundred honest callers wait at the most.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// One that was sent away tries again after so long.
const PAUSE: Duration = Duration::from_millis(20);

/// Sockets and files of this program besides.
const OTHERS: u64 = 200;

/// `sprat share` with a small file. Killed when dropped.
struct Seeder {
    child: Child,
    events: PathBuf,
    address: SocketAddr,
    info_hash: InfoHash,
    _home: TempDir,
}

impl Seeder {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        fs::write(home.path().join("file"), vec![7; 4 << 20]).unwrap();
        let created = Command::new(env!("CARGO_BIN_EXE_sprat"))
            .args([
                "create",
                "--version",
                "v1",
                "--piece-length",
                "16K",
                "--output",
                &path("torrent"),
                &path("file"),
            ])
            .output()
            .unwrap();
        assert!(created.status.success(), "{created:?}");
        let info_hash = Metainfo::parse(&fs::read(path("torrent")).unwrap()).unwrap().info_hashes.primary();
        let events = home.path().join("events");
        let connections = (LIVE + PROBES).to_string();
        let child = Command::new(env!("CARGO_BIN_EXE_sprat"))
            .args([
                "--json",
                "share",
                &path("file"),
                "--torrent",
                &path("torrent"),
                "--connections",
                &connections,
            ])
            .args(["--port", "0", "--loopback", "--allow-private", "--no-dht", "--no-lsd"])
            .args(["--state-dir", &path("state")])
            .stdout(File::create(&events).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut seeder = Self { child, events, address, info_hash, _home: home };
        let port = seeder.until("the port", |event| event["port"].as_u64());
        seeder.address.set_port(u16::try_from(port).unwrap());
        seeder.until("the check", |event| (event["event"] == "finished").then_some(()));
        seeder
    }

    /// The last event for which `pick` has an answer.
    fn last<T>(&self, pick: impl Fn(&Value) -> Option<T>) -> Option<T> {
        let text = fs::read_to_string(&self.events).unwrap();
        text.lines().rev().filter_map(|line| serde_json::from_str(line).ok()).find_map(|event| pick(&event))
    }

    fn until<T>(&self, what: &str, pick: impl Fn(&Value) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = self.last(&pick) {
                return found;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A figure of the progress that it tells of next.
    async fn figure(&self, name: &str) -> u64 {
        tokio::time::sleep(Duration::from_millis(600)).await;
        self.last(|event| event[name].as_u64()).unwrap()
    }

    /// KiB that are resident.
    fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Seeder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Each caller has an address of its own.
async fn call(number: u32, to: SocketAddr) -> io::Result<TcpStream> {
    let [_, a, b, c] = number.to_be_bytes();
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::new(127, 1 + a, b, c), 0).into())?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Calls and says who it is, until that is answered; what a client says first follows.
async fn join(number: u32, to: SocketAddr, info_hash: InfoHash) -> io::Result<TcpStream> {
    let mut stream = call(number, to).await?;
    let mut peer_id = *b"-XX0001-............";
    peer_id[8..12].copy_from_slice(&number.to_be_bytes());
    let reserved = Reserved::default().with_fast().with_extended();
    stream.write_all(&Handshake { reserved, info_hash, peer_id: PeerId(peer_id) }.encode()).await?;
    stream.read_exact(&mut [0; Handshake::LENGTH]).await?;
    let ids = ExtensionIds { ut_pex: Some(1), ut_metadata: Some(2), ..ExtensionIds::default() };
    let hello = ExtensionHandshake {
        ids,
        client: Some("Somebody 1.2.3".to_owned()),
        port: Some(6881),
        request_queue: Some(250),
        ..ExtensionHandshake::default()
    };
    let mut said = bytes::BytesMut::new();
    for message in
        [Message::HaveNone, Message::Extended { id: 0, payload: hello.encode().into() }, Message::Interested]
    {
        message.encode(&mut said);
    }
    stream.write_all(&said).await?;
    Ok(stream)
}

/// Reads what comes and asks for nothing, until the other end hangs up.
async fn stay(mut stream: TcpStream) {
    let mut buffer = vec![0; 4096];
    while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
}

/// Thousands who say one byte, and call again when they are sent away; on a thread that gets what others leave.
fn flood(callers: u32, to: SocketAddr, calls: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        let _ = rustix::process::nice(19);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let tasks = LocalSet::new();
        for number in 0..callers {
            let calls = Arc::clone(&calls);
            tasks.spawn_local(async move {
                loop {
                    if let Ok(mut stream) = call(0x10_0000 + number, to).await {
                        calls.fetch_add(1, Ordering::Relaxed);
                        if stream.write_all(&PROTOCOL[..1]).await.is_ok() {
                            stay(stream).await;
                        }
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        runtime.block_on(tasks);
    });
}

/// How long it takes until an honest caller has an answer, if need be at the third call.
async fn probe(number: u32, seeder: &Seeder) -> Duration {
    let began = Instant::now();
    while join(number, seeder.address, seeder.info_hash).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(30), "an honest caller is not let in");
    }
    began.elapsed()
}

fn share(all: u32, percent: u32) -> u32 {
    (all * percent.clamp(1, 100) / 100).max(1)
}

#[tokio::test]
async fn connections_cost_little_and_callers_without_a_name_keep_nobody_out() {
    let percent: u32 =
        std::env::var("SPRAT_RUNS").map_or(15, |runs| runs.parse().expect("SPRAT_RUNS is a number"));
    let (live, half_open, probes) = (share(LIVE, percent), share(HALF_OPEN, percent), share(PROBES, percent));
    let needed = u64::from(live + half_open + probes) + OTHERS;
    if let Some(hard) = getrlimit(Resource::Nofile).maximum.filter(|hard| *hard < needed) {
        println!("skipped: {needed} open files are needed, and the hard limit is {hard}");
        return;
    }
    sprat_engine::descriptors::raise_limit();

    let seeder = Seeder::start();
    let mut peers = JoinSet::new();
    // What the first ones need once is there.
    for number in 0..5 {
        peers.spawn(stay(join(number, seeder.address, seeder.info_hash).await.unwrap()));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (before, held_before) = (seeder.resident(), seeder.figure("held_for_peers").await);
    for number in 5..live + 5 {
        peers.spawn(stay(join(number, seeder.address, seeder.info_hash).await.unwrap()));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(seeder.figure("peers").await, u64::from(live) + 5);
    let each = (seeder.resident() - before) / f64::from(live);
    let counted = (seeder.figure("held_for_peers").await - held_before) as f64 / 1024.0 / f64::from(live);

    let calls = Arc::new(AtomicU64::new(0));
    flood(half_open, seeder.address, Arc::clone(&calls));
    while calls.load(Ordering::Relaxed) < u64::from(half_open) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut waits = Vec::new();
    for number in 0..probes {
        waits.push(probe(0x1_0000 + number, &seeder).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    waits.sort_unstable();
    let at = |percent: usize| waits[(waits.len() * percent / 100).min(waits.len() - 1)];
    let still = seeder.figure("peers").await;
    let resident = seeder.resident() / 1024.0;
    println!(
        "crowd: {live} live connections, {each:.1} KiB each resident, {counted:.1} KiB counted; beside {half_open} half-open ones \
         ({} calls), {probes} callers wait {:.0?}, p99 {:.0?}, the last {:.0?}; {resident:.0} MiB in all",
        calls.load(Ordering::Relaxed),
        at(50),
        at(99),
        at(100),
    );
    assert!(each <= MOST_EACH && counted <= MOST_EACH, "{each:.1} KiB each, {counted:.1} counted");
    assert!(at(99) < LONGEST_WAIT, "{:?}", at(99));
    assert!(still >= u64::from(live), "{still} of {live} connections are left");
}
