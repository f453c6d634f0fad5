//! One connection to a peer: the protocol between two ends, and nothing about the torrent.
//!
//! A connection never names its torrent. Messages go in, [`Happening`]s come out, and the torrent decides what they
//! mean. What is to be sent collects in an outbox that the torrent empties once per input, so that many small
//! messages leave as one.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sprat_wire::hash::{PeerId, Sha256Hash};
use sprat_wire::metainfo::Version;
use sprat_wire::peer::deframer::{Deframer, MessageLimits};
use sprat_wire::peer::extension::{ExtensionHandshake, ExtensionIds};
use sprat_wire::peer::handshake::{Handshake, Reserved};
use sprat_wire::peer::message::{BlockRequest, HashRequest, Message, encode_piece_header};
use sprat_wire::peer::metadata::{METADATA_PIECE_LENGTH, MetadataMessage};
use sprat_wire::peer::pex::PexMessage;

use crate::bitfield::Bitfield;
use crate::geometry::{BlockRef, Geometry, PieceIndex};
use crate::io::{ConnectionId, DisconnectReason};
use crate::planted::{Planted, PlantedBug};
use crate::rate::{CHOKE_WINDOW, RateMeter};
use crate::storage::ReadToken;
use crate::time::Time;

mod exchange;
mod haves;
mod incoming;
mod requests;
mod uploads;

use exchange::Exchange;
use haves::Untold;
use requests::Requests;
use uploads::{READ_LENGTH, Uploads};

pub(crate) use exchange::Roll;
pub(crate) use uploads::{QUEUE_LIMIT, Stretch};

/// `reqq` of a peer that does not say: what most clients take (libtorrent's default for `reqq`, BEP 10).
const DEFAULT_REQUEST_LIMIT: u32 = 250;

/// Nothing was heard for so long: the connection is dead (BEP 3: keepalives come every two minutes).
pub(crate) const INACTIVITY_LIMIT: Duration = Duration::from_secs(130);

/// Nothing was sent for so long: send a keepalive, before the other end gives up at two minutes.
pub(crate) const KEEPALIVE_AFTER: Duration = Duration::from_secs(90);

/// Under which ids we want to receive extension messages.
pub(crate) const OUR_IDS: ExtensionIds = ExtensionIds {
    lt_donthave: None,
    upload_only: None,
    ut_holepunch: None,
    ut_metadata: Some(1),
    ut_pex: Some(2),
};

/// Bytes given to the network or being read from disk for one peer. Deep enough for a disk that answers late, small
/// enough that 2,000 peers fit into memory, and that a choke takes back what matters.
const UPLOAD_WATERMARK: usize = 512 * 1024;

/// How often one connection may fetch the whole info dictionary.
const METADATA_COPIES: u32 = 3;

/// Bytes that wait to be sent to one peer. Payload stops far below, at [`UPLOAD_WATERMARK`]; what grows beyond are
/// answers to questions of a peer that asks and does not read.
const UNREAD_LIMIT: usize = 2 * 1024 * 1024;

/// A peer that delivers nothing it was asked for in so long is snubbing us (Cohen 2003).
pub(crate) const SNUBBED_AFTER: Duration = Duration::from_secs(60);

/// A piece of which a peer has refused a block is not asked of it for so long: it may be unable to read it for the moment,
/// or have lied, and somebody else may have it.
const REFUSED_FOR: Duration = Duration::from_secs(30);

/// An answer to a request that was taken back so long ago is not expected any more.
const CANCEL_ANSWER_LIMIT: Duration = Duration::from_secs(300);

/// Who began the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// They called us.
    Incoming,
    /// We called them.
    Outgoing,
}

/// What a message means for the torrent.
#[derive(Debug)]
pub(crate) enum Happening {
    /// Nothing that the torrent need know.
    Nothing,
    /// The peer has told all its pieces at once; `before` is what we thought it had.
    HasSet { before: Bitfield },
    /// The peer has one more piece.
    Has(PieceIndex),
    /// The peer chokes us: these requests will not be answered.
    Choked(Vec<BlockRef>),
    /// The peer answers requests from now on, or allows one piece although it chokes (BEP 6).
    MayRequest,
    /// The peer wants something from us, or no longer does.
    InterestChanged,
    /// There is something in the upload queue.
    Requested(u32),
    /// A block that we asked for.
    Block(BlockRef, Bytes),
    /// A block that we did not ask for, or no longer: so many bytes for nothing.
    Unasked(u32),
    /// The peer will not send this block.
    Rejected(BlockRef),
    /// An extension handshake (BEP 10), the first one or a later one, and where the peer sees us.
    Extended { first: bool, external_ip: Option<IpAddr> },
    /// The peer has a DHT node at this port.
    DhtNode(u16),
    /// The peer tells of others.
    Exchange(PexMessage),
    /// Somebody asks for a piece of the info dictionary (BEP 9).
    MetadataWanted(u32),
    /// Somebody asks for hashes of a v2 tree.
    HashesWanted(HashRequest),
    /// An answer to our own hash request.
    Hashes(HashRequest, Vec<Sha256Hash>),
    /// Our own hash request was refused.
    HashesRefused(HashRequest),
}

/// The state of one live connection, that is after both handshakes.
#[derive(Debug)]
pub(crate) struct PeerConnection {
    pub(crate) id: ConnectionId,
    pub(crate) address: SocketAddr,
    pub(crate) direction: Direction,
    pub(crate) peer_id: PeerId,
    pub(crate) connected_at: Time,
    /// When payload last went in either direction; before there was any, the beginning.
    pub(crate) exchanged_at: Time,
    /// When one end was last seen to want something of the other; before that, the beginning.
    pub(crate) wanted_at: Time,
    reserved: Reserved,

    deframer: Deframer,
    limits: MessageLimits,
    outbox: BytesMut,
    unsent_bytes: usize,
    last_heard: Time,
    last_said: Time,
    untold: Untold,

    /// What the peer has.
    pub(crate) pieces: Bitfield,
    /// How often it has told all of them at once without anything new.
    idle_bitfields: u32,
    /// We choke the peer.
    pub(crate) choking: bool,
    /// We want something from the peer.
    pub(crate) interested: bool,
    /// The peer chokes us.
    pub(crate) choked: bool,
    /// The peer wants something from us.
    pub(crate) wanted: bool,
    pub(crate) unchoked_at: Option<Time>,
    pub(crate) sent_since_unchoke: u64,

    requests: Requests,
    request_limit: u32,
    last_block: Time,
    pub(crate) snubbed: bool,
    /// Others may have been asked for what it owes.
    was_doubted: bool,
    /// Pieces the peer lets us request while it chokes us (BEP 6).
    allowed_to_us: Vec<PieceIndex>,
    suggested: Vec<PieceIndex>,
    /// Requests taken back that have had no answer yet, oldest first, and when: with the fast extension one will come (BEP 6).
    cancelled: VecDeque<(BlockRef, Time)>,
    /// Pieces of which it has refused a block although it does not choke us, and when.
    refused: BTreeMap<PieceIndex, Time>,
    unasked_blocks: u64,

    /// The port of its DHT node was told.
    told_dht_port: bool,
    /// An extension handshake has come.
    introduced: bool,
    /// Where a peer that called us accepts calls itself.
    pub(crate) listening: Option<SocketAddr>,

    uploads: Uploads,
    /// Pieces we let the peer request while we choke it (BEP 6).
    allowed_to_them: Vec<u32>,
    /// What the peer says it will never want (BEP 21).
    pub(crate) upload_only: bool,
    pub(crate) client: Option<String>,
    /// What we have told each other of other peers.
    pub(crate) exchange: Exchange,
    /// Under which ids the peer wants to receive extension messages.
    ids: ExtensionIds,
    /// Pieces of the info dictionary given to the peer.
    metadata_given: u32,
    hash_requests: Vec<HashRequest>,

    pub(crate) download: RateMeter,
    pub(crate) upload: RateMeter,
    pub(crate) downloaded: u64,
    pub(crate) uploaded: u64,
    pub(crate) planted: Planted,
}

/// What both handshakes have settled.
#[derive(Debug)]
pub(crate) struct Introduction {
    pub(crate) id: ConnectionId,
    pub(crate) address: SocketAddr,
    pub(crate) direction: Direction,
    pub(crate) theirs: Handshake,
    /// With the bytes that came behind the handshake.
    pub(crate) deframer: Deframer,
    pub(crate) greeting: Greeting,
}

/// What was said after the handshakes.
#[derive(Debug)]
pub(crate) enum Greeting {
    /// Nothing yet.
    Due,
    /// We have greeted without knowing the torrent, and said that we have nothing; this was answered, and these questions
    /// may still be.
    Done { heard: Vec<Message>, hash_requests: Vec<HashRequest> },
}

impl Introduction {
    /// Both handshakes are through, and nothing else was said.
    pub(crate) const fn new(
        id: ConnectionId,
        address: SocketAddr,
        direction: Direction,
        theirs: Handshake,
        deframer: Deframer,
    ) -> Self {
        Self { id, address, direction, theirs, deframer, greeting: Greeting::Due }
    }
}

impl PeerConnection {
    pub(crate) fn new(now: Time, introduction: Introduction, geometry: &Geometry) -> Self {
        let Introduction { id, address, direction, theirs, deframer, greeting: _ } = introduction;
        Self {
            id,
            address,
            direction,
            peer_id: theirs.peer_id,
            connected_at: now,
            exchanged_at: now,
            wanted_at: now,
            reserved: theirs.reserved,
            deframer,
            limits: MessageLimits::for_torrent(geometry.pieces(), geometry.version() != Version::V1),
            outbox: BytesMut::new(),
            unsent_bytes: 0,
            last_heard: now,
            last_said: now,
            untold: Untold::default(),
            pieces: Bitfield::new(geometry.pieces()),
            idle_bitfields: 0,
            told_dht_port: false,
            introduced: false,
            listening: None,
            choking: true,
            interested: false,
            choked: true,
            wanted: false,
            unchoked_at: None,
            sent_since_unchoke: 0,
            requests: Requests::new(now),
            request_limit: DEFAULT_REQUEST_LIMIT,
            last_block: now,
            snubbed: false,
            was_doubted: false,
            allowed_to_us: Vec::new(),
            suggested: Vec::new(),
            cancelled: VecDeque::new(),
            refused: BTreeMap::new(),
            unasked_blocks: 0,
            uploads: Uploads::default(),
            allowed_to_them: Vec::new(),
            upload_only: false,
            client: None,
            exchange: Exchange::default(),
            ids: ExtensionIds::default(),
            metadata_given: 0,
            hash_requests: Vec::new(),
            download: RateMeter::new(CHOKE_WINDOW),
            upload: RateMeter::new(CHOKE_WINDOW),
            downloaded: 0,
            uploaded: 0,
            planted: Planted::default(),
        }
    }

    pub(crate) fn push(&mut self, now: Time, bytes: Bytes) {
        self.last_heard = now;
        self.deframer.push(bytes);
    }

    /// The next complete message of what was pushed.
    pub(crate) fn next_message(&mut self) -> Result<Option<Message>, DisconnectReason> {
        self.deframer.next(&self.limits).map_err(|_| DisconnectReason::Malformed("message length"))
    }

    // What we can do together.

    pub(crate) fn is_fast(&self) -> bool {
        self.reserved.has_fast()
    }

    pub(crate) fn is_extended(&self) -> bool {
        self.reserved.has_extended()
    }

    pub(crate) fn is_seed(&self) -> bool {
        self.pieces.is_full()
    }

    // Saying things. All of these only fill the outbox.

    pub(crate) fn say(&mut self, message: &Message) {
        message.encode(&mut self.outbox);
    }

    pub(crate) fn say_extension_handshake(&mut self, handshake: &ExtensionHandshake) {
        if self.is_extended() {
            self.say(&Message::Extended { id: 0, payload: handshake.encode().into() });
        }
    }

    /// Gives the peer a piece of the info dictionary; nothing when it gets too much of it.
    pub(crate) fn give_metadata(&mut self, piece: u32, info: &Bytes) {
        let Some(id) = self.ids.ut_metadata.filter(|id| *id != 0) else { return };
        let total_size = u32::try_from(info.len()).unwrap_or(u32::MAX);
        let most = total_size.div_ceil(METADATA_PIECE_LENGTH).saturating_mul(METADATA_COPIES);
        let from = (piece as usize).saturating_mul(METADATA_PIECE_LENGTH as usize);
        let to = from.saturating_add(METADATA_PIECE_LENGTH as usize).min(info.len());
        let message = if from < to && self.metadata_given < most {
            self.metadata_given += 1;
            MetadataMessage::Data { piece, total_size, data: info.slice(from..to) }
        } else {
            MetadataMessage::Reject { piece }
        };
        self.say(&Message::Extended { id, payload: message.encode().into() });
    }

    /// The peer understands `ut_pex`.
    pub(crate) fn takes_pex(&self) -> bool {
        self.ids.ut_pex.is_some_and(|id| id != 0)
    }

    pub(crate) fn say_pex(&mut self, message: &PexMessage) {
        if let Some(id) = self.ids.ut_pex.filter(|id| *id != 0 && !message.is_empty()) {
            self.say(&Message::Extended { id, payload: message.encode().into() });
        }
    }

    /// We do not give the info dictionary away.
    pub(crate) fn refuse_metadata(&mut self, piece: u32) {
        self.give_metadata(piece, &Bytes::new());
    }

    /// Tells the peer of our DHT node, if it has one too (BEP 5).
    pub(crate) fn say_dht_port(&mut self, port: u16) {
        if self.reserved.has_dht() {
            self.say(&Message::Port(port));
        }
    }

    pub(crate) fn set_interested(&mut self, interested: bool) {
        if self.interested != interested {
            self.interested = interested;
            self.say(&if interested { Message::Interested } else { Message::NotInterested });
        }
    }

    pub(crate) fn unchoke(&mut self, now: Time) {
        if self.choking {
            self.choking = false;
            self.unchoked_at = Some(now);
            self.sent_since_unchoke = 0;
            self.say(&Message::Unchoke);
        }
    }

    /// Chokes the peer and takes back what it had asked for, except what it may have while choked.
    pub(crate) fn choke(&mut self) {
        if self.choking {
            return;
        }
        self.choking = true;
        self.say(&Message::Choke);
        if self.planted.is(PlantedBug::ChokedAreServed) {
            return;
        }
        let allowed = &self.allowed_to_them;
        let gone = self.uploads.cancel_unless(|request| allowed.contains(&request.piece));
        if self.is_fast() {
            for request in gone {
                self.say(&Message::RejectRequest(request));
            }
        }
    }

    pub(crate) fn allow_fast(&mut self, pieces: Vec<u32>) {
        if !self.is_fast() {
            return;
        }
        for piece in &pieces {
            self.say(&Message::AllowedFast(*piece));
        }
        self.allowed_to_them = pieces;
    }

    /// Asks for a block; one that it still owes from when it was doubted counts as asked for.
    pub(crate) fn request(&mut self, now: Time, block: BlockRef) {
        if self.was_doubted && self.requests.blocks().any(|owed| owed == block) {
            return;
        }
        if self.requests.len() == 0 {
            // The peer has owed us nothing until now, so its silence did not count.
            self.last_block = now;
        }
        self.requests.sent(now, block);
        let mut request = wire_request(block);
        request.length += u32::from(self.planted.is(PlantedBug::RequestTooLong));
        self.say(&Message::Request(request));
    }

    /// Takes a request back, if it is still in flight.
    pub(crate) fn cancel(&mut self, now: Time, block: BlockRef) {
        if self.requests.withdraw(block) {
            self.say_cancels(now, &[block]);
        }
    }

    /// Takes the requests for blocks of this piece back; whether there were any.
    pub(crate) fn cancel_piece(&mut self, now: Time, piece: PieceIndex) -> bool {
        let blocks = self.requests.take_piece(piece);
        self.say_cancels(now, &blocks);
        !blocks.is_empty()
    }

    /// Takes every request back.
    pub(crate) fn cancel_all(&mut self, now: Time) -> Vec<BlockRef> {
        let blocks = self.requests.take_all();
        self.say_cancels(now, &blocks);
        blocks
    }

    fn say_cancels(&mut self, now: Time, blocks: &[BlockRef]) {
        if self.planted.is(PlantedBug::SilentCancel) {
            return;
        }
        for block in blocks {
            self.say(&Message::Cancel(wire_request(*block)));
            if self.is_fast() {
                self.cancelled.push_back((*block, now));
            }
        }
        // Some never answer a cancel.
        while self.cancelled.front().is_some_and(|(_, at)| now.since(*at) >= CANCEL_ANSWER_LIMIT) {
            self.cancelled.pop_front();
        }
    }

    /// Whether this answers a request that we have taken back.
    fn answers_cancelled(&mut self, now: Time, block: BlockRef) -> bool {
        let is_it =
            |(cancelled, at): &(BlockRef, Time)| *cancelled == block && now.since(*at) < CANCEL_ANSWER_LIMIT;
        let at = self.cancelled.iter().position(is_it);
        at.is_some_and(|at| self.cancelled.remove(at).is_some())
    }

    pub(crate) fn ask_hashes(&mut self, request: HashRequest) {
        self.hash_requests.push(request);
        self.say(&Message::HashRequest(request));
    }

    /// These questions were asked before the torrent was known: their answers come late and are of no use.
    pub(crate) fn expect_hashes(&mut self, requests: Vec<HashRequest>) {
        self.hash_requests.extend(requests);
    }

    pub(crate) fn can_tell_hashes(&self) -> bool {
        self.reserved.has_v2()
    }

    /// What is to be handed to the network now.
    pub(crate) fn take_outbox(&mut self, now: Time) -> Option<Bytes> {
        if self.outbox.is_empty() && !self.untold.is_due(now) {
            return None;
        }
        self.say_the_untold();
        self.last_said = now;
        let bytes = self.outbox.split().freeze();
        self.unsent_bytes += bytes.len();
        Some(bytes)
    }

    /// The peer asks on and on without reading the answers, which would fill our memory.
    pub(crate) fn is_deaf(&self) -> bool {
        self.outbox.len() + self.unsent_bytes > UNREAD_LIMIT
    }

    pub(crate) fn keep_alive(&mut self, now: Time) {
        if now.since(self.last_said) >= KEEPALIVE_AFTER {
            self.say(&Message::KeepAlive);
        }
    }

    pub(crate) fn is_silent(&self, now: Time) -> bool {
        now.since(self.last_heard) >= INACTIVITY_LIMIT
    }

    // Downloading.

    /// How many more blocks to ask for now.
    pub(crate) fn request_room(&mut self, now: Time) -> usize {
        // One request keeps the door open for a peer that has stopped delivering.
        if self.snubbed {
            return 1_usize.saturating_sub(self.requests.len());
        }
        let rate = self.download.rate(now);
        self.requests.room(now, rate, self.request_limit)
    }

    pub(crate) fn may_request(&self) -> bool {
        !self.choked || !self.allowed_to_us.is_empty()
    }

    /// While choked, only these pieces may be requested; `None` is any.
    pub(crate) fn allowed_pieces(&self) -> Option<&[PieceIndex]> {
        self.choked.then_some(self.allowed_to_us.as_slice())
    }

    /// Pieces of which it has just refused a block, in ascending order.
    pub(crate) fn refused_pieces(&mut self, now: Time) -> Vec<PieceIndex> {
        self.refused.retain(|_, at| now.since(*at) < REFUSED_FOR);
        self.refused.keys().copied().collect()
    }

    /// Whether it has just refused a block of this piece.
    pub(crate) fn has_refused(&self, now: Time, piece: PieceIndex) -> bool {
        self.refused.get(&piece).is_some_and(|at| now.since(*at) < REFUSED_FOR)
    }

    pub(crate) fn suggested_pieces(&self) -> &[PieceIndex] {
        &self.suggested
    }

    /// From the request for the first block that it has sent until it came.
    pub(crate) const fn first_block_took(&self) -> Option<Duration> {
        self.requests.first_took()
    }

    /// The blocks that it owes may be asked of others now, and it may still send them.
    pub(crate) fn doubt(&mut self) -> Vec<BlockRef> {
        self.was_doubted = true;
        self.requests.blocks().collect()
    }

    pub(crate) fn requests_in_flight(&self) -> usize {
        self.requests.len()
    }

    /// Takes back what the peer has evidently forgotten. If it has not, it need not send what we get elsewhere.
    pub(crate) fn cancel_lost(&mut self, now: Time) -> Vec<BlockRef> {
        let blocks = self.requests.take_lost();
        self.say_cancels(now, &blocks);
        blocks
    }

    pub(crate) fn take_all_requests(&mut self) -> Vec<BlockRef> {
        self.requests.take_all()
    }

    /// Whether it has just refused to send what it says it has.
    pub(crate) fn refuses(&self, now: Time) -> bool {
        self.refused.values().any(|at| now.since(*at) < REFUSED_FOR)
    }

    /// Whether the peer has just begun to snub us: it owes us blocks and sends none. One that has never sent any is
    /// waited for as long as `first_block` says.
    pub(crate) fn begins_to_snub(&mut self, now: Time, first_block: Duration) -> bool {
        let limit = if self.downloaded == 0 { first_block } else { SNUBBED_AFTER };
        let owes = self.requests.oldest().is_some_and(|oldest| now.since(oldest) >= limit);
        if self.snubbed || !owes || now.since(self.last_block) < limit {
            return false;
        }
        self.snubbed = true;
        true
    }

    // Uploading.

    /// Whether there is room for more on the way to the network.
    pub(crate) fn can_take_upload(&self) -> bool {
        self.unsent_bytes + self.uploads.reading_bytes() < UPLOAD_WATERMARK
    }

    /// Whether the peer waits for something that it has asked for.
    pub(crate) fn has_upload_backlog(&self) -> bool {
        self.unsent_bytes + self.uploads.reading_bytes() > 0 || self.uploads.next_length().is_some()
    }

    /// The next stretch to read from disk for this peer, of `most` bytes at the most unless a single request is
    /// longer; `None` when nothing is asked for.
    pub(crate) fn next_upload(&mut self, most: u32) -> Option<Stretch> {
        self.uploads.next_stretch(most.min(READ_LENGTH))
    }

    pub(crate) fn next_upload_length(&self) -> Option<u32> {
        self.uploads.next_length()
    }

    /// We do not have what was asked for.
    pub(crate) fn reject(&mut self, stretch: &Stretch) {
        if self.is_fast() {
            for request in &stretch.requests {
                self.say(&Message::RejectRequest(*request));
            }
        }
    }

    pub(crate) fn upload_reading(&mut self, token: ReadToken, stretch: Stretch) {
        self.uploads.reading(token, stretch);
    }

    /// The disk has delivered: cuts the bytes into blocks and returns what is to be sent, in order. The payload is
    /// not copied.
    pub(crate) fn upload_read(&mut self, now: Time, token: ReadToken, bytes: &Bytes) -> Vec<Bytes> {
        let Some((begin, requests)) = self.uploads.read(token) else { return Vec::new() };
        let mut out = Vec::with_capacity(2 * requests.len());
        for request in requests {
            let from = (request.begin - begin) as usize;
            let from = if self.planted.is(PlantedBug::WrongOffset) { 0 } else { from };
            let to = from + request.length as usize;
            if to > bytes.len() {
                continue;
            }
            encode_piece_header(request.piece, request.begin, request.length, &mut self.outbox);
            out.extend(self.take_outbox(now));
            out.push(bytes.slice(from..to));
            self.unsent_bytes += request.length as usize;
            self.uploaded += u64::from(request.length);
            self.exchanged_at = now;
            self.sent_since_unchoke += u64::from(request.length);
            self.upload.add(now, u64::from(request.length));
        }
        out
    }

    /// The disk could not deliver.
    pub(crate) fn upload_failed(&mut self, token: ReadToken) {
        let Some((_, requests)) = self.uploads.read(token) else { return };
        if self.is_fast() {
            for request in requests {
                self.say(&Message::RejectRequest(request));
            }
        }
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.unsent_bytes = self.unsent_bytes.saturating_sub(bytes);
    }
}

fn wire_request(block: BlockRef) -> BlockRequest {
    BlockRequest { piece: block.piece().get(), begin: block.begin(), length: block.length() }
}
