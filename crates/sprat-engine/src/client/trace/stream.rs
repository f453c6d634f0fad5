//! One direction of a connection, read again.

use bytes::Bytes;
use sprat_wire::peer::deframer::{Deframer, MessageLimits};

use super::words;

/// The session has ended the connection before any of these is reached.
const LIMITS: MessageLimits =
    MessageLimits { bitfield: 1 << 20, block: 1 << 20, extended: 1 << 20, hashes: 1 << 16, unknown: 1 << 20 };

/// Where in the stream we are.
#[derive(Debug)]
pub(super) enum Stream {
    /// Somewhere in a message, or nothing that could be read.
    Unknown,
    /// Before or in the handshake.
    Handshake(Deframer),
    /// After it.
    Messages(Deframer),
}

impl Stream {
    /// From its first byte on.
    pub(super) fn new() -> Self {
        Self::Handshake(Deframer::new())
    }

    /// After the handshake, where a message begins.
    pub(super) fn messages() -> Self {
        Self::Messages(Deframer::new())
    }

    /// A message begins here.
    pub(super) fn catch_up(&mut self) {
        if matches!(self, Self::Unknown) {
            *self = Self::messages();
        }
    }

    /// What these bytes say.
    pub(super) fn read(&mut self, bytes: Bytes) -> Vec<String> {
        let mut texts = Vec::new();
        match self {
            Self::Unknown => texts.push(format!("{} bytes, of which message is not known", bytes.len())),
            Self::Handshake(deframer) | Self::Messages(deframer) => deframer.push(bytes),
        }
        if let Self::Handshake(deframer) = self {
            match deframer.handshake() {
                Ok(None) => return texts,
                Ok(Some(handshake)) => {
                    texts.push(words::handshake(&handshake));
                    *self = Self::Messages(std::mem::take(deframer));
                }
                Err(error) => {
                    texts.push(error.to_string());
                    *self = Self::Unknown;
                }
            }
        }
        while let Self::Messages(deframer) = self {
            match deframer.next(&LIMITS) {
                Ok(None) => break,
                Ok(Some(message)) => texts.push(words::message(&message)),
                Err(error) => {
                    texts.push(error.to_string());
                    *self = Self::Unknown;
                }
            }
        }
        texts
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use sprat_wire::hash::{InfoHash, PeerId};
    use sprat_wire::peer::handshake::{Handshake, Reserved};
    use sprat_wire::peer::message::Message;

    use super::*;

    fn stream() -> Bytes {
        let peer_id = PeerId(*b"-XX0001-\x1b[31m2345678");
        let handshake = Handshake { reserved: Reserved::default(), info_hash: InfoHash([0xab; 20]), peer_id };
        let mut bytes = BytesMut::from(&handshake.encode()[..]);
        for message in [Message::Unchoke, Message::Have(7), Message::KeepAlive] {
            message.encode(&mut bytes);
        }
        bytes.freeze()
    }

    #[test]
    fn it_reads_the_same_however_the_bytes_are_cut() {
        let whole = Stream::new().read(stream());
        assert_eq!(whole.len(), 4);
        assert!(whole[0].contains("-XX0001-\\x1b[31m"), "{}", whole[0]);
        assert_eq!(whole[1..], ["unchoke", "have 7", "keep-alive"]);
        let mut cut = Stream::new();
        let texts: Vec<String> =
            stream().chunks(1).flat_map(|byte| cut.read(Bytes::copy_from_slice(byte))).collect();
        assert_eq!(texts, whole);
    }

    #[test]
    fn in_the_middle_of_a_message_it_waits_for_the_next_one() {
        let mut midway = Stream::Unknown;
        assert_eq!(midway.read(Bytes::from_static(&[0, 0])), ["2 bytes, of which message is not known"]);
        midway.catch_up();
        assert_eq!(midway.read(Bytes::from_static(&[0, 0, 0, 1, 2])), ["interested"]);
    }

    #[test]
    fn what_is_no_bittorrent_is_told_once() {
        let mut nonsense = Stream::new();
        assert_eq!(nonsense.read(Bytes::from_static(b"GET / HTTP/1.1\r\n")).len(), 1);
        assert_eq!(nonsense.read(Bytes::from_static(b"x")), ["1 bytes, of which message is not known"]);
    }
}
