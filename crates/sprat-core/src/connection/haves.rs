//! Telling the peer what we have.

use std::time::Duration;

use sprat_wire::peer::message::Message;

use super::PeerConnection;
use crate::bitfield::Bitfield;
use crate::geometry::PieceIndex;
use crate::time::Time;

/// News of pieces that the peer has itself wait so long for something that is to be said anyway. It changes nothing that
/// the peer does, but people and programs look at our progress.
const NO_HASTE: Duration = Duration::from_secs(10);

/// Pieces that the peer was not told of yet.
#[derive(Debug, Default)]
pub(super) struct Untold {
    pieces: Vec<PieceIndex>,
    /// Since when the first one waits.
    since: Option<Time>,
}

impl Untold {
    /// Bytes of memory.
    pub(super) fn holds(&self) -> usize {
        self.pieces.capacity() * size_of::<PieceIndex>()
    }

    /// They have waited long enough.
    pub(super) fn is_due(&self, now: Time) -> bool {
        self.since.is_some_and(|since| now.since(since) >= NO_HASTE)
    }
}

impl PeerConnection {
    /// The first message after the handshake: what we have.
    pub(crate) fn say_pieces(&mut self, have: &Bitfield) {
        let message = match (self.is_fast(), have.is_full(), have.is_empty()) {
            (true, true, _) => Message::HaveAll,
            (true, _, true) => Message::HaveNone,
            (false, _, true) => return,
            _ => Message::Bitfield(have.to_wire()),
        };
        self.say(&message);
    }

    /// We have a new piece. In a swarm most of all messages are of this kind, and half of them are to peers who have the
    /// piece already: to these it is told with the next message, unless they want to know for other reasons.
    pub(crate) fn say_have(&mut self, now: Time, piece: PieceIndex, wants_to_know: bool) {
        if wants_to_know || !self.pieces.contains(piece.get()) {
            self.say(&Message::Have(piece.get()));
        } else {
            self.untold.pieces.push(piece);
            self.untold.since.get_or_insert(now);
        }
    }

    /// Puts what was not told yet before what is going to be sent: behind it, the data of a block may follow.
    pub(super) fn say_the_untold(&mut self) {
        if self.untold.since.take().is_none() {
            return;
        }
        let said = std::mem::take(&mut self.outbox);
        for piece in std::mem::take(&mut self.untold.pieces) {
            self.say(&Message::Have(piece.get()));
        }
        self.outbox.extend_from_slice(&said);
    }
}
