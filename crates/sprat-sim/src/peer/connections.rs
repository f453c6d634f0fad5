//! Calls, and what travels over the connections that come of them.

use std::net::SocketAddr;

use bytes::Bytes;
use sprat_core::Input;
use sprat_core::io::ConnectionId;

use super::{Peer, Presence};
use crate::desk::Context;
use crate::event::{Call, PeerEvent};
use crate::network::{Departed, Farewell, Parcel, Passage, Route};

impl Peer {
    pub(super) fn call(&mut self, cx: &mut Context<'_>, connection: ConnectionId, address: SocketAddr) {
        self.note(b'c', connection.0);
        let Some(called) =
            cx.world.living_at(address).filter(|called| cx.world.address_of(*called) == address)
        else {
            let at = cx.now + self.config.latency * 2;
            return self.later(cx, at, PeerEvent::Refused(connection));
        };
        let latency = cx.world.latency_between(self.number, called);
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
        if !cx.world.answers(back.peer, self.number) {
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
        let address = SocketAddr::new(cx.world.address_of(back.peer).ip(), port);
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
            self.tell_closed(cx, route, Farewell::default());
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

    /// Lets the line go on after anything that was done to it.
    pub(super) fn start_uplink(&mut self, cx: &mut Context<'_>) {
        let mut departed = std::mem::take(&mut self.departed);
        if let Some(done) = self.line.start(cx.now, &mut departed) {
            self.later(cx, done, PeerEvent::UplinkFree);
        }
        self.note_departed(cx, &mut departed);
        self.departed = departed;
        // As with the session: sooner than planned is planned anew, later is noticed when it is called.
        if let Some(wanted) = self.line.next_timer()
            && self.line_timer_at.is_none_or(|planned| wanted < planned)
        {
            self.line_timer_at = Some(wanted);
            self.later(cx, wanted, PeerEvent::LineTimer);
        }
    }

    pub(super) fn line_timer(&mut self, cx: &mut Context<'_>) {
        if self.line_timer_at == Some(cx.now) {
            self.line_timer_at = None;
            self.line.expire(cx.now);
            self.start_uplink(cx);
        }
    }

    pub(super) fn uplink_free(&mut self, cx: &mut Context<'_>) {
        let mut departed = std::mem::take(&mut self.departed);
        self.line.departed(&mut departed);
        self.note_departed(cx, &mut departed);
        self.departed = departed;
        self.start_uplink(cx);
        let mut sent = std::mem::take(&mut self.sent);
        self.feed_all(cx, sent.drain(..));
        // In the meantime there may be more.
        sent.append(&mut self.sent);
        self.sent = sent;
    }

    /// What the line has given to the network. The session hears of it when the uplink is free the next time.
    fn note_departed(&mut self, cx: &mut Context<'_>, departed: &mut Vec<Departed>) {
        for Departed { connection, route, parcel, said, takes } in departed.drain(..) {
            if said > 0 {
                self.traffic.sent += said as u64;
                cx.desk.travelling += i64::try_from(said).unwrap_or(i64::MAX);
                self.note(b'u', said as u64);
                self.overhear_sent(connection, said);
                self.sent.push(Input::Sent { connection, bytes: said });
                let number = cx.world.is_small().then_some(route.peer);
                self.account.enter(cx.world.group_of(route.peer), number, &parcel);
            }
            if let (Some(theirs), Some(takes)) = (route.connection, takes) {
                let arrival = PeerEvent::Arrive(theirs, parcel);
                self.post(cx, cx.now + takes, route.peer, route.life, arrival);
            }
        }
    }

    pub(super) fn arrive(&mut self, cx: &mut Context<'_>, connection: ConnectionId, parcel: Parcel) {
        if !self.line.is_open(connection) {
            return self.lose_parcel(cx, &parcel);
        }
        match self.line.arrive(cx.now, &parcel) {
            Passage::AtOnce => self.deliver(cx, connection, parcel),
            Passage::At(through) => self.later(cx, through, PeerEvent::Deliver(connection, parcel)),
            Passage::Dropped => self.lose_parcel(cx, &parcel),
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
            Parcel::Datagram(datagram) => {
                let mut heard = std::mem::take(&mut self.heard);
                self.line.take(cx.now, connection, *datagram, &mut heard);
                for bytes in heard.drain(..) {
                    self.hear(cx, connection, bytes);
                }
                self.heard = heard;
                self.start_uplink(cx);
            }
            Parcel::Close(theirs) => {
                let ours = self.line.close(connection);
                cut_off(cx, theirs, ours.map(|(_, ours)| ours).unwrap_or_default());
                if ours.is_some() {
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

    /// What was for a session or a connection that is no more.
    pub(super) fn lose_parcel(&mut self, cx: &mut Context<'_>, parcel: &Parcel) {
        self.lose(cx, parcel.length());
        if let Parcel::Close(theirs) = parcel {
            cut_off(cx, *theirs, Farewell::default());
        }
    }

    /// This end goes away, and the other learns of it.
    pub(super) fn close(&mut self, cx: &mut Context<'_>, connection: ConnectionId) {
        if let Some((route, farewell)) = self.line.close(connection) {
            self.tell_closed(cx, route, farewell);
        }
    }

    fn tell_closed(&mut self, cx: &mut Context<'_>, route: Route, farewell: Farewell) {
        let held_until = cx.world.held_until(cx.now, self.number, route.peer).unwrap_or(cx.now);
        if let Some(theirs) = route.connection {
            let at = cx.now.max(held_until) + route.latency;
            self.post(cx, at, route.peer, route.life, PeerEvent::Arrive(theirs, Parcel::Close(farewell)));
        }
    }

    /// Stops and starts what it sends, as faults and slow readers have it.
    pub(crate) fn hold_or_release(&mut self, cx: &mut Context<'_>) {
        for (connection, route) in self.line.routes() {
            let hold = cx.world.held_until(cx.now, self.number, route.peer).is_some();
            self.line.hold(cx.now, connection, hold);
        }
        self.start_uplink(cx);
    }
}

/// What two ends have said and not heard of each other is lost. An end that is over says so itself, once, and says
/// nothing here.
fn cut_off(cx: &mut Context<'_>, theirs: Farewell, ours: Farewell) {
    let count = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let lost = count(theirs.said) + count(ours.said) - count(theirs.heard) - count(ours.heard);
    cx.desk.travelling -= lost;
    cx.desk.cut_off += lost;
}
