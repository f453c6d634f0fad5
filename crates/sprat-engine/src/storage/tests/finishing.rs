//! Pieces that are finished together.

use std::collections::BTreeMap;

use super::*;

/// What became of each piece, by its number.
fn outcomes(bench: &mut Bench, pieces: usize) -> BTreeMap<u32, StorageReply> {
    let mut all = BTreeMap::new();
    while all.len() < pieces {
        let reply = bench.reply();
        let (StorageReply::Stored { piece, .. }
        | StorageReply::Rejected { piece, .. }
        | StorageReply::Failed { piece, .. }) = &reply
        else {
            panic!("{reply:?}")
        };
        assert!(all.insert(piece.get(), reply.clone()).is_none(), "each piece is answered once");
    }
    all
}

#[test]
fn of_many_pieces_at_once_only_the_bad_ones_are_refused() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        // The files end within pieces, the last piece is short.
        let sample = Sample::new(version, 64 << 10, &[40 * 65_536 + 17, 3, 30 * 65_536 - 5, 20_000]);
        let mut bench = Bench::new(sample);
        bench.open().unwrap();
        let pieces: Vec<PieceIndex> = bench.sample.geometry.all_pieces().collect();
        for piece in &pieces {
            bench.write_piece(*piece);
        }
        let is_bad = |piece: u32| piece % 13 == 5;
        for piece in pieces.iter().filter(|piece| is_bad(piece.get())) {
            let block = bench.sample.blocks(*piece)[0];
            let mut data = bench.sample.block(block).to_vec();
            data[0] ^= 1;
            bench.write(block, data.into());
        }
        for piece in &pieces {
            bench.finish(*piece, false);
        }
        for (piece, outcome) in outcomes(&mut bench, pieces.len()) {
            let is_stored = matches!(outcome, StorageReply::Stored { .. });
            let is_rejected = matches!(outcome, StorageReply::Rejected { .. });
            assert_eq!(
                (is_stored, is_rejected),
                (!is_bad(piece), is_bad(piece)),
                "{version:?} {piece} {outcome:?}"
            );
        }
        for piece in pieces.iter().filter(|piece| is_bad(piece.get())) {
            bench.download(*piece);
        }
        bench.sample.assert_complete(&bench.directory());
    }
}

#[test]
fn pieces_too_large_to_wait_are_hashed_as_they_grow() {
    let mut bench = Bench::new(Sample::new(Version::Hybrid, 4 << 20, &[(9 << 20) + 12_345]));
    bench.open().unwrap();
    for piece in bench.sample.geometry.all_pieces().collect::<Vec<_>>() {
        // Backwards, so that the prefix grows last.
        for block in bench.sample.blocks(piece).into_iter().rev() {
            bench.write(block, bench.sample.block(block));
        }
        bench.finish(piece, true);
        let reply = bench.reply();
        assert!(matches!(&reply, StorageReply::Stored { leaves: Some(_), .. }), "{reply:?}");
    }
    bench.sample.assert_complete(&bench.directory());
}

/// A torrent that is closed while pieces wait: they are answered before it is.
#[test]
fn what_waits_is_finished_before_a_torrent_is_closed() {
    let mut bench = Bench::new(Sample::new(Version::V1, 32 << 10, &[20 * 32_768]));
    bench.open().unwrap();
    let pieces: Vec<PieceIndex> = bench.sample.geometry.all_pieces().collect();
    for piece in &pieces {
        bench.write_piece(*piece);
        bench.finish(*piece, false);
    }
    bench.storage.submit(StorageRequest::Close { torrent: ID, files: Files::Keep });
    let outcomes = outcomes(&mut bench, pieces.len());
    assert!(outcomes.values().all(|outcome| matches!(outcome, StorageReply::Stored { .. })));
    assert!(matches!(bench.reply(), StorageReply::Closed { .. }));
    bench.sample.assert_complete(&bench.directory());
}
