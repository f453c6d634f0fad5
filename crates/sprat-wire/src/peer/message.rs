//! The messages after the handshake (BEP 3, 6, 10, 52).

use bytes::Bytes;

use crate::hash::Sha256Hash;

/// One message. Integers are as on the wire: nothing here has been checked against a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Length zero.
    KeepAlive,
    /// 0
    Choke,
    /// 1
    Unchoke,
    /// 2
    Interested,
    /// 3
    NotInterested,
    /// 4: the sender has this piece.
    Have(u32),
    /// 5: one bit per piece, high bit first.
    Bitfield(Bytes),
    /// 6
    Request(BlockRequest),
    /// 7
    Piece {
        /// Piece index.
        piece: u32,
        /// Offset in the piece, bytes.
        begin: u32,
        /// The data; a counted reference into the receive buffer.
        block: Bytes,
    },
    /// 8
    Cancel(BlockRequest),
    /// 9: UDP port of the sender's DHT node (BEP 5).
    Port(u16),
    /// 13 (BEP 6)
    SuggestPiece(u32),
    /// 14 (BEP 6)
    HaveAll,
    /// 15 (BEP 6)
    HaveNone,
    /// 16 (BEP 6)
    RejectRequest(BlockRequest),
    /// 17 (BEP 6)
    AllowedFast(u32),
    /// 20 (BEP 10): `id` 0 is the extension handshake.
    Extended {
        /// Extension message id as the receiver assigned it.
        id: u8,
        /// The rest, usually starting with a bencoded dictionary.
        payload: Bytes,
    },
    /// 21 (BEP 52)
    HashRequest(HashRequest),
    /// 22 (BEP 52)
    Hashes {
        /// What is answered.
        request: HashRequest,
        /// The asked layer's hashes followed by the uncle hashes, 32 bytes each.
        hashes: Vec<Sha256Hash>,
    },
    /// 23 (BEP 52)
    HashReject(HashRequest),
    /// A message id that sprat does not know; its payload was skipped, not buffered.
    Unknown(u8),
}

/// The subject of `request`, `cancel` and `reject request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockRequest {
    /// Piece index.
    pub piece: u32,
    /// Offset in the piece, bytes.
    pub begin: u32,
    /// Bytes.
    pub length: u32,
}

/// The subject of `hash request`, `hashes` and `hash reject` (BEP 52).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashRequest {
    /// Root of the file's tree.
    pub pieces_root: Sha256Hash,
    /// The layer asked for, counted from the leaves: 0 is the 16 KiB leaves.
    pub base_layer: u32,
    /// Offset in that layer, a multiple of `length`.
    pub index: u32,
    /// How many hashes of that layer, a power of two, at least 2.
    pub length: u32,
    /// How many layers of uncle hashes should prove them.
    pub proof_layers: u32,
}
