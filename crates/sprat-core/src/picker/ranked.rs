//! The untouched pieces in the order in which they are to be begun.

use fastrand::Rng;

use super::PiecePriority;

/// What decides when an untouched piece has its turn. The one place: what is to count besides (deadlines of a
/// stream, say) becomes a field here and a shelf below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rank {
    /// Which shelf.
    pub(super) class: Class,
    /// How many peers have the piece, peers who had everything when they came not counted: these change no order.
    pub(super) holders: u16,
}

/// The priorities of wanted pieces. All pieces of one class come before any piece of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    First,
    High,
    Normal,
    Low,
}

impl Class {
    /// First class first.
    pub(super) const ALL: [Self; 4] = [Self::First, Self::High, Self::Normal, Self::Low];

    /// `None` for what is not wanted.
    pub(super) const fn of(priority: PiecePriority) -> Option<Self> {
        match priority {
            PiecePriority::First => Some(Self::First),
            PiecePriority::High => Some(Self::High),
            PiecePriority::Normal => Some(Self::Normal),
            PiecePriority::Low => Some(Self::Low),
            PiecePriority::Skip => None,
        }
    }
}

/// Pieces by [`Rank`], in random order among equals. One step up or down, that is a HAVE, is O(1); putting in and
/// taking out is O(number of holders), which for the rare pieces that are taken out first is next to nothing.
/// Eight bytes for each piece.
#[derive(Debug)]
pub(super) struct Ranked {
    shelves: [Shelf; 4],
    /// Where on its shelf each piece is; of no meaning for pieces that are on none.
    positions: Vec<u32>,
}

/// Pieces of one class: commonest first, so that taking out a rare one moves few others.
#[derive(Debug, Default)]
struct Shelf {
    order: Vec<u32>,
    /// `starts[n]` is where the pieces with `n` holders begin; they end where those with `n - 1` begin. So it
    /// descends, and the last entry, that of the most holders ever seen, is 0.
    starts: Vec<u32>,
}

impl Shelf {
    fn start(&self, holders: u16) -> u32 {
        self.starts.get(usize::from(holders)).copied().unwrap_or(0)
    }

    fn end(&self, holders: u16) -> u32 {
        match holders.checked_sub(1) {
            Some(fewer) => self.start(fewer),
            None => self.order.len() as u32,
        }
    }

    fn swap(&mut self, positions: &mut [u32], a: u32, b: u32) {
        self.order.swap(a as usize, b as usize);
        positions[self.order[a as usize] as usize] = a;
        positions[self.order[b as usize] as usize] = b;
    }

    /// From the pieces with `holders` holders to those with one more.
    fn raise(&mut self, positions: &mut [u32], piece: u32, holders: u16) {
        // One more than the new number, so that the new one has a start to be moved.
        let buckets = usize::from(holders) + 2;
        if self.starts.len() < buckets {
            self.starts.resize(buckets, 0);
        }
        let first = self.start(holders);
        self.swap(positions, positions[piece as usize], first);
        self.starts[usize::from(holders)] += 1;
    }

    /// From the pieces with `holders` holders to those with one less.
    fn lower(&mut self, positions: &mut [u32], piece: u32, holders: u16) {
        let Some(fewer) = holders.checked_sub(1) else { return };
        let last = self.end(holders) - 1;
        self.swap(positions, positions[piece as usize], last);
        self.starts[usize::from(fewer)] -= 1;
    }

    /// Gives the piece any place among its equals.
    fn shuffle(&mut self, positions: &mut [u32], piece: u32, holders: u16, rng: &mut Rng) {
        let place = rng.u32(self.start(holders)..self.end(holders));
        self.swap(positions, positions[piece as usize], place);
    }
}

impl Ranked {
    /// Empty, for pieces numbered below `pieces`.
    pub(super) fn new(pieces: u32) -> Self {
        Self {
            shelves: [const { Shelf { order: Vec::new(), starts: Vec::new() } }; 4],
            positions: vec![0; pieces as usize],
        }
    }

    /// Puts in a piece that is not there.
    pub(super) fn insert(&mut self, piece: u32, rank: Rank, rng: &mut Rng) {
        let Self { shelves, positions } = self;
        let shelf = &mut shelves[rank.class as usize];
        positions[piece as usize] = shelf.order.len() as u32;
        shelf.order.push(piece);
        for holders in 0..rank.holders {
            shelf.raise(positions, piece, holders);
        }
        shelf.shuffle(positions, piece, rank.holders, rng);
    }

    /// Takes out a piece that is there, with this rank.
    pub(super) fn remove(&mut self, piece: u32, rank: Rank) {
        let Self { shelves, positions } = self;
        let shelf = &mut shelves[rank.class as usize];
        for holders in (1..=rank.holders).rev() {
            shelf.lower(positions, piece, holders);
        }
        let last = shelf.order.len() as u32 - 1;
        let position = positions[piece as usize];
        shelf.swap(positions, position, last);
        shelf.order.pop();
        if shelf.order.is_empty() {
            *shelf = Shelf::default();
        }
    }

    /// A piece that is there, with this rank, gets one more holder.
    pub(super) fn raise(&mut self, piece: u32, rank: Rank, rng: &mut Rng) {
        let shelf = &mut self.shelves[rank.class as usize];
        shelf.raise(&mut self.positions, piece, rank.holders);
        shelf.shuffle(&mut self.positions, piece, rank.holders + 1, rng);
    }

    /// A piece that is there, with this rank, loses a holder.
    pub(super) fn lower(&mut self, piece: u32, rank: Rank, rng: &mut Rng) {
        let shelf = &mut self.shelves[rank.class as usize];
        shelf.lower(&mut self.positions, piece, rank.holders);
        shelf.shuffle(&mut self.positions, piece, rank.holders.saturating_sub(1), rng);
    }

    /// How many pieces of the class there are.
    pub(super) fn len(&self, class: Class) -> usize {
        self.shelves[class as usize].order.len()
    }

    /// How many pieces of all classes have a holder.
    pub(super) fn held(&self) -> usize {
        self.shelves.iter().map(|shelf| shelf.start(0) as usize).sum()
    }

    /// Any piece of the class.
    pub(super) fn random(&self, class: Class, rng: &mut Rng) -> Option<u32> {
        rng.choice(&self.shelves[class as usize].order).copied()
    }

    /// The pieces of the class that have a holder, rarest first.
    pub(super) fn rarest_held(&self, class: Class) -> impl Iterator<Item = u32> + '_ {
        let shelf = &self.shelves[class as usize];
        shelf.order[..shelf.start(0) as usize].iter().rev().copied()
    }

    /// The pieces of the class that have no holder.
    pub(super) fn unheld(&self, class: Class) -> impl Iterator<Item = u32> + '_ {
        let shelf = &self.shelves[class as usize];
        shelf.order[shelf.start(0) as usize..].iter().rev().copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    const PIECES: u32 = 40;

    proptest! {
        #[test]
        fn pieces_come_by_class_and_then_rarest_first_through_every_change(
            steps in proptest::collection::vec((0..PIECES, 0..6_u8), 0..300), seed: u64,
        ) {
            let mut rng = Rng::with_seed(seed);
            let mut ranked = Ranked::new(PIECES);
            let mut model: Vec<Option<Rank>> = vec![None; PIECES as usize];
            for (piece, step) in steps {
                let entry = &mut model[piece as usize];
                match (*entry, step) {
                    (None, _) => {
                        let rank = Rank { class: Class::ALL[step as usize % 4], holders: piece as u16 % 5 };
                        ranked.insert(piece, rank, &mut rng);
                        *entry = Some(rank);
                    }
                    (Some(rank), 0) => {
                        ranked.remove(piece, rank);
                        *entry = None;
                    }
                    (Some(rank), 1 | 2) if rank.holders > 0 => {
                        ranked.lower(piece, rank, &mut rng);
                        *entry = Some(Rank { holders: rank.holders - 1, ..rank });
                    }
                    (Some(rank), _) => {
                        ranked.raise(piece, rank, &mut rng);
                        *entry = Some(Rank { holders: rank.holders + 1, ..rank });
                    }
                }
                for class in Class::ALL {
                    let listed: Vec<(u16, u32)> = ranked
                        .unheld(class)
                        .chain(ranked.rarest_held(class))
                        .map(|piece| (model[piece as usize].unwrap().holders, piece))
                        .collect();
                    prop_assert!(listed.is_sorted_by_key(|(holders, _)| *holders));
                    prop_assert_eq!(listed.len(), ranked.len(class));
                    let mut pieces: Vec<u32> = listed.into_iter().map(|(_, piece)| piece).collect();
                    pieces.sort_unstable();
                    let expected: Vec<u32> = (0..PIECES)
                        .filter(|piece| model[*piece as usize].is_some_and(|rank| rank.class == class))
                        .collect();
                    prop_assert_eq!(pieces, expected);
                }
                let held = model.iter().flatten().filter(|rank| rank.holders > 0).count();
                prop_assert_eq!(ranked.held(), held);
            }
        }
    }

    #[test]
    fn equals_come_in_random_order() {
        let first = |seed| {
            let mut rng = Rng::with_seed(seed);
            let mut ranked = Ranked::new(PIECES);
            for piece in 0..PIECES {
                ranked.insert(piece, Rank { class: Class::Normal, holders: 3 }, &mut rng);
            }
            ranked.rarest_held(Class::Normal).next().unwrap()
        };
        let mut firsts: Vec<u32> = (0..400).map(first).collect();
        firsts.sort_unstable();
        firsts.dedup();
        assert!(firsts.len() > 30, "{firsts:?}");
    }
}
