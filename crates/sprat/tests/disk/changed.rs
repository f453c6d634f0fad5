//! Files that somebody changes behind the program's back: nobody is given a piece that is not right, it is noticed within
//! seconds, and mended when that is possible.
//!
//! The exception is a file that the program is writing itself at that moment: what is done to it is noticed by its size and
//! inode only.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;
use serde_json::Value;

use crate::mount::Mount;
use crate::oracle;
use crate::peer::Peer;
use crate::runs::{Outcome, Runs, ensure};
use crate::seed::Seed;
use crate::sprat::{self, PATIENCE, Sprat};

const FILES: [(&str, usize); 5] =
    [("a first", 500_123), ("empty", 0), ("sub/b", 600_000), ("sub/tiny", 3), ("z", 700_001)];

/// A state that is not as it should be is shown.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);

/// It is looked whether a disk is there again every ten seconds.
const MENDED_WITHIN: Duration = Duration::from_secs(25);

#[test]
fn changed() {
    let absence = Mount::absence();
    if let Some(absence) = &absence {
        println!("changed: without unmounting, {absence}");
    }
    if rustix::process::getuid().is_root() {
        println!(
            "changed: root reads files of mode 000; that they were changed has to be noticed all the same"
        );
    }
    let home = tempfile::tempdir().unwrap();
    let seeds: Vec<Seed> = ["v1", "v2", "hybrid"]
        .map(|version| {
            Seed::start(home.path(), oracle::make(home.path(), version, version, &FILES, 16 * 1024))
        })
        .into();
    let tally = Mutex::new(Tally::default());
    let runs = Runs { test: "changed", all: 200, by_default: 12, at_once: 6 };
    let made = runs.make(|number, random| {
        let place = home.path().join(format!("case-{number}"));
        fs::create_dir_all(&place).unwrap();
        let changes = if absence.is_some() { &CHANGES[..8] } else { &CHANGES[..] };
        let case = Case {
            seed: &seeds[usize::try_from(number % 3).unwrap()],
            change: changes[random.usize(..changes.len())],
            moment: [Moment::Seeding, Moment::Seeding, Moment::Downloading, Moment::Writing]
                [random.usize(..4)],
            place,
        };
        let seen =
            case.run(random).map_err(|what| format!("{:?} while {:?}: {what}", case.change, case.moment))?;
        let mut tally = tally.lock().unwrap();
        tally.right += seen.right;
        tally.wrong += seen.wrong;
        tally.noticed += seen.noticed;
        tally.unnoticed += seen.unnoticed;
        tally.slowest = tally.slowest.max(seen.slowest);
        Ok(())
    });
    let Tally { right, wrong, noticed, unnoticed, slowest } = tally.into_inner().unwrap();
    println!(
        "changed: {made} changes, {noticed} of them noticed, within {} ms; a peer was given {right} pieces meanwhile, and \
         {wrong} wrong ones, all of them of files that were being written when they were changed, as {unnoticed} downloads ended with",
        slowest.as_millis()
    );
}

#[derive(Default)]
struct Tally {
    right: u64,
    /// Of a file that was being written.
    wrong: u64,
    noticed: u64,
    /// Downloads of which a file was changed while it was written, and which ended with that.
    unnoticed: u64,
    slowest: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Truncate,
    /// By a file with other bytes.
    Replace,
    /// By a copy of it.
    ReplaceByCopy,
    Touch,
    Append,
    Overwrite,
    Chmod,
    Unlink,
    /// And mounted again.
    Unmount,
    /// Mounted elsewhere, and another file system in its place, before it comes back.
    UnmountForAnother,
}

const CHANGES: [Change; 10] = [
    Change::Truncate,
    Change::Replace,
    Change::ReplaceByCopy,
    Change::Touch,
    Change::Append,
    Change::Overwrite,
    Change::Chmod,
    Change::Unlink,
    Change::Unmount,
    Change::UnmountForAnother,
];

/// When it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Seeding,
    /// To a file that is complete, while others are being written.
    Downloading,
    /// To a file that is being written.
    Writing,
}

struct Case<'a> {
    seed: &'a Seed,
    change: Change,
    moment: Moment,
    place: PathBuf,
}

impl Case<'_> {
    fn run(&self, random: &mut Rng) -> Result<Tally, String> {
        let is_mounted = matches!(self.change, Change::Unmount | Change::UnmountForAnother);
        let (disk, mount) = if is_mounted {
            let disk = Mount::memory(&self.place.join("disk"), 64).unwrap();
            let mount = Mount::again(disk.place(), &self.copy()).unwrap();
            (Some(disk), Some(mount))
        } else {
            (None, None)
        };
        let mut run = self.get();
        let peer = Peer::call(&self.seed.torrent, run.port()?);
        let file = self.wait_for_moment(&mut run, random)?;
        ensure!(
            peer.wait_until(PATIENCE, |seen| seen.right > 0),
            "the peer is given nothing; {}",
            run.story()
        );
        let start = Instant::now();
        let mut tally = match (disk, mount) {
            (Some(disk), Some(mount)) => self.unmount(&mut run, &disk, mount)?,
            _ => {
                let before = run.said.len();
                change(self.change, &self.copy().join(&file), random);
                self.follow(&mut run, before, start).map_err(|what| {
                    match peer.must_not_have_been_cheated() {
                        Ok(()) => what,
                        Err(cheat) => format!("{cheat}; {what}"),
                    }
                })?
            }
        };
        run.kill();
        run.must_not_have_crashed()?;
        (tally.right, tally.wrong) = peer.look(|seen| (seen.right, seen.wrong.len() as u64));
        if self.moment != Moment::Writing {
            peer.must_not_have_been_cheated()?;
        }
        let elsewhere: Vec<u32> = peer.look(|seen| {
            let is_of_file = |piece: &u32| self.seed.torrent.pieces[*piece as usize].lies_in(&file);
            seen.wrong.iter().copied().filter(|piece| !is_of_file(piece)).collect()
        });
        ensure!(elsewhere.is_empty(), "pieces of files that were not changed were wrong: {elsewhere:?}");
        Ok(tally)
    }

    /// Waits until it is time, and says which file it is about.
    fn wait_for_moment(&self, run: &mut Sprat, random: &mut Rng) -> Result<String, String> {
        let files: Vec<String> = self
            .seed
            .torrent
            .files()
            .filter(|(_, length)| *length > 1000)
            .map(|(path, _)| path.into())
            .collect();
        let wait_for_pieces = |run: &mut Sprat, pieces: u64| {
            run.wait_for("pieces", PATIENCE, |event| {
                (event["pieces_have"].as_u64().is_some_and(|had| had >= pieces)).then_some(())
            })
        };
        match self.moment {
            Moment::Seeding => {
                run.wait_for_event("finished", PATIENCE)?;
                Ok(files[random.usize(..files.len())].clone())
            }
            Moment::Downloading => {
                // Pieces come in order, and the first file has not been written since the last of these was.
                let of_first =
                    self.seed.torrent.pieces.iter().filter(|piece| piece.lies_in(&files[0])).count();
                wait_for_pieces(run, of_first as u64 + 30)?;
                Ok(files[0].clone())
            }
            Moment::Writing => {
                wait_for_pieces(run, 1)?;
                let is_begun = |path: &&String| self.copy().join(path).exists();
                let begun: Vec<&String> = files.iter().filter(is_begun).collect();
                Ok(begun[random.usize(..begun.len())].clone())
            }
        }
    }

    /// What has to come of a change.
    fn follow(&self, run: &mut Sprat, before: usize, start: Instant) -> Result<Tally, String> {
        let mut tally = Tally::default();
        if self.moment == Moment::Writing {
            // Whatever it has noticed, it does not stop, or says why.
            let is_over = |event: &Value| {
                let is_over = event["state"] == "seeding" || event["event"] == "trouble";
                is_over.then_some(())
            };
            match run.wait_for("end or trouble", MENDED_WITHIN, is_over) {
                Err(what) if !run.errors().contains("--adopt") => return Err(what),
                _ => {}
            }
            tally.noticed = u64::from(run.has_said("file_changed"));
            tally.unnoticed = u64::from(
                !run.has_said("trouble") && run.errors().is_empty() && self.must_be_right(run).is_err(),
            );
            return Ok(tally);
        }
        let is_noticed = |event: &Value| event["event"] == "file_changed" || event["event"] == "trouble";
        if !run.said[before..].iter().any(is_noticed) {
            run.wait_for("word of it", SHOWN_WITHIN, |event| is_noticed(event).then_some(()))?;
        }
        (tally.noticed, tally.slowest) = (1, start.elapsed());
        if self.change == Change::Replace {
            // What lies there now is not ours: it is not written.
            let status = run.end(MENDED_WITHIN)?;
            ensure!(
                status.code() == Some(4) && run.errors().contains("--adopt"),
                "{status}; {}",
                run.story()
            );
            return Ok(tally);
        }
        self.must_be_mended(run)?;
        Ok(tally)
    }

    fn unmount(&self, run: &mut Sprat, disk: &Mount, mount: Mount) -> Result<Tally, String> {
        let start = Instant::now();
        drop(mount);
        let other = (self.change == Change::UnmountForAnother).then(|| {
            let other = Mount::memory(&self.copy(), 8).unwrap();
            (Mount::again(disk.place(), &self.place.join("elsewhere")).unwrap(), other)
        });
        let trouble = |event: &Value| {
            (event["event"] == "trouble").then(|| event["reason"].as_str().unwrap_or_default().to_owned())
        };
        let reason = run.wait_for("trouble", SHOWN_WITHIN, trouble)?;
        let tally = Tally { noticed: 1, slowest: start.elapsed(), ..Tally::default() };
        ensure!(reason.contains("missing"), "it says: {reason}");
        let place = self.copy();
        ensure!(fs::read_dir(&place).unwrap().next().is_none(), "it has written to the bare mount point");
        drop(other);
        let _again = Mount::again(disk.place(), &place).unwrap();
        run.wait_for_event("recovered", MENDED_WITHIN)?;
        self.must_be_mended(run)?;
        Ok(tally)
    }

    /// Everything is there, right, and given away.
    fn must_be_mended(&self, run: &mut Sprat) -> Outcome {
        let all = self.seed.torrent.pieces.len() as u64;
        run.wait_for("all pieces", MENDED_WITHIN, |event| {
            let is_whole = event["state"] == "seeding" && event["pieces_have"].as_u64() == Some(all);
            is_whole.then_some(())
        })?;
        self.must_be_right(run)
    }

    /// What the torrent has is there; a file may go on after it.
    fn must_be_right(&self, run: &Sprat) -> Outcome {
        for (path, _) in self.seed.torrent.files() {
            let right = fs::read(self.seed.torrent.content.join(path)).unwrap();
            let copy = fs::read(self.copy().join(path)).map_err(|error| format!("{path}: {error}"))?;
            ensure!(copy.starts_with(&right), "{path} is not right; {}", run.story());
        }
        Ok(())
    }

    fn get(&self) -> Sprat {
        let mut arguments = sprat::get(&self.seed.torrent.path, &self.copy(), &self.place.join("state"));
        arguments.extend(self.seed.address());
        // The peer would take the whole machine.
        arguments.extend(["--seed", "--upload-limit", "8M"].map(str::to_owned));
        if self.moment != Moment::Seeding {
            arguments.extend(["--sequential", "--download-limit", "400K"].map(str::to_owned));
        }
        Sprat::start(&self.place, &arguments)
    }

    fn copy(&self) -> PathBuf {
        self.place.join("copy")
    }
}

fn change(change: Change, path: &Path, random: &mut Rng) {
    let open = || File::options().write(true).open(path).unwrap();
    let length = fs::metadata(path).unwrap().len();
    match change {
        Change::Truncate => open().set_len(random.u64(0..length)).unwrap(),
        Change::Replace | Change::ReplaceByCopy => {
            let mut bytes = fs::read(path).unwrap();
            if change == Change::Replace {
                random.fill(&mut bytes);
            }
            let draft = path.with_extension("draft");
            fs::write(&draft, bytes).unwrap();
            fs::rename(draft, path).unwrap();
        }
        Change::Touch => {
            let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
            open().set_modified(long_ago).unwrap();
        }
        Change::Append => open().write_all_at(b"something more", length).unwrap(),
        Change::Overwrite => {
            let mut bytes = vec![0; random.usize(1..40_000).min(usize::try_from(length).unwrap())];
            random.fill(&mut bytes);
            let at = random.u64(0..=length - bytes.len() as u64);
            open().write_all_at(&bytes, at).unwrap();
        }
        Change::Chmod => fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap(),
        Change::Unlink => fs::remove_file(path).unwrap(),
        Change::Unmount | Change::UnmountForAnother => unreachable!("done by whoever has the mounts"),
    }
}
