//! kill -9 in the middle of a download: nothing bad is ever claimed, and the next run ends it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where its set-up does"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

const PIECE_LENGTH: usize = 64 * 1024;
const PIECES: usize = 320;
/// Less than a whole piece at the end.
const LENGTH: usize = PIECES * PIECE_LENGTH - 1000;

/// A running `sprat` and what it says, event by event. Killed when dropped.
struct Sprat {
    child: Child,
    events: std::io::Lines<BufReader<ChildStdout>>,
}

impl Sprat {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sprat"))
            .arg("--json")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let events = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, events }
    }

    /// The next event for which `pick` has an answer.
    fn wait_for<T>(&mut self, pick: impl Fn(&Value) -> Option<T>) -> T {
        for line in &mut self.events {
            let Ok(event) = serde_json::from_str(&line.unwrap()) else { continue };
            if let Some(found) = pick(&event) {
                return found;
            }
        }
        panic!("it ended without the event: {:?}", self.child.wait())
    }

    /// SIGKILL: no destructor, no flush, no farewell.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Sprat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Scene {
    home: tempfile::TempDir,
    content: Vec<u8>,
    _seeder: Sprat,
    peer: String,
}

impl Scene {
    /// A file, its torrent, and a seeder that needs a second or two to give it away.
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut content = vec![0; LENGTH];
        fastrand::Rng::with_seed(11).fill(&mut content);
        fs::write(home.path().join("file"), &content).unwrap();
        fs::create_dir(home.path().join("copy")).unwrap();
        let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        let created = Command::new(env!("CARGO_BIN_EXE_sprat"))
            .args(["create", "--version", "v1", "--piece-length", &PIECE_LENGTH.to_string(), "--output"])
            .args([path("torrent"), path("file")])
            .output()
            .unwrap();
        assert!(created.status.success(), "{created:?}");
        let mut seeder = Sprat::start(&[
            "share",
            &path("file"),
            "--torrent",
            &path("torrent"),
            "--loopback",
            "--no-dht",
            "--allow-private",
            "--upload-limit",
            "6M",
            "--state-dir",
            &path("seeder.state"),
        ]);
        let port = seeder.wait_for(|event| event["port"].as_u64());
        seeder.wait_for(|event| (event["event"] == "finished").then_some(()));
        Self { home, content, _seeder: seeder, peer: format!("127.0.0.1:{port}") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn copy(&self) -> PathBuf {
        self.path("copy/file")
    }

    fn get(&self, with_peer: bool) -> Sprat {
        let path = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let (torrent, directory, state) = (path("torrent"), path("copy"), path("leecher.state"));
        let mut arguments = vec!["get", &torrent, "--dir", &directory, "--state-dir", &state];
        arguments.extend(["--loopback", "--no-dht", "--allow-private"]);
        if with_peer {
            arguments.extend(["--peer", &self.peer]);
        }
        Sprat::start(&arguments)
    }

    /// Which pieces of the copy are right.
    fn good_pieces(&self) -> usize {
        let copy = fs::read(self.copy()).unwrap_or_default();
        let pieces = self.content.chunks(PIECE_LENGTH).enumerate();
        pieces
            .filter(|(at, piece)| copy.get(at * PIECE_LENGTH..).is_some_and(|rest| rest.starts_with(piece)))
            .count()
    }

    /// What a new run, which knows no peer, says that it has.
    fn claimed_pieces(&self) -> usize {
        let mut run = self.get(false);
        let claimed = run.wait_for(|event| {
            (event["event"] == "progress" && event["state"] == "downloading")
                .then(|| event["pieces_have"].as_u64())
        });
        run.kill();
        usize::try_from(claimed.expect("a number of pieces")).unwrap()
    }

    /// Downloads until so many pieces are said to be had, then kills. How many were said to be.
    fn kill_at(&self, pieces: u64) -> usize {
        let mut run = self.get(true);
        let had = run.wait_for(|event| event["pieces_have"].as_u64().filter(|had| *had >= pieces));
        run.kill();
        usize::try_from(had).unwrap()
    }

    fn ends_well(&self) {
        let mut run = self.get(true);
        run.wait_for(|event| (event["event"] == "finished").then_some(()));
        assert!(run.child.wait().unwrap().success());
        assert!(fs::read(self.copy()).unwrap() == self.content, "the copy is another file");
    }
}

#[test]
fn a_killed_download_claims_what_is_there_and_no_more_and_goes_on() {
    let scene = Scene::new();
    for pieces in [1, 60, 150] {
        let had = scene.kill_at(pieces);
        let good = scene.good_pieces();
        assert!(good > 0 && good < PIECES, "killed too late: {good}");
        let claimed = scene.claimed_pieces();
        // What was said to be durable is; a commit may have come to its end of which nobody heard.
        assert!(had <= claimed && claimed <= good, "{had} were had, {claimed} are claimed, {good} are good");
    }
    scene.ends_well();
}

#[test]
fn what_was_spoilt_after_the_kill_is_found_before_the_end() {
    let scene = Scene::new();
    scene.kill_at(60);
    let good = scene.good_pieces();
    spoil(&scene.copy(), &scene.content);
    assert!(scene.good_pieces() < good, "something was spoilt");
    scene.ends_well();
}

/// One byte in each of the first pieces that are right.
fn spoil(copy: &Path, content: &[u8]) {
    let bytes = fs::read(copy).unwrap();
    let mut file = fs::File::options().write(true).open(copy).unwrap();
    let whole =
        |at: &usize| bytes.get(*at..).is_some_and(|rest| rest.starts_with(&content[*at..*at + PIECE_LENGTH]));
    for at in (0..content.len() - PIECE_LENGTH).step_by(PIECE_LENGTH).filter(whole).take(5) {
        file.seek(SeekFrom::Start(at as u64 + 99)).unwrap();
        file.write_all(&[!bytes[at + 99]]).unwrap();
    }
}

#[test]
fn a_complete_download_that_was_spoilt_is_noticed() {
    let scene = Scene::new();
    scene.ends_well();
    // The record says that all is there; the file has changed since.
    spoil(&scene.copy(), &scene.content);
    assert_eq!(scene.claimed_pieces(), PIECES - 5);
    scene.ends_well();
}
