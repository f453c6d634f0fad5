//! One connection of a seeker: as much of the protocol as can be spoken without knowing the torrent.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sprat_wire::hash::PeerId;
use sprat_wire::peer::deframer::MessageLimits;
use sprat_wire::peer::extension::ExtensionHandshake;
use sprat_wire::peer::handshake::Handshake;
use sprat_wire::peer::message::{HashRequest, Message};
use sprat_wire::peer::metadata::MetadataMessage;

use crate::connection::{Direction, Greeting, INACTIVITY_LIMIT, Introduction, KEEPALIVE_AFTER, Patience};
use crate::io::{ConnectionId, DisconnectReason};
use crate::time::Time;

/// What a peer may have said before we know what it means: a bitfield and the haves of a lively download.
const MOST_HEARD: usize = 4096;

/// The bytes of it: the longest bitfield, and as much again for extension handshakes.
const MOST_HEARD_BYTES: usize = 512 * 1024;

/// Questions for metadata open at one peer, at most.
const MOST_OPEN: usize = 4;

/// Whoever has refused once is asked again after so long: it may be a newcomer like us.
const REFUSAL_LASTS: Duration = Duration::from_secs(30);

/// What a message means for the seeker.
#[derive(Debug)]
pub(super) enum Said {
    /// Nothing now; perhaps later, for the torrent.
    Nothing,
    /// It understands `ut_metadata`, and perhaps has all of it.
    Introduced,
    Metadata(MetadataMessage),
    Hashes(Message),
}

#[derive(Debug)]
pub(super) struct Talk {
    introduction: Introduction,
    outbox: BytesMut,
    patience: Patience,
    last_heard: Time,
    last_said: Time,
    /// Under which id the peer wants to receive `ut_metadata`.
    metadata_id: Option<u8>,
    /// What it says the info dictionary measures.
    pub(super) size: Option<u32>,
    refused_at: Option<Time>,
    /// Questions for metadata that may be open at a time: one more with each answer, as long as none is lost.
    window: usize,
    most_open: usize,
    /// What it said that only the torrent can make something of, in order.
    heard: Vec<Message>,
    /// Bytes of bitfields and extension handshakes among it.
    payload_heard: usize,
    /// Questions for hashes without an answer.
    hash_requests: Vec<HashRequest>,
}

impl Talk {
    pub(super) fn new(now: Time, introduction: Introduction) -> Self {
        Self {
            introduction,
            outbox: BytesMut::new(),
            patience: Patience::new(now),
            last_heard: now,
            last_said: now,
            metadata_id: None,
            size: None,
            refused_at: None,
            window: 1,
            most_open: MOST_OPEN,
            heard: Vec::new(),
            payload_heard: 0,
            hash_requests: Vec::new(),
        }
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.introduction.address
    }

    pub(super) const fn direction(&self) -> Direction {
        self.introduction.direction
    }

    pub(super) const fn handshake(&self) -> &Handshake {
        &self.introduction.theirs
    }

    pub(super) const fn peer_id(&self) -> PeerId {
        self.introduction.theirs.peer_id
    }

    /// What we say first: that we have nothing (BEP 6 wants to hear it), and what we understand.
    pub(super) fn greet(&mut self, handshake: &ExtensionHandshake) {
        if self.handshake().reserved.has_fast() {
            self.say(&Message::HaveNone);
        }
        if self.handshake().reserved.has_extended() {
            self.say(&Message::Extended { id: 0, payload: handshake.encode().into() });
        }
    }

    pub(super) fn say(&mut self, message: &Message) {
        message.encode(&mut self.outbox);
    }

    pub(super) fn ask_metadata(&mut self, piece: u32) {
        if let Some(id) = self.metadata_id {
            let payload = MetadataMessage::Request { piece }.encode().into();
            self.say(&Message::Extended { id, payload });
        }
    }

    pub(super) fn ask_hashes(&mut self, request: HashRequest) {
        self.hash_requests.push(request);
        self.say(&Message::HashRequest(request));
    }

    pub(super) fn take_outbox(&mut self, now: Time) -> Option<Bytes> {
        if self.outbox.is_empty() {
            return None;
        }
        self.last_said = now;
        Some(self.outbox.split().freeze())
    }

    pub(super) fn keep_alive(&mut self, now: Time) {
        if now.since(self.last_said) >= KEEPALIVE_AFTER {
            self.say(&Message::KeepAlive);
        }
    }

    pub(super) fn is_silent(&self, now: Time) -> bool {
        now.since(self.last_heard) >= INACTIVITY_LIMIT
    }

    /// It says that it has metadata, and has not refused to give it lately.
    pub(super) fn may_be_asked(&self, now: Time) -> bool {
        self.metadata_id.is_some()
            && self.size.is_some()
            && self.refused_at.is_none_or(|at| now.since(at) >= REFUSAL_LASTS)
    }

    pub(super) const fn window(&self) -> usize {
        self.window
    }

    /// What it sends is of no use, and there is no end to it.
    pub(super) const fn is_flood(&self) -> bool {
        self.patience.is_over()
    }

    /// It has sent hashes that were asked for.
    pub(super) fn sent_hashes(&mut self, count: usize) {
        self.patience.was_of_use(count.saturating_mul(32));
    }

    /// A piece of metadata has come, of so many bytes.
    pub(super) fn answers(&mut self, bytes: usize) {
        self.patience.was_of_use(bytes);
        self.window = (self.window + 1).min(self.most_open);
    }

    /// It does not answer all that it is asked. rTorrent drops what is asked while it answers something else; whoever
    /// does not even answer a single question is left alone for a while.
    pub(super) fn is_late(&mut self, now: Time) {
        if self.window > 1 {
            (self.window, self.most_open) = (1, 1);
        } else {
            self.refuses(now);
        }
    }

    pub(super) const fn refuses(&mut self, now: Time) {
        self.refused_at = Some(now);
    }

    pub(super) fn push(&mut self, now: Time, bytes: Bytes) {
        self.last_heard = now;
        self.patience.received(now, bytes.len());
        self.introduction.deframer.push(bytes);
    }

    pub(super) fn next_message(
        &mut self,
        limits: &MessageLimits,
    ) -> Result<Option<Message>, DisconnectReason> {
        self.introduction.deframer.next(limits).map_err(|_| DisconnectReason::Malformed("message length"))
    }

    pub(super) fn handle_message(&mut self, message: Message) -> Result<Said, DisconnectReason> {
        match message {
            Message::Extended { id: 0, payload } => self.on_extension_handshake(payload),
            Message::Extended { id, payload } => on_extended(id, &payload),
            Message::Hashes { request, .. } | Message::HashReject(request) => {
                if let Some(at) = self.hash_requests.iter().position(|asked| *asked == request) {
                    self.hash_requests.remove(at);
                }
                Ok(Said::Hashes(message))
            }
            // The bytes would keep the buffer alive in which they came.
            Message::Bitfield(bits) => self.remember(Message::Bitfield(Bytes::copy_from_slice(&bits))),
            Message::Choke
            | Message::Unchoke
            | Message::Interested
            | Message::NotInterested
            | Message::Have(_)
            | Message::HaveAll
            | Message::HaveNone
            | Message::SuggestPiece(_)
            | Message::AllowedFast(_) => self.remember(message),
            // We have nothing and have asked for nothing.
            Message::KeepAlive
            | Message::Request(_)
            | Message::Piece { .. }
            | Message::Cancel(_)
            | Message::Port(_)
            | Message::RejectRequest(_)
            | Message::HashRequest(_)
            | Message::Unknown(_) => Ok(Said::Nothing),
        }
    }

    fn on_extension_handshake(&mut self, payload: Bytes) -> Result<Said, DisconnectReason> {
        let handshake = ExtensionHandshake::decode(&payload)
            .map_err(|_| DisconnectReason::Malformed("extension handshake"))?;
        if let Some(id) = handshake.ids.ut_metadata {
            self.metadata_id = Some(id).filter(|id| *id != 0);
        }
        self.size = handshake.metadata_size.or(self.size);
        self.remember(Message::Extended { id: 0, payload: Bytes::copy_from_slice(&payload) })?;
        Ok(Said::Introduced)
    }

    fn remember(&mut self, message: Message) -> Result<Said, DisconnectReason> {
        self.payload_heard += match &message {
            Message::Bitfield(bytes) | Message::Extended { payload: bytes, .. } => bytes.len(),
            _ => 0,
        };
        if self.heard.len() >= MOST_HEARD || self.payload_heard > MOST_HEARD_BYTES {
            return Err(DisconnectReason::Misbehaved("a flood of messages before the metadata"));
        }
        self.heard.push(message);
        Ok(Said::Nothing)
    }

    fn heard_bytes(&self) -> usize {
        self.payload_heard + self.heard.capacity() * size_of::<Message>()
    }

    /// Bytes of memory.
    pub(super) fn holds(&self) -> usize {
        self.introduction.holds() + self.heard_bytes() + self.outbox.capacity()
    }

    /// The connection as the torrent takes it over.
    pub(super) fn into_introduction(self) -> (ConnectionId, Introduction) {
        let heard_bytes = self.heard_bytes();
        let greeting = Greeting::Done { heard: self.heard, heard_bytes, hash_requests: self.hash_requests };
        (self.introduction.id, Introduction { greeting, ..self.introduction })
    }
}

fn on_extended(id: u8, payload: &Bytes) -> Result<Said, DisconnectReason> {
    if Some(id) != crate::connection::OUR_IDS.ut_metadata {
        return Ok(Said::Nothing);
    }
    match MetadataMessage::decode(payload) {
        Ok(message) => Ok(Said::Metadata(message)),
        // "In order to support future extensibility, an unrecognized message ID MUST be ignored" (BEP 9).
        Err(sprat_wire::peer::metadata::MetadataMessageError::UnknownType(_)) => Ok(Said::Nothing),
        Err(_) => Err(DisconnectReason::Malformed("metadata message")),
    }
}
