//! Blocks become files, whatever the order, the layout and the memory.

use proptest::prelude::{
    Just, ProptestConfig, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};

use super::*;

const KIB: u64 = 1024;

fn versions() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V1), Just(Version::V2), Just(Version::Hybrid)]
}

/// Lengths at which something ends: nothing, one byte, blocks and pieces and their neighbours.
fn lengths() -> impl Strategy<Value = Vec<u64>> {
    let edge = prop_oneof![Just(0), Just(16 * KIB), Just(32 * KIB), Just(64 * KIB)];
    let length = prop_oneof![
        edge.prop_flat_map(|edge: u64| edge.saturating_sub(1)..=edge + 1),
        0..200 * KIB,
        1..50_u64,
    ];
    prop::collection::vec(length, 1..7).prop_filter("some content", |lengths| lengths.iter().sum::<u64>() > 0)
}

/// Blocks in a random order, each piece finished when its last block was given.
fn download_shuffled(bench: &mut Bench, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let geometry = Arc::clone(&bench.sample.geometry);
    let mut blocks: Vec<_> = geometry.all_pieces().flat_map(|piece| bench.sample.blocks(piece)).collect();
    random.shuffle(&mut blocks);
    let mut missing: Vec<u32> = geometry.all_pieces().map(|piece| geometry.blocks_in(piece)).collect();
    for block in blocks {
        bench.write(block, bench.sample.block(block));
        if random.u8(..) < 20 {
            bench.write(block, bench.sample.block(block)); // twice does no harm
        }
        missing[block.piece().as_usize()] -= 1;
        if missing[block.piece().as_usize()] == 0 {
            bench.finish(block.piece(), random.bool());
        }
    }
    for _ in geometry.all_pieces() {
        let reply = bench.reply();
        assert!(matches!(reply, StorageReply::Stored { .. }), "{reply:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_blocks_in_any_layout_gives_the_same_files(
        version in versions(),
        lengths in lengths(),
        piece_blocks in prop_oneof![Just(1), Just(2), Just(4)],
        // From everything fits to nothing does.
        held_limit in prop_oneof![Just(64 << 20), Just(70_000), Just(20_000), Just(0)],
        seed: u64,
    ) {
        let sample = Sample::new(version, piece_blocks * BLOCK_LENGTH, &lengths);
        let home = Arc::new(tempfile::tempdir().unwrap());
        let config = StorageConfig { workers: 2, held_limit, open_files: 2, ..StorageConfig::default() };
        let mut bench = Bench::with(sample, home, config);
        prop_assert_eq!(bench.open().unwrap(), Found::nothing(bench.sample.geometry.pieces()));
        download_shuffled(&mut bench, seed);
        bench.sample.assert_complete(&bench.directory());
        for piece in bench.sample.geometry.all_pieces() {
            prop_assert!(bench.verify(piece));
            let length = bench.sample.geometry.length_of(piece);
            let begin = length / 3;
            let bytes = bench.read(piece, begin, length - begin).unwrap();
            prop_assert!(bytes == bench.sample.piece(piece)[begin as usize..]);
        }
        bench.close();
        prop_assert_eq!(bench.storage.lanes.all().map(|lane| lane.shared.held.taken()).sum::<usize>(), 0);
        prop_assert_eq!(bench.storage.queued_bytes(), 0);
        bench.storage.stop(PATIENCE);
    }
}

/// Pieces shorter than a block, as v1 allows, and files that share them.
#[test]
fn odd_piece_lengths_of_v1_work() {
    let mut bench = Bench::new(Sample::new(Version::V1, 20_001, &[100_000, 3, 0, 59_999]));
    bench.open().unwrap();
    download_shuffled(&mut bench, 1);
    bench.sample.assert_complete(&bench.directory());
}

#[test]
fn more_blocks_than_one_call_takes_are_written_completely() {
    // 2100 blocks of one piece: three calls of 1024 buffers.
    let length = 2100 * u64::from(BLOCK_LENGTH) + 5;
    let mut bench = Bench::new(Sample::new(Version::V1, 4096 * BLOCK_LENGTH, &[length]));
    bench.open().unwrap();
    bench.download_all();
    bench.sample.assert_complete(&bench.directory());
}

#[test]
fn a_bad_block_never_touches_the_disk_and_is_found_by_its_leaf() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let mut bench = Bench::new(Sample::new(version, 4 * BLOCK_LENGTH, &[200_000]));
        bench.open().unwrap();
        let piece = bench.piece(1);
        bench.write_piece(piece);
        let block = bench.sample.blocks(piece)[2];
        bench.write(block, Bytes::from(vec![9; BLOCK_LENGTH as usize]));
        bench.finish(piece, false);
        let StorageReply::Rejected { leaves: bad, inconsistent: false, .. } = bench.reply() else { panic!() };
        assert_eq!(count_files(&bench.directory()), 0, "{version:?}");

        bench.write_piece(piece);
        bench.finish(piece, true);
        let StorageReply::Stored { leaves: Some(good), .. } = bench.reply() else { panic!() };
        let differing: Vec<usize> = (0..4).filter(|index| bad[*index] != good[*index]).collect();
        assert_eq!(differing, [2], "{version:?}");
    }
}

#[test]
fn a_bad_piece_that_was_written_early_is_not_claimed() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let config = StorageConfig { workers: 1, held_limit: 0, ..StorageConfig::default() };
    let mut bench = Bench::with(Sample::new(Version::V1, 4 * BLOCK_LENGTH, &[200_000]), home, config);
    bench.open().unwrap();
    let piece = bench.piece(0);
    bench.write_piece(piece);
    bench.write(bench.sample.blocks(piece)[1], Bytes::from(vec![9; BLOCK_LENGTH as usize]));
    bench.finish(piece, false);
    let StorageReply::Rejected { leaves, .. } = bench.reply() else { panic!() };
    assert_eq!(leaves.len(), 4);
    assert!(!bench.verify(piece));
    bench.download_all();
    bench.sample.assert_complete(&bench.directory());
}

#[test]
fn rubbish_in_padding_spoils_nothing_and_accuses_nobody() {
    let mut bench = Bench::new(Sample::new(Version::Hybrid, 4 * BLOCK_LENGTH, &[20_000, 20_000]));
    bench.open().unwrap();
    let piece = bench.piece(0);
    for block in bench.sample.blocks(piece) {
        let mut data = bench.sample.block(block).to_vec();
        let file_bytes = 20_000_usize.saturating_sub(block.begin() as usize).min(data.len());
        data[file_bytes..].fill(0xee);
        bench.write(block, data.into());
    }
    bench.finish(piece, true);
    let StorageReply::Stored { leaves: Some(leaves), .. } = bench.reply() else { panic!() };
    assert_eq!(leaves[2..], [Sha256Hash::ZERO; 2]);
    bench.download(bench.piece(1));
    bench.sample.assert_complete(&bench.directory());
}

#[test]
fn a_hybrid_whose_hashes_disagree_is_called_inconsistent() {
    let mut bench = Bench::new(Sample::new(Version::Hybrid, 2 * BLOCK_LENGTH, &[50_000]));
    bench.open().unwrap();
    let piece = bench.piece(0);
    let good = bench.sample.expected(piece);
    let wrong_v1 = ExpectedHash { v1: Some(Sha1Hash([1; 20])), ..good };
    let root = ExpectedRoot { root: Sha256Hash([1; 32]), leaves: 2 };
    let wrong_v2 = ExpectedHash { v2: Some(root), ..good };
    let wrong_both = ExpectedHash { v2: Some(root), ..wrong_v1 };
    let nothing = ExpectedHash { v1: None, v2: None };
    for (expected, contradiction) in
        [(wrong_v1, true), (wrong_v2, true), (wrong_both, false), (nothing, false)]
    {
        bench.write_piece(piece);
        bench.storage.submit(StorageRequest::Finish { torrent: ID, piece, expected, leaves: false });
        let StorageReply::Rejected { inconsistent, .. } = bench.reply() else { panic!() };
        assert_eq!(inconsistent, contradiction);
    }
    assert_eq!(count_files(&bench.directory()), 0);
}

#[test]
fn a_piece_that_lacks_a_block_fails_instead_of_being_blamed_on_peers() {
    let mut bench = Bench::new(Sample::new(Version::V1, 2 * BLOCK_LENGTH, &[50_000]));
    bench.open().unwrap();
    let piece = bench.piece(0);
    bench.write(bench.sample.blocks(piece)[0], bench.sample.block(bench.sample.blocks(piece)[0]));
    bench.finish(piece, false);
    assert!(matches!(bench.reply(), StorageReply::Failed { .. }));
    bench.write_piece(piece);
    bench.storage.submit(StorageRequest::Forget { torrent: ID, piece });
    bench.finish(piece, false);
    assert!(matches!(bench.reply(), StorageReply::Failed { .. }));
    assert_eq!(count_files(&bench.directory()), 0);
}

#[test]
fn preallocated_files_have_honest_sizes() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let config = StorageConfig { preallocate: true, ..StorageConfig::default() };
    let mut bench = Bench::with(Sample::new(Version::V1, BLOCK_LENGTH, &[100_000]), home, config);
    bench.open().unwrap();
    bench.download(bench.piece(1));
    let path = bench.directory().join(&bench.sample.files[0].0);
    assert_eq!(fs::metadata(path).unwrap().len(), 2 * u64::from(BLOCK_LENGTH));
    bench.download_all();
    bench.sample.assert_complete(&bench.directory());
}

#[test]
fn opening_creates_empty_files_and_nothing_else() {
    let mut bench = Bench::new(Sample::new(Version::Hybrid, BLOCK_LENGTH, &[0, 100, 0]));
    assert_eq!(bench.open().unwrap(), Found::nothing(bench.sample.geometry.pieces()));
    assert_eq!(count_files(&bench.directory()), 2);
}

#[test]
fn requests_for_a_torrent_that_is_not_open_are_answered() {
    let mut bench = Bench::new(Sample::new(Version::V1, BLOCK_LENGTH, &[100]));
    let piece = bench.piece(0);
    bench.finish(piece, false);
    assert!(matches!(bench.reply(), StorageReply::Failed { .. }));
    assert!(bench.read(piece, 0, 1).is_err());
    bench.open().unwrap();
    bench.close();
    assert!(bench.probe().is_err());
    bench.close();
}
