//! Peers that do not play fair. They speak the wire protocol by themselves, through the same inputs and outputs as a
//! session, so that the network, the disks and the trackers of a simulation serve both alike.
//!
//! What they have in common is here; what they give is in `giving`, what they take in `taking`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sprat_core::bitfield::Bitfield;
use sprat_core::io::{ConnectionId, Event as Happened, TrackerId};
use sprat_core::storage::{StorageReply, TorrentId};
use sprat_core::time::Time;
use sprat_core::{Input, Output};
use sprat_wire::hash::PeerId;
use sprat_wire::metainfo::Version;
use sprat_wire::peer::deframer::{Deframer, MessageLimits};
use sprat_wire::peer::extension::{ExtensionHandshake, HANDSHAKE_ID};
use sprat_wire::peer::handshake::{Handshake, Reserved};
use sprat_wire::peer::message::{BlockRequest, Message};
use sprat_wire::tracker::{AnnounceEvent, AnnounceRequest};

use crate::behaviour::Behaviour;
use crate::content::Content;

mod giving;
mod taking;

/// How often it looks around.
const TICK: Duration = Duration::from_secs(1);

/// How often it asks a tracker for more victims.
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(60);

/// Connections that it makes by itself.
const CONNECTIONS: usize = 40;

/// Calls of one tick.
const CALLS: usize = 10;

/// Its only torrent.
const TORRENT: TorrentId = TorrentId(0);

/// A peer with a mind of its own.
#[derive(Debug)]
pub(crate) struct Hostile {
    behaviour: Behaviour,
    content: Arc<Content>,
    listen_port: u16,
    peer_id: PeerId,
    /// Uses the fast extension.
    is_fast: bool,
    /// Bytes per second that it may give.
    upload: u64,
    rng: fastrand::Rng,
    outputs: VecDeque<Output>,
    next_connection: u64,
    known: BTreeSet<SocketAddr>,
    others: BTreeMap<ConnectionId, Other>,
    /// What it really has.
    have: Bitfield,
    /// Blocks of pieces that it has begun.
    begun: BTreeMap<u32, BTreeSet<u32>>,
    next_tick: Option<Time>,
    next_announce: Time,
    next_round: Time,
    uploaded: u64,
}

/// The other end of a connection.
#[derive(Debug)]
struct Other {
    /// Whom it has called; `None` for one that called.
    called: Option<SocketAddr>,
    deframer: Deframer,
    is_introduced: bool,
    is_fast: bool,
    has: Bitfield,
    choking_us: bool,
    choked_by_us: bool,
    /// What it asks for.
    wanted: VecDeque<BlockRequest>,
    /// What it was asked for.
    asked: BTreeSet<BlockRequest>,
    unsent: usize,
    heard_at: Time,
    served_us: bool,
    /// Of this round: bytes from it, and bytes to it.
    received: u64,
    given: u64,
    /// What it seems to want for unchoking us, bytes in a round.
    price: u64,
}

impl Other {
    fn new(now: Time, called: Option<SocketAddr>, pieces: u32) -> Self {
        Self {
            called,
            deframer: Deframer::new(),
            is_introduced: false,
            is_fast: false,
            has: Bitfield::new(pieces),
            choking_us: true,
            choked_by_us: true,
            wanted: VecDeque::new(),
            asked: BTreeSet::new(),
            unsent: 0,
            heard_at: now,
            served_us: false,
            received: 0,
            given: 0,
            price: giving::FIRST_PRICE,
        }
    }
}

impl Hostile {
    pub(crate) fn new(
        behaviour: Behaviour,
        content: &Arc<Content>,
        listen_port: u16,
        upload: u64,
        mut rng: fastrand::Rng,
    ) -> Self {
        let pieces = content.geometry().pieces();
        Self {
            behaviour,
            content: Arc::clone(content),
            listen_port,
            peer_id: some_peer_id(&mut rng),
            is_fast: rng.u8(..4) > 0,
            upload,
            rng,
            outputs: VecDeque::new(),
            next_connection: 0,
            known: BTreeSet::new(),
            others: BTreeMap::new(),
            have: Bitfield::new(pieces),
            begun: BTreeMap::new(),
            next_tick: None,
            next_announce: Time::ZERO,
            next_round: Time::ZERO,
            uploaded: 0,
        }
    }

    /// Begins, with what is on its disk.
    pub(crate) fn start(&mut self, now: Time, known: impl IntoIterator<Item = SocketAddr>, have: Bitfield) {
        self.known.extend(known);
        self.have = have;
        self.next_tick = Some(now);
        self.next_announce = now + ANNOUNCE_INTERVAL;
        self.announce(AnnounceEvent::Started);
    }

    pub(crate) fn shut_down(&mut self) {
        self.announce(AnnounceEvent::Stopped);
        self.next_tick = None;
        for connection in std::mem::take(&mut self.others).into_keys() {
            self.outputs.push_back(Output::Disconnect { connection });
        }
    }

    pub(crate) fn allocate_connection(&mut self) -> ConnectionId {
        self.next_connection += 1;
        ConnectionId(self.next_connection)
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) const fn poll_timeout(&self) -> Option<Time> {
        self.next_tick
    }

    pub(crate) fn handle_input(&mut self, now: Time, input: Input) {
        let pieces = self.have.len();
        match input {
            Input::Accepted { connection, .. } => {
                self.others.insert(connection, Other::new(now, None, pieces));
            }
            Input::Connected { connection } => self.shake_hands(connection),
            Input::Received { connection, bytes } => self.on_received(now, connection, bytes),
            Input::Sent { connection, bytes } => {
                if let Some(other) = self.others.get_mut(&connection) {
                    other.unsent = other.unsent.saturating_sub(bytes);
                }
                self.give(connection);
            }
            Input::Closed { connection } => _ = self.others.remove(&connection),
            Input::Storage(reply) => self.on_storage(&reply),
            Input::Announced { result, .. } => {
                self.known.extend(result.map(|answer| answer.peers).unwrap_or_default());
            }
            Input::Timeout => self.on_tick(now),
            Input::FoundPeers { .. } | Input::MetadataLoaded { .. } => {}
        }
    }

    fn on_tick(&mut self, now: Time) {
        self.next_tick = Some(now + TICK);
        if now >= self.next_announce {
            self.next_announce = now + ANNOUNCE_INTERVAL;
            self.announce(AnnounceEvent::Interval);
        }
        let called: BTreeSet<SocketAddr> = self.others.values().filter_map(|other| other.called).collect();
        let room = CONNECTIONS.saturating_sub(self.others.len()).min(CALLS);
        let mut strangers: Vec<SocketAddr> = self.known.difference(&called).copied().collect();
        self.rng.shuffle(&mut strangers);
        for address in strangers.into_iter().take(room) {
            let connection = self.allocate_connection();
            self.others.insert(connection, Other::new(now, Some(address), self.have.len()));
            self.outputs.push_back(Output::Connect { connection, address });
        }
        if now >= self.next_round {
            self.next_round = now + giving::ROUND;
            self.settle_accounts();
        }
        for connection in self.introduced() {
            self.annoy(connection);
            self.take(now, connection);
            self.give(connection);
        }
        self.move_on(now);
    }

    fn introduced(&self) -> Vec<ConnectionId> {
        self.others.iter().filter(|(_, other)| other.is_introduced).map(|(id, _)| *id).collect()
    }

    fn announce(&mut self, event: AnnounceEvent) {
        let metainfo = self.content.metainfo();
        let Some(url) = metainfo.trackers.iter().flatten().next() else { return };
        self.outputs.push_back(Output::Announce {
            torrent: TORRENT,
            tracker: TrackerId(0),
            url: url.as_str().into(),
            request: AnnounceRequest {
                info_hash: metainfo.info_hashes.primary(),
                peer_id: self.peer_id,
                port: self.listen_port,
                uploaded: self.uploaded,
                downloaded: 0,
                left: 1,
                event,
                num_want: Some(200),
                key: 0,
                ip: None,
                tracker_id: None,
            },
        });
    }

    // Talking.

    fn say(&mut self, connection: ConnectionId, message: &Message) {
        let mut bytes = BytesMut::new();
        message.encode(&mut bytes);
        self.send(connection, bytes.freeze());
    }

    fn send(&mut self, connection: ConnectionId, bytes: Bytes) {
        let Some(other) = self.others.get_mut(&connection) else { return };
        other.unsent += bytes.len();
        self.outputs.push_back(Output::Send { connection, bytes });
    }

    fn shake_hands(&mut self, connection: ConnectionId) {
        let reserved = Reserved::NONE.with_extended();
        let reserved = if self.is_fast { reserved.with_fast() } else { reserved };
        let info_hash = self.content.metainfo().info_hashes.primary();
        let handshake = Handshake { reserved, info_hash, peer_id: self.peer_id };
        self.send(connection, Bytes::copy_from_slice(&handshake.encode()));
    }

    fn greet(&mut self, connection: ConnectionId) {
        let is_fast = self.others.get(&connection).is_some_and(|other| other.is_fast);
        let claimed =
            if self.claims_everything() { Bitfield::full(self.have.len()) } else { self.have.clone() };
        match (is_fast, claimed.is_full(), claimed.is_empty()) {
            (true, true, _) => self.say(connection, &Message::HaveAll),
            (true, _, true) => self.say(connection, &Message::HaveNone),
            (false, _, true) => {}
            _ => self.say(connection, &Message::Bitfield(claimed.to_wire())),
        }
        let handshake = ExtensionHandshake {
            client: Some("unfair/1".to_owned()),
            port: Some(self.listen_port),
            request_queue: Some(500),
            ..ExtensionHandshake::default()
        };
        let payload = handshake.encode().into();
        self.say(connection, &Message::Extended { id: HANDSHAKE_ID, payload });
        if self.takes() {
            self.say(connection, &Message::Interested);
        }
        if self.claims_everything() {
            self.unchoke(connection);
        }
    }

    fn on_received(&mut self, now: Time, connection: ConnectionId, bytes: Bytes) {
        let Some(other) = self.others.get_mut(&connection) else { return };
        other.deframer.push(bytes);
        if !other.is_introduced {
            match other.deframer.handshake() {
                Ok(None) => return,
                Ok(Some(theirs)) => {
                    other.is_introduced = true;
                    other.is_fast = self.is_fast && theirs.reserved.has_fast();
                    if other.called.is_none() {
                        self.shake_hands(connection);
                    }
                    self.greet(connection);
                }
                Err(_) => return self.hang_up(connection),
            }
        }
        let geometry = self.content.geometry();
        let limits = MessageLimits::for_torrent(geometry.pieces(), geometry.version() != Version::V1);
        loop {
            let Some(other) = self.others.get_mut(&connection) else { return };
            match other.deframer.next(&limits) {
                Ok(Some(message)) => self.on_message(now, connection, message),
                Ok(None) => break,
                Err(_) => return self.hang_up(connection),
            }
        }
        self.take(now, connection);
        self.give(connection);
    }

    fn on_message(&mut self, now: Time, connection: ConnectionId, message: Message) {
        let Some(other) = self.others.get_mut(&connection) else { return };
        match message {
            Message::Choke => {
                other.choking_us = true;
                if !other.is_fast {
                    other.asked.clear();
                }
            }
            Message::Unchoke => other.choking_us = false,
            Message::Have(piece) => _ = piece < other.has.len() && other.has.insert(piece),
            Message::Bitfield(bits) => {
                other.has = Bitfield::from_wire(&bits, other.has.len()).unwrap_or_else(|| other.has.clone());
            }
            Message::HaveAll => other.has = Bitfield::full(other.has.len()),
            Message::Request(request) => other.wanted.push_back(request),
            Message::Cancel(request) => {
                if let Some(at) = other.wanted.iter().position(|wanted| *wanted == request) {
                    other.wanted.remove(at);
                    if other.is_fast {
                        self.say(connection, &Message::RejectRequest(request));
                    }
                }
            }
            Message::RejectRequest(request) => _ = other.asked.remove(&request),
            Message::Piece { piece, begin, block } => self.on_block(now, connection, piece, begin, block),
            Message::HashRequest(request) => self.say(connection, &Message::HashReject(request)),
            _ => {}
        }
    }

    fn on_storage(&mut self, reply: &StorageReply) {
        match reply {
            StorageReply::Stored { piece, .. } => {
                self.have.insert(piece.get());
                let event = Happened::PieceVerified { torrent: TORRENT, piece: *piece };
                self.outputs.push_back(Output::Event(event));
                for connection in self.introduced() {
                    self.say(connection, &Message::Have(piece.get()));
                }
            }
            StorageReply::Rejected { piece, .. } | StorageReply::Failed { piece, .. } => {
                self.begun.remove(&piece.get());
            }
            _ => {}
        }
    }

    fn hang_up(&mut self, connection: ConnectionId) {
        if self.others.remove(&connection).is_some() {
            self.outputs.push_back(Output::Disconnect { connection });
        }
    }
}

fn some_peer_id(rng: &mut fastrand::Rng) -> PeerId {
    let mut id = *b"-UF0001-............";
    for byte in id.iter_mut().skip(8) {
        *byte = rng.u8(..);
    }
    PeerId(id)
}
