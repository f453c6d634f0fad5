//! One seeder to one leecher on this machine, sprat beside other clients: `cargo xtask bench transfer`.
//!
//! Every round lets each client get the same file from its like, one after the other, so that a change in the machine's
//! speed meets all of them. A client's CPU time is what the system counted for its process, start included; the
//! seeder's from the moment at which it was ready. The wall time is that from the start of the leecher until it says that
//! it has everything, verified. Every round also measures what the machine takes for the parts of a transfer (`bench limits`).
//!
//! `--files 4000` shares as many small files instead of a large one, `--mixed` lets sprat get from each other client and each
//! other client from sprat, at their default settings. `SPRAT_BENCH_DIR` is where the files go (the target directory).

#![allow(clippy::print_stdout, reason = "a benchmark prints figures")]
#![allow(dead_code, reason = "the clients are those of the interoperability tests, which need more of them")]

mod clients;
mod content;
mod figures;
mod http;
mod limits;
#[path = "../network/mod.rs"]
mod network;
mod process;
mod shared_content;
mod torrent;
mod transfer;
mod usage;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;

use crate::clients::sprat::SpratTracker;
use crate::clients::{Client, Discovery, Job, Role, Running};
use crate::figures::Spread;
use crate::limits::Limit;
use crate::process::{free_port, own_address, wait_until};
use crate::shared_content::{SharedContent, bench_directory};
use crate::usage::{cpu_seconds, peak_memory};

const READY_LIMIT: Duration = Duration::from_secs(90);
const TRANSFER_LIMIT: Duration = Duration::from_secs(180);

/// Measures transfers between two processes on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    /// MiB of content.
    #[arg(long, default_value_t = 1024)]
    mib: u64,
    /// Files of the same length that it is cut into.
    #[arg(long, default_value_t = 1)]
    files: u64,
    /// So many times every pair.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only these clients; sprat is always there, to compare with.
    #[arg(long, value_delimiter = ',')]
    clients: Vec<String>,
    /// sprat with each other client, both ways, instead of each with its like.
    #[arg(long)]
    mixed: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Who gives to whom.
#[derive(Clone, Copy)]
struct Pair {
    seeder: &'static dyn Client,
    leecher: &'static dyn Client,
}

impl Pair {
    /// Those to be measured; the first one is sprat with itself.
    fn all(mut arguments: Arguments) -> Vec<Self> {
        if !arguments.clients.is_empty() {
            arguments.clients.push("sprat".to_owned());
        }
        let present = clients::present(&arguments.clients);
        let Some((&sprat, others)) = present.split_first() else { return Vec::new() };
        let mut pairs = vec![Self { seeder: sprat, leecher: sprat }];
        for &other in others {
            if arguments.mixed {
                pairs.push(Self { seeder: sprat, leecher: other });
                pairs.push(Self { seeder: other, leecher: sprat });
            } else {
                pairs.push(Self { seeder: other, leecher: other });
            }
        }
        pairs
    }
}

impl std::fmt::Display for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seeder, leecher) = (self.seeder.name(), self.leecher.name());
        if seeder == leecher { f.write_str(seeder) } else { write!(f, "{seeder} to {leecher}") }
    }
}

/// The figures of one transfer.
#[derive(Clone, Copy)]
struct Figures {
    /// GiB per second.
    rate: f64,
    /// CPU seconds per GiB.
    leecher_cpu: f64,
    seeder_cpu: f64,
    /// MiB resident at the most.
    leecher_memory: f64,
    seeder_memory: f64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let directory = bench_directory()?;
    let (mib, files, rounds) = (arguments.mib, arguments.files, arguments.rounds);
    let bench = Bench::new(directory.path(), mib, files)?;
    let pairs = Pair::all(arguments);
    println!(
        "{mib} MiB in {files} files, v1, {rounds} rounds, by way of {}, in {}",
        bench.tracker.ip(),
        directory.path().display()
    );
    let mut results: Vec<Vec<Option<Figures>>> = vec![Vec::new(); pairs.len()];
    let mut floors = Floors::default();
    let limits = bench.file.single().map(|file| limits::Bench::new(&file, directory.path())).transpose()?;
    for round in 0..rounds {
        if let Some(limits) = &limits {
            floors.measure(limits)?;
        }
        for (pair, results) in pairs.iter().zip(&mut results) {
            // One client's failure leaves a gap in its row; the others are measured all the same.
            let figures = match bench.transfer(*pair) {
                Ok(figures) => figures,
                Err(error) => {
                    println!("  {:<26} failed in round {round}: {error:#}", pair.to_string());
                    results.push(None);
                    continue;
                }
            };
            println!(
                "  {:<26} {:.2} GiB/s  {:.2} + {:.2} CPU s/GiB",
                pair.to_string(),
                figures.rate,
                figures.leecher_cpu,
                figures.seeder_cpu
            );
            results.push(Some(figures));
        }
    }
    report(&pairs, &results, &floors);
    Ok(())
}

/// What the parts cost that no client can do without, in CPU seconds per GiB, measured in every round.
#[derive(Default)]
struct Floors {
    leecher: Vec<f64>,
    seeder: Vec<f64>,
}

impl Floors {
    fn measure(&mut self, limits: &limits::Bench) -> Result<()> {
        self.leecher.push(limits.sum(&Limit::LEECHER)?);
        self.seeder.push(limits.sum(&Limit::SEEDER)?);
        Ok(())
    }
}

/// Median with minimum and maximum, and what the median is to sprat's.
fn report(pairs: &[Pair], results: &[Vec<Option<Figures>>], floors: &Floors) {
    type Figure<'a> = (&'static str, fn(&Figures) -> f64, &'a [f64]);
    let figures: [Figure<'_>; 5] = [
        ("GiB/s", |figures| figures.rate, &[]),
        ("leecher CPU s/GiB", |figures| figures.leecher_cpu, &floors.leecher),
        ("seeder CPU s/GiB", |figures| figures.seeder_cpu, &floors.seeder),
        ("leecher peak MiB", |figures| figures.leecher_memory, &[]),
        ("seeder peak MiB", |figures| figures.seeder_memory, &[]),
    ];
    for (name, figure, floor) in figures {
        println!(
            "\n| {name} | median | min | max | ratio to sprat, round by round: median (min – max) |\n|---|--:|--:|--:|--:|"
        );
        let ours = results.first().map(Vec::as_slice).unwrap_or_default();
        for (pair, theirs) in pairs.iter().zip(results) {
            let Spread { min, median, max } = Spread::of(theirs.iter().flatten().map(figure));
            let pairs =
                theirs.iter().zip(ours).filter_map(|(theirs, ours)| theirs.as_ref().zip(ours.as_ref()));
            let ratios = Spread::of(pairs.map(|(theirs, ours)| figure(theirs) / figure(ours)));
            println!("| {pair} | {median:.2} | {min:.2} | {max:.2} | {ratios} |");
        }
        if !floor.is_empty() {
            let Spread { min, median, max } = Spread::of(floor.iter().copied());
            let pairs = floor.iter().zip(ours).filter_map(|(floor, ours)| Some((floor, ours.as_ref()?)));
            let ratios = Spread::of(pairs.map(|(floor, ours)| floor / figure(ours)));
            println!("| its parts by themselves | {median:.2} | {min:.2} | {max:.2} | {ratios} |");
        }
    }
}

/// The file, its torrent, and where the tracker will be through which the clients meet.
struct Bench {
    directory: PathBuf,
    file: SharedContent,
    gib: f64,
    tracker: SocketAddr,
}

impl Bench {
    fn new(directory: &Path, mib: u64, files: u64) -> Result<Self> {
        let tracker = SocketAddr::from((own_address(), free_port()?));
        let file = SharedContent::make(directory, mib, files, "1M", &format!("http://{tracker}/announce"))?;
        let gib = mib as f64 / 1024.0;
        Ok(Self { directory: directory.to_path_buf(), file, gib, tracker })
    }

    fn transfer(&self, Pair { seeder, leecher }: Pair) -> Result<Figures> {
        let place = tempfile::Builder::new().prefix("round-").tempdir_in(&self.directory)?;
        let seed_directory = place.path().join("seeder");
        fs::create_dir_all(&seed_directory)?;
        self.file.link_into(&seed_directory)?;
        // A tracker of its own for each transfer: it knows none of those who have gone without a word. Some clients
        // keep one peer per IP address, whatever the port, and it must not be one of those.
        let tracker_state = place.path().join("tracker");
        fs::create_dir_all(&tracker_state)?;
        let mut tracker = SpratTracker::start_at(self.tracker, None, &tracker_state)?;
        wait_until("the tracker answers", READY_LIMIT, || {
            tracker.must_be_running()?;
            Ok(SpratTracker::counts(&self.tracker.into(), "seeder").is_ok())
        })?;
        let (mut seeder, port) = self.start(seeder, Role::Seeder, place.path(), &[])?;
        wait_until("the seeder is ready, and the tracker knows it", READY_LIMIT, || {
            seeder.process().must_be_running()?;
            Ok(seeder.is_complete()? && SpratTracker::counts(&self.tracker.into(), "seeder")? > 0)
        })?;
        let seeder_before = cpu_seconds(seeder.process().id())?;
        let began = Instant::now();
        let peers = [SocketAddr::from((self.tracker.ip(), port))];
        let (mut leecher, _) = self.start(leecher, Role::Leecher, place.path(), &peers)?;
        // A client that ends when it is done takes its figures with it, so they are taken while it runs.
        let mut leecher_last = (0.0, 0.0);
        wait_until("the leecher is done", TRANSFER_LIMIT, || {
            let id = leecher.process().id();
            if let (Ok(cpu), Ok(memory)) = (cpu_seconds(id), peak_memory(id)) {
                leecher_last = (cpu, memory);
            }
            leecher.is_complete()
        })?;
        let seconds = began.elapsed().as_secs_f64();
        let seeder_cpu = cpu_seconds(seeder.process().id())? - seeder_before;
        Ok(Figures {
            rate: self.gib / seconds,
            leecher_cpu: leecher_last.0 / self.gib,
            seeder_cpu: seeder_cpu / self.gib,
            leecher_memory: leecher_last.1,
            seeder_memory: peak_memory(seeder.process().id())?,
        })
    }

    fn start(
        &self,
        client: &dyn Client,
        role: Role,
        place: &Path,
        peers: &[SocketAddr],
    ) -> Result<(Box<dyn Running>, u16)> {
        let name = if role == Role::Seeder { "seeder" } else { "leecher" };
        let (directory, state) = (place.join(name), place.join(format!("{name}.state")));
        fs::create_dir_all(&directory)?;
        fs::create_dir_all(&state)?;
        let port = free_port()?;
        let job = Job {
            torrent: &self.file.torrent,
            magnet: None,
            discovery: Discovery::None,
            machine: None,
            info_hash: &self.file.info_hash,
            directory: &directory,
            state: &state,
            port,
            peers,
            role,
            stays: false,
        };
        Ok((client.start(&job)?, port))
    }
}
