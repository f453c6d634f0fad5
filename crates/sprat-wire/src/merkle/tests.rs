use proptest::prelude::*;

use super::*;

fn leaf(seed: u64) -> Sha256Hash {
    Sha256Hash::digest(&seed.to_le_bytes())
}

fn leaves(count: usize) -> Vec<Sha256Hash> {
    (0..count as u64).map(leaf).collect()
}

/// The definition of BEP 52, as simple as can be.
fn reference_root(leaves: &[Sha256Hash]) -> Sha256Hash {
    let mut row = leaves.to_vec();
    row.resize(leaves.len().next_power_of_two(), Sha256Hash::ZERO);
    while row.len() > 1 {
        row = row.chunks(2).map(|pair| parent(&pair[0], &pair[1])).collect();
    }
    row[0]
}

const BLOCK: u64 = BLOCK_LENGTH as u64;

#[test]
fn roots_follow_the_definition() {
    for count in 1..70 {
        assert_eq!(root(&leaves(count), 0), reference_root(&leaves(count)), "{count} leaves");
    }
    assert_eq!(root(&leaves(1), 0), leaf(0), "the root of one block is its hash");
    assert_eq!(padding(0), Sha256Hash::ZERO);
    assert_eq!(padding(3), reference_root(&[Sha256Hash::ZERO; 8]));
    assert_eq!(padded_root(&[], 0, 8), padding(3));
    assert_eq!(
        padded_root(&leaves(3), 0, 8),
        reference_root(&[leaves(3), vec![Sha256Hash::ZERO; 5]].concat())
    );
}

#[test]
fn the_last_block_counts_however_short() {
    assert_eq!([0, 1, BLOCK, BLOCK + 1].map(leaf_count), [0, 1, 1, 2]);
    assert_eq!(leaf_count(u64::MAX), u64::MAX / BLOCK + 1);
    assert_eq!(Shape::of_file(0), None);
    assert_eq!(Shape::of_file(u64::MAX).unwrap().height(), 50);
}

#[test]
fn a_tree_knows_the_width_of_its_layers() {
    let shape = Shape::of_file(5 * BLOCK).unwrap();
    assert_eq!(shape.height(), 3);
    assert_eq!([0, 1, 2, 3, 4, 99].map(|layer| shape.hashes_in(layer)), [5, 3, 2, 1, 0, 0]);
}

#[test]
fn ranges_outside_the_tree_are_refused() {
    let shape = Shape::of_file(100 * BLOCK).unwrap();
    let check = |base_layer, index, length, proof_layers| {
        HashRange { base_layer, index, length, proof_layers }.check(shape)
    };
    assert_eq!(check(0, 0, 128, 6), Ok(()));
    assert_eq!(check(0, 96, 4, 6), Ok(()));
    assert_eq!(check(0, 0, 0, 0), Err(ProofError::Length(0)));
    assert_eq!(check(0, 0, 1, 0), Err(ProofError::Length(1)));
    assert_eq!(check(0, 0, 3, 0), Err(ProofError::Length(3)));
    assert_eq!(check(0, 0, 1 << 31, 0), Err(ProofError::Length(1 << 31)));
    assert_eq!(check(0, 1, 2, 0), Err(ProofError::Misaligned(1)));
    assert_eq!(check(0, 100, 4, 0), Err(ProofError::OutOfRange), "only padding");
    assert_eq!(check(0, u32::MAX - 1, 2, 0), Err(ProofError::OutOfRange));
    assert_eq!(check(0, 0, 256, 0), Err(ProofError::OutOfRange), "wider than the layer");
    assert_eq!(check(7, 0, 2, 0), Err(ProofError::OutOfRange));
    assert_eq!(check(u32::MAX, 0, 2, 0), Err(ProofError::OutOfRange));
    assert_eq!(check(0, 0, 2, 7), Err(ProofError::ProofLayers(7)));
    assert_eq!(check(0, 0, 2, u32::MAX), Err(ProofError::ProofLayers(u32::MAX)));
}

#[test]
fn the_first_layers_of_a_proof_are_left_out() {
    // BEP 52: "the first log2(length)-1 proof layers are omitted".
    let uncles = |length, proof_layers| HashRange { base_layer: 0, index: 0, length, proof_layers }.uncles();
    assert_eq!(uncles(2, 0), 0);
    assert_eq!(uncles(2, 6), 6);
    assert_eq!(uncles(4, 6), 5);
    assert_eq!(uncles(128, 6), 0);
    assert_eq!(uncles(512, 10), 2);
}

#[test]
fn a_layer_that_does_not_fit_makes_no_tree() {
    let shape = Shape::of_file(5 * BLOCK).unwrap();
    assert!(Tree::new(shape, 0, leaves(5)).is_some());
    assert!(Tree::new(shape, 0, leaves(4)).is_none());
    assert!(Tree::new(shape, 0, leaves(8)).is_none());
    assert!(Tree::new(shape, 1, leaves(3)).is_some());
    assert!(Tree::new(shape, 4, leaves(1)).is_none());
}

#[test]
fn zero_is_no_proof() {
    let shape = Shape::of_file(64 * BLOCK).unwrap();
    let tree = Tree::new(shape, 0, leaves(64)).unwrap();
    let range = HashRange { base_layer: 0, index: 0, length: 4, proof_layers: 0 }.with_full_proof(shape);
    let zeros = vec![Sha256Hash::ZERO; range.hash_count()];
    assert_eq!(range.verify(&tree.root(), shape, &zeros), Err(ProofError::Mismatch));
    assert!(matches!(range.verify(&tree.root(), shape, &[]), Err(ProofError::Count { actual: 0, .. })));
}

#[test]
fn a_proof_that_stops_early_proves_nothing() {
    let shape = Shape::of_file(64 * BLOCK).unwrap();
    let tree = Tree::new(shape, 0, leaves(64)).unwrap();
    let range = HashRange { base_layer: 0, index: 8, length: 8, proof_layers: 3 };
    let answer = tree.answer(range).unwrap();
    assert_eq!(answer.len(), 9);
    assert_eq!(range.verify(&tree.root(), shape, &answer), Err(ProofError::Incomplete(3)));
}

fn cases() -> impl Strategy<Value = (usize, u32, u32, u32)> {
    // Leaves, base layer, log2 of the length, which range.
    (2_usize..300, 0_u32..9, 1_u32..9, any::<u32>())
}

proptest! {
    #[test]
    fn piece_layers_lead_to_the_root(count in 1_usize..300, log in 0_u32..7) {
        let piece_length = BLOCK_LENGTH << log;
        let leaves = leaves(count);
        let mut hasher = FileHasher::new(piece_length);
        leaves.iter().for_each(|leaf| hasher.push_leaf(*leaf));
        let hashes = hasher.finish().unwrap();
        prop_assert_eq!(hashes.root, reference_root(&leaves));
        if count <= 1 << log {
            prop_assert!(hashes.piece_layer.is_empty());
        } else {
            let layer = piece_layer(&leaves, piece_length);
            prop_assert_eq!(layer.len(), count.div_ceil(1 << log));
            prop_assert_eq!(root_of_piece_layer(&layer, piece_length), hashes.root);
            prop_assert_eq!(&layer, &hashes.piece_layer);
            let mut by_piece = FileHasher::new(piece_length);
            layer.iter().for_each(|hash| by_piece.push_piece(*hash));
            prop_assert_eq!(by_piece.finish().unwrap(), hashes);
        }
    }

    #[test]
    fn answers_verify_and_no_other_bits_do((count, base, log, which) in cases(), flip in any::<(prop::sample::Index, u8)>()) {
        let shape = Shape::of_file(count as u64 * BLOCK).unwrap();
        prop_assume!(base + log <= shape.height());
        let leaves = leaves(count);
        let whole = Tree::new(shape, 0, leaves.clone()).unwrap();
        prop_assert_eq!(whole.root(), reference_root(&leaves));
        let length = 1 << log;
        let ranges = u32::try_from(shape.hashes_in(base)).unwrap().div_ceil(length);
        let index = which % ranges * length;
        let range = HashRange { base_layer: base, index, length, proof_layers: 0 }.with_full_proof(shape);
        let layer: Vec<_> = (0..shape.hashes_in(base)).map(|index| whole.hash(base, index).unwrap()).collect();
        let tree = Tree::new(shape, base, layer).unwrap();
        let answer = tree.answer(range).unwrap();
        prop_assert_eq!(&answer, &whole.answer(range).unwrap());
        prop_assert_eq!(answer.len(), range.hash_count());
        prop_assert_eq!(range.verify(&tree.root(), shape, &answer), Ok(()));

        let mut damaged = answer.clone();
        let (at, bit) = (flip.0.index(answer.len() * 32), flip.1 % 8);
        damaged[at / 32].0[at % 32] ^= 1 << bit;
        prop_assert_eq!(range.verify(&tree.root(), shape, &damaged), Err(ProofError::Mismatch));

        let mut longer = answer.clone();
        longer.push(Sha256Hash::ZERO);
        prop_assert!(range.verify(&tree.root(), shape, &longer).is_err());
        prop_assert!(range.verify(&tree.root(), shape, &answer[..answer.len() - 1]).is_err());

        if ranges > 1 {
            let elsewhere = HashRange { index: (which + 1) % ranges * length, ..range };
            prop_assert!(elsewhere.verify(&tree.root(), shape, &answer).is_err());
        }
        let higher = HashRange { base_layer: base + 1, ..range };
        prop_assert!(higher.verify(&tree.root(), shape, &answer).is_err());
    }

    #[test]
    fn leaves_of_one_piece_and_the_piece_layer_answer_like_the_whole_tree(
        count in 2_usize..300, piece_log in 1_u32..6, log in 1_u32..6, which: u32,
    ) {
        let shape = Shape::of_file(count as u64 * BLOCK).unwrap();
        prop_assume!(piece_log <= shape.height() && log <= piece_log);
        let leaves = leaves(count);
        let per_piece = 1_usize << piece_log;
        let whole = Tree::new(shape, 0, leaves.clone()).unwrap();
        let upper = Tree::new(shape, piece_log, piece_layer(&leaves, BLOCK_LENGTH << piece_log)).unwrap();
        let length = 1_u32 << log;
        let index = which % u32::try_from(count).unwrap().div_ceil(length) * length;
        let range = HashRange { base_layer: 0, index, length, proof_layers: 0 }.with_full_proof(shape);
        let piece = index as usize / per_piece;
        let of_piece = &leaves[piece * per_piece..count.min((piece + 1) * per_piece)];
        let answer = upper.answer_leaves(of_piece, range).unwrap();
        prop_assert_eq!(range.verify(&whole.root(), shape, &answer), Ok(()));
        prop_assert_eq!(answer, whole.answer(range).unwrap());

        let mut wrong = of_piece.to_vec();
        wrong[0].0[0] ^= 1;
        prop_assert_eq!(upper.answer_leaves(&wrong, range), Err(ProofError::Mismatch));
    }
}
