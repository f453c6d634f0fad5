//! A torrent is moved, and power is cut at every moment of it, or a call fails: a whole copy is there always, and after the next
//! start there is just one, where the list says.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sprat_core::io::{AddTorrent, Event};
use sprat_core::storage::TorrentId;
use sprat_engine::client::{Client, ClientConfig, Home, RelocateError};
use sprat_engine::disk::faults::{Fault, Image, Lasting, Watch, watch};
use sprat_engine::disk::planted::{PlantedBug, plant};
use sprat_engine::ledger::Ledger;
use sprat_engine::shelf::Shelf;
use sprat_engine::state::StateStore;
use sprat_engine::storage::{Place, StorageConfig};
use sprat_wire::metainfo::Version;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;

use crate::client_under_test::{PATIENCE, config};
use crate::driver::DOWNLOADS;
use crate::sample::Sample;
use crate::{oracle, runs};

const CUTS: u64 = 48;

/// Images of each moment.
const SEEDS: u64 = 8;

/// Of so many images one is started from.
const STARTED: usize = 12;

/// A failing call is one of so many from the beginning of the move.
const CALLS: u64 = 150;

const MOVED: &str = "moved";

/// What is asked of the client, by the number of the run.
#[derive(Debug, Clone, Copy)]
struct Wish {
    /// To another directory; otherwise files get other names where they are.
    elsewhere: bool,
    renamed: bool,
    /// No second names: everything is copied.
    copied: bool,
}

impl Wish {
    fn of(number: u64) -> Self {
        let elsewhere = !number.is_multiple_of(3);
        Self { elsewhere, renamed: !elsewhere || number.is_multiple_of(2), copied: number % 4 < 2 }
    }

    fn place(self, sample: &Sample, root: &Path) -> Place {
        let directory = root.join(if self.elsewhere { MOVED } else { DOWNLOADS });
        let mut names = BTreeMap::new();
        if self.renamed {
            // The first one, and one from a directory into another.
            for (file, name) in
                [(0, "sample/other/a".to_owned()), (sample.files().next_back().unwrap().0, "h".to_owned())]
            {
                names.insert(file, name);
            }
        }
        Place { directory, names, adopt: true }
    }
}

struct Run {
    client: Client,
    events: Receiver<Event>,
    _ledger: Ledger,
}

impl Run {
    fn start(root: &Path) -> Self {
        let (store, _) = StateStore::open(&root.join("state")).unwrap();
        let ledger = Ledger::start(store).unwrap();
        let client = Client::start(ClientConfig {
            listen: None,
            storage: StorageConfig { workers: 1, ledger: Some(ledger.handle()), ..StorageConfig::default() },
            home: Some(Home { ledger: ledger.handle(), shelf: Shelf::below(&root.join("state")) }),
            ..config(1)
        });
        let client = client.unwrap();
        let events = client.events();
        Self { client, events, _ledger: ledger }
    }

    async fn wait_for(&mut self, is_it: impl Fn(&Event) -> bool) {
        let look = async { while !is_it(&self.events.recv().await.unwrap()) {} };
        timeout(PATIENCE, look).await.unwrap();
    }

    /// Waits until nothing is on its way.
    async fn settle(&self) -> (TorrentId, Place) {
        let settled = async {
            loop {
                let line = self.client.list().await.unwrap().remove(0);
                if line.relocating.is_none() {
                    return (line.torrent, line.place);
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, settled).await.unwrap()
    }
}

struct Scene<'a> {
    sample: &'a Sample,
    home: TempDir,
    runtime: Runtime,
}

impl<'a> Scene<'a> {
    /// A torrent with all of its files, which may be written.
    fn new(sample: &'a Sample, number: u64) -> Self {
        let home = runs::directory();
        oracle::put_foreign(home.path(), number as usize % 2);
        for (_, path, bytes) in sample.files() {
            let path = home.path().join(DOWNLOADS).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { sample, home, runtime }
    }

    fn root(&self) -> &Path {
        self.home.path()
    }

    fn add(&self) -> (Run, TorrentId) {
        let mut run = Run::start(self.root());
        let add = AddTorrent::new(Arc::clone(&self.sample.metainfo));
        let place = Place { adopt: true, ..Place::from(self.root().join(DOWNLOADS)) };
        let id = self.runtime.block_on(async {
            let id = run.client.add(add, place).await.unwrap().unwrap();
            run.wait_for(|event| matches!(event, Event::Finished { .. })).await;
            id
        });
        (run, id)
    }

    fn relocate(&self, run: &Run, id: TorrentId, to: Place) -> Result<(), RelocateError> {
        let moved = async { timeout(PATIENCE, run.client.relocate(id, to)).await.unwrap().unwrap() };
        self.runtime.block_on(moved)
    }

    fn end(&self, run: Run) {
        self.runtime.block_on(run.client.shut_down()).unwrap();
    }

    /// Each file is at one of the two places at least.
    fn check_image(&self, image: &Image, places: &[Place; 2]) -> Result<(), String> {
        for (file, path, bytes) in self.sample.files() {
            let is_at = |place: &Place| {
                let path = place.names.get(&file).map_or(path, String::as_str);
                let below = place.directory.strip_prefix(self.root()).unwrap().join(path);
                image.file(below) == Some(bytes)
            };
            if !places.iter().any(is_at) {
                return Err(format!("{path} is lost"));
            }
        }
        oracle::check_foreign(|path| image.file(path).map(<[u8]>::to_vec))
    }

    /// After another start, everything is where the list says, and nothing of it at the other place.
    fn check_start(&self, places: &[Place; 2]) -> Result<(), String> {
        let mut run = Run::start(self.root());
        let (id, place) = self.runtime.block_on(run.settle());
        if !places.iter().any(|one| (&one.directory, &one.names) == (&place.directory, &place.names)) {
            return Err(format!("it is at {place:?}"));
        }
        // What a power cut has left in doubt is hashed before it is finished.
        let is_finished = move |session: &mut sprat_core::Session, now| {
            session
                .torrent(id)
                .map(|torrent| torrent.status(now))
                .is_some_and(|status| status.pieces_have == status.pieces && status.pieces_doubtful == 0)
        };
        let finished = self.runtime.block_on(async {
            run.client.with(move |session, now| session.wake(now, id)).await.unwrap();
            let finished = async {
                while !run.client.with(is_finished).await.unwrap() {
                    run.events.recv().await.unwrap();
                }
            };
            timeout(PATIENCE, finished).await
        });
        self.end(run);
        finished.map_err(|_| "not everything is had".to_owned())?;
        self.check_files(&place)
    }

    fn check_files(&self, place: &Place) -> Result<(), String> {
        let mut expected: Vec<PathBuf> = Vec::new();
        for (file, path, bytes) in self.sample.files() {
            let path = place.directory.join(place.names.get(&file).map_or(path, String::as_str));
            if fs::read(&path).ok().as_deref() != Some(bytes) {
                return Err(format!("{} is not right", path.display()));
            }
            expected.push(path);
        }
        let mut found = Vec::new();
        for directory in [DOWNLOADS, MOVED] {
            files_below(&self.root().join(directory), &mut found);
        }
        found.retain(|path| !path.ends_with("precious"));
        expected.sort();
        found.sort();
        if found != expected {
            return Err(format!("{found:?} is there, and {expected:?} should be"));
        }
        oracle::check_foreign(|path| fs::read(self.root().join(path)).ok())
    }
}

fn files_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// As on a machine with two disks.
fn without_links(watch: &Watch, wish: Wish) {
    if wish.copied {
        watch.fail_nth(1, Fault::OtherDevice, Lasting::UntilHealed);
    }
}

#[test]
fn a_power_cut_while_moving_leaves_a_whole_copy() {
    let sample = Sample::new(Version::Hybrid, 16 * 1024);
    runs::make("a_power_cut_while_moving", CUTS, |number| cut(&sample, number, None));
}

fn cut(sample: &Sample, number: u64, bug: Option<PlantedBug>) -> Result<bool, String> {
    let wish = Wish::of(number);
    let scene = Scene::new(sample, number);
    let mut random = fastrand::Rng::with_seed(number);
    let places = [Place::from(scene.root().join(DOWNLOADS)), wish.place(sample, scene.root())];
    let (recording, begin) = {
        let watch = watch(scene.root()).unwrap();
        let _planting = bug.map(|bug| plant(scene.root(), bug).unwrap());
        let (run, id) = scene.add();
        without_links(&watch, wish);
        let begin = watch.recording().len();
        scene.relocate(&run, id, places[1].clone()).map_err(|error| error.to_string())?;
        let recording = watch.recording();
        scene.end(run);
        (recording, begin)
    };
    scene.check_files(&places[1])?;
    let mut images = Vec::new();
    for at in begin..=recording.len() {
        for _ in 0..SEEDS {
            let image = recording.image(at, random.u64(..));
            let context =
                |loss| format!("{wish:?}: power cut after {}: {loss}", oracle::moment(&recording, at));
            scene.check_image(&image, &places).map_err(context)?;
            oracle::count_image();
            images.push((at, image));
        }
    }
    random.shuffle(&mut images);
    for (at, image) in images.into_iter().step_by(STARTED) {
        for entry in fs::read_dir(scene.root()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        let watch = image.boot(scene.root()).unwrap();
        without_links(&watch, wish);
        scene.check_start(&places).map_err(|loss| {
            format!("{wish:?}: a start after a power cut after {}: {loss}", oracle::moment(&recording, at))
        })?;
    }
    Ok(false)
}

#[test]
fn a_call_that_fails_while_moving_loses_nothing() {
    let sample = Sample::new(Version::V1, 32 * 1024);
    let all = CALLS * Fault::ALL.len() as u64;
    runs::make("a_call_that_fails_while_moving", all, |number| fail(&sample, number));
}

fn fail(sample: &Sample, number: u64) -> Result<bool, String> {
    let fault = Fault::ALL[number as usize % Fault::ALL.len()];
    let nth = number / Fault::ALL.len() as u64 + 1;
    let wish = Wish::of(nth);
    let scene = Scene::new(sample, number);
    let places = [Place::from(scene.root().join(DOWNLOADS)), wish.place(sample, scene.root())];
    let watch = watch(scene.root()).unwrap();
    let (run, id) = scene.add();
    without_links(&watch, wish);
    let context = |loss| format!("{wish:?}, call {nth} fails with {fault:?}: {loss}");
    watch.fail_nth(nth as usize, fault, Lasting::Once);
    let outcome = scene.relocate(&run, id, places[1].clone());
    let has_failed = outcome.is_err();
    scene.end(run);
    watch.heal();
    without_links(&watch, wish);
    scene
        .check_start(&places)
        .map_err(|loss| context(format!("{loss} (it said {outcome:?}; {:?})", watch.failures())))?;
    Ok(has_failed)
}

#[test]
fn a_move_that_does_not_wait_for_the_disk_is_found() {
    let bug = PlantedBug::MoveNotSynced;
    let sample = Sample::new(Version::Hybrid, 16 * 1024);
    for number in 0..CUTS {
        if let Err(loss) = cut(&sample, number, Some(bug)) {
            return println!("{bug:?} is found by run {number}: {loss}");
        }
    }
    panic!("{bug:?} is found by none of {CUTS} runs");
}
