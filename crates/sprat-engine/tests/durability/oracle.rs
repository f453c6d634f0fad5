//! Whether what was claimed is so. Reads files and images itself, and compares bytes, not hashes.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use sprat_core::bitfield::Bitfield;
use sprat_core::geometry::PieceIndex;
use sprat_core::storage::Found;
use sprat_engine::disk::faults::{Extreme, Image, Recording};
use sprat_engine::storage::StorageConfig;

use crate::driver::Driver;
use crate::sample::Sample;

/// A file beside those of the torrent that is none of our business.
pub(crate) const FOREIGN: (&str, &[u8]) = ("downloads/sample/d/precious", b"not ours");

/// Images that chance makes, of each moment that is looked at.
const SEEDS: u64 = 3;

/// Moments after each claim.
const MOMENTS: usize = 3;

/// That the pieces are in the files below `root` now.
pub(crate) fn check_files(sample: &Sample, root: &Path, claimed: &Bitfield) -> Result<(), String> {
    for piece in claimed.iter().filter_map(|piece| sample.geometry.piece(piece)) {
        for (path, begin, expected) in sample.parts(piece) {
            let mut found = Vec::new();
            let read = fs::File::open(root.join("downloads").join(path)).and_then(|mut file| {
                file.seek(SeekFrom::Start(begin as u64))?;
                file.take(expected.len() as u64).read_to_end(&mut found)
            });
            if read.is_err() || found != expected {
                return Err(format!("piece {} is claimed and not in {path}: {read:?}", piece.get()));
            }
        }
    }
    match fs::read(root.join(FOREIGN.0)) {
        Ok(bytes) if bytes == FOREIGN.1 => Ok(()),
        other => Err(format!("the foreign file: {other:?}")),
    }
}

/// That no power cut loses what was promised before it. Promises are the marks, see [`promise`].
pub(crate) fn check_power_cuts(
    sample: &Sample,
    recording: &Recording,
    random: &mut fastrand::Rng,
) -> Result<(), String> {
    let pieces = sample.geometry.pieces();
    for (index, mark) in recording.marks().iter().enumerate() {
        let promised = promised(&mark.label, pieces);
        // Until the next promise, which is as large.
        let end = recording.marks().get(index + 1).map_or(recording.len(), |next| next.at);
        let mut moments = vec![mark.at, end];
        moments.extend((0..MOMENTS).map(|_| random.usize(mark.at..=end)));
        moments.sort_unstable();
        moments.dedup();
        for at in moments {
            let nothing = recording.extreme(at, Extreme::NothingUnsynced);
            let context = |loss| format!("power cut after {}: {loss}", moment(recording, at));
            check_image(sample, &nothing, &promised).map_err(context)?;
            for _ in 0..SEEDS {
                let seed = random.u64(..);
                let image = recording.image(at, seed);
                check_image(sample, &image, &promised)
                    .map_err(|loss| context(format!("{loss} (image of seed {seed})")))?;
            }
        }
    }
    Ok(())
}

/// That whoever starts after a power cut at some moment takes nothing for had that is not there.
pub(crate) fn check_resumption(
    sample: &Sample,
    recording: &Recording,
    random: &mut fastrand::Rng,
) -> Result<(), String> {
    let (at, seed) = (random.usize(..=recording.len()), random.u64(..));
    let image = recording.image(at, seed);
    let home = tempfile::tempdir().unwrap();
    let _watch = image.boot(home.path()).unwrap();
    let context = |loss| format!("resumed after {}, image of seed {seed}: {loss}", moment(recording, at));
    let mut driver = Driver::start(sample, home.path(), StorageConfig::default()).map_err(context)?;
    let found = driver.open();
    driver.stop();
    let Found { mut have, unproven, unchecked } = found.map_err(|error| context(error.to_string()))?;
    let words = recording.marks_before(at).last().unwrap_or_default();
    for piece in promised(words, sample.geometry.pieces()).iter() {
        if !have.contains(piece) && !unchecked.contains(piece) {
            return Err(context(format!("piece {piece} was durable and is forgotten")));
        }
    }
    unproven.iter().for_each(|piece| _ = have.remove(piece));
    check_image(sample, &image, &have).map_err(context)
}

/// The words of a promise: these pieces survive a power cut from now on.
pub(crate) fn promise(have: &Bitfield) -> String {
    have.iter().map(|piece| piece.to_string()).collect::<Vec<_>>().join(" ")
}

fn promised(words: &str, pieces: u32) -> Bitfield {
    let mut have = Bitfield::new(pieces);
    words.split_whitespace().for_each(|piece| {
        have.insert(piece.parse().unwrap());
    });
    have
}

fn check_image(sample: &Sample, image: &Image, claimed: &Bitfield) -> Result<(), String> {
    let has = |piece: PieceIndex| {
        sample.parts(piece).find(|(path, begin, expected)| {
            let file = image.file(Path::new("downloads").join(path));
            file.and_then(|bytes| bytes.get(*begin..begin + expected.len())) != Some(expected)
        })
    };
    for piece in claimed.iter().filter_map(|piece| sample.geometry.piece(piece)) {
        if let Some((path, begin, _)) = has(piece) {
            return Err(format!("piece {} is lost, in {path} from {begin}", piece.get()));
        }
    }
    if image.file(FOREIGN.0) == Some(FOREIGN.1) { Ok(()) } else { Err("the foreign file is gone".to_owned()) }
}

/// The last operations before the cut, in words.
fn moment(recording: &Recording, at: usize) -> String {
    let last: Vec<String> = recording
        .operations()
        .take(at)
        .skip(at.saturating_sub(6))
        .map(|operation| operation.to_string())
        .collect();
    format!("operation {at} of {} ({})", recording.len(), last.join("; "))
}
