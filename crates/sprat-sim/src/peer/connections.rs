//! Calls, and what travels over the connections that come of them.

use std::net::SocketAddr;

use bytes::Bytes;
use sprat_core::Input;
use sprat_core::io::ConnectionId;

use super::{Peer, Presence};
use crate::desk::Context;
use crate::event::{Call, PeerEvent};
use crate::network::{Departed, Parcel, Route};

impl Peer {
    pub(super) fn call(&mut self, cx: &mut Context<'_>, connection: ConnectionId, address: SocketAddr) {
        self.note(b'c', connection.0);
        let Some(called) = cx.world.living_at(address).filter(|called| called.address() == address) else {
            let at = cx.now + self.config.latency * 2;
            return self.later(cx, at, PeerEvent::Refused(connection));
        };
        let latency = self.config.latency + cx.world.latency_of(called);
        let route = Route { peer: called, life: 0, connection: None, latency };
        self.open(cx, connection, route);
        let back = Route { peer: self.number, life: self.life, connection: Some(connection), latency };
        self.post(cx, cx.now + latency, called, 0, PeerEvent::Ring(Box::new(Call { back, connection })));
    }

    fn open(&mut self, cx: &Context<'_>, connection: ConnectionId, route: Route) {
        // It may begin in the middle of a fault.
        let is_held = cx.world.held_until(cx.now, self.number, route.peer).is_some();
        self.line.open(connection, route, is_held);
    }

    pub(super) fn ring(&mut self, cx: &mut Context<'_>, call: &Call) {
        let back = call.back;
        self.note(b'r', u64::from(back.peer.0));
        if !cx.world.is_within_reach(back.peer, self.number) {
            // Nobody answers; the caller gives up by itself.
            return;
        }
        let at = cx.now + back.latency;
        if self.presence != Presence::Present {
            return self.post(cx, at, back.peer, back.life, PeerEvent::Refused(call.connection));
        }
        let connection = self.allocate_connection();
        self.open(cx, connection, back);
        let here = Route { peer: self.number, life: self.life, connection: Some(connection), ..back };
        self.post(cx, at, back.peer, back.life, PeerEvent::Connected(call.connection, here));
        // A port that nobody listens on, as the system gives them to callers; never the same while it matters.
        let port = 32_768 + u16::try_from(call.connection.0 % 32_768).unwrap_or(0);
        let address = SocketAddr::new(back.peer.address().ip(), port);
        self.feed(cx, Input::Accepted { connection, address });
    }

    pub(super) fn connected(
        &mut self,
        cx: &mut Context<'_>,
        connection: ConnectionId,
        route: Route,
        is_open: bool,
    ) {
        if is_open {
            self.note(b'o', connection.0);
            self.feed(cx, Input::Connected { connection });
        } else {
            self.tell_closed(cx, route);
        }
    }

    pub(super) fn refused(&mut self, cx: &mut Context<'_>, connection: ConnectionId) {
        self.note(b'f', connection.0);
        self.line.close(connection);
        self.feed(cx, Input::Closed { connection });
    }

    pub(super) fn send(&mut self, cx: &mut Context<'_>, connection: ConnectionId, bytes: Bytes) {
        self.note(b's', bytes.len() as u64);
        self.trace.bytes(bytes.get(..32).unwrap_or(&bytes));
        if self.line.is_open(connection) {
            self.overhear_said(cx, connection, &bytes);
            self.line.send(connection, bytes);
            self.start_uplink(cx);
        }
    }

    pub(super) fn start_uplink(&mut self, cx: &mut Context<'_>) {
        if let Some(done) = self.line.start(cx.now) {
            self.later(cx, done, PeerEvent::UplinkFree);
        }
    }

    pub(super) fn uplink_free(&mut self, cx: &mut Context<'_>) {
        let mut departed = std::mem::take(&mut self.departed);
        let mut sent = std::mem::take(&mut self.sent);
        self.line.departed(&mut departed);
        for Departed { connection, route, parcel } in departed.drain(..) {
            let bytes = parcel.length();
            self.traffic.sent += bytes as u64;
            cx.desk.travelling += i64::try_from(bytes).unwrap_or(i64::MAX);
            self.note(b'u', bytes as u64);
            self.overhear_sent(connection, bytes);
            sent.push(Input::Sent { connection, bytes });
            let number = cx.world.is_small().then_some(route.peer);
            self.account.enter(cx.world.group_of(route.peer), number, &parcel);
            if let Some(theirs) = route.connection {
                let arrival = PeerEvent::Arrive(theirs, parcel);
                self.post(cx, cx.now + route.latency, route.peer, route.life, arrival);
            }
        }
        self.start_uplink(cx);
        self.feed_all(cx, sent.drain(..));
        (self.departed, self.sent) = (departed, sent);
    }

    pub(super) fn arrive(&mut self, cx: &mut Context<'_>, connection: ConnectionId, parcel: Parcel) {
        if !self.line.is_open(connection) {
            return self.lose(cx, parcel.length());
        }
        match self.line.arrive(cx.now, parcel.length()) {
            None => self.deliver(cx, connection, parcel),
            Some(through) => self.later(cx, through, PeerEvent::Deliver(connection, parcel)),
        }
    }

    pub(super) fn deliver(&mut self, cx: &mut Context<'_>, connection: ConnectionId, parcel: Parcel) {
        match parcel {
            Parcel::Bytes(bytes) => self.hear(cx, connection, bytes),
            Parcel::Segments(segments) => {
                for bytes in segments {
                    self.hear(cx, connection, bytes);
                }
            }
            Parcel::Close => {
                if self.line.close(connection).is_some() {
                    self.note(b'z', connection.0);
                    self.feed(cx, Input::Closed { connection });
                }
            }
        }
    }

    fn hear(&mut self, cx: &mut Context<'_>, connection: ConnectionId, bytes: Bytes) {
        // What came before may have ended the connection.
        if !self.line.is_open(connection) {
            return self.lose(cx, bytes.len());
        }
        self.traffic.received += bytes.len() as u64;
        cx.desk.travelling -= i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        self.note(b'v', bytes.len() as u64);
        self.overhear_heard(cx, connection, &bytes);
        self.feed(cx, Input::Received { connection, bytes });
    }

    /// Bytes for a connection that is closed.
    pub(super) fn lose(&mut self, cx: &mut Context<'_>, bytes: usize) {
        cx.desk.travelling -= i64::try_from(bytes).unwrap_or(i64::MAX);
        self.traffic.lost += bytes as u64;
    }

    /// This end goes away, and the other learns of it.
    pub(super) fn close(&mut self, cx: &mut Context<'_>, connection: ConnectionId) {
        if let Some(route) = self.line.close(connection) {
            self.tell_closed(cx, route);
        }
    }

    fn tell_closed(&mut self, cx: &mut Context<'_>, route: Route) {
        let held_until = cx.world.held_until(cx.now, self.number, route.peer).unwrap_or(cx.now);
        if let Some(theirs) = route.connection {
            let at = cx.now.max(held_until) + route.latency;
            self.post(cx, at, route.peer, route.life, PeerEvent::Arrive(theirs, Parcel::Close));
        }
    }

    /// Stops and starts what it sends, as faults and slow readers have it.
    pub(crate) fn hold_or_release(&mut self, cx: &mut Context<'_>) {
        let routes: Vec<_> = self.line.routes().collect();
        for (connection, route) in routes {
            let hold = cx.world.held_until(cx.now, self.number, route.peer).is_some();
            self.line.hold(connection, hold);
        }
        self.start_uplink(cx);
    }
}
