//! One torrent from the day it is added to the day it is deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use fastrand::Rng;
use sprat_core::io::{AddTorrent, Trouble};
use sprat_core::storage::{Files, StorageErrorKind, TorrentId};
use sprat_core::torrent::TorrentState;
use sprat_engine::client::RelocateError;
use sprat_engine::storage::Place;
use sprat_wire::hash::InfoHashes;
use sprat_wire::metainfo::Version;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use crate::client_under_test::PATIENCE;
use crate::look::{Inode, Look, inode_of};
use crate::planting::{STRANGE, is_right};
use crate::run::{Run, add};
use crate::runs::{self, Outcome, ensure};
use crate::sample::{Expected, Sample};
use crate::world::{World, real};

const ALL: u64 = 500;

/// Threads of the engine that move files; the kernel knows them by this name.
const MOVERS: &str = "relocation";

/// Threads of the engine that are clients.
const CLIENTS: &str = "sprat-session";

/// What is running in this process is looked at: nothing else of this kind may run beside it.
static ALONE: Mutex<()> = Mutex::new(());

#[derive(Default)]
struct Tally {
    things: AtomicU64,
    moves: AtomicU64,
    refusals: AtomicU64,
    crashes: AtomicU64,
    deletions: AtomicU64,
}

#[test]
fn nothing_of_others_is_touched() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let home = tempfile::tempdir().unwrap();
    let samples = [Version::V1, Version::V2, Version::Hybrid]
        .map(|version| runtime.block_on(Sample::new(home.path(), version)));
    let tally = Tally::default();
    let made = runs::make("nothing_of_others_is_touched", ALL, |number, random| {
        let sample = &samples[usize::try_from(number % 3).unwrap()];
        runtime.block_on(run(sample, samples.len(), random, &tally))
    });
    let Tally { things, moves, refusals, crashes, deletions } = tally;
    println!(
        "foreign_files: {made} directories with {} things of others, none of them touched; {} moves, {} of which were refused and {} \
         interrupted, and {} deletions",
        things.into_inner(),
        moves.into_inner(),
        refusals.into_inner(),
        crashes.into_inner(),
        deletions.into_inner(),
    );
}

#[cfg(feature = "disk-faults")]
#[test]
fn files_of_others_that_are_deleted_are_found() {
    use sprat_engine::disk::planted::{PlantedBug, plant};

    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let home = tempfile::tempdir().unwrap();
    let sample = runtime.block_on(Sample::new(home.path(), Version::V1));
    let bug = PlantedBug::ForeignFileDeleted;
    for number in 0..ALL {
        let mut random = Rng::with_seed(number);
        let tally = Tally::default();
        let mut journey = Journey::new(&sample, 1, &mut random, &tally);
        let _plantings = [0, 1].map(|side| plant(&journey.world.files(side), bug).unwrap());
        if let Err(loss) = runtime.block_on(journey.make()) {
            return println!("{bug:?} is found by run {number}: {loss}");
        }
    }
    panic!("{bug:?} is found by none of {ALL} runs");
}

async fn run(sample: &Sample, others: usize, random: &mut Rng, tally: &Tally) -> Outcome {
    let mut journey = Journey::new(sample, others, random, tally);
    let outcome = journey.make().await;
    tally.things.fetch_add(journey.world.things(), Ordering::Relaxed);
    outcome.map_err(|what| format!("{}: {what}", journey.story.join(", ")))
}

/// What is known beforehand about a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outlook {
    /// Something has the place of a file.
    Refused,
    /// Nothing is in the way.
    Free,
    /// Something has the place of a directory: it depends on what is there to be moved.
    Open,
}

struct Second {
    hashes: InfoHashes,
    root: PathBuf,
}

struct Journey<'a> {
    sample: &'a Sample,
    /// Clients that are none of this run.
    others: usize,
    random: &'a mut Rng,
    tally: &'a Tally,
    world: World,
    run: Option<Run>,
    place: Place,
    spots: Vec<PathBuf>,
    second: Option<Second>,
    /// Adopted since somebody put them there, which is not in the record.
    late: BTreeSet<Inode>,
    /// Which files were not ours when they were moved, but the user let us write: so it is with their copies.
    lent: BTreeSet<usize>,
    is_whole: bool,
    is_listed: bool,
    story: Vec<String>,
}

impl<'a> Journey<'a> {
    fn new(sample: &'a Sample, others: usize, random: &'a mut Rng, tally: &'a Tally) -> Self {
        let world = World::new();
        let side = usize::from(random.u8(0..4) == 0);
        let start = world.files(side).join("at/home");
        let place = Place { adopt: random.u8(0..3) == 0, ..Place::from(start.clone()) };
        let mut journey = Self {
            sample,
            others,
            random,
            tally,
            world,
            run: None,
            place,
            spots: vec![start],
            second: None,
            late: BTreeSet::new(),
            lent: BTreeSet::new(),
            is_whole: false,
            is_listed: false,
            story: Vec::new(),
        };
        journey.lay_out(side);
        journey
    }

    /// Chooses directories, and lets others be there first.
    fn lay_out(&mut self, side: usize) {
        let (here, there) = (self.world.files(side), self.world.files(1 - side));
        let start = self.spots[0].clone();
        let alias = here.join("alias");
        let mut places = vec![
            here.join("b"),
            there.join("b"),
            there.join("not/yet/there"),
            start.join("inner"),
            start.join("t/sub"),
            here.join("at"),
            alias.clone(),
        ];
        self.random.shuffle(&mut places);
        places.truncate(2);
        if places.contains(&alias) {
            let target = if self.random.bool() { start } else { there.join("behind") };
            fs::create_dir_all(&target).unwrap();
            symlink(&target, &alias).unwrap();
            self.world.note(&alias);
        }
        self.spots.extend(places);
        for spot in self.spots.clone() {
            self.world.name(&spot);
            let root = real(&spot);
            self.world.name(&root);
            let in_the_way = self.random.bool();
            if self.random.u8(0..3) > 0 {
                self.world.plant_in(&root, self.sample, in_the_way, self.random);
            }
        }
    }

    async fn make(&mut self) -> Outcome {
        self.start()?;
        self.add().await?;
        for _ in 0..self.random.u8(2..6) {
            if !self.is_listed {
                break;
            }
            match self.random.u8(0..12) {
                0..=3 => self.relocate().await?,
                4 | 5 => self.relocate_and_crash().await?,
                6 => self.relocate_and_remove().await?,
                7 => self.restart().await?,
                8 => self.locate().await?,
                9 => self.add_second().await?,
                10 => self.adopt().await?,
                _ => self.plant_link(),
            }
            self.check()?;
        }
        if self.second.is_some() && self.random.bool() {
            self.delete_second().await?;
            self.check()?;
        }
        if self.is_listed {
            self.delete().await?;
            self.check()?;
        }
        if self.second.is_some() {
            self.delete_second().await?;
            self.check()?;
        }
        self.end().await
    }

    fn tell(&mut self, what: impl Into<String>) {
        self.story.push(what.into());
    }

    fn client(&self) -> &sprat_engine::client::Client {
        &self.run.as_ref().unwrap().client
    }

    fn start(&mut self) -> Outcome {
        self.run = Some(Run::try_start(self.world.home(), None).map_err(|error| error.to_string())?);
        Ok(())
    }

    async fn end(&mut self) -> Outcome {
        if let Some(run) = self.run.take() {
            run.end().await;
        }
        Ok(())
    }

    /// Where a file of the torrent lies at a place.
    fn path(&self, place: &Place, file: &Expected) -> PathBuf {
        real(&place.directory).join(self.sample.path(place, file))
    }

    fn paths(&self, place: &Place) -> Vec<PathBuf> {
        self.sample.files.iter().map(|file| self.path(place, file)).collect()
    }

    fn second_paths(&self) -> impl Iterator<Item = (PathBuf, &Expected)> {
        let second = self.second.iter();
        second.flat_map(|second| self.sample.files.iter().map(|file| (second.root.join(&file.path), file)))
    }

    /// That nothing of others was touched, nothing is left over, and everybody has what he should have.
    fn check(&mut self) -> Outcome {
        let mut ours: BTreeSet<PathBuf> = self.second_paths().map(|(path, _)| path).collect();
        if self.is_listed {
            let paths = self.paths(&self.place);
            if self.place.adopt {
                self.consent(&paths, true);
            }
            ours.extend(paths);
        }
        self.world.check(&ours)?;
        for (path, file) in self.second_paths().filter(|(_, file)| !file.bytes.is_empty()) {
            ensure!(is_right(&path, file), "{} of the second torrent is not right", path.display());
        }
        if self.is_listed && self.is_whole {
            self.check_whole()?;
        }
        Ok(())
    }

    fn check_whole(&self) -> Outcome {
        for file in self.sample.files.iter().filter(|file| !file.bytes.is_empty()) {
            let path = self.path(&self.place, file);
            ensure!(is_right(&path, file), "{} is not right", path.display());
        }
        Ok(())
    }

    fn consent(&mut self, paths: &[PathBuf], is_late: bool) {
        for path in paths {
            if self.world.is_foreign(path) {
                self.world.consent(path);
                if is_late {
                    self.late.extend(inode_of(path));
                }
            }
        }
    }

    /// Whether nothing that we may not write has the place of what holds something, or is on the way to it.
    fn must_be_whole(&self) -> bool {
        let root = real(&self.place.directory);
        let files = self.sample.files.iter().filter(|file| !file.bytes.is_empty());
        let mut paths = files.map(|file| self.path(&self.place, file));
        paths.all(|path| is_way(&root, &path) && !self.world.is_foreign(&path))
    }

    fn add_wish(&self) -> AddTorrent {
        AddTorrent { peers: vec![self.sample.seed()], ..add(&self.sample.metainfo) }
    }

    async fn add(&mut self) -> Outcome {
        self.tell(format!("added at {:?}", self.place));
        self.is_listed = true;
        let is_awaited = self.random.u8(0..4) > 0;
        if self.place.adopt {
            // Until it was looked at, what was there before is in no record, and a move leaves it where it is.
            self.consent(&self.paths(&self.place), !is_awaited);
        }
        let added = self.client().add(self.add_wish(), self.place.clone()).await.unwrap();
        added.map_err(|error| error.to_string())?;
        if is_awaited {
            self.settle().await?;
        }
        self.check()
    }

    async fn id(&self, hashes: &InfoHashes) -> Option<TorrentId> {
        let list = self.client().list().await.unwrap();
        list.into_iter().find(|line| line.info_hashes == *hashes).map(|line| line.torrent)
    }

    async fn main(&self) -> Result<TorrentId, String> {
        self.id(&self.sample.metainfo.info_hashes).await.ok_or_else(|| "it is not in the list".to_owned())
    }

    /// The next event, whatever it is.
    async fn event(&mut self) -> Outcome {
        match timeout(PATIENCE, self.run.as_mut().unwrap().events.recv()).await {
            Ok(Ok(_) | Err(RecvError::Lagged(_))) => Ok(()),
            Ok(Err(RecvError::Closed)) => Err("the client has ended".to_owned()),
            Err(_) => Err("nothing happens any more".to_owned()),
        }
    }

    /// Wakes the torrent, and waits until it has everything or is at its wits' end.
    async fn settle(&mut self) -> Outcome {
        let id = self.main().await?;
        let seed = self.sample.seed();
        let must_be_whole = self.must_be_whole();
        let wake = move |session: &mut sprat_core::Session, now| {
            session.wake(now, id);
            session.add_peers(now, id, &[seed]);
        };
        self.client().with(wake).await.unwrap();
        let give_up = tokio::time::Instant::now() + PATIENCE;
        loop {
            let look = move |session: &mut sprat_core::Session, now| {
                session.torrent(id).map(|torrent| torrent.status(now))
            };
            let status = self.client().with(look).await.unwrap();
            if let Some(status) = &status {
                if status.pieces_have == status.pieces && status.pieces_doubtful == 0 {
                    self.is_whole = true;
                    return Ok(());
                }
                if let TorrentState::Trouble(trouble) = &status.state {
                    let Trouble::Storage(error) = trouble else { return Err(format!("{trouble:?}")) };
                    ensure!(error.kind == StorageErrorKind::Conflict, "it has trouble: {error:?}");
                    if !must_be_whole {
                        self.is_whole = false;
                        return Ok(());
                    }
                }
            }
            ensure!(tokio::time::Instant::now() < give_up, "it comes to nothing: {status:?}");
            self.event().await.map_err(|what| format!("{what}: {status:?}"))?;
        }
    }

    async fn adopt(&mut self) -> Outcome {
        self.tell("adopts");
        // It is the answer to a conflict that has been seen: one that comes later waits for another answer.
        self.settle().await?;
        let id = self.main().await?;
        self.place.adopt = true;
        self.consent(&self.paths(&self.place), false);
        self.client().adopt(id).await.unwrap();
        self.settle().await
    }

    /// A place to go to: one of the directories, with names of its own or without.
    fn destination(&mut self) -> Place {
        let paths = self.paths(&self.place);
        let lent = paths.iter().enumerate().filter(|(_, path)| self.world.is_adopted(path));
        self.lent.extend(lent.map(|(number, _)| number));
        let directory = self.spots[self.random.usize(..self.spots.len())].clone();
        let mut names = BTreeMap::new();
        if self.random.bool() {
            for file in &self.sample.files {
                let name = match self.random.u8(0..12) {
                    0 => format!("t/renamed {}", file.number),
                    1 => format!("other/directory/{}", file.number),
                    2 => format!("{}", file.number),
                    3 => file.path.to_uppercase(),
                    _ => continue,
                };
                names.insert(file.number, name);
            }
        }
        Place { directory, names, adopt: self.place.adopt }
    }

    fn outlook(&self, to: &Place) -> Outlook {
        let root = real(&to.directory);
        if !is_way(Path::new("/"), &root.join("file")) {
            return Outlook::Open;
        }
        let mut outlook = Outlook::Free;
        for file in &self.sample.files {
            let (old, new) = (self.path(&self.place, file), self.path(to, file));
            if !is_way(&root, &new) {
                outlook = Outlook::Open;
            } else if old != new && Look::at(&new).is_some() {
                return Outlook::Refused;
            }
        }
        outlook
    }

    /// The torrent's files as they are.
    fn own(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let paths = self.paths(&self.place).into_iter();
        paths.filter(|path| is_file(path)).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    async fn relocate(&mut self) -> Outcome {
        let to = self.destination();
        let outlook = self.outlook(&to);
        self.tell(format!("to {to:?} ({outlook:?})"));
        self.tally.moves.fetch_add(1, Ordering::Relaxed);
        let id = self.main().await?;
        let own = self.own();
        let relocated = timeout(PATIENCE, self.client().relocate(id, to.clone())).await;
        let relocated = relocated.map_err(|_| "the move does not end".to_owned())?.unwrap();
        match relocated {
            Ok(()) => {
                ensure!(outlook != Outlook::Refused, "it was not refused");
                self.has_moved(to, own).await
            }
            Err(RelocateError::Storage(error)) => {
                ensure!(outlook != Outlook::Free, "it was refused: {error:?}");
                self.was_refused(&own)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// That everything is at the new place, and nothing of ours at the old one that nobody else uses.
    async fn has_moved(&mut self, to: Place, own: BTreeMap<PathBuf, Vec<u8>>) -> Outcome {
        let id = self.main().await?;
        let line = self.client().list().await.unwrap().into_iter().find(|line| line.torrent == id).unwrap();
        ensure!(
            (&line.place.directory, &line.place.names) == (&to.directory, &to.names),
            "it is at {line:?}"
        );
        let from = std::mem::replace(&mut self.place, to);
        let new = self.paths(&self.place);
        if self.is_whole {
            self.check_whole()?;
        }
        let used: BTreeSet<Inode> = self.second_paths().filter_map(|(path, _)| inode_of(&path)).collect();
        for (number, old) in self.paths(&from).into_iter().enumerate() {
            if self.is_whole && own.contains_key(&old) {
                ensure!(own[&old] == fs::read(&new[number]).unwrap(), "{} was changed", old.display());
            }
            let Some(inode) = inode_of(&old) else { continue };
            if new.contains(&old) || self.world.is_foreign(&old) {
                continue;
            }
            let may_stay = used.contains(&inode) || self.late.contains(&inode);
            ensure!(may_stay, "{} was left behind", old.display());
            self.world.keep(&old);
        }
        self.check()?;
        self.settle().await
    }

    /// That everything is where it was.
    fn was_refused(&self, own: &BTreeMap<PathBuf, Vec<u8>>) -> Outcome {
        self.tally.refusals.fetch_add(1, Ordering::Relaxed);
        for (path, bytes) in own {
            ensure!(
                !self.is_whole || fs::read(path).ok().as_ref() == Some(bytes),
                "{} was changed",
                path.display()
            );
        }
        Ok(())
    }

    async fn relocate_and_crash(&mut self) -> Outcome {
        let to = self.destination();
        let patience = self.random.u32(0..200);
        self.tell(format!("to {to:?} and ended after {patience}"));
        self.tally.moves.fetch_add(1, Ordering::Relaxed);
        self.tally.crashes.fetch_add(1, Ordering::Relaxed);
        let id = self.main().await?;
        let own = self.own();
        let run = self.run.take().unwrap();
        tokio::select! {
            biased;
            _ = run.client.relocate(id, to.clone()) => {}
            () = turns(patience) => {}
        }
        drop(run);
        self.others_have_ended();
        if self.random.bool() {
            let file = &self.sample.files[self.random.usize(..self.sample.files.len())];
            let target = self.path(&to, file);
            if !self.paths(&self.place).contains(&target) {
                let thing = STRANGE[self.random.usize(..STRANGE.len())];
                self.story.push(format!("{thing:?} put at {}", target.display()));
                self.world.plant(&target, thing, b"something");
            }
        }
        self.start()?;
        let id = self.main().await?;
        let arrived = async {
            loop {
                let list = self.client().list().await.unwrap();
                let line = list.into_iter().find(|line| line.torrent == id).unwrap();
                if line.relocating.is_none() {
                    return line.place;
                }
                tokio::task::yield_now().await;
            }
        };
        let place = timeout(PATIENCE, arrived).await.map_err(|_| "the move does not end".to_owned())?;
        self.tell(format!("it is at {}", place.directory.display()));
        if (&place.directory, &place.names) == (&to.directory, &to.names) {
            return self.has_moved(to, own).await;
        }
        ensure!(place == self.place, "it is at {place:?}");
        self.was_refused(&own)?;
        self.check()?;
        self.settle().await
    }

    /// Until the threads of a client that was dropped are gone, which would be so at once if it were another process.
    fn others_have_ended(&self) {
        loop {
            let tasks = fs::read_dir("/proc/self/task").unwrap();
            let names = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
            let (mut movers, mut clients) = (0, 0);
            for name in names {
                movers += usize::from(name.trim() == MOVERS);
                clients += usize::from(name.trim() == CLIENTS);
            }
            if movers == 0 && clients <= self.others {
                return;
            }
            std::thread::yield_now();
        }
    }

    async fn relocate_and_remove(&mut self) -> Outcome {
        let to = self.destination();
        let patience = self.random.u32(0..60);
        self.tell(format!("to {to:?} and removed after {patience}"));
        let id = self.main().await?;
        let removed = async {
            turns(patience).await;
            self.client().remove(id, Files::Delete).await.unwrap()
        };
        let (_, removed) = tokio::join!(self.client().relocate(id, to.clone()), removed);
        removed.map_err(|error| error.to_string())?;
        self.is_gone(id).await?;
        self.deleted(&[self.place.clone(), to])
    }

    async fn is_gone(&mut self, id: TorrentId) -> Outcome {
        while self.client().list().await.unwrap().iter().any(|line| line.torrent == id) {
            self.event().await?;
        }
        Ok(())
    }

    async fn delete(&mut self) -> Outcome {
        self.tell("deleted");
        let id = self.main().await?;
        self.client().remove(id, Files::Delete).await.unwrap().map_err(|error| error.to_string())?;
        self.is_gone(id).await?;
        let place = self.place.clone();
        self.deleted(&[place])
    }

    /// That nothing of ours is left that nobody else uses.
    fn deleted(&mut self, places: &[Place]) -> Outcome {
        self.tally.deletions.fetch_add(1, Ordering::Relaxed);
        self.is_listed = false;
        let used: BTreeSet<Inode> = self.second_paths().filter_map(|(path, _)| inode_of(&path)).collect();
        let paths: Vec<_> =
            places.iter().flat_map(|place| self.paths(place).into_iter().enumerate()).collect();
        for (number, path) in paths {
            let Some(inode) = inode_of(&path) else { continue };
            if self.world.is_foreign(&path) {
                continue;
            }
            let is_lent = self.lent.contains(&number) || self.world.is_adopted(&path);
            ensure!(is_lent || used.contains(&inode), "{} is left", path.display());
            self.world.keep(&path);
        }
        Ok(())
    }

    async fn restart(&mut self) -> Outcome {
        self.tell("restarted");
        self.end().await?;
        self.check()?;
        if self.random.bool() {
            let root = real(&self.place.directory);
            let in_the_way = self.random.bool();
            self.world.plant_in(&root, self.sample, in_the_way, self.random);
            if self.place.adopt {
                self.consent(&self.paths(&self.place), true);
            }
        }
        self.start()?;
        self.settle().await
    }

    /// The user moves the files, and says where.
    async fn locate(&mut self) -> Outcome {
        let to = Place { names: BTreeMap::new(), ..self.destination() };
        let is_possible = self.is_whole
            && self.second.is_none()
            && self.outlook(&to) == Outlook::Free
            && real(&to.directory) != real(&self.place.directory)
            && self.paths(&self.place).iter().all(|path| !self.world.is_foreign(path));
        if !is_possible {
            return Ok(());
        }
        self.tell(format!("found at {to:?}"));
        self.end().await?;
        for (old, new) in self.paths(&self.place).into_iter().zip(self.paths(&to)) {
            for directory in new.ancestors().chain(old.ancestors()).skip(1) {
                self.world.keep(directory);
            }
            fs::create_dir_all(new.parent().unwrap()).unwrap();
            if fs::rename(&old, &new).is_err() && is_file(&old) {
                fs::copy(&old, &new).unwrap();
                fs::remove_file(&old).unwrap();
                // The copy is the user's.
                self.world.note(&new);
            }
        }
        if self.place.adopt {
            self.consent(&self.paths(&to), true);
        }
        self.start()?;
        let id = self.main().await?;
        let located = timeout(PATIENCE, self.client().locate(id, to.clone())).await.unwrap().unwrap();
        located.map_err(|error| error.to_string())?;
        self.place = to;
        self.settle().await
    }

    /// A second torrent uses the same files, or links to them.
    async fn add_second(&mut self) -> Outcome {
        if !self.is_whole || self.second.is_some() {
            return Ok(());
        }
        let mut root = real(&self.place.directory);
        if !self.place.names.is_empty() || self.random.bool() {
            root = self.world.outside(&root).with_file_name("second");
            self.world.name(&root);
            for file in self.sample.files.iter().filter(|file| !file.bytes.is_empty()) {
                self.world.plant_link_to(&self.path(&self.place, file), &root.join(&file.path));
            }
        }
        self.tell(format!("a second one at {}", root.display()));
        let hashes = self.sample.second.info_hashes;
        let second = Second { hashes, root: root.clone() };
        let id = self.client().add(add(&self.sample.second), root).await.unwrap();
        let id = id.map_err(|error| error.to_string())?;
        self.second = Some(second);
        let is_there = move |session: &mut sprat_core::Session, now| {
            let status = session.torrent(id).map(|torrent| torrent.status(now));
            status.is_some_and(|status| status.pieces_have == status.pieces)
        };
        while !self.client().with(is_there).await.unwrap() {
            self.event().await?;
        }
        Ok(())
    }

    async fn delete_second(&mut self) -> Outcome {
        self.tell("the second deleted");
        let paths: Vec<PathBuf> = self.second_paths().map(|(path, _)| path).collect();
        let Some(second) = self.second.take() else { return Ok(()) };
        let id = self.id(&second.hashes).await.ok_or("the second is not in the list")?;
        self.client().remove(id, Files::Delete).await.unwrap().map_err(|error| error.to_string())?;
        self.is_gone(id).await?;
        // They were there before it.
        for path in paths.iter().filter(|path| is_file(path)) {
            self.world.keep(path);
        }
        Ok(())
    }

    /// Somebody gives one of the torrent's files another name, perhaps where the torrent is going to be.
    fn plant_link(&mut self) {
        let file = &self.sample.files[self.random.usize(..self.sample.files.len())];
        let ours = self.path(&self.place, file);
        if !self.is_whole || !is_file(&ours) || self.world.is_foreign(&ours) {
            return;
        }
        let spot = real(&self.spots[self.random.usize(..self.spots.len())]);
        let target =
            if self.random.bool() { spot.join(&file.path) } else { self.world.outside(&ours).join("link") };
        self.story.push(format!("{} linked at {}", ours.display(), target.display()));
        self.world.plant_link_to(&ours, &target);
    }
}

/// Whether all between a directory and a path below it are directories, as far as they are there.
fn is_way(root: &Path, path: &Path) -> bool {
    let between = path.ancestors().skip(1).take_while(|path| *path != root);
    between.filter_map(Look::at).all(|look| look.kind == "directory")
}

fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// Lets others have so many turns.
async fn turns(turns: u32) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}
