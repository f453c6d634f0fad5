//! The first 68 bytes of a connection (BEP 3), with the reserved bits of BEP 5, 6, 10 and 52.

use crate::hash::{InfoHash, PeerId};

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

/// The eight reserved bytes. Bits that sprat does not know are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reserved(pub [u8; 8]);
