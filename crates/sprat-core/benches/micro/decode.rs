//! Cutting messages out of what a socket gives.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use sprat_wire::BLOCK_LENGTH;
use sprat_wire::peer::deframer::{Deframer, MessageLimits};
use sprat_wire::peer::message::{BlockRequest, Message};

use crate::content::PIECES;
use crate::operation::{Case, Operation};

/// As much as the engine reads at a time.
const READ: usize = 256 * 1024;

/// Messages of each stream: 2.5 MiB in 11 reads, of which all but the last end within a message.
const BLOCKS: u32 = 160;
const SMALL: u32 = 200_000;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "decode: a `piece` of 16 KiB",
            rounds: 100,
            per_round: BLOCKS as u64,
            prepare: || {
                let block = Bytes::from(vec![7; BLOCK_LENGTH as usize]);
                let message = |piece| Message::Piece { piece, begin: 0, block: block.clone() };
                Box::new(Stream::of((0..BLOCKS).map(message)))
            },
        },
        Case {
            name: "decode: a `request` or `have`",
            rounds: 4,
            per_round: SMALL as u64,
            prepare: || {
                let message = |at: u32| {
                    let piece = at % PIECES;
                    if at.is_multiple_of(2) {
                        return Message::Have(piece);
                    }
                    Message::Request(BlockRequest { piece, begin: 0, length: BLOCK_LENGTH })
                };
                Box::new(Stream::of((0..SMALL).map(message)))
            },
        },
    ]
}

/// What a peer sends, as it is read; it begins anew where it ends.
struct Stream {
    reads: Vec<Bytes>,
    deframer: Deframer,
    limits: MessageLimits,
    messages: usize,
    seen: usize,
}

impl Stream {
    fn of(messages: impl Iterator<Item = Message>) -> Self {
        let mut count = 0;
        let mut bytes = BytesMut::new();
        for message in messages {
            message.encode(&mut bytes);
            count += 1;
        }
        // Each read has a buffer of its own.
        let reads = bytes.chunks(READ).map(Bytes::copy_from_slice).collect();
        let limits = MessageLimits::for_torrent(PIECES, false);
        Self { reads, deframer: Deframer::new(), limits, messages: count, seen: 0 }
    }
}

impl Operation for Stream {
    fn run(&mut self, rounds: u64) {
        for _ in 0..rounds {
            for read in &self.reads {
                self.deframer.push(read.clone());
                while let Some(message) = self.deframer.next(&self.limits).unwrap() {
                    self.seen += 1;
                    black_box(message);
                }
            }
        }
    }

    fn reset(&mut self) {
        assert!(self.seen > 0 && self.seen.is_multiple_of(self.messages), "every message has been seen");
    }
}
