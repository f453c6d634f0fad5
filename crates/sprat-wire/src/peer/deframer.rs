//! Cuts the handshake and the messages out of the byte stream of a connection.
//!
//! A message that lies in one chunk is a slice of that chunk: the data of a block is not copied on its way from the
//! socket to the storage. Only a message that straddles chunks is put together in a buffer of its own, unless a block
//! begins with the second one. That buffer is never larger than twice what has arrived of that message.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes};
use thiserror::Error;

use super::handshake::{Handshake, HandshakeError};
use super::message::{MalformedPayload, Message, id};
use crate::BLOCK_LENGTH;

/// Length prefix, id, piece and offset: what comes before a block.
const PIECE_HEADER: usize = 13;

/// How long the messages of a connection may be, by what they are about. A longer one ends the connection as soon
/// as its length and id are read, before any of its payload is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageLimits {
    /// Bytes of a `bitfield`.
    pub bitfield: u32,
    /// Bytes of the data in a `piece` message.
    pub block: u32,
    /// Bytes of an `extended` message after its extension id.
    pub extended: u32,
    /// Hashes in a `hashes` message, uncles included.
    pub hashes: u32,
    /// Payload bytes of a message whose id sprat does not know; they are skipped, not kept.
    pub unknown: u32,
}

impl MessageLimits {
    /// As long as the number of pieces is not known, a bitfield of 2²¹ pieces is believed.
    const BITFIELD_BEFORE_METADATA: u32 = 256 * 1024;
    /// One 16 KiB piece of metadata with its dictionary (BEP 9) fits twice.
    const EXTENDED: u32 = 32 * 1024;
    /// BEP 52 lets a request ask for 512 hashes; others ask for more at a time. 8192 are 256 KiB.
    const HASHES: u32 = 8192;
    const UNKNOWN: u32 = 64 * 1024;

    /// Before the info dictionary is known, no block and no hashes can have been asked for.
    #[must_use]
    pub const fn before_metadata() -> Self {
        Self {
            bitfield: Self::BITFIELD_BEFORE_METADATA,
            block: 0,
            extended: Self::EXTENDED,
            hashes: 0,
            unknown: Self::UNKNOWN,
        }
    }

    /// For a torrent of so many pieces. `v2` says whether it has hash trees: without, nobody can have been asked
    /// for hashes.
    #[must_use]
    pub const fn for_torrent(pieces: u32, v2: bool) -> Self {
        Self {
            bitfield: pieces.div_ceil(8),
            block: BLOCK_LENGTH,
            extended: Self::EXTENDED,
            hashes: if v2 { Self::HASHES } else { 0 },
            unknown: Self::UNKNOWN,
        }
    }

    /// Checks what the first five bytes of a message say. `length` counts the id.
    fn check(&self, id: u8, length: u32) -> Result<(), FrameError> {
        let allowed = match id {
            id::CHOKE | id::UNCHOKE | id::INTERESTED | id::NOT_INTERESTED | id::HAVE_ALL | id::HAVE_NONE => {
                1..=1
            }
            id::PORT => 3..=3,
            id::HAVE | id::SUGGEST_PIECE | id::ALLOWED_FAST => 5..=5,
            id::REQUEST | id::CANCEL | id::REJECT_REQUEST => 13..=13,
            id::HASH_REQUEST | id::HASH_REJECT => 49..=49,
            id::BITFIELD => 1..=self.bitfield.saturating_add(1),
            id::PIECE => 9..=self.block.saturating_add(9),
            id::EXTENDED => 2..=self.extended.saturating_add(2),
            id::HASHES => 49..=self.hashes.saturating_mul(32).saturating_add(49),
            _ => 1..=self.unknown.saturating_add(1),
        };
        if !allowed.contains(&length) {
            return Err(FrameError::Length { id, length });
        }
        // What cannot be decoded is refused here, while all of it is still where it was.
        if id == id::HASHES && !length.saturating_sub(49).is_multiple_of(32) {
            return Err(MalformedPayload { id }.into());
        }
        Ok(())
    }
}

/// Why a stream of messages cannot be read on. The connection is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Too long for the torrent, or not of the size that all messages with this id have.
    #[error("message {id} cannot have a length of {length} bytes")]
    Length {
        /// The message's id.
        id: u8,
        /// What its length prefix says.
        length: u32,
    },
    /// The hashes in a `hashes` message are not whole.
    #[error(transparent)]
    Payload(#[from] MalformedPayload),
}

/// The received bytes of a connection that have not been taken yet.
///
/// `push` what the socket gave, then take messages until there is none. Then at most one unfinished message is
/// held, as a copy, so that a slow sender does not keep whole receive buffers alive. Messages do keep theirs alive:
/// copy a bitfield or an extension payload that is to stay.
#[derive(Debug, Default)]
pub struct Deframer {
    /// Start of a message or handshake that straddles chunks, and nothing after it.
    partial: Vec<u8>,
    /// What follows `partial`.
    chunk: Bytes,
    /// What follows `chunk`; empty unless chunks are pushed faster than messages are taken.
    waiting: VecDeque<Bytes>,
    /// Bytes of an unknown message that are still to be thrown away.
    skip: usize,
}

impl Deframer {
    /// An empty stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends what was received.
    pub fn push(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() && self.waiting.is_empty() {
            self.chunk = chunk;
        } else if !chunk.is_empty() {
            self.waiting.push_back(chunk);
        }
    }

    /// Bytes received and not yet taken.
    #[must_use]
    pub fn buffered(&self) -> usize {
        let waiting = self.waiting.iter().map(Bytes::len).sum::<usize>();
        self.partial.len().saturating_add(self.chunk.len()).saturating_add(waiting)
    }

    /// A message begins with the next byte: nothing is held of another one.
    #[must_use]
    pub fn is_between_messages(&self) -> bool {
        self.skip == 0 && self.buffered() == 0
    }

    /// The handshake, once all of it has arrived. A stream that cannot become one is refused at its first wrong
    /// byte, and keeps being refused.
    pub fn handshake(&mut self) -> Result<Option<Handshake>, HandshakeError> {
        let Some(bytes) = self.front(Handshake::LENGTH) else {
            return Handshake::check_start(&self.partial).map(|()| None);
        };
        let handshake = Handshake::decode(bytes)?;
        self.take(Handshake::LENGTH);
        Ok(Some(handshake))
    }

    /// The next message, once all of it has arrived. After an error the stream stays where it is: every further
    /// call fails in the same way.
    ///
    /// An unknown message is reported as soon as its id is known; its payload is then thrown away as it arrives.
    pub fn next(&mut self, limits: &MessageLimits) -> Result<Option<Message>, FrameError> {
        if !self.skip_unknown() {
            return Ok(None);
        }
        let Some(length) = self.front(4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes)
        else {
            return Ok(None);
        };
        if length == 0 {
            self.take(4);
            return Ok(Some(Message::KeepAlive));
        }
        let Some(id) = self.front(5).and_then(|bytes| bytes.last().copied()) else {
            return Ok(None);
        };
        limits.check(id, length)?;
        let payload_length = usize::try_from(length.saturating_sub(1)).unwrap_or(usize::MAX);
        if !id::is_known(id) {
            self.take(5);
            self.skip = payload_length;
            return Ok(Some(Message::Unknown(id)));
        }
        let total = payload_length.saturating_add(5);
        if id == id::PIECE
            && let Some(message) = self.block_behind_header(total.saturating_sub(PIECE_HEADER))
        {
            return Ok(Some(message));
        }
        if self.front(total).is_none() {
            return Ok(None);
        }
        let mut payload = self.take(total);
        payload.advance(5);
        Ok(Some(Message::decode(id, payload)?))
    }

    /// A piece message whose block begins with a chunk and lies in it, which need not be put together then: some give
    /// header and block to the network one after the other, as we do.
    fn block_behind_header(&mut self, length: usize) -> Option<Message> {
        let (header, behind) = if self.partial.is_empty() {
            (self.chunk.len(), self.waiting.front())
        } else {
            let behind = if self.chunk.is_empty() { self.waiting.front() } else { Some(&self.chunk) };
            (self.partial.len(), behind)
        };
        if header != PIECE_HEADER || behind.is_none_or(|chunk| chunk.len() < length) {
            return None;
        }
        let mut header = self.take(PIECE_HEADER);
        header.advance(5);
        let (piece, begin) = (header.try_get_u32().ok()?, header.try_get_u32().ok()?);
        self.refill();
        let block = self.chunk.split_to(length.min(self.chunk.len()));
        Some(Message::Piece { piece, begin, block })
    }

    /// Whether nothing is left to throw away.
    fn skip_unknown(&mut self) -> bool {
        while self.skip > 0 && self.refill() {
            let length = self.skip.min(self.chunk.len());
            self.chunk.advance(length);
            self.skip = self.skip.saturating_sub(length);
        }
        self.skip == 0
    }

    /// The first `length` bytes in one piece. When not all have arrived, those that have are moved to `partial`;
    /// so never ask for more than the message at hand.
    fn front(&mut self, length: usize) -> Option<&[u8]> {
        if self.partial.is_empty() && self.chunk.len() >= length {
            return self.chunk.get(..length);
        }
        while self.partial.len() < length && self.refill() {
            let missing = length.saturating_sub(self.partial.len());
            let more = self.chunk.split_to(missing.min(self.chunk.len()));
            if self.partial.capacity() < self.partial.len().saturating_add(more.len()) {
                // Growing to at most twice the received bytes makes the copying linear, and a length prefix alone
                // costs us nothing.
                let received = self.partial.len().saturating_add(more.len());
                let capacity = length.min(received.saturating_mul(2));
                self.partial.reserve_exact(capacity.saturating_sub(self.partial.len()));
            }
            self.partial.extend_from_slice(&more);
        }
        self.partial.get(..length)
    }

    /// Removes the `length` bytes that [`front`](Self::front) has just returned.
    fn take(&mut self, length: usize) -> Bytes {
        if self.partial.is_empty() {
            return self.chunk.split_to(length.min(self.chunk.len()));
        }
        Bytes::from(std::mem::take(&mut self.partial))
    }

    /// Makes `chunk` the next one with anything in it; `false` when there is none.
    fn refill(&mut self) -> bool {
        while self.chunk.is_empty() {
            let Some(chunk) = self.waiting.pop_front() else {
                // Lets go of the receive buffer.
                self.chunk = Bytes::new();
                return false;
            };
            self.chunk = chunk;
        }
        true
    }
}

#[cfg(test)]
mod tests;
