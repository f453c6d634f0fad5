//! Who gave how much payload to whom.

use bytes::Bytes;
use sprat_wire::BLOCK_LENGTH;

use crate::behaviour::Behaviour;
use crate::peer::PeerConfig;
use crate::peer_number::PeerNumber;
use crate::report::Flows;

/// In swarms of no more peers it is written down for each pair of them.
pub const MATRIX_PEERS: usize = 100;

/// Length prefix, id, piece and offset of a block's message (BEP 3).
const BLOCK_HEADER: usize = 13;

/// The id of a block's message (BEP 3).
const PIECE_ID: u8 = 7;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    flows: Flows,
    accounts: Vec<Account>,
}

#[derive(Debug, Clone, Copy)]
struct Account {
    group: usize,
    contributes: bool,
}

impl Ledger {
    /// One more peer, the next in number.
    pub(super) fn open(&mut self, config: &PeerConfig) {
        let (group, contributes) = (usize::from(config.group), config.behaviour == Behaviour::Honest);
        self.accounts.push(Account { group, contributes });
        if group >= self.flows.groups.len() {
            widen(&mut self.flows.groups, group + 1);
        }
        match self.accounts.len() {
            peers @ ..=MATRIX_PEERS => widen(&mut self.flows.peers, peers),
            _ => self.flows.peers.clear(),
        }
    }

    /// A chunk has left.
    pub(super) fn enter(&mut self, from: PeerNumber, to: PeerNumber, chunk: &[Bytes]) {
        let payload: u64 = chunk.iter().map(|segment| payload_of(segment)).sum();
        if payload == 0 {
            return;
        }
        let account = |peer: PeerNumber| self.accounts.get(peer.index()).copied();
        let (Some(giver), Some(taker)) = (account(from), account(to)) else { return };
        add(&mut self.flows.groups, giver.group, taker.group, payload);
        add(&mut self.flows.peers, from.index(), to.index(), payload);
        if giver.contributes {
            self.flows.by_contributors += payload;
        }
    }

    pub(super) const fn flows(&self) -> &Flows {
        &self.flows
    }

    /// How many groups there are.
    pub(super) fn groups(&self) -> usize {
        self.flows.groups.len()
    }
}

fn widen(matrix: &mut Vec<Vec<u64>>, size: usize) {
    matrix.resize_with(size, Vec::new);
    for row in matrix {
        row.resize(size, 0);
    }
}

fn add(matrix: &mut [Vec<u64>], from: usize, to: usize, bytes: u64) {
    if let Some(cell) = matrix.get_mut(from).and_then(|row| row.get_mut(to)) {
        *cell += bytes;
    }
}

/// Bytes of a block that this announces: sessions send its header, behind what else they have to say, and then the
/// block by itself; unfair peers send both in one. The bytes of blocks are random, and hardly ever look like either.
fn payload_of(segment: &[u8]) -> u64 {
    let announced = |header: &[u8]| {
        let (length, rest) = header.split_first_chunk()?;
        let block = (u32::from_be_bytes(*length) as usize).checked_sub(BLOCK_HEADER - 4)?;
        (rest.first() == Some(&PIECE_ID) && (1..=BLOCK_LENGTH as usize).contains(&block)).then_some(block)
    };
    let at_end = segment.last_chunk::<BLOCK_HEADER>().and_then(|header| announced(header));
    let whole = || announced(segment).filter(|block| block + BLOCK_HEADER == segment.len());
    at_end.or_else(whole).unwrap_or(0) as u64
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use sprat_wire::peer::message::Message;

    use super::*;

    #[test]
    fn a_block_counts_once_however_it_is_sent() {
        let mut whole = BytesMut::new();
        Message::Piece { piece: 7, begin: 0, block: vec![7; 1000].into() }.encode(&mut whole);
        assert_eq!(payload_of(&whole), 1000);
        let block = whole.split_off(BLOCK_HEADER);
        assert_eq!((payload_of(&whole), payload_of(&block)), (1000, 0));
        let mut behind_others = BytesMut::new();
        Message::Have(3).encode(&mut behind_others);
        behind_others.extend_from_slice(&whole);
        assert_eq!(payload_of(&behind_others), 1000);
    }

    #[test]
    fn nothing_else_is_payload() {
        for message in [Message::Choke, Message::Have(7), Message::HaveAll] {
            let mut bytes = BytesMut::new();
            message.encode(&mut bytes);
            assert_eq!(payload_of(&bytes), 0);
        }
        assert_eq!(payload_of(&[]), 0);
        assert_eq!(payload_of(&[0xff, 0xff, 0xff, 0xff, 7]), 0);
    }

    #[test]
    fn large_swarms_have_no_matrix_of_peers() {
        let mut ledger = Ledger::default();
        for group in [0, 2] {
            ledger.open(&PeerConfig { group, ..PeerConfig::default() });
        }
        ledger.enter(
            PeerNumber(0),
            PeerNumber(1),
            &[Bytes::from_static(&[0, 0, 0, 14, 7, 0, 0, 0, 0, 0, 0, 0, 0])],
        );
        assert_eq!((ledger.groups(), ledger.flows().groups[0][2], ledger.flows().peers[0][1]), (3, 5, 5));
        for _ in 0..MATRIX_PEERS {
            ledger.open(&PeerConfig::default());
        }
        assert!(ledger.flows().peers.is_empty());
    }
}
