//! What unfair peers give: lies, refusals, or just enough.

use std::cmp::Reverse;
use std::time::Duration;

use bytes::Bytes;
use sprat_core::io::ConnectionId;
use sprat_wire::peer::message::{BlockRequest, Message};

use super::Hostile;
use crate::behaviour::Behaviour;

/// How often a strategic peer settles its accounts (BitTyrant, Piatek et al. 2007: every rechoke, 10 s).
pub(super) const ROUND: Duration = Duration::from_secs(10);

/// What a strategic peer believes at first that others want, bytes per round.
pub(super) const FIRST_PRICE: u64 = 128 * 1024;

/// Bytes that wait for one peer.
const MOST_UNSENT: usize = 256 * 1024;

impl Hostile {
    pub(super) const fn claims_everything(&self) -> bool {
        matches!(self.behaviour, Behaviour::ColludingPoisoner { .. } | Behaviour::Liar { .. })
    }

    pub(super) fn unchoke(&mut self, connection: ConnectionId) {
        let Some(other) = self.others.get_mut(&connection) else { return };
        if std::mem::replace(&mut other.choked_by_us, false) {
            self.say(connection, &Message::Unchoke);
        }
    }

    fn choke(&mut self, connection: ConnectionId) {
        let Some(other) = self.others.get_mut(&connection) else { return };
        if std::mem::replace(&mut other.choked_by_us, true) {
            return;
        }
        let wanted = std::mem::take(&mut other.wanted);
        let is_fast = other.is_fast;
        self.say(connection, &Message::Choke);
        for request in wanted.into_iter().filter(|_| is_fast) {
            self.say(connection, &Message::RejectRequest(request));
        }
    }

    /// Answers requests as its nature is.
    pub(super) fn give(&mut self, connection: ConnectionId) {
        while let Some(other) = self.others.get_mut(&connection)
            && other.unsent < MOST_UNSENT
            && let Some(request) = other.wanted.pop_front()
        {
            let (is_fast, choked) = (other.is_fast, other.choked_by_us);
            match self.behaviour {
                Behaviour::ColludingPoisoner { per_mille } if !choked => {
                    self.send_block(connection, request, is_spoilt(request.piece, per_mille));
                }
                Behaviour::Strategic if !choked && other.given < other.price => {
                    self.send_block(connection, request, false);
                }
                // Paid in full: the rest has to wait for the next round.
                Behaviour::Strategic if !choked => {
                    other.wanted.push_front(request);
                    return;
                }
                Behaviour::Liar { rejects: false } => {}
                _ if is_fast => self.say(connection, &Message::RejectRequest(request)),
                _ => {}
            }
        }
    }

    fn send_block(&mut self, connection: ConnectionId, request: BlockRequest, spoilt: bool) {
        let BlockRequest { piece, begin, length } = request;
        let bytes = self.content.geometry().piece(piece).map(|piece| self.content.piece(piece));
        let (from, to) = (begin as usize, begin as usize + length as usize);
        let Some(bytes) = bytes.filter(|bytes| to <= bytes.len()) else { return };
        let mut block = bytes.slice(from..to);
        if spoilt {
            block = Bytes::from_iter(block.iter().map(|byte| !byte));
        }
        self.uploaded += u64::from(length);
        if let Some(other) = self.others.get_mut(&connection) {
            other.given += u64::from(length);
        }
        self.say(connection, &Message::Piece { piece, begin, block });
    }

    /// A strategic peer looks who was worth it: who has given for the price may get less, who has not wants more.
    pub(super) fn settle_accounts(&mut self) {
        if self.behaviour != Behaviour::Strategic {
            return;
        }
        let mut worth = Vec::new();
        for (connection, other) in &mut self.others {
            if other.served_us {
                other.price = other.price * 9 / 10;
            } else if !other.choked_by_us {
                other.price = (other.price * 12 / 10).min(64 << 20);
            }
            other.price = other.price.max(16 * 1024);
            worth.push((Reverse(other.received.max(1) * 1024 / other.price), *connection, other.price));
            (other.received, other.given, other.served_us) = (0, 0, false);
        }
        worth.sort_unstable();
        // Who has everything that it wants has no reason to give.
        let mut budget = if self.have.is_full() { 0 } else { self.upload * ROUND.as_secs() };
        for (_, connection, price) in worth {
            if price <= budget {
                budget -= price;
                self.unchoke(connection);
            } else {
                self.choke(connection);
            }
        }
    }
}

/// Colluders lie about the same pieces, in the same words.
fn is_spoilt(piece: u32, per_mille: u16) -> bool {
    let mixed = piece.wrapping_mul(0x9e37_79b1) >> 12;
    mixed % 1000 < u32::from(per_mille)
}
