//! Many torrents with nothing to do: `cargo xtask bench many`.
//!
//! Each has one small file. They are added to a client with an empty list; then the client is started again, once with cold and
//! once with warm caches, looked at while nothing happens, and stopped. Each start is a process of its own, so that its memory is
//! that of so many torrents and nothing else. The tracker, if there is one, is in the process that starts them.
//! `SPRAT_BENCH_DIR` is where they go (the target directory).

#![allow(clippy::print_stdout, reason = "a benchmark prints figures")]
#![allow(dead_code, reason = "what it shares with other benchmarks is more than it needs")]

mod shared_content;
mod usage;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use sprat_core::config::Config;
use sprat_core::io::AddTorrent;
use sprat_engine::address_policy::AddressPolicy;
use sprat_engine::client::{Client, ClientConfig, Home};
use sprat_engine::create::{CreateOptions, create};
use sprat_engine::ledger::Ledger;
use sprat_engine::listen::ListenConfig;
use sprat_engine::shelf::Shelf;
use sprat_engine::state::StateStore;
use sprat_engine::storage::StorageConfig;
use sprat_engine::tracker_server::{TrackerHandle, TrackerServer, TrackerServerConfig};
use sprat_engine::udp::UdpConfig;
use sprat_engine::uplink::Uplink;
use sprat_wire::metainfo::Version;
use sprat_wire::metainfo::build::Description;
use tokio::task::JoinSet;

use crate::shared_content::bench_directory;
use crate::usage::{cpu_seconds, resident_memory};

/// Bytes of each file: a piece and a half.
const LENGTH: usize = 24 * 1024;

/// Torrents that are added at a time: they share commits, as those of a program that takes over a list would.
const AT_ONCE: usize = 500;

/// Before that the client may put away what starting took.
const SETTLED: Duration = Duration::from_secs(3);

/// Measures a client with many torrents.
#[derive(Debug, Parser)]
struct Arguments {
    /// Torrents.
    #[arg(long, default_value_t = 10_000)]
    torrents: usize,
    /// The tracker that each of them names.
    #[arg(long, value_enum, default_value_t = Named::None)]
    tracker: Named,
    /// For so many seconds nothing happens, and the processor is watched.
    #[arg(long, default_value_t = 60)]
    idle: u64,
    /// So often, one after the other.
    #[arg(long, default_value_t = 1)]
    looks: usize,
    /// Part of the measurement, in a process of its own.
    #[arg(long, hide = true)]
    url: Option<String>,
    /// Part of the measurement, in a process of its own.
    #[arg(long, hide = true)]
    add: Option<PathBuf>,
    /// Part of the measurement, in a process of its own.
    #[arg(long, hide = true)]
    start: Option<PathBuf>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Which tracker torrents name.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Named {
    /// None.
    None,
    /// One that answers.
    Live,
    /// One that refuses connections.
    Refusing,
    /// One that takes connections and says nothing.
    Silent,
}

/// The tracker that the torrents name, as long as it is held.
struct Tracker {
    url: Option<String>,
    _live: Option<TrackerHandle>,
    _socket: Option<TcpListener>,
}

impl Tracker {
    fn start(named: Named) -> Result<Self> {
        let url_of = |address: SocketAddr| Some(format!("http://{address}/announce"));
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut tracker = Self { url: None, _live: None, _socket: None };
        match named {
            Named::None => {}
            Named::Live => {
                let config = TrackerServerConfig { http: vec![loopback], ..TrackerServerConfig::default() };
                let live = TrackerServer::spawn(config)?;
                tracker.url = live.http_addresses().first().copied().and_then(url_of);
                tracker._live = Some(live);
            }
            Named::Refusing => tracker.url = url_of(TcpListener::bind(loopback)?.local_addr()?),
            Named::Silent => {
                let socket = TcpListener::bind(loopback)?;
                tracker.url = url_of(socket.local_addr()?);
                tracker._socket = Some(socket);
            }
        }
        Ok(tracker)
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let Some(home) = &arguments.add {
        return runtime.block_on(add(home, arguments.torrents, arguments.url.as_deref()));
    }
    if let Some(home) = &arguments.start {
        return runtime.block_on(start(home, &arguments));
    }
    let tracker = Tracker::start(arguments.tracker)?;
    let directory = bench_directory()?;
    let home = directory.path();
    let (torrents, named) = (arguments.torrents, arguments.tracker);
    println!("{torrents} torrents of {} KiB in {}, tracker: {named:?}", LENGTH / 1024, home.display());
    let part = |flag: &str| -> Result<()> {
        let status = Command::new(std::env::current_exe()?)
            .args(["--torrents", &torrents.to_string(), "--idle", &arguments.idle.to_string()])
            .args(["--looks", &arguments.looks.to_string()])
            .args(tracker.url.iter().flat_map(|url| ["--url", url]))
            .arg(flag)
            .arg(home)
            .status()?;
        ensure!(status.success(), "{flag}: {status}");
        Ok(())
    };
    part("--add")?;
    rustix::fs::sync();
    // Only for root; without it the first start is warm as well, and says so.
    let is_cold = fs::write("/proc/sys/vm/drop_caches", "3").is_ok();
    println!("{}:", if is_cold { "cold start" } else { "first start, caches could not be dropped" });
    part("--start")?;
    println!("warm start:");
    part("--start")
}

/// A client on loopback with its list below `home`.
fn client(home: &Path) -> Result<(Client, Ledger)> {
    let state = home.join("state");
    let (store, damages) = StateStore::open(&state)?;
    ensure!(damages.is_empty(), "{damages:?}");
    let ledger = Ledger::start(store)?;
    let client = Client::start(ClientConfig {
        session: Config { sleep_after: Some(Duration::from_secs(1)), ..Config::default() },
        listen: Some(ListenConfig::loopback(0..=0)),
        storage: StorageConfig { ledger: Some(ledger.handle()), ..StorageConfig::default() },
        policy: Arc::new(AddressPolicy::permissive()),
        uplink: Uplink::any(),
        udp: UdpConfig::loopback(0),
        dht: None,
        lsd: false,
        home: Some(Home { ledger: ledger.handle(), shelf: Shelf::below(&state) }),
        seed: None,
    })?;
    Ok((client, ledger))
}

async fn add(home: &Path, torrents: usize, url: Option<&str>) -> Result<()> {
    let (client, ledger) = client(home)?;
    let client = Arc::new(client);
    let begun = Instant::now();
    let mut making = Duration::ZERO;
    let mut adding = JoinSet::new();
    for number in 0..torrents {
        let made = Instant::now();
        let directory = home.join(format!("{}/{number}", number % 100));
        fs::create_dir_all(&directory)?;
        let path = directory.join("file");
        let mut bytes = vec![0; LENGTH];
        fastrand::Rng::with_seed(number as u64).fill(&mut bytes);
        fs::write(&path, bytes)?;
        let description = Description {
            trackers: url.map(|url| vec![url.to_owned()]).into_iter().collect(),
            ..Description::default()
        };
        let options = CreateOptions {
            path,
            version: Version::V1,
            piece_length: Some(16 * 1024),
            threads: Some(1),
            description,
        };
        let metainfo = Arc::new(create(&options, &|_, _| {})?.metainfo);
        making += made.elapsed();
        let add = AddTorrent::new(metainfo);
        let client = Arc::clone(&client);
        adding.spawn(async move { anyhow::Ok(client.add(add, directory).await??) });
        if adding.len() == AT_ONCE || number + 1 == torrents {
            while let Some(added) = adding.join_next().await {
                added??;
            }
        }
    }
    while client.with(|session, _| session.sleepers().count()).await? < torrents {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("added, checked and asleep: {:.1} s", (begun.elapsed() - making).as_secs_f64());
    stop(Arc::into_inner(client).context("nobody else has the client")?, ledger).await
}

async fn start(home: &Path, arguments: &Arguments) -> Result<()> {
    let (torrents, idle) = (arguments.torrents, Duration::from_secs(arguments.idle));
    let begun = Instant::now();
    let (client, ledger) = client(home)?;
    let list = client.list().await?;
    let ready = begun.elapsed();
    ensure!(list.len() == torrents, "{} of {torrents} torrents are there", list.len());
    ensure!(list.iter().all(|line| line.is_complete), "not all are complete");
    println!("  ready in {:.2} s", ready.as_secs_f64());
    tokio::time::sleep(SETTLED).await;
    let process = std::process::id();
    for _ in 0..arguments.looks {
        let before = cpu_seconds(process)?;
        tokio::time::sleep(idle).await;
        let used = (cpu_seconds(process)? - before) / idle.as_secs_f64();
        let memory = resident_memory(process).context("memory")?;
        println!("  {} s: {memory:.1} MiB resident, {:.2} % of a core", idle.as_secs(), used * 100.0);
    }
    stop(client, ledger).await
}

async fn stop(client: Client, ledger: Ledger) -> Result<()> {
    let begun = Instant::now();
    client.shut_down().await?;
    drop(ledger);
    println!("  stopped in {:.2} s", begun.elapsed().as_secs_f64());
    Ok(())
}
