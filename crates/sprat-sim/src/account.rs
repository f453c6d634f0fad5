//! Who gave how much payload to whom.

use sprat_wire::BLOCK_LENGTH;

use crate::network::Parcel;
use crate::peer_number::PeerNumber;

/// In swarms of no more peers it is written down for each pair of them.
pub const MATRIX_PEERS: usize = 100;

/// Length prefix, id, piece and offset of a block's message (BEP 3).
const BLOCK_HEADER: usize = 13;

/// The id of a block's message (BEP 3).
const PIECE_ID: u8 = 7;

/// What one peer has given, bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    /// By the group of those it was given to.
    pub(crate) to_groups: Vec<u64>,
    /// By those themselves; only in small swarms.
    pub(crate) to_peers: Vec<u64>,
}

impl Account {
    /// A parcel has left for a peer of this group, and of this number in a small swarm.
    pub(crate) fn enter(&mut self, group: u16, peer: Option<PeerNumber>, parcel: &Parcel) {
        let payload: u64 = parcel.segments().iter().map(|segment| payload_of(segment)).sum();
        if payload > 0 {
            add(&mut self.to_groups, usize::from(group), payload);
            if let Some(peer) = peer {
                add(&mut self.to_peers, peer.index(), payload);
            }
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.to_groups.iter().sum()
    }
}

fn add(row: &mut Vec<u64>, to: usize, bytes: u64) {
    if row.len() <= to {
        row.resize(to + 1, 0);
    }
    if let Some(cell) = row.get_mut(to) {
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
    use bytes::{Bytes, BytesMut};
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
    fn what_is_given_is_counted_by_group_and_in_small_swarms_by_peer() {
        let mut account = Account::default();
        let header = Parcel::Bytes(Bytes::from_static(&[0, 0, 0, 14, 7, 0, 0, 0, 0, 0, 0, 0, 0]));
        account.enter(2, Some(PeerNumber(1)), &header);
        account.enter(0, None, &header);
        assert_eq!((account.to_groups, account.to_peers), (vec![5, 0, 5], vec![0, 5]));
    }
}
