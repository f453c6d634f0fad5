//! Peers: dialling, greeting, taking messages in, saying farewell.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use sprat_wire::metainfo::Version;
use sprat_wire::peer::deframer::Deframer;
use sprat_wire::peer::extension::{ExtensionHandshake, ExtensionIds};
use sprat_wire::peer::handshake::{Handshake, Reserved};
use sprat_wire::peer::message::Message;

use crate::allowed_fast;
use crate::bitfield::Bitfield;
use crate::blame::PeerKey;
use crate::choker::Candidate;
use crate::connection::{Direction, Greeting, Happening, Introduction, OUR_IDS, PeerConnection, QUEUE_LIMIT};
use crate::context::Context;
use crate::geometry::PieceIndex;
use crate::io::{ConnectionId, DisconnectReason, Event, Output};
use crate::peer_list::PeerSource;
use crate::planted::PlantedBug;
use crate::time::Time;

use super::{Dial, Torrent};

/// Connecting and both handshakes must be through in this time.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(20);

/// Dials under way at once, per torrent: enough to fill a swarm in seconds, too few to look like a scan.
const DIALS_AT_ONCE: usize = 16;

/// Bytes that a peer may send while the storage is being opened.
const GUEST_BYTES: usize = 256 * 1024;

/// Pieces that a newcomer may request while choked, so that it has something to give (BEP 6 uses ten as well).
const ALLOWED_FAST_PIECES: usize = 10;

impl Torrent {
    pub(crate) fn add_peers(&mut self, now: Time, peers: &[SocketAddr], source: PeerSource) {
        let mut news = false;
        for peer in peers {
            news |= self.peers.add(now, *peer, source);
        }
        if news && self.wants_peers() {
            self.wake(now);
        }
    }

    /// Whether more peers would be of use.
    pub(super) fn wants_peers(&self) -> bool {
        self.takes_part()
    }

    // Dialling.

    /// Calls the most promising addresses, as far as there is room.
    pub(crate) fn dial(&mut self, cx: &mut Context<'_>) {
        if !self.wants_peers() {
            return;
        }
        self.peers.set_seeding(self.picker.is_finished());
        let of_torrent = cx.config.connections_per_torrent.saturating_sub(self.connection_count());
        let room = of_torrent.min(cx.connections_left).min(DIALS_AT_ONCE.saturating_sub(self.dials.len()));
        for _ in 0..room {
            let Some(address) = self.peers.next_candidate(cx.now) else { break };
            let connection = cx.names.connection();
            cx.connections_left = cx.connections_left.saturating_sub(1);
            self.dials.insert(connection, Dial { address, since: cx.now, deframer: Deframer::new() });
            cx.outputs.push_back(Output::Connect { connection, address });
        }
        if !self.dials.is_empty() {
            self.wake(cx.now);
        }
    }

    pub(crate) fn connection_count(&self) -> usize {
        self.connections.len() + self.dials.len()
    }

    pub(crate) fn has_connection(&self, connection: ConnectionId) -> bool {
        self.connections.contains_key(&connection)
            || self.dials.contains_key(&connection)
            || self.guests.contains_key(&connection)
    }

    fn our_handshake(&self, cx: &Context<'_>) -> Handshake {
        let mut reserved = Reserved::default().with_fast().with_extended();
        if self.geometry.version() != Version::V1 {
            reserved = reserved.with_v2();
        }
        if self.speaks_of_dht(cx) {
            reserved = reserved.with_dht();
        }
        Handshake { reserved, info_hash: self.metainfo.info_hashes.primary(), peer_id: cx.peer_id }
    }

    fn speaks_of_dht(&self, cx: &Context<'_>) -> bool {
        cx.config.dht_port != 0 && self.is_public()
    }

    pub(crate) fn on_connected(&self, cx: &mut Context<'_>, connection: ConnectionId) {
        if self.dials.contains_key(&connection) {
            let bytes = Bytes::copy_from_slice(&self.our_handshake(cx).encode());
            cx.outputs.push_back(Output::Send { connection, bytes });
        }
    }

    /// Somebody who called us and named this torrent.
    pub(crate) fn accept(&mut self, cx: &mut Context<'_>, mut introduction: Introduction) {
        let connection = introduction.id;
        if let Err(reason) = self.admit(cx, &introduction) {
            self.refuse(cx, connection, introduction.address, reason);
            return;
        }
        // The answer names the torrent as the caller did: a hybrid has two names (BEP 52).
        let ours = Handshake { info_hash: introduction.theirs.info_hash, ..self.our_handshake(cx) };
        cx.outputs.push_back(Output::Send { connection, bytes: Bytes::copy_from_slice(&ours.encode()) });
        introduction.direction = Direction::Incoming;
        self.welcome(cx, introduction);
        self.flush(cx);
    }

    fn refuse(
        &self,
        cx: &mut Context<'_>,
        connection: ConnectionId,
        address: SocketAddr,
        reason: DisconnectReason,
    ) {
        cx.outputs.push_back(Output::Disconnect { connection });
        cx.emit(Event::PeerDisconnected { torrent: self.id, address, reason });
    }

    /// Whether both handshakes make a connection that we want.
    fn admit(&mut self, cx: &mut Context<'_>, who: &Introduction) -> Result<(), DisconnectReason> {
        let peer_id = who.theirs.peer_id;
        if !self.takes_part() {
            return Err(DisconnectReason::Stopped);
        }
        if peer_id == cx.peer_id {
            return Err(DisconnectReason::OurOwn);
        }
        if self.peers.is_banned(who.address.ip(), peer_id) {
            return Err(DisconnectReason::Poisoned);
        }
        let twin = self.connections.values().find(|other| other.peer_id == peer_id);
        if who.direction == Direction::Incoming && self.is_to_stay_away(cx, who.address) {
            return Err(DisconnectReason::TooMany);
        }
        if let Some(twin) = twin {
            // Two ends that call each other at the same time must drop the same one of the two: the call of the
            // greater peer id stays.
            let we_called = twin.direction == Direction::Outgoing;
            let ours_stays = cx.peer_id > peer_id;
            if twin.direction == who.direction || we_called == ours_stays {
                return Err(DisconnectReason::Duplicate);
            }
            let twin = twin.id;
            self.disconnect(cx, twin, DisconnectReason::Duplicate);
        }
        // While we were calling, others may have called. What we call counts among all connections already.
        let full = self.connections.len() >= cx.config.connections_per_torrent;
        let full = full && !cx.config.planted().is(PlantedBug::TooManyConnections);
        if full || (who.direction == Direction::Incoming && cx.connections_left == 0) {
            self.make_room(cx, who.address)?;
        }
        Ok(())
    }

    /// Ends a connection that is of no use; or the one that matters least, by BEP 40, if the newcomer matters more.
    fn make_room(&mut self, cx: &mut Context<'_>, newcomer: SocketAddr) -> Result<(), DisconnectReason> {
        if self.let_one_go(cx) {
            return Ok(());
        }
        let least = self
            .connections
            .values()
            .filter(|connection| connection.choking && connection.choked)
            .map(|connection| (self.peers.priority(connection.address), connection.id))
            .min();
        match least {
            Some((priority, least)) if priority < self.peers.priority(newcomer) => {
                self.disconnect(cx, least, DisconnectReason::TooMany);
                Ok(())
            }
            _ => Err(DisconnectReason::TooMany),
        }
    }

    /// The connections from before the metadata was known go on as connections of the torrent.
    pub(super) fn welcome_guests(&mut self, cx: &mut Context<'_>) {
        for (id, guest) in std::mem::take(&mut self.guests) {
            let address = guest.address;
            match self.admit(cx, &guest) {
                Ok(()) => self.welcome(cx, guest),
                Err(reason) => self.refuse(cx, id, address, reason),
            }
        }
        self.flush(cx);
    }

    /// Begins a connection whose handshakes are through.
    fn welcome(&mut self, cx: &mut Context<'_>, mut introduction: Introduction) {
        let id = introduction.id;
        let mut greeting = std::mem::replace(&mut introduction.greeting, Greeting::Due);
        let (address, peer_id) = (introduction.address, introduction.theirs.peer_id);
        let mut connection = PeerConnection::new(cx.now, introduction, &self.geometry);
        connection.planted = cx.config.planted();
        match &mut greeting {
            Greeting::Due => connection.say_pieces(self.picker.have()),
            // It was told that we have nothing, and one bitfield a connection is all that BEP 3 knows.
            Greeting::Done { hash_requests, .. } => {
                self.say_haves(cx.now, &mut connection);
                connection.expect_hashes(std::mem::take(hash_requests));
            }
        }
        connection.say_extension_handshake(&self.extension_handshake(cx, address));
        if self.speaks_of_dht(cx) {
            connection.say_dht_port(cx.config.dht_port);
        }
        if let Some(pieces) = self.allowed_fast_for(address, &connection) {
            connection.allow_fast(pieces);
        }
        self.identities.insert(id, PeerKey { ip: address.ip(), id: peer_id });
        self.connections.insert(id, Box::new(connection));
        self.touch(id);
        self.wake(cx.now);
        match greeting {
            Greeting::Due => cx.emit(Event::PeerConnected { torrent: self.id, address, peer_id }),
            Greeting::Done { heard, .. } => {
                for message in heard {
                    if !self.take_message(cx, id, message) {
                        return;
                    }
                }
            }
        }
        self.take_messages(cx, id);
    }

    fn say_haves(&self, now: Time, connection: &mut PeerConnection) {
        for piece in self.picker.have().iter().filter_map(|index| self.geometry.piece(index)) {
            connection.say_have(now, piece, true);
        }
    }

    fn extension_handshake(&self, cx: &Context<'_>, address: SocketAddr) -> ExtensionHandshake {
        let public = !self.metainfo.info.private;
        ExtensionHandshake {
            ids: ExtensionIds {
                ut_metadata: OUR_IDS.ut_metadata.filter(|_| public),
                ut_pex: OUR_IDS.ut_pex.filter(|_| public && cx.config.pex),
                ..OUR_IDS
            },
            metadata_size: u32::try_from(self.metainfo.info_bytes.len()).ok().filter(|_| public),
            client: Some(cx.config.client.clone()),
            port: Some(cx.config.listen_port).filter(|port| *port != 0),
            request_queue: Some(QUEUE_LIMIT),
            your_ip: Some(address.ip()),
            upload_only: self.picker.is_finished().then_some(true),
            ..ExtensionHandshake::default()
        }
    }

    fn allowed_fast_for(&self, address: SocketAddr, connection: &PeerConnection) -> Option<Vec<u32>> {
        let few = u32::try_from(ALLOWED_FAST_PIECES).unwrap_or(u32::MAX);
        // In a crowd of newcomers, a lone seeder would spend itself on the same few pieces for all of them.
        if !connection.is_fast() || self.geometry.pieces() <= few || self.is_alone_with_everything() {
            return None;
        }
        let info_hash = self.metainfo.info_hashes.primary();
        let mut pieces =
            allowed_fast::set(address.ip(), info_hash, self.geometry.pieces(), ALLOWED_FAST_PIECES);
        pieces.retain(|piece| self.picker.have().contains(*piece));
        Some(pieces)
    }

    // Taking messages in.

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

    fn finish_dial(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        let Some(dial) = self.dials.get_mut(&id) else { return };
        let theirs = match dial.deframer.handshake() {
            Ok(None) => return,
            Ok(Some(theirs)) => theirs,
            Err(_) => return self.disconnect(cx, id, DisconnectReason::Malformed("handshake")),
        };
        if !self.answers_to(theirs.info_hash) {
            return self.disconnect(cx, id, DisconnectReason::UnknownTorrent);
        }
        let Some(dial) = self.dials.remove(&id) else { return };
        let address = dial.address;
        let introduction = Introduction::new(id, address, Direction::Outgoing, theirs, dial.deframer);
        match self.admit(cx, &introduction) {
            Ok(()) => {
                self.peers.connected(cx.now, address);
                self.welcome(cx, introduction);
            }
            Err(reason) => {
                // Ourselves and twins are not worth another call; the list forgets neither.
                self.peers.failed(cx.now, address);
                self.refuse(cx, id, address, reason);
            }
        }
    }

    /// Takes in every message that has arrived on this connection, then asks for more.
    fn take_messages(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
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
        self.touch(id);
        self.ask(cx, id);
        self.serve(cx, id);
    }

    /// Takes one message in; `false` when it has ended the connection.
    fn take_message(&mut self, cx: &mut Context<'_>, id: ConnectionId, message: Message) -> bool {
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

    /// We have become a seed or a partial one: says so, and lets go of those whom we cannot help.
    pub(super) fn announce_upload_only(&mut self, cx: &mut Context<'_>) {
        let everyone: Vec<(ConnectionId, SocketAddr)> =
            self.connections.values().map(|connection| (connection.id, connection.address)).collect();
        for (id, address) in everyone {
            let handshake = self.extension_handshake(cx, address);
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.say_extension_handshake(&handshake);
            }
        }
        self.update_interest(cx);
    }

    // Farewells.

    pub(crate) fn on_closed(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        self.part(cx, id, DisconnectReason::Remote);
        self.flush(cx);
    }

    pub(super) fn disconnect(&mut self, cx: &mut Context<'_>, id: ConnectionId, reason: DisconnectReason) {
        if self.has_connection(id) {
            cx.outputs.push_back(Output::Disconnect { connection: id });
            self.part(cx, id, reason);
        }
    }

    /// The connection is over: everything that depended on it is undone.
    fn part(&mut self, cx: &mut Context<'_>, id: ConnectionId, reason: DisconnectReason) {
        if let Some(dial) = self.dials.remove(&id) {
            if reason != DisconnectReason::Stopped {
                self.peers.failed(cx.now, dial.address);
            }
            return;
        }
        if let Some(guest) = self.guests.remove(&id) {
            if guest.direction == Direction::Outgoing {
                self.peers.disconnected(cx.now, guest.address, false);
            }
            cx.emit(Event::PeerDisconnected { torrent: self.id, address: guest.address, reason });
            return;
        }
        let Some(mut connection) = self.connections.remove(&id) else { return };
        for block in connection.take_all_requests() {
            if cx.config.planted().is(PlantedBug::RequestsOfTheGone) {
                break;
            }
            self.picker.release(block, id);
        }
        self.picker.peer_left(&connection.pieces);
        self.starved_downloads.remove(&id);
        self.starved_uploads.retain(|starved| *starved != id);
        self.set_suspects_free(id);
        self.spreading.forget(id);
        let useful = connection.downloaded > 0 || connection.uploaded > 0;
        let known_as = match connection.direction {
            Direction::Outgoing => Some(connection.address),
            Direction::Incoming => connection.listening,
        };
        if let Some(address) = known_as {
            self.peers.disconnected(cx.now, address, useful);
        }
        if !connection.choking {
            *cx.rechoke = true;
        }
        cx.emit(Event::PeerDisconnected { torrent: self.id, address: connection.address, reason });
        self.forget_strangers();
        self.wake(cx.now);
    }

    /// Identities of connections that are gone are needed only while a piece holds blocks of theirs.
    fn forget_strangers(&mut self) {
        /// Beyond this many, the oldest are forgotten: their blocks then count as sent by nobody.
        const IDENTITIES: usize = 4096;
        while self.identities.len() > IDENTITIES {
            self.identities.pop_first();
        }
    }

    /// Never talks to this peer again.
    pub(super) fn ban(&mut self, cx: &mut Context<'_>, guilty: PeerKey) {
        let culprits: Vec<(ConnectionId, SocketAddr)> = self
            .connections
            .values()
            .filter(|connection| connection.address.ip() == guilty.ip && connection.peer_id == guilty.id)
            .map(|connection| (connection.id, connection.address))
            .collect();
        // One that sent a bad piece alone is convicted at once, and again by what the good copy proves.
        if !self.peers.is_banned(guilty.ip, guilty.id) {
            let address = culprits.first().map_or(SocketAddr::new(guilty.ip, 0), |(_, address)| *address);
            self.peers.ban(address, guilty.id);
            cx.emit(Event::PeerBanned { torrent: self.id, address });
        }
        for (id, _) in culprits {
            self.disconnect(cx, id, DisconnectReason::Poisoned);
        }
    }

    pub(super) fn look_after_connections(&mut self, cx: &mut Context<'_>) {
        let late: Vec<ConnectionId> = self
            .dials
            .iter()
            .filter(|(_, dial)| cx.now.since(dial.since) >= HANDSHAKE_LIMIT)
            .map(|(id, _)| *id)
            .collect();
        let mut silent = Vec::new();
        for (id, connection) in &mut self.connections {
            if connection.is_silent(cx.now) {
                silent.push(*id);
            }
            connection.keep_alive(cx.now);
        }
        for id in late.into_iter().chain(silent) {
            self.disconnect(cx, id, DisconnectReason::Timeout);
        }
        self.touched.extend(self.connections.keys());
    }

    /// Chokes and unchokes as decided.
    pub(crate) fn apply_choker(&mut self, cx: &mut Context<'_>, unchoked: &[ConnectionId]) {
        let is_chosen = |id: &ConnectionId| unchoked.binary_search(id).is_ok();
        let choked: Vec<ConnectionId> = self
            .connections
            .values()
            .filter(|connection| !connection.choking && !is_chosen(&connection.id))
            .map(|connection| connection.id)
            .collect();
        for id in choked {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            connection.choke();
            self.spreading.release(id);
            self.touch(id);
        }
        self.restock_spreading(cx.now);
        let chosen: Vec<ConnectionId> = self.connections.keys().copied().filter(is_chosen).collect();
        for id in chosen {
            // First, so that it asks for these at once.
            self.suggest(cx.now, id);
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            connection.unchoke(cx.now);
            self.touch(id);
        }
        self.flush(cx);
    }

    /// What the choker must know of every connection.
    pub(crate) fn choker_candidates(&self, now: Time) -> impl Iterator<Item = Candidate> + '_ {
        let seeding = self.picker.is_finished();
        let have = self.picker.have();
        let kept = self.spreading.kept(now);
        self.connections.values().map(move |connection| Candidate {
            connection: connection.id,
            torrent: self.id,
            address: connection.address,
            interested: connection.wanted && !have.is_subset_of(&connection.pieces),
            seeding,
            received_rate: connection.download.rate(now),
            sent_rate: connection.upload.rate(now),
            sent_since_unchoke: connection.sent_since_unchoke,
            unchoked: !connection.choking,
            last_unchoked: connection.unchoked_at,
            connected_at: connection.connected_at,
            snubbed: connection.snubbed,
            passes_on: self.spreading.passes_on(connection.id, &kept),
        })
    }

    /// Who a connection is or was.
    pub(super) fn identity(&self, id: ConnectionId) -> Option<PeerKey> {
        self.identities.get(&id).copied()
    }
}
