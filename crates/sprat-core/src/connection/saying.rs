//! Saying things: all of these only fill the outbox.

use bytes::Bytes;
use sprat_wire::peer::extension::ExtensionHandshake;
use sprat_wire::peer::message::{HashRequest, Message};
use sprat_wire::peer::metadata::{METADATA_PIECE_LENGTH, MetadataMessage};
use sprat_wire::peer::pex::PexMessage;

use crate::planted::PlantedBug;
use crate::time::Time;

use super::{KEEPALIVE_AFTER, PeerConnection};

/// How often one connection may fetch the whole info dictionary.
const METADATA_COPIES: u32 = 3;

/// Bytes that wait to be sent to one peer. Payload stops at [`MOST_ON_ITS_WAY`](super::uploading); what grows beyond are
/// answers to questions of a peer that asks and does not read.
const UNREAD_LIMIT: usize = 768 * 1024;

/// With so much waiting to be sent, no metadata is given: who asks for all of it at once gets the rest when it asks again.
const METADATA_BACKLOG: usize = 512 * 1024;

impl PeerConnection {
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
        let is_behind = self.outbox.len() + self.unsent_bytes >= METADATA_BACKLOG;
        let message = if from < to && self.metadata_given < most && !is_behind {
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

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.taking.took(bytes);
        self.unsent_bytes = self.unsent_bytes.saturating_sub(bytes);
    }
}
