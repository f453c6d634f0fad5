//! A disk that is full, and has room again: trouble is shown at once, everything goes on by itself, and what was durable is not
//! fetched twice.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::mount::{Mount, fill};
use crate::oracle;
use crate::runs::{Outcome, Runs, ensure};
use crate::seed::Seed;
use crate::sprat::{self, PATIENCE, Sprat};

const FILES: [(&str, usize); 4] = [("a", 3_000_123), ("empty", 0), ("sub/b", 4_500_000), ("sub/tiny", 3)];
const PIECE_LENGTH: u64 = 64 * 1024;

/// From the moment at which nothing more fits: the next piece has to be complete to be refused.
const SHOWN_WITHIN: Duration = Duration::from_millis(2500);

/// From the moment at which there is room.
const OVER_WITHIN: Duration = Duration::from_secs(15);

const NAMES: [&str; 5] = ["one", "two", "three", "four", "five"];

#[test]
fn full() {
    if let Some(absence) = Mount::absence() {
        println!("full: skipped, {absence}");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let versions = ["v1", "v2", "hybrid", "v1", "hybrid"];
    let seeds: Vec<Seed> = NAMES
        .iter()
        .zip(versions)
        .map(|(name, version)| {
            let torrent = oracle::make(home.path(), version, name, &FILES, PIECE_LENGTH.try_into().unwrap());
            Seed::start(home.path(), torrent)
        })
        .collect();
    let tally = Tally::default();
    let runs = Runs { test: "full", all: 50, by_default: 2, at_once: 3 };
    let made = runs.make(|number, random| {
        let place = home.path().join(format!("cycle-{number}"));
        Cycle::new(&place, &seeds, &tally, random).run(random)
    });
    println!(
        "full: {made} cycles, nothing lost and nothing durable fetched again: {} downloads had trouble and showed it within {} ms, \
         {} were complete already, {} were killed meanwhile; all were complete {} ms after there was room",
        tally.troubled.into_inner(),
        tally.slowest_to_show.into_inner().unwrap().as_millis(),
        tally.spared.into_inner(),
        tally.killed.into_inner(),
        tally.slowest_to_end.into_inner().unwrap().as_millis(),
    );
}

#[derive(Default)]
struct Tally {
    troubled: AtomicU64,
    spared: AtomicU64,
    killed: AtomicU64,
    slowest_to_show: Mutex<Duration>,
    slowest_to_end: Mutex<Duration>,
}

/// Five downloads into one small file system.
struct Cycle<'a> {
    seeds: &'a [Seed],
    tally: &'a Tally,
    disk: Mount,
    /// Where the records are: on the same one, on another one, or where there is room.
    state: PathBuf,
    state_disk: Option<Mount>,
    logs: PathBuf,
}

/// One of them, and what it had when there was room again.
struct Download<'a> {
    seed: &'a Seed,
    run: Sprat,
    downloaded: u64,
    had: u64,
}

impl<'a> Cycle<'a> {
    fn new(place: &Path, seeds: &'a [Seed], tally: &'a Tally, random: &mut Rng) -> Self {
        let disk = Mount::memory(&place.join("disk"), 64).unwrap();
        let (state, state_disk) = match random.u8(0..4) {
            0 | 1 => (disk.place().join("state"), None),
            2 => {
                // Each of the five records takes 3 MiB.
                let other = Mount::memory(&place.join("state"), 24).unwrap();
                (other.place().join("state"), Some(other))
            }
            _ => (place.join("room"), None),
        };
        Self { seeds, tally, disk, state, state_disk, logs: place.to_path_buf() }
    }

    fn run(&self, random: &mut Rng) -> Outcome {
        let mut downloads: Vec<Download<'_>> = self
            .seeds
            .iter()
            .map(|seed| Download { seed, run: self.get(seed, true), downloaded: 0, had: 0 })
            .collect();
        downloads[0].run.listen_until(Instant::now() + Duration::from_millis(random.u64(800..2300)));
        let mut ballast = vec![fill(self.disk.place())];
        if let Some(other) = &self.state_disk {
            ballast.push(fill(other.place()));
        }
        self.must_show_trouble(&mut downloads)?;
        let victim = if random.u8(0..3) == 0 { Some(random.usize(..downloads.len())) } else { None };
        if let Some(victim) = victim {
            downloads[victim].run.kill();
            self.must_start_without_room(&downloads[victim])?;
            self.tally.killed.fetch_add(1, Ordering::Relaxed);
        }
        for download in &mut downloads {
            // All that was under way has come.
            download.run.listen_until(Instant::now() + Duration::from_millis(300));
            download.downloaded = figure(&download.run, "downloaded");
            download.had = download.run.pieces_had();
        }
        ballast.iter().for_each(|ballast| fs::remove_file(ballast).unwrap());
        let start = Instant::now();
        if let Some(victim) = victim {
            let killed = &mut downloads[victim];
            killed.run = self.get(killed.seed, true);
            killed.downloaded = 0;
        }
        for download in &mut downloads {
            self.must_end(download, start)?;
        }
        raise(&self.tally.slowest_to_end, start.elapsed());
        downloads.iter().try_for_each(|download| self.must_be_recorded(download.seed))
    }

    /// Whoever has not come to its end says that it cannot go on.
    fn must_show_trouble(&self, downloads: &mut [Download<'_>]) -> Outcome {
        let start = Instant::now();
        for (number, download) in downloads.iter_mut().enumerate() {
            let run = &mut download.run;
            let left = SHOWN_WITHIN.saturating_sub(start.elapsed()).max(Duration::from_millis(10));
            if !run.has_said("finished") && !run.has_said("trouble") {
                let is_shown = |event: &serde_json::Value| {
                    let is_it = event["event"] == "trouble" || event["event"] == "finished";
                    is_it.then_some(())
                };
                run.wait_for("trouble", left, is_shown)
                    .map_err(|what| format!("download {number}: {what}"))?;
            }
            if run.has_said("finished") {
                self.tally.spared.fetch_add(1, Ordering::Relaxed);
            } else {
                self.tally.troubled.fetch_add(1, Ordering::Relaxed);
                raise(&self.tally.slowest_to_show, start.elapsed());
                let reason =
                    run.said.iter().find(|event| event["event"] == "trouble").unwrap()["reason"].to_string();
                ensure!(reason.contains("full"), "download {number} says: {reason}");
            }
        }
        Ok(())
    }

    /// Where there is no room from the start, it says so, and either waits or ends.
    fn must_start_without_room(&self, download: &Download<'_>) -> Outcome {
        let mut run = self.get(download.seed, true);
        let end = Instant::now() + PATIENCE;
        let mut is_over = false;
        while !is_over && run.next(end).is_ok() {
            is_over = run.has_said("trouble") || run.has_said("finished");
        }
        if !is_over {
            let status = run.end(PATIENCE)?;
            ensure!(status.code() == Some(4), "without room it ended with {status}; {}", run.story());
            ensure!(run.errors().contains("full"), "it does not say why: {}", run.story());
        }
        run.kill();
        run.must_not_have_crashed()
    }

    fn must_end(&self, download: &mut Download<'_>, start: Instant) -> Outcome {
        let Download { seed, run, downloaded, had } = download;
        let left = OVER_WITHIN.saturating_sub(start.elapsed());
        if !run.has_said("finished") {
            run.wait_for_event("finished", left)?;
        }
        let status = run.end(PATIENCE)?;
        ensure!(status.success(), "it ended with {status}; {}", run.story());
        run.must_not_have_crashed()?;
        seed.torrent.must_be_whole(self.disk.place())?;
        let again = figure(run, "downloaded") - *downloaded;
        let total = figure(run, "bytes_total");
        // The last piece of each file may be shorter than the others.
        let durable = had.saturating_sub(FILES.len() as u64) * PIECE_LENGTH;
        ensure!(
            again <= total - durable,
            "{had} pieces were durable, and {again} of {total} bytes were fetched after that; {}",
            run.story()
        );
        Ok(())
    }

    /// Another run knows that all is there, and asks nobody.
    fn must_be_recorded(&self, seed: &Seed) -> Outcome {
        let mut run = self.get(seed, false);
        run.wait_for_event("finished", PATIENCE)?;
        let status = run.end(PATIENCE)?;
        let is_checked = run.said.iter().any(|event| event["state"] == "checking");
        ensure!(status.success() && !is_checked, "the record was lost; {}", run.story());
        Ok(())
    }

    fn get(&self, seed: &Seed, with_seed: bool) -> Sprat {
        let mut arguments = sprat::get(&seed.torrent.path, self.disk.place(), &self.state);
        if with_seed {
            arguments.extend(seed.address());
            arguments.extend(["--download-limit", "3M"].map(str::to_owned));
        }
        Sprat::start(&self.logs, &arguments)
    }
}

fn figure(run: &Sprat, name: &str) -> u64 {
    run.progress.as_ref().and_then(|event| event[name].as_u64()).unwrap_or(0)
}

fn raise(most: &Mutex<Duration>, to: Duration) {
    let mut most = most.lock().unwrap();
    *most = to.max(*most);
}
