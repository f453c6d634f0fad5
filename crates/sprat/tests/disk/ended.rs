//! An end in good order, by each of the signals that ask for one: what was fetched is believed at the next start, and nothing of
//! it is read, let alone hashed. After a kill it is: that shows that the look sees what it looks for.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::oracle::{self, Torrent, count};
use crate::runs::ensure;
use crate::seed::Seed;
use crate::sprat::{self, PATIENCE, Sprat};

const FILES: [(&str, usize); 3] = [("a first", 3_000_123), ("sub/b", 4_000_000), ("z", 1_000_001)];
const PIECE_LENGTH: usize = 32 * 1024;

/// Fetched before the end comes.
const SOME: u64 = 60;

/// Promise P-22.
const END_WITHIN: Duration = Duration::from_secs(5);

/// What `--help` says of an interrupted download.
const INTERRUPTED: i32 = 130;

/// Pieces that may be written while the last commit is under way, and are fetched again: as many as there are threads that write.
const UNDER_WAY: u64 = 2;

#[test]
fn ended() {
    let home = tempfile::tempdir().unwrap();
    let seed = Seed::start(home.path(), oracle::make(home.path(), "hybrid", "torrent", &FILES, PIECE_LENGTH));
    // The program, its settings and its record.
    let unavoidable = Life::new(&seed, home.path(), "whole").goes_on(0).unwrap();
    let mut story = Vec::new();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let life = Life::new(&seed, home.path(), &format!("{signal:?}"));
        let (took, pieces) = life.ends_in_order(signal).unwrap_or_else(|what| panic!("{signal:?}: {what}"));
        let read = life.goes_on(pieces).unwrap_or_else(|what| panic!("after {signal:?}: {what}"));
        let read = read.saturating_sub(unavoidable);
        assert!(read < bytes_of(pieces) / 4, "after {signal:?} {read} bytes were read for {pieces} pieces");
        story.push(format!(
            "{signal:?}: {} ms, {pieces} pieces believed, {read} bytes read",
            took.as_millis()
        ));
    }
    let life = Life::new(&seed, home.path(), "killed");
    let pieces = life.is_killed().unwrap();
    let read = life.goes_on(pieces).unwrap().saturating_sub(unavoidable);
    assert!(read > bytes_of(pieces) / 2, "after a kill {read} bytes were read for {pieces} pieces");
    println!("ended: {}; killed: {read} bytes read for {pieces} pieces", story.join("; "));
}

#[test]
fn a_second_signal_ends_at_once() {
    let home = tempfile::tempdir().unwrap();
    let torrent = oracle::make(home.path(), "v1", "torrent", &FILES, PIECE_LENGTH);
    // It takes connections in and never answers, so whoever leaves waits for it.
    let silent = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut arguments = sprat::get(&torrent.path, &home.path().join("copy"), &home.path().join("state"));
    arguments.extend(["--tracker".to_owned(), format!("http://{}/announce", silent.local_addr().unwrap())]);
    let mut run = Sprat::start(home.path(), &arguments);
    run.wait_for("download", PATIENCE, |event| (event["state"] == "downloading").then_some(())).unwrap();
    let _announce = silent.accept().unwrap();
    run.signal(Signal::TERM);
    run.wait_for_event("interrupted", PATIENCE).unwrap();
    // What comes at the same time as the first one means the same.
    let ended = run.end(Duration::from_millis(300));
    assert!(ended.is_err(), "it waits for the tracker; {}", run.story());
    run.signal(Signal::TERM);
    let began = Instant::now();
    let status = run.end(PATIENCE).unwrap();
    assert_eq!(status.code(), Some(INTERRUPTED), "{}", run.story());
    assert!(began.elapsed() < Duration::from_secs(1), "it took {:?}", began.elapsed());
}

/// All but the last of a file are as long as each other.
fn bytes_of(pieces: u64) -> u64 {
    pieces.saturating_sub(FILES.len() as u64) * PIECE_LENGTH as u64
}

struct Life<'a> {
    seed: &'a Seed,
    place: PathBuf,
}

impl<'a> Life<'a> {
    fn new(seed: &'a Seed, home: &Path, name: &str) -> Self {
        let place = home.join(name);
        fs::create_dir(&place).unwrap();
        Self { seed, place }
    }

    /// How long it took, and how many pieces were there then.
    fn ends_in_order(&self, signal: Signal) -> Result<(Duration, u64), String> {
        let mut run = self.fetches_some()?;
        let began = Instant::now();
        run.signal(signal);
        let status = run.end(END_WITHIN)?;
        ensure!(status.code() == Some(INTERRUPTED), "it ended with {status}; {}", run.story());
        ensure!(run.has_said("interrupted"), "it does not say why it ends; {}", run.story());
        run.must_not_have_crashed()?;
        Ok((began.elapsed(), self.pieces_on_disk()))
    }

    fn is_killed(&self) -> Result<u64, String> {
        let mut run = self.fetches_some()?;
        run.kill();
        Ok(run.pieces_had())
    }

    fn fetches_some(&self) -> Result<Sprat, String> {
        let mut run = self.get(&["--download-limit", "2M"]);
        let some = |event: &serde_json::Value| event["pieces_have"].as_u64().filter(|had| *had >= SOME);
        let had = run.wait_for("pieces", PATIENCE, some)?;
        ensure!(had < self.torrent().pieces.len() as u64, "it was not interrupted in time");
        Ok(run)
    }

    /// The next run claims these pieces at least, checks nothing, and goes on to the end. How many bytes it has read from files.
    fn goes_on(&self, pieces: u64) -> Result<u64, String> {
        let mut run = self.get(&["--seed", "--download-limit", "4M"]);
        // That it was opened may be past before anybody listens; the download is slow enough to be seen.
        let claimed = run.wait_for("claim", PATIENCE, |event| {
            let is_open = event["event"] == "checked" || event["state"] == "downloading";
            event["pieces_have"].as_u64().filter(|_| is_open)
        })?;
        ensure!(pieces <= claimed + UNDER_WAY, "{claimed} claimed, and {pieces} are there");
        run.wait_for_event("finished", PATIENCE)?;
        let was_checked = run.said.iter().any(|event| event["state"] == "checking");
        ensure!(!was_checked, "it was checked; {}", run.story());
        self.torrent().must_be_whole(&self.copy())?;
        Ok(run.bytes_read())
    }

    fn get(&self, more: &[&str]) -> Sprat {
        let mut arguments = sprat::get(&self.torrent().path, &self.copy(), &self.place.join("state"));
        arguments.extend(self.seed.address());
        arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        Sprat::start(&self.place, &arguments)
    }

    fn pieces_on_disk(&self) -> u64 {
        count(&self.torrent().good(&self.copy()))
    }

    fn torrent(&self) -> &Torrent {
        &self.seed.torrent
    }

    fn copy(&self) -> PathBuf {
        self.place.join("copy")
    }
}
