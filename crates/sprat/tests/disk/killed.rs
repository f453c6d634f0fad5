//! kill -9 at any moment: what was said to be durable is claimed again, what is claimed is right on the disk, nobody is ever
//! given anything wrong, and the end is reached.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;

use crate::oracle::{self, Torrent, count};
use crate::peer::Peer;
use crate::runs::{Outcome, Runs, ensure};
use crate::seed::Seed;
use crate::sprat::{self, PATIENCE, Sprat};

const FILES: [(&str, usize); 7] = [
    ("a first", 900_123),
    ("empty", 0),
    ("sub/b", 1_400_000),
    ("sub/deep/nothing", 0),
    ("sub/deep/tiny", 3),
    ("sub/small", 17_000),
    ("z", 600_001),
];
const PIECE_LENGTH: usize = 32 * 1024;

/// One download is killed so often before it may come to its end.
const KILLS_OF_A_LIFE: u64 = 5;

#[test]
fn killed() {
    let home = tempfile::tempdir().unwrap();
    let seeds: Vec<Seed> = ["v1", "v2", "hybrid"]
        .map(|version| {
            let torrent = oracle::make(home.path(), version, version, &FILES, PIECE_LENGTH);
            Seed::start(home.path(), torrent)
        })
        .into();
    let tally = Tally::default();
    let runs = Runs { test: "killed", all: 100, by_default: 5, at_once: 5 };
    let lives = runs.make(|number, random| {
        let place = home.path().join(format!("life-{number}"));
        fs::create_dir_all(&place).unwrap();
        let seed = &seeds[usize::try_from(number % 3).unwrap()];
        let life = Life { seed, place: place.clone(), tally: &tally };
        life.live(random)?;
        fs::remove_dir_all(place).map_err(|error| error.to_string())
    });
    let [kills, audits, claimed, given, early, late] = tally.numbers();
    println!(
        "killed: {kills} kills in {lives} downloads, nothing lost: {audits} restarts claimed {claimed} pieces, all of them \
         right, and gave {given} away, all of them right; {early} kills came before the first durable piece, {late} after \
         the end"
    );
}

/// What has come of all lives.
#[derive(Default)]
struct Tally {
    kills: AtomicU64,
    audits: AtomicU64,
    claimed: AtomicU64,
    given: AtomicU64,
    early: AtomicU64,
    late: AtomicU64,
}

impl Tally {
    fn numbers(&self) -> [u64; 6] {
        let Self { kills, audits, claimed, given, early, late } = self;
        [kills, audits, claimed, given, early, late].map(|number| number.load(Ordering::Relaxed))
    }
}

fn add(to: &AtomicU64, number: u64) {
    to.fetch_add(number, Ordering::Relaxed);
}

/// One download, through all its deaths.
struct Life<'a> {
    seed: &'a Seed,
    place: PathBuf,
    tally: &'a Tally,
}

/// When to kill.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So long after the start.
    After(Duration),
    /// When so many pieces are said to be durable.
    AtPieces(u64),
    /// When the record has been touched so often.
    AtRecord(u32),
    /// Some time after the end.
    AfterEnd(Duration),
}

impl Moment {
    fn any(random: &mut Rng, pieces: u64) -> Self {
        match random.u8(0..10) {
            0 => Self::After(Duration::from_micros(random.u64(0..60_000))),
            1..=3 => Self::After(Duration::from_millis(random.u64(60..2500))),
            4..=5 => Self::AtPieces(random.u64(1..pieces)),
            6..=8 => Self::AtRecord(random.u32(1..5)),
            _ => Self::AfterEnd(Duration::from_micros(random.u64(0..50_000))),
        }
    }
}

impl Life<'_> {
    fn live(&self, random: &mut Rng) -> Outcome {
        for death in 0..KILLS_OF_A_LIFE {
            let (had, story) = self.die(random).map_err(|what| format!("death {death}: {what}"))?;
            if random.u8(0..4) > 0 {
                self.audit(had).map_err(|what| format!("after death {death} ({story}): {what}"))?;
            }
            if had == self.torrent().pieces.len() as u64 {
                // There is nothing left to be interrupted.
                for directory in [self.copy(), self.place.join("state")] {
                    fs::remove_dir_all(directory).map_err(|error| error.to_string())?;
                }
            }
        }
        let mut run = self.get(random);
        run.wait_for_event("finished", PATIENCE)?;
        let status = run.end(PATIENCE)?;
        ensure!(status.success(), "the last run ended with {status}");
        self.torrent().must_be_whole(&self.copy())
    }

    /// A run that is killed. How many pieces it had said to be durable, and how it came to that.
    fn die(&self, random: &mut Rng) -> Result<(u64, String), String> {
        let pieces = self.torrent().pieces.len() as u64;
        let moment = Moment::any(random, pieces);
        let mut run = self.get(random);
        // Somebody takes what there is, in part of the runs.
        let peer = if random.bool() { Some(Peer::call(self.torrent(), run.port()?)) } else { None };
        if random.u8(0..6) == 0 {
            // First by a Ctrl-C, and then again, whatever the first one has left.
            run.listen_until(Instant::now() + Duration::from_millis(random.u64(0..800)));
            run.interrupt();
            run.end(PATIENCE)?;
            run.must_not_have_crashed()?;
            drop(run);
            run = self.get(random);
            if let Some(peer) = &peer {
                peer.call_at(run.port()?);
            }
        }
        self.wait_for(moment, &mut run, random)?;
        run.kill();
        run.must_not_have_crashed()?;
        add(&self.tally.kills, 1);
        let had = run.pieces_had();
        add(&self.tally.early, u64::from(had == 0));
        if let Some(peer) = peer {
            peer.must_not_have_been_cheated()?;
            add(&self.tally.given, peer.look(|seen| seen.right));
        }
        if run.has_said("finished") {
            add(&self.tally.late, 1);
            self.torrent()
                .must_be_whole(&self.copy())
                .map_err(|what| format!("said to be finished: {what}"))?;
        }
        // Before anything else can come to its help.
        let good = count(&self.torrent().good(&self.copy()));
        ensure!(had <= good, "{moment:?}: {had} were had and {good} are right; {}", run.story());
        Ok((had, format!("{moment:?}, had {had}")))
    }

    fn wait_for(&self, moment: Moment, run: &mut Sprat, random: &mut Rng) -> Outcome {
        match moment {
            Moment::After(time) => run.listen_until(Instant::now() + time),
            Moment::AtPieces(pieces) => {
                let is_there = |event: &serde_json::Value| {
                    let had = event["pieces_have"].as_u64().is_some_and(|had| had >= pieces);
                    (had || event["event"] == "finished").then_some(())
                };
                run.wait_for("pieces", PATIENCE, is_there)?;
            }
            Moment::AtRecord(times) => {
                let mut before = self.record_time();
                let mut touched = 0;
                let end = Instant::now() + Duration::from_secs(3);
                // A look every so often: what is waited for is shorter than any message of it would be.
                while touched < times && Instant::now() < end && !run.has_said("finished") {
                    run.listen_until(Instant::now() + Duration::from_micros(200));
                    let now = self.record_time();
                    touched += u32::from(now != before);
                    before = now;
                }
                run.listen_until(Instant::now() + Duration::from_micros(random.u64(0..3000)));
            }
            Moment::AfterEnd(time) => {
                run.wait_for_event("finished", PATIENCE)?;
                run.listen_until(Instant::now() + time);
            }
        }
        Ok(())
    }

    /// A run that knows nobody: what it claims is what there is. It is killed as well.
    fn audit(&self, had: u64) -> Outcome {
        let good = self.torrent().good(&self.copy());
        let mut run = Sprat::start(&self.place, &self.arguments());
        let port = run.port()?;
        let first = run.wait_for("state", PATIENCE, |event| {
            let is_open = matches!(event["state"].as_str(), Some("downloading" | "seeding"));
            is_open.then(|| event["pieces_have"].as_u64().unwrap())
        });
        let claimed = first?;
        ensure!(had <= claimed, "{had} were had, {claimed} are claimed");
        ensure!(claimed <= count(&good), "{claimed} are claimed, {} are right", count(&good));
        let peer = Peer::call(self.torrent(), port);
        if claimed > 0 && claimed < good.len() as u64 {
            // What has not been hashed since is hashed before it is given, and then it comes, all of it.
            let all_came = peer.wait_until(PATIENCE, |seen| {
                seen.came.iter().filter(|came| **came).count() as u64 >= claimed
            });
            ensure!(all_came, "of {claimed} pieces {} came; {}", peer.look(|seen| seen.right), run.story());
            let wrong = peer.look(|seen| {
                let claims = seen.claimed.iter().zip(&good).enumerate();
                claims
                    .filter(|(_, (claimed, good))| **claimed && !**good)
                    .map(|(at, _)| at)
                    .collect::<Vec<_>>()
            });
            ensure!(wrong.is_empty(), "these pieces are claimed and not right: {wrong:?}");
        }
        run.kill();
        run.must_not_have_crashed()?;
        peer.must_not_have_been_cheated()?;
        add(&self.tally.audits, 1);
        add(&self.tally.claimed, claimed);
        add(&self.tally.given, peer.look(|seen| seen.right));
        Ok(())
    }

    fn get(&self, random: &mut Rng) -> Sprat {
        let mut arguments = self.arguments();
        arguments.extend(self.seed.address());
        let rates = ["500K", "1M", "2M"];
        arguments.extend(["--download-limit", rates[random.usize(..3)]].map(str::to_owned));
        let switches = ["--sequential", "--preallocate"];
        arguments.extend(switches.iter().filter(|_| random.u8(0..4) == 0).map(|&on| on.to_owned()));
        Sprat::start(&self.place, &arguments)
    }

    /// Of a run that knows nobody.
    fn arguments(&self) -> Vec<String> {
        sprat::get(&self.torrent().path, &self.copy(), &self.place.join("state"))
    }

    fn torrent(&self) -> &Arc<Torrent> {
        &self.seed.torrent
    }

    fn copy(&self) -> PathBuf {
        self.place.join("copy")
    }

    /// When the record was last written.
    fn record_time(&self) -> Option<SystemTime> {
        newest(&self.place.join("state/torrents"))
    }
}

fn newest(directory: &Path) -> Option<SystemTime> {
    let times = fs::read_dir(directory).ok()?.flatten().filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        if metadata.is_dir() { newest(&entry.path()) } else { metadata.modified().ok() }
    });
    times.max()
}
