//! Calling and being called, and what is said.

use bytes::Bytes;
use sprat_wire::peer::deframer::{Deframer, MessageLimits};
use sprat_wire::peer::extension::{ExtensionHandshake, ExtensionIds};
use sprat_wire::peer::handshake::{Handshake, Reserved};

use super::talk::{Said, Talk};
use super::{CONNECTIONS, Seeker, Stage};
use crate::connection::{Direction, Introduction, OUR_IDS, QUEUE_LIMIT};
use crate::context::Context;
use crate::io::{ConnectionId, DisconnectReason, Event, Output};
use crate::memory::{Weight, weight};
use crate::time::Time;
use crate::torrent::Dial;

/// Dials under way at once.
const DIALS_AT_ONCE: usize = 16;

impl Seeker {
    pub(super) fn dial(&mut self, cx: &mut Context<'_>) {
        if self.takes_part() {
            let free = CONNECTIONS.saturating_sub(self.talks.len() + self.dials.len());
            let room = free.min(cx.connections_left).min(DIALS_AT_ONCE.saturating_sub(self.dials.len()));
            for _ in 0..room {
                let Some(address) = self.peers.next_candidate(cx.now) else { break };
                let connection = cx.names.connection();
                cx.connections_left = cx.connections_left.saturating_sub(1);
                self.dials.insert(connection, Dial { address, since: cx.now, deframer: Deframer::new() });
                cx.outputs.push_back(Output::Connect { connection, address });
            }
        }
        self.appoint(cx.now);
    }

    pub(super) fn our_handshake(&self, cx: &Context<'_>) -> Handshake {
        let mut reserved = Reserved::default().with_fast().with_extended();
        if self.wanted.info_hashes.v2().is_some() {
            reserved = reserved.with_v2();
        }
        if cx.config.dht_port != 0 {
            reserved = reserved.with_dht();
        }
        Handshake { reserved, info_hash: self.wanted.info_hashes.primary(), peer_id: cx.peer_id }
    }

    pub(crate) fn on_connected(&self, cx: &mut Context<'_>, connection: ConnectionId) {
        if self.dials.contains_key(&connection) {
            let bytes = Bytes::copy_from_slice(&self.our_handshake(cx).encode());
            cx.outputs.push_back(Output::Send { connection, bytes });
        }
    }

    /// Somebody who called us and named this torrent.
    pub(crate) fn accept(&mut self, cx: &mut Context<'_>, introduction: Introduction) {
        let connection = introduction.id;
        if let Err(reason) = self.admit(cx, &introduction) {
            cx.outputs.push_back(Output::Disconnect { connection });
            cx.emit(Event::PeerDisconnected { torrent: self.id, address: introduction.address, reason });
            return;
        }
        let ours = Handshake { info_hash: introduction.theirs.info_hash, ..self.our_handshake(cx) };
        cx.outputs.push_back(Output::Send { connection, bytes: Bytes::copy_from_slice(&ours.encode()) });
        self.welcome(cx, introduction);
    }

    fn admit(&self, cx: &Context<'_>, who: &Introduction) -> Result<(), DisconnectReason> {
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
        if self.talks.values().any(|talk| talk.peer_id() == peer_id) {
            return Err(DisconnectReason::Duplicate);
        }
        if who.direction == Direction::Incoming && self.talks.len() >= CONNECTIONS {
            return Err(DisconnectReason::TooMany);
        }
        Ok(())
    }

    fn welcome(&mut self, cx: &mut Context<'_>, introduction: Introduction) {
        let (id, address) = (introduction.id, introduction.address);
        let mut talk = Talk::new(cx.now, introduction);
        talk.greet(&ExtensionHandshake {
            ids: ExtensionIds { ut_pex: OUR_IDS.ut_pex.filter(|_| cx.config.pex), ..OUR_IDS },
            client: Some(cx.config.client.clone()),
            port: Some(cx.config.listen_port).filter(|port| *port != 0),
            request_queue: Some(QUEUE_LIMIT),
            your_ip: Some(address.ip()),
            ..ExtensionHandshake::default()
        });
        let peer_id = talk.peer_id();
        self.talks.insert(id, talk);
        cx.emit(Event::PeerConnected { torrent: self.id, address, peer_id });
        self.take_messages(cx, id);
        self.flush(cx);
        self.appoint(cx.now);
    }

    pub(crate) fn on_received(&mut self, cx: &mut Context<'_>, id: ConnectionId, bytes: Bytes) {
        if let Some(dial) = self.dials.get_mut(&id) {
            dial.deframer.push(bytes);
            self.finish_dial(cx, id);
        } else if let Some(talk) = self.talks.get_mut(&id) {
            talk.push(cx.now, bytes);
            self.take_messages(cx, id);
        }
        self.flush(cx);
    }

    fn finish_dial(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        let Some(dial) = self.dials.get_mut(&id) else { return };
        let theirs = match dial.deframer.handshake() {
            Ok(None) => return,
            Ok(Some(theirs)) if self.answers_to(theirs.info_hash) => theirs,
            Ok(Some(_)) => return self.disconnect(cx, id, DisconnectReason::UnknownTorrent),
            Err(_) => return self.disconnect(cx, id, DisconnectReason::Malformed("handshake")),
        };
        let Some(dial) = self.dials.remove(&id) else { return };
        let introduction = Introduction::new(id, dial.address, Direction::Outgoing, theirs, dial.deframer);
        if let Err(reason) = self.admit(cx, &introduction) {
            self.peers.failed(cx.now, dial.address);
            cx.outputs.push_back(Output::Disconnect { connection: id });
            cx.emit(Event::PeerDisconnected { torrent: self.id, address: dial.address, reason });
            return;
        }
        self.peers.connected(cx.now, dial.address);
        self.welcome(cx, introduction);
    }

    fn take_messages(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        while self.found.is_none() {
            let limits = match &self.stage {
                Stage::Info(_) => MessageLimits::before_metadata(),
                Stage::Layers { limits, .. } => *limits,
            };
            let Some(talk) = self.talks.get_mut(&id) else { return };
            let said = match talk.next_message(&limits) {
                Ok(Some(message)) => talk.handle_message(message),
                Ok(None) if talk.is_flood() => {
                    Err(DisconnectReason::Misbehaved("flood of what is of no use"))
                }
                Ok(None) => return,
                Err(reason) => Err(reason),
            };
            let result = said.and_then(|said| self.on_said(cx, id, said));
            if let Err(reason) = result {
                return self.disconnect(cx, id, reason);
            }
        }
    }

    fn on_said(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        said: Said,
    ) -> Result<(), DisconnectReason> {
        match said {
            Said::Nothing => {}
            Said::Introduced => self.ask_everyone(cx),
            Said::Metadata(message) => self.on_metadata(cx, id, message)?,
            Said::Hashes(message) => self.on_hashes(cx, id, message)?,
        }
        Ok(())
    }

    pub(crate) fn on_closed(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        self.part(cx, id, DisconnectReason::Remote);
        self.flush(cx);
        self.dial(cx);
    }

    pub(super) fn disconnect(&mut self, cx: &mut Context<'_>, id: ConnectionId, reason: DisconnectReason) {
        if self.dials.contains_key(&id) || self.talks.contains_key(&id) {
            cx.outputs.push_back(Output::Disconnect { connection: id });
            self.part(cx, id, reason);
        }
    }

    /// What its connections hold, and the metadata that has come.
    pub(crate) fn holds(&self) -> usize {
        let metadata = usize::try_from(self.metadata_in_flight()).unwrap_or(usize::MAX);
        self.talks.values().map(Talk::holds).fold(metadata, usize::saturating_add)
    }

    /// The connection that holds most: none of them exchanges payload.
    pub(crate) fn heaviest(&self, _: Time) -> Option<(Weight, ConnectionId)> {
        self.talks.iter().map(|(id, talk)| (weight(talk.holds(), 0), *id)).max()
    }

    /// Lets a connection go because memory is short.
    pub(crate) fn shed(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        self.disconnect(cx, id, DisconnectReason::Overload);
        self.flush(cx);
    }

    pub(super) fn part(&mut self, cx: &mut Context<'_>, id: ConnectionId, reason: DisconnectReason) {
        if let Some(dial) = self.dials.remove(&id) {
            if reason != DisconnectReason::Stopped {
                self.peers.failed(cx.now, dial.address);
            }
            return;
        }
        let Some(talk) = self.talks.remove(&id) else { return };
        match &mut self.stage {
            Stage::Info(fetch) => {
                if let Some(assembly) = &mut fetch.assembly {
                    assembly.left(id);
                }
            }
            Stage::Layers { fetch, .. } => fetch.left(id),
        }
        if talk.direction() == Direction::Outgoing {
            self.peers.disconnected(cx.now, talk.address(), false);
        }
        cx.emit(Event::PeerDisconnected { torrent: self.id, address: talk.address(), reason });
        self.ask_everyone(cx);
        self.appoint(cx.now);
    }

    pub(super) fn flush(&mut self, cx: &mut Context<'_>) {
        for (id, talk) in &mut self.talks {
            if let Some(bytes) = talk.take_outbox(cx.now) {
                cx.outputs.push_back(Output::Send { connection: *id, bytes });
            }
        }
    }

    /// Somebody has sent what is not so.
    pub(super) fn convict(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        let Some(talk) = self.talks.get(&id) else { return };
        let address = talk.address();
        self.peers.ban(address, talk.peer_id());
        cx.emit(Event::PeerBanned { torrent: self.id, address });
        self.disconnect(cx, id, DisconnectReason::Poisoned);
    }
}
