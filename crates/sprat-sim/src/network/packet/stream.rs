//! One end of a TCP connection: what it says, what it hears, and the acknowledgements of that.

use std::time::Duration;

use bytes::Bytes;
use sprat_core::time::Time;

use super::receiving::Receiver;
use super::segment::Segment;
use super::sending::Sender;
use crate::network::Farewell;

#[derive(Debug)]
pub(super) struct Stream {
    sender: Sender,
    receiver: Receiver,
}

impl Stream {
    pub(super) fn new(segment: usize, round_trip: Duration, is_held: bool) -> Self {
        Self { sender: Sender::new(segment, round_trip, is_held), receiver: Receiver::default() }
    }

    pub(super) fn send(&mut self, bytes: Bytes) {
        self.sender.send(bytes);
    }

    /// Stops what it says, or lets it go on; acknowledgements are always sent.
    pub(super) fn hold(&mut self, now: Time, hold: bool) {
        self.sender.hold(now, hold);
    }

    /// The next segment that may be sent now.
    pub(super) fn poll(&mut self, now: Time) -> Option<Segment> {
        // What has gaps needs a segment of its own.
        if self.receiver.has_gaps() && self.receiver.wants_to_acknowledge(now) {
            return Some(self.acknowledge(now, 0, Bytes::new()));
        }
        if let Some((sequence, payload)) = self.sender.poll(now) {
            return Some(self.acknowledge(now, sequence, payload));
        }
        self.receiver.wants_to_acknowledge(now).then(|| self.acknowledge(now, 0, Bytes::new()))
    }

    fn acknowledge(&mut self, now: Time, sequence: u64, payload: Bytes) -> Segment {
        let has_come = self.receiver.acknowledge(payload.is_empty());
        Segment { sequence, payload, stamp: now, has_come }
    }

    /// A segment has come; the bytes that are in order now.
    pub(super) fn take(&mut self, now: Time, segment: Segment, heard: &mut Vec<Bytes>) {
        self.sender.acknowledged(now, &segment.has_come);
        if !segment.payload.is_empty() {
            self.receiver.take(now, segment, heard);
        }
    }

    /// What was given to the network since this was asked last: how many bytes, and of what it was told to send all that
    /// is complete by that.
    pub(super) fn said(&mut self) -> Option<(usize, Vec<Bytes>)> {
        self.sender.said()
    }

    /// When it has something to do.
    pub(super) fn timer(&self) -> Option<Time> {
        [self.sender.timer(), self.receiver.timer()].into_iter().flatten().min()
    }

    pub(super) fn expire(&mut self, now: Time) {
        self.sender.expire(now);
    }

    pub(super) const fn farewell(&self) -> Farewell {
        Farewell { said: self.sender.reported(), heard: self.receiver.heard() }
    }
}
