//! The clock on the wall jumps by ten years, there and back, several times a second: downloads, rate limits, announces, what a
//! tracker remembers and the end take the time that they would take otherwise.
//!
//! The jumps are libfaketime's, which leaves the monotonic clock alone here, as the kernel does.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]
#![allow(clippy::print_stdout, reason = "a test says what it has seen and what it skipped")]

#[allow(dead_code, reason = "other tests need more of it")]
#[path = "disk/sprat.rs"]
mod sprat;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::sprat::{NETWORK, PATIENCE, Sprat};

/// Each is relative to the real time.
const JUMPS: [&str; 6] = ["+10y", "-10y", "+0", "+2h", "-10y", "+10y"];

/// Between two jumps.
const BETWEEN: Duration = Duration::from_millis(150);

const LENGTH: usize = 5_000_000;
const RATE: usize = 256 * 1024;

/// What the tracker asks for; it adds up to half of it, and clients another twentieth.
const INTERVAL: Duration = Duration::from_secs(30);
const LONGEST_INTERVAL: Duration = Duration::from_secs(48);

/// Promise P-22.
const END_WITHIN: Duration = Duration::from_secs(5);

#[test]
fn a_clock_that_jumps_changes_no_time() {
    let Some(library) = library() else {
        println!("skipped: faketime is not installed");
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let content = home.path().join("file");
    let mut bytes = vec![0; LENGTH];
    fastrand::Rng::with_seed(14).fill(&mut bytes);
    fs::write(&content, &bytes).unwrap();
    let scene = Scene { home: home.path(), library };
    scene.jump("+0");
    scene.run(&["create", "file", "--version", "v1", "--output", "torrent"], &[]).end(PATIENCE).unwrap();

    // It says the time each time that its list has changed.
    let deny = home.path().join("deny");
    fs::write(&deny, "").unwrap();
    let addresses = ["--http", "127.0.0.1:0", "--udp", "127.0.0.1:0"];
    let mut tracker = scene.run(&["-v", "tracker", "--interval", "30", "--deny", "deny"], &addresses);
    let mut listens = |protocol: &str| {
        let address = |event: &Value| {
            let is_it = event["event"] == "listening" && event["protocol"] == protocol;
            is_it.then(|| event["address"].as_str().unwrap().parse::<SocketAddr>().unwrap())
        };
        tracker.wait_for("address", PATIENCE, address).unwrap()
    };
    let (http, url) = (listens("http"), format!("udp://{}", listens("udp")));

    let network = [&NETWORK[..], &["--tracker", &url]].concat();
    let began = Instant::now();
    let mut seeder = scene.run(&["share", "file", "--torrent", "torrent", "--state-dir", "seeder"], &network);
    seeder.wait_for_event("finished", PATIENCE).unwrap();
    while announces(&statistics(http)) == 0 {
        seeder.listen_until(Instant::now() + BETWEEN);
        assert!(began.elapsed() < PATIENCE, "nobody announces; {}", seeder.story());
    }
    let get =
        ["get", "torrent", "--seed", "--download-limit", "256K", "--dir", "copy", "--state-dir", "leecher"];
    let mut leecher = scene.run(&get, &network);
    leecher.wait_for_event("peer_connected", PATIENCE).unwrap();

    let connected = Instant::now();
    let (mut finished, mut again, mut jumps) = (None, None, 0);
    for jump in JUMPS.iter().cycle() {
        scene.jump(jump);
        jumps += 1;
        fs::write(&deny, "#".repeat(jumps)).unwrap();
        leecher.listen_until(Instant::now() + BETWEEN);
        if finished.is_none() && leecher.has_said("finished") {
            finished = Some(connected.elapsed());
        }
        let seen = statistics(http);
        assert_eq!(seen["expired_peers"], 0, "the tracker forgets peers: {seen}");
        // Both have come, and one has become complete.
        if again.is_none() && announces(&seen) > 2 + seen["completed"].as_u64().unwrap() {
            again = Some(began.elapsed());
        }
        if finished.is_some() && again.is_some() {
            break;
        }
        let patience = LONGEST_INTERVAL + PATIENCE;
        assert!(began.elapsed() < patience, "{finished:?}, {again:?}; {}", leecher.story());
    }
    let (finished, again) = (finished.unwrap(), again.unwrap());
    let expected = Duration::from_secs_f64(LENGTH as f64 / RATE as f64);
    assert!(finished > expected.mul_f64(0.85), "too fast: {finished:?} instead of {expected:?}");
    assert!(finished < expected.mul_f64(1.3), "too slow: {finished:?} instead of {expected:?}");
    assert!(again > INTERVAL && again < LONGEST_INTERVAL, "the next announce came after {again:?}");
    assert!(fs::read(home.path().join("copy/file")).unwrap() == bytes, "another file");

    let asked = Instant::now();
    for run in [&mut leecher, &mut seeder, &mut tracker] {
        run.signal(Signal::TERM);
        scene.jump("-10y");
        let status = run.end(END_WITHIN).unwrap();
        assert!(status.success(), "it ended with {status}; {}", run.story());
        run.must_not_have_crashed().unwrap();
    }
    let years = years(&tracker);
    assert!(years.len() > 1, "the clock of the programs does not jump: {}", tracker.errors());
    println!(
        "clock_jumps: {jumps} jumps, to the years {years:?}; a download of {:.1} s took {:.1} s, an announce came again after \
         {:.1} s (30 to 48), three programs ended within {} ms",
        expected.as_secs_f64(),
        finished.as_secs_f64(),
        again.as_secs_f64(),
        asked.elapsed().as_millis()
    );
}

/// Where programs run whose clock jumps.
struct Scene<'a> {
    home: &'a Path,
    library: String,
}

impl Scene<'_> {
    /// All programs are that far from the real time from now on.
    fn jump(&self, offset: &str) {
        // Nobody is to read half of it.
        let new = self.home.join("offset.new");
        fs::write(&new, format!("{offset}\n")).unwrap();
        fs::rename(new, self.offset()).unwrap();
    }

    fn run(&self, arguments: &[&str], more: &[&str]) -> Sprat {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sprat"));
        command.current_dir(self.home).env("LD_PRELOAD", &self.library);
        command.env("FAKETIME_TIMESTAMP_FILE", self.offset()).env("FAKETIME_NO_CACHE", "1");
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command.env("NO_COLOR", "1");
        // A clock that jumps does not change what is written on the disk.
        command.env("NO_FAKE_STAT", "1");
        let arguments: Vec<String> = [arguments, more].concat().into_iter().map(str::to_owned).collect();
        Sprat::start_by(command, self.home, &arguments)
    }

    fn offset(&self) -> PathBuf {
        self.home.join("offset")
    }
}

/// As the program of that name would load it.
fn library() -> Option<String> {
    let output = Command::new("faketime").args(["-m", "-f", "+0", "printenv", "LD_PRELOAD"]).output().ok()?;
    let library = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!library.is_empty()).then_some(library)
}

/// What the tracker says of itself.
fn statistics(tracker: SocketAddr) -> Value {
    let mut stream = TcpStream::connect(tracker).unwrap();
    write!(stream, "GET /stats HTTP/1.1\r\nHost: {tracker}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn announces(statistics: &Value) -> u64 {
    statistics["announces"]["udp_ipv4"].as_u64().unwrap()
}

/// In which it says that it has done something.
fn years(run: &Sprat) -> Vec<String> {
    let errors = run.errors();
    let mut years: Vec<String> = errors
        .lines()
        .filter(|line| line.contains("INFO"))
        .filter_map(|line| line.split('-').next())
        .map(str::to_owned)
        .collect();
    years.sort();
    years.dedup();
    years
}
