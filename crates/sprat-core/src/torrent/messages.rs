//! What the torrent makes of the messages of its peers.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use sprat_wire::peer::message::Message;

use crate::bitfield::Bitfield;
use crate::connection::Happening;
use crate::context::Context;
use crate::geometry::PieceIndex;
use crate::io::{ConnectionId, DisconnectReason, Output};
use crate::peer_list::PeerSource;
use crate::planted::PlantedBug;

use super::Torrent;

/// Bytes that a peer may send while the storage is being opened.
const GUEST_BYTES: usize = 256 * 1024;

impl Torrent {
    pub(crate) fn is_between_messages(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|connection| connection.is_between_messages())
    }

    pub(crate) fn on_received(&mut self, cx: &mut Context<'_>, id: ConnectionId, bytes: Bytes) {
        if let Some(dial) = self.dials.get_mut(&id) {
            dial.deframer.push(bytes);
            self.finish_dial(cx, id);
        } else if let Some(connection) = self.connections.get_mut(&id) {
            connection.push(cx.now, bytes);
            self.take_messages(cx, id);
        } else if let Some(guest) = self.guests.get_mut(&id) {
            guest.deframer.push(bytes);
            if guest.deframer.buffered() > GUEST_BYTES {
                self.disconnect(
                    cx,
                    id,
                    DisconnectReason::Misbehaved("a flood of messages before the metadata"),
                );
            }
        }
        self.flush(cx);
    }

    /// Takes in every message that has arrived on this connection, then asks for more.
    pub(super) fn take_messages(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        loop {
            let Some(connection) = self.connections.get_mut(&id) else { return };
            let message = match connection.next_message() {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(reason) => return self.disconnect(cx, id, reason),
            };
            if !self.take_message(cx, id, message) {
                return;
            }
        }
        if self.connections.get(&id).is_some_and(|connection| connection.is_flood()) {
            return self.disconnect(cx, id, DisconnectReason::Misbehaved("flood of what is of no use"));
        }
        self.touch(id);
        self.ask(cx, id);
        self.serve(cx, id);
    }

    /// Takes one message in; `false` when it has ended the connection.
    pub(super) fn take_message(&mut self, cx: &mut Context<'_>, id: ConnectionId, message: Message) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        match connection.handle_message(cx.now, &self.geometry, message) {
            Ok(happening) => self.on_happening(cx, id, happening),
            Err(reason) => self.disconnect(cx, id, reason),
        }
        if self.connections.get(&id).is_some_and(|connection| connection.is_deaf()) {
            self.disconnect(cx, id, DisconnectReason::Misbehaved("asks and does not read the answers"));
        }
        self.connections.contains_key(&id)
    }

    /// What the torrent makes of a message. One line each.
    fn on_happening(&mut self, cx: &mut Context<'_>, id: ConnectionId, happening: Happening) {
        match happening {
            // Asking and serving follow at the end of every batch of messages.
            Happening::Nothing | Happening::MayRequest => {}
            Happening::Requested(piece) => {
                if self.spreading.requested(piece, id) {
                    self.suggest(cx.now, id);
                }
            }
            Happening::HasSet { before } => self.on_has_set(cx, id, &before),
            Happening::Has(piece) => self.on_has(cx, id, piece),
            Happening::Choked(lost) => self.take_back(cx, id, lost),
            Happening::InterestChanged => self.on_interest_changed(cx, id),
            Happening::Block(block, data) => self.on_block(cx, id, block, data),
            Happening::Unasked(bytes) => self.totals.wasted += u64::from(bytes),
            Happening::Rejected(block) => self.on_refused(cx, id, block),
            Happening::Extended { first, external_ip } if first => self.on_introduced(cx, id, external_ip),
            Happening::Extended { .. } => self.review(cx, id),
            Happening::DhtNode(port) => self.on_dht_node(cx, id, port),
            Happening::Exchange(message) => self.on_pex(cx, id, &message),
            Happening::MetadataWanted(piece) => self.on_metadata_wanted(id, piece),
            Happening::HashesWanted(request) => self.on_hashes_wanted(cx, id, request),
            Happening::Hashes(request, hashes) => self.on_hashes(cx, id, request, &hashes),
            Happening::HashesRefused(request) => self.on_hashes_refused(request),
        }
    }

    /// Who wants something takes a slot that is free; who wants nothing any more leaves one. Otherwise it can wait for the
    /// next regular decision.
    fn on_interest_changed(&self, cx: &mut Context<'_>, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else { return };
        *cx.rechoke |= if connection.wanted { cx.slot_is_free } else { !connection.choking };
    }

    fn on_dht_node(&self, cx: &mut Context<'_>, id: ConnectionId, port: u16) {
        let Some(connection) = self.connections.get(&id).filter(|_| self.speaks_of_dht(cx)) else { return };
        let address = SocketAddr::new(connection.address.ip(), port);
        cx.outputs.push_back(Output::DhtNode { address });
    }

    /// Gives the info dictionary away (BEP 9): not that of a private torrent, whose tracker decides who gets it.
    fn on_metadata_wanted(&mut self, id: ConnectionId, piece: u32) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if self.metainfo.info.private {
            connection.refuse_metadata(piece);
        } else {
            connection.give_metadata(piece, &self.metainfo.info_bytes);
        }
    }

    fn on_has_set(&mut self, cx: &mut Context<'_>, id: ConnectionId, before: &Bitfield) {
        let Some(connection) = self.connections.get(&id) else { return };
        self.picker.peer_left(before);
        self.picker.peer_joined(&connection.pieces);
        if connection.is_seed() {
            self.peers.seen_complete(connection.address);
        }
        self.review(cx, id);
    }

    fn on_has(&mut self, cx: &mut Context<'_>, id: ConnectionId, piece: PieceIndex) {
        self.picker.peer_has(piece);
        self.note_spread(cx.now, id, piece);
        self.show_after(cx.now, piece);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.is_seed() {
            self.peers.seen_complete(connection.address);
            self.review(cx, id);
        } else if !connection.interested
            && self.picker.is_interesting_piece(piece)
            && !cx.config.planted().is(PlantedBug::NeverInterested)
        {
            connection.set_interested(true);
        }
    }

    /// What a peer says of itself and of us is believed once per connection: repeated, it would be a lever on our list.
    fn on_introduced(&mut self, cx: &mut Context<'_>, id: ConnectionId, external_ip: Option<IpAddr>) {
        if let Some(ip) = external_ip {
            self.peers.set_external(SocketAddr::new(ip, cx.config.listen_port));
        }
        // Now the address on which it listens is known as well: remember it, and do not call it twice.
        if let Some(listening) = self.connections.get(&id).and_then(|connection| connection.listening) {
            self.peers.add(cx.now, listening, PeerSource::Incoming);
            self.peers.connected(cx.now, listening);
        }
        self.review(cx, id);
    }

    /// Looks at one connection again: do we want something from it, and can it still be of use?
    fn review(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        let finished = self.picker.is_finished();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let interesting = !finished && self.picker.is_interesting(&connection.pieces);
        connection.set_interested(interesting);
        // BEP 21: two ends that only upload have nothing to say to each other.
        if finished && (connection.is_seed() || connection.upload_only) {
            return self.disconnect(cx, id, DisconnectReason::Useless);
        }
        self.touch(id);
    }

    /// Looks at all connections again, after what we have or want has changed.
    pub(super) fn update_interest(&mut self, cx: &mut Context<'_>) {
        let everyone: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for id in everyone {
            self.review(cx, id);
        }
    }
}
