//! The messages after the handshake (BEP 3, 6, 10, 52).
//!
//! Every message is a four-byte length, one byte of id and a payload; [`Deframer`](super::deframer::Deframer) finds
//! them in a stream.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use thiserror::Error;

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

/// Length prefix, id, piece and begin: what stands before the data of a `piece` message.
pub const PIECE_HEADER_LENGTH: usize = 13;

/// The ids on the wire.
pub mod id {
    #![expect(missing_docs, reason = "the names are those of the messages")]
    pub const CHOKE: u8 = 0;
    pub const UNCHOKE: u8 = 1;
    pub const INTERESTED: u8 = 2;
    pub const NOT_INTERESTED: u8 = 3;
    pub const HAVE: u8 = 4;
    pub const BITFIELD: u8 = 5;
    pub const REQUEST: u8 = 6;
    pub const PIECE: u8 = 7;
    pub const CANCEL: u8 = 8;
    pub const PORT: u8 = 9;
    pub const SUGGEST_PIECE: u8 = 13;
    pub const HAVE_ALL: u8 = 14;
    pub const HAVE_NONE: u8 = 15;
    pub const REJECT_REQUEST: u8 = 16;
    pub const ALLOWED_FAST: u8 = 17;
    pub const EXTENDED: u8 = 20;
    pub const HASH_REQUEST: u8 = 21;
    pub const HASHES: u8 = 22;
    pub const HASH_REJECT: u8 = 23;

    /// Whether a message with this id is one of the above.
    #[must_use]
    pub const fn is_known(id: u8) -> bool {
        matches!(id, CHOKE..=PORT | SUGGEST_PIECE..=ALLOWED_FAST | EXTENDED..=HASH_REJECT)
    }
}

/// The payload of a message has not the length or form that its id asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("malformed payload of message {id}")]
pub struct MalformedPayload {
    /// The message's id.
    pub id: u8,
}

impl Message {
    /// The id on the wire; a keep-alive has none.
    #[must_use]
    pub const fn id(&self) -> Option<u8> {
        Some(match self {
            Self::KeepAlive => return None,
            Self::Choke => id::CHOKE,
            Self::Unchoke => id::UNCHOKE,
            Self::Interested => id::INTERESTED,
            Self::NotInterested => id::NOT_INTERESTED,
            Self::Have(_) => id::HAVE,
            Self::Bitfield(_) => id::BITFIELD,
            Self::Request(_) => id::REQUEST,
            Self::Piece { .. } => id::PIECE,
            Self::Cancel(_) => id::CANCEL,
            Self::Port(_) => id::PORT,
            Self::SuggestPiece(_) => id::SUGGEST_PIECE,
            Self::HaveAll => id::HAVE_ALL,
            Self::HaveNone => id::HAVE_NONE,
            Self::RejectRequest(_) => id::REJECT_REQUEST,
            Self::AllowedFast(_) => id::ALLOWED_FAST,
            Self::Extended { .. } => id::EXTENDED,
            Self::HashRequest(_) => id::HASH_REQUEST,
            Self::Hashes { .. } => id::HASHES,
            Self::HashReject(_) => id::HASH_REJECT,
            Self::Unknown(id) => *id,
        })
    }

    /// Bytes on the wire, length prefix included.
    #[must_use]
    pub const fn encoded_length(&self) -> usize {
        if matches!(self, Self::KeepAlive) {
            return 4;
        }
        self.payload_length().saturating_add(5)
    }

    const fn payload_length(&self) -> usize {
        match self {
            Self::KeepAlive
            | Self::Choke
            | Self::Unchoke
            | Self::Interested
            | Self::NotInterested
            | Self::HaveAll
            | Self::HaveNone
            | Self::Unknown(_) => 0,
            Self::Port(_) => 2,
            Self::Have(_) | Self::SuggestPiece(_) | Self::AllowedFast(_) => 4,
            Self::Request(_) | Self::Cancel(_) | Self::RejectRequest(_) => BlockRequest::LENGTH,
            Self::Bitfield(bits) => bits.len(),
            Self::Piece { block, .. } => block.len().saturating_add(8),
            Self::Extended { payload, .. } => payload.len().saturating_add(1),
            Self::HashRequest(_) | Self::HashReject(_) => HashRequest::LENGTH,
            Self::Hashes { hashes, .. } => {
                HashRequest::LENGTH.saturating_add(hashes.len().saturating_mul(Sha256Hash::LENGTH))
            }
        }
    }

    /// Appends the message with its length prefix. To send a block that need not be copied, use
    /// [`encode_piece_header`]. An unknown message is sent without payload.
    ///
    /// A payload of 4 GiB or more has no encoding; its length prefix would be that of the largest message.
    pub fn encode(&self, out: &mut BytesMut) {
        out.reserve(self.encoded_length());
        let Some(id) = self.id() else {
            out.put_u32(0);
            return;
        };
        out.put_u32(prefix(self.payload_length().saturating_add(1)));
        out.put_u8(id);
        match self {
            Self::KeepAlive
            | Self::Choke
            | Self::Unchoke
            | Self::Interested
            | Self::NotInterested
            | Self::HaveAll
            | Self::HaveNone
            | Self::Unknown(_) => {}
            Self::Port(port) => out.put_u16(*port),
            Self::Have(piece) | Self::SuggestPiece(piece) | Self::AllowedFast(piece) => out.put_u32(*piece),
            Self::Request(request) | Self::Cancel(request) | Self::RejectRequest(request) => {
                request.encode(out);
            }
            Self::Bitfield(bits) => out.put_slice(bits),
            Self::Piece { piece, begin, block } => {
                out.put_u32(*piece);
                out.put_u32(*begin);
                out.put_slice(block);
            }
            Self::Extended { id, payload } => {
                out.put_u8(*id);
                out.put_slice(payload);
            }
            Self::HashRequest(request) | Self::HashReject(request) => request.encode(out),
            Self::Hashes { request, hashes } => {
                request.encode(out);
                for hash in hashes {
                    out.put_slice(&hash.0);
                }
            }
        }
    }

    /// The message with this id and payload. The payload of an unknown id is dropped.
    ///
    /// Nothing is copied but hashes: `bitfield`, `piece` and `extended` keep a counted reference into `payload`.
    pub fn decode(id: u8, mut payload: Bytes) -> Result<Self, MalformedPayload> {
        let message = match id {
            id::CHOKE => Self::Choke,
            id::UNCHOKE => Self::Unchoke,
            id::INTERESTED => Self::Interested,
            id::NOT_INTERESTED => Self::NotInterested,
            id::HAVE_ALL => Self::HaveAll,
            id::HAVE_NONE => Self::HaveNone,
            id::HAVE | id::SUGGEST_PIECE | id::ALLOWED_FAST => {
                let piece = payload.try_get_u32().map_err(|_| MalformedPayload { id })?;
                match id {
                    id::HAVE => Self::Have(piece),
                    id::SUGGEST_PIECE => Self::SuggestPiece(piece),
                    _ => Self::AllowedFast(piece),
                }
            }
            id::REQUEST | id::CANCEL | id::REJECT_REQUEST => {
                let request = BlockRequest::decode(&mut payload).ok_or(MalformedPayload { id })?;
                match id {
                    id::REQUEST => Self::Request(request),
                    id::CANCEL => Self::Cancel(request),
                    _ => Self::RejectRequest(request),
                }
            }
            id::PORT => Self::Port(payload.try_get_u16().map_err(|_| MalformedPayload { id })?),
            id::BITFIELD => return Ok(Self::Bitfield(payload)),
            id::PIECE => {
                let piece = payload.try_get_u32().map_err(|_| MalformedPayload { id })?;
                let begin = payload.try_get_u32().map_err(|_| MalformedPayload { id })?;
                return Ok(Self::Piece { piece, begin, block: payload });
            }
            id::EXTENDED => {
                let extended = payload.try_get_u8().map_err(|_| MalformedPayload { id })?;
                return Ok(Self::Extended { id: extended, payload });
            }
            id::HASH_REQUEST | id::HASH_REJECT => {
                let request = HashRequest::decode(&mut payload).ok_or(MalformedPayload { id })?;
                if id == id::HASH_REQUEST { Self::HashRequest(request) } else { Self::HashReject(request) }
            }
            id::HASHES => {
                let request = HashRequest::decode(&mut payload).ok_or(MalformedPayload { id })?;
                let (hashes, rest) = payload.as_chunks::<{ Sha256Hash::LENGTH }>();
                if !rest.is_empty() {
                    return Err(MalformedPayload { id });
                }
                return Ok(Self::Hashes {
                    request,
                    hashes: hashes.iter().copied().map(Sha256Hash).collect(),
                });
            }
            _ => return Ok(Self::Unknown(id)),
        };
        // What is left after a message of fixed size.
        if payload.is_empty() { Ok(message) } else { Err(MalformedPayload { id }) }
    }
}

/// Appends the thirteen bytes that stand before the `length` bytes of a block, so that the block itself can be
/// written from where it lies.
pub fn encode_piece_header(piece: u32, begin: u32, length: u32, out: &mut BytesMut) {
    out.reserve(PIECE_HEADER_LENGTH);
    out.put_u32(length.saturating_add(9));
    out.put_u8(id::PIECE);
    out.put_u32(piece);
    out.put_u32(begin);
}

fn prefix(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl BlockRequest {
    const LENGTH: usize = 12;

    fn encode(&self, out: &mut BytesMut) {
        out.put_u32(self.piece);
        out.put_u32(self.begin);
        out.put_u32(self.length);
    }

    fn decode(payload: &mut Bytes) -> Option<Self> {
        Some(Self {
            piece: payload.try_get_u32().ok()?,
            begin: payload.try_get_u32().ok()?,
            length: payload.try_get_u32().ok()?,
        })
    }
}

impl HashRequest {
    const LENGTH: usize = Sha256Hash::LENGTH + 16;

    fn encode(&self, out: &mut BytesMut) {
        out.put_slice(&self.pieces_root.0);
        out.put_u32(self.base_layer);
        out.put_u32(self.index);
        out.put_u32(self.length);
        out.put_u32(self.proof_layers);
    }

    fn decode(payload: &mut Bytes) -> Option<Self> {
        let mut pieces_root = [0; Sha256Hash::LENGTH];
        payload.try_copy_to_slice(&mut pieces_root).ok()?;
        Some(Self {
            pieces_root: Sha256Hash(pieces_root),
            base_layer: payload.try_get_u32().ok()?,
            index: payload.try_get_u32().ok()?,
            length: payload.try_get_u32().ok()?,
            proof_layers: payload.try_get_u32().ok()?,
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
