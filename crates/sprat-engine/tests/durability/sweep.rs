//! A small torrent is downloaded while the n-th disk call fails, in each way and for each n; then the cause goes away.
//! Whatever was claimed on the way is looked for in the files, and in what power cuts may leave of them.

use std::path::Path;

use sprat_core::bitfield::Bitfield;
use sprat_core::geometry::PieceIndex;
use sprat_core::storage::{CommitError, Found};
use sprat_engine::disk::faults::{Fault, Image, Lasting, Recording, Watch, watch};
use sprat_engine::disk::planted::{PlantedBug, plant};
use sprat_engine::storage::StorageConfig;
use sprat_wire::metainfo::Version;

use crate::driver::{DOWNLOADS, Driver};
use crate::sample::Sample;
use crate::{oracle, runs};

/// The last call that fails first.
const CALLS: u64 = 150;

const LASTING: [Lasting; 2] = [Lasting::Once, Lasting::UntilHealed];

/// Any call, or only those on the files of the torrent, which make up the smaller part.
const PLACES: [&str; 2] = ["", DOWNLOADS];

/// Runs of one version: each fault, each n, once and lasting, in each place.
pub(crate) const RUNS: u64 = (Fault::ALL.len() * LASTING.len() * PLACES.len()) as u64 * CALLS;

/// Tries of something after the cause has gone.
const TRIES: usize = 3;

#[test]
fn v1_loses_nothing_whatever_call_fails() {
    sweep("v1_loses_nothing", Version::V1, 32 * 1024);
}

#[test]
fn v2_loses_nothing_whatever_call_fails() {
    sweep("v2_loses_nothing", Version::V2, 16 * 1024);
}

#[test]
fn hybrid_loses_nothing_whatever_call_fails() {
    sweep("hybrid_loses_nothing", Version::Hybrid, 64 * 1024);
}

fn sweep(test: &str, version: Version, piece_length: u32) {
    let sample = Sample::new(version, piece_length);
    runs::make(test, RUNS, |number| run(&sample, number, None));
}

/// What is to fail in a run.
#[derive(Debug)]
struct Failure {
    nth: u64,
    fault: Fault,
    lasting: Lasting,
    below: &'static str,
}

impl Failure {
    fn of(number: u64) -> Self {
        let mut rest = number;
        let mut next = |choices: usize| {
            let choice = rest % choices as u64;
            rest /= choices as u64;
            choice as usize
        };
        let (fault, lasting) = (Fault::ALL[next(Fault::ALL.len())], LASTING[next(LASTING.len())]);
        let below = PLACES[next(PLACES.len())];
        Self { nth: rest + 1, fault, lasting, below }
    }
}

/// One run; whether a call failed in it, or what was lost.
pub(crate) fn run(sample: &Sample, number: u64, bug: Option<PlantedBug>) -> Result<bool, String> {
    let home = runs::directory();
    oracle::put_foreign(home.path(), number as usize / 7 % 2);
    let _planting = bug.map(|bug| plant(home.path(), bug).unwrap());
    let watch = watch(home.path()).unwrap();
    let failure = Failure::of(number);
    let Failure { nth, fault, lasting, below } = failure;
    watch.fail_nth_below(Path::new(below), nth as usize, fault, lasting);
    let mut run = Run::new(sample, home.path(), &watch, number);
    run.download()
        .and_then(|()| run.judge())
        .and_then(|()| after_power_cut(sample, &watch.recording(), number))
        .map_err(|loss| format!("{failure:?}: {loss}\n{:?}", watch.failures()))?;
    let past = watch.deviation().unwrap();
    if past.is_empty() { Ok(watch.failed() > 0) } else { Err(format!("past the disk calls: {past:?}")) }
}

/// Whoever starts after a power cut takes nothing for had that is not there, forgets nothing that was promised, and can
/// go on.
fn after_power_cut(sample: &Sample, recording: &Recording, number: u64) -> Result<(), String> {
    let mut random = fastrand::Rng::with_seed(!number);
    let (at, seed) = (random.usize(..=recording.len()), random.u64(..));
    let image = recording.image(at, seed);
    let home = runs::directory();
    let watch = image.boot(home.path()).unwrap();
    let context =
        |loss| format!("started after {}, image of seed {seed}: {loss}", oracle::moment(recording, at));
    let mut run = Run::new(sample, home.path(), &watch, !number);
    run.durable = oracle::promised_before(sample, recording, at);
    run.go_on(&image, random.u8(..4) == 0).map_err(context)
}

struct Run<'a> {
    sample: &'a Sample,
    root: &'a Path,
    watch: &'a Watch,
    random: fastrand::Rng,
    config: StorageConfig,
    /// What is in the files, as far as the storage says.
    claimed: Bitfield,
    /// What survives a power cut, as far as the storage says.
    durable: Bitfield,
    /// What was refused last.
    trouble: String,
}

impl<'a> Run<'a> {
    fn new(sample: &'a Sample, root: &'a Path, watch: &'a Watch, number: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(number);
        let config = StorageConfig {
            // All of it is held, or most is written early.
            held_limit: if random.bool() { 64 << 20 } else { 20_000 },
            open_files: if random.bool() { 0 } else { 512 },
            preallocate: random.bool(),
            ..StorageConfig::default()
        };
        let nothing = Bitfield::new(sample.geometry.pieces());
        Self {
            sample,
            root,
            watch,
            random,
            config,
            claimed: nothing.clone(),
            durable: nothing,
            trouble: String::new(),
        }
    }

    /// That nothing is lost of what was claimed.
    fn judge(&mut self) -> Result<(), String> {
        oracle::check_files(self.sample, self.root, &self.claimed)?;
        oracle::check_power_cuts(self.sample, &self.watch.recording(), &mut self.random)
    }

    /// What happens after a power cut that left `image`.
    fn go_on(&mut self, image: &Image, to_the_end: bool) -> Result<(), String> {
        let mut driver = self.start()?;
        let found = driver.open().map_err(|error| error.to_string())?;
        let mut trusted = found.have.clone();
        found.unproven.iter().for_each(|piece| _ = trusted.remove(piece));
        oracle::check_image(self.sample, image, &trusted)?;
        self.resume(&mut driver, found)?;
        let done = !to_the_end || self.pass(&mut driver);
        driver.stop();
        if !done {
            return Err(format!("the rest cannot be downloaded: {}", self.trouble));
        }
        if to_the_end { self.judge() } else { Ok(()) }
    }

    /// Downloads everything as a session does that is told of every failure: at first while calls fail, then when
    /// they do not any more, and if nothing else helps after a restart.
    fn download(&mut self) -> Result<(), String> {
        let started = self.start();
        let Ok(mut driver) = started else {
            self.watch.heal();
            return self.restart();
        };
        let opened = driver.open();
        if opened.is_ok() {
            self.pass(&mut driver);
            oracle::check_files(self.sample, self.root, &self.durable)?;
        }
        self.watch.heal();
        if opened.is_err() {
            driver.open().map_err(|error| format!("not opened after the cause had gone: {error}"))?;
        }
        for _ in 0..TRIES {
            if driver.probe().is_ok() && self.pass(&mut driver) {
                driver.stop();
                return Ok(());
            }
        }
        driver.stop();
        self.restart()
    }

    /// What helps if nothing else does.
    fn restart(&mut self) -> Result<(), String> {
        let mut driver = self.start()?;
        let found = driver.open().map_err(|error| format!("not opened after a restart: {error}"))?;
        self.resume(&mut driver, found)?;
        let done = self.pass(&mut driver);
        driver.stop();
        if done { Ok(()) } else { Err(format!("never done, not even after a restart: {}", self.trouble)) }
    }

    fn start(&self) -> Result<Driver<'a>, String> {
        Driver::start(self.sample, self.root, self.config.clone())
    }

    /// Downloads what is missing and has it committed every few pieces. Whether all of it is durable in the end.
    fn pass(&mut self, driver: &mut Driver<'_>) -> bool {
        let mut missing: Vec<PieceIndex> = self.sample.pieces();
        missing.retain(|piece| !self.claimed.contains(piece.get()));
        self.random.shuffle(&mut missing);
        let every = self.random.usize(1..4);
        for some in missing.chunks(every) {
            for piece in some {
                match driver.download(*piece, &mut self.random) {
                    Ok(()) => _ = self.claimed.insert(piece.get()),
                    Err(error) => self.trouble = error.to_string(),
                }
            }
            self.commit(driver);
        }
        if !self.durable.is_full() {
            self.commit(driver);
        }
        self.durable.is_full()
    }

    fn commit(&mut self, driver: &mut Driver<'_>) {
        for piece in driver.changed() {
            self.check(driver, piece);
        }
        let unproven = Bitfield::new(self.claimed.len());
        match driver.commit(&self.claimed, &unproven, self.random.bool()) {
            Ok(()) => {
                self.durable = self.claimed.clone();
                self.watch.mark(oracle::promise(&self.durable));
            }
            // What was written since the last commit may be gone.
            Err(CommitError::Content(error)) => {
                self.trouble = error.to_string();
                for piece in self.sample.pieces() {
                    if self.claimed.contains(piece.get()) && !self.durable.contains(piece.get()) {
                        self.check(driver, piece);
                    }
                }
            }
            Err(CommitError::Record(error)) => self.trouble = error.to_string(),
        }
    }

    /// Has a piece hashed; what cannot be is not had.
    fn check(&mut self, driver: &mut Driver<'_>, piece: PieceIndex) {
        if driver.verify(piece).is_ok_and(|is_good| is_good) {
            self.claimed.insert(piece.get());
        } else {
            self.claimed.remove(piece.get());
        }
    }

    /// What a new start finds is either believed or checked, and then it is a claim.
    fn resume(&mut self, driver: &mut Driver<'_>, found: Found) -> Result<(), String> {
        let Found { have, unproven, unchecked } = found;
        self.claimed = have;
        for piece in self.sample.pieces() {
            if unproven.contains(piece.get()) || unchecked.contains(piece.get()) {
                self.check(driver, piece);
            }
        }
        let lost = self.durable.iter().find(|piece| !self.claimed.contains(*piece));
        if let Some(piece) = lost {
            return Err(format!("piece {piece} was durable, and a restart does not find it"));
        }
        oracle::check_files(self.sample, self.root, &self.claimed)
    }
}
