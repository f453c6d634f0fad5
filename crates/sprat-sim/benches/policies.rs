//! Whether it pays to be unfair: policies of the shipped client among peers of every kind, against what was asked of them.
//!
//! Run it with `cargo bench -p sprat-sim --bench policies -- [rows] [--seeds n]`. All figures follow from the seed. Where
//! the targets come from is said at each row.

#![allow(clippy::print_stdout, reason = "a benchmark tells its figures")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails where its set-up does")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use clap::Parser;
use sprat_sim::{Behaviour, ContentConfig, Departure, PeerConfig, PeerNumber, Simulation, TrackerConfig};
use sprat_wire::metainfo::Version;

const KIB: u64 = 1 << 10;

const LEAVES: Departure = Departure::AfterCompletion(Duration::ZERO);

/// Nobody is waited for longer.
const PATIENCE: Duration = Duration::from_secs(4 * 3600);

/// Measures policies.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only rows whose name contains this.
    #[arg(default_value = "")]
    name: String,
    /// Each row with so many seeds.
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A figure of one run, what it is, and what it shall be.
struct Figure {
    what: &'static str,
    value: f64,
    target: Target,
}

#[derive(Clone, Copy)]
enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// It is told for its own sake.
    Told,
}

impl Target {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
            Self::Told => true,
        }
    }
}

const fn figure(what: &'static str, value: f64, target: Target) -> Figure {
    Figure { what, value, target }
}

struct Row {
    name: &'static str,
    run: fn(u64) -> Vec<Figure>,
}

const ROWS: &[Row] = &[
    Row { name: "10 % free riders, who has everything leaves", run: |seed| free_riders(seed, 10, 1, LEAVES) },
    Row { name: "25 % free riders, who has everything leaves", run: |seed| free_riders(seed, 25, 1, LEAVES) },
    Row { name: "40 % free riders, who has everything leaves", run: |seed| free_riders(seed, 40, 1, LEAVES) },
    Row {
        name: "25 % free riders, who has everything stays",
        run: |seed| free_riders(seed, 25, 1, Departure::Never),
    },
    Row { name: "25 % free riders and ten seeds", run: |seed| free_riders(seed, 25, 10, LEAVES) },
    Row { name: "a strategic peer, lines alike", run: |seed| strategic(seed, 1) },
    Row { name: "a strategic peer with four times the line", run: |seed| strategic(seed, 4) },
    Row { name: "three seed-slot attackers among 32", run: seed_slot_attackers },
    Row { name: "50 % poisoners", run: |seed| poisoners(seed, 10, Behaviour::Poisoner { per_mille: 500 }) },
    Row { name: "90 % poisoners", run: |seed| poisoners(seed, 90, Behaviour::Poisoner { per_mille: 500 }) },
    Row {
        name: "50 % colluding poisoners",
        run: |seed| poisoners(seed, 10, Behaviour::ColludingPoisoner { per_mille: 500 }),
    },
    Row {
        name: "90 % colluding poisoners",
        run: |seed| poisoners(seed, 90, Behaviour::ColludingPoisoner { per_mille: 500 }),
    },
    Row { name: "half of the peers leave midway", run: departures },
    Row { name: "classes 20/50/200 kB/s, seed 200 kB/s", run: |seed| classes(seed, 200_000) },
    Row { name: "classes 20/50/200 kB/s, seed 20 kB/s", run: |seed| classes(seed, 20_000) },
    Row { name: "six silent liars", run: silent_liars },
];

/// One seed, number 0, and whoever else is added.
struct Swarm {
    seed: u64,
    pieces: u64,
    piece_length: u32,
    seeder: PeerConfig,
    others: Vec<PeerConfig>,
}

impl Swarm {
    /// 16 MiB in 128 pieces; at 64 KiB/s a peer needs four minutes to send them once.
    fn new(seed: u64) -> Self {
        let seeder = PeerConfig { has_everything: true, upload: 128 * KIB, ..line() };
        Self { seed, pieces: 128, piece_length: 128 << 10, seeder, others: Vec::new() }
    }

    /// The numbers of those added.
    fn add(&mut self, count: u32, peer: &PeerConfig) -> Vec<PeerNumber> {
        let first = self.others.len() as u32 + 1;
        self.others.extend((0..count).map(|_| peer.clone()));
        (first..first + count).map(PeerNumber).collect()
    }

    fn build(&self) -> Simulation {
        let content = ContentConfig {
            version: Version::V1,
            piece_length: self.piece_length,
            files: vec![self.pieces * u64::from(self.piece_length)],
            trackers: vec![vec![TrackerConfig::default().url]],
        };
        let mut simulation = Simulation::new(self.seed, &content).unwrap();
        simulation.skip_wire_checks();
        simulation.add_tracker(TrackerConfig::default());
        simulation.add_peer(self.seeder.clone());
        for other in &self.others {
            simulation.add_peer(other.clone());
        }
        simulation
    }

    /// Until all of these are done.
    fn run(&self, waited_for: &[PeerNumber]) -> Simulation {
        let mut simulation = self.build();
        let done = |simulation: &Simulation| waited_for.iter().all(|peer| took(simulation, *peer).is_some());
        let outcome = simulation.run(PATIENCE, done);
        if let Err(violation) = outcome {
            println!("  seed {}: {violation}", self.seed);
        }
        simulation
    }
}

fn line() -> PeerConfig {
    PeerConfig { upload: 64 * KIB, download: 1024 * KIB, ..PeerConfig::default() }
}

fn took(simulation: &Simulation, peer: PeerNumber) -> Option<f64> {
    simulation.report(peer).and_then(|report| report.took).map(|took| took.as_secs_f64())
}

/// Seconds; infinite if somebody never got there.
fn times(simulation: &Simulation, peers: &[PeerNumber]) -> Vec<f64> {
    peers.iter().map(|peer| took(simulation, *peer).unwrap_or(f64::INFINITY)).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn last(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

/// So many of a hundred peers; seeds besides the first have a peer's line. Sirivianos et al. 2007 and Locher et al. 2006 saw
/// free riders fare no worse than others. They are to take twice as long while leechers are all there is, and 1.3 times as
/// long with seeds; where everybody stays as a seed, nothing is asked of them.
fn free_riders(seed: u64, riders: u32, seeds: u32, leaves: Departure) -> Vec<Figure> {
    let contributor = PeerConfig { leaves, ..line() };
    let more_seeds = PeerConfig { has_everything: true, ..line() };
    let mut without = Swarm::new(seed);
    let alone = without.add(100 - riders, &contributor);
    without.add(seeds - 1, &more_seeds);
    let undisturbed = mean(&times(&without.run(&alone), &alone));

    let mut swarm = Swarm::new(seed);
    let contributors = swarm.add(100 - riders, &contributor);
    let riders = swarm.add(riders, &PeerConfig { behaviour: Behaviour::FreeRider, ..contributor });
    swarm.add(seeds - 1, &more_seeds);
    let mut simulation = swarm.run(&contributors);
    let had = |rider: &PeerNumber| simulation.report(*rider).unwrap().pieces as f64 / swarm.pieces as f64;
    let progress = mean(&riders.iter().map(had).collect::<Vec<_>>());
    simulation
        .run_until_complete(PATIENCE)
        .unwrap_or_else(|violation| println!("  seed {seed}: {violation}"));
    let (contributors, riders) =
        (mean(&times(&simulation, &contributors)), mean(&times(&simulation, &riders)));
    let least = match (leaves, seeds) {
        (LEAVES, 1) => Target::AtLeast(2.0),
        (LEAVES, _) => Target::AtLeast(1.3),
        _ => Target::Told,
    };
    vec![
        figure("free riders' time / contributors' time", riders / contributors, least),
        figure("contributors' time / without free riders", contributors / undisturbed, Target::AtMost(1.1)),
        figure("what free riders have when all contributors are done", progress, Target::Told),
        figure("contributors' mean time, s", contributors, Target::Told),
    ]
}

/// One of forty with so many times the others' line. Target: network theory, Piatek et al. 2007 measured 1.7.
fn strategic(seed: u64, times_line: u64) -> Vec<Figure> {
    let others = PeerConfig { leaves: LEAVES, ..line() };
    let runs = [Behaviour::Honest, Behaviour::Strategic].map(|behaviour| {
        let mut swarm = Swarm::new(seed);
        let others_numbers = swarm.add(39, &others);
        let upload = times_line * others.upload;
        let one = swarm.add(1, &PeerConfig { behaviour, upload, ..others.clone() });
        let everyone = [others_numbers.as_slice(), &one].concat();
        let simulation = swarm.run(&everyone);
        (mean(&times(&simulation, &one)), mean(&times(&simulation, &others_numbers)))
    });
    let [(honest, others_before), (strategic, others_after)] = runs;
    vec![
        figure("gain over being honest", honest / strategic - 1.0, Target::AtMost(0.2)),
        figure("time when honest, s", honest, Target::Told),
        figure("time when strategic, s", strategic, Target::Told),
        figure("the others' time / before", others_after / others_before, Target::Told),
    ]
}

/// 29 leechers and 3 attackers with fast lines, seed of four times a peer's line. Adamsky et al. 2014 measured 5.15.
fn seed_slot_attackers(seed: u64) -> Vec<Figure> {
    let honest = PeerConfig { leaves: LEAVES, ..line() };
    let attacker = PeerConfig {
        behaviour: Behaviour::SeedSlotAttacker,
        upload: 1024 * KIB,
        download: 8192 * KIB,
        ..line()
    };
    let runs = [0, 3].map(|attackers| {
        let mut swarm = Swarm::new(seed);
        swarm.seeder.upload = 256 * KIB;
        let peers = swarm.add(29, &honest);
        swarm.add(attackers, &attacker);
        let simulation = swarm.run(&peers);
        let times = times(&simulation, &peers);
        (mean(&times), last(&times))
    });
    let [(mean_before, last_before), (mean_after, last_after)] = runs;
    vec![
        figure("mean time / without attackers", mean_after / mean_before, Target::AtMost(1.25)),
        figure("last / without attackers", last_after / last_before, Target::AtMost(1.25)),
        figure("mean time without, s", mean_before, Target::Told),
    ]
}

/// Ten honest leechers, one honest seed, so many poisoners.
fn poisoners(seed: u64, count: u32, behaviour: Behaviour) -> Vec<Figure> {
    let mut swarm = Swarm::new(seed);
    let honest = swarm.add(10, &line());
    let has_everything = matches!(behaviour, Behaviour::Poisoner { .. });
    swarm.add(count, &PeerConfig { behaviour, has_everything, ..line() });
    let simulation = swarm.run(&honest);
    let size = (swarm.pieces * u64::from(swarm.piece_length)) as f64;
    let reports = honest.iter().map(|peer| simulation.report(*peer).unwrap());
    let wasted: Vec<f64> = reports.map(|report| report.wasted as f64 / size).collect();
    let times = times(&simulation, &honest);
    vec![
        figure(
            "honest peers that are done",
            times.iter().filter(|time| time.is_finite()).count() as f64,
            Target::AtLeast(10.0),
        ),
        figure("copies wasted per honest peer, mean", mean(&wasted), Target::AtMost(2.0)),
        figure("the same, worst", last(&wasted), Target::AtMost(2.0)),
        figure("last, s", last(&times), Target::Told),
    ]
}

/// Forty stay and forty leave at a uniformly random progress; the seed leaves as soon as every piece is out.
fn departures(seed: u64) -> Vec<Figure> {
    let run = |leave: bool, seeder_leaves: bool| {
        let mut swarm = Swarm::new(seed);
        if seeder_leaves {
            swarm.seeder.leaves = Departure::OnceReplicated;
        }
        let mut dice = fastrand::Rng::with_seed(seed);
        let staying = swarm.add(40, &line());
        for _ in 0..40 {
            let at = Departure::AtPieces(dice.u32(1..swarm.pieces as u32));
            swarm.add(1, &PeerConfig { leaves: if leave { at } else { Departure::Never }, ..line() });
        }
        let mut simulation = swarm.build();
        let done = |simulation: &Simulation| staying.iter().all(|peer| took(simulation, *peer).is_some());
        // Without a seed some pieces may be gone.
        let patience = Duration::from_secs(2000);
        simulation.run(patience, done).unwrap_or_else(|violation| println!("  seed {seed}: {violation}"));
        let most = staying.iter().map(|peer| simulation.report(*peer).unwrap().pieces).max().unwrap();
        (last(&times(&simulation, &staying)), swarm.pieces as u32 - most)
    };
    let (before, _) = run(false, false);
    let (after, lost) = run(true, false);
    let (alone, lost_alone) = run(true, true);
    vec![
        figure("last / if nobody leaves", after / before, Target::AtMost(1.5)),
        figure("pieces lost", f64::from(lost), Target::AtMost(0.0)),
        figure("the seed leaves, too: last / if nobody leaves", alone / before, Target::Told),
        figure("the seed leaves, too: pieces lost", f64::from(lost_alone), Target::Told),
    ]
}

/// Legout et al. 2007: 40 leechers, 453 pieces, with a quarter of their bytes. Who has everything leaves.
fn classes(seed: u64, seeder_upload: u64) -> Vec<Figure> {
    const CLASSES: [(u32, u64); 3] = [(13, 20_000), (14, 50_000), (13, 200_000)];
    let mut swarm = Swarm::new(seed);
    (swarm.pieces, swarm.piece_length) = (453, 64 << 10);
    swarm.seeder.upload = seeder_upload;
    let classes =
        CLASSES.map(|(count, upload)| swarm.add(count, &PeerConfig { upload, leaves: LEAVES, ..line() }));
    let mut class_of: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for (class, peers) in classes.iter().enumerate() {
        class_of.extend(peers.iter().map(|peer| (peer.address().ip(), class)));
    }
    let mut simulation = swarm.build();
    let everyone = classes.concat();
    // What came over each connection, as far as it was seen.
    let mut came: BTreeMap<(PeerNumber, std::net::SocketAddr), u64> = BTreeMap::new();
    let mut warned = None;
    for second in (0..PATIENCE.as_secs()).step_by(2) {
        simulation.run(Duration::from_secs(second), |_| false).unwrap();
        for peer in &everyone {
            for torrent in simulation.session(*peer).unwrap().torrents() {
                let connections = torrent.connections(simulation.now());
                came.extend(connections.map(|one| ((*peer, one.address), one.downloaded)));
            }
        }
        let seeder = simulation.session(PeerNumber(0)).unwrap();
        if warned.is_none()
            && seeder.torrents().any(|torrent| torrent.status(simulation.now()).upload_is_bottleneck)
        {
            warned = Some(second as f64);
        }
        if everyone.iter().all(|peer| took(&simulation, *peer).is_some()) {
            break;
        }
    }
    let (mut same, mut all) = (0, 0);
    let mut fast = (0, 0);
    for ((to, from), bytes) in came {
        let Some(from) = class_of.get(&from.ip()) else { continue };
        let is_same = class_of.get(&to.address().ip()) == Some(from);
        all += bytes;
        same += if is_same { bytes } else { 0 };
        if *from == 2 {
            fast = (fast.0 + if is_same { bytes } else { 0 }, fast.1 + bytes);
        }
    }
    // Who sends at random sends a third to its own class, or a little less.
    let random = 12.3 / 39.0;
    let means = classes.map(|peers| mean(&times(&simulation, &peers)));
    let adequate = seeder_upload >= 200_000;
    let (at_least, silent) = if adequate {
        (Target::AtLeast(3.0), Target::AtMost(0.0))
    } else {
        (Target::Told, Target::AtLeast(1.0))
    };
    vec![
        figure("slow class's time / fast class's", means[0] / means[2], at_least),
        figure(
            "exchange within a class / at random",
            same as f64 / all as f64 / random,
            if adequate { Target::AtLeast(2.0) } else { Target::Told },
        ),
        figure(
            "the fast class's gifts within it / at random",
            fast.0 as f64 / fast.1 as f64 / random,
            Target::Told,
        ),
        figure("fast class, s", means[2], Target::Told),
        figure("slow class, s", means[0], Target::Told),
        figure("the seed is warned", f64::from(u8::from(warned.is_some())), silent),
        figure("the seed is warned at, s", warned.unwrap_or(f64::NAN), Target::Told),
    ]
}

/// Eight honest leechers of a small file among six who say that they have everything and are silent.
fn silent_liars(seed: u64) -> Vec<Figure> {
    let runs = [0, 6].map(|liars| {
        let mut swarm = Swarm::new(seed);
        (swarm.pieces, swarm.piece_length) = (64, 32 << 10);
        let honest = swarm.add(8, &PeerConfig { upload: 128 * KIB, ..line() });
        swarm.seeder.upload = 512 * KIB;
        swarm.add(liars, &PeerConfig { behaviour: Behaviour::Liar { rejects: false }, ..line() });
        let simulation = swarm.run(&honest);
        let times = times(&simulation, &honest);
        (mean(&times), last(&times))
    });
    let [(mean_before, last_before), (mean_after, last_after)] = runs;
    vec![
        figure("mean time lost, s", mean_after - mean_before, Target::AtMost(5.0)),
        figure("last, time lost, s", last_after - last_before, Target::AtMost(5.0)),
        figure("mean time without, s", mean_before, Target::Told),
    ]
}

fn main() {
    let arguments = Arguments::parse();
    for row in ROWS.iter().filter(|row| row.name.contains(&arguments.name)) {
        println!("{}", row.name);
        let runs: Vec<Vec<Figure>> = (1..=arguments.seeds).map(row.run).collect();
        for (at, first) in runs[0].iter().enumerate() {
            let mut values: Vec<f64> = runs.iter().map(|run| run[at].value).collect();
            values.sort_unstable_by(f64::total_cmp);
            let (min, median, max) = (values[0], values[values.len() / 2], values[values.len() - 1]);
            let verdict = match first.target {
                Target::Told => String::new(),
                Target::AtLeast(least) => format!(" at least {least}"),
                Target::AtMost(most) => format!(" at most {most}"),
            };
            let missed = if first.target.is_met(median) { "" } else { "  MISSED" };
            println!("  {:<58} {min:8.2} {median:8.2} {max:8.2} {verdict}{missed}", first.what);
        }
    }
}
