//! What there is to be afraid of.

use bytes::{Bytes, BytesMut};
use sprat_wire::BLOCK_LENGTH;
use sprat_wire::hash::Sha256Hash;
use sprat_wire::peer::extension::{ExtensionHandshake, ExtensionIds};
use sprat_wire::peer::handshake::Reserved;
use sprat_wire::peer::message::{BlockRequest, HashRequest, Message};
use sprat_wire::peer::metadata::MetadataMessage;
use sprat_wire::peer::pex::{PexFlags, PexMessage};

use super::attacker::Victim;

/// About as much is said at a time.
const PORTION: usize = 64 * 1024;

/// One way to attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    HugeLengths,
    Haves,
    Bitfields,
    MetadataLies,
    Requests,
    DoesNotRead,
    PeerExchange,
    Hashes,
    Silence,
    SlowHandshake,
    UnknownMessages,
    ChangesOfMind,
    ImpossibleRequests,
    OneByteAtATime,
}

/// What the victim is to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// To hang up, and soon.
    Cut,
    /// It need not: there is nothing wrong with it but that there are so many, or it takes longer to see.
    Borne,
}

/// How it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hello {
    None,
    ByteByByte,
    Whole,
}

/// What it reads of what is sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    All,
    /// 64 KiB a second.
    Slowly,
    UntilUnchoked,
}

/// What it does.
pub(crate) struct Manner {
    pub(crate) reserved: Reserved,
    pub(crate) hello: Hello,
    pub(crate) opening: Bytes,
    /// Then this, again and again.
    pub(crate) again: Bytes,
    /// In writes of so many bytes.
    pub(crate) portion: usize,
    pub(crate) reads: Reads,
}

impl Kind {
    pub(crate) const ALL: [Self; 14] = [
        Self::HugeLengths,
        Self::Haves,
        Self::Bitfields,
        Self::MetadataLies,
        Self::Requests,
        Self::DoesNotRead,
        Self::PeerExchange,
        Self::Hashes,
        Self::Silence,
        Self::SlowHandshake,
        Self::UnknownMessages,
        Self::ChangesOfMind,
        Self::ImpossibleRequests,
        Self::OneByteAtATime,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::HugeLengths => "lengths of 4 GiB",
            Self::Haves => "haves without end",
            Self::Bitfields => "bitfields again and again",
            Self::MetadataLies => "lies about metadata, and questions for it",
            Self::Requests => "requests without end",
            Self::DoesNotRead => "asks for 2,000 blocks and does not read",
            Self::PeerExchange => "peer exchange without end",
            Self::Hashes => "hashes and questions for them",
            Self::Silence => "silence instead of a handshake",
            Self::SlowHandshake => "a handshake byte by byte",
            Self::UnknownMessages => "unknown messages and extensions",
            Self::ChangesOfMind => "chokes, unchokes, wants, does not want",
            Self::ImpossibleRequests => "requests out of range",
            Self::OneByteAtATime => "keepalives one byte at a time",
        }
    }

    pub(crate) const fn expected(self) -> Expected {
        match self {
            Self::DoesNotRead | Self::Silence | Self::SlowHandshake | Self::OneByteAtATime => Expected::Borne,
            _ => Expected::Cut,
        }
    }

    /// The attackers of a kind differ a little.
    pub(crate) fn manner(self, number: u32, victim: &Victim) -> Manner {
        let reserved = Reserved::default().with_fast().with_extended().with_v2();
        let calm = Manner {
            reserved,
            hello: Hello::Whole,
            opening: Bytes::new(),
            again: Bytes::new(),
            portion: PORTION,
            reads: Reads::All,
        };
        let variant = number / Self::ALL.len() as u32;
        let mut rng = fastrand::Rng::with_seed(u64::from(number));
        let interested = said(&[Message::HaveNone, Message::Interested]);
        match self {
            Self::HugeLengths => {
                let id = [7, 5, 20, 22, 99, 4][variant as usize % 6];
                let opening = Bytes::copy_from_slice(&[0xff, 0xff, 0xff, 0xff, id]);
                Manner { opening, again: Bytes::from(vec![0; PORTION]), ..calm }
            }
            Self::Haves => {
                let again = repeated(|| Message::Have(rng.u32(..victim.pieces)));
                Manner { again, ..calm }
            }
            Self::Bitfields => {
                let bits = Bytes::from(vec![0; victim.pieces.div_ceil(8) as usize]);
                Manner { again: repeated(|| Message::Bitfield(bits.clone())), ..calm }
            }
            Self::MetadataLies => {
                let ids = ExtensionIds { ut_metadata: Some(3), ..ExtensionIds::default() };
                let sizes = [0, 1, i32::MAX as u32, u32::MAX];
                let metadata_size = Some(sizes[variant as usize % 4]);
                let hello = ExtensionHandshake { ids, metadata_size, ..ExtensionHandshake::default() };
                let lie = Bytes::from(vec![b'e'; 16 * 1024]);
                let again = repeated(|| {
                    let piece = rng.u32(..8);
                    let message = match rng.u8(..4) {
                        0 => MetadataMessage::Data { piece, total_size: u32::MAX, data: lie.clone() },
                        1 => MetadataMessage::Reject { piece },
                        _ => MetadataMessage::Request { piece },
                    };
                    Message::Extended { id: 1, payload: message.encode().into() }
                });
                let opening = said(&[Message::Extended { id: 0, payload: hello.encode().into() }]);
                Manner { opening, again, ..calm }
            }
            Self::Requests => {
                // Half of them cannot be told that a request is not taken.
                let (reserved, opening) = if variant.is_multiple_of(2) {
                    (reserved, interested)
                } else {
                    (Reserved::NONE, said(&[Message::Interested]))
                };
                let again = repeated(|| Message::Request(block(victim, &mut rng)));
                Manner { reserved, opening, again, reads: Reads::Slowly, ..calm }
            }
            Self::DoesNotRead => {
                let requests = (0..2000).map(|_| Message::Request(block(victim, &mut rng)));
                let again = said(&requests.collect::<Vec<_>>());
                Manner { opening: interested, again, reads: Reads::UntilUnchoked, ..calm }
            }
            Self::PeerExchange => {
                let ids = ExtensionIds { ut_pex: Some(1), ..ExtensionIds::default() };
                let hello = ExtensionHandshake { ids, ..ExtensionHandshake::default() };
                let again = repeated(|| {
                    // On this machine nobody listens there.
                    let address = |_| ([127, 250, rng.u8(..), rng.u8(1..255)], rng.u16(1024..2000)).into();
                    let added = (0..100).map(address).map(|address| (address, PexFlags::default())).collect();
                    let message = PexMessage { added, dropped: Vec::new() };
                    Message::Extended { id: 2, payload: message.encode().into() }
                });
                let opening = said(&[Message::Extended { id: 0, payload: hello.encode().into() }]);
                Manner { opening, again, ..calm }
            }
            Self::Hashes => {
                let again = repeated(|| {
                    let base_layer = if rng.bool() { 0 } else { 4 };
                    let index = 16 * rng.u32(..victim.pieces);
                    let request = HashRequest {
                        pieces_root: victim.root,
                        base_layer,
                        index,
                        length: 16,
                        proof_layers: 0,
                    };
                    match variant % 3 {
                        0 => Message::Hashes { request, hashes: vec![Sha256Hash([7; 32]); 16] },
                        1 => Message::HashReject(request),
                        _ => Message::HashRequest(request),
                    }
                });
                Manner { again, ..calm }
            }
            Self::Silence => Manner { hello: Hello::None, ..calm },
            Self::SlowHandshake => Manner { hello: Hello::ByteByByte, ..calm },
            Self::UnknownMessages => {
                let nested = Bytes::from([vec![b'l'; 10_000], vec![b'e'; 10_000]].concat());
                let mut unknown = BytesMut::from(&[0, 0, 0x80, 1, 99][..]);
                unknown.resize(5 + 0x8000, 0);
                unknown.extend_from_slice(&said(&[Message::Extended { id: 88, payload: nested }]));
                Manner { again: unknown.freeze(), ..calm }
            }
            Self::ChangesOfMind => {
                let changes = [Message::Unchoke, Message::Interested, Message::Choke, Message::NotInterested];
                let mut at = 0;
                let again = repeated(|| {
                    at += 1;
                    changes[at % 4].clone()
                });
                Manner { opening: said(&[Message::HaveAll]), again, ..calm }
            }
            Self::ImpossibleRequests => {
                let impossible = [
                    BlockRequest { piece: victim.pieces, begin: 0, length: BLOCK_LENGTH },
                    BlockRequest { piece: 0, begin: victim.piece_length, length: BLOCK_LENGTH },
                    BlockRequest { piece: 0, begin: u32::MAX, length: u32::MAX },
                    BlockRequest { piece: 0, begin: 0, length: 128 * 1024 + 1 },
                ];
                let request = impossible[variant as usize % 4];
                Manner { opening: interested, again: repeated(|| Message::Request(request)), ..calm }
            }
            Self::OneByteAtATime => Manner { again: repeated(|| Message::KeepAlive), portion: 1, ..calm },
        }
    }
}

fn block(victim: &Victim, rng: &mut fastrand::Rng) -> BlockRequest {
    let begin = BLOCK_LENGTH * rng.u32(..victim.piece_length / BLOCK_LENGTH);
    BlockRequest { piece: rng.u32(..victim.pieces - 1), begin, length: BLOCK_LENGTH }
}

fn said(messages: &[Message]) -> Bytes {
    let mut bytes = BytesMut::new();
    for message in messages {
        message.encode(&mut bytes);
    }
    bytes.freeze()
}

/// A portion of such messages.
fn repeated(mut next: impl FnMut() -> Message) -> Bytes {
    let mut bytes = BytesMut::new();
    while bytes.len() < PORTION {
        next().encode(&mut bytes);
    }
    bytes.freeze()
}
