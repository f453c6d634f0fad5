//! Reads of what is not in the kernel's memory.

use std::io::Read as _;

use rustix::fs::Advice;
use sprat_core::storage::StorageErrorKind;

use super::super::file_read::read_resident_at;
use super::*;

const PIECE: u32 = 16 * BLOCK_LENGTH;

/// A torrent that is complete, in a directory on the disk that this was built on: what lies in a file system in memory
/// cannot be dropped from it.
fn bench() -> Bench {
    let program = std::env::current_exe().unwrap();
    let home = tempfile::tempdir_in(program.parent().unwrap()).unwrap();
    let config = StorageConfig { workers: 1, ..StorageConfig::default() };
    let sample = Sample::new(Version::V1, PIECE, &[300_001, 7, 1_000_003]);
    let mut bench = Bench::with(sample, Arc::new(home), config);
    bench.sample.lay_down(&bench.directory());
    bench.open().unwrap();
    bench
}

/// Has the kernel forget every file. Whether it did, as far as the first bytes show.
fn forget(bench: &Bench) -> bool {
    let mut forgotten = true;
    for (path, bytes) in &bench.sample.files {
        let file = fs::File::open(bench.directory().join(path)).unwrap();
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        forgotten &= read_resident_at(&file, &mut vec![0; bytes.len().min(4096)], 0) == Ok(false);
        // The kernel may have taken the question for a wish.
        rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    }
    forgotten
}

/// Every block by itself, and all of each piece at once.
fn read_all(bench: &mut Bench) {
    let geometry = Arc::clone(&bench.sample.geometry);
    for piece in geometry.all_pieces() {
        let length = geometry.length_of(piece);
        let stretches = bench.sample.blocks(piece).into_iter().map(|block| (block.begin(), block.length()));
        for (begin, length) in stretches.chain([(0, length), (5, length - 9)]) {
            let bytes = bench.read(piece, begin, length).unwrap();
            let (from, to) = (begin as usize, (begin + length) as usize);
            assert!(bytes == bench.sample.piece(piece)[from..to], "{piece:?} {begin} {length}");
        }
    }
}

#[test]
fn what_the_kernel_has_forgotten_is_read_all_the_same() {
    let mut bench = bench();
    // Opened, so that only the memory is missing.
    read_all(&mut bench);
    if !forget(&bench) {
        println!("this file system keeps files in memory");
    }
    read_all(&mut bench);
}

#[test]
fn a_stretch_of_which_the_kernel_knows_a_part_is_read_whole() {
    let mut bench = bench();
    read_all(&mut bench);
    let piece = bench.piece(2);
    for warm in [1, 4096, 100_000] {
        forget(&bench);
        // The beginning of the piece lies in the last file.
        let mut file = fs::File::open(bench.directory().join(&bench.sample.files[2].0)).unwrap();
        rustix::fs::fadvise(&file, 0, None, Advice::Random).unwrap();
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(u64::from(2 * PIECE) - 300_008)).unwrap();
        file.read_exact(&mut vec![0; warm]).unwrap();
        assert!(bench.read(piece, 0, PIECE).unwrap() == *bench.sample.piece(piece));
    }
}

#[test]
fn a_file_that_has_become_shorter_has_changed_whether_the_kernel_knows_its_bytes_or_not() {
    for cold in [false, true] {
        let mut bench = bench();
        read_all(&mut bench);
        let path = bench.directory().join(&bench.sample.files[2].0);
        let file = fs::File::options().write(true).open(path).unwrap();
        // In the middle of the last block of the third piece.
        file.set_len(u64::from(3 * PIECE) - 300_008 - 1000).unwrap();
        if cold {
            forget(&bench);
        }
        let (third, fourth) = (bench.piece(2), bench.piece(3));
        for (piece, begin, length) in [
            (third, 0, PIECE),
            (third, PIECE - BLOCK_LENGTH, BLOCK_LENGTH),
            (third, PIECE - 1001, 2),
            (third, PIECE - 1, 1),
            (fourth, 0, 1),
            (fourth, 0, PIECE),
        ] {
            let error = bench.read(piece, begin, length).unwrap_err();
            assert_eq!(error.kind, StorageErrorKind::Changed, "{piece:?} {begin} {length}");
        }
        let rest = PIECE - 1000;
        assert!(bench.read(third, 0, rest).unwrap() == bench.sample.piece(third)[..rest as usize]);
        assert!(!bench.verify(third));
        assert!(bench.verify(bench.piece(1)));
    }
}
