//! Calls, and what travels over the connections that come of them.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sprat_core::Input;
use sprat_core::io::ConnectionId;

use super::Simulation;
use crate::event::{Event, Life};
use crate::network::{EndId, LinkId, Parcel, Side};
use crate::peer::Presence;
use crate::peer_number::PeerNumber;

impl Simulation {
    pub(super) fn latency_of(&self, number: PeerNumber) -> Duration {
        self.peers.get(number.index()).map_or(Duration::ZERO, |peer| peer.config.latency)
    }

    pub(super) fn call(&mut self, caller: PeerNumber, connection: ConnectionId, address: SocketAddr) {
        self.note(b'c', caller, connection.0);
        let Some(called) = self.by_address.get(&address).copied() else {
            let (after, life) = (self.latency_of(caller) * 2, self.life_of(caller));
            return self.schedule.at(self.now + after, Event::Refused(caller, life, connection));
        };
        let latency = self.latency_of(caller) + self.latency_of(called);
        let link = self.links.call(caller, connection, called, latency);
        if let Some(peer) = self.peers.get_mut(caller.index()) {
            peer.ends.insert(connection, (link, Side::Caller));
        }
        self.hold_new(link, caller, called);
        self.schedule.at(self.now + latency, Event::Ring(link));
    }

    pub(super) fn ring(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else { return };
        let (caller, called, latency) =
            (link.end(Side::Caller).peer, link.end(Side::Called).peer, link.latency);
        let caller_connection =
            Some(link.end(Side::Caller)).filter(|end| end.open).and_then(|end| end.connection);
        self.note(b'r', called, u64::from(caller.0));
        let life = self.life_of(caller);
        if !self.is_within_reach(caller, called) {
            // Nobody answers; the caller gives up by itself.
            self.links.close((id, Side::Called));
            return;
        }
        let Some(peer) = self.peers.get_mut(called.index()) else { return };
        if peer.presence != Presence::Present {
            if let Some(connection) = caller_connection {
                self.schedule.at(self.now + latency, Event::Refused(caller, life, connection));
            }
            return;
        }
        let connection = peer.allocate_connection();
        peer.ends.insert(connection, (id, Side::Called));
        if let Some(link) = self.links.get_mut(id) {
            link.end_mut(Side::Called).connection = Some(connection);
        }
        self.schedule.at(self.now + latency, Event::Connected(id));
        // A port that nobody listens on, as the system gives them to callers; never the same while it matters.
        let port = 32_768 + u16::try_from(id.0 % 32_768).unwrap_or(0);
        let address = SocketAddr::new(caller.address().ip(), port);
        self.feed(called, Input::Accepted { connection, address });
    }

    pub(super) fn connected(&mut self, id: LinkId) {
        let Some(end) = self.links.get(id).map(|link| link.end(Side::Caller)) else { return };
        let (caller, connection, open) = (end.peer, end.connection, end.open);
        if let (Some(connection), true) = (connection, open) {
            self.note(b'o', caller, connection.0);
            self.feed(caller, Input::Connected { connection });
        }
    }

    pub(super) fn refused(&mut self, number: PeerNumber, life: Life, connection: ConnectionId) {
        self.note(b'f', number, connection.0);
        if self.life_of(number) != life {
            return;
        }
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        match peer.ends.remove(&connection) {
            Some(end) => {
                self.links.close(end);
                self.links.close((end.0, end.1.other()));
                self.feed(number, Input::Closed { connection });
            }
            // Nobody has that address, and there never was a link.
            None => self.feed(number, Input::Closed { connection }),
        }
    }

    pub(super) fn send(&mut self, number: PeerNumber, connection: ConnectionId, bytes: Bytes) {
        self.note(b's', number, bytes.len() as u64);
        self.trace.bytes(bytes.get(..32).unwrap_or(&bytes));
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        let Some(end) = peer.ends.get(&connection).copied() else { return };
        self.overhear_said(number, connection, &bytes);
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        peer.uplink.push(&mut self.links, end, bytes);
        self.start_uplink(number);
    }

    pub(super) fn start_uplink(&mut self, number: PeerNumber) {
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        if let Some(done) = peer.uplink.start(&mut self.links, self.now) {
            self.schedule.at(done, Event::UplinkFree(number));
        }
    }

    pub(super) fn uplink_free(&mut self, number: PeerNumber) {
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        let Some(sending) = peer.uplink.take_sent() else { return };
        let bytes: usize = sending.chunk.iter().map(Bytes::len).sum();
        let (id, side) = sending.end;
        let link = self.links.get(id);
        let open = link.filter(|link| link.end(side).open);
        if let Some((latency, connection, to)) =
            open.map(|link| (link.latency, link.end(side).connection, link.end(side.other()).peer))
        {
            self.ledger.enter(number, to, &sending.chunk);
            peer.traffic.sent += bytes as u64;
            self.travelling += bytes as u64;
            let arrival = Event::Arrive((id, side.other()), Parcel::Data(sending.chunk));
            self.schedule.at(self.now + latency, arrival);
            self.start_uplink(number);
            if let Some(connection) = connection {
                self.note(b'u', number, bytes as u64);
                self.overhear_sent(number, connection, bytes);
                self.feed(number, Input::Sent { connection, bytes });
            }
        } else {
            self.start_uplink(number);
        }
    }

    pub(super) fn arrive(&mut self, end: EndId, parcel: Parcel) {
        let receiver = self.links.get(end.0).map(|link| link.end(end.1)).filter(|end| end.open);
        let Some(number) = receiver.map(|end| end.peer) else { return self.lose(&parcel) };
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        let through = peer.downlink.pass(self.now, parcel.length());
        self.schedule.at(through, Event::Deliver(end, parcel));
    }

    pub(super) fn deliver(&mut self, end: EndId, parcel: Parcel) {
        let receiver = self.links.get(end.0).map(|link| link.end(end.1)).filter(|end| end.open);
        let Some((number, Some(connection))) = receiver.map(|end| (end.peer, end.connection)) else {
            return self.lose(&parcel);
        };
        match parcel {
            Parcel::Data(segments) => {
                for bytes in segments {
                    let length = bytes.len() as u64;
                    self.travelling -= length;
                    let Some(peer) = self.peers.get_mut(number.index()) else { return };
                    // A segment before may have ended the connection.
                    if peer.ends.get(&connection) != Some(&end) {
                        peer.traffic.lost += length;
                        continue;
                    }
                    peer.traffic.received += length;
                    self.note(b'v', number, length);
                    self.overhear_heard(number, connection, &bytes);
                    self.feed(number, Input::Received { connection, bytes });
                }
            }
            Parcel::Close => {
                self.note(b'z', number, connection.0);
                if let Some(peer) = self.peers.get_mut(number.index()) {
                    peer.ends.remove(&connection);
                }
                self.links.close(end);
                self.feed(number, Input::Closed { connection });
            }
        }
    }

    /// Bytes for a connection that is closed.
    pub(super) fn lose(&mut self, parcel: &Parcel) {
        let bytes = parcel.length() as u64;
        self.travelling -= bytes;
        self.lost += bytes;
    }

    /// One end goes away, and the other learns of it.
    pub(super) fn close(&mut self, end: EndId) {
        if let Some((other, latency)) = self.links.close(end) {
            let ends = self.links.get(other.0).map(|link| (link.end(end.1).peer, link.end(other.1).peer));
            let held_until = ends.and_then(|(from, to)| self.held_until(from, to)).unwrap_or(self.now);
            let leaves = self.now.max(held_until);
            self.schedule.at(leaves + latency, Event::Arrive(other, Parcel::Close));
        }
    }
}
