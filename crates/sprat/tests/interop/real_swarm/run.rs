//! One run of a swarm of real processes, each on a machine of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result, ensure};

use crate::clients::sprat::SpratTracker;
use crate::clients::{Client, Discovery, Job, Role, Running};
use crate::http::Server;
use crate::network::{Machine, Network};
use crate::process::{Process, wait_until};
use crate::real_swarm::interrupt;
use crate::real_swarm::line::Counters;
use crate::real_swarm::processor::{Ticks, load};
use crate::real_swarm::scenario::Scenario;
use crate::shared_content::SharedContent;

/// The first machine of every network, whose line has no limits.
pub(crate) const TRACKER: &str = "10.77.0.1:6969";

/// Where every client listens.
const PORT: u16 = 6881;

const READY_LIMIT: Duration = Duration::from_secs(90);

/// Between two looks at a leecher. Each is a request to it, which costs it some time as well.
const LOOK: Duration = Duration::from_millis(50);

/// The figures of one run.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// From the start signal until each leecher had everything, in seconds.
    pub(crate) times: Vec<f64>,
    /// Bytes that left the seeder's machine from the signal on, headers and all.
    pub(crate) seeder_sent: u64,
    /// What the seeder says itself of the content that it has sent.
    pub(crate) seeder_says: Option<u64>,
    /// Bytes that reached the leechers.
    pub(crate) received: u64,
    /// Packets for which there was no room at the lines of those who sent them.
    pub(crate) dropped: u64,
    /// Share of the processors' time that was left.
    pub(crate) spare: f64,
    /// Of the machine, at the beginning.
    pub(crate) load: f64,
}

impl Outcome {
    pub(crate) fn last(&self) -> f64 {
        self.times.iter().copied().fold(0.0, f64::max)
    }

    pub(crate) fn mean(&self) -> f64 {
        self.times.iter().sum::<f64>() / self.times.len().max(1) as f64
    }
}

/// Runs it once, in a directory that is removed afterwards.
pub(crate) fn run(
    client: &dyn Client,
    scenario: &Scenario,
    file: &SharedContent,
    directory: &Path,
) -> Result<Outcome> {
    let place = tempfile::Builder::new().prefix("round-").tempdir_in(directory)?;
    let mut network = Network::new().map_err(Error::msg)?;
    let tracker = Tracker::start(network.add().map_err(Error::msg)?, place.path())?;
    let mut machines = Vec::new();
    for line in scenario.lines() {
        let machine = network.add().map_err(Error::msg)?;
        line.lay(&network, &machine)?;
        machines.push(machine);
    }
    let (seeder_machine, leecher_machines) = machines.split_first().context("a seeder")?;
    let member = |machine, role| Member { client, file, machine, role, place: place.path() };

    let mut seeder = member(seeder_machine, Role::Seeder).start()?;
    wait_until("the seeder is ready, and the tracker knows it", READY_LIMIT, || {
        interrupt::check()?;
        seeder.process().must_be_running()?;
        Ok(seeder.is_complete()? && tracker.counts("seeder")? > 0)
    })?;

    let before = counters(&machines)?;
    let (load, ticks, signal) = (load()?, Ticks::now()?, Instant::now());
    let patience = scenario.patience();
    let over = AtomicBool::new(false);
    let leechers: Vec<Result<Option<Done>>> = thread::scope(|scope| {
        let all: Vec<_> = leecher_machines
            .iter()
            .map(|machine| scope.spawn(|| member(machine, Role::Leecher).finish(signal, patience, &over)))
            .collect();
        // All are there until all are done.
        all.into_iter()
            .map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let spare = ticks.spare_since()?;
    let after = counters(&machines)?;
    let mut times = Vec::new();
    let mut running = Vec::new();
    for leecher in leechers {
        let Some((leecher, time)) = leecher? else { continue };
        times.push(time);
        running.push(leecher);
    }
    // It tells how it stands a few times a second.
    thread::sleep(Duration::from_secs(1));
    let grown = |figure: fn(&Counters) -> u64| -> Vec<u64> {
        after.iter().zip(&before).map(|(after, before)| figure(after) - figure(before)).collect()
    };
    Ok(Outcome {
        times,
        seeder_sent: grown(|counters| counters.sent).first().copied().unwrap_or_default(),
        seeder_says: seeder.sent()?,
        received: grown(|counters| counters.received).iter().skip(1).sum(),
        dropped: grown(|counters| counters.dropped).iter().sum(),
        spare,
        load,
    })
}

fn counters(machines: &[Machine]) -> Result<Vec<Counters>> {
    machines.iter().map(Counters::of).collect()
}

/// Everybody meets through this one: `sprat tracker`, on a machine without limits.
struct Tracker {
    _process: Process,
    server: Server,
}

impl Tracker {
    fn start(machine: Machine, place: &Path) -> Result<Self> {
        let address: SocketAddr = TRACKER.parse()?;
        ensure!(machine.address == address.ip().to_string(), "the tracker is the first machine");
        let state = place.join("tracker");
        fs::create_dir_all(&state)?;
        let mut process = SpratTracker::start_at(address, Some(&machine), &state)?;
        let tracker = Server::on(Some(&machine), address);
        wait_until("the tracker answers", READY_LIMIT, || {
            process.must_be_running()?;
            Ok(SpratTracker::counts(&tracker, "seeder").is_ok())
        })?;
        Ok(Self { _process: process, server: tracker })
    }

    fn counts(&self, role: &str) -> Result<u64> {
        SpratTracker::counts(&self.server, role)
    }
}

/// A leecher that has everything and stays, and when it had it.
type Done = (Box<dyn Running>, f64);

/// One who takes part.
struct Member<'a> {
    client: &'a dyn Client,
    file: &'a SharedContent,
    machine: &'a Machine,
    role: Role,
    place: &'a Path,
}

impl Member<'_> {
    fn start(&self) -> Result<Box<dyn Running>> {
        let name = &self.machine.name;
        let (directory, state) = (self.place.join(name), self.place.join(format!("{name}.state")));
        fs::create_dir_all(&directory)?;
        fs::create_dir_all(&state)?;
        if self.role == Role::Seeder {
            self.file.link_into(&directory)?;
        }
        self.client.start(&Job {
            torrent: &self.file.torrent,
            magnet: None,
            discovery: Discovery::None,
            machine: Some(self.machine),
            info_hash: &self.file.info_hash,
            directory: &directory,
            state: &state,
            port: PORT,
            peers: &[],
            role: self.role,
            stays: true,
        })
    }

    /// Starts a leecher and waits until it has everything; the seconds since the signal. If one fails, the run is over,
    /// and the others have nothing to say.
    fn finish(&self, signal: Instant, patience: Duration, over: &AtomicBool) -> Result<Option<Done>> {
        let result = self.start().and_then(|mut leecher| {
            while !leecher.is_complete()? {
                interrupt::check()?;
                leecher.process().must_be_running().with_context(|| leecher.process().log_tail())?;
                ensure!(signal.elapsed() < patience, "not done after {} s", patience.as_secs());
                if over.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                thread::sleep(LOOK);
            }
            let seconds = signal.elapsed().as_secs_f64();
            ensure!(self.file.is_in(&self.place.join(&self.machine.name))?, "it says so, but has not got it");
            Ok(Some((leecher, seconds)))
        });
        if result.is_err() {
            over.store(true, Ordering::Relaxed);
        }
        result
    }
}
