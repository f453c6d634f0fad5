//! How soon a client answers while it works: `cargo xtask bench control`.
//!
//! A client in this process checks a file, and then gets it again from a `sprat` at full speed, while another thread asks it for the
//! status of the torrent and of all its connections, as a page or a command line would: a question, its answer, a millisecond's
//! pause. `SPRAT_BENCH_DIR` is where the files go (the target directory).

#![allow(clippy::print_stdout, reason = "a benchmark prints figures")]
#![allow(dead_code, reason = "what it shares with other benchmarks is more than it needs")]

mod process;
mod shared_content;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use sprat_core::config::Config;
use sprat_core::io::AddTorrent;
use sprat_core::storage::TorrentId;
use sprat_core::torrent::{TorrentState, TorrentStatus};
use sprat_engine::address_policy::AddressPolicy;
use sprat_engine::client::{Client, ClientConfig};
use sprat_engine::storage::StorageConfig;
use sprat_engine::udp::UdpConfig;
use sprat_engine::uplink::Uplink;
use sprat_wire::metainfo::Metainfo;

use crate::process::{Process, free_port, wait_until};
use crate::shared_content::{SharedContent, bench_directory};

/// Between an answer and the next question.
const PAUSE: Duration = Duration::from_millis(1);

/// Measures how soon a busy client answers.
#[derive(Debug, Parser)]
struct Arguments {
    /// MiB of content.
    #[arg(long, default_value_t = 4096)]
    mib: u64,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let Arguments { mib, .. } = Arguments::parse();
    let directory = bench_directory()?;
    let content = SharedContent::make(directory.path(), mib, 1, "1M", "http://127.0.0.1:1/announce")?;
    let metainfo = Arc::new(Metainfo::parse(&std::fs::read(&content.torrent)?)?);
    let (there, seeder) = start_seeder(directory.path(), &content)?;
    println!("{mib} MiB, in {}\n", directory.path().display());
    println!("| while | seconds | questions | p50 ms | p99 ms | longest ms |\n|---|---|---|---|---|---|");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let checking = directory.path().join("checking");
        content.link_into(&checking)?;
        watch("checking", &metainfo, &checking, None).await?;
        let leeching = directory.path().join("leeching");
        std::fs::create_dir(&leeching)?;
        watch("downloading", &metainfo, &leeching, Some(there)).await
    })?;
    drop(seeder);
    Ok(())
}

fn start_seeder(directory: &Path, content: &SharedContent) -> Result<(SocketAddr, Process)> {
    let place = directory.join("seeder");
    content.link_into(&place)?;
    let port = free_port()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_sprat"));
    command.args(["--json", "get"]).arg(&content.torrent).arg("--dir").arg(&place).arg("--seed");
    command.arg("--state-dir").arg(place.join("state")).args(["--port", &port.to_string()]);
    command.args(["--loopback", "--allow-private", "--no-dht", "--no-lsd", "--no-pex"]);
    let mut seeder = Process::start("seeder", &mut command, directory)?;
    wait_until("the seeder has checked its file", Duration::from_secs(120), || {
        seeder.must_be_running()?;
        Ok(seeder.output()?.contains("\"finished\""))
    })?;
    Ok(((Ipv4Addr::LOCALHOST, port).into(), seeder))
}

/// Adds the torrent to a new client, asks until everything is there, and tells how long the answers took.
async fn watch(
    name: &str,
    metainfo: &Arc<Metainfo>,
    directory: &Path,
    peer: Option<SocketAddr>,
) -> Result<()> {
    let client = Client::start(ClientConfig {
        session: Config::default(),
        listen: None,
        storage: StorageConfig::default(),
        policy: Arc::new(AddressPolicy::permissive()),
        uplink: Uplink::any(),
        udp: UdpConfig::loopback(0),
        dht: None,
        lsd: false,
        home: None,
        seed: None,
    })?;
    let add = AddTorrent { peers: peer.into_iter().collect(), ..AddTorrent::new(Arc::clone(metainfo)) };
    let began = Instant::now();
    let torrent = client.add(add, directory.to_path_buf()).await??;
    let mut answers = Vec::new();
    loop {
        let asked = Instant::now();
        let (status, _connections) = ask(&client, torrent).await?;
        answers.push(asked.elapsed());
        match status.state {
            TorrentState::Seeding => break,
            TorrentState::Trouble(trouble) => bail!("the torrent has stopped: {trouble:?}"),
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    client.shut_down().await?;
    answers.sort_unstable();
    let at = |share: f64| {
        let index = ((answers.len() - 1) as f64 * share) as usize;
        answers.get(index).map_or(0.0, |answer| answer.as_secs_f64() * 1000.0)
    };
    let count = answers.len();
    println!("| {name} | {seconds:.1} | {count} | {:.2} | {:.2} | {:.2} |", at(0.5), at(0.99), at(1.0));
    Ok(())
}

async fn ask(client: &Client, torrent: TorrentId) -> Result<(TorrentStatus, usize)> {
    let answer = client.with(move |session, now| {
        let torrent = session.torrent(torrent)?;
        Some((torrent.status(now), torrent.connections(now).count()))
    });
    answer.await?.context("the torrent has gone")
}
