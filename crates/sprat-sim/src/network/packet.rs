//! Access lines that send packet by packet.
//!
//! Two layers. Below, [`Access`](access::Access) takes datagrams: a queue of limited length before the uplink and one before the
//! downlink, and a network between that loses, delays and doubles some. Above, a [`Stream`] for each end of a connection:
//! TCP with selective acknowledgements, as far as it matters for how fast bytes come. What is not modelled: the loss of
//! what opens and closes connections (calls and ends are always heard of, after the latency; an end is a reset, and what
//! was under way is cut off), windows of receivers that do not read (sessions take everything at once), and more than
//! one bottleneck on the way.
//!
//! A session's bytes count as sent when they are given to the network for the first time, as with a kernel that is told
//! to take no more than it can send.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use sprat_core::io::ConnectionId;
use sprat_core::time::Time;

use super::{Departed, Farewell, Parcel, Passage, Route};

mod access;
mod receiving;
mod round_trip;
mod segment;
mod sending;
mod stream;
#[cfg(test)]
mod tests;
mod window;

use access::Access;
use segment::Segment;
use stream::Stream;

/// Headers of IP and TCP, with the timestamps that everybody uses (RFC 791, 9293, 7323).
const HEADERS: usize = 20 + 20 + 12;

/// What each range of a selective acknowledgement adds to them (RFC 2018).
const RANGE: usize = 8;

/// What lies between the access lines, and their queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketConfig {
    /// So many thousandths of the packets get lost.
    pub loss_per_mille: u16,
    /// So many thousandths of them take a longer way, so that others overtake them.
    pub reorder_per_mille: u16,
    /// How much longer that is at most.
    pub jitter: Duration,
    /// So many thousandths arrive twice.
    pub duplication_per_mille: u16,
    /// Bytes of a packet at most, with its headers.
    pub mtu: usize,
    /// Bytes that wait before an uplink or a downlink at most; what comes then is dropped.
    pub queue: usize,
}

impl Default for PacketConfig {
    /// Nothing gets lost on the way, Ethernet's MTU, and queues of 64 KiB.
    fn default() -> Self {
        Self {
            loss_per_mille: 0,
            reorder_per_mille: 0,
            jitter: Duration::from_millis(20),
            duplication_per_mille: 0,
            mtu: 1500,
            queue: 64 << 10,
        }
    }
}

impl PacketConfig {
    /// Bytes of a stream in a packet at most; an MTU that leaves none is taken for one that does.
    fn segment(&self) -> usize {
        self.mtu.saturating_sub(HEADERS).max(64)
    }
}

/// A packet.
#[derive(Debug, Clone)]
pub(crate) struct Datagram {
    segment: Segment,
}

impl Datagram {
    /// Bytes on the line.
    pub(super) fn length(&self) -> usize {
        let Segment { has_come, payload, .. } = &self.segment;
        HEADERS + RANGE * has_come.ranges.iter().flatten().count() + payload.len()
    }
}

/// The access line of one peer, and its ends of connections.
#[derive(Debug)]
pub(crate) struct PacketLine {
    access: Access,
    segment: usize,
    ends: BTreeMap<ConnectionId, End>,
    /// Ends that may have something to send.
    stirred: Vec<ConnectionId>,
    timers: BTreeSet<(Time, ConnectionId)>,
}

/// One end of a connection.
#[derive(Debug)]
struct End {
    route: Route,
    stream: Stream,
    is_stirred: bool,
    /// When it has something to do, as it is in the line's timers.
    timer: Option<Time>,
}

impl PacketLine {
    pub(super) fn new(config: PacketConfig, upload: u64, download: u64, rng: fastrand::Rng) -> Self {
        Self {
            access: Access::new(config, upload, download, rng),
            segment: config.segment(),
            ends: BTreeMap::new(),
            stirred: Vec::new(),
            timers: BTreeSet::new(),
        }
    }

    pub(super) fn open(&mut self, connection: ConnectionId, route: Route, is_held: bool) {
        // The call takes a round trip, which is the first to be measured.
        let stream = Stream::new(self.segment, route.latency * 2, is_held);
        self.ends.insert(connection, End { route, stream, is_stirred: false, timer: None });
    }

    pub(super) fn connected(&mut self, connection: ConnectionId, route: Route) -> bool {
        let is_open = self.ends.get_mut(&connection).map(|end| end.route = route).is_some();
        self.stir(connection);
        is_open
    }

    pub(super) fn close(&mut self, connection: ConnectionId) -> Option<(Route, Farewell)> {
        let end = self.ends.remove(&connection)?;
        if let Some(timer) = end.timer {
            self.timers.remove(&(timer, connection));
        }
        Some((end.route, end.stream.farewell()))
    }

    pub(super) fn is_open(&self, connection: ConnectionId) -> bool {
        self.ends.contains_key(&connection)
    }

    pub(super) fn routes(&self) -> impl Iterator<Item = (ConnectionId, Route)> + '_ {
        self.ends.iter().map(|(connection, end)| (*connection, end.route))
    }

    pub(super) fn hold(&mut self, now: Time, connection: ConnectionId, hold: bool) {
        self.with_stream(connection, |stream| stream.hold(now, hold));
    }

    pub(super) fn send(&mut self, connection: ConnectionId, bytes: Bytes) {
        self.with_stream(connection, |stream| stream.send(bytes));
    }

    pub(super) fn start(&mut self, now: Time, out: &mut Vec<Departed>) -> Option<Time> {
        let Self { access, ends, stirred, timers, .. } = self;
        for connection in stirred.drain(..) {
            let Some(end) = ends.get_mut(&connection) else { continue };
            end.is_stirred = false;
            // Before the call is taken there is nobody to send to.
            if end.route.connection.is_some() {
                while let Some(segment) = end.stream.poll(now) {
                    access.queue(connection, end.route, Datagram { segment });
                }
            }
            if let Some((said, bytes)) = end.stream.said() {
                let parcel = Parcel::Segments(bytes);
                out.push(Departed { connection, route: end.route, parcel, said, takes: None });
            }
            let timer = end.stream.timer();
            if timer != end.timer {
                if let Some(old) = std::mem::replace(&mut end.timer, timer) {
                    timers.remove(&(old, connection));
                }
                timers.extend(timer.map(|timer| (timer, connection)));
            }
        }
        access.start(now)
    }

    pub(super) fn departed(&mut self, out: &mut Vec<Departed>) {
        self.access.departed(out);
    }

    pub(super) fn arrive(&mut self, now: Time, parcel: &Parcel) -> Passage {
        match parcel {
            Parcel::Datagram(datagram) => self.access.arrive(now, datagram.length()),
            // An end is heard of when the packets before it are through.
            Parcel::Bytes(_) | Parcel::Segments(_) | Parcel::Close(_) => self.access.arrive(now, 0),
        }
    }

    pub(super) fn take(
        &mut self,
        now: Time,
        connection: ConnectionId,
        datagram: Datagram,
        heard: &mut Vec<Bytes>,
    ) {
        self.with_stream(connection, |stream| stream.take(now, datagram.segment, heard));
    }

    pub(super) fn next_timer(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| *at)
    }

    pub(super) fn expire(&mut self, now: Time) {
        while let Some((at, connection)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, connection));
            if let Some(end) = self.ends.get_mut(&connection) {
                end.timer = None;
            }
            self.with_stream(connection, |stream| stream.expire(now));
        }
    }

    fn with_stream(&mut self, connection: ConnectionId, act: impl FnOnce(&mut Stream)) {
        if let Some(end) = self.ends.get_mut(&connection) {
            act(&mut end.stream);
        }
        self.stir(connection);
    }

    fn stir(&mut self, connection: ConnectionId) {
        if let Some(end) = self.ends.get_mut(&connection)
            && !std::mem::replace(&mut end.is_stirred, true)
        {
            self.stirred.push(connection);
        }
    }
}
