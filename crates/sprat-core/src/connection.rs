//! One connection to a peer: the protocol between two ends, and nothing about the torrent.
//!
//! `incoming` takes messages in, `saying` fills the outbox; `downloading` and `uploading` are the two ways of payload.
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
use sprat_wire::peer::extension::ExtensionIds;
use sprat_wire::peer::handshake::{Handshake, Reserved};
use sprat_wire::peer::message::{HashRequest, Message};
use sprat_wire::peer::pex::PexMessage;

use crate::bitfield::Bitfield;
use crate::geometry::{BlockRef, Geometry, PieceIndex};
use crate::io::{ConnectionId, DisconnectReason};
use crate::memory::CONNECTION;
use crate::planted::Planted;
use crate::rate::{CHOKE_WINDOW, RateMeter};
use crate::time::Time;

mod downloading;
mod exchange;
mod haves;
mod holding;
mod incoming;
mod patience;
mod requests;
mod saying;
mod uploading;
mod uploads;

use exchange::Exchange;
use haves::Untold;
use requests::Requests;
use uploading::Taking;
use uploads::Uploads;

pub(crate) use exchange::Roll;
pub(crate) use patience::Patience;
pub(crate) use uploads::QUEUE_LIMIT;

/// `reqq` of a peer that does not say: what most clients take (libtorrent's default for `reqq`, BEP 10).
const DEFAULT_REQUEST_LIMIT: u32 = 250;

/// Nothing was heard for so long: the connection is dead (BEP 3: keepalives come every two minutes).
pub(crate) const INACTIVITY_LIMIT: Duration = Duration::from_secs(130);

/// A peer that has nothing to say may be as quiet; one that calls again may have gone.
const QUIET_AFTER: Duration = Duration::from_secs(5);

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

/// A peer that delivers nothing it was asked for in so long is snubbing us (Cohen 2003).
pub(crate) const SNUBBED_AFTER: Duration = Duration::from_secs(60);

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
    taking: Taking,
    patience: Patience,
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
    /// Bytes that it held when it was counted last.
    counted: usize,
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
    Done {
        heard: Vec<Message>,
        /// Bytes of memory that this takes.
        heard_bytes: usize,
        hash_requests: Vec<HashRequest>,
    },
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

    /// Bytes of memory.
    pub(crate) fn holds(&self) -> usize {
        let heard = match &self.greeting {
            Greeting::Due => 0,
            Greeting::Done { heard_bytes, .. } => *heard_bytes,
        };
        CONNECTION + self.deframer.buffered() + heard
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
            taking: Taking::default(),
            patience: Patience::new(now),
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
            counted: 0,
            planted: Planted::default(),
        }
    }

    pub(crate) fn push(&mut self, now: Time, bytes: Bytes) {
        self.last_heard = now;
        self.patience.received(now, bytes.len());
        self.deframer.push(bytes);
    }

    /// What it sends is of no use, and there is no end to it.
    pub(crate) const fn is_flood(&self) -> bool {
        self.patience.is_over()
    }

    /// Whether so much work is to be done for it, as it asks for something besides payload.
    pub(crate) fn may_have_work(&mut self, cost: u32) -> bool {
        self.patience.afford(cost)
    }

    /// The next complete message of what was pushed.
    pub(crate) fn next_message(&mut self) -> Result<Option<Message>, DisconnectReason> {
        // Hashes may be a quarter of a MiB long, and are only to be sent by those who were asked for some.
        let hashes = if self.hash_requests.is_empty() { 0 } else { self.limits.hashes };
        let limits = MessageLimits { hashes, ..self.limits };
        self.deframer.next(&limits).map_err(|_| DisconnectReason::Malformed("message length"))
    }

    pub(crate) fn is_between_messages(&self) -> bool {
        self.deframer.is_between_messages()
    }

    pub(crate) fn is_fast(&self) -> bool {
        self.reserved.has_fast()
    }

    pub(crate) fn is_extended(&self) -> bool {
        self.reserved.has_extended()
    }

    pub(crate) fn is_seed(&self) -> bool {
        self.pieces.is_full()
    }

    /// It may be one that has gone without a word.
    pub(crate) fn is_quiet(&self, now: Time) -> bool {
        now.since(self.last_heard) >= QUIET_AFTER
    }

    pub(crate) fn is_silent(&self, now: Time) -> bool {
        now.since(self.last_heard) >= INACTIVITY_LIMIT
    }
}
