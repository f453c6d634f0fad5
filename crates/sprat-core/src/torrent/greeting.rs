//! Whom we let in, and what is said at first.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use sprat_wire::metainfo::Version;
use sprat_wire::peer::extension::{ExtensionHandshake, ExtensionIds};
use sprat_wire::peer::handshake::{Handshake, Reserved};

use crate::allowed_fast;
use crate::blame::PeerKey;
use crate::connection::{Direction, Greeting, Introduction, OUR_IDS, PeerConnection, QUEUE_LIMIT};
use crate::context::Context;
use crate::io::{ConnectionId, DisconnectReason, Event, Output};
use crate::planted::PlantedBug;
use crate::time::Time;

use super::Torrent;

/// Pieces that a newcomer may request while choked, so that it has something to give (BEP 6 uses ten as well).
const ALLOWED_FAST_PIECES: usize = 10;

impl Torrent {
    pub(super) fn our_handshake(&self, cx: &Context<'_>) -> Handshake {
        let mut reserved = Reserved::default().with_fast().with_extended();
        if self.geometry.version() != Version::V1 {
            reserved = reserved.with_v2();
        }
        if self.speaks_of_dht(cx) {
            reserved = reserved.with_dht();
        }
        Handshake { reserved, info_hash: self.metainfo.info_hashes.primary(), peer_id: cx.peer_id }
    }

    pub(super) fn speaks_of_dht(&self, cx: &Context<'_>) -> bool {
        cx.config.dht_port != 0 && self.is_public()
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

    pub(super) fn refuse(
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
    pub(super) fn admit(&mut self, cx: &mut Context<'_>, who: &Introduction) -> Result<(), DisconnectReason> {
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
            let is_crossing = twin.direction != who.direction && we_called != ours_stays;
            // One whose address has changed cannot end what it had before.
            let has_moved = who.direction == Direction::Incoming
                && twin.is_quiet(cx.now)
                && are_of_one_family(twin.address.ip(), who.address.ip());
            if !is_crossing && !has_moved {
                return Err(DisconnectReason::Duplicate);
            }
            let twin = twin.id;
            self.disconnect(cx, twin, DisconnectReason::Duplicate);
        }
        // While we were calling, others may have called. What we call counts among all connections already.
        let full = self.connections.len() >= self.most_connections(cx);
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
            if matches!(guest.greeting, Greeting::Due) {
                // Who came while we slept has not had our handshake yet.
                self.accept(cx, guest);
                continue;
            }
            let address = guest.address;
            match self.admit(cx, &guest) {
                Ok(()) => self.welcome(cx, guest),
                Err(reason) => self.refuse(cx, id, address, reason),
            }
        }
        self.flush(cx);
    }

    /// Begins a connection whose handshakes are through.
    pub(super) fn welcome(&mut self, cx: &mut Context<'_>, mut introduction: Introduction) {
        let id = introduction.id;
        let mut greeting = std::mem::replace(&mut introduction.greeting, Greeting::Due);
        let (address, peer_id) = (introduction.address, introduction.theirs.peer_id);
        let mut connection = PeerConnection::new(cx.now, introduction, &self.geometry);
        connection.planted = cx.config.planted();
        match &mut greeting {
            Greeting::Due => self.say_what_we_have(&mut connection),
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
        self.show_more(cx.now, id);
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
            upload_only: (self.picker.is_finished() && !self.super_seeding.is_hiding()).then_some(true),
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
}

/// Two addresses, one of which may have come after the other. Who has one of each family may call by both, at any time.
fn are_of_one_family(before: IpAddr, now: IpAddr) -> bool {
    let (before, now) = (before.to_canonical(), now.to_canonical());
    before != now && before.is_ipv4() == now.is_ipv4()
}
