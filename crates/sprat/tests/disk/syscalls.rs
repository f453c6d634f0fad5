//! Calls that the kernel refuses: whichever it is, the program does not crash, says what is wrong, and a run without faults
//! comes to its end with everything right.
//!
//! strace makes them fail: the n-th of a thread that concerns the torrent's directory or the record.
//! (A call that is made to return a short count is not made at all, so that only a count of zero is no lie.)

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use sha2::Digest as _;

use crate::oracle::{self, Torrent};
use crate::runs::{Outcome, Runs, ensure};
use crate::seed::Seed;
use crate::sprat::{self, PATIENCE, Sprat};

const FILES: [(&str, usize); 5] =
    [("a first", 300_123), ("empty", 0), ("sub/b", 500_000), ("sub/tiny", 3), ("z", 200_001)];

/// Trouble is shown, or there is none. (A traced program is slow.)
const SHOWN_WITHIN: Duration = Duration::from_secs(15);

/// A disk in trouble is tried again every ten seconds.
const OVER_WITHIN: Duration = Duration::from_secs(40);

/// What is made to fail, and how often it happens in one thread at most.
const CALLS: [(&str, u64); 14] = [
    ("pwritev", 12),
    ("pwritev", 12),
    ("pwrite64", 60),
    ("pwrite64", 8),
    ("fdatasync", 40),
    ("fdatasync", 5),
    ("fsync", 12),
    ("openat", 40),
    ("openat2", 8),
    ("mkdirat", 6),
    ("rename", 2),
    ("ftruncate", 4),
    ("fallocate", 5),
    ("pread64", 20),
];

const ERRORS: [&str; 6] = ["EIO", "ENOSPC", "EDQUOT", "EROFS", "EACCES", "EINTR"];

#[test]
fn syscalls() {
    if Command::new("strace").arg("--version").output().is_err() {
        println!("syscalls: skipped, strace is not installed");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let torrent = oracle::make(home.path(), "hybrid", "torrent", &FILES, 32 * 1024);
    let seed = Seed::start(home.path(), torrent);
    let (failing, troubled, ended) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let runs = Runs { test: "syscalls", all: 120, by_default: 10, at_once: 5 };
    let made = runs.make(|number, random| {
        let place = home.path().join(number.to_string());
        fs::create_dir_all(&place).unwrap();
        let fault = Fault::any(random);
        let case = Case { seed: &seed, place: place.clone() };
        let seen = case.run(&fault, random).map_err(|what| format!("{fault}: {what}"))?;
        failing.fetch_add(u64::from(seen.has_failed), Ordering::Relaxed);
        troubled.fetch_add(u64::from(seen.had_trouble), Ordering::Relaxed);
        ended.fetch_add(u64::from(seen.has_ended), Ordering::Relaxed);
        fs::remove_dir_all(place).map_err(|error| error.to_string())
    });
    println!(
        "syscalls: {made} runs, nothing lost, no crash; in {} a call failed, {} showed trouble, {} ended with a message",
        failing.into_inner(),
        troubled.into_inner(),
        ended.into_inner()
    );
}

/// What strace is told.
struct Fault {
    call: &'static str,
    result: String,
    when: String,
    preallocate: bool,
}

impl Fault {
    fn any(random: &mut Rng) -> Self {
        let (call, most) = CALLS[random.usize(..CALLS.len())];
        let error = ERRORS[random.usize(..ERRORS.len())];
        let nothing_written = call.starts_with("pwrite") && random.u8(0..8) == 0;
        let result = if nothing_written { "retval=0".to_owned() } else { format!("error={error}") };
        let first = random.u64(1..=most);
        let when = match random.u8(0..3) {
            // Always interrupted would be tried again for ever, as it should be.
            0 if error != "EINTR" => format!("{first}+"),
            1 => format!("{first}+{}", random.u64(2..5)),
            _ => first.to_string(),
        };
        Self { call, result, when, preallocate: call == "fallocate" }
    }

    fn is_single(&self) -> bool {
        !self.when.contains('+')
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:when={}", self.call, self.result, self.when)
    }
}

#[derive(Default)]
struct Seen {
    has_failed: bool,
    had_trouble: bool,
    has_ended: bool,
}

struct Case<'a> {
    seed: &'a Seed,
    place: PathBuf,
}

impl Case<'_> {
    fn run(&self, fault: &Fault, random: &mut Rng) -> Result<Seen, String> {
        let mut run = self.get_with(fault);
        let mut seen = Seen::default();
        let end = Instant::now() + SHOWN_WITHIN;
        while run.next(end).is_ok() {
            seen.had_trouble |= run.has_said("trouble");
            if seen.had_trouble || run.has_said("finished") {
                break;
            }
        }
        let is_over =
            run.has_said("finished") || (seen.had_trouble && fault.is_single() && random.u8(0..4) == 0);
        if seen.had_trouble && !is_over {
            // What it says of it is said; the rest is for the next run.
            run.kill();
        } else {
            let status =
                run.end(OVER_WITHIN).map_err(|what| format!("neither trouble nor an end: {what}"))?;
            if status.success() {
                self.torrent().must_be_whole(&self.copy())?;
            } else {
                seen.has_ended = true;
                let errors = run.errors();
                ensure!(errors.len() > 10, "it says nothing but its exit code, {status}: {}", run.story());
            }
        }
        run.must_not_have_crashed()?;
        seen.has_failed = fs::read_to_string(self.log()).unwrap_or_default().contains("(INJECTED)");
        ensure!(seen.has_failed || !seen.had_trouble, "trouble without a cause: {}", run.story());
        self.must_end_well().map_err(|what| format!("{what}\n    first: {}", run.story()))?;
        Ok(seen)
    }

    fn must_end_well(&self) -> Outcome {
        let mut run = Sprat::start(&self.place, &self.arguments());
        run.wait_for_event("finished", PATIENCE)?;
        let status = run.end(PATIENCE)?;
        ensure!(status.success(), "without faults it ended with {status}");
        ensure!(!run.has_said("trouble"), "trouble without faults: {}", run.story());
        self.torrent().must_be_whole(&self.copy())
    }

    fn get_with(&self, fault: &Fault) -> Sprat {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o"]).arg(self.log());
        command.args(["-e".to_owned(), format!("trace={}", fault.call)]);
        command.args(["-e".to_owned(), format!("inject={fault}")]);
        for path in self.paths() {
            command.arg("-P").arg(path);
        }
        command.arg(env!("CARGO_BIN_EXE_sprat"));
        let mut arguments = self.arguments();
        if fault.preallocate {
            arguments.push("--preallocate".to_owned());
        }
        Sprat::start_by(command, &self.place, &arguments)
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments = sprat::get(&self.torrent().path, &self.copy(), &self.place.join("state"));
        arguments.extend(self.seed.address());
        arguments
    }

    /// Everything that a download touches: of others, no call fails.
    fn paths(&self) -> Vec<PathBuf> {
        let copy = self.copy();
        let place =
            format!("{:x}", Hex(sha2::Sha256::digest(copy.as_os_str().as_encoded_bytes()).as_slice()));
        let state = self.place.join("state");
        let store = state.join("torrents").join(format!(
            "{}-{}",
            self.torrent().metainfo.info_hashes.primary(),
            &place[..8]
        ));
        let mut paths = vec![copy.clone(), copy.join("torrent"), copy.join("torrent/sub"), state.clone()];
        paths.extend(self.torrent().files().map(|(path, _)| copy.join(path)));
        paths.extend([state.join("torrents"), store.clone()]);
        paths.extend(
            ["lock", "first.redb", "second.redb", "first.redb.new", "second.redb.new"]
                .map(|name| store.join(name)),
        );
        paths
    }

    fn torrent(&self) -> &Torrent {
        &self.seed.torrent
    }

    fn copy(&self) -> PathBuf {
        self.place.join("copy")
    }

    fn log(&self) -> PathBuf {
        Path::new(&self.place).join("trace")
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::LowerHex for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
