//! One client and many connections: `cargo xtask bench connections`.
//!
//! The other ends are peers that do next to nothing, all on one thread of this program. A seeder sends to 1, 8 and 50 of them, of whom each asks for
//! everything over and over; a leecher gets the file from as many; and many who want nothing show what a connection costs in memory.
//! `SPRAT_BENCH_DIR` is where the file goes (the target directory).

#![allow(clippy::print_stdout, reason = "a benchmark prints figures")]
#![allow(dead_code, reason = "what it shares with other benchmarks is more than it needs")]

mod figures;
mod process;
mod shared_content;
mod thin_peer;
mod usage;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use clap::Parser;
use sprat_wire::metainfo::Metainfo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::figures::Spread;
use crate::process::{Process, free_port, wait_until};
use crate::shared_content::{SharedContent, bench_directory};
use crate::thin_peer::Swarm;
use crate::usage::{cpu_seconds, resident_memory};

const LIMIT: Duration = Duration::from_secs(120);

/// Between two looks at a figure that is waited for.
const LOOK: Duration = Duration::from_millis(5);

/// Until a client has said what it says at first, and given back what it keeps for a while after a check.
const SETTLED: Duration = Duration::from_secs(8);

/// How often a seeder sends the content for one figure: slots open step by step, and a second or so would show little else.
const COPIES: u64 = 4;

/// Measures a client with many connections.
#[derive(Debug, Parser)]
struct Arguments {
    /// MiB of content.
    #[arg(long, default_value_t = 1024)]
    mib: u64,
    /// So many times each number of connections.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Numbers of connections; the first one is what the others are compared to.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 50])]
    connections: Vec<u32>,
    /// Connections that want nothing, for the memory of one.
    #[arg(long, default_value_t = 500)]
    idle: u32,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// GiB per second, and CPU seconds per GiB.
type Figures = (f64, f64);

fn main() -> Result<()> {
    let Arguments { mib, rounds, connections, idle, .. } = Arguments::parse();
    let directory = bench_directory()?;
    let content = SharedContent::make(directory.path(), mib, 1, "1M", "http://127.0.0.1:1/announce")?;
    let metainfo = Metainfo::parse(&std::fs::read(&content.torrent)?)?;
    let swarm = Swarm::of(&metainfo)?;
    let file = content.single().context("one file")?;
    let bench = Bench { directory: directory.path(), gib: mib as f64 / 1024.0, content, swarm };
    println!("{mib} MiB, {rounds} rounds, in {}", directory.path().display());

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut seeder = vec![Vec::new(); connections.len()];
    let mut leecher = vec![Vec::new(); connections.len()];
    let bytes = Bytes::from(std::fs::read(file)?);
    for _ in 0..rounds {
        for (at, count) in connections.iter().enumerate() {
            seeder[at].push(runtime.block_on(bench.seed_to(*count))?);
            leecher[at].push(runtime.block_on(bench.leech_from(*count, &bytes))?);
        }
    }
    for (title, figures) in [("a seeder to so many", seeder), ("a leecher from so many", leecher)] {
        println!("\n| {title} | GiB/s | to {} | CPU s/GiB |\n|---|---|---|---|", connections[0]);
        for (count, theirs) in connections.iter().zip(&figures) {
            let rates = Spread::of(theirs.iter().map(|it| it.0));
            let ratios = Spread::of(theirs.iter().zip(&figures[0]).map(|(it, one)| it.0 / one.0));
            println!("| {count} | {rates} | {ratios} | {} |", Spread::of(theirs.iter().map(|it| it.1)));
        }
    }
    let (before, after) = runtime.block_on(bench.idle(idle))?;
    println!(
        "\n{idle} connections that want nothing: {before:.1} MiB without, {after:.1} MiB with them, {:.1} KiB each",
        (after - before) * 1024.0 / f64::from(idle)
    );
    Ok(())
}

struct Bench<'a> {
    directory: &'a Path,
    gib: f64,
    content: SharedContent,
    swarm: Swarm,
}

impl Bench<'_> {
    /// `sprat get`, with the content there already or not, in a directory of its own.
    fn client(
        &self,
        is_there: bool,
        arguments: &[String],
    ) -> Result<(Process, tempfile::TempDir, SocketAddr)> {
        let place = tempfile::Builder::new().prefix("round-").tempdir_in(self.directory)?;
        if is_there {
            self.content.link_into(place.path())?;
        }
        let port = free_port()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_sprat"));
        command.args(["--json", "get"]).arg(&self.content.torrent).arg("--dir").arg(place.path());
        command.arg("--state-dir").arg(place.path().join("state")).args(["--port", &port.to_string()]);
        command.args([
            "--loopback",
            "--allow-private",
            "--no-dht",
            "--no-lsd",
            "--no-pex",
            "--connections",
            "1000",
        ]);
        command.args(arguments);
        let process = Process::start("sprat", &mut command, place.path())?;
        Ok((process, place, (Ipv4Addr::LOCALHOST, port).into()))
    }

    fn seeder(&self) -> Result<(Process, tempfile::TempDir, SocketAddr)> {
        let (mut process, place, address) = self.client(true, &["--seed".to_owned()])?;
        wait_until("the seeder has checked its file", LIMIT, || {
            process.must_be_running()?;
            is_finished(&process)
        })?;
        Ok((process, place, address))
    }

    async fn seed_to(&self, count: u32) -> Result<Figures> {
        let (seeder, _place, address) = self.seeder()?;
        let total = (self.gib * COPIES as f64 * f64::from(1 << 30)) as u64;
        let counter = Arc::new(AtomicU64::new(0));
        let mut takers = JoinSet::new();
        for number in 0..count {
            let (swarm, counter) = (self.swarm, Arc::clone(&counter));
            takers.spawn(async move { swarm.take(address, number * 97, &counter).await });
        }
        let first = self.reached(&counter, 1, &mut takers).await?;
        let (began, cpu) = (Instant::now(), cpu_seconds(seeder.id())?);
        let last = self.reached(&counter, first + total, &mut takers).await?;
        let gib = (last - first) as f64 / f64::from(1 << 30);
        let rate = gib / began.elapsed().as_secs_f64();
        Ok((rate, (cpu_seconds(seeder.id())? - cpu) / gib))
    }

    /// Waits until so many bytes have come, and says how many there are.
    async fn reached(
        &self,
        counter: &AtomicU64,
        bytes: u64,
        takers: &mut JoinSet<Result<()>>,
    ) -> Result<u64> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let now = counter.load(Ordering::Relaxed);
            if now >= bytes {
                return Ok(now);
            }
            if Instant::now() > deadline {
                bail!("{now} of {bytes} bytes in {LIMIT:?}");
            }
            tokio::select! {
                Some(end) = takers.join_next() => end??,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn leech_from(&self, count: u32, content: &Bytes) -> Result<Figures> {
        let mut givers = JoinSet::new();
        let mut peers = Vec::new();
        for _ in 0..count {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            peers.extend(["--peer".to_owned(), listener.local_addr()?.to_string()]);
            givers.spawn(self.swarm.give(listener, content.clone()));
        }
        let began = Instant::now();
        let (mut leecher, _place, _) = self.client(false, &peers)?;
        let mut cpu = 0.0;
        while !is_finished(&leecher)? {
            leecher.must_not_have_failed()?;
            if began.elapsed() > LIMIT {
                bail!("nothing after {LIMIT:?}");
            }
            cpu = cpu_seconds(leecher.id()).unwrap_or(cpu);
            tokio::time::sleep(LOOK).await;
        }
        Ok((self.gib / began.elapsed().as_secs_f64(), cpu / self.gib))
    }

    /// MiB resident before and after so many have connected.
    async fn idle(&self, count: u32) -> Result<(f64, f64)> {
        let (seeder, _place, address) = self.seeder()?;
        // One that takes a few bytes, so that what the first connection needs once is there.
        let counter = Arc::new(AtomicU64::new(0));
        let mut takers = JoinSet::new();
        let (swarm, counted) = (self.swarm, Arc::clone(&counter));
        takers.spawn(async move { swarm.take(address, 0, &counted).await });
        self.reached(&counter, 1 << 20, &mut takers).await?;
        takers.shutdown().await;
        tokio::time::sleep(SETTLED).await;
        let before = resident_memory(seeder.id())?;
        let mut idlers = JoinSet::new();
        for _ in 0..count {
            // One after the other: a crowd of strangers who have not said hello is not let in.
            let connection = self.swarm.connect(address).await?;
            idlers.spawn(Swarm::idle(connection));
        }
        tokio::select! {
            Some(end) = idlers.join_next() => end??,
            () = tokio::time::sleep(SETTLED) => {}
        }
        Ok((before, resident_memory(seeder.id())?))
    }
}

fn is_finished(process: &Process) -> Result<bool> {
    Ok(process.output()?.contains("\"finished\""))
}
