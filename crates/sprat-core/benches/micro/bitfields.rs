//! Sets of 100,000 pieces.

use std::hint::black_box;

use sprat_core::bitfield::Bitfield;

use crate::content::{PIECES, any_half};
use crate::operation::{Case, Operation};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "bitfield: count",
            rounds: 1_000_000,
            per_round: 1,
            prepare: || with_a_half(|half| half.count()),
        },
        Case {
            name: "bitfield: is a piece in it",
            rounds: 10,
            per_round: PIECES as u64,
            prepare: || {
                with_a_half(|half| (0..PIECES).filter(|piece| half.contains(black_box(*piece))).count())
            },
        },
        Case {
            name: "bitfield: a piece in and out",
            rounds: 10,
            per_round: PIECES as u64,
            prepare: || {
                let mut pieces = Bitfield::new(PIECES);
                Box::new(move || {
                    for piece in 0..PIECES {
                        black_box(pieces.insert(black_box(piece)));
                        black_box(pieces.remove(black_box(piece)));
                    }
                })
            },
        },
        Case {
            name: "bitfield: from the wire",
            rounds: 1000,
            per_round: 1,
            prepare: || {
                let bytes = any_half(&mut rng()).to_wire();
                Box::new(move || {
                    black_box(Bitfield::from_wire(black_box(&bytes), PIECES));
                })
            },
        },
        Case {
            name: "bitfield: to the wire",
            rounds: 1000,
            per_round: 1,
            prepare: || with_a_half(Bitfield::to_wire),
        },
        Case {
            name: "bitfield: its 50,000 members, one by one",
            rounds: 100,
            per_round: 1,
            prepare: || with_a_half(|half| half.iter().map(u64::from).sum::<u64>()),
        },
        Case {
            name: "bitfield: what two halves have in common, one by one",
            rounds: 100,
            per_round: 1,
            prepare: || {
                let other = any_half(&mut fastrand::Rng::with_seed(2));
                with_a_half(move |half| half.common(black_box(&other)).map(u64::from).sum::<u64>())
            },
        },
        Case {
            name: "bitfield: interest, and there is nothing in common",
            rounds: 1000,
            per_round: 1,
            prepare: || {
                let rest = complement(&any_half(&mut rng()));
                with_a_half(move |half| half.intersects(black_box(&rest)))
            },
        },
        Case {
            name: "bitfield: is it part of another, and it is",
            rounds: 1000,
            per_round: 1,
            prepare: || {
                let everything = Bitfield::full(PIECES);
                with_a_half(move |half| half.is_subset_of(black_box(&everything)))
            },
        },
    ]
}

fn rng() -> fastrand::Rng {
    fastrand::Rng::with_seed(1)
}

fn with_a_half<T>(act: impl Fn(&Bitfield) -> T + 'static) -> Box<dyn Operation> {
    let half = any_half(&mut rng());
    Box::new(move || {
        black_box(act(black_box(&half)));
    })
}

fn complement(pieces: &Bitfield) -> Bitfield {
    let bytes: Vec<u8> = pieces.to_wire().iter().map(|byte| !byte).collect();
    Bitfield::from_wire(&bytes, PIECES).unwrap()
}
