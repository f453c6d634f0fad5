//! A torrent is deleted, and power is cut at every moment of it: what is not ours is there afterwards, and so is what another
//! torrent uses.

use std::fs;

use sprat_core::bitfield::Bitfield;
use sprat_core::storage::Files;
use sprat_engine::disk::faults::watch;
use sprat_engine::storage::StorageConfig;
use sprat_wire::metainfo::Version;

use crate::driver::{DOWNLOADS, Driver};
use crate::sample::Sample;
use crate::{oracle, runs};

/// Each with its own order of pieces, and with the foreign file in one of its places.
const RUNS: u64 = 400;

/// Images of each moment.
const SEEDS: u64 = 8;

#[test]
fn a_power_cut_while_deleting_takes_nothing_of_others() {
    let sample = Sample::new(Version::Hybrid, 16 * 1024);
    runs::make("a_power_cut_while_deleting", RUNS, |number| run(&sample, number));
}

fn run(sample: &Sample, number: u64) -> Result<bool, String> {
    let home = runs::directory();
    oracle::put_foreign(home.path(), number as usize % 2);
    let watch = watch(home.path()).unwrap();
    let mut random = fastrand::Rng::with_seed(number);
    let mut driver = Driver::start(sample, home.path(), StorageConfig::default())?;
    driver.open().map_err(|error| error.to_string())?;
    let mut have = Bitfield::new(sample.geometry.pieces());
    for piece in sample.pieces() {
        driver.download(piece, &mut random).map_err(|error| error.to_string())?;
        have.insert(piece.get());
    }
    let none = Bitfield::new(have.len());
    driver.commit(&have, &none, true).map_err(|error| error.to_string())?;
    let begin = watch.recording().len();
    driver.close(Files::Delete);
    let recording = watch.recording();
    for at in begin..=recording.len() {
        for _ in 0..SEEDS {
            let image = recording.image(at, random.u64(..));
            oracle::check_image(sample, &image, &none)
                .map_err(|loss| format!("power cut after {}: {loss}", oracle::moment(&recording, at)))?;
        }
    }
    let parts = sample
        .pieces()
        .into_iter()
        .flat_map(|piece| sample.parts(piece).map(|(path, ..)| path.to_owned()).collect::<Vec<_>>());
    let left: Vec<String> = parts.filter(|path| home.path().join(DOWNLOADS).join(path).exists()).collect();
    if !left.is_empty() {
        return Err(format!("{left:?} is left"));
    }
    oracle::check_files(sample, home.path(), &none)?;
    assert!(fs::exists(home.path().join("downloads")).unwrap(), "the directory is the user's");
    Ok(false)
}
