use std::collections::BTreeSet;
use std::time::Duration;

use sprat_wire::BLOCK_LENGTH;
use sprat_wire::metainfo::{Attributes, File, Info, Version};

use super::*;
use crate::time::Time;

const SEED: u64 = 7;

/// Pieces of `blocks` blocks each; the last one of a single byte.
pub(super) fn geometry(pieces: u32, blocks: u32) -> Arc<Geometry> {
    let length = u64::from(pieces - 1) * u64::from(blocks * BLOCK_LENGTH) + 1;
    let file = File {
        path: "file".into(),
        original_path: None,
        length,
        attributes: Attributes::default(),
        pieces_root: None,
    };
    Arc::new(Geometry::new(&Info {
        name: "file".into(),
        version: Version::V1,
        piece_length: blocks * BLOCK_LENGTH,
        files: vec![file],
        v1_pieces: None,
        private: false,
        single_file: true,
        similar: Vec::new(),
        collections: Vec::new(),
    }))
}

fn picker(pieces: u32, blocks: u32) -> Picker {
    Picker::new(geometry(pieces, blocks), fastrand::Rng::with_seed(SEED))
}

/// A picker that is past its random first pieces: the last four are had.
fn settled(pieces: u32, blocks: u32) -> Picker {
    let mut picker = picker(pieces + 4, blocks);
    for index in pieces..pieces + 4 {
        picker.set_have(piece(&picker, index));
    }
    picker
}

fn piece(picker: &Picker, index: u32) -> PieceIndex {
    picker.geometry.piece(index).unwrap()
}

pub(super) fn set(picker: &Picker, pieces: impl IntoIterator<Item = u32>) -> Bitfield {
    let mut set = Bitfield::new(picker.geometry.pieces());
    for piece in pieces {
        set.insert(piece);
    }
    set
}

fn everything(picker: &Picker) -> Bitfield {
    Bitfield::full(picker.geometry.pieces())
}

pub(super) fn request(connection: u64, pieces: &Bitfield, count: usize) -> PickRequest<'_> {
    PickRequest {
        connection: ConnectionId(connection),
        pieces,
        refused: &[],
        allowed: None,
        count,
        duplicates: count,
        whole_pieces: false,
        suggested: &[],
        haste: Haste::default(),
    }
}

pub(super) fn picked(picker: &mut Picker, request: &PickRequest<'_>) -> Vec<BlockRef> {
    let mut out = Vec::new();
    picker.pick(request, &mut out);
    out
}

fn pieces_of(blocks: &[BlockRef]) -> Vec<u32> {
    let mut pieces: Vec<u32> = blocks.iter().map(|block| block.piece().get()).collect();
    pieces.dedup();
    pieces
}

#[test]
fn the_rarest_pieces_come_first_and_equals_in_random_order() {
    let mut orders = BTreeSet::new();
    for seed in 0..20 {
        let mut picker = settled(6, 2);
        picker.rng = fastrand::Rng::with_seed(seed);
        let full = everything(&picker);
        picker.peer_joined(&full);
        // Holders apart from the seed: 2 of the pieces 0, 3, 4, 5; 1 of 1; none of 2.
        for pieces in [vec![0, 3, 4, 5], vec![0, 1, 3, 4, 5]] {
            let pieces = set(&picker, pieces);
            picker.peer_joined(&pieces);
        }
        let order = pieces_of(&picked(&mut picker, &request(1, &full, 12)));
        assert_eq!(order[..2], [2, 1]);
        orders.insert(order);
    }
    assert!(orders.len() > 5, "{orders:?}");
}

#[test]
fn the_first_pieces_are_random_rather_than_rare() {
    let firsts: BTreeSet<u32> = (0..60)
        .map(|seed| {
            let mut picker = Picker::new(geometry(10, 1), fastrand::Rng::with_seed(seed));
            let full = everything(&picker);
            picker.peer_joined(&full);
            let common = set(&picker, 1..10);
            picker.peer_joined(&common);
            picked(&mut picker, &request(1, &full, 1))[0].piece().get()
        })
        .collect();
    assert!(firsts.len() > 7, "{firsts:?}");
}

#[test]
fn a_begun_piece_is_completed_before_another_is_begun() {
    let mut picker = settled(10, 4);
    let full = everything(&picker);
    picker.peer_joined(&full);
    picker.peer_joined(&full);
    let first = picked(&mut picker, &request(1, &full, 1))[0].piece();
    let second = picked(&mut picker, &request(2, &full, 4));
    assert_eq!(second[..3].iter().filter(|block| block.piece() == first).count(), 3);
    assert_ne!(second[3].piece(), first);
}

#[test]
fn a_fast_peer_gets_pieces_of_its_own_until_others_would_be_idle() {
    let mut picker = settled(2, 4);
    let full = everything(&picker);
    let fast = |connection| PickRequest { whole_pieces: true, ..request(connection, &full, 2) };
    picker.peer_joined(&full);
    let one = picked(&mut picker, &fast(1));
    let two = picked(&mut picker, &fast(2));
    assert_ne!(one[0].piece(), two[0].piece());
    let more = picked(&mut picker, &fast(1));
    assert_eq!(more[0].piece(), one[0].piece(), "its own piece first");
    let third = picked(&mut picker, &request(3, &full, 2));
    assert_eq!(third[0].piece(), two[0].piece(), "nothing else is left");
}

#[test]
fn a_fast_peer_that_gives_a_block_back_loses_its_claim() {
    let mut picker = settled(5, 4);
    let full = everything(&picker);
    picker.peer_joined(&full);
    let blocks = picked(&mut picker, &PickRequest { whole_pieces: true, ..request(1, &full, 2) });
    picker.release(blocks[0], ConnectionId(1));
    let other = picked(&mut picker, &request(2, &full, 1));
    assert_eq!(other, [blocks[0]]);
}

#[test]
fn pieces_with_free_blocks_stay_few_however_many_peers_are_fast() {
    let mut picker = settled(1000, 16);
    let full = everything(&picker);
    for _ in 0..4 {
        picker.peer_joined(&full);
    }
    for connection in 0..200 {
        picked(&mut picker, &PickRequest { whole_pieces: true, ..request(connection, &full, 1) });
        assert!(picker.partials.unfilled() <= choose::MAX_UNFILLED, "at connection {connection}");
    }
}

#[test]
fn priorities_come_before_rarity_and_before_completion() {
    let mut picker = settled(5, 2);
    let full = everything(&picker);
    picker.peer_joined(&full);
    for (index, priority) in
        [(0, FilePriority::Low), (1, FilePriority::Skip), (3, FilePriority::High), (4, FilePriority::Skip)]
    {
        picker.set_priority(piece(&picker, index), priority);
    }
    for _ in 0..3 {
        picker.peer_has(piece(&picker, 3));
    }
    let order = pieces_of(&picked(&mut picker, &request(1, &full, 3)));
    assert_eq!(order, [3, 2]);
    picker.set_priority(piece(&picker, 4), FilePriority::High);
    let order = pieces_of(&picked(&mut picker, &request(1, &full, 99)));
    assert_eq!(order, [4, 2, 0]);
    assert_eq!((picker.wanted_left(), picker.is_finished()), (4, false));
}

#[test]
fn in_sequential_mode_pieces_come_in_order() {
    let mut picker = settled(6, 2);
    picker.set_sequential(true);
    let full = everything(&picker);
    picker.peer_joined(&full);
    picker.set_priority(piece(&picker, 4), FilePriority::High);
    let odd = set(&picker, [1, 3, 5]);
    assert_eq!(pieces_of(&picked(&mut picker, &request(1, &odd, 1))), [1]);
    assert_eq!(pieces_of(&picked(&mut picker, &request(2, &full, 11))), [4, 0, 1, 2, 3, 5]);
}

#[test]
fn while_choked_only_allowed_pieces_are_asked_for() {
    let mut picker = settled(6, 2);
    let full = everything(&picker);
    picker.peer_joined(&full);
    let allowed = [piece(&picker, 2), piece(&picker, 5)];
    let some = set(&picker, [0, 1, 2]);
    let choked = PickRequest { allowed: Some(&allowed), ..request(1, &some, 99) };
    assert_eq!(pieces_of(&picked(&mut picker, &choked)), [2]);
    assert!(picked(&mut picker, &PickRequest { allowed: Some(&[]), ..choked }).is_empty());
}

#[test]
fn what_a_peer_has_refused_is_asked_of_others() {
    let mut picker = settled(3, 2);
    let full = everything(&picker);
    picker.peer_joined(&full);
    let refused = [piece(&picker, 0), piece(&picker, 2)];
    let blocks = picked(&mut picker, &PickRequest { refused: &refused, ..request(1, &full, 99) });
    assert!(!blocks.is_empty() && pieces_of(&blocks).iter().all(|piece| *piece == 1), "{blocks:?}");
    let others = pieces_of(&picked(&mut picker, &request(2, &full, 99)));
    assert!(others.contains(&0) && others.contains(&2), "{others:?}");
}

#[test]
fn a_suggestion_decides_among_equally_wanted_pieces_only() {
    let mut picker = settled(6, 1);
    let full = everything(&picker);
    picker.peer_joined(&full);
    picker.set_priority(piece(&picker, 1), FilePriority::High);
    picker.set_priority(piece(&picker, 0), FilePriority::Skip);
    let suggested = [piece(&picker, 0), piece(&picker, 4)];
    let order = picked(&mut picker, &PickRequest { suggested: &suggested, ..request(1, &full, 2) });
    assert_eq!(pieces_of(&order), [1, 4]);
}

#[test]
fn in_the_endgame_the_last_blocks_are_asked_of_a_few_others_and_cancelled() {
    let mut picker = settled(1, 2);
    let full = everything(&picker);
    for _ in 0..6 {
        picker.peer_joined(&full);
    }
    let first = picked(&mut picker, &request(1, &full, 1));
    let second = picked(&mut picker, &request(2, &full, 1));
    assert_ne!(first, second, "a free block before one that is requested");
    // Connection 1 may get the other block, not its own again.
    assert_eq!(picked(&mut picker, &request(1, &full, 9)), second);
    // The least requested block first.
    assert_eq!(picked(&mut picker, &request(3, &full, 1)), first);
    assert_eq!(picked(&mut picker, &request(4, &full, 9)).len(), 2);
    assert!(picked(&mut picker, &request(5, &full, 9)).is_empty(), "three connections per block are enough");

    let Received::Accepted { piece_complete: false, cancel } = picker.received(first[0], ConnectionId(3))
    else {
        panic!("accepted")
    };
    assert_eq!(cancel, [ConnectionId(1), ConnectionId(4)]);
    assert_eq!(picker.received(first[0], ConnectionId(1)), Received::Unwanted);
    // Given back by two of three, the block is still requested.
    picker.release(second[0], ConnectionId(2));
    picker.release(second[0], ConnectionId(1));
    assert_eq!(
        picker.received(second[0], ConnectionId(4)),
        Received::Accepted { piece_complete: true, cancel: vec![] }
    );
    let only = piece(&picker, 0);
    assert_eq!(picker.state(only), PieceState::Checking);
    assert_eq!(picker.senders(only), [Some(ConnectionId(3)), Some(ConnectionId(4))]);
}

#[test]
fn no_more_comes_twice_than_the_request_allows() {
    let mut picker = settled(1, 4);
    let full = everything(&picker);
    picker.peer_joined(&full);
    picker.peer_joined(&full);
    let requested = picked(&mut picker, &request(1, &full, 4));
    assert!(picked(&mut picker, &PickRequest { duplicates: 0, ..request(2, &full, 4) }).is_empty());
    let again = picked(&mut picker, &PickRequest { duplicates: 1, ..request(2, &full, 4) });
    assert_eq!(again, requested[3..], "the one that will come last");
}

#[test]
fn pieces_that_nobody_has_do_not_put_off_the_endgame() {
    let mut picker = settled(2, 1);
    let some = set(&picker, [0]);
    picker.peer_joined(&some);
    picker.peer_joined(&some);
    assert_eq!(picked(&mut picker, &request(1, &some, 9)).len(), 1);
    assert_eq!(picked(&mut picker, &request(2, &some, 9)).len(), 1);
}

#[test]
fn a_restricted_piece_comes_from_one_connection_and_first() {
    let mut picker = settled(4, 2);
    let full = everything(&picker);
    picker.peer_joined(&full);
    let suspect = piece(&picker, 1);
    picker.restrict(suspect, ConnectionId(5));
    let others = picked(&mut picker, &request(1, &full, 99));
    assert!(!pieces_of(&others).contains(&1));
    let blocks = picked(&mut picker, &request(5, &full, 2));
    assert_eq!(pieces_of(&blocks), [1]);
    assert_eq!(picker.received(blocks[0], ConnectionId(1)), Received::Unwanted);
    assert!(matches!(picker.received(blocks[0], ConnectionId(5)), Received::Accepted { .. }));
    // The connection goes; what it has sent stays.
    picker.release(blocks[1], ConnectionId(5));
    picker.unrestrict(suspect);
    assert_eq!(picked(&mut picker, &request(6, &full, 1)), blocks[1..]);
}

#[test]
fn a_piece_that_fails_is_fetched_again_whole() {
    let mut picker = settled(1, 3);
    let full = everything(&picker);
    picker.peer_joined(&full);
    let only = piece(&picker, 0);
    for round in 0..2 {
        let blocks = picked(&mut picker, &request(1, &full, 9));
        assert_eq!(blocks.len(), 3);
        for block in blocks {
            assert!(matches!(picker.received(block, ConnectionId(1)), Received::Accepted { .. }));
        }
        assert_eq!(picker.state(only), PieceState::Checking);
        assert!(picked(&mut picker, &request(2, &full, 9)).is_empty());
        if round == 0 {
            picker.set_missing(only);
            assert_eq!((picker.state(only), picker.senders(only)), (PieceState::Missing, [].as_slice()));
        }
    }
    picker.set_have(only);
    assert_eq!((picker.is_finished(), picker.bytes_left(), picker.bytes_wanted_left()), (true, 0, 0));
    // Lost again, found by a check.
    picker.set_missing(only);
    assert_eq!((picker.is_finished(), picker.bytes_left()), (false, u64::from(3 * BLOCK_LENGTH)));
}

#[test]
fn a_peer_that_came_to_have_everything_may_leave_before_or_after_a_seed() {
    for grown_first in [true, false] {
        let mut picker = picker(3, 1);
        let full = everything(&picker);
        let nothing = set(&picker, []);
        let some = set(&picker, [1]);
        picker.peer_joined(&full);
        picker.peer_joined(&nothing);
        picker.peer_joined(&some);
        for index in 0..3 {
            picker.peer_has(piece(&picker, index));
        }
        let availability = |picker: &Picker| [0, 1, 2].map(|index| picker.availability(piece(picker, index)));
        assert_eq!(availability(&picker), [2, 3, 2]);
        assert_eq!(picker.distributed_copies(), (2, 333));
        picker.peer_left(&full);
        assert_eq!(availability(&picker), [1, 2, 1]);
        if grown_first {
            picker.peer_left(&full);
            picker.peer_left(&some);
        } else {
            picker.peer_left(&some);
            picker.peer_left(&full);
        }
        assert_eq!(availability(&picker), [0, 0, 0]);
    }
}

#[test]
fn a_peer_with_few_pieces_finds_its_rarest_among_many() {
    let pieces = 100_000;
    let mut picker = settled(pieces, 1);
    let rare = set(&picker, 0..pieces / 2);
    picker.peer_joined(&rare);
    // What the poor peer has, everybody has.
    let common = set(&picker, pieces / 2..pieces);
    picker.peer_joined(&common);
    picker.peer_joined(&common);
    let poor = set(&picker, [70_000, 80_000, 90_000]);
    picker.peer_joined(&poor);
    picker.peer_has(piece(&picker, 70_000));
    picker.peer_has(piece(&picker, 90_000));
    assert_eq!(pieces_of(&picked(&mut picker, &request(3, &poor, 1))), [80_000]);
    assert!(picker.is_interesting(&poor));
    assert!(!picker.is_interesting(&set(&picker, [pieces, pieces + 3])));
}

#[test]
fn the_largest_torrents_fit() {
    // 2²¹ pieces, the limit of metainfo.
    let mut picker = picker(1 << 21, 1);
    let full = everything(&picker);
    picker.peer_joined(&full);
    let half = set(&picker, (0..1 << 21).step_by(2));
    picker.peer_joined(&half);
    for block in picked(&mut picker, &request(1, &full, 10)) {
        assert!(matches!(
            picker.received(block, ConnectionId(1)),
            Received::Accepted { piece_complete: true, .. }
        ));
        picker.set_have(block.piece());
    }
    let rare = picked(&mut picker, &request(1, &full, 1))[0];
    assert_eq!(rare.piece().get() % 2, 1);
    picker.peer_left(&half);
    assert_eq!(picker.availability(rare.piece()), 1);
}

/// These pieces are needed, one after the other, a second apart.
fn need(picker: &mut Picker, pieces: &[u32]) -> bool {
    let needed = pieces.iter().zip(1..).map(|(at, second)| (piece(picker, *at), Time::from_secs(second)));
    let needed: BTreeMap<PieceIndex, Time> = needed.collect();
    picker.set_urgent(Time::ZERO, &needed)
}

#[test]
fn what_is_needed_soon_comes_first_and_in_its_order() {
    let mut picker = picker(20, 2);
    let full = everything(&picker);
    let three = piece(&picker, 3);
    picker.set_priority(three, FilePriority::High);
    assert!(!need(&mut picker, &[15, 2, 9]));
    assert_eq!(pieces_of(&picked(&mut picker, &request(1, &full, 6))), [15, 2, 9]);
    assert_eq!(
        pieces_of(&picked(&mut picker, &request(2, &full, 2))),
        [3],
        "and then what was wanted before"
    );
    let only = Haste { only: true, ..Haste::default() };
    assert!(picked(&mut picker, &PickRequest { haste: only, ..request(2, &full, 2) }).is_empty());
}

#[test]
fn what_is_skipped_is_wanted_as_long_as_it_is_needed() {
    let mut picker = picker(4, 2);
    let full = everything(&picker);
    for piece in picker.geometry.all_pieces() {
        picker.set_priority(piece, FilePriority::Skip);
    }
    let two = piece(&picker, 2);
    assert!(picker.is_finished());
    assert!(need(&mut picker, &[2]));
    assert!(!picker.is_finished() && picker.is_interesting(&full));
    picker.set_priority(two, FilePriority::Skip);
    assert_eq!(pieces_of(&picked(&mut picker, &request(1, &full, 9))), [2]);
    assert!(need(&mut picker, &[]));
    assert!(picker.is_finished());
    assert!(need(&mut picker, &[2]));
    picker.set_priority(two, FilePriority::Normal);
    assert!(!need(&mut picker, &[]), "the user wants it by now");
    assert_eq!(picker.wanted_left(), 1);
}

#[test]
fn slow_peers_leave_what_is_late_to_quick_ones_which_ask_again_for_what_they_owe() {
    let mut picker = picker(4, 2);
    let full = everything(&picker);
    need(&mut picker, &[2]);
    let reserved = [piece(&picker, 2)];
    let slow = Haste { reserved: &reserved, ..Haste::default() };
    let blocks = picked(&mut picker, &PickRequest { haste: slow, ..request(1, &full, 6) });
    assert_eq!(blocks.len(), 5);
    assert!(!pieces_of(&blocks).contains(&2));
    let quick = PickRequest { duplicates: 0, ..request(2, &full, 9) };
    assert_eq!(picked(&mut picker, &quick).len(), 2);
    let again = |now, waited| {
        let needed_before = Time::from_secs(2);
        Haste { again: Some(Again { needed_before, waited, now, count: 1 }), ..Haste::default() }
    };
    let second = Duration::from_secs(1);
    let too_soon = again(Time::ZERO, second);
    assert!(
        picked(&mut picker, &PickRequest { haste: too_soon, duplicates: 0, ..request(3, &full, 9) })
            .is_empty()
    );
    let late = again(Time::from_secs(1), second);
    let blocks = picked(&mut picker, &PickRequest { haste: late, duplicates: 0, ..request(3, &full, 9) });
    assert_eq!((pieces_of(&blocks), blocks.len()), (vec![2], 1));
    let Received::Accepted { cancel, .. } = picker.received(blocks[0], ConnectionId(3)) else { panic!() };
    assert_eq!(cancel, [ConnectionId(2)]);
}

#[test]
fn first_pieces_come_before_those_of_the_highest_priority() {
    let mut picker = picker(20, 2);
    let full = everything(&picker);
    let (first, high) = (piece(&picker, 7), piece(&picker, 3));
    picker.set_priority(first, PiecePriority::First);
    picker.set_priority(high, FilePriority::High);
    assert_eq!(pieces_of(&picked(&mut picker, &request(1, &full, 4))), [7, 3]);
}
