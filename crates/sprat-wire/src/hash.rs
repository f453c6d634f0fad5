//! The identifiers of the field: hashes, info-hashes, peer ids.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use sha1::Digest as _;
use thiserror::Error;

macro_rules! byte_array {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $length]);

        impl $name {
            /// Length in bytes.
            pub const LENGTH: usize = $length;

            /// The value made of exactly these bytes, or `None` when the length is wrong.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl From<[u8; $length]> for $name {
            fn from(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }
        }

        impl FromStr for $name {
            type Err = ParseHashError;

            /// Hexadecimal in either case.
            fn from_str(text: &str) -> Result<Self, ParseHashError> {
                let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| ParseHashError)?;
                Self::from_slice(&bytes).ok_or(ParseHashError)
            }
        }
    };
}

byte_array!(
    /// A SHA-1 digest: of a v1 piece or of a v1 info dictionary.
    Sha1Hash,
    20
);
byte_array!(
    /// A SHA-256 digest: a node of a v2 hash tree, or of a v2 info dictionary.
    Sha256Hash,
    32
);
byte_array!(
    /// An info-hash as handshakes, trackers and the DHT carry it: the v1 hash, or the v2 hash cut to 20 bytes (BEP 52).
    InfoHash,
    20
);
byte_array!(
    /// What a client calls itself in handshakes and announces (BEP 3, BEP 20).
    PeerId,
    20
);
byte_array!(
    /// What a node of the DHT calls itself, or a point among such names: what a lookup has as its target (BEP 5).
    NodeId,
    20
);

/// Not the text of a hash of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a hash of this length in hexadecimal or base32")]
pub struct ParseHashError;

impl Default for NodeId {
    /// All zeros.
    fn default() -> Self {
        Self([0; 20])
    }
}

impl Sha1Hash {
    /// The digest of `bytes`.
    #[must_use]
    pub fn digest(bytes: &[u8]) -> Self {
        Self(sha1::Sha1::digest(bytes).into())
    }

    /// Base32 in either case, as old magnet links write it (BEP 9).
    pub fn from_base32(text: &str) -> Result<Self, ParseHashError> {
        let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| ParseHashError)?;
        Self::from_slice(&bytes).ok_or(ParseHashError)
    }
}

impl Sha256Hash {
    /// Thirty-two zero bytes: the leaf that pads a v2 tree to a power of two (BEP 52).
    pub const ZERO: Self = Self([0; 32]);

    /// The digest of `bytes`.
    #[must_use]
    pub fn digest(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
}

/// The identity of a torrent: at least one of its two info-hashes is there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InfoHashes {
    v1: Option<Sha1Hash>,
    v2: Option<Sha256Hash>,
}

impl InfoHashes {
    /// `None` when both are missing.
    #[must_use]
    pub fn new(v1: Option<Sha1Hash>, v2: Option<Sha256Hash>) -> Option<Self> {
        (v1.is_some() || v2.is_some()).then_some(Self { v1, v2 })
    }

    /// The SHA-1 of the info dictionary of a v1 or hybrid torrent.
    #[must_use]
    pub const fn v1(&self) -> Option<Sha1Hash> {
        self.v1
    }

    /// The SHA-256 of the info dictionary of a v2 or hybrid torrent.
    #[must_use]
    pub const fn v2(&self) -> Option<Sha256Hash> {
        self.v2
    }

    /// The forms under which this torrent is known on the wire, v1 first. A hybrid has two swarms.
    pub fn on_the_wire(&self) -> impl Iterator<Item = InfoHash> + use<> {
        let v1 = self.v1.map(|hash| InfoHash(hash.0));
        let v2 = self.v2.and_then(|hash| InfoHash::from_slice(hash.0.get(..20)?));
        v1.into_iter().chain(v2)
    }

    /// Whether a torrent with the hashes `found` is what is meant by these, of which one may not be known yet: a magnet link may name
    /// a hybrid by one hash only.
    #[must_use]
    pub fn mean(&self, found: &Self) -> bool {
        self.v1.is_none_or(|hash| found.v1 == Some(hash)) && self.v2.is_none_or(|hash| found.v2 == Some(hash))
    }

    /// The v1 hash where there is one, else the v2 hash cut to 20 bytes.
    #[must_use]
    pub fn primary(&self) -> InfoHash {
        self.on_the_wire().next().unwrap_or(InfoHash([0; 20]))
    }
}

impl PeerId {
    /// An Azureus-style id (BEP 20): `-SPxyz0-` and twelve bytes that `fill` supplies.
    #[must_use]
    pub fn generate(mut fill: impl FnMut() -> u8) -> Self {
        let mut id = *b"-SP0100-000000000000";
        for byte in id.iter_mut().skip(8) {
            // Letters and digits only: some trackers log ids, and some old ones mishandle percent escapes.
            *byte = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                .get(usize::from(fill()) % 62)
                .copied()
                .unwrap_or(b'0');
        }
        Self(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_in_either_case() {
        let hash = Sha1Hash::digest(b"sprat");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.to_string().to_uppercase().parse(), Ok(hash));
        assert_eq!("abc".parse::<Sha1Hash>(), Err(ParseHashError));
    }

    #[test]
    fn base32_is_the_form_of_old_magnets() {
        let hash = Sha1Hash::digest(b"sprat");
        let text = BASE32_NOPAD.encode(&hash.0);
        assert_eq!(Sha1Hash::from_base32(&text.to_lowercase()), Ok(hash));
    }

    #[test]
    fn a_hybrid_is_known_under_both_hashes() {
        let v1 = Sha1Hash::digest(b"1");
        let v2 = Sha256Hash::digest(b"2");
        let both = InfoHashes::new(Some(v1), Some(v2)).unwrap();
        let wire: Vec<InfoHash> = both.on_the_wire().collect();
        assert_eq!(wire.len(), 2);
        assert_eq!(wire[0].0, v1.0);
        assert_eq!(wire[1].0, v2.0[..20]);
        assert_eq!(InfoHashes::new(None, None), None);
    }
}
