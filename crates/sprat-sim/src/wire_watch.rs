//! What one end of a connection says and hears, held against the rules of the protocol (BEP 3, 6, 10, 21).
//!
//! A session that the simulation drives has taken in all that was delivered to it before it says the next thing, so that
//! every rule can be checked exactly, at its own end, message by message.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sprat_core::bitfield::Bitfield;
use sprat_core::geometry::Geometry;
use sprat_wire::metainfo::Version;
use sprat_wire::peer::deframer::{Deframer, MessageLimits};
use sprat_wire::peer::extension::{ExtensionHandshake, HANDSHAKE_ID};
use sprat_wire::peer::handshake::Reserved;
use sprat_wire::peer::message::{BlockRequest, Message};

use crate::content::Content;

/// What a peer may keep for one that does not read: an honest one ends the connection at 2 MiB of answers, beside half a
/// MiB of payload.
const MOST_UNSENT: usize = 3 << 20;

/// What a peer that does not tell its `reqq` is believed to take (libtorrent's default for it, BEP 10).
const DEFAULT_REQUEST_LIMIT: usize = 250;

/// More blocks in flight than this are asked of nobody.
const MOST_REQUESTS: usize = 2048;

/// Who has been refused the same block so often should have gone elsewhere.
const MOST_REFUSALS: u32 = 20;

/// What the session at this end knows besides the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Knowledge<'a> {
    pub(crate) content: &'a Content,
    /// What is on its disk and right.
    pub(crate) verified: &'a Bitfield,
    /// What the session counts as had; `None` before it has the metadata.
    pub(crate) counted: Option<&'a Bitfield>,
    /// It sends wrong blocks on purpose.
    pub(crate) poisons: bool,
}

impl Knowledge<'_> {
    /// It has passed its hash, and the session knows that.
    fn may_claim(&self, piece: u32) -> bool {
        self.verified.contains(piece) && self.counted.is_none_or(|counted| counted.contains(piece))
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct WireWatch {
    said: Stream,
    heard: Stream,
    /// The other end says what is no message; nothing is expected any more.
    is_over: bool,
    choking: bool,
    choked: bool,
    interested: bool,
    /// The pieces were told, or something that comes after them.
    has_spoken: bool,
    told: Bitfield,
    theirs: Bitfield,
    /// Requests in flight to the other end.
    asked: BTreeSet<BlockRequest>,
    /// Requests that were taken back and have had no answer.
    cancelled: Vec<BlockRequest>,
    /// How often each block was refused to us by a peer that does not choke us.
    refused: BTreeMap<BlockRequest, u32>,
    request_limit: usize,
    /// Requests of the other end that have had no answer, and how often each was made.
    wanted: BTreeMap<BlockRequest, u32>,
    allowed_to_us: BTreeSet<u32>,
    allowed_to_them: BTreeSet<u32>,
    unsent: usize,
}

/// One direction.
#[derive(Debug, Default)]
struct Stream {
    deframer: Deframer,
    /// What the handshake said.
    reserved: Option<Reserved>,
}

impl Stream {
    /// The next message; `Err` when there cannot be any more.
    fn next(&mut self, limits: &MessageLimits) -> Result<Option<Message>, ()> {
        if self.reserved.is_none() {
            let Some(handshake) = self.deframer.handshake().map_err(|_| ())? else { return Ok(None) };
            self.reserved = Some(handshake.reserved);
        }
        self.deframer.next(limits).map_err(|_| ())
    }
}

impl WireWatch {
    pub(crate) fn new(pieces: u32) -> Self {
        Self {
            said: Stream::default(),
            heard: Stream::default(),
            is_over: false,
            choking: true,
            choked: true,
            interested: false,
            has_spoken: false,
            told: Bitfield::new(pieces),
            theirs: Bitfield::new(pieces),
            asked: BTreeSet::new(),
            cancelled: Vec::new(),
            refused: BTreeMap::new(),
            request_limit: DEFAULT_REQUEST_LIMIT,
            wanted: BTreeMap::new(),
            allowed_to_us: BTreeSet::new(),
            allowed_to_them: BTreeSet::new(),
            unsent: 0,
        }
    }

    /// The network has taken so many bytes.
    pub(crate) const fn sent(&mut self, bytes: usize) {
        self.unsent = self.unsent.saturating_sub(bytes);
    }

    /// This end is about to hear this.
    pub(crate) fn hears(&mut self, bytes: Bytes, content: &Content) {
        self.heard.deframer.push(bytes);
        let limits = limits(content.geometry());
        while !self.is_over {
            match self.heard.next(&limits) {
                Ok(Some(message)) => self.heard_message(content.geometry(), message),
                Ok(None) => break,
                Err(()) => self.is_over = true,
            }
        }
    }

    /// This end says this; the rule that it breaks.
    pub(crate) fn says(&mut self, bytes: Bytes, knows: Knowledge<'_>) -> Result<(), String> {
        self.unsent += bytes.len();
        rule(self.unsent <= MOST_UNSENT, || format!("{} bytes wait for one peer", self.unsent))?;
        self.said.deframer.push(bytes);
        let limits = limits(knows.content.geometry());
        loop {
            let next = self.said.next(&limits).map_err(|()| "it says what is no message".to_owned())?;
            let Some(message) = next else { return Ok(()) };
            self.said_message(message, knows)?;
        }
    }

    /// What must be so when nothing has happened for a second: `had` was had all that time.
    pub(crate) fn at_rest(&self, had: &Bitfield, counted: &Bitfield) -> Result<(), String> {
        if self.is_over || !self.has_spoken || self.heard.reserved.is_none() {
            return Ok(());
        }
        if !self.theirs.is_full() {
            // What the other has itself is not urgent.
            let is_news = |piece: u32| !self.told.contains(piece) && !self.theirs.contains(piece);
            let untold = had.iter().find(|piece| is_news(*piece) && counted.contains(*piece));
            rule(untold.is_none(), || format!("it has not told of piece {untold:?}"))?;
        }
        let wanted = self.theirs.iter().find(|piece| !counted.contains(*piece));
        rule(self.interested || wanted.is_none(), || format!("it does not want piece {wanted:?}"))
    }

    /// The other end can answer one by one (BEP 6).
    fn is_fast(&self) -> bool {
        self.heard.reserved.is_some_and(Reserved::has_fast)
    }

    fn heard_message(&mut self, geometry: &Geometry, message: Message) {
        match message {
            Message::Choke => {
                self.choked = true;
                if !self.is_fast() {
                    self.asked.clear();
                }
            }
            Message::Unchoke => self.choked = false,
            Message::Have(piece) => _ = piece < geometry.pieces() && self.theirs.insert(piece),
            Message::Bitfield(bits) => match Bitfield::from_wire(&bits, geometry.pieces()) {
                Some(theirs) => self.theirs = theirs,
                None => self.is_over = true,
            },
            Message::HaveAll => self.theirs = Bitfield::full(geometry.pieces()),
            Message::HaveNone => self.theirs = Bitfield::new(geometry.pieces()),
            Message::Request(request) => {
                let is_welcome = !self.choking || self.allowed_to_them.contains(&request.piece);
                if is_welcome || self.is_fast() {
                    *self.wanted.entry(request).or_default() += 1;
                }
            }
            // With the fast extension a cancelled request has an answer as well.
            Message::Cancel(request) if !self.is_fast() => _ = self.no_longer_wanted(request),
            Message::Piece { piece, begin, block } => {
                let request = request_of(piece, begin, &block);
                _ = self.asked.remove(&request) || self.was_cancelled(request);
            }
            Message::RejectRequest(request) => self.heard_reject(request),
            Message::AllowedFast(piece) => _ = self.allowed_to_us.insert(piece),
            Message::Extended { id: HANDSHAKE_ID, payload } => {
                let handshake = ExtensionHandshake::decode(&payload).unwrap_or_default();
                if let Some(limit) = handshake.request_queue {
                    self.request_limit = (limit as usize).max(1);
                }
            }
            _ => {}
        }
    }

    fn heard_reject(&mut self, request: BlockRequest) {
        if self.was_cancelled(request) || !self.asked.remove(&request) {
            return;
        }
        if self.choked {
            // What it rejects although it was allowed, it does not allow after all.
            self.allowed_to_us.remove(&request.piece);
        } else {
            *self.refused.entry(request).or_default() += 1;
        }
    }

    fn was_cancelled(&mut self, request: BlockRequest) -> bool {
        let at = self.cancelled.iter().position(|cancelled| *cancelled == request);
        at.map(|at| self.cancelled.remove(at)).is_some()
    }

    fn said_message(&mut self, message: Message, knows: Knowledge<'_>) -> Result<(), String> {
        let is_first = !std::mem::replace(&mut self.has_spoken, true);
        match message {
            Message::Choke => {
                rule(!self.choking, || "it chokes twice".to_owned())?;
                self.choking = true;
                if !self.is_fast() {
                    let allowed = &self.allowed_to_them;
                    self.wanted.retain(|request, _| allowed.contains(&request.piece));
                }
                Ok(())
            }
            Message::Unchoke => {
                rule(std::mem::replace(&mut self.choking, false), || "it unchokes twice".to_owned())
            }
            Message::Interested => {
                rule(!std::mem::replace(&mut self.interested, true), || "it is interested twice".to_owned())
            }
            Message::NotInterested => {
                let was = std::mem::replace(&mut self.interested, false);
                rule(was, || "it is not interested twice".to_owned())
            }
            Message::Have(piece) => {
                rule(knows.may_claim(piece), || format!("it claims piece {piece}"))?;
                rule(self.told.insert(piece), || format!("it tells of piece {piece} twice"))
            }
            Message::Bitfield(bits) => {
                let pieces = knows.content.geometry().pieces();
                let told = Bitfield::from_wire(&bits, pieces);
                self.tells_all(told.ok_or("a bitfield that does not fit")?, is_first, knows)
            }
            Message::HaveAll => self.tells_all(Bitfield::full(self.told.len()), is_first, knows),
            Message::HaveNone => self.tells_all(Bitfield::new(self.told.len()), is_first, knows),
            Message::Request(request) => self.asks(request, knows),
            Message::Cancel(request) => {
                if self.is_fast() {
                    self.cancelled.push(request);
                }
                let asked = self.asked.remove(&request);
                rule(asked, || format!("it takes back what it never asked: {request:?}"))
            }
            Message::Piece { piece, begin, block } => {
                let request = request_of(piece, begin, &block);
                self.answers(request)?;
                let may = !self.choking || self.allowed_to_them.contains(&piece);
                rule(may, || format!("it sends {request:?} to a peer that it chokes"))?;
                rule(knows.verified.contains(piece), || {
                    format!("it sends piece {piece} and has not got it")
                })?;
                let is_right = knows.poisons || is_original(knows.content, piece, begin, &block);
                rule(is_right, || format!("it sends wrong bytes for {request:?}"))
            }
            Message::RejectRequest(request) => {
                rule(self.is_fast(), || "it rejects without the fast extension".to_owned())?;
                self.answers(request)
            }
            Message::AllowedFast(piece) => {
                rule(self.is_fast(), || "it allows without the fast extension".to_owned())?;
                self.allowed_to_them.insert(piece);
                Ok(())
            }
            Message::HashRequest(_) => {
                let knows_v2 = self.heard.reserved.is_some_and(Reserved::has_v2);
                rule(knows_v2, || "it asks for hashes where they are not known".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn tells_all(&mut self, told: Bitfield, is_first: bool, knows: Knowledge<'_>) -> Result<(), String> {
        rule(is_first, || "it tells all of its pieces late".to_owned())?;
        let unknown = told.iter().find(|piece| !knows.may_claim(*piece));
        rule(unknown.is_none(), || format!("it claims piece {unknown:?}"))?;
        self.told = told;
        Ok(())
    }

    fn asks(&mut self, request: BlockRequest, knows: Knowledge<'_>) -> Result<(), String> {
        let BlockRequest { piece, begin, length } = request;
        let exists = knows.content.geometry().block_at(piece, begin, length).is_some();
        rule(exists, || format!("it asks for what there is not: {request:?}"))?;
        rule(self.theirs.contains(piece), || format!("it asks for what the other has not: {request:?}"))?;
        let may = !self.choked || self.allowed_to_us.contains(&piece);
        rule(may, || format!("it asks for {request:?} although it is choked"))?;
        let has = knows.counted.is_some_and(|counted| counted.contains(piece));
        rule(!has, || format!("it asks for what it has: {request:?}"))?;
        rule(self.asked.insert(request), || format!("it asks twice for {request:?}"))?;
        let refusals = self.refused.get(&request).copied().unwrap_or(0);
        rule(refusals <= MOST_REFUSALS, || format!("it asks for {request:?}, refused {refusals} times"))?;
        let most = self.request_limit.min(MOST_REQUESTS);
        rule(self.asked.len() <= most, || format!("{} requests in flight, {most} allowed", self.asked.len()))
    }

    /// Something is answered: it must have been asked.
    fn answers(&mut self, request: BlockRequest) -> Result<(), String> {
        rule(self.no_longer_wanted(request), || format!("it answers what nobody asks: {request:?}"))
    }

    /// One of the times that this was asked for is over; whether there was one.
    fn no_longer_wanted(&mut self, request: BlockRequest) -> bool {
        let Some(times) = self.wanted.get_mut(&request) else { return false };
        *times -= 1;
        if *times == 0 {
            self.wanted.remove(&request);
        }
        true
    }
}

fn rule(kept: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if kept { Ok(()) } else { Err(otherwise()) }
}

fn limits(geometry: &Geometry) -> MessageLimits {
    MessageLimits::for_torrent(geometry.pieces(), geometry.version() != Version::V1)
}

fn request_of(piece: u32, begin: u32, block: &Bytes) -> BlockRequest {
    BlockRequest { piece, begin, length: u32::try_from(block.len()).unwrap_or(u32::MAX) }
}

fn is_original(content: &Content, piece: u32, begin: u32, block: &Bytes) -> bool {
    let original = content.geometry().piece(piece).map(|piece| content.piece(piece)).unwrap_or_default();
    original.get(begin as usize..).is_some_and(|rest| rest.starts_with(block))
}
