//! The messages of `ut_metadata` (BEP 9): the info dictionary, piece by piece, from peer to peer.
//!
//! A message is a bencoded dictionary; behind that of a `data` message follow the bytes of the piece.

use bytes::Bytes;
use thiserror::Error;

use crate::BLOCK_LENGTH;
use crate::bencode::{DecodeError, Document, Encoder, Limits};

/// Bytes of every metadata piece but the last (BEP 9).
pub const METADATA_PIECE_LENGTH: u32 = BLOCK_LENGTH;

/// One message of `ut_metadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataMessage {
    /// 0: asks for a piece.
    Request {
        /// Which one.
        piece: u32,
    },
    /// 1: a piece.
    Data {
        /// Which one.
        piece: u32,
        /// Bytes of all pieces together, as the sender says.
        total_size: u32,
        /// The bytes: at most [`METADATA_PIECE_LENGTH`]; a counted reference into the message.
        data: Bytes,
    },
    /// 2: the sender does not have the piece, or does not give it now.
    Reject {
        /// Which one.
        piece: u32,
    },
}

/// Why a payload is no message of `ut_metadata`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MetadataMessageError {
    /// Not bencoded.
    #[error("metadata message: {0}")]
    Bencode(#[from] DecodeError),
    /// A field is missing, of the wrong type or out of range.
    #[error("a metadata message without a usable `{0}`")]
    Field(&'static str),
    /// The data is longer than a piece.
    #[error("a metadata piece of {0} bytes")]
    TooLong(usize),
    /// A type that no version of the protocol has; to be ignored (BEP 9).
    #[error("metadata message of type {0}")]
    UnknownType(i64),
}

impl MetadataMessage {
    /// The payload of an `extended` message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, piece) = match self {
            Self::Request { piece } => (0_u8, piece),
            Self::Data { piece, .. } => (1, piece),
            Self::Reject { piece } => (2, piece),
        };
        let mut out = Encoder::new();
        out.begin_dict();
        out.key("msg_type").uint(kind.into());
        out.key("piece").uint((*piece).into());
        if let Self::Data { total_size, .. } = self {
            out.key("total_size").uint((*total_size).into());
        }
        out.end();
        let mut bytes = out.finish();
        if let Self::Data { data, .. } = self {
            bytes.extend_from_slice(data);
        }
        bytes
    }

    /// The message in the payload of an `extended` message.
    pub fn decode(payload: &Bytes) -> Result<Self, MetadataMessageError> {
        let (document, length) = Document::decode_prefix(payload, Limits::EXTENSION)?;
        let dict = document.as_dict().ok_or(MetadataMessageError::Field("msg_type"))?;
        let number = |key| dict.int(key).and_then(|value| u32::try_from(value).ok());
        let piece = number("piece").ok_or(MetadataMessageError::Field("piece"));
        match dict.int("msg_type").ok_or(MetadataMessageError::Field("msg_type"))? {
            0 => Ok(Self::Request { piece: piece? }),
            1 => {
                let data = payload.slice(length..);
                if data.len() > METADATA_PIECE_LENGTH as usize {
                    return Err(MetadataMessageError::TooLong(data.len()));
                }
                let total_size = number("total_size").ok_or(MetadataMessageError::Field("total_size"))?;
                Ok(Self::Data { piece: piece?, total_size, data })
            }
            2 => Ok(Self::Reject { piece: piece? }),
            other => Err(MetadataMessageError::UnknownType(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message() -> impl Strategy<Value = MetadataMessage> {
        let data = proptest::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from);
        prop_oneof![
            any::<u32>().prop_map(|piece| MetadataMessage::Request { piece }),
            any::<u32>().prop_map(|piece| MetadataMessage::Reject { piece }),
            (any::<u32>(), any::<u32>(), data).prop_map(|(piece, total_size, data)| MetadataMessage::Data {
                piece,
                total_size,
                data
            }),
        ]
    }

    #[test]
    fn reads_the_examples_of_bep_9() {
        let decode = |bytes: &'static [u8]| MetadataMessage::decode(&Bytes::from_static(bytes));
        assert_eq!(decode(b"d8:msg_typei0e5:piecei0ee"), Ok(MetadataMessage::Request { piece: 0 }));
        assert_eq!(decode(b"d8:msg_typei2e5:piecei0ee"), Ok(MetadataMessage::Reject { piece: 0 }));
        let data = Bytes::from_static(b"xxxxxxxx");
        assert_eq!(
            decode(b"d8:msg_typei1e5:piecei0e10:total_sizei34256eexxxxxxxx"),
            Ok(MetadataMessage::Data { piece: 0, total_size: 34256, data })
        );
    }

    #[test]
    fn what_is_wrong_is_said_by_name() {
        let decode = |bytes: &[u8]| MetadataMessage::decode(&Bytes::copy_from_slice(bytes));
        assert_eq!(decode(b"d8:msg_typei9e5:piecei0ee"), Err(MetadataMessageError::UnknownType(9)));
        assert_eq!(decode(b"d8:msg_typei0ee"), Err(MetadataMessageError::Field("piece")));
        assert_eq!(decode(b"d8:msg_typei0e5:piecei-1ee"), Err(MetadataMessageError::Field("piece")));
        assert_eq!(decode(b"d8:msg_typei1e5:piecei0ee"), Err(MetadataMessageError::Field("total_size")));
        assert_eq!(decode(b"le"), Err(MetadataMessageError::Field("msg_type")));
        assert!(matches!(decode(&[b'l'; 20_000]), Err(MetadataMessageError::Bencode(_))));
        let head = b"d8:msg_typei1e5:piecei0e10:total_sizei99999ee".to_vec();
        let with = |length: usize| decode(&[head.clone(), vec![0; length]].concat());
        assert!(with(16384).is_ok());
        assert_eq!(with(16385), Err(MetadataMessageError::TooLong(16385)));
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(message in message()) {
            prop_assert_eq!(MetadataMessage::decode(&message.encode().into()), Ok(message));
        }
    }
}
