//! Access lines that send block by block.
//!
//! A peer's connections share its uplink in turn, one chunk each, as TCP connections over one line do on average. A
//! chunk that has left takes the latency of both ends to arrive, and then waits for the downlink of the receiver, first
//! come first served. The order within a connection is kept throughout.
//!
//! Small messages of several connections leave together, in one packet's time: a swarm sends a hundred times more of them
//! than blocks, and which of them leaves a fraction of a millisecond earlier decides nothing.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use sprat_core::io::ConnectionId;
use sprat_core::time::Time;

use super::{Departed, Downlink, Parcel, Route, time_on_line};

/// What one connection may send in its turn: a block and its header, with some room for small messages.
const CHUNK: usize = 17 * 1024;

/// Chunks that leave together have no more bytes than this.
const TRAIN: usize = 512;

/// What is so short does not wait for its own bytes to come through a downlink that is free.
const SHORT: usize = 512;

/// The access line of one peer, and its ends of connections.
#[derive(Debug)]
pub(crate) struct BlockLine {
    upload: u64,
    downlink: Downlink,
    ends: BTreeMap<ConnectionId, End>,
    /// Ends with something to send, in the order of their turns.
    turns: VecDeque<ConnectionId>,
    /// What is leaving.
    train: Vec<(ConnectionId, Parcel)>,
}

/// One end of a connection.
#[derive(Debug)]
struct End {
    route: Route,
    queue: VecDeque<Bytes>,
    has_turn: bool,
    /// Nothing gets through at present.
    is_held: bool,
}

impl BlockLine {
    pub(crate) const fn new(upload: u64, download: u64) -> Self {
        Self {
            upload,
            downlink: Downlink::new(download),
            ends: BTreeMap::new(),
            turns: VecDeque::new(),
            train: Vec::new(),
        }
    }

    pub(crate) fn open(&mut self, connection: ConnectionId, route: Route, is_held: bool) {
        self.ends.insert(connection, End { route, queue: VecDeque::new(), has_turn: false, is_held });
    }

    /// The other end has taken the call; `false` when it is closed here.
    pub(crate) fn connected(&mut self, connection: ConnectionId, route: Route) -> bool {
        self.ends.get_mut(&connection).map(|end| end.route = route).is_some()
    }

    /// Forgets an end and what it had not sent; where it led.
    pub(crate) fn close(&mut self, connection: ConnectionId) -> Option<Route> {
        self.ends.remove(&connection).map(|end| end.route)
    }

    pub(crate) fn is_open(&self, connection: ConnectionId) -> bool {
        self.ends.contains_key(&connection)
    }

    /// All ends, and where they lead.
    pub(crate) fn routes(&self) -> impl Iterator<Item = (ConnectionId, Route)> + '_ {
        self.ends.iter().map(|(connection, end)| (*connection, end.route))
    }

    /// Stops what this end sends, or lets it go on.
    pub(crate) fn hold(&mut self, connection: ConnectionId, hold: bool) {
        let Some(end) = self.ends.get_mut(&connection) else { return };
        end.is_held = hold;
        if !hold && !end.queue.is_empty() && !std::mem::replace(&mut end.has_turn, true) {
            self.turns.push_back(connection);
        }
    }

    /// Takes bytes to be sent.
    pub(crate) fn send(&mut self, connection: ConnectionId, bytes: Bytes) {
        let Some(end) = self.ends.get_mut(&connection) else { return };
        end.queue.push_back(bytes);
        if !std::mem::replace(&mut end.has_turn, true) {
            self.turns.push_back(connection);
        }
    }

    /// Begins to send if the line is free and there is something; when it will have left.
    pub(crate) fn start(&mut self, now: Time) -> Option<Time> {
        if !self.train.is_empty() {
            return None;
        }
        let mut length = 0;
        while let Some(connection) = self.turns.front().copied() {
            let Some(end) = self.ends.get_mut(&connection).filter(|end| !end.is_held) else {
                self.turns.pop_front();
                if let Some(end) = self.ends.get_mut(&connection) {
                    end.has_turn = false;
                }
                continue;
            };
            if length > 0 && length + end.next_chunk().1 > TRAIN {
                break;
            }
            self.turns.pop_front();
            let parcel = end.take_chunk();
            end.has_turn = !end.queue.is_empty();
            if end.has_turn {
                self.turns.push_back(connection);
            }
            length += parcel.length();
            self.train.push((connection, parcel));
        }
        (length > 0).then(|| now + time_on_line(length, self.upload))
    }

    /// What was leaving has left. Of an end that has been closed since, nothing has.
    pub(crate) fn departed(&mut self, out: &mut Vec<Departed>) {
        for (connection, parcel) in self.train.drain(..) {
            if let Some(end) = self.ends.get(&connection) {
                let (said, takes) = (parcel.length(), Some(end.route.latency));
                out.push(Departed { connection, route: end.route, parcel, said, takes });
            }
        }
    }

    /// A parcel stands before the downlink: when it is through, `None` for at once.
    pub(crate) fn arrive(&mut self, now: Time, length: usize) -> Option<Time> {
        let at_once = self.downlink.is_free(now) && length <= SHORT;
        let through = self.downlink.pass(now, length);
        (!at_once).then_some(through)
    }
}

impl End {
    /// How many whole segments the next chunk has, and its bytes. A segment that fits into no chunk is cut.
    fn next_chunk(&self) -> (usize, usize) {
        let (mut segments, mut length) = (0, 0);
        for segment in &self.queue {
            if length + segment.len() > CHUNK {
                break;
            }
            segments += 1;
            length += segment.len();
        }
        (segments, if segments == 0 && !self.queue.is_empty() { CHUNK } else { length })
    }

    fn take_chunk(&mut self) -> Parcel {
        match self.next_chunk() {
            (0, length) => {
                Parcel::Bytes(self.queue.front_mut().map(|first| first.split_to(length)).unwrap_or_default())
            }
            (1, _) => Parcel::Bytes(self.queue.pop_front().unwrap_or_default()),
            (segments, _) => Parcel::Segments(self.queue.drain(..segments).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_through_at_this_moment_is_not_overtaken() {
        let mut line = BlockLine::new(1 << 20, 1 << 20);
        let start = Time::from_secs(1);
        assert_eq!(line.arrive(start, 9), None);
        let long = line.arrive(start + std::time::Duration::from_millis(1), 1 << 10);
        let through = long.unwrap_or_default();
        assert!(line.arrive(through, 9).is_some_and(|short| short > through));
    }
}
