//! The state directory after all kinds of damage: it opens every time, what one copy has is not lost, and what is read
//! was written.
//!
//! `SPRAT_RUNS` is the percentage of the full thousand runs (15 if it says nothing), `SPRAT_SEED` repeats one run.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails where its set-up does, and says what it did"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use fastrand::Rng;
use sprat_engine::state::{Change, Damage, StateError, StateStore, Table};

/// Runs of each test at 100 per cent.
const FULL_RUNS: u64 = 1000;

const COPIES: [&str; 2] = ["first.redb", "second.redb"];
const PAGE: usize = 4096;
const TORRENTS: u8 = 50;

type Records = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

fn seeds() -> Vec<u64> {
    if let Ok(seed) = std::env::var("SPRAT_SEED") {
        return vec![seed.parse().expect("SPRAT_SEED is a number")];
    }
    let percent: u64 =
        std::env::var("SPRAT_RUNS").map_or(15, |runs| runs.parse().expect("SPRAT_RUNS is a number"));
    (0..(FULL_RUNS * percent / 100).max(1)).collect()
}

fn key(number: u8) -> Vec<u8> {
    // As info-hashes are: spread over all first bytes.
    let mut rng = Rng::with_seed(u64::from(number));
    (0..20).map(|_| rng.u8(..)).collect()
}

fn bytes(rng: &mut Rng, length: usize) -> Vec<u8> {
    (0..length).map(|_| rng.u8(..)).collect()
}

/// The store that is damaged in every run: fifty torrents, some of them changed and some removed since. `is_clean` says
/// whether it was closed, or the power failed.
fn pristine(directory: &Path, is_clean: bool) -> Records {
    let work = tempfile::tempdir().unwrap();
    let mut rng = Rng::with_seed(1);
    let mut records = Records::new();
    let (mut store, damage) = StateStore::open(work.path()).unwrap();
    assert_eq!(damage, []);
    let mut commit = |changes: Vec<Change>| {
        store.commit(&changes).unwrap();
        for Change { table, key, value } in changes {
            match value {
                Some(value) => drop(records.insert((table, key), value)),
                None => drop(records.remove(&(table, key))),
            }
        }
    };
    let settings = ["limit", "port", "folder"];
    let setting = |name: &str| Change {
        table: Table::Settings,
        key: name.as_bytes().to_vec(),
        value: Some(b"value".to_vec()),
    };
    commit(settings.iter().map(|name| setting(name)).collect());
    for number in 0..TORRENTS + 10 {
        let value = bytes(&mut rng, 1000);
        let torrent = Change { table: Table::Torrents, key: key(number), value: Some(value) };
        let value = bytes(&mut rng, 200);
        commit(vec![torrent, Change { table: Table::Progress, key: key(number), value: Some(value) }]);
    }
    for number in 0..10 {
        commit(vec![
            Change { table: Table::Torrents, key: key(TORRENTS + number), value: None },
            Change { table: Table::Progress, key: key(TORRENTS + number), value: None },
        ]);
        let value = bytes(&mut rng, 300);
        commit(vec![Change { table: Table::Progress, key: key(number * 5), value: Some(value) }]);
    }
    if is_clean {
        drop(store);
    }
    copy(work.path(), directory);
    records
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// Does something to a file, and says what.
fn spoil(path: &Path, rng: &mut Rng) -> String {
    let mut bytes = fs::read(path).unwrap();
    let pages = bytes.len() / PAGE;
    let page = |rng: &mut Rng| rng.usize(..pages) * PAGE;
    let what = match rng.u8(..9) {
        0 => {
            let count = rng.usize(1..=64);
            for _ in 0..count {
                let at = rng.usize(..bytes.len());
                bytes[at] ^= 1 << rng.u8(..8);
            }
            format!("{count} bits flipped")
        }
        1 => {
            // Where the database keeps what it finds everything else by.
            let at = rng.usize(..320);
            bytes[at] ^= 1 << rng.u8(..8);
            format!("a bit of the header flipped, at byte {at}")
        }
        2 => {
            // In pages that are in use.
            let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
            let count = rng.usize(1..=8);
            for _ in 0..count {
                bytes[used[rng.usize(..used.len())]] ^= 1 << rng.u8(..8);
            }
            format!("{count} bits of pages in use flipped")
        }
        3 => {
            bytes.truncate(rng.usize(..bytes.len()));
            format!("cut to {} bytes", bytes.len())
        }
        4 => {
            let at = page(rng);
            bytes[at..at + PAGE].fill(0);
            format!("page {} zeroed", at / PAGE)
        }
        5 => {
            let (one, two) = (page(rng), page(rng));
            for offset in 0..PAGE {
                bytes.swap(one + offset, two + offset);
            }
            format!("pages {} and {} swapped", one / PAGE, two / PAGE)
        }
        6 => {
            rng.fill(&mut bytes);
            "all of it garbage".to_owned()
        }
        7 => {
            let at = page(rng);
            rng.fill(&mut bytes[at..at + PAGE]);
            format!("page {} garbage", at / PAGE)
        }
        _ => {
            fs::remove_file(path).unwrap();
            return "deleted".to_owned();
        }
    };
    fs::write(path, bytes).unwrap();
    what
}

fn all(store: &StateStore) -> Records {
    let rows = |table| store.scan(table).unwrap().into_iter().map(move |(key, value)| ((table, key), value));
    Table::ALL.into_iter().flat_map(rows).collect()
}

/// The database may panic on a damaged file, which the store catches; a thousand reports of that would hide everything.
fn quietly() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.location().is_some_and(|at| at.file().contains("redb")) {
                usual(panic);
            }
        }));
    });
}

struct Pristine {
    _home: tempfile::TempDir,
    states: Vec<(PathBuf, Records)>,
}

impl Pristine {
    fn new() -> Self {
        quietly();
        let home = tempfile::tempdir().unwrap();
        let states = [true, false].map(|is_clean| {
            let directory = home.path().join(if is_clean { "clean" } else { "unclean" });
            let records = pristine(&directory, is_clean);
            (directory, records)
        });
        Self { _home: home, states: states.into() }
    }
}

#[test]
fn nothing_is_lost_when_one_copy_is_damaged() {
    let pristine = Pristine::new();
    let seeds = seeds();
    for &seed in &seeds {
        let mut rng = Rng::with_seed(seed);
        let home = tempfile::tempdir().unwrap();
        let (from, records) = &pristine.states[rng.usize(..2)];
        copy(from, home.path());
        let name = COPIES[rng.usize(..2)];
        let what = spoil(&home.path().join(name), &mut rng);
        let case = format!("SPRAT_SEED={seed}: {name} of {}: {what}", from.display());
        let (mut store, damage) =
            StateStore::open(home.path()).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert!(all(&store) == *records, "{case}: {damage:?}");
        let lost = |damage: &Damage| {
            !matches!(
                damage,
                Damage::CopySetAside { .. } | Damage::CopyMissing { .. } | Damage::RecordMended { .. }
            )
        };
        assert!(!damage.iter().any(lost), "{case}: {damage:?}");
        // And it is as good as new: the next start finds nothing wrong, and either copy is enough.
        let last = Change { table: Table::Statistics, key: b"runs".to_vec(), value: Some(b"1".to_vec()) };
        store.commit(std::slice::from_ref(&last)).unwrap();
        drop(store);
        let (store, damage) = StateStore::open(home.path()).unwrap();
        assert_eq!(damage, [], "{case}");
        drop(store);
        fs::remove_file(home.path().join(COPIES[rng.usize(..2)])).unwrap();
        let (store, _) = StateStore::open(home.path()).unwrap();
        let mut records = records.clone();
        records.insert((last.table, last.key), b"1".to_vec());
        assert!(all(&store) == records, "{case}");
    }
    println!("{} runs, nothing lost", seeds.len());
}

#[test]
fn nothing_wrong_is_read_when_both_copies_are_damaged() {
    let pristine = Pristine::new();
    let seeds = seeds();
    let (mut kept, mut written) = (0, 0);
    for &seed in &seeds {
        let mut rng = Rng::with_seed(seed);
        let home = tempfile::tempdir().unwrap();
        let (from, records) = &pristine.states[rng.usize(..2)];
        copy(from, home.path());
        let what = COPIES.map(|name| spoil(&home.path().join(name), &mut rng));
        let case = format!("SPRAT_SEED={seed}: {}: {what:?}", from.display());
        let (store, damage) = StateStore::open(home.path()).unwrap_or_else(|error| panic!("{case}: {error}"));
        let found = all(&store);
        let is_stale = damage.iter().any(|one| matches!(one, Damage::CommitsLost { .. }));
        for (place, value) in found.iter().filter(|_| !is_stale) {
            assert!(records.get(place) == Some(value), "{case}: {place:?} is wrong; {damage:?}");
        }
        let names_loss = damage.iter().any(|damage| {
            matches!(damage, Damage::RecordLost { .. } | Damage::RecordsMissing { .. } | Damage::StoreMissing)
                || matches!(damage, Damage::CommitsLost { .. })
        });
        assert!(
            found.len() == records.len() || names_loss,
            "{case}: {} lost: {damage:?}",
            records.len() - found.len()
        );
        kept += found.len();
        written += records.len();
        drop(store);
        let (store, damage) = StateStore::open(home.path()).unwrap();
        assert_eq!(damage, [], "{case}");
        assert!(all(&store) == found, "{case}");
    }
    println!("{} runs, nothing wrong; {kept} of {written} records saved", seeds.len());
}

/// The same bit of the same record in both copies: that record is lost, and no other.
#[test]
fn a_record_that_is_damaged_in_both_copies_is_lost_alone() {
    let pristine = Pristine::new();
    let mut rng = Rng::with_seed(3);
    for (from, records) in &pristine.states {
        for _ in 0..10 {
            let home = tempfile::tempdir().unwrap();
            copy(from, home.path());
            let (place, value) = records.iter().nth(rng.usize(..records.len())).unwrap();
            if value.len() < 100 {
                continue;
            }
            for name in COPIES {
                let path = home.path().join(name);
                let mut bytes = fs::read(&path).unwrap();
                let found: Vec<usize> = bytes
                    .windows(value.len())
                    .enumerate()
                    .filter(|(_, at)| at == value)
                    .map(|(at, _)| at)
                    .collect();
                assert!(!found.is_empty());
                for at in found {
                    bytes[at + 50] ^= 4;
                }
                fs::write(&path, bytes).unwrap();
            }
            let (store, damage) = StateStore::open(home.path()).unwrap();
            let mut rest = records.clone();
            rest.remove(place);
            assert!(all(&store) == rest, "{damage:?}");
            let lost: Vec<_> = damage.iter().filter(|one| matches!(one, Damage::RecordLost { .. })).collect();
            let [Damage::RecordLost { table, key, quarantine }] = lost.as_slice() else {
                panic!("{damage:?}")
            };
            assert_eq!((*table, key), (place.0, &place.1));
            assert_eq!(quarantine.len(), 2);
        }
    }
}

/// After a power cut, a single bit of the only copy that is left decides which commit is the last.
#[test]
fn a_copy_that_goes_back_to_the_commit_before_is_noticed() {
    let pristine = Pristine::new();
    let (from, records) = &pristine.states[1];
    for (gone, kept) in [(COPIES[0], COPIES[1]), (COPIES[1], COPIES[0])] {
        let home = tempfile::tempdir().unwrap();
        copy(from, home.path());
        let path = home.path().join(kept);
        let mut bytes = fs::read(&path).unwrap();
        bytes[9] ^= 1;
        fs::write(&path, bytes).unwrap();
        let both = tempfile::tempdir().unwrap();
        copy(home.path(), both.path());
        assert!(all(&StateStore::open(both.path()).unwrap().0) == *records);
        fs::remove_file(home.path().join(gone)).unwrap();
        let (_, damage) = StateStore::open(home.path()).unwrap();
        assert_eq!(damage[0], Damage::CommitsLost { count: 1 }, "{damage:?}");
    }
}

/// `tests/golden/state-1` was written by the version of the program that first had format 1.
#[test]
fn a_directory_of_format_1_is_read() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/state-1");
    let home = tempfile::tempdir().unwrap();
    copy(&golden, home.path());
    let (store, damage) = StateStore::open(home.path()).unwrap();
    assert_eq!(damage, []);
    assert!(all(&store) == golden_records());
}

fn golden_records() -> Records {
    let record = |table, key: &[u8], value: &[u8]| ((table, key.to_vec()), value.to_vec());
    Records::from([
        record(Table::Torrents, &[0xab; 20], b"a torrent"),
        record(Table::Torrents, &[0xcd; 32], &[7; 5000]),
        record(Table::Progress, &[0xab; 20], &[0xff, 0xff, 0xf0]),
        record(Table::Settings, b"listen-port", b"6881"),
        record(Table::Settings, b"", b""),
        record(Table::Statistics, b"uploaded", &1_234_567_u64.to_le_bytes()),
    ])
}

#[test]
#[ignore = "writes the golden directory of the present format; run it when the format changes"]
fn write_the_golden_directory() {
    let home = tempfile::tempdir().unwrap();
    let (mut store, _) = StateStore::open(home.path()).unwrap();
    let removed = Change { table: Table::Torrents, key: b"removed".to_vec(), value: Some(b"x".to_vec()) };
    store.commit(std::slice::from_ref(&removed)).unwrap();
    store.commit(&[Change { value: None, ..removed }]).unwrap();
    for ((table, key), value) in golden_records() {
        store.commit(&[Change { table, key, value: Some(value) }]).unwrap();
    }
    drop(store);
    copy(home.path(), &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/state-1"));
}

/// Where the process that is killed keeps its state.
const VICTIM: &str = "SPRAT_STATE_OF_VICTIM";

#[test]
fn a_process_that_is_killed_has_what_it_was_told_and_no_half_commit() {
    let home = tempfile::tempdir().unwrap();
    let mut rng = Rng::with_seed(11);
    let mut told = 0;
    for _ in 0..20 {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "commits_until_it_is_killed", "--ignored", "--nocapture"])
            .env(VICTIM, home.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let number = |line: std::io::Result<String>| {
            line.unwrap().strip_prefix("durable ").map(|n| n.parse().unwrap())
        };
        let numbers = lines.by_ref().filter_map(number).take(rng.usize(1..30));
        told = numbers.last().unwrap();
        victim.kill().unwrap();
        told = lines.filter_map(number).last().unwrap_or(told);
        victim.wait().unwrap();
        let (store, damage) = StateStore::open(home.path()).unwrap();
        assert_eq!(damage, []);
        let [one, two] = [Table::Torrents, Table::Progress].map(|table| store.get(table, b"n").unwrap());
        assert_eq!(one, two);
        let found = u64::from_le_bytes(one.unwrap().try_into().unwrap());
        assert!(found == told || found == told + 1, "{found} is there, {told} was told");
    }
    println!("{told} commits and 20 deaths, nothing lost");
}

#[test]
#[ignore = "a part of the test above it"]
fn commits_until_it_is_killed() {
    let Ok(directory) = std::env::var(VICTIM) else { return };
    let (mut store, _) = StateStore::open(Path::new(&directory)).unwrap();
    let last = store.get(Table::Torrents, b"n").unwrap();
    let last = last.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
    for number in last + 1..last + 100_000 {
        let change = |table| Change { table, key: b"n".to_vec(), value: Some(number.to_le_bytes().to_vec()) };
        store.commit(&[Table::Torrents, Table::Progress].map(change)).unwrap();
        println!("\ndurable {number}");
    }
}

/// A small file system of its own; only root may have that.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(bytes: u64) -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(home.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(home))
    }

    /// Leaves no room, in a file that can be removed.
    fn fill(&self) {
        let file = File::create(self.0.path().join("ballast")).unwrap();
        let mut at = 0;
        for step in [1 << 16, PAGE, 1] {
            while file.write_all_at(&vec![1; step], at).is_ok() {
                at += step as u64;
            }
        }
    }

    fn relieve(&self) {
        fs::remove_file(self.0.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_refuses_commits_and_loses_nothing() {
    let Some(disk) = SmallDisk::new(16 << 20) else {
        println!("skipped: only root may mount a small file system");
        return;
    };
    let directory = disk.0.path().join("state");
    let (mut store, _) = StateStore::open(&directory).unwrap();
    let mut rng = Rng::with_seed(5);
    let mut records = Records::new();
    let mut refusals = 0;
    for round in 0..12_u32 {
        if round % 2 == 1 {
            disk.fill();
        }
        for _ in 0..20 {
            // Sometimes more than the holes in the files have room for.
            let length = if rng.bool() { 1000 } else { 200_000 };
            let value = (!rng.u8(..).is_multiple_of(4)).then(|| bytes(&mut rng, length));
            let change = Change { table: Table::Torrents, key: vec![rng.u8(..12)], value };
            match store.commit(std::slice::from_ref(&change)) {
                Ok(()) => match change.value {
                    Some(value) => drop(records.insert((change.table, change.key), value)),
                    None => drop(records.remove(&(change.table, change.key))),
                },
                Err(error) => {
                    assert!(matches!(error, StateError::Full(_)), "{error}");
                    assert!(round % 2 == 1, "there is room: {error}");
                    refusals += 1;
                }
            }
            assert!(all(&store) == records, "round {round}");
        }
        // What the power would leave now; on a full disk as well.
        let after = tempfile::tempdir().unwrap();
        copy(&directory, after.path());
        let (again, damage) = StateStore::open(after.path()).unwrap();
        assert!(all(&again) == records, "round {round}: {damage:?}");
        drop(again);
        if round % 2 == 1 {
            disk.relieve();
        }
        if round % 4 == 3 {
            drop(store);
            let (again, damage) = StateStore::open(&directory).unwrap();
            assert!(all(&again) == records, "round {round}: {damage:?}");
            store = again;
        }
    }
    println!("{refusals} commits refused, nothing lost");
    assert!(refusals > 0);
}

#[test]
#[ignore = "a measurement"]
fn how_long_it_takes() {
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (mut store, _) = StateStore::open(home.path()).unwrap();
    let mut rng = Rng::with_seed(1);
    let changes: Vec<Change> = (0..10_000_u32)
        .map(|_| Change {
            table: Table::Torrents,
            key: bytes(&mut rng, 20),
            value: Some(bytes(&mut rng, 1024)),
        })
        .collect();
    let timed = |what: &str, work: &mut dyn FnMut()| {
        let start = std::time::Instant::now();
        work();
        println!("{what}: {:.2} ms", start.elapsed().as_secs_f64() * 1000.0);
    };
    timed("commit of 10,000 records", &mut || store.commit(&changes).unwrap());
    let mut times: Vec<_> = changes
        .iter()
        .take(200)
        .map(|change| {
            let start = std::time::Instant::now();
            store.commit(&[Change { value: Some(bytes(&mut rng, 1024)), ..change.clone() }]).unwrap();
            start.elapsed()
        })
        .collect();
    times.sort();
    println!("commit of 1 record: median {:?}, p95 {:?}", times[100], times[190]);
    let killed = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    copy(home.path(), killed.path());
    timed("close", &mut || {
        drop(std::mem::replace(&mut store, StateStore::open(&home.path().join("other")).unwrap().0));
    });
    timed("open of 10,000 records", &mut || drop(StateStore::open(home.path()).unwrap()));
    timed("open after a power cut", &mut || drop(StateStore::open(killed.path()).unwrap()));
    fs::remove_file(killed.path().join(COPIES[0])).unwrap();
    timed("open with one copy missing", &mut || drop(StateStore::open(killed.path()).unwrap()));
    for name in COPIES {
        println!("{name}: {} bytes", fs::metadata(home.path().join(name)).unwrap().len());
    }
}
