//! Local service discovery (BEP 14): a datagram to everybody on the local network that names torrents and a port.

use std::net::{Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use crate::hash::InfoHash;

/// The group of IPv4: organisation-local.
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 192, 152, 143);

/// The group of IPv6: site-local.
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0xefc0, 0x988f);

/// The UDP port of both groups.
pub const PORT: u16 = 6771;

/// Info-hashes in one datagram that we send: "should not exceed 1400 bytes" (BEP 14), at 52 bytes each.
pub const MOST_SENT: usize = 20;

/// Bytes of the longest datagram that is read.
pub const MAX_DATAGRAM: usize = 2048;

/// Bytes of the longest cookie that is read.
const MAX_COOKIE: usize = 64;

const START: &str = "BT-SEARCH * HTTP/1.1";

/// One announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalAnnounce {
    /// The TCP port on which the sender accepts peers; not 0.
    pub port: u16,
    /// The torrents; at least one.
    pub info_hashes: Vec<InfoHash>,
    /// By which a sender knows its own announcements.
    pub cookie: Option<String>,
}

/// Why a datagram is no announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LocalAnnounceError {
    /// Longer than [`MAX_DATAGRAM`].
    #[error("more than {MAX_DATAGRAM} bytes")]
    TooLong,
    /// It begins otherwise, or is no text.
    #[error("not a BT-SEARCH")]
    Start,
    /// `Port` is missing, or is no port.
    #[error("no usable port")]
    Port,
    /// There is no `Infohash` of 40 hexadecimal digits.
    #[error("no info-hash")]
    InfoHash,
}

impl LocalAnnounce {
    /// The datagram for a group, `host`, with at most [`MOST_SENT`] info-hashes.
    #[must_use]
    pub fn encode(&self, host: &str) -> String {
        let hashes = self.info_hashes.iter().take(MOST_SENT);
        let hashes: String = hashes.map(|hash| format!("Infohash: {hash}\r\n")).collect();
        let cookie = self.cookie.as_ref().map(|cookie| format!("cookie: {cookie}\r\n")).unwrap_or_default();
        format!("{START}\r\nHost: {host}\r\nPort: {}\r\n{hashes}{cookie}\r\n\r\n", self.port)
    }

    /// The announcement in a datagram. Header names may be written in any case, and unknown ones are passed over.
    pub fn decode(datagram: &[u8]) -> Result<Self, LocalAnnounceError> {
        if datagram.len() > MAX_DATAGRAM {
            return Err(LocalAnnounceError::TooLong);
        }
        let text = std::str::from_utf8(datagram).map_err(|_| LocalAnnounceError::Start)?;
        let mut lines = text.split("\r\n");
        if lines.next() != Some(START) {
            return Err(LocalAnnounceError::Start);
        }
        let (mut port, mut info_hashes, mut cookie) = (None, Vec::new(), None);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "port" => port = value.parse().ok().filter(|port| *port != 0),
                "infohash" => info_hashes.extend(value.parse::<InfoHash>().ok()),
                "cookie" if value.len() <= MAX_COOKIE => cookie = Some(value.to_owned()),
                _ => {}
            }
        }
        if info_hashes.is_empty() {
            return Err(LocalAnnounceError::InfoHash);
        }
        Ok(Self { port: port.ok_or(LocalAnnounceError::Port)?, info_hashes, cookie })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_bep_14_shows() {
        let datagram = b"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\n\
            Infohash: 0123456789abcdef0123456789ABCDEF01234567\r\ncookie: abc\r\n\r\n\r\n";
        let announce = LocalAnnounce::decode(datagram).unwrap();
        assert_eq!(announce.port, 6881);
        assert_eq!(announce.info_hashes, ["0123456789abcdef0123456789abcdef01234567".parse().unwrap()]);
        assert_eq!(announce.cookie.as_deref(), Some("abc"));
    }

    #[test]
    fn what_is_missing_is_said() {
        let decode = |text: &str| LocalAnnounce::decode(text.as_bytes());
        let hash = "Infohash: 0123456789abcdef0123456789abcdef01234567\r\n";
        assert_eq!(decode("M-SEARCH * HTTP/1.1\r\n"), Err(LocalAnnounceError::Start));
        assert_eq!(decode(&format!("{START}\r\nPort: 1\r\n")), Err(LocalAnnounceError::InfoHash));
        assert_eq!(decode(&format!("{START}\r\nPort: 0\r\n{hash}")), Err(LocalAnnounceError::Port));
        assert_eq!(decode(&format!("{START}\r\nPort: 65536\r\n{hash}")), Err(LocalAnnounceError::Port));
        assert_eq!(decode(&" ".repeat(MAX_DATAGRAM + 1)), Err(LocalAnnounceError::TooLong));
        assert_eq!(LocalAnnounce::decode(b"\xff"), Err(LocalAnnounceError::Start));
    }

    #[test]
    fn a_full_datagram_fits() {
        let info_hashes = vec![InfoHash([255; 20]); 100];
        let announce = LocalAnnounce { port: 65535, info_hashes, cookie: Some("x".repeat(16)) };
        let datagram = announce.encode("[ff15::efc0:988f]:6771");
        assert!(datagram.len() <= 1400, "{}", datagram.len());
        assert_eq!(LocalAnnounce::decode(datagram.as_bytes()).unwrap().info_hashes.len(), MOST_SENT);
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(port in 1..=u16::MAX, hashes in proptest::collection::vec(any::<[u8; 20]>(), 1..=20), cookie in "[a-z0-9]{1,20}") {
            let info_hashes = hashes.into_iter().map(InfoHash).collect();
            let announce = LocalAnnounce { port, info_hashes, cookie: Some(cookie) };
            prop_assert_eq!(LocalAnnounce::decode(announce.encode("h").as_bytes()), Ok(announce));
        }

        #[test]
        fn any_datagram_is_survived(datagram in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = LocalAnnounce::decode(&datagram);
        }
    }
}
