//! One message as the sequence of 64-byte blocks that the hash functions work on.

use std::slice;

/// Bytes of a block (FIPS 180-4, figure 1).
const BLOCK_BYTES: usize = 64;

/// What a hash function takes in one step.
pub(crate) type Block = [u8; BLOCK_BYTES];

/// How far the hashing of a message has come.
///
/// Blocks are handed out where they lie in the message. Only those that straddle two segments, and the padding at the end,
/// are put together in a buffer.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    /// Blocks from the buffer, which come next: from, to.
    joined: (usize, usize),
    buffer: [Block; 2],
    /// Blocks of the message, which come behind those.
    run: &'a [Block],
    /// What follows in the same segment: less than a block.
    rest: &'a [u8],
    /// What has not been looked at yet.
    segments: slice::Iter<'a, &'a [u8]>,
    /// Bytes of the message.
    length: u64,
    padded: bool,
}

impl<'a> Cursor<'a> {
    /// At the first block of a message of `length` bytes.
    pub(crate) fn new(segments: &'a [&'a [u8]], length: u64) -> Self {
        let mut cursor = Self {
            joined: (0, 0),
            buffer: [[0; BLOCK_BYTES]; 2],
            run: &[],
            rest: &[],
            segments: segments.iter(),
            length,
            padded: false,
        };
        cursor.refill();
        cursor
    }

    /// The next blocks, as many as lie side by side. None are left if and only if the message is finished.
    pub(crate) fn blocks(&self) -> &[Block] {
        let (from, to) = self.joined;
        if from < to { &self.buffer[from..to] } else { self.run }
    }

    /// Goes on behind the first `count` of [`Cursor::blocks`].
    pub(crate) fn advance(&mut self, count: usize) {
        if self.joined.0 < self.joined.1 {
            self.joined.0 += count;
        } else {
            self.run = &self.run[count..];
        }
        if self.blocks().is_empty() && !self.padded {
            self.refill();
        }
    }

    /// Finds the next run of blocks, or puts one block together, or the end of the message.
    fn refill(&mut self) {
        let bytes = self.buffer.as_flattened_mut();
        let mut rest = self.rest;
        let mut filled = 0;
        loop {
            if filled == 0 {
                (self.run, rest) = rest.as_chunks();
                if !self.run.is_empty() {
                    self.rest = rest;
                    return;
                }
            }
            let (head, tail) = rest.split_at(rest.len().min(BLOCK_BYTES - filled));
            bytes[filled..filled + head.len()].copy_from_slice(head);
            filled += head.len();
            if filled == BLOCK_BYTES {
                self.joined = (0, 1);
                (self.run, self.rest) = tail.as_chunks();
                return;
            }
            let Some(segment) = self.segments.next() else { break };
            rest = segment;
        }
        // FIPS 180-4, 5.1.1: a one, zeros, and the number of bits in the last eight bytes of a block.
        let blocks = if filled < BLOCK_BYTES - 8 { 1 } else { 2 };
        let end = blocks * BLOCK_BYTES;
        bytes[filled] = 0x80;
        bytes[filled + 1..end - 8].fill(0);
        // The standard is defined for less than 2^64 bits, which no memory holds.
        bytes[end - 8..end].copy_from_slice(&self.length.wrapping_mul(8).to_be_bytes());
        self.joined = (0, blocks);
        self.padded = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All blocks of a message, taking at most `step` of them at once.
    fn blocks(segments: &[&[u8]], step: usize) -> Vec<u8> {
        let length = segments.iter().map(|segment| segment.len() as u64).sum();
        let mut cursor = Cursor::new(segments, length);
        let mut blocks = Vec::new();
        while !cursor.blocks().is_empty() {
            let count = cursor.blocks().len().min(step);
            blocks.extend_from_slice(cursor.blocks()[..count].as_flattened());
            cursor.advance(count);
        }
        blocks
    }

    fn padded(message: &[u8]) -> Vec<u8> {
        let mut bytes = message.to_vec();
        bytes.push(0x80);
        while bytes.len() % 64 != 56 {
            bytes.push(0);
        }
        bytes.extend_from_slice(&(message.len() as u64 * 8).to_be_bytes());
        bytes
    }

    #[test]
    fn every_cut_of_a_message_gives_the_same_blocks() {
        let message: Vec<u8> = (0..200).collect();
        for length in [0, 1, 55, 56, 63, 64, 65, 119, 120, 127, 128, 129, 200] {
            let message = &message[..length];
            let every = if cfg!(miri) { 17 } else { 1 };
            for cut in (0..=length).step_by(every) {
                let (head, tail) = message.split_at(cut);
                for step in [1, 2, 9] {
                    assert_eq!(blocks(&[head, &[], tail], step), padded(message), "{length} cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn the_empty_message_is_one_block() {
        assert_eq!(blocks(&[], 1), padded(b""));
        assert_eq!(blocks(&[b"", b""], 1), padded(b""));
    }

    #[test]
    fn blocks_that_lie_in_one_segment_are_not_copied() {
        let message = [7; 256];
        let segments = [&message[..]];
        let cursor = Cursor::new(&segments, 256);
        assert_eq!(cursor.blocks().as_flattened().as_ptr_range(), message.as_ptr_range());
    }
}
