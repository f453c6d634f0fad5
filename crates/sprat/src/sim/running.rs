//! Runs scenarios on all cores, with a progress bar.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::ProgressBar;
use serde_json::json;
use sprat_sim::scenario::{Moment, Outcome, Progress, RunOutcome, Scenario};

use crate::cli::sim::SimRunArgs;
use crate::output::Output;
use crate::text;

/// Each run counts so much in the bar.
const STEPS: u64 = 1000;

/// A scenario and what it is called beside others.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) label: String,
    pub(super) scenario: Scenario,
}

/// What a subject has shown, by seed.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) label: String,
    pub(super) outcomes: Vec<Outcome>,
}

/// What it took to find out: no two times the same, and so apart from everything else.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// Of all threads together.
    computing: Duration,
    events: u64,
    /// Most memory the process ever had, bytes; where the system says so.
    memory: Option<u64>,
}

impl Cost {
    fn rate(self) -> f64 {
        self.events as f64 / self.computing.as_secs_f64().max(1e-9)
    }

    pub(super) fn text(self) -> String {
        let memory =
            self.memory.map_or_else(String::new, |bytes| format!(", {} of memory", text::bytes(bytes)));
        format!(
            "{} events in {:.1} s of computing, {:.2} million a second{memory}",
            self.events,
            self.computing.as_secs_f64(),
            self.rate() / 1e6,
        )
    }

    pub(super) fn json(self) -> serde_json::Value {
        json!({
            "event": "computing", "seconds": self.computing.as_secs_f64(), "events": self.events,
            "events_per_second": self.rate(), "peak_bytes": self.memory,
        })
    }
}

/// One run with one seed.
#[derive(Debug, Clone, Copy)]
struct Job {
    subject: usize,
    run: usize,
    seed: u64,
}

type Done = Vec<(usize, anyhow::Result<RunOutcome>, Duration)>;

/// Runs everything.
pub(super) fn run(
    subjects: &[Subject],
    args: &SimRunArgs,
    output: Output,
) -> anyhow::Result<(Vec<Answer>, Cost)> {
    let seeds = args.seed..args.seed.saturating_add(args.seeds);
    let mut jobs = Vec::new();
    for (subject, scenario) in subjects.iter().map(|subject| &subject.scenario).enumerate() {
        for seed in seeds.clone() {
            jobs.extend((0..scenario.runs().len()).map(|run| Job { subject, run, seed }));
        }
    }
    let bar = output.bar(jobs.len() as u64 * STEPS, "{bar:30} {percent:>3}%  {elapsed}  {msg}");
    let done = on_all_cores(subjects, &jobs, args.threads, &bar)?;
    bar.finish_and_clear();
    let mut computing = Duration::ZERO;
    let mut runs = Vec::with_capacity(jobs.len());
    for (_, outcome, took) in done {
        computing += took;
        runs.push(outcome?);
    }
    let events = runs.iter().map(|run| run.events).sum();
    let mut runs = runs.into_iter();
    let mut answers = Vec::new();
    for subject in subjects {
        let count = subject.scenario.runs().len();
        let judge = |seed| subject.scenario.judge(seed, runs.by_ref().take(count).collect());
        answers.push(Answer { label: subject.label.clone(), outcomes: seeds.clone().map(judge).collect() });
    }
    Ok((answers, Cost { computing, events, memory: peak_memory() }))
}

/// The outcomes in the order of the jobs, however they were shared out.
fn on_all_cores(
    subjects: &[Subject],
    jobs: &[Job],
    threads: Option<usize>,
    bar: &ProgressBar,
) -> anyhow::Result<Done> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.unwrap_or(cores).max(1);
    let workers = threads.min(jobs.len().max(1));
    // Few runs are computed on several threads each.
    let share = threads / workers;
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(jobs.len())));
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let number = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(job) = jobs.get(number)
                {
                    let begin = Instant::now();
                    let outcome = one(subjects, *job, share, bar);
                    if let Ok(mut done) = done.lock() {
                        done.push((number, outcome, begin.elapsed()));
                    }
                }
            });
        }
    });
    let mut done: Done = done.into_inner().ok().context("a run has panicked")?;
    done.sort_by_key(|(number, _, _)| *number);
    Ok(done)
}

fn one(subjects: &[Subject], job: Job, threads: usize, bar: &ProgressBar) -> anyhow::Result<RunOutcome> {
    let subject = subjects.get(job.subject).context("no such scenario")?;
    let mut watch = Watch { bar, label: &subject.label, told: 0, begin: Instant::now() };
    let outcome = subject.scenario.simulate_run(job.run, job.seed, threads, &mut watch)?;
    watch.advance(STEPS);
    Ok(outcome)
}

/// Moves the bar.
struct Watch<'a> {
    bar: &'a ProgressBar,
    label: &'a str,
    told: u64,
    begin: Instant,
}

impl Watch<'_> {
    fn advance(&mut self, to: u64) {
        self.bar.inc(to.saturating_sub(self.told));
        self.told = self.told.max(to);
    }
}

impl Progress for Watch<'_> {
    fn at(&mut self, moment: &Moment<'_>) -> ControlFlow<()> {
        self.advance((moment.had * STEPS / moment.wanted.max(1)).min(STEPS));
        let rate = moment.events as f64 / self.begin.elapsed().as_secs_f64().max(1e-9) / 1e6;
        let run = if moment.run.is_empty() { self.label } else { moment.run };
        self.bar.set_message(format!("{run}  {}  {rate:.2} M events/s", text::duration(moment.now)));
        ControlFlow::Continue(())
    }
}

/// The most memory that this process ever had, as Linux counts it.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib << 10)
}
