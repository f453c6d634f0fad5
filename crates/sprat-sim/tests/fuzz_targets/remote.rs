//! The other end of a connection, as a fuzzer plays it: it keeps an account of what was said in both directions.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use sprat_core::bitfield::Bitfield;
use sprat_core::geometry::Geometry;
use sprat_sim::Content;
use sprat_wire::hash::Sha256Hash;
use sprat_wire::merkle;
use sprat_wire::metainfo::Version;
use sprat_wire::peer::deframer::{Deframer, MessageLimits};
use sprat_wire::peer::extension::{ExtensionHandshake, ExtensionIds};
use sprat_wire::peer::handshake::Handshake;
use sprat_wire::peer::message::{BlockRequest, HashRequest, Message};
use sprat_wire::peer::metadata::MetadataMessage;

/// More requests outstanding at one peer than this are no pipeline.
const MOST_REQUESTS: usize = 4096;

/// What may wait for one peer that does not read.
const MOST_UNSENT: usize = 3 << 20;

#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) address: SocketAddr,
    /// Both sides may send.
    pub(crate) is_open: bool,
    /// Bytes that the network has not taken yet.
    pub(crate) unsent: usize,
    /// What the session wants from us, oldest first.
    pub(crate) wanted: Vec<BlockRequest>,
    /// Pieces of the metadata that the session wants, and hashes.
    pub(crate) metadata_wanted: Vec<u32>,
    pub(crate) hashes_wanted: Vec<HashRequest>,
    /// What we want from the session.
    asked: BTreeSet<BlockRequest>,
    heard: Stream,
    said: Stream,
    /// We have sent something that is not so.
    pub(crate) has_lied: bool,
    /// We have sent what is no message.
    pub(crate) is_malformed: bool,
}

/// One direction.
#[derive(Debug, Default)]
struct Stream {
    deframer: Deframer,
    is_introduced: bool,
}

impl Stream {
    /// The next messages in the stream; `Err` when there cannot be any more.
    fn read(&mut self, bytes: Bytes, limits: &MessageLimits) -> (Vec<Message>, bool) {
        let mut messages = Vec::new();
        self.deframer.push(bytes);
        if !self.is_introduced {
            match self.deframer.handshake() {
                Ok(None) => return (messages, true),
                Ok(Some(_)) => self.is_introduced = true,
                Err(_) => return (messages, false),
            }
        }
        loop {
            match self.deframer.next(limits) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return (messages, true),
                Err(_) => return (messages, false),
            }
        }
    }
}

impl Remote {
    pub(crate) fn new(address: SocketAddr, is_open: bool) -> Self {
        Self {
            address,
            is_open,
            unsent: 0,
            wanted: Vec::new(),
            metadata_wanted: Vec::new(),
            hashes_wanted: Vec::new(),
            asked: BTreeSet::new(),
            heard: Stream::default(),
            said: Stream::default(),
            has_lied: false,
            is_malformed: false,
        }
    }

    /// Whether the handshake has been said.
    pub(crate) const fn is_introduced(&self) -> bool {
        self.said.is_introduced
    }

    /// Takes note of what is about to be sent to the session.
    pub(crate) fn say(&mut self, bytes: &Bytes, content: &Content) {
        let (messages, is_well_formed) = self.said.read(bytes.clone(), &limits(content));
        self.is_malformed |= !is_well_formed;
        // What we cannot follow any more may be anything.
        self.has_lied |= self.is_malformed;
        for message in messages {
            match message {
                Message::Request(request) => _ = self.asked.insert(request),
                Message::Piece { piece, begin, block } => {
                    self.has_lied |= block_of(content, piece, begin, block.len()) != Some(block);
                }
                Message::Hashes { request, hashes } => {
                    self.has_lied |= true_hashes(content, request) != Some(hashes);
                }
                Message::Extended { id: OUR_ID, payload } => {
                    if let Ok(MetadataMessage::Data { piece, data, .. }) = MetadataMessage::decode(&payload) {
                        self.has_lied |= metadata_piece(content, piece) != Some(data);
                    }
                }
                _ => {}
            }
        }
    }

    /// Checks what the session has sent, and takes note of what it wants.
    pub(crate) fn hear(
        &mut self,
        bytes: &Bytes,
        content: &Content,
        verified: &Bitfield,
    ) -> Vec<BlockRequest> {
        self.unsent += bytes.len();
        assert!(self.unsent < MOST_UNSENT, "everything is kept for a peer that does not read");
        let (messages, is_well_formed) = self.heard.read(bytes.clone(), &limits(content));
        assert!(is_well_formed, "the session sends what is no message");
        let geometry = content.geometry();
        let mut requests = Vec::new();
        for message in messages {
            match message {
                Message::Request(request) => {
                    let BlockRequest { piece, begin, length } = request;
                    assert!(geometry.block_at(piece, begin, length).is_some(), "it asks for {request:?}");
                    self.wanted.push(request);
                    requests.push(request);
                    assert!(self.wanted.len() < MOST_REQUESTS, "a flood of requests");
                }
                Message::Extended { id: THEIR_ID, payload } => {
                    if let Ok(MetadataMessage::Request { piece }) = MetadataMessage::decode(&payload) {
                        self.metadata_wanted.push(piece);
                    }
                }
                Message::HashRequest(request) => self.hashes_wanted.push(request),
                Message::Cancel(request) => self.wanted.retain(|wanted| *wanted != request),
                Message::Piece { piece, begin, block } => {
                    let request = BlockRequest { piece, begin, length: block.len() as u32 };
                    assert!(self.asked.contains(&request), "nobody asked for {request:?}");
                    assert!(verified.contains(piece), "piece {piece} was never verified");
                    let original = block_of(content, piece, begin, block.len());
                    assert_eq!(original, Some(block), "it uploads something else");
                }
                Message::Have(piece) => assert!(verified.contains(piece), "claims piece {piece}"),
                Message::HaveAll => assert!(verified.is_full(), "claims everything"),
                Message::Bitfield(bits) => {
                    let claimed =
                        Bitfield::from_wire(&bits, geometry.pieces()).expect("a bitfield that fits");
                    assert!(claimed.iter().all(|piece| verified.contains(piece)), "claims {claimed:?}");
                }
                _ => {}
            }
        }
        requests
    }

    /// The right answers to questions for metadata and hashes.
    pub(crate) fn enlighten(&mut self, content: &Content) -> Vec<Message> {
        let total_size = content.metainfo().info_bytes.len() as u32;
        let pieces = std::mem::take(&mut self.metadata_wanted).into_iter().map(|piece| {
            let data = metadata_piece(content, piece);
            let message = data.map_or(MetadataMessage::Reject { piece }, |data| MetadataMessage::Data {
                piece,
                total_size,
                data,
            });
            Message::Extended { id: OUR_ID, payload: message.encode().into() }
        });
        let hashes = std::mem::take(&mut self.hashes_wanted).into_iter().map(|request| {
            let hashes = true_hashes(content, request);
            hashes.map_or(Message::HashReject(request), |hashes| Message::Hashes { request, hashes })
        });
        pieces.chain(hashes).collect()
    }

    /// The right answer to a request.
    pub(crate) fn answer(request: BlockRequest, content: &Content) -> Message {
        let BlockRequest { piece, begin, length } = request;
        let block = block_of(content, piece, begin, length as usize).expect("it asked for what there is");
        Message::Piece { piece, begin, block }
    }
}

/// Under which id the session wants to receive `ut_metadata`.
const OUR_ID: u8 = 1;

/// Under which id the remote ends do.
const THEIR_ID: u8 = 3;

/// What a remote end says of itself: it has all of the metadata.
pub(crate) fn introduction(content: &Content, metadata_size: Option<u32>) -> Message {
    let ids = ExtensionIds { ut_metadata: Some(THEIR_ID), ..ExtensionIds::default() };
    let size = metadata_size.unwrap_or(content.metainfo().info_bytes.len() as u32);
    let handshake = ExtensionHandshake { ids, metadata_size: Some(size), ..ExtensionHandshake::default() };
    Message::Extended { id: 0, payload: handshake.encode().into() }
}

fn metadata_piece(content: &Content, piece: u32) -> Option<Bytes> {
    let info = &content.metainfo().info_bytes;
    let from = (piece as usize).checked_mul(16 * 1024).filter(|from| *from < info.len())?;
    Some(info.slice(from..info.len().min(from + 16 * 1024)))
}

/// The piece layer that is asked for; other layers are not told.
fn true_hashes(content: &Content, request: HashRequest) -> Option<Vec<Sha256Hash>> {
    let height = merkle::piece_layer_height(content.geometry().piece_length());
    let layer = content.metainfo().piece_layers.get(&request.pieces_root)?;
    let asked = (request.base_layer, request.index, request.proof_layers);
    let mut hashes = layer.to_vec();
    hashes.resize(hashes.len().next_power_of_two().max(2), merkle::padding(height));
    (asked == (height, 0, 0) && hashes.len() == request.length as usize).then_some(hashes)
}

pub(crate) fn encode(message: &Message) -> Bytes {
    let mut bytes = BytesMut::new();
    message.encode(&mut bytes);
    bytes.freeze()
}

pub(crate) fn handshake(content: &Content, reserved: [u8; 8], who: u8) -> Bytes {
    let reserved = sprat_wire::peer::handshake::Reserved(reserved);
    let mut peer_id = *b"-XX0000-............";
    peer_id[19] = who;
    let info_hash = content.metainfo().info_hashes.primary();
    let handshake = Handshake { reserved, info_hash, peer_id: sprat_wire::hash::PeerId(peer_id) };
    Bytes::copy_from_slice(&handshake.encode())
}

fn limits(content: &Content) -> MessageLimits {
    let geometry: &Geometry = content.geometry();
    MessageLimits::for_torrent(geometry.pieces(), geometry.version() != Version::V1)
}

fn block_of(content: &Content, piece: u32, begin: u32, length: usize) -> Option<Bytes> {
    let bytes = content.piece(content.geometry().piece(piece)?);
    let begin = begin as usize;
    (begin + length <= bytes.len()).then(|| bytes.slice(begin..begin + length))
}
