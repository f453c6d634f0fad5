//! The message of `ut_pex` (BEP 11): to whom the sender has got connected, and from whom it has parted.

use std::net::SocketAddr;

use thiserror::Error;

use crate::bencode::{DecodeError, Document, Encoder, Limits};
use crate::compact::{self, Family};

/// Most addresses of each family, added or dropped, in a message that we make (BEP 11).
pub const MOST_SENT: usize = 50;

/// Most that are read of each list; what follows is skipped. BEP 11 allows 50, except in a first message.
pub const MOST_READ: usize = 200;

/// What is said of an added peer, bit by bit (BEP 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PexFlags(pub u8);

impl PexFlags {
    /// It prefers encryption.
    pub const PREFERS_ENCRYPTION: Self = Self(0x01);
    /// It has everything, or wants no more.
    pub const SEED: Self = Self(0x02);
    /// It understands uTP.
    pub const UTP: Self = Self(0x04);
    /// It understands `ut_holepunch`.
    pub const HOLEPUNCH: Self = Self(0x08);
    /// The sender has called it: it can be reached.
    pub const REACHABLE: Self = Self(0x10);

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is said.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A message of `ut_pex`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PexMessage {
    /// Peers that the sender has got connected to since its last message.
    pub added: Vec<(SocketAddr, PexFlags)>,
    /// Peers that it has parted from since then.
    pub dropped: Vec<SocketAddr>,
}

/// Why a payload is no message of `ut_pex`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PexError {
    /// Not bencoded.
    #[error("peer exchange: {0}")]
    Bencode(#[from] DecodeError),
    /// Something else than a dictionary.
    #[error("a message of peer exchange is a dictionary")]
    NotDictionary,
}

impl PexMessage {
    /// Nothing has changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.dropped.is_empty()
    }

    /// The payload of an `extended` message, with no more than [`MOST_SENT`] addresses in each list.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        out.begin_dict();
        for (family, [added, flags, _]) in KEYS {
            let of_family = || {
                let all = self.added.iter().filter(move |(address, _)| Family::of(*address) == family);
                all.take(MOST_SENT)
            };
            out.key(added).bytes(compact_list(family, of_family().map(|(address, _)| *address)));
            out.key(flags).bytes(of_family().map(|(_, flags)| flags.0).collect::<Vec<u8>>());
        }
        for (family, [_, _, dropped]) in KEYS {
            let of_family = self.dropped.iter().filter(|address| Family::of(**address) == family);
            out.key(dropped).bytes(compact_list(family, of_family.take(MOST_SENT).copied()));
        }
        out.end();
        out.finish()
    }

    /// The message in the payload of an `extended` message. Of lists that are too long, or of the wrong type, as much
    /// is read as can be.
    pub fn decode(payload: &[u8]) -> Result<Self, PexError> {
        let (document, _) = Document::decode_prefix(payload, Limits::EXTENSION)?;
        let dict = document.as_dict().ok_or(PexError::NotDictionary)?;
        let mut message = Self::default();
        for (family, [added, flags, dropped]) in KEYS {
            let list = |key| dict.bytes(key).unwrap_or_default();
            let flags = list(flags).iter().copied().chain(std::iter::repeat(0)).map(PexFlags);
            // Entry by entry: flags belong to a place in the list, and unusable entries have a place too.
            let added = list(added).chunks_exact(family.entry_length()).zip(flags);
            let added =
                added.filter_map(|(entry, flags)| Some((compact::decode(family, entry).next()?, flags)));
            message.added.extend(added.take(MOST_READ));
            message.dropped.extend(compact::decode(family, list(dropped)).take(MOST_READ));
        }
        Ok(message)
    }
}

/// Names of the lists of each family: added, their flags, dropped. Added and dropped are in the order of a dictionary.
const KEYS: [(Family, [&str; 3]); 2] =
    [(Family::V4, ["added", "added.f", "dropped"]), (Family::V6, ["added6", "added6.f", "dropped6"])];

fn compact_list(family: Family, addresses: impl Iterator<Item = SocketAddr>) -> Vec<u8> {
    let mut out = Vec::new();
    compact::encode(family, addresses, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    fn address() -> impl Strategy<Value = SocketAddr> {
        let ip =
            prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)];
        // IPv4 in disguise does not stay in the list of IPv6.
        (ip, 1..=u16::MAX).prop_map(|(ip, port)| SocketAddr::new(ip.to_canonical(), port))
    }

    fn sorted(message: &PexMessage) -> (Vec<(SocketAddr, u8)>, Vec<SocketAddr>) {
        let mut added: Vec<_> = message.added.iter().map(|(address, flags)| (*address, flags.0)).collect();
        let mut dropped = message.dropped.clone();
        added.sort_unstable();
        dropped.sort_unstable();
        (added, dropped)
    }

    #[test]
    fn both_families_have_lists_of_their_own() {
        let message = PexMessage {
            added: vec![
                ("1.2.3.4:5".parse().unwrap(), PexFlags::SEED),
                ("[2001:db8::1]:6".parse().unwrap(), PexFlags::REACHABLE.and(PexFlags::UTP)),
            ],
            dropped: vec!["1.2.3.5:6".parse().unwrap()],
        };
        let encoded = message.encode();
        assert!(encoded.starts_with(b"d5:added6:\x01\x02\x03\x04\0\x057:added.f1:\x026:added618:"));
        assert_eq!(PexMessage::decode(&encoded), Ok(message));
        assert!(PexFlags(0x14).has(PexFlags::UTP) && !PexFlags(0x14).has(PexFlags::SEED));
    }

    #[test]
    fn long_lists_are_cut_and_missing_flags_say_nothing() {
        let address = |port: u16| SocketAddr::from(([1, 2, 3, 4], port));
        let many = PexMessage {
            added: (1..300).map(|port| (address(port), PexFlags(1))).collect(),
            dropped: vec![],
        };
        assert_eq!(PexMessage::decode(&many.encode()).unwrap().added.len(), MOST_SENT);
        let mut out = Encoder::new();
        out.begin_dict().key("added").bytes(compact_list(Family::V4, (1..=300).map(address))).end();
        let read = PexMessage::decode(&out.finish()).unwrap();
        assert_eq!(read.added.len(), MOST_READ);
        assert!(read.added.iter().all(|(_, flags)| *flags == PexFlags::default()));
    }

    #[test]
    fn an_unusable_entry_keeps_its_flags_to_itself() {
        let mut out = Encoder::new();
        out.begin_dict()
            .key("added")
            .bytes([1, 2, 3, 4, 0, 0, 5, 6, 7, 8, 0, 9])
            .key("added.f")
            .bytes([2, 16])
            .end();
        let read = PexMessage::decode(&out.finish()).unwrap();
        assert_eq!(read.added, [("5.6.7.8:9".parse().unwrap(), PexFlags::REACHABLE)]);
    }

    #[test]
    fn what_is_no_dictionary_is_refused() {
        assert_eq!(PexMessage::decode(b"le"), Err(PexError::NotDictionary));
        assert!(PexMessage::decode(&[b'l'; 20_000]).is_err());
        assert_eq!(PexMessage::decode(b"d5:addedi1ee"), Ok(PexMessage::default()));
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(
            added in proptest::collection::vec((address(), any::<u8>().prop_map(PexFlags)), 0..40),
            dropped in proptest::collection::vec(address(), 0..40),
        ) {
            let message = PexMessage { added, dropped };
            let again = PexMessage::decode(&message.encode()).unwrap();
            prop_assert_eq!(sorted(&again), sorted(&message));
        }
    }
}
