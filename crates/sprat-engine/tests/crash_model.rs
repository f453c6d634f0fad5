//! The model of power cuts, against cases simple enough to know the answer, and against random ones with a second,
//! simpler model.
//!
//! `cargo test -p sprat-engine --features disk-faults --test crash_model`
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails where its set-up does"
)]

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Instant;

use proptest::prelude::{
    Just, ProptestConfig, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use rustix::fs::{Advice, AtFlags, CWD, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;
use sprat_engine::disk;
use sprat_engine::disk::faults::{Extreme, Fault, Image, Lasting, Recording, Watch, watch};
use sprat_engine::disk::planted::{PlantedBug, is_planted, is_planted_in, plant};
use tempfile::TempDir;

const SEEDS: u64 = 300;

/// A directory for one test: in memory where that is possible, unless `TMPDIR` says where.
fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if std::env::var_os("TMPDIR").is_none() && memory.is_dir() {
        return tempfile::tempdir_in(memory).unwrap();
    }
    tempfile::tempdir().unwrap()
}

/// A watched directory.
struct Bench {
    home: TempDir,
    watch: Watch,
}

impl Bench {
    fn new() -> Self {
        Self::after(|_| {})
    }

    /// Of a directory in which something lies already.
    fn after(before: impl FnOnce(&Path)) -> Self {
        let home = directory();
        before(home.path());
        let watch = watch(home.path()).unwrap();
        Self { home, watch }
    }

    fn create(&self, name: &str) -> OwnedFd {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        disk::open(&self.home.path().join(name), flags, Mode::from_raw_mode(0o666)).unwrap()
    }

    fn directory(&self, name: &str) -> OwnedFd {
        disk::open(&self.home.path().join(name), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap()
    }

    fn sync_names(&self, name: &str) {
        disk::fsync(self.directory(name)).unwrap();
    }

    fn rename(&self, old: &str, new: &str) {
        let home = self.home.path();
        disk::renameat(CWD, home.join(old), CWD, home.join(new)).unwrap();
    }

    fn recording(&self) -> Recording {
        assert_eq!(self.watch.deviation().unwrap(), [] as [String; 0]);
        self.watch.recording()
    }
}

/// Everything that a power cut now may leave, as told by `look`.
fn possible<T: Ord>(recording: &Recording, at: usize, look: impl Fn(&Image) -> T) -> BTreeSet<T> {
    (0..SEEDS).map(|seed| look(&recording.image(at, seed))).collect()
}

#[test]
fn what_is_synced_stays_and_what_is_not_may_go() {
    let bench = Bench::new();
    let file = bench.create("a");
    bench.sync_names("");
    disk::pwrite(&file, b"synced", 0).unwrap();
    disk::fsync(&file).unwrap();
    let synced = bench.recording().len();
    disk::pwrite(&file, b"SYNCED", 0).unwrap();
    let recording = bench.recording();
    let content = |image: &Image| image.file("a").map(<[u8]>::to_vec);
    assert_eq!(possible(&recording, synced, content), [Some(b"synced".to_vec())].into());
    let both = [Some(b"SYNCED".to_vec()), Some(b"synced".to_vec())];
    assert_eq!(possible(&recording, recording.len(), content), both.into());
    assert_eq!(content(&recording.extreme(recording.len(), Extreme::NothingUnsynced)).unwrap(), b"synced");
    assert_eq!(content(&recording.extreme(recording.len(), Extreme::EverythingKept)).unwrap(), b"SYNCED");
}

#[test]
fn the_sync_of_a_file_is_not_one_of_its_name() {
    let bench = Bench::new();
    let home = bench.home.path();
    disk::create_dir_all(&home.join("d/e")).unwrap();
    let file = bench.create("d/e/f");
    disk::pwrite(&file, b"x", 0).unwrap();
    disk::fsync(&file).unwrap();
    let is_there = |image: &Image| image.file("d/e/f").map(<[u8]>::to_vec);
    for directory in ["d/e", "d", ""] {
        let recording = bench.recording();
        let both = [None, Some(b"x".to_vec())];
        assert_eq!(possible(&recording, recording.len(), is_there), both.into(), "before {directory:?}");
        bench.sync_names(directory);
    }
    let recording = bench.recording();
    assert_eq!(possible(&recording, recording.len(), is_there), [Some(b"x".to_vec())].into());
}

#[test]
fn a_rename_is_old_or_new_until_its_directory_is_synced() {
    let bench = Bench::after(|home| {
        fs::write(home.join("old"), "1").unwrap();
        fs::write(home.join("new"), "2").unwrap();
    });
    bench.rename("old", "new");
    let renamed = bench.recording().len();
    bench.sync_names("");
    let recording = bench.recording();
    let names = |image: &Image| ["old", "new"].map(|name| image.file(name).map(|bytes| bytes[0]));
    let (before, after) = ([Some(b'1'), Some(b'2')], [None, Some(b'1')]);
    assert_eq!(possible(&recording, renamed, names), [before, after].into());
    assert_eq!(possible(&recording, recording.len(), names), [after].into());
}

#[test]
fn a_rename_between_directories_never_shows_both_names_or_none() {
    let bench = Bench::after(|home| {
        fs::create_dir_all(home.join("a")).unwrap();
        fs::create_dir_all(home.join("b")).unwrap();
        fs::write(home.join("a/f"), "1").unwrap();
    });
    bench.rename("a/f", "b/g");
    let recording = bench.recording();
    let names = |image: &Image| [image.file("a/f").is_some(), image.file("b/g").is_some()];
    assert_eq!(possible(&recording, 1, names), [[true, false], [false, true]].into());
    bench.sync_names("a");
    let recording = bench.recording();
    assert_eq!(possible(&recording, recording.len(), names), [[false, true]].into());
}

#[test]
fn a_file_that_is_renamed_twice_has_one_name() {
    let bench = Bench::after(|home| fs::write(home.join("a"), "1").unwrap());
    bench.rename("a", "b");
    bench.rename("b", "c");
    let recording = bench.recording();
    let names = |image: &Image| image.files().iter().map(|path| path.to_path_buf()).collect::<Vec<_>>();
    let one = |name: &str| vec![Path::new(name).to_path_buf()];
    assert_eq!(possible(&recording, recording.len(), names), [one("a"), one("b"), one("c")].into());
}

#[test]
fn link_and_unlink_without_a_sync_between_may_lose_the_file() {
    let bench = Bench::after(|home| fs::write(home.join("old"), "1").unwrap());
    let home = bench.home.path();
    disk::linkat(CWD, home.join("old"), CWD, home.join("new"), AtFlags::empty()).unwrap();
    disk::unlinkat(CWD, home.join("old")).unwrap();
    let recording = bench.recording();
    let names = |image: &Image| [image.file("old").is_some(), image.file("new").is_some()];
    assert_eq!(possible(&recording, recording.len(), names).len(), 4);
    assert_eq!(possible(&recording, 0, names), [[true, false]].into());
}

#[test]
fn a_file_written_beside_its_place_is_always_old_or_new_and_whole() {
    let bench = Bench::after(|home| fs::write(home.join("state"), vec![1; 5000]).unwrap());
    let path = bench.home.path().join("state");
    for generation in 2..5 {
        bench.watch.mark(format!("begin {generation}"));
        sprat_engine::whole_file::write(&path, &[generation; 5000]).unwrap();
        bench.watch.mark(format!("done {generation}"));
    }
    let recording = bench.recording();
    let mut seen = BTreeSet::new();
    for at in 0..=recording.len() {
        let done = recording.marks_before(at).filter(|label| label.starts_with("done")).count() as u8;
        for seed in 0..100 {
            let image = recording.image(at, seed);
            let bytes = image.file("state").unwrap();
            assert_eq!(bytes.len(), 5000);
            assert!(bytes.iter().all(|byte| *byte == bytes[0]), "mixed at {at}, seed {seed}");
            assert!(bytes[0] == 1 + done || bytes[0] == 2 + done, "{} at {at}, {done} done", bytes[0]);
            seen.insert((done, bytes[0]));
        }
    }
    assert_eq!(seen.len(), 7, "both happen, before and after each rename");
}

#[test]
fn a_write_can_be_torn_at_sectors_and_nowhere_else() {
    let bench = Bench::after(|home| fs::write(home.join("a"), vec![1; 4096]).unwrap());
    let file = bench.create("a");
    disk::pwrite(&file, &[2; 3000], 600).unwrap();
    let recording = bench.recording();
    let parts = possible(&recording, recording.len(), |image| {
        let bytes = image.file("a").unwrap().to_vec();
        assert_eq!(bytes.len(), 4096);
        for (at, byte) in bytes.iter().enumerate() {
            assert!(*byte == 1 || (600..3600).contains(&at));
            let same_sector = at.is_multiple_of(512) || at == 600 || at == 3600 || bytes[at - 1] == *byte;
            assert!(same_sector, "torn at {at}");
        }
        bytes.iter().filter(|byte| **byte == 2).count()
    });
    assert!(parts.len() > 4 && parts.contains(&0) && parts.contains(&3000), "{parts:?}");
}

#[test]
fn lengths_may_be_older_newer_or_on_the_way() {
    let bench = Bench::after(|home| fs::write(home.join("a"), vec![1; 1000]).unwrap());
    let file = bench.create("a");
    disk::pwrite(&file, &[2; 9000], 1000).unwrap();
    disk::ftruncate(&file, 20_000).unwrap();
    disk::fallocate(&file, FallocateFlags::empty(), 0, 30_000).unwrap();
    let recording = bench.recording();
    let lengths = possible(&recording, recording.len(), |image| image.file("a").unwrap().len());
    assert!([1000, 10_000, 20_000, 30_000].iter().all(|length| lengths.contains(length)), "{lengths:?}");
    assert!(lengths.iter().any(|length| (1001..10_000).contains(length) && length.is_multiple_of(512)));
    assert!(lengths.iter().all(|length| (1000..=30_000).contains(length)));
    disk::fdatasync(&file).unwrap();
    disk::ftruncate(&file, 10).unwrap();
    let recording = bench.recording();
    let lengths = possible(&recording, recording.len(), |image| image.file("a").unwrap().len());
    assert_eq!(lengths, [10, 30_000].into());
}

#[test]
fn after_a_failed_sync_only_what_is_written_again_is_saved_by_the_next() {
    let bench = Bench::after(|home| fs::write(home.join("a"), vec![1; 2048]).unwrap());
    let file = bench.create("a");
    disk::pwrite(&file, &[2; 2048], 0).unwrap();
    bench.watch.fail_nth(1, Fault::SyncFails, Lasting::Once);
    assert_eq!(disk::fsync(&file), Err(Errno::IO));
    assert_eq!(disk::fsync(&file), Ok(()));
    let mut read = [0; 2048];
    disk::pread(&file, &mut read, 0).unwrap();
    assert_eq!(read, [2; 2048], "as if nothing had happened");
    let recording = bench.recording();
    let lost = recording.extreme(recording.len(), Extreme::NothingUnsynced);
    assert_eq!(lost.file("a").unwrap(), [1; 2048]);
    disk::pwrite(&file, &[2; 1024], 0).unwrap();
    disk::fsync(&file).unwrap();
    let half = bench.recording();
    let lost = half.extreme(half.len(), Extreme::NothingUnsynced);
    assert_eq!(lost.file("a").unwrap(), [[2; 1024], [1; 1024]].concat());
    disk::pwrite(&file, &[2; 1024], 1024).unwrap();
    disk::fsync(&file).unwrap();
    let saved = bench.recording();
    assert_eq!(possible(&saved, saved.len(), |image| image.file("a").unwrap()[2047]), [2].into());
}

#[test]
fn a_kernel_that_throws_pages_away_shows_the_old_bytes() {
    let bench = Bench::after(|home| fs::write(home.join("a"), vec![1; 2048]).unwrap());
    let file = bench.create("a");
    disk::pwrite(&file, &[2; 2048], 1024).unwrap();
    let before = disk::fstat(&file).unwrap();
    bench.watch.fail_nth(1, Fault::SyncLoses, Lasting::Once);
    // Syncing asks for no permission to write.
    let readable = disk::open(&bench.home.path().join("a"), OFlags::RDONLY, Mode::empty()).unwrap();
    assert_eq!(disk::fsync(&readable), Err(Errno::IO));
    let bytes = fs::read(bench.home.path().join("a")).unwrap();
    assert_eq!(bytes, [[1; 1024], [1; 1024], [0; 1024]].concat());
    let after = disk::fstat(&file).unwrap();
    assert_eq!((after.st_mtime_nsec, after.st_ctime_nsec), (before.st_mtime_nsec, before.st_ctime_nsec));
    bench.recording();
    assert_eq!(bench.watch.failures().len(), 1);
}

#[test]
fn a_failed_sync_shows_when_the_kernel_is_told_to_forget() {
    let bench = Bench::after(|home| fs::write(home.join("a"), vec![1; 8192]).unwrap());
    let file = bench.create("a");
    disk::pwrite(&file, &[2; 8192], 0).unwrap();
    disk::fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    let read = || fs::read(bench.home.path().join("a")).unwrap();
    assert_eq!(read(), [2; 8192], "what waits for its sync is not forgotten");
    bench.watch.fail_nth(1, Fault::SyncFails, Lasting::Once);
    assert_eq!(disk::fsync(&file), Err(Errno::IO));
    assert_eq!(read(), [2; 8192]);
    disk::fadvise(&file, 4096, NonZero::new(4096), Advice::DontNeed).unwrap();
    assert_eq!(read(), [[2; 4096], [1; 4096]].concat());
    disk::pwrite(&file, &[3; 100], 0).unwrap();
    disk::fsync(&file).unwrap();
    disk::fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    assert_eq!(read(), [[3; 100].as_slice(), &[1; 8092]].concat());
    let recording = bench.recording();
    let contents = possible(&recording, recording.len(), |image| image.file("a").unwrap().to_vec());
    assert_eq!(contents, [read()].into());
}

#[test]
fn each_fault_befalls_only_calls_that_it_can() {
    let bench = Bench::new();
    let path = bench.home.path().join("a");
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
    for fault in Fault::ALL {
        bench.watch.fail_nth(1, fault, Lasting::UntilHealed);
        let opened = disk::open(&path, flags, Mode::RWXU);
        let opens = !matches!(fault, Fault::ShortWrite | Fault::SyncFails | Fault::SyncLoses);
        assert_eq!(opened.as_ref().err().copied(), fault.errno().filter(|_| opens), "{fault:?}");
        bench.watch.heal();
        let file = disk::open(&path, flags, Mode::RWXU).unwrap();
        bench.watch.fail_nth(1, fault, Lasting::Once);
        let results = (disk::pwrite(&file, b"1234567", 0), disk::fsync(&file), disk::fstat(&file).map(drop));
        let expected = match fault {
            Fault::Denied => (Ok(7), Ok(()), Ok(())),
            Fault::ShortWrite => (Ok(4), Ok(()), Ok(())),
            Fault::SyncFails | Fault::SyncLoses => (Ok(7), Err(Errno::IO), Ok(())),
            _ => (Err(fault.errno().unwrap()), Ok(()), Ok(())),
        };
        assert_eq!(results, expected, "{fault:?}");
        bench.watch.heal();
    }
    bench.watch.fail_nth(2, Fault::Interrupted, Lasting::UntilHealed);
    let file = disk::open(&path, flags, Mode::RWXU).unwrap();
    assert_eq!((0..9).filter(|_| disk::fsync(&file) == Err(Errno::INTR)).count(), 8, "not for ever");
    bench.watch.heal();
    bench.watch.fail_nth_below(Path::new("b"), 1, Fault::Io, Lasting::UntilHealed);
    assert!(disk::fsync(&file).is_ok());
    assert!(disk::open(&bench.home.path().join("b"), flags, Mode::RWXU).is_err());
    bench.recording();
}

#[test]
fn watches_and_planted_bugs_know_their_own_directory_only() {
    let (one, two) = (Bench::new(), Bench::new());
    let file = one.create("a");
    two.watch.fail_nth(1, Fault::Io, Lasting::UntilHealed);
    disk::pwrite(&file, b"1", 0).unwrap();
    assert_eq!((one.watch.calls(), two.watch.calls()), (2, 0));
    assert_eq!((one.recording().len(), two.watch.recording().len()), (2, 0));
    let planting = plant(one.home.path(), PlantedBug::LostSyncError).unwrap();
    use std::os::fd::AsFd as _;
    assert!(is_planted(&one.home.path().join("not/there/yet"), PlantedBug::LostSyncError));
    assert!(is_planted_in(file.as_fd(), PlantedBug::LostSyncError));
    assert!(!is_planted_in(file.as_fd(), PlantedBug::LostWriteError));
    assert!(!is_planted(two.home.path(), PlantedBug::LostSyncError));
    drop(planting);
    assert!(!is_planted_in(file.as_fd(), PlantedBug::LostSyncError));
}

#[test]
fn copies_and_removed_files_are_followed() {
    let bench = Bench::after(|home| fs::write(home.join("a"), vec![7; 70_000]).unwrap());
    let (from, to) = (bench.create("a"), bench.create("b"));
    assert_eq!(disk::copy_file_range(&from, 1000, &to, 0, 69_000).unwrap(), 69_000);
    disk::unlinkat(CWD, bench.home.path().join("a")).unwrap();
    disk::pwrite(&from, b"for nobody", 0).unwrap();
    disk::create_dir_all(&bench.home.path().join("d")).unwrap();
    disk::rmdirat(CWD, bench.home.path().join("d")).unwrap();
    let recording = bench.recording();
    let image = recording.extreme(recording.len(), Extreme::EverythingKept);
    assert_eq!(image.files(), [Path::new("b")].into());
    assert_eq!(image.file("b").unwrap(), vec![7; 69_000]);
}

#[test]
fn files_without_a_name_get_one_by_a_link() {
    let bench = Bench::new();
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let Ok(file) = disk::open(bench.home.path(), flags, Mode::RWXU) else { return };
    disk::pwrite(&file, b"x", 0).unwrap();
    disk::fsync(&file).unwrap();
    let name = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    disk::linkat(CWD, name, CWD, bench.home.path().join("a"), AtFlags::SYMLINK_FOLLOW).unwrap();
    bench.sync_names("");
    let recording = bench.recording();
    assert_eq!(recording.extreme(recording.len(), Extreme::NothingUnsynced).file("a").unwrap(), b"x");
    assert!(recording.extreme(2, Extreme::EverythingKept).files().is_empty());
}

#[test]
fn disguised_files_say_what_they_said_before_the_power_cut() {
    let bench = Bench::new();
    let file = bench.create("a");
    disk::pwrite(&file, b"123", 0).unwrap();
    disk::fsync(&file).unwrap();
    bench.sync_names("");
    let said = disk::fstat(&file).unwrap();
    let recording = bench.recording();
    let again = directory();
    let watch = recording.image(recording.len(), 1).boot(again.path()).unwrap();
    let stat = || disk::statat(CWD, again.path().join("a"), AtFlags::empty()).unwrap();
    let key = |stat: &rustix::fs::Stat| {
        (
            stat.st_dev,
            stat.st_ino,
            stat.st_size,
            stat.st_mtime,
            stat.st_mtime_nsec,
            stat.st_ctime,
            stat.st_ctime_nsec,
        )
    };
    assert_eq!(key(&stat()), key(&said));
    let true_inode = fs::metadata(again.path().join("a")).unwrap().ino();
    assert_ne!(true_inode, said.st_ino);
    let file = disk::open(&again.path().join("a"), OFlags::RDWR, Mode::empty()).unwrap();
    assert_eq!(key(&disk::fstat(&file).unwrap()), key(&said));
    disk::pwrite(&file, b"4", 3).unwrap();
    let now = stat();
    assert_eq!(now.st_ino, said.st_ino);
    assert_ne!((now.st_mtime, now.st_mtime_nsec), (said.st_mtime, said.st_mtime_nsec));
    // A second power cut: the file is still the same.
    let recording = watch.recording();
    let third = directory();
    let _watch = recording.extreme(0, Extreme::NothingUnsynced).boot(third.path()).unwrap();
    let stat = disk::statat(CWD, third.path().join("a"), AtFlags::empty()).unwrap();
    assert_eq!(key(&stat), key(&said));
}

#[test]
fn what_others_do_to_the_tree_is_taken_in_or_told() {
    let bench = Bench::new();
    fs::create_dir(bench.home.path().join("d")).unwrap();
    fs::write(bench.home.path().join("d/a"), "foreign").unwrap();
    assert_eq!(bench.watch.deviation().unwrap(), ["d/a is not known"]);
    let file = bench.create("d/a");
    disk::pwrite(&file, b"F", 0).unwrap();
    let recording = bench.recording();
    let both = [b"Foreign".to_vec(), b"foreign".to_vec()];
    assert_eq!(
        possible(&recording, recording.len(), |image| image.file("d/a").unwrap().to_vec()),
        both.into()
    );
    fs::remove_file(bench.home.path().join("d/a")).unwrap();
    assert_eq!(bench.watch.deviation().unwrap(), ["d/a is gone"]);
    bench.create("d/a");
    let recording = bench.recording();
    let contents = possible(&recording, recording.len(), |image| image.file("d/a").map(<[u8]>::len));
    assert_eq!(contents, [None, Some(0)].into());
}

#[test]
fn images_are_made_quickly() {
    let bench = Bench::new();
    let home = bench.home.path();
    disk::create_dir_all(&home.join("d")).unwrap();
    for name in ["a", "b", "d/c", "d/e"] {
        let file = bench.create(name);
        for part in 0..4 {
            disk::pwrite(&file, &[part as u8 + 1; 4096], part * 4096).unwrap();
        }
    }
    let recording = bench.recording();
    let into = directory();
    let (mut images, begun) = (0, Instant::now());
    for at in 0..=recording.len() {
        for seed in 0..100 {
            let place = into.path().join(images.to_string());
            fs::create_dir(&place).unwrap();
            recording.image(at, seed).materialise(&place).unwrap();
            images += 1;
        }
    }
    let rate = f64::from(images) / begun.elapsed().as_secs_f64();
    println!("{images} images of up to 4 files, {rate:.0} per second");
}

/// A step on one file whose name is durable.
#[derive(Debug, Clone)]
enum Step {
    Write { offset: u64, length: usize },
    Truncate(u64),
    Sync,
    FailedSync,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0..5000_u64, 1..3000_usize).prop_map(|(offset, length)| Step::Write { offset, length }),
        1 => (0..6000_u64).prop_map(Step::Truncate),
        2 => Just(Step::Sync),
        1 => Just(Step::FailedSync),
    ];
    prop::collection::vec(step, 1..14)
}

/// Which bytes may stand at each place of a file: written without regard to how the model under test does it.
#[derive(Clone)]
struct Simple {
    /// By place: the bytes that may be there, zero if the file is that long.
    bytes: Vec<BTreeSet<u8>>,
    /// What is read there now.
    now: Vec<u8>,
    lengths: BTreeSet<usize>,
    /// By place: a failed sync left a doubt there that only a new write removes.
    doubt: Vec<bool>,
}

const LONGEST: usize = 10_000;

impl Simple {
    fn new() -> Self {
        Self {
            bytes: vec![[0].into(); LONGEST],
            now: Vec::new(),
            lengths: [0].into(),
            doubt: vec![false; LONGEST],
        }
    }

    fn take(&mut self, step: &Step, byte: u8) {
        match step {
            Step::Write { offset, length } => {
                let (begin, end) = (*offset as usize, *offset as usize + length);
                self.now.resize(self.now.len().max(end), 0);
                self.now[begin..end].fill(byte);
                self.bytes[begin..end].iter_mut().for_each(|bytes| {
                    bytes.insert(byte);
                });
                // Whatever part of it was not synced before is rewritten: no more doubt than any new write has.
                self.doubt[begin..end].fill(false);
                self.lengths.insert(self.now.len());
            }
            Step::Truncate(length) => {
                let length = *length as usize;
                self.now.resize(length, 0);
                self.bytes[length..].iter_mut().for_each(|bytes| {
                    bytes.insert(0);
                });
                self.lengths.insert(length);
            }
            Step::Sync => {
                self.lengths = [self.now.len()].into();
                for (at, bytes) in self.bytes.iter_mut().enumerate() {
                    if !self.doubt[at] {
                        *bytes = [self.now.get(at).copied().unwrap_or(0)].into();
                    }
                }
            }
            Step::FailedSync => {
                for (at, bytes) in self.bytes.iter().enumerate() {
                    self.doubt[at] |= bytes.len() > 1;
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_image_has_bytes_that_a_simpler_model_rules_out(steps in steps(), seed: u64) {
        let bench = Bench::new();
        let file = bench.create("a");
        bench.sync_names("");
        let mut simple = Simple::new();
        for (index, step) in steps.iter().enumerate() {
            let byte = index as u8 + 1;
            match step {
                Step::Write { offset, length } => {
                    disk::pwrite(&file, &vec![byte; *length], *offset).unwrap();
                }
                Step::Truncate(length) => disk::ftruncate(&file, *length).unwrap(),
                Step::Sync => disk::fsync(&file).unwrap(),
                Step::FailedSync => {
                    bench.watch.fail_nth(1, Fault::SyncFails, Lasting::Once);
                    disk::fsync(&file).unwrap_err();
                }
            }
            simple.take(step, byte);
            let recording = bench.recording();
            for seed in seed..seed.saturating_add(8) {
                let image = recording.image(recording.len(), seed);
                let bytes = image.file("a").unwrap();
                let (least, most) = (*simple.lengths.first().unwrap(), *simple.lengths.last().unwrap());
                prop_assert!((least..=most).contains(&bytes.len()), "{} of {least}..={most}", bytes.len());
                for (at, byte) in bytes.iter().enumerate() {
                    prop_assert!(simple.bytes[at].contains(byte), "{byte} at {at}, not {:?}", simple.bytes[at]);
                }
            }
            let kept = recording.extreme(recording.len(), Extreme::EverythingKept);
            prop_assert_eq!(kept.file("a").unwrap(), simple.now.as_slice());
        }
    }

    #[test]
    fn with_everything_kept_or_synced_an_image_is_the_tree(
        steps in prop::collection::vec((0..8_u8, 0..6_usize, 0..6_usize, 1..3000_usize), 1..40),
        seed: u64,
    ) {
        const NAMES: [&str; 6] = ["a", "b", "x/a", "x/b", "y/a", "y/b"];
        let bench = Bench::new();
        let home = bench.home.path();
        for directory in ["x", "y"] {
            disk::create_dir_all(&home.join(directory)).unwrap();
        }
        for (kind, one, two, length) in steps {
            let (one, two) = (home.join(NAMES[one]), home.join(NAMES[two]));
            let open = |flags| disk::open(&one, flags | OFlags::CLOEXEC, Mode::RWXU);
            // Whether it succeeds depends on what is there: both are wanted.
            let _: Option<()> = (|| match kind {
                0 | 1 => disk::pwrite(open(OFlags::RDWR | OFlags::CREATE).ok()?, &vec![kind + 1; length], length as u64).ok().map(drop),
                2 => open(OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC).ok().map(drop),
                3 => disk::renameat(CWD, &one, CWD, &two).ok(),
                4 => disk::linkat(CWD, &one, CWD, &two, AtFlags::empty()).ok(),
                5 => disk::unlinkat(CWD, &one).ok(),
                6 => disk::fsync(open(OFlags::RDONLY).ok()?).ok(),
                _ => disk::fsync(bench.directory(one.parent()?.strip_prefix(home).ok()?.to_str()?)).ok(),
            })();
            prop_assert_eq!(bench.watch.deviation().unwrap(), [] as [String; 0]);
        }
        let recording = bench.recording();
        // Any image can be made, and holds nothing twice.
        for at in 0..=recording.len() {
            let into = directory();
            recording.image(at, seed).materialise(into.path()).unwrap();
        }
        disk::syncfs(bench.directory("")).unwrap();
        let recording = bench.recording();
        let image = recording.extreme(recording.len(), Extreme::NothingUnsynced);
        let mut count = 0;
        for name in NAMES {
            let real = fs::read(home.join(name)).ok();
            count += usize::from(real.is_some());
            prop_assert_eq!(image.file(name), real.as_deref());
        }
        prop_assert_eq!(image.files().len(), count);
    }
}
