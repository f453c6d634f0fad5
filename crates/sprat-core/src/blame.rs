//! Who poisoned a piece that failed its hash?
//!
//! A piece usually has several senders, and its hash says only that one of them lied. So the fingerprints of the
//! rejected copy are kept, block by block, with the sender of each; the piece is fetched again from one peer alone,
//! and once a copy is right, whoever sent other bytes is known for certain. In v2 torrents the true fingerprints can
//! be had without a good copy (BEP 52: the leaves of the file's tree).
//!
//! Nobody is convicted on evidence that fits somebody else as well, ourselves included.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use sprat_wire::hash::{PeerId, Sha256Hash};

use crate::geometry::PieceIndex;

/// Evidence is kept on so many pieces; the oldest is dropped first. With a piece under suspicion fetched from one
/// peer alone, this is more than a swarm that is worth staying in needs.
const MAX_PIECES: usize = 64;

/// Evidence is kept on so many blocks of all pieces together (5 MB); the oldest is dropped first. Enough for two
/// copies of the largest pieces, 512 MiB.
const MAX_BLOCKS: usize = 65_536;

/// Who sent a block, recognisable over several connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey {
    /// The remote address.
    pub ip: IpAddr,
    /// What the peer called itself.
    pub id: PeerId,
}

/// What a failed hash says about the senders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything came from this one peer: it is guilty.
    Convicted(PeerKey),
    /// One of several senders is guilty. Fetch the piece again from one peer alone.
    Suspect,
    /// Whole copies from different single peers failed: this may be the torrent's or our own fault. Nobody is to be
    /// banned; fetch the piece again from a peer that has not been tried ([`Blame::has_tried`]).
    Doubtful,
}

/// What the true leaf hashes say about the rejected copies of a piece.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exact {
    /// Who sent bad blocks, ascending.
    pub guilty: Vec<PeerKey>,
    /// The bad blocks of the last rejected copy, ascending. None at all means that our own memory or disk is at fault.
    pub bad_blocks: Vec<u32>,
}

/// The evidence of one torrent.
#[derive(Debug, Default)]
pub struct Blame {
    pieces: BTreeMap<PieceIndex, Vec<Copy>>,
    /// One entry for each copy in `pieces`, oldest first. Copies of a piece are in the same order in both.
    ages: VecDeque<PieceIndex>,
    /// Blocks of all copies.
    blocks: usize,
}

/// A rejected copy of a piece.
#[derive(Debug)]
struct Copy {
    leaves: Vec<Sha256Hash>,
    senders: Vec<Option<PeerKey>>,
}

impl Copy {
    /// Who sent all of it, if that was one peer.
    fn sole_sender(&self) -> Option<PeerKey> {
        let first = *self.senders.first()?;
        if self.senders.len() < self.leaves.len() {
            return None;
        }
        self.senders.iter().all(|sender| *sender == first).then_some(first).flatten()
    }

    /// The blocks that are not as they should be.
    fn bad_blocks<'a>(&'a self, good: &'a [Sha256Hash]) -> impl Iterator<Item = usize> + 'a {
        self.leaves
            .iter()
            .zip(good)
            .enumerate()
            .filter(|(_, (ours, good))| ours != good)
            .map(|(block, _)| block)
    }
}

impl Blame {
    /// No evidence.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of `piece` failed its hash: the SHA-256 of each block, and who sent it, where that is known. The copy is
    /// kept as evidence in any case: a conviction now does not clear those who had a part in earlier copies.
    pub fn rejected(
        &mut self,
        piece: PieceIndex,
        leaves: Vec<Sha256Hash>,
        senders: Vec<Option<PeerKey>>,
    ) -> Verdict {
        let copy = Copy { leaves, senders };
        let sole_sender = copy.sole_sender();
        let earlier = self.pieces.get(&piece).map_or(&[] as &[Copy], Vec::as_slice);
        // When two peers each send a whole piece and neither passes, then both lie, or the torrent's hash is wrong,
        // or what we receive is damaged on its way through our memory. A good copy will tell.
        let is_doubtful =
            earlier.iter().filter_map(Copy::sole_sender).any(|sender| Some(sender) != sole_sender);
        self.keep(piece, copy);
        match sole_sender {
            None => Verdict::Suspect,
            Some(_) if is_doubtful => Verdict::Doubtful,
            Some(sender) => Verdict::Convicted(sender),
        }
    }

    /// Whether there is evidence about this piece: its good leaves are wanted.
    #[must_use]
    pub fn is_suspect(&self, piece: PieceIndex) -> bool {
        self.pieces.contains_key(&piece)
    }

    /// Whether a copy of this piece that came from this peer alone has failed.
    #[must_use]
    pub fn has_tried(&self, piece: PieceIndex, peer: PeerKey) -> bool {
        self.pieces
            .get(&piece)
            .is_some_and(|copies| copies.iter().any(|copy| copy.sole_sender() == Some(peer)))
    }

    /// A copy of `piece` passed its hash, and these are the SHA-256 of its blocks: who sent other bytes, ascending.
    /// Everybody else is innocent, and the case is closed.
    pub fn cleared(&mut self, piece: PieceIndex, good_leaves: &[Sha256Hash]) -> Vec<PeerKey> {
        self.exact(piece, good_leaves).guilty
    }

    /// The true leaf hashes of `piece` (BEP 52), proved against its root, are known although no copy has passed yet.
    /// The case is closed.
    pub fn exact(&mut self, piece: PieceIndex, expected_leaves: &[Sha256Hash]) -> Exact {
        let copies = self.close(piece);
        let mut guilty = BTreeSet::new();
        for copy in &copies {
            let bad = copy.bad_blocks(expected_leaves);
            guilty.extend(bad.filter_map(|block| copy.senders.get(block).copied().flatten()));
        }
        let bad_blocks = copies
            .last()
            .map(|copy| copy.bad_blocks(expected_leaves).map(|block| block as u32).collect())
            .unwrap_or_default();
        Exact { guilty: guilty.into_iter().collect(), bad_blocks }
    }

    fn keep(&mut self, piece: PieceIndex, copy: Copy) {
        self.blocks += copy.leaves.len();
        self.pieces.entry(piece).or_default().push(copy);
        self.ages.push_back(piece);
        while self.pieces.len() > MAX_PIECES || (self.blocks > MAX_BLOCKS && self.ages.len() > 1) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some(piece) = self.ages.pop_front() else { return };
        let Some(copies) = self.pieces.get_mut(&piece) else { return };
        self.blocks -= copies.remove(0).leaves.len();
        if copies.is_empty() {
            self.pieces.remove(&piece);
        }
    }

    fn close(&mut self, piece: PieceIndex) -> Vec<Copy> {
        let copies = self.pieces.remove(&piece).unwrap_or_default();
        self.blocks -= copies.iter().map(|copy| copy.leaves.len()).sum::<usize>();
        self.ages.retain(|aged| *aged != piece);
        copies
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::collection::vec;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
    use sprat_wire::metainfo::{Attributes, File, Info, Version};

    use super::*;
    use crate::geometry::Geometry;

    fn piece(index: u32) -> PieceIndex {
        let file = File {
            path: "file".into(),
            original_path: None,
            length: 1 << 40,
            attributes: Attributes::default(),
            pieces_root: None,
        };
        let geometry = Geometry::new(&Info {
            name: "file".into(),
            version: Version::V1,
            piece_length: 1 << 20,
            files: vec![file],
            v1_pieces: None,
            private: false,
            single_file: true,
            similar: Vec::new(),
            collections: Vec::new(),
        });
        geometry.piece(index).unwrap()
    }

    fn peer(number: u8) -> PeerKey {
        PeerKey { ip: Ipv4Addr::new(10, 0, 0, number).into(), id: PeerId([number; 20]) }
    }

    fn from(numbers: &[u8]) -> Vec<Option<PeerKey>> {
        numbers.iter().map(|number| Some(peer(*number))).collect()
    }

    /// A good block is 0.
    fn leaves(blocks: &[u8]) -> Vec<Sha256Hash> {
        blocks.iter().map(|block| Sha256Hash([*block; 32])).collect()
    }

    const GOOD: [u8; 3] = [0; 3];

    #[test]
    fn a_sole_sender_is_convicted_at_once() {
        let mut blame = Blame::new();
        let verdict = blame.rejected(piece(0), leaves(&[0, 9, 0]), from(&[1, 1, 1]));
        assert_eq!(verdict, Verdict::Convicted(peer(1)));
        let verdict = blame.rejected(piece(0), leaves(&[0, 9, 0]), from(&[1, 1, 1]));
        assert_eq!(verdict, Verdict::Convicted(peer(1)), "again the same");
        assert!(blame.has_tried(piece(0), peer(1)) && !blame.has_tried(piece(1), peer(1)));
    }

    #[test]
    fn of_several_senders_the_good_copy_convicts_who_sent_other_bytes() {
        let mut blame = Blame::new();
        assert_eq!(blame.rejected(piece(0), leaves(&[0, 9, 0]), from(&[1, 2, 3])), Verdict::Suspect);
        assert!(blame.is_suspect(piece(0)) && !blame.has_tried(piece(0), peer(2)));
        assert_eq!(blame.cleared(piece(0), &leaves(&GOOD)), [peer(2)]);
        assert!(!blame.is_suspect(piece(0)));
        assert_eq!(blame.cleared(piece(0), &leaves(&GOOD)), []);
    }

    #[test]
    fn whoever_fails_alone_is_guilty_and_the_first_copy_stays_evidence() {
        let mut blame = Blame::new();
        assert_eq!(blame.rejected(piece(0), leaves(&[0, 9, 0]), from(&[1, 2, 1])), Verdict::Suspect);
        let verdict = blame.rejected(piece(0), leaves(&[8, 0, 0]), from(&[4, 4, 4]));
        assert_eq!(verdict, Verdict::Convicted(peer(4)));
        assert_eq!(blame.cleared(piece(0), &leaves(&GOOD)), [peer(2), peer(4)]);
    }

    #[test]
    fn whole_copies_from_different_peers_convict_nobody_until_one_is_good() {
        let mut blame = Blame::new();
        blame.rejected(piece(0), leaves(&[7, 0, 0]), from(&[1, 1, 1]));
        for number in 2..5 {
            let verdict = blame.rejected(piece(0), leaves(&[7, 0, 0]), from(&[number; 3]));
            assert_eq!(verdict, Verdict::Doubtful);
            assert!(blame.has_tried(piece(0), peer(number)));
        }
        // It was the torrent that was wrong after all, or else:
        assert_eq!(blame.cleared(piece(0), &leaves(&GOOD)), [peer(1), peer(2), peer(3), peer(4)]);
    }

    #[test]
    fn unknown_senders_are_never_convicted_and_shield_others_from_a_quick_verdict() {
        let mut blame = Blame::new();
        let mut senders = from(&[1, 1, 1]);
        senders[1] = None;
        assert_eq!(blame.rejected(piece(0), leaves(&[0, 9, 0]), senders), Verdict::Suspect);
        assert_eq!(blame.rejected(piece(0), leaves(&[0, 9, 0]), vec![None; 3]), Verdict::Suspect);
        assert_eq!(blame.rejected(piece(0), leaves(&[0, 9, 0]), from(&[1])), Verdict::Suspect);
        assert_eq!(blame.rejected(piece(0), leaves(&GOOD), vec![]), Verdict::Suspect);
        assert_eq!(blame.cleared(piece(0), &leaves(&GOOD)), []);
    }

    #[test]
    fn true_leaves_convict_without_a_good_copy_and_name_the_bad_blocks() {
        let mut blame = Blame::new();
        blame.rejected(piece(0), leaves(&[5, 0, 0]), from(&[1, 2, 3]));
        blame.rejected(piece(0), leaves(&[0, 9, 9]), from(&[1, 2, 3]));
        let exact = blame.exact(piece(0), &leaves(&GOOD));
        assert_eq!(exact, Exact { guilty: vec![peer(1), peer(2), peer(3)], bad_blocks: vec![1, 2] });
        blame.rejected(piece(0), leaves(&GOOD), from(&[1, 2, 3]));
        assert_eq!(blame.exact(piece(0), &leaves(&GOOD)), Exact::default(), "our own fault");
    }

    #[test]
    fn evidence_is_bounded_and_the_oldest_is_dropped() {
        let mut blame = Blame::new();
        for index in 0..MAX_PIECES as u32 + 1 {
            blame.rejected(piece(index), leaves(&[9, 9, 9]), from(&[1, 2, 3]));
        }
        assert!(!blame.is_suspect(piece(0)) && blame.is_suspect(piece(1)));
        let large = vec![Sha256Hash::ZERO; MAX_BLOCKS];
        blame.rejected(piece(1), large.clone(), vec![None; MAX_BLOCKS]);
        assert_eq!((blame.blocks, blame.pieces.len()), (MAX_BLOCKS, 1));
        blame.rejected(piece(1), large, vec![None; MAX_BLOCKS]);
        assert_eq!((blame.blocks, blame.pieces.len(), blame.ages.len()), (MAX_BLOCKS, 1, 1));
    }

    proptest! {
        /// Peers below 3 are honest, the others send bad blocks at times.
        #[test]
        fn the_honest_are_never_convicted_and_a_good_copy_convicts_all_others_involved(
            copies in vec(vec((0..8_u8, 0..3_u8), 3), 1..12),
        ) {
            let mut blame = Blame::new();
            let mut liars = BTreeSet::new();
            for copy in copies {
                let sent: Vec<(u8, u8)> =
                    copy.into_iter().map(|(who, block)| (who, if who < 3 { 0 } else { block })).collect();
                if sent.iter().all(|(_, block)| *block == 0) {
                    continue;
                }
                let (who, blocks): (Vec<u8>, Vec<u8>) = sent.iter().copied().unzip();
                liars.extend(sent.iter().filter(|(_, block)| *block != 0).map(|(who, _)| peer(*who)));
                if let Verdict::Convicted(guilty) = blame.rejected(piece(0), leaves(&blocks), from(&who)) {
                    prop_assert!(liars.contains(&guilty));
                }
            }
            prop_assert_eq!(blame.cleared(piece(0), &leaves(&GOOD)), liars.into_iter().collect::<Vec<_>>());
        }
    }
}
