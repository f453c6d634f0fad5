//! The first 68 bytes of a connection (BEP 3), with the reserved bits of BEP 5, 6, 10 and 52.

use thiserror::Error;

use crate::hash::{InfoHash, PeerId};

/// What every handshake starts with: the length of the protocol's name and the name (BEP 3).
pub const PROTOCOL: [u8; 20] = *b"\x13BitTorrent protocol";

/// The handshake: protocol string, reserved bits, info-hash, peer id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// What the sender can do.
    pub reserved: Reserved,
    /// The torrent that the connection is about.
    pub info_hash: InfoHash,
    /// Who the sender says it is.
    pub peer_id: PeerId,
}

impl Handshake {
    /// Length in bytes: 20 of protocol, 8 reserved, 20 of info-hash, 20 of peer id.
    pub const LENGTH: usize = 68;

    /// The bytes to send.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let parts = PROTOCOL.iter().chain(&self.reserved.0).chain(&self.info_hash.0).chain(&self.peer_id.0);
        for (to, from) in bytes.iter_mut().zip(parts) {
            *to = *from;
        }
        bytes
    }

    /// The handshake in exactly these 68 bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, HandshakeError> {
        Self::check_start(bytes)?;
        let bytes: &[u8; Self::LENGTH] = bytes.try_into().map_err(|_| HandshakeError::Length(bytes.len()))?;
        let (_, rest) = bytes.split_at(PROTOCOL.len());
        let parts = rest.split_first_chunk::<8>().and_then(|(reserved, rest)| {
            let (info_hash, rest) = rest.split_first_chunk::<20>()?;
            let (peer_id, _) = rest.split_first_chunk::<20>()?;
            Some((reserved, info_hash, peer_id))
        });
        let (reserved, info_hash, peer_id) = parts.ok_or(HandshakeError::Length(bytes.len()))?;
        Ok(Self { reserved: Reserved(*reserved), info_hash: InfoHash(*info_hash), peer_id: PeerId(*peer_id) })
    }

    /// Whether a stream that starts with `bytes`, be they few or many, can still be a handshake. A wrong protocol
    /// is seen at its first wrong byte.
    pub fn check_start(bytes: &[u8]) -> Result<(), HandshakeError> {
        if bytes.iter().zip(&PROTOCOL).all(|(got, expected)| got == expected) {
            return Ok(());
        }
        Err(HandshakeError::Protocol)
    }
}

/// Why some bytes are not a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HandshakeError {
    /// Another protocol, or an encrypted handshake.
    #[error("the peer does not speak the BitTorrent protocol in clear")]
    Protocol,
    /// Not 68 bytes.
    #[error("a handshake has 68 bytes, not {0}")]
    Length(usize),
}

/// The eight reserved bytes. Bits that sprat does not know are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reserved(pub [u8; 8]);

impl Reserved {
    /// `reserved[5]`: extension protocol (BEP 10).
    const EXTENDED: u64 = 0x10 << 16;
    /// `reserved[7]`: DHT (BEP 5).
    const DHT: u64 = 0x01;
    /// `reserved[7]`: fast extension (BEP 6).
    const FAST: u64 = 0x04;
    /// `reserved[7]`: "the fourth most significant bit in the last byte" (BEP 52, upgrade path).
    const V2: u64 = 0x10;

    /// No bit set.
    pub const NONE: Self = Self([0; 8]);

    /// Adds the fast extension (BEP 6).
    #[must_use]
    pub const fn with_fast(self) -> Self {
        self.with(Self::FAST)
    }

    /// Adds the extension protocol (BEP 10).
    #[must_use]
    pub const fn with_extended(self) -> Self {
        self.with(Self::EXTENDED)
    }

    /// Adds the DHT (BEP 5): a `port` message will follow.
    #[must_use]
    pub const fn with_dht(self) -> Self {
        self.with(Self::DHT)
    }

    /// Adds the v2 protocol (BEP 52): set in the v1 handshake of a hybrid torrent by who could also speak v2.
    #[must_use]
    pub const fn with_v2(self) -> Self {
        self.with(Self::V2)
    }

    /// Whether the sender has the fast extension (BEP 6).
    #[must_use]
    pub const fn has_fast(self) -> bool {
        self.has(Self::FAST)
    }

    /// Whether the sender has the extension protocol (BEP 10).
    #[must_use]
    pub const fn has_extended(self) -> bool {
        self.has(Self::EXTENDED)
    }

    /// Whether the sender has a DHT node (BEP 5).
    #[must_use]
    pub const fn has_dht(self) -> bool {
        self.has(Self::DHT)
    }

    /// Whether the sender could speak v2 about this hybrid torrent (BEP 52).
    #[must_use]
    pub const fn has_v2(self) -> bool {
        self.has(Self::V2)
    }

    const fn with(self, bit: u64) -> Self {
        Self((u64::from_be_bytes(self.0) | bit).to_be_bytes())
    }

    const fn has(self, bit: u64) -> bool {
        u64::from_be_bytes(self.0) & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_layout_is_that_of_bep_3() {
        let handshake = Handshake {
            reserved: Reserved::NONE.with_extended().with_fast().with_dht(),
            info_hash: InfoHash([b'h'; 20]),
            peer_id: PeerId([b'p'; 20]),
        };
        assert_eq!(
            handshake.encode(),
            *b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x05hhhhhhhhhhhhhhhhhhhhpppppppppppppppppppp"
        );
    }

    #[test]
    fn reserved_bits_stand_where_the_beps_put_them() {
        assert_eq!(Reserved::NONE.with_dht().0, [0, 0, 0, 0, 0, 0, 0, 0x01]);
        assert_eq!(Reserved::NONE.with_fast().0, [0, 0, 0, 0, 0, 0, 0, 0x04]);
        assert_eq!(Reserved::NONE.with_extended().0, [0, 0, 0, 0, 0, 0x10, 0, 0]);
        assert_eq!(Reserved::NONE.with_v2().0, [0, 0, 0, 0, 0, 0, 0, 0x10]);
        let some = Reserved::NONE.with_fast().with_v2();
        assert!(some.has_fast() && some.has_v2() && !some.has_dht() && !some.has_extended());
    }

    #[test]
    fn another_protocol_is_refused_at_its_first_byte() {
        assert_eq!(Handshake::check_start(b"G"), Err(HandshakeError::Protocol));
        assert_eq!(Handshake::check_start(b"\x13BitTorrent protocoL"), Err(HandshakeError::Protocol));
        assert_eq!(Handshake::check_start(b""), Ok(()));
        assert_eq!(Handshake::check_start(b"\x13BitT"), Ok(()));
        assert_eq!(Handshake::decode(b"\x13BitT"), Err(HandshakeError::Length(5)));
        assert_eq!(Handshake::decode(b"GET / HTTP/1.1"), Err(HandshakeError::Protocol));
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(reserved: [u8; 8], info_hash: [u8; 20], peer_id: [u8; 20]) {
            let handshake =
                Handshake { reserved: Reserved(reserved), info_hash: info_hash.into(), peer_id: peer_id.into() };
            prop_assert_eq!(Handshake::decode(&handshake.encode()), Ok(handshake));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Handshake::decode(&bytes);
        }
    }
}
