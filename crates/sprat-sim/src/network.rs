//! Access lines and the connections over them.
//!
//! A peer's connections share its uplink in turn, one chunk each, as TCP connections over one line do on average. A
//! chunk that has left takes the latency of both ends to arrive, and then waits for the downlink of the receiver, first
//! come first served. The order within a connection is kept throughout.

use crate::peer_number::PeerNumber;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use sprat_core::io::ConnectionId;
use sprat_core::time::Time;

/// What one connection may send in its turn: a block and its header, with some room for small messages.
const CHUNK: usize = 17 * 1024;

/// A connection between two peers, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(crate) u64);

/// Which end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// Of the peer that called.
    Caller,
    /// Of the peer that was called.
    Called,
}

impl Side {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Called,
            Self::Called => Self::Caller,
        }
    }
}

/// One end of one connection.
pub(crate) type EndId = (LinkId, Side);

/// What travels.
#[derive(Debug)]
pub(crate) enum Parcel {
    /// Bytes, as they were handed over.
    Data(Vec<Bytes>),
    /// The other end has closed.
    Close,
}

impl Parcel {
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Data(segments) => segments.iter().map(Bytes::len).sum(),
            Self::Close => 0,
        }
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) peer: PeerNumber,
    /// Its name in the peer's session; `None` before the call is taken.
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) open: bool,
    /// Nothing gets through at present.
    held: bool,
    queue: VecDeque<Bytes>,
}

impl End {
    const fn new(peer: PeerNumber, connection: Option<ConnectionId>) -> Self {
        Self { peer, connection, open: true, held: false, queue: VecDeque::new() }
    }

    /// The next chunk to send.
    fn take_chunk(&mut self) -> Vec<Bytes> {
        let mut chunk = Vec::new();
        let mut room = CHUNK;
        while let Some(next) = self.queue.front_mut() {
            if next.len() > room {
                // Only what does not fit into any chunk is cut.
                if chunk.is_empty() {
                    chunk.push(next.split_to(room));
                }
                break;
            }
            room -= next.len();
            chunk.extend(self.queue.pop_front());
        }
        chunk
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    caller: End,
    called: End,
    /// From one end to the other.
    pub(crate) latency: Duration,
}

impl Link {
    pub(crate) const fn end(&self, side: Side) -> &End {
        match side {
            Side::Caller => &self.caller,
            Side::Called => &self.called,
        }
    }

    pub(crate) const fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::Caller => &mut self.caller,
            Side::Called => &mut self.called,
        }
    }
}

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Links {
    links: BTreeMap<LinkId, Link>,
    next: u64,
}

impl Links {
    pub(crate) fn call(
        &mut self,
        caller: PeerNumber,
        connection: ConnectionId,
        called: PeerNumber,
        latency: Duration,
    ) -> LinkId {
        let id = LinkId(self.next);
        self.next += 1;
        let (caller, called) = (End::new(caller, Some(connection)), End::new(called, None));
        self.links.insert(id, Link { caller, called, latency });
        id
    }

    pub(crate) fn get(&self, id: LinkId) -> Option<&Link> {
        self.links.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(&id)
    }

    /// All ends that are open, with whose they are and to whom they lead.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (EndId, PeerNumber, PeerNumber)> + '_ {
        self.links.iter().flat_map(|(id, link)| {
            [Side::Caller, Side::Called]
                .into_iter()
                .filter(|side| link.end(*side).open)
                .map(|side| ((*id, side), link.end(side).peer, link.end(side.other()).peer))
        })
    }

    /// Stops what this end sends, or lets it go on; whether that is a change.
    pub(crate) fn hold(&mut self, (id, side): EndId, hold: bool) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        std::mem::replace(&mut link.end_mut(side).held, hold) != hold
    }

    /// This end takes nothing any more; what it had not sent is gone. The other end and the latency, if it was open.
    pub(crate) fn close(&mut self, (id, side): EndId) -> Option<(EndId, Duration)> {
        let link = self.links.get_mut(&id)?;
        let end = link.end_mut(side);
        if !std::mem::replace(&mut end.open, false) {
            return None;
        }
        end.queue = VecDeque::new();
        let (latency, other_open) = (link.latency, link.end(side.other()).open);
        if !other_open {
            self.links.remove(&id);
        }
        Some(((id, side.other()), latency))
    }
}

/// What is leaving an uplink at present.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) end: EndId,
    pub(crate) chunk: Vec<Bytes>,
}

/// One direction towards the network.
#[derive(Debug)]
pub(crate) struct Uplink {
    capacity: u64,
    /// Ends with something to send, in the order of their turns.
    turns: VecDeque<EndId>,
    sending: Option<Sending>,
}

impl Uplink {
    pub(crate) const fn new(capacity: u64) -> Self {
        Self { capacity, turns: VecDeque::new(), sending: None }
    }

    /// Takes bytes to be sent.
    pub(crate) fn push(&mut self, links: &mut Links, end: EndId, bytes: Bytes) {
        let Some(link) = links.get_mut(end.0) else { return };
        let queue = &mut link.end_mut(end.1).queue;
        if queue.is_empty() && !self.turns.contains(&end) {
            self.turns.push_back(end);
        }
        queue.push_back(bytes);
    }

    /// Begins to send the next chunk if the line is free; when it will have left.
    pub(crate) fn start(&mut self, links: &mut Links, now: Time) -> Option<Time> {
        if self.sending.is_some() {
            return None;
        }
        while let Some(end) = self.turns.pop_front() {
            let Some(link) = links.get_mut(end.0) else { continue };
            let end_state = link.end_mut(end.1);
            if end_state.held {
                continue;
            }
            let chunk = end_state.take_chunk();
            if !end_state.queue.is_empty() {
                self.turns.push_back(end);
            }
            if chunk.is_empty() {
                continue;
            }
            let length = chunk.iter().map(Bytes::len).sum();
            self.sending = Some(Sending { end, chunk });
            return Some(now + time_on_line(length, self.capacity));
        }
        None
    }

    /// An end that was held has its turns again.
    pub(crate) fn resume(&mut self, links: &Links, end: EndId) {
        let waits = links.get(end.0).is_some_and(|link| !link.end(end.1).queue.is_empty());
        if waits && !self.turns.contains(&end) {
            self.turns.push_back(end);
        }
    }

    /// What has just left.
    pub(crate) const fn take_sent(&mut self) -> Option<Sending> {
        self.sending.take()
    }
}

/// One direction from the network.
#[derive(Debug)]
pub(crate) struct Downlink {
    capacity: u64,
    free_at: Time,
}

impl Downlink {
    pub(crate) const fn new(capacity: u64) -> Self {
        Self { capacity, free_at: Time::ZERO }
    }

    /// When so many bytes that arrive now are through.
    pub(crate) fn pass(&mut self, now: Time, bytes: usize) -> Time {
        self.free_at = self.free_at.max(now) + time_on_line(bytes, self.capacity);
        self.free_at
    }
}

/// How long so many bytes take at so many bytes per second, rounded up to a nanosecond.
fn time_on_line(bytes: usize, capacity: u64) -> Duration {
    let nanos = (bytes as u128 * 1_000_000_000).div_ceil(u128::from(capacity.max(1)));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
