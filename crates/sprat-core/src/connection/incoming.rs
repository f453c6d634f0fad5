//! What each message does to the connection, and what it means for the torrent.

use std::net::SocketAddr;

use bytes::Bytes;
use sprat_wire::hash::Sha256Hash;
use sprat_wire::metainfo::Version;
use sprat_wire::peer::extension::ExtensionHandshake;
use sprat_wire::peer::message::{BlockRequest, HashRequest, Message};
use sprat_wire::peer::metadata::MetadataMessage;
use sprat_wire::peer::pex::PexMessage;

use super::patience::Kind;
use super::uploads::Queued;
use super::{Direction, Happening, OUR_IDS, PeerConnection};
use crate::bitfield::Bitfield;
use crate::geometry::{Geometry, PieceIndex};
use crate::io::DisconnectReason;
use crate::planted::PlantedBug;
use crate::time::Time;

/// Unasked-for blocks beyond this many are an attack on our bandwidth rather than cancels that crossed on the way.
const UNASKED_BLOCKS_LIMIT: u64 = 2048;

/// Bytes that we asked for, for each of which one more of them is borne: one block of 32.
const BYTES_PER_UNASKED_BLOCK: u64 = 512 * 1024;

/// Bitfields that bring nothing new, per connection. BEP 3 knows one, at the beginning; aria2 sends a bitfield in place
/// of many haves as well.
const IDLE_BITFIELDS_LIMIT: u32 = 8;

impl PeerConnection {
    /// Takes one message in.
    pub(crate) fn handle_message(
        &mut self,
        now: Time,
        geometry: &Geometry,
        message: Message,
    ) -> Result<Happening, DisconnectReason> {
        let kind = Kind::of(&message);
        let happening = self.take_in(now, geometry, message)?;
        self.patience.heard(kind, &happening);
        Ok(happening)
    }

    /// One line per message.
    fn take_in(
        &mut self,
        now: Time,
        geometry: &Geometry,
        message: Message,
    ) -> Result<Happening, DisconnectReason> {
        match message {
            Message::KeepAlive | Message::Unknown(_) => Ok(Happening::Nothing),
            Message::Port(port) => Ok(self.on_port(port)),
            Message::Choke => Ok(self.on_choke()),
            Message::Unchoke => Ok(self.on_unchoke(now)),
            Message::Interested => Ok(self.on_interest(true)),
            Message::NotInterested => Ok(self.on_interest(false)),
            Message::Have(piece) => self.on_have(geometry, piece),
            Message::Bitfield(bits) => self.on_bitfield(geometry, &bits),
            Message::HaveAll => self.on_have_all(geometry),
            Message::HaveNone => self.on_have_none(geometry),
            Message::Request(request) => self.on_request(geometry, request),
            Message::Cancel(request) => Ok(self.on_cancel(request)),
            Message::Piece { piece, begin, block } => self.on_block(now, geometry, piece, begin, block),
            Message::RejectRequest(request) => self.on_reject(now, geometry, request),
            Message::SuggestPiece(piece) => self.on_suggest(geometry, piece),
            Message::AllowedFast(piece) => self.on_allowed_fast(geometry, piece),
            Message::Extended { id, payload } => self.on_extended(id, &payload),
            Message::HashRequest(request) => self.on_hash_request(geometry, request),
            Message::Hashes { request, hashes } => self.on_hashes(request, hashes),
            Message::HashReject(request) => self.on_hash_reject(request),
        }
    }

    fn on_port(&mut self, port: u16) -> Happening {
        // Believed once: repeated, it would be a way to have us call on others.
        let told_before = std::mem::replace(&mut self.told_dht_port, true);
        if port == 0 || told_before { Happening::Nothing } else { Happening::DhtNode(port) }
    }

    fn on_choke(&mut self) -> Happening {
        self.choked = !self.planted.is(PlantedBug::ChokeIgnored);
        // With the fast extension every request is answered one by one, with a reject at least (BEP 6).
        if self.is_fast() { Happening::Nothing } else { Happening::Choked(self.requests.take_all()) }
    }

    fn on_unchoke(&mut self, now: Time) -> Happening {
        self.choked = false;
        self.last_block = now;
        Happening::MayRequest
    }

    fn on_interest(&mut self, wanted: bool) -> Happening {
        self.wanted = wanted;
        Happening::InterestChanged
    }

    fn on_have(&mut self, geometry: &Geometry, piece: u32) -> Result<Happening, DisconnectReason> {
        let piece = known_piece(geometry, piece)?;
        Ok(if self.pieces.insert(piece.get()) { Happening::Has(piece) } else { Happening::Nothing })
    }

    fn on_bitfield(&mut self, geometry: &Geometry, bits: &[u8]) -> Result<Happening, DisconnectReason> {
        let pieces = Bitfield::from_wire(bits, geometry.pieces())
            .ok_or(DisconnectReason::Malformed("bitfield of the wrong length or with spare bits set"))?;
        self.all_pieces(pieces)
    }

    fn on_have_all(&mut self, geometry: &Geometry) -> Result<Happening, DisconnectReason> {
        self.only_with_fast("have all without the fast extension")?;
        self.all_pieces(Bitfield::full(geometry.pieces()))
    }

    fn on_have_none(&mut self, geometry: &Geometry) -> Result<Happening, DisconnectReason> {
        self.only_with_fast("have none without the fast extension")?;
        self.all_pieces(Bitfield::new(geometry.pieces()))
    }

    fn all_pieces(&mut self, pieces: Bitfield) -> Result<Happening, DisconnectReason> {
        if pieces.count() <= self.pieces.count() {
            self.idle_bitfields += 1;
            if self.idle_bitfields > IDLE_BITFIELDS_LIMIT {
                return Err(DisconnectReason::Misbehaved("bitfields again and again"));
            }
        }
        let before = std::mem::replace(&mut self.pieces, pieces);
        Ok(Happening::HasSet { before })
    }

    fn on_request(
        &mut self,
        geometry: &Geometry,
        request: BlockRequest,
    ) -> Result<Happening, DisconnectReason> {
        if !geometry.contains(request.piece, request.begin, request.length) {
            return Err(DisconnectReason::Misbehaved("request outside the piece"));
        }
        // Longer than any client asks for (BEP 3 leaves the limit open; others draw it here).
        if request.length > 128 * 1024 {
            return Err(DisconnectReason::Misbehaved("request longer than 128 KiB"));
        }
        if self.choking && !self.allowed_to_them.contains(&request.piece) {
            // Without the fast extension the choke is answer enough: it may have crossed the request.
            if self.is_fast() {
                self.say(&Message::RejectRequest(request));
            }
            return Ok(Happening::Nothing);
        }
        match self.uploads.push(request, self.is_fast()) {
            Queued::Yes => Ok(Happening::Requested(request.piece)),
            Queued::Twice => Ok(Happening::Nothing),
            Queued::Full => {
                self.say(&Message::RejectRequest(request));
                Ok(Happening::Nothing)
            }
            Queued::Flood => Err(DisconnectReason::Misbehaved("request flood")),
        }
    }

    fn on_cancel(&mut self, request: BlockRequest) -> Happening {
        // BEP 6: every request gets exactly one answer, a cancelled one too.
        if self.uploads.cancel(request) && self.is_fast() {
            self.say(&Message::RejectRequest(request));
        }
        Happening::Nothing
    }

    fn on_block(
        &mut self,
        now: Time,
        geometry: &Geometry,
        piece: u32,
        begin: u32,
        data: Bytes,
    ) -> Result<Happening, DisconnectReason> {
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let block = geometry.block_at(piece, begin, length);
        let Some(block) = block.filter(|block| self.requests.answered(now, *block)) else {
            _ = block.is_some_and(|block| self.answers_cancelled(now, block));
            self.unasked_blocks += 1;
            if self.unasked_blocks > UNASKED_BLOCKS_LIMIT + self.downloaded / BYTES_PER_UNASKED_BLOCK {
                return Err(DisconnectReason::Misbehaved("flood of blocks nobody asked for"));
            }
            return Ok(Happening::Unasked(length));
        };
        self.last_block = now;
        self.exchanged_at = now;
        self.snubbed = false;
        self.patience.exchanged(u64::from(length));
        self.downloaded += u64::from(length);
        self.download.add(now, u64::from(length));
        Ok(Happening::Block(block, data))
    }

    fn on_reject(
        &mut self,
        now: Time,
        geometry: &Geometry,
        request: BlockRequest,
    ) -> Result<Happening, DisconnectReason> {
        self.only_with_fast("reject without the fast extension")?;
        let block = geometry.block_at(request.piece, request.begin, request.length);
        if block.is_some_and(|block| self.answers_cancelled(now, block)) {
            // The same may have been asked again since: that has an answer of its own.
            return Ok(Happening::Nothing);
        }
        let Some(block) = block.filter(|block| self.requests.withdraw(*block)) else {
            // It crossed a cancel of ours, or a request that we have given up on.
            return Ok(Happening::Nothing);
        };
        if self.choked {
            // What it rejects although it was allowed, it does not allow after all.
            self.allowed_to_us.retain(|piece| *piece != block.piece());
        } else if !self.planted.is(PlantedBug::RefusalForgotten) {
            self.refused.insert(block.piece(), now);
        }
        Ok(Happening::Rejected(block))
    }

    fn on_suggest(&mut self, geometry: &Geometry, piece: u32) -> Result<Happening, DisconnectReason> {
        self.only_with_fast("suggest without the fast extension")?;
        remember(&mut self.suggested, known_piece(geometry, piece)?);
        Ok(Happening::Nothing)
    }

    fn on_allowed_fast(&mut self, geometry: &Geometry, piece: u32) -> Result<Happening, DisconnectReason> {
        self.only_with_fast("allowed fast without the fast extension")?;
        remember(&mut self.allowed_to_us, known_piece(geometry, piece)?);
        Ok(Happening::MayRequest)
    }

    fn on_extended(&mut self, id: u8, payload: &Bytes) -> Result<Happening, DisconnectReason> {
        if !self.is_extended() {
            return Err(DisconnectReason::Misbehaved("extension message without the extension bit"));
        }
        if id != 0 {
            return Ok(extension_message(id, payload));
        }
        let handshake = ExtensionHandshake::decode(payload)
            .map_err(|_| DisconnectReason::Malformed("extension handshake"))?;
        self.ids.update(handshake.ids);
        if let Some(limit) = handshake.request_queue {
            self.request_limit = limit.max(1);
        }
        if handshake.client.is_some() {
            self.client.clone_from(&handshake.client);
        }
        if let Some(upload_only) = handshake.upload_only {
            self.upload_only = upload_only;
        }
        // Where it listens and where it sees us is believed once: repeated, it would be a lever on our peer list.
        let first = !std::mem::replace(&mut self.introduced, true);
        let listening = handshake.port.filter(|_| first && self.direction == Direction::Incoming);
        self.listening = self.listening.or(listening.map(|port| SocketAddr::new(self.address.ip(), port)));
        Ok(Happening::Extended { first, external_ip: handshake.your_ip })
    }

    fn on_hash_request(
        &self,
        geometry: &Geometry,
        request: HashRequest,
    ) -> Result<Happening, DisconnectReason> {
        if geometry.version() == Version::V1 {
            return Err(DisconnectReason::Misbehaved("hash request in a v1 torrent"));
        }
        Ok(Happening::HashesWanted(request))
    }

    fn on_hashes(
        &mut self,
        request: HashRequest,
        hashes: Vec<Sha256Hash>,
    ) -> Result<Happening, DisconnectReason> {
        self.take_hash_request(request)?;
        Ok(Happening::Hashes(request, hashes))
    }

    fn on_hash_reject(&mut self, request: HashRequest) -> Result<Happening, DisconnectReason> {
        self.take_hash_request(request)?;
        Ok(Happening::HashesRefused(request))
    }

    fn take_hash_request(&mut self, request: HashRequest) -> Result<(), DisconnectReason> {
        let at = self
            .hash_requests
            .iter()
            .position(|asked| *asked == request)
            .ok_or(DisconnectReason::Misbehaved("hashes that nobody asked for"))?;
        self.hash_requests.remove(at);
        Ok(())
    }

    fn only_with_fast(&self, what: &'static str) -> Result<(), DisconnectReason> {
        if self.is_fast() { Ok(()) } else { Err(DisconnectReason::Misbehaved(what)) }
    }
}

/// What it means depends on the ids that we have given out; others may be ignored (BEP 10).
fn extension_message(id: u8, payload: &Bytes) -> Happening {
    if Some(id) == OUR_IDS.ut_pex {
        return PexMessage::decode(payload).map_or(Happening::Nothing, Happening::Exchange);
    }
    if Some(id) != OUR_IDS.ut_metadata {
        return Happening::Nothing;
    }
    match MetadataMessage::decode(payload) {
        Ok(MetadataMessage::Request { piece }) => Happening::MetadataWanted(piece),
        // Answers that come late, to questions from before the torrent was known.
        Ok(MetadataMessage::Data { .. } | MetadataMessage::Reject { .. }) | Err(_) => Happening::Nothing,
    }
}

fn known_piece(geometry: &Geometry, piece: u32) -> Result<PieceIndex, DisconnectReason> {
    geometry.piece(piece).ok_or(DisconnectReason::Misbehaved("piece index out of range"))
}

/// Hints are kept in a short list, newest last; the oldest makes room.
fn remember(list: &mut Vec<PieceIndex>, piece: PieceIndex) {
    /// Enough for the ten of BEP 6's example and then some.
    const HINTS: usize = 32;
    if list.contains(&piece) {
        return;
    }
    if list.len() == HINTS {
        list.remove(0);
    }
    list.push(piece);
}
