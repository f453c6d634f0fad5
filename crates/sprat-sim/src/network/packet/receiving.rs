//! The receiving half of a stream: bytes in order, and what to acknowledge.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use sprat_core::time::Time;

use super::segment::{Acknowledgement, RANGES, Segment};

/// A lone segment is acknowledged after this (Linux, `TCP_DELACK_MIN`; at most 500 ms by RFC 9293).
const PATIENCE: Duration = Duration::from_millis(40);

/// Every second segment is acknowledged at once (RFC 9293).
const SEGMENTS: u32 = 2;

#[derive(Debug, Default)]
pub(super) struct Receiver {
    /// All bytes before this have come.
    next: u64,
    /// What came before something that belongs in front of it.
    early: BTreeMap<u64, Bytes>,
    /// Where what came last begins, if early.
    newest: Option<u64>,
    /// Segments that are not acknowledged.
    owed: u32,
    /// Not later than this they are.
    due: Option<Time>,
    /// The stamp of the first of them.
    echo: Option<Time>,
}

impl Receiver {
    /// Bytes that have come in order.
    pub(super) const fn heard(&self) -> u64 {
        self.next
    }

    pub(super) fn has_gaps(&self) -> bool {
        !self.early.is_empty()
    }

    pub(super) const fn timer(&self) -> Option<Time> {
        self.due
    }

    pub(super) fn wants_to_acknowledge(&self, now: Time) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    pub(super) fn take(&mut self, now: Time, segment: Segment, heard: &mut Vec<Bytes>) {
        let Segment { sequence, payload, stamp, .. } = segment;
        let had_gaps = self.has_gaps();
        let is_next = sequence == self.next;
        self.newest = None;
        if is_next {
            self.deliver(payload, heard);
            while let Some(payload) = self.early.remove(&self.next) {
                self.deliver(payload, heard);
            }
        } else if sequence > self.next {
            // Segments are never cut anew, so that one that has come begins where it began.
            self.early.entry(sequence).or_insert(payload);
            self.newest = Some(sequence);
        }
        self.owed += 1;
        self.echo.get_or_insert(stamp);
        let at_once = !is_next || had_gaps || self.owed >= SEGMENTS;
        let due = if at_once { now } else { now + PATIENCE };
        self.due = Some(self.due.map_or(due, |planned| planned.min(due)));
    }

    fn deliver(&mut self, payload: Bytes, heard: &mut Vec<Bytes>) {
        self.next += payload.len() as u64;
        heard.push(payload);
    }

    /// What a segment that is sent now acknowledges; only one without payload has room for ranges.
    pub(super) fn acknowledge(&mut self, is_alone: bool) -> Acknowledgement {
        let before = self.next;
        if !is_alone && self.has_gaps() {
            return Acknowledgement { before, ..Acknowledgement::default() };
        }
        (self.owed, self.due) = (0, None);
        Acknowledgement { before, ranges: self.ranges(), echo: self.echo.take() }
    }

    /// The range of what came last, and those in front of it; without such the last ones.
    fn ranges(&self) -> [Option<(u64, u64)>; RANGES] {
        let mut ranges = [None; RANGES];
        let mut all = Vec::new();
        for (from, payload) in &self.early {
            let to = from + payload.len() as u64;
            match all.last_mut() {
                Some((_, end)) if *end == *from => *end = to,
                _ => all.push((*from, to)),
            }
        }
        let newest = self.newest.unwrap_or(u64::MAX);
        let before = all.into_iter().rev().filter(|(from, _)| *from <= newest);
        for (slot, range) in ranges.iter_mut().zip(before) {
            *slot = Some(range);
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(sequence: u64, length: usize) -> Segment {
        let payload = Bytes::from(vec![0; length]);
        Segment { sequence, payload, stamp: Time::ZERO, has_come: Acknowledgement::default() }
    }

    #[test]
    fn every_second_segment_and_every_gap_is_acknowledged_at_once() {
        let (mut receiver, mut heard, now) = (Receiver::default(), Vec::new(), Time::from_secs(1));
        receiver.take(now, segment(0, 10), &mut heard);
        assert!(!receiver.wants_to_acknowledge(now) && receiver.wants_to_acknowledge(now + PATIENCE));
        receiver.take(now, segment(10, 10), &mut heard);
        assert!(receiver.wants_to_acknowledge(now));
        assert_eq!(receiver.acknowledge(true).before, 20);
        assert_eq!(receiver.timer(), None);
        receiver.take(now, segment(30, 10), &mut heard);
        receiver.take(now, segment(50, 10), &mut heard);
        assert!(receiver.wants_to_acknowledge(now));
        assert_eq!(receiver.acknowledge(true).ranges, [Some((50, 60)), Some((30, 40)), None]);
        receiver.take(now, segment(40, 10), &mut heard);
        assert_eq!(receiver.acknowledge(true).ranges, [Some((30, 60)), None, None]);
        receiver.take(now, segment(20, 10), &mut heard);
        assert_eq!(receiver.acknowledge(true).before, 60);
        assert_eq!(heard.len(), 6);
    }

    #[test]
    fn what_has_come_already_is_not_heard_again() {
        let (mut receiver, mut heard, now) = (Receiver::default(), Vec::new(), Time::from_secs(1));
        for sequence in [0, 0, 20, 20, 10, 10, 20] {
            receiver.take(now, segment(sequence, 10), &mut heard);
        }
        assert_eq!((heard.len(), receiver.heard()), (3, 30));
    }
}
