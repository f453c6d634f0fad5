//! What belongs to others, and what others have done to our files. Each scenario is run as it is, and with the bug that it is to
//! find.

use std::fs;
use std::path::Path;

use sprat_core::bitfield::Bitfield;
use sprat_core::storage::Files;
use sprat_engine::disk::faults::watch;
use sprat_engine::disk::planted::{PlantedBug, plant};
use sprat_engine::storage::StorageConfig;
use sprat_wire::metainfo::Version;

use crate::driver::{DOWNLOADS, Driver};
use crate::runs;
use crate::sample::Sample;

type Outcome = Result<(), String>;

/// Runs a scenario without and with a bug.
fn finds(bug: PlantedBug, scenario: impl Fn(&Sample, &Path) -> Outcome) {
    let sample = Sample::new(Version::V1, 32 * 1024);
    for planted in [None, Some(bug)] {
        let home = runs::directory();
        // Bugs are planted where somebody watches.
        let _watch = watch(home.path()).unwrap();
        let _planting = planted.map(|bug| plant(home.path(), bug).unwrap());
        let outcome = scenario(&sample, home.path());
        match planted {
            None => outcome.unwrap(),
            Some(bug) => println!("{bug:?} is found: {}", outcome.expect_err("the bug is found")),
        }
    }
}

/// Lays the content down as somebody else would.
fn lay_down(sample: &Sample, root: &Path) {
    for piece in sample.pieces() {
        for (path, begin, bytes) in sample.parts(piece) {
            let path = root.join(DOWNLOADS).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut all = fs::read(&path).unwrap_or_default();
            all.resize(all.len().max(begin + bytes.len()), 0);
            all[begin..begin + bytes.len()].copy_from_slice(bytes);
            fs::write(&path, all).unwrap();
        }
    }
}

fn first_file(sample: &Sample, root: &Path) -> std::path::PathBuf {
    let (path, ..) = sample.parts(sample.pieces()[0]).next().unwrap();
    root.join(DOWNLOADS).join(path)
}

#[test]
fn files_of_others_are_not_deleted() {
    finds(PlantedBug::ForeignFileDeleted, |sample, root| {
        lay_down(sample, root);
        let mut driver = Driver::start(sample, root, StorageConfig::default())?;
        driver.open().map_err(|error| error.to_string())?;
        driver.close(Files::Delete);
        if first_file(sample, root).exists() { Ok(()) } else { Err("a foreign file is gone".to_owned()) }
    });
}

#[test]
fn files_of_others_are_not_overwritten() {
    finds(PlantedBug::ForeignFileOverwritten, |sample, root| {
        let path = first_file(sample, root);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "precious").unwrap();
        let mut driver = Driver::start(sample, root, StorageConfig::default())?;
        driver.open().map_err(|error| error.to_string())?;
        let _ = driver.download(sample.pieces()[0], &mut fastrand::Rng::with_seed(1));
        driver.stop();
        if fs::read(path).unwrap() == b"precious" { Ok(()) } else { Err("it was overwritten".to_owned()) }
    });
}

/// Downloads everything, commits, and leaves.
fn download(sample: &Sample, root: &Path, at_rest: bool) -> Outcome {
    let mut driver = Driver::start(sample, root, StorageConfig::default())?;
    driver.open().map_err(|error| error.to_string())?;
    for piece in sample.pieces() {
        driver.download(piece, &mut fastrand::Rng::with_seed(1)).map_err(|error| error.to_string())?;
    }
    let pieces = sample.geometry.pieces();
    let committed = driver.commit(&Bitfield::full(pieces), &Bitfield::new(pieces), at_rest);
    committed.map_err(|error| error.to_string())?;
    if at_rest {
        driver.stop();
    } else {
        driver.crash();
    }
    Ok(())
}

/// Changes a byte in the middle of the first file, as somebody else would.
fn spoil(sample: &Sample, root: &Path) {
    let path = first_file(sample, root);
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_was_being_written_is_to_be_proven() {
    finds(PlantedBug::ResumeTrustsUnproven, |sample, root| {
        download(sample, root, false)?;
        spoil(sample, root);
        let mut driver = Driver::start(sample, root, StorageConfig::default())?;
        let found = driver.open().map_err(|error| error.to_string())?;
        driver.stop();
        let is_trusted = found.have.contains(0) && !found.unproven.contains(0);
        if is_trusted { Err("a spoilt piece is trusted".to_owned()) } else { Ok(()) }
    });
}

#[test]
fn a_file_that_is_changed_while_it_is_open_is_noticed() {
    finds(PlantedBug::SignatureIgnored, |sample, root| {
        download(sample, root, true)?;
        let mut driver = Driver::start(sample, root, StorageConfig::default())?;
        driver.open().map_err(|error| error.to_string())?;
        let piece = sample.pieces()[0];
        driver.verify(piece).map_err(|error| error.to_string())?;
        spoil(sample, root);
        let _ = driver.verify(piece);
        let is_noticed = driver.changed().contains(&piece);
        driver.stop();
        if is_noticed { Ok(()) } else { Err("nobody says that the file was changed".to_owned()) }
    });
}
