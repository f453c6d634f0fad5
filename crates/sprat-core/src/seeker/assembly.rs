//! The info dictionary as it is put together, piece by piece.

use std::collections::BTreeSet;
use std::time::Duration;

use sprat_wire::peer::metadata::METADATA_PIECE_LENGTH;

use crate::io::ConnectionId;
use crate::time::Time;

/// A piece that does not come in this time is asked of somebody else.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// One attempt: all its pieces are of an info dictionary of one size.
#[derive(Debug)]
pub(super) struct Assembly {
    size: u32,
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    missing: usize,
    senders: BTreeSet<ConnectionId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Missing,
    Asked { of: ConnectionId, at: Time },
    There,
}

impl Assembly {
    /// Of `size` bytes, none of which is there. Memory is taken as they come.
    pub(super) fn new(size: u32) -> Self {
        let pieces = size.div_ceil(METADATA_PIECE_LENGTH) as usize;
        Self {
            size,
            bytes: Vec::new(),
            pieces: vec![Piece::Missing; pieces],
            missing: pieces,
            senders: BTreeSet::new(),
        }
    }

    pub(super) const fn size(&self) -> u32 {
        self.size
    }

    /// Bytes that are there.
    pub(super) fn received(&self) -> u32 {
        let there = self.pieces.len() - self.missing;
        u32::try_from(there).unwrap_or(u32::MAX).saturating_mul(METADATA_PIECE_LENGTH).min(self.size)
    }

    /// A piece that nobody is being asked for; from now on `of` is.
    pub(super) fn ask(&mut self, of: ConnectionId, now: Time) -> Option<u32> {
        let at = self.pieces.iter().position(|piece| *piece == Piece::Missing)?;
        self.pieces[at] = Piece::Asked { of, at: now };
        u32::try_from(at).ok()
    }

    /// How many pieces this peer owes.
    pub(super) fn owed_by(&self, peer: ConnectionId) -> usize {
        self.pieces.iter().filter(|piece| matches!(piece, Piece::Asked { of, .. } if *of == peer)).count()
    }

    fn owes(&self, peer: ConnectionId, piece: u32) -> bool {
        matches!(self.pieces.get(piece as usize), Some(Piece::Asked { of, .. }) if *of == peer)
    }

    /// Takes a piece in. `false` if it was not asked of this peer, or has not the right length.
    pub(super) fn take(&mut self, from: ConnectionId, piece: u32, data: &[u8]) -> bool {
        let begin = piece as usize * METADATA_PIECE_LENGTH as usize;
        let length = (self.size as usize).saturating_sub(begin).min(METADATA_PIECE_LENGTH as usize);
        if !self.owes(from, piece) || data.len() != length {
            return false;
        }
        let end = begin + length;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[begin..end].copy_from_slice(data);
        self.pieces[piece as usize] = Piece::There;
        self.missing -= 1;
        self.senders.insert(from);
        true
    }

    /// The peer does not give this piece.
    pub(super) fn refused(&mut self, by: ConnectionId, piece: u32) -> bool {
        let owed = self.owes(by, piece);
        if owed {
            self.pieces[piece as usize] = Piece::Missing;
        }
        owed
    }

    /// The peer gives nothing any more.
    pub(super) fn left(&mut self, peer: ConnectionId) {
        for piece in &mut self.pieces {
            if matches!(piece, Piece::Asked { of, .. } if *of == peer) {
                *piece = Piece::Missing;
            }
        }
    }

    /// Peers that have let us wait for too long; what they owe may be asked of others.
    pub(super) fn late(&mut self, now: Time) -> BTreeSet<ConnectionId> {
        let late: BTreeSet<ConnectionId> = self
            .pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Asked { of, at } if now.since(*at) >= ANSWER_LIMIT => Some(*of),
                _ => None,
            })
            .collect();
        for peer in &late {
            self.left(*peer);
        }
        late
    }

    /// Everything, once it is there.
    pub(super) fn complete(&self) -> Option<&[u8]> {
        (self.missing == 0).then_some(self.bytes.as_slice())
    }

    /// Who has sent what is there.
    pub(super) const fn senders(&self) -> &BTreeSet<ConnectionId> {
        &self.senders
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ConnectionId = ConnectionId(1);
    const B: ConnectionId = ConnectionId(2);

    #[test]
    fn pieces_come_from_several_peers_in_any_order() {
        let mut assembly = Assembly::new(16384 + 100);
        assert_eq!(assembly.ask(A, Time::ZERO), Some(0));
        assert_eq!(assembly.ask(B, Time::ZERO), Some(1));
        assert_eq!(assembly.ask(B, Time::ZERO), None);
        assert!(assembly.take(B, 1, &[2; 100]));
        assert_eq!(assembly.complete(), None);
        assert_eq!(assembly.received(), 16384);
        assert!(assembly.take(A, 0, &[1; 16384]));
        assert_eq!(assembly.complete(), Some([[1; 16384].as_slice(), &[2; 100]].concat().as_slice()));
        assert_eq!(assembly.senders().len(), 2);
    }

    #[test]
    fn what_was_not_asked_for_or_has_another_length_is_not_taken() {
        let mut assembly = Assembly::new(20_000);
        assembly.ask(A, Time::ZERO);
        assert!(!assembly.take(B, 0, &[0; 16384]), "asked of another");
        assert!(!assembly.take(A, 1, &[0; 3616]), "not asked");
        assert!(!assembly.take(A, u32::MAX, &[0; 16384]));
        assert!(!assembly.take(A, 0, &[0; 16383]));
        assert!(assembly.take(A, 0, &[0; 16384]));
        assert!(!assembly.take(A, 0, &[0; 16384]), "twice");
    }

    #[test]
    fn what_is_refused_late_or_lost_is_asked_of_somebody_else() {
        let mut assembly = Assembly::new(40_000);
        for _ in 0..3 {
            assembly.ask(A, Time::ZERO);
        }
        assert!(assembly.refused(A, 1));
        assert_eq!(assembly.ask(B, Time::from_secs(9)), Some(1));
        assert_eq!(assembly.late(Time::from_secs(11)), [A].into());
        assert_eq!(assembly.ask(B, Time::from_secs(11)), Some(0));
        assembly.left(B);
        assert_eq!(assembly.owed_by(B), 0);
        assert_eq!(assembly.ask(A, Time::from_secs(12)), Some(0));
    }
}
