//! Directories in which somebody else's files lie, in the way of the torrent's and beside them: whatever happens, they are as
//! they were, unless the user has said that they may be written.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::fs::{CWD, Mode, mkfifoat};
use sha2::Digest as _;

use crate::oracle::{self, Torrent};
use crate::runs::{Outcome, Runs, ensure};
use crate::seed::Seed;
use crate::sprat::{self, PATIENCE, Sprat};

const FILES: [(&str, usize); 7] = [
    ("a first", 100_123),
    ("empty", 0),
    ("sub/b", 150_000),
    ("sub/deep/nothing", 0),
    ("sub/deep/tiny", 3),
    ("sub/small", 17_000),
    ("z", 60_001),
];

#[test]
fn foreign() {
    let home = tempfile::tempdir().unwrap();
    let seeds: Vec<Seed> = ["v1", "v2", "hybrid"]
        .map(|version| {
            Seed::start(home.path(), oracle::make(home.path(), version, version, &FILES, 16 * 1024))
        })
        .into();
    let (things, refused, adopted, whole) =
        (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let runs = Runs { test: "foreign", all: 500, by_default: 30, at_once: 3 };
    let made = runs.make(|number, random| {
        let seed = &seeds[usize::try_from(number % 3).unwrap()];
        let place = home.path().join(format!("place-{number}"));
        let case = Case::new(seed, place.clone(), random);
        let end =
            case.run(random).map_err(|what| format!("{:?}, adopt {}: {what}", case.planted, case.adopt))?;
        things.fetch_add(case.planted.len() as u64, Ordering::Relaxed);
        adopted.fetch_add(u64::from(case.adopt), Ordering::Relaxed);
        let tally = if end == End::Whole { &whole } else { &refused };
        tally.fetch_add(1, Ordering::Relaxed);
        fs::remove_dir_all(place).map_err(|error| error.to_string())
    });
    println!(
        "foreign: {made} directories with {} things of others in the way, none of them touched; {} downloads were refused, {} came \
         to their end, {} might adopt",
        things.into_inner(),
        refused.into_inner(),
        whole.into_inner(),
        adopted.into_inner()
    );
}

/// Something that has the place of a file or directory of the torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    Other,
    Shorter,
    Longer,
    Empty,
    Right,
    /// The first half is right.
    HalfRight,
    LinkToFile,
    LinkToDirectory,
    LinkToNothing,
    HardLink,
    Directory,
    Fifo,
}

const THINGS: [Thing; 12] = [
    Thing::Other,
    Thing::Shorter,
    Thing::Longer,
    Thing::Empty,
    Thing::Right,
    Thing::HalfRight,
    Thing::LinkToFile,
    Thing::LinkToDirectory,
    Thing::LinkToNothing,
    Thing::HardLink,
    Thing::Directory,
    Thing::Fifo,
];

impl Thing {
    /// A file like any other, which the user may let us write.
    const fn may_be_adopted(self) -> bool {
        !matches!(
            self,
            Self::LinkToFile | Self::LinkToDirectory | Self::LinkToNothing | Self::Directory | Self::Fifo
        )
    }
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Whole,
    Refused,
}

struct Case<'a> {
    seed: &'a Seed,
    place: PathBuf,
    adopt: bool,
    /// What was put in the way, by path below the torrent's directory.
    planted: BTreeMap<String, Thing>,
}

impl<'a> Case<'a> {
    fn new(seed: &'a Seed, place: PathBuf, random: &mut Rng) -> Self {
        fs::create_dir_all(place.join("outside/directory")).unwrap();
        fs::create_dir_all(place.join("copy")).unwrap();
        fs::write(place.join("outside/file"), [b'o'; 70_000]).unwrap();
        fs::write(place.join("outside/directory/b"), "not the torrent's").unwrap();
        let mut case = Self { seed, place, adopt: random.u8(0..3) == 0, planted: BTreeMap::new() };
        let files: Vec<(String, u64)> =
            case.torrent().files().map(|(path, length)| (path.into(), length)).collect();
        for (path, length) in files {
            if random.u8(0..5) == 0 {
                case.plant(&path, length, THINGS[random.usize(..THINGS.len())], random);
            }
            if random.u8(0..6) == 0 {
                // One that differs in nothing but its case, where the file system knows the difference.
                let twin = path.to_uppercase();
                case.write_new(&twin, b"TWIN");
            }
            if random.u8(0..6) == 0 {
                case.write_new(&format!("{path}.bak"), b"beside it");
            }
        }
        if random.u8(0..8) == 0 {
            let name = case.torrent().metainfo.info.name.clone();
            let path = if random.bool() { format!("{name}/sub") } else { format!("{name}/sub/deep") };
            let thing = if random.bool() { Thing::LinkToDirectory } else { Thing::Other };
            case.plant(&path, 1000, thing, random);
        }
        case
    }

    fn plant(&mut self, path: &str, length: u64, thing: Thing, random: &mut Rng) {
        let target = self.copy().join(path);
        // Something else was there first, or stands in its way.
        if fs::symlink_metadata(&target).is_ok() || fs::create_dir_all(target.parent().unwrap()).is_err() {
            return;
        }
        let length = usize::try_from(length).unwrap();
        let bytes = |length: usize| vec![b'f'; length];
        let right = || fs::read(self.torrent().content.join(path)).unwrap_or_default();
        match thing {
            Thing::Other => fs::write(&target, bytes(length.max(1))),
            Thing::Shorter => fs::write(&target, bytes(length / 2)),
            Thing::Longer => fs::write(&target, bytes(length + random.usize(1..5000))),
            Thing::Empty => fs::write(&target, b""),
            Thing::Right => fs::write(&target, right()),
            Thing::HalfRight => {
                let mut right = right();
                let half = right.len() / 2;
                right[half..].fill(b'f');
                fs::write(&target, right)
            }
            Thing::LinkToFile => symlink(self.place.join("outside/file"), &target),
            Thing::LinkToDirectory => symlink("../../outside/directory", &target),
            Thing::LinkToNothing => symlink(self.place.join("outside/nothing"), &target),
            Thing::HardLink => fs::hard_link(self.place.join("outside/file"), &target),
            Thing::Directory => fs::create_dir(&target),
            Thing::Fifo => mkfifoat(CWD, &target, Mode::RWXU).map_err(Into::into),
        }
        .unwrap();
        self.planted.insert(path.to_owned(), thing);
    }

    fn write_new(&self, path: &str, bytes: &[u8]) {
        let target = self.copy().join(path);
        if fs::symlink_metadata(&target).is_err() && fs::create_dir_all(target.parent().unwrap()).is_ok() {
            fs::write(target, bytes).unwrap();
        }
    }

    fn run(&self, random: &mut Rng) -> Result<End, String> {
        let before = self.snapshot();
        for _ in 0..random.u8(0..3) {
            let mut run = self.get();
            run.listen_until(Instant::now() + Duration::from_millis(random.u64(0..300)));
            if random.bool() {
                run.interrupt();
                run.end(PATIENCE)?;
            } else {
                run.kill();
            }
            run.must_not_have_crashed()?;
            self.compare(&before, "interrupted")?;
        }
        let mut run = self.get();
        let status = run.end(PATIENCE)?;
        run.must_not_have_crashed()?;
        self.compare(&before, "at the end")?;
        match status.code() {
            Some(0) => {
                ensure!(!self.must_be_refused(), "it says that it is finished; {}", run.story());
                self.must_be_whole()?;
                Ok(End::Whole)
            }
            Some(4) => {
                ensure!(!self.must_be_whole_at_last(), "it was refused; {}", run.story());
                ensure!(
                    run.errors().contains("--adopt"),
                    "it does not say what can be done: {}",
                    run.story()
                );
                Ok(End::Refused)
            }
            _ => Err(format!("it ended with {status}; {}", run.story())),
        }
    }

    /// A file that holds something has a place that is taken by what may not be written.
    fn must_be_refused(&self) -> bool {
        self.torrent().files().filter(|(_, length)| *length > 0).any(|(path, _)| {
            let is_wrong = |thing: Thing| match thing {
                Thing::Right => false,
                thing => !(self.adopt && thing.may_be_adopted()),
            };
            self.obstacle(path).is_some_and(is_wrong)
        })
    }

    /// Nothing is in the way that may not be written.
    fn must_be_whole_at_last(&self) -> bool {
        self.planted.iter().all(|(path, thing)| {
            let is_file = self.torrent().files().any(|(file, _)| file == path);
            is_file && self.adopt && thing.may_be_adopted()
        })
    }

    /// What has the place of a file or of a directory on the way to it.
    fn obstacle(&self, path: &str) -> Option<Thing> {
        let is_in_the_way = |planted: &str| path == planted || path.starts_with(&format!("{planted}/"));
        self.planted.iter().find(|(planted, _)| is_in_the_way(planted)).map(|(_, thing)| *thing)
    }

    /// All that the torrent has, as far as it is not the start of a file that is longer, or of nothing.
    fn must_be_whole(&self) -> Outcome {
        for (path, length) in self.torrent().files().filter(|(_, length)| *length > 0) {
            let right = fs::read(self.torrent().content.join(path)).unwrap();
            let copy = fs::read(self.copy().join(path)).map_err(|error| format!("{path}: {error}"))?;
            ensure!(copy.starts_with(&right), "{path} is not right ({length} bytes)");
        }
        Ok(())
    }

    /// How everything looks that was there before the first run.
    fn snapshot(&self) -> BTreeMap<PathBuf, Look> {
        let mut looks = BTreeMap::new();
        look_at(&self.copy(), &mut looks);
        look_at(&self.place.join("outside"), &mut looks);
        looks
    }

    fn compare(&self, before: &BTreeMap<PathBuf, Look>, when: &str) -> Outcome {
        let now = self.snapshot();
        let copy = self.copy();
        let adopted = |path: &Path| {
            let name = path.strip_prefix(&copy).ok().and_then(Path::to_str)?;
            self.planted.get(name).filter(|thing| self.adopt && thing.may_be_adopted())
        };
        // A file with two names is written under both.
        let is_shared = self.planted.iter().any(|(_, thing)| self.adopt && *thing == Thing::HardLink);
        for (path, look) in before {
            let is_other_name = |path: &Path| {
                is_shared && look.inode == before[&self.place.join("outside/file")].inode && path.is_file()
            };
            if adopted(path).is_some() || is_other_name(path) {
                continue;
            }
            let Some(after) = now.get(path) else {
                return Err(format!("{when}: {} is gone", path.display()));
            };
            let is_ours = path.starts_with(&copy);
            ensure!(after.is_as(look, is_ours), "{when}: {} was {look:?} and is {after:?}", path.display());
        }
        let torrent: Vec<PathBuf> = self.torrent().files().map(|(path, _)| copy.join(path)).collect();
        for path in now.keys().filter(|path| !before.contains_key(*path)) {
            let is_of_torrent = torrent.iter().any(|file| file.starts_with(path));
            ensure!(is_of_torrent, "{when}: {} has come", path.display());
        }
        Ok(())
    }

    fn get(&self) -> Sprat {
        let mut arguments = sprat::get(&self.torrent().path, &self.copy(), &self.place.join("state"));
        arguments.extend(self.seed.address());
        if self.adopt {
            arguments.push("--adopt".to_owned());
        }
        Sprat::start(&self.place, &arguments)
    }

    fn torrent(&self) -> &Torrent {
        &self.seed.torrent
    }

    fn copy(&self) -> PathBuf {
        self.place.join("copy")
    }
}

/// How something looks without following it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    kind: &'static str,
    size: u64,
    modified: (i64, i64),
    inode: u64,
    mode: u32,
    links: u64,
    bytes: Option<[u8; 32]>,
    target: Option<PathBuf>,
}

impl Look {
    /// A directory in which we may make files changes with them.
    fn is_as(&self, before: &Self, is_ours: bool) -> bool {
        if before.kind == "directory" && is_ours {
            return (self.kind, self.inode, self.mode) == (before.kind, before.inode, before.mode);
        }
        self == before
    }
}

fn look_at(path: &Path, looks: &mut BTreeMap<PathBuf, Look>) {
    let metadata = fs::symlink_metadata(path).unwrap();
    let kind = match metadata.file_type() {
        kind if kind.is_dir() => "directory",
        kind if kind.is_symlink() => "link",
        kind if kind.is_fifo() => "fifo",
        _ => "file",
    };
    let look = Look {
        kind,
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        inode: metadata.ino(),
        mode: metadata.mode(),
        links: metadata.nlink(),
        bytes: (kind == "file").then(|| hash_of(path)),
        target: (kind == "link").then(|| fs::read_link(path).unwrap()),
    };
    looks.insert(path.to_path_buf(), look);
    if kind == "directory" {
        for entry in fs::read_dir(path).unwrap() {
            look_at(&entry.unwrap().path(), looks);
        }
    }
}

fn hash_of(path: &Path) -> [u8; 32] {
    let mut hash = sha2::Sha256::new();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut File::open(path).unwrap(), &mut bytes).unwrap();
    hash.update(&bytes);
    hash.finalize().into()
}
