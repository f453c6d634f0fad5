//! Whether what was claimed is so. Reads files and images itself, and compares bytes, not hashes.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use sprat_core::bitfield::Bitfield;
use sprat_core::geometry::PieceIndex;
use sprat_engine::disk::faults::{Extreme, Image, Recording};

use crate::driver::DOWNLOADS;
use crate::sample::Sample;

/// A file that is none of our business: beside those of the torrent, so that some of the directories are there already,
/// or elsewhere.
const FOREIGN: [&str; 2] = ["downloads/sample/d/precious", "elsewhere/precious"];

/// Counted, to be printed.
static IMAGES: AtomicU64 = AtomicU64::new(0);

const HARMED: &str = "the foreign file is gone or was changed";

const PRECIOUS: &[u8] = b"not ours";

/// Images that chance makes, of each moment that is looked at.
const SEEDS: u64 = 3;

/// Moments after each claim.
const MOMENTS: usize = 3;

/// That the pieces are in the files below `root` now.
pub(crate) fn check_files(sample: &Sample, root: &Path, claimed: &Bitfield) -> Result<(), String> {
    for piece in claimed.iter().filter_map(|piece| sample.geometry.piece(piece)) {
        for (path, begin, expected) in sample.parts(piece) {
            let mut found = Vec::new();
            let read = fs::File::open(root.join(DOWNLOADS).join(path)).and_then(|mut file| {
                file.seek(SeekFrom::Start(begin as u64))?;
                file.take(expected.len() as u64).read_to_end(&mut found)
            });
            if read.is_err() || found != expected {
                return Err(format!("piece {} is claimed and not in {path}: {read:?}", piece.get()));
            }
        }
    }
    check_foreign(|path| fs::read(root.join(path)).ok())
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

/// What was promised before power is cut at this moment.
pub(crate) fn promised_before(sample: &Sample, recording: &Recording, at: usize) -> Bitfield {
    promised(recording.marks_before(at).last().unwrap_or_default(), sample.geometry.pieces())
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

/// That the pieces are in an image, and the foreign file.
pub(crate) fn check_image(sample: &Sample, image: &Image, claimed: &Bitfield) -> Result<(), String> {
    count_image();
    let has = |piece: PieceIndex| {
        sample.parts(piece).find(|(path, begin, expected)| {
            let file = image.file(Path::new(DOWNLOADS).join(path));
            file.and_then(|bytes| bytes.get(*begin..begin + expected.len())) != Some(expected)
        })
    };
    for piece in claimed.iter().filter_map(|piece| sample.geometry.piece(piece)) {
        if let Some((path, begin, _)) = has(piece) {
            return Err(format!("piece {} is lost, in {path} from {begin}", piece.get()));
        }
    }
    check_foreign(|path| image.file(path).map(<[u8]>::to_vec))
}

/// Puts a foreign file into one of its places.
pub(crate) fn put_foreign(root: &Path, place: usize) {
    let path = root.join(FOREIGN[place]);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, PRECIOUS).unwrap();
}

/// One more image is looked at.
pub(crate) fn count_image() {
    IMAGES.fetch_add(1, Ordering::Relaxed);
}

/// Images that were looked at so far.
pub(crate) fn images() -> u64 {
    IMAGES.load(Ordering::Relaxed)
}

/// That the foreign file is in one of its places, unharmed.
pub(crate) fn check_foreign(read: impl Fn(&str) -> Option<Vec<u8>>) -> Result<(), String> {
    let is_precious = |path: &&str| read(path).as_deref() == Some(PRECIOUS);
    FOREIGN.iter().any(is_precious).then_some(()).ok_or_else(|| HARMED.to_owned())
}

/// The last operations before the cut, in words.
pub(crate) fn moment(recording: &Recording, at: usize) -> String {
    let last: Vec<String> = recording
        .operations()
        .take(at)
        .skip(at.saturating_sub(6))
        .map(|operation| operation.to_string())
        .collect();
    format!("operation {at} of {} ({})", recording.len(), last.join("; "))
}
