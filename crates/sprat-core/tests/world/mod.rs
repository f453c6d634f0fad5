//! A session, and a world around it that does what it asks: a disk that has everything or takes everything, and peers who
//! take or give as much as they are let.
#![allow(dead_code, reason = "every test uses its own part of it")]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sprat_core::bitfield::Bitfield;
use sprat_core::config::Config;
use sprat_core::io::{AddMagnet, ConnectionId, Event, Input, Output};
use sprat_core::storage::{Found, StorageReply, StorageRequest, TorrentId};
use sprat_core::time::Time;
use sprat_core::{Session, geometry::Geometry};
use sprat_wire::BLOCK_LENGTH;
use sprat_wire::hash::{PeerId, Sha1Hash};
use sprat_wire::metainfo::build::{Builder, Description, Hashes};
use sprat_wire::metainfo::{Attributes, Metainfo, Version};
use sprat_wire::peer::deframer::{Deframer, MessageLimits};
use sprat_wire::peer::handshake::{Handshake, Reserved};
use sprat_wire::peer::message::{BlockRequest, Message};

/// From a question to its answer, be it of a peer or of the disk.
const DELAY: Duration = Duration::from_millis(20);

/// Requests that a taker keeps open.
const PIPELINE: u32 = 16;

/// What a peer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Asks for block after block, of this length, once it may.
    Takes(u32),
    /// The same, and takes nothing of what is sent to it.
    Deaf,
    /// Has everything, and sends what it is asked for.
    Gives,
    /// Says nothing.
    Silent,
}

/// A torrent of one file of zeros, 64 pieces of 1 MiB, and how it is called.
pub(crate) fn torrent(name: &str) -> Arc<Metainfo> {
    const PIECE: u32 = 1 << 20;
    let builder =
        Builder::single(Version::V1, PIECE, name, 64 * u64::from(PIECE), Attributes::default()).unwrap();
    let hashes = Hashes { v1_pieces: vec![Sha1Hash([7; 20]); 64], v2_files: Vec::new() };
    Arc::new(builder.build(&hashes, &Description::default()).unwrap().metainfo)
}

/// The remote end of one connection.
#[derive(Debug)]
struct Peer {
    kind: Kind,
    torrent: TorrentId,
    deframer: Deframer,
    is_greeted: bool,
    may_ask: bool,
    asked: u64,
    had: u64,
    /// Everything that was sent to it.
    sent: usize,
}

pub(crate) struct World {
    pub(crate) session: Session,
    pub(crate) now: Time,
    pub(crate) events: Vec<Event>,
    /// Connections that the session has ended.
    pub(crate) ended: Vec<ConnectionId>,
    metainfos: BTreeMap<TorrentId, Arc<Metainfo>>,
    complete: Vec<TorrentId>,
    peers: BTreeMap<ConnectionId, Peer>,
    /// What is going to happen, by when, in order.
    coming: BTreeMap<Time, VecDeque<Input>>,
    callers: u32,
    /// Of what the session says that it holds.
    pub(crate) most_held: usize,
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            session: Session::new(config, 7),
            now: Time::from_secs(1),
            events: Vec::new(),
            ended: Vec::new(),
            metainfos: BTreeMap::new(),
            complete: Vec::new(),
            peers: BTreeMap::new(),
            coming: BTreeMap::new(),
            callers: 0,
            most_held: 0,
        }
    }

    /// Adds a torrent of which only the name is known.
    pub(crate) fn seek(&mut self, metainfo: Arc<Metainfo>) -> TorrentId {
        let id = self.session.add_magnet(self.now, AddMagnet::new(metainfo.info_hashes)).unwrap();
        self.metainfos.insert(id, metainfo);
        self.drain();
        id
    }

    /// Adds a torrent of which everything or nothing is there.
    pub(crate) fn add(&mut self, metainfo: Arc<Metainfo>, is_complete: bool) -> TorrentId {
        let add = AddMagnet::new(metainfo.info_hashes).of_torrent(Arc::clone(&metainfo));
        let id = self.session.add(self.now, add).unwrap();
        self.metainfos.insert(id, metainfo);
        if is_complete {
            self.complete.push(id);
        }
        self.drain();
        self.run(Duration::from_millis(100));
        id
    }

    /// Somebody calls from an address of its own, and has not said anything yet.
    pub(crate) fn call(&mut self) -> ConnectionId {
        self.callers += 1;
        let [_, a, b, c] = self.callers.to_be_bytes();
        self.call_from(SocketAddr::from(([20 + a, b, c, 1], 6881)))
    }

    pub(crate) fn call_from(&mut self, address: SocketAddr) -> ConnectionId {
        let connection = self.session.allocate_connection();
        self.input(Input::Accepted { connection, address });
        connection
    }

    /// The caller says its handshake and what it has.
    pub(crate) fn greet(&mut self, connection: ConnectionId, torrent: TorrentId, kind: Kind) {
        self.greet_as(connection, connection, torrent, kind);
    }

    /// As [`Self::greet`], by the name of who has called first on another connection.
    pub(crate) fn greet_as(
        &mut self,
        connection: ConnectionId,
        first: ConnectionId,
        torrent: TorrentId,
        kind: Kind,
    ) {
        let info_hash = self.metainfos[&torrent].info_hashes.primary();
        let mut peer_id = [b'x'; 20];
        peer_id[..8].copy_from_slice(&first.0.to_be_bytes());
        let peer = Peer {
            kind,
            torrent,
            deframer: Deframer::new(),
            is_greeted: false,
            may_ask: false,
            asked: 0,
            had: 0,
            sent: 0,
        };
        self.peers.insert(connection, peer);
        let reserved = Reserved::default().with_fast().with_extended();
        let handshake = Handshake { reserved, info_hash, peer_id: PeerId(peer_id) };
        let bytes = Bytes::copy_from_slice(&handshake.encode());
        self.input(Input::Received { connection, bytes });
        let messages: &[Message] = match kind {
            Kind::Takes(_) | Kind::Deaf => &[Message::HaveNone, Message::Interested],
            Kind::Gives => &[Message::HaveAll],
            Kind::Silent => &[],
        };
        for message in messages {
            self.say(connection, message);
        }
    }

    /// Somebody new takes part.
    pub(crate) fn join(&mut self, torrent: TorrentId, kind: Kind) -> ConnectionId {
        let connection = self.call();
        self.greet(connection, torrent, kind);
        connection
    }

    /// The peer says something, at once.
    pub(crate) fn say(&mut self, connection: ConnectionId, message: &Message) {
        self.input(Input::Received { connection, bytes: encoded(message) });
    }

    /// Payload that the peers of a torrent have had from us, or given to us.
    pub(crate) fn moved(&self, torrent: TorrentId) -> u64 {
        self.peers.values().filter(|peer| peer.torrent == torrent).map(|peer| peer.had).sum()
    }

    /// Everything that was sent to one peer.
    pub(crate) fn sent_to(&self, connection: ConnectionId) -> usize {
        self.peers[&connection].sent
    }

    /// Payload that one peer has had from us, or given to us.
    pub(crate) fn moved_by(&self, connection: ConnectionId) -> u64 {
        self.peers[&connection].had
    }

    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let next = self.coming.first_key_value().map(|(at, _)| *at);
            let timeout = self.session.poll_timeout();
            let Some(at) = next.into_iter().chain(timeout).min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            if next == Some(at) {
                let inputs = self.coming.pop_first().map(|(_, inputs)| inputs).unwrap();
                inputs.into_iter().for_each(|input| self.input(input));
            } else {
                self.input(Input::Timeout);
            }
        }
        self.now = end;
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.session.handle_input(self.now, input);
        self.most_held = self.most_held.max(self.session.memory_held());
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Storage(request) => self.serve(request),
                Output::Send { connection, bytes } => {
                    let peer = self.peers.get_mut(&connection);
                    let is_deaf = peer.is_some_and(|peer| {
                        peer.sent += bytes.len();
                        peer.kind == Kind::Deaf
                    });
                    if !is_deaf {
                        self.soon(Input::Sent { connection, bytes: bytes.len() });
                    }
                    self.hear(connection, bytes);
                }
                Output::Disconnect { connection } => {
                    self.peers.remove(&connection);
                    self.ended.push(connection);
                }
                Output::Event(event) => self.events.push(event),
                _ => {}
            }
        }
    }

    fn soon(&mut self, input: Input) {
        self.coming.entry(self.now + DELAY).or_default().push_back(input);
    }

    fn serve(&mut self, request: StorageRequest) {
        let reply = match request {
            StorageRequest::Open { torrent, geometry, .. } => {
                let found = if self.complete.contains(&torrent) {
                    Found::resumed(Bitfield::full(geometry.pieces()))
                } else {
                    Found::nothing(geometry.pieces())
                };
                StorageReply::Opened { torrent, result: Ok(found) }
            }
            StorageRequest::Finish { torrent, piece, .. } => {
                StorageReply::Stored { torrent, piece, leaves: None }
            }
            StorageRequest::Read { torrent, token, length, .. } => {
                StorageReply::Read { torrent, token, result: Ok(Bytes::from(vec![0; length as usize])) }
            }
            _ => return,
        };
        self.soon(Input::Storage(reply));
    }

    fn hear(&mut self, connection: ConnectionId, bytes: Bytes) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        let geometry = Geometry::new(&self.metainfos[&peer.torrent].info);
        peer.deframer.push(bytes);
        if !peer.is_greeted {
            peer.is_greeted = peer.deframer.handshake().unwrap().is_some();
        }
        let limits =
            MessageLimits { block: 128 * 1024, ..MessageLimits::for_torrent(geometry.pieces(), false) };
        let mut answers = Vec::new();
        while let Some(message) = peer.deframer.next(&limits).unwrap() {
            peer.on_message(&geometry, message, &mut answers);
        }
        for answer in answers {
            self.soon(Input::Received { connection, bytes: encoded(&answer) });
        }
    }
}

impl Peer {
    fn on_message(&mut self, geometry: &Geometry, message: Message, answers: &mut Vec<Message>) {
        match (self.kind, message) {
            (Kind::Takes(_) | Kind::Deaf, Message::Choke) => self.may_ask = false,
            (Kind::Takes(_) | Kind::Deaf, Message::Unchoke) => {
                self.may_ask = true;
                (0..PIPELINE).for_each(|_| self.ask(geometry, answers));
            }
            (Kind::Takes(_) | Kind::Deaf, Message::Piece { block, .. }) => {
                self.had += block.len() as u64;
                self.ask(geometry, answers);
            }
            (Kind::Gives, Message::Interested) => answers.push(Message::Unchoke),
            (Kind::Gives, Message::Request(BlockRequest { piece, begin, length })) => {
                self.had += u64::from(length);
                answers.push(Message::Piece { piece, begin, block: vec![0; length as usize].into() });
            }
            _ => {}
        }
    }

    fn ask(&mut self, geometry: &Geometry, answers: &mut Vec<Message>) {
        let length = match self.kind {
            Kind::Takes(length) => length,
            _ => BLOCK,
        };
        if self.may_ask {
            let at = self.asked * u64::from(length) % geometry.total_length();
            let piece_length = u64::from(geometry.piece_length());
            let (piece, begin) = ((at / piece_length) as u32, (at % piece_length) as u32);
            self.asked += 1;
            answers.push(Message::Request(BlockRequest { piece, begin, length }));
        }
    }
}

pub(crate) fn encoded(message: &Message) -> Bytes {
    let mut bytes = BytesMut::new();
    message.encode(&mut bytes);
    bytes.freeze()
}

/// A block as everybody asks for it.
pub(crate) const BLOCK: u32 = BLOCK_LENGTH;
