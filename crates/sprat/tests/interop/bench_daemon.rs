//! How soon daemons answer with many torrents, sprat beside others: `cargo xtask bench daemon`.
//!
//! Each daemon is given ten thousand small torrents whose files are there, stopped, and started again. It is looked at while nothing
//! happens, asked while nothing else happens, and asked while it fetches a large torrent over and over, checks another one over and
//! over, and has two torrents on a disk each of whose calls takes two seconds longer, of which it checks one and fetches the other. Who asks
//! keeps one connection, and asks every 20 ms for one of three: the status of the torrent that is being checked, a page of 100
//! torrents, and what has changed since it asked for that the last time. A question waits for the answer to the one before.
//! `SPRAT_BENCH_DIR` is where everything goes (the target directory): four times the large file, and 24 KiB for each torrent.

#![allow(clippy::print_stdout, reason = "a benchmark prints figures")]
#![allow(dead_code, reason = "what it shares with other benchmarks is more than it needs")]

mod daemon_load;
mod daemons;
mod figures;
mod keep_alive;
mod process;
mod shared_content;
mod slow_disk;
mod usage;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use clap::Parser;

use crate::daemon_load::{Contents, check_again_and_again, fetch_again_and_again};
use crate::daemons::{ALL, Api, Daemon, Home, Question, Running};
use crate::figures::Spread;
use crate::shared_content::bench_directory;
use crate::usage::{cpu_seconds, resident_memory};

/// From one question to the next.
const EVERY: Duration = Duration::from_millis(20);

/// Torrents on a page.
const PAGE: usize = 100;

/// Before that a daemon may put away what starting took, and have its load begin.
const SETTLED: Duration = Duration::from_secs(10);

/// The longest that a daemon takes to end.
const END_LIMIT: Duration = Duration::from_secs(300);

/// Measures how soon daemons answer.
#[derive(Debug, Parser)]
struct Arguments {
    /// Small torrents.
    #[arg(long, default_value_t = 10_000)]
    torrents: usize,
    /// MiB of the large file.
    #[arg(long, default_value_t = 2048)]
    mib: u64,
    /// Seconds of asking, for each way of asking, with and without load.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Seconds of looking at it while nothing happens.
    #[arg(long, default_value_t = 60)]
    idle: u64,
    /// So many times everything.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Only these daemons: sprat, transmission, qbittorrent.
    #[arg(long, value_delimiter = ',')]
    clients: Vec<String>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What can be asked for again and again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Status,
    Page,
    Changes,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Status, Self::Page, Self::Changes];

    const fn name(self) -> &'static str {
        match self {
            Self::Status => "status of one",
            Self::Page => "page of 100",
            Self::Changes => "what has changed",
        }
    }
}

/// Under which figures of several rounds belong together: whether there was load, the kind of question, who was asked.
type Row = (bool, Kind, &'static str);

/// How long answers took, milliseconds.
#[derive(Clone, Copy)]
struct Answers {
    count: usize,
    p50: f64,
    p99: f64,
    longest: f64,
}

impl Answers {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |share: f64| {
            let index = (times.len().saturating_sub(1) as f64 * share).ceil() as usize;
            times.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
        };
        Self { count: times.len(), p50: at(0.5), p99: at(0.99), longest: at(1.0) }
    }
}

/// Everything that was measured.
#[derive(Default)]
struct Report {
    answers: BTreeMap<Row, Vec<Answers>>,
    /// By what it is, then by whose, in the order of measuring.
    figures: Vec<(&'static str, &'static str, Vec<f64>)>,
}

impl Report {
    fn note(&mut self, daemon: &'static str, figure: &'static str, value: f64) {
        println!("  {daemon}: {figure}: {value:.2}");
        let known = self.figures.iter_mut().find(|one| (one.0, one.1) == (figure, daemon));
        match known {
            Some((_, _, values)) => values.push(value),
            None => self.figures.push((figure, daemon, vec![value])),
        }
    }

    fn print(&self) {
        println!(
            "\n| | asked for | of | answers | p50 ms | p99 ms | longest ms | p99: sprat to it |\n|---|---|---|---|---|---|---|---|"
        );
        for ((is_busy, kind, name), rounds) in &self.answers {
            let spread = |figure: fn(&Answers) -> f64| Spread::of(rounds.iter().map(figure));
            let ours = self.answers.get(&(*is_busy, *kind, "sprat")).map(Vec::as_slice).unwrap_or_default();
            let ratios = Spread::of(ours.iter().zip(rounds).map(|(ours, theirs)| ours.p99 / theirs.p99));
            let (count, p50, p99, longest) = (
                rounds.iter().map(|round| round.count).sum::<usize>(),
                spread(|round| round.p50),
                spread(|round| round.p99),
                spread(|round| round.longest),
            );
            let load = if *is_busy { "busy" } else { "quiet" };
            println!(
                "| {load} | {} | {name} | {count} | {p50} | {p99} | {longest} | {ratios} |",
                kind.name()
            );
        }
        println!("\n| | of | |\n|---|---|---|");
        for (figure, daemon, values) in &self.figures {
            println!("| {figure} | {daemon} | {} |", Spread::of(values.iter().copied()));
        }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let directory = bench_directory()?;
    let Arguments { torrents, mib, rounds, .. } = arguments;
    println!("{torrents} torrents, {mib} MiB, {rounds} rounds, in {}", directory.path().display());
    let content = directory.path().join("content");
    fs::create_dir(&content)?;
    let contents = Contents::make(&content, torrents, mib)?;
    let bench = Bench { directory: directory.path(), content: &content, contents, arguments };
    let mut report = Report::default();
    for round in 0..rounds {
        for daemon in bench.daemons() {
            // What one cannot do leaves a gap; the others are measured all the same.
            if let Err(error) = bench.round(daemon, &mut report) {
                println!("{} failed in round {round}: {error:#}", daemon.name());
            }
        }
    }
    report.print();
    Ok(())
}

struct Bench<'a> {
    directory: &'a Path,
    content: &'a Path,
    contents: Contents,
    arguments: Arguments,
}

impl Bench<'_> {
    /// Those that were asked for and are here.
    fn daemons(&self) -> Vec<&'static dyn Daemon> {
        let names = &self.arguments.clients;
        let asked = |daemon: &&dyn Daemon| names.is_empty() || names.iter().any(|name| name == daemon.name());
        let (present, absent): (Vec<_>, Vec<_>) =
            ALL.into_iter().filter(asked).partition(|daemon| daemon.absence().is_none());
        for daemon in absent {
            println!("skipped: {}", daemon.absence().unwrap_or_default());
        }
        present
    }

    /// The whole life of a daemon.
    fn round(&self, daemon: &dyn Daemon, report: &mut Report) -> Result<()> {
        self.contents.clear()?;
        let state = tempfile::Builder::new().prefix("state-").tempdir_in(self.directory)?;
        let home = Home { content: self.content, state: state.path() };
        let name = daemon.name();
        let outcome = self.live(daemon, &home, report);
        if outcome.is_err() {
            let logs = fs::read_dir(state.path())?.flatten().map(|entry| entry.path());
            for log in logs.filter(|path| path.extension().is_some_and(|extension| extension == "log")) {
                println!("{name}: {}", fs::read_to_string(log).unwrap_or_default());
            }
        }
        outcome
    }

    fn live(&self, daemon: &dyn Daemon, home: &Home<'_>, report: &mut Report) -> Result<()> {
        let (name, torrents) = (daemon.name(), self.contents.small.len());
        let mut running = daemon.start(home)?;
        running.until_seeding(0)?;
        let began = Instant::now();
        running.control()?.add(&self.contents.small)?;
        running.until_seeding(torrents)?;
        report.note(name, "added and checked, s", began.elapsed().as_secs_f64());
        thread::sleep(SETTLED);
        report.note(name, "stopped, s", running.process.end(END_LIMIT)?.as_secs_f64());

        let began = Instant::now();
        let mut running = daemon.start(home)?;
        running.until_seeding(torrents)?;
        report.note(name, "started again, s", began.elapsed().as_secs_f64());
        let mut control = running.control()?;
        for figure in ["the whole list, ms", "the whole list again, ms"] {
            let asked = Instant::now();
            let bytes = control.ask(Question::Everything)?;
            report.note(name, figure, asked.elapsed().as_secs_f64() * 1000.0);
            println!("  {:.1} MiB", bytes as f64 / f64::from(1 << 20));
        }
        thread::sleep(SETTLED);
        let process = running.process.id();
        let idle = Duration::from_secs(self.arguments.idle);
        if !idle.is_zero() {
            let (used, ()) = usage_during(process, || {
                thread::sleep(idle);
                Ok(())
            })?;
            report.note(name, "idle, % of a core", used);
            report.note(name, "idle, MiB resident", resident_memory(process)?);
        }

        // Something to ask for.
        control.add(std::slice::from_ref(&self.contents.checked))?;
        running.until_seeding(torrents + 1)?;
        let (used, ()) = usage_during(process, || self.ask(&running, false, report))?;
        report.note(name, "asked and nothing else, % of a core", used);
        self.be_busy(&running, name, report)?;
        report.note(name, "stopped while busy, s", running.process.end(END_LIMIT)?.as_secs_f64());
        Ok(())
    }

    fn be_busy(&self, running: &Running, name: &'static str, report: &mut Report) -> Result<()> {
        let process = running.process.id();
        let stop = AtomicBool::new(false);
        let (mut fetching, mut checking, mut control) =
            (running.control()?, running.control()?, running.control()?);
        thread::scope(|scope| {
            let contents = &self.contents;
            let fetching = scope.spawn(|| fetch_again_and_again(&mut *fetching, &contents.fetched, &stop));
            let checking = scope.spawn(|| check_again_and_again(&mut *checking, &contents.checked, &stop));
            let measured = (|| {
                for torrent in contents.slow.iter().flatten() {
                    control.add(std::slice::from_ref(torrent))?;
                }
                thread::sleep(SETTLED);
                let (used, ()) = usage_during(process, || self.ask(running, true, report))?;
                report.note(name, "busy, % of a core", used);
                report.note(name, "busy, MiB resident", resident_memory(process)?);
                for torrent in contents.slow.iter().flatten() {
                    println!("  on the slow disk: {:?}", control.progress(&torrent.hash)?);
                }
                anyhow::Ok(())
            })();
            stop.store(true, Ordering::Relaxed);
            let fetched = fetching.join().map_err(|_| anyhow!("fetching has failed"))?.context("fetching");
            let checked = checking.join().map_err(|_| anyhow!("checking has failed"))?.context("checking");
            measured?;
            report.note(name, "busy, MiB/s fetched", fetched? / f64::from(1 << 20));
            report.note(name, "busy, checks", f64::from(checked?));
            Ok(())
        })
    }

    /// Asks through each door in turn.
    fn ask(&self, running: &Running, is_busy: bool, report: &mut Report) -> Result<()> {
        let hashes: Vec<String> = self.contents.small.iter().map(|torrent| torrent.hash.clone()).collect();
        let seconds = Duration::from_secs(self.arguments.seconds);
        for door in &running.doors {
            let mut api = door()?;
            let times = ask_again_and_again(&mut *api, &self.contents.checked.hash, &hashes, seconds)?;
            for (kind, times) in times {
                let answers = Answers::of(times);
                println!(
                    "  {}: {}: p50 {:.2} ms, p99 {:.2} ms",
                    api.name(),
                    kind.name(),
                    answers.p50,
                    answers.p99
                );
                report.answers.entry((is_busy, kind, api.name())).or_default().push(answers);
            }
        }
        Ok(())
    }
}

/// What a process uses meanwhile, percent of a core.
fn usage_during<T>(process: u32, act: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let (began, before) = (Instant::now(), cpu_seconds(process)?);
    let result = act()?;
    Ok(((cpu_seconds(process)? - before) / began.elapsed().as_secs_f64() * 100.0, result))
}

/// Asks for each kind in turn, and tells how long the answers took.
fn ask_again_and_again(
    api: &mut dyn Api,
    status_of: &str,
    hashes: &[String],
    seconds: Duration,
) -> Result<BTreeMap<Kind, Vec<Duration>>> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut times: BTreeMap<Kind, Vec<Duration>> = BTreeMap::new();
    // The first answer to this has everything.
    api.ask(Question::Changes)?;
    let began = Instant::now();
    let mut next = began;
    for kind in Kind::ALL.into_iter().cycle() {
        let now = Instant::now();
        if now - began > seconds {
            break;
        }
        // Who is late does not make up for it.
        next = next.max(now);
        thread::sleep(next - now);
        next += EVERY;
        let offset = random.usize(..hashes.len().div_ceil(PAGE).max(1)) * PAGE;
        let page = hashes.get(offset..).unwrap_or_default();
        let question = match kind {
            Kind::Status => Question::Status(status_of),
            Kind::Page => Question::Page { offset, hashes: page.get(..PAGE).unwrap_or(page) },
            Kind::Changes => Question::Changes,
        };
        let asked = Instant::now();
        api.ask(question)?;
        times.entry(kind).or_default().push(asked.elapsed());
    }
    Ok(times)
}
