//! The sending half of a stream: what may be sent when, and what was lost.
//!
//! A segment is taken for lost when others have come that were sent three or more transmissions later (the packet
//! threshold of RFC 9002, which counts as RFC 6675 does but finds lost retransmissions too), or when nothing has come for
//! long.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sprat_core::time::Time;

use super::round_trip::RoundTrip;
use super::segment::Acknowledgement;
use super::window::Window;

/// Others that overtake a segment before it counts as lost (RFC 5681, RFC 9002).
const OVERTAKEN: u64 = 3;

/// What the other end takes in without acknowledging it, bytes (Linux, `tcp_rmem`: 6 MiB at most, of which a part is
/// overhead).
const RECEIVE_WINDOW: usize = 4 << 20;

#[derive(Debug)]
pub(super) struct Sender {
    segment: usize,
    queue: VecDeque<Bytes>,
    /// Bytes of the first one in it that are sent.
    taken: usize,
    flight: VecDeque<Flying>,
    /// Where what is sent next begins.
    next: u64,
    /// The other end has all bytes before this.
    acknowledged: u64,
    window: Window,
    round_trip: RoundTrip,
    /// Behind this everything was sent once and nothing has come.
    plain_from: u64,
    /// Bytes that are believed to be under way.
    pipe: usize,
    /// Transmissions so far.
    transmissions: u64,
    /// The latest one that is known to have come.
    latest: u64,
    /// The window was cut for what was sent before this one.
    cut_at: u64,
    sent_at: Time,
    timer: Option<Time>,
    is_held: bool,
    /// Sent for the first time since it was asked last.
    said: usize,
    finished: Vec<Bytes>,
}

/// A segment that is not acknowledged.
#[derive(Debug)]
struct Flying {
    sequence: u64,
    payload: Bytes,
    /// Which transmission it was, from 1, and when.
    transmission: u64,
    sent_at: Time,
    is_again: bool,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    UnderWay,
    /// It has come, but something before it has not.
    Come,
    Lost,
}

impl Flying {
    const fn end(&self) -> u64 {
        self.sequence + self.payload.len() as u64
    }
}

impl Sender {
    pub(super) fn new(segment: usize, round_trip: Duration, is_held: bool) -> Self {
        Self {
            segment,
            queue: VecDeque::new(),
            taken: 0,
            flight: VecDeque::new(),
            next: 0,
            acknowledged: 0,
            window: Window::new(segment, RECEIVE_WINDOW),
            round_trip: RoundTrip::new(round_trip),
            plain_from: 0,
            pipe: 0,
            transmissions: 0,
            latest: 0,
            cut_at: 0,
            sent_at: Time::ZERO,
            timer: None,
            is_held,
            said: 0,
            finished: Vec::new(),
        }
    }

    pub(super) fn send(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.queue.push_back(bytes);
        }
    }

    pub(super) fn hold(&mut self, now: Time, hold: bool) {
        if std::mem::replace(&mut self.is_held, hold) != hold {
            self.timer = None;
            self.set_timer(now);
        }
    }

    /// The next segment, where it begins in the stream.
    pub(super) fn poll(&mut self, now: Time) -> Option<(u64, Bytes)> {
        if self.is_held {
            return None;
        }
        if self.flight.is_empty() && now.since(self.sent_at) > self.round_trip.patience() {
            self.window.rest();
        }
        let segment = match self.first_lost() {
            Some(lost) => self.send_again(now, lost)?,
            None => self.send_more(now)?,
        };
        self.sent_at = now;
        if self.timer.is_none() {
            self.set_timer(now);
        }
        Some(segment)
    }

    fn first_lost(&self) -> Option<usize> {
        let repairs = self.acknowledged < self.plain_from;
        repairs.then(|| self.flight.iter().position(|flying| flying.state == State::Lost)).flatten()
    }

    fn send_again(&mut self, now: Time, lost: usize) -> Option<(u64, Bytes)> {
        let length = self.flight.get(lost)?.payload.len();
        if !self.has_room(length) {
            return None;
        }
        let transmission = self.next_transmission();
        let flying = self.flight.get_mut(lost)?;
        (flying.transmission, flying.sent_at, flying.is_again) = (transmission, now, true);
        flying.state = State::UnderWay;
        self.pipe += length;
        Some((flying.sequence, flying.payload.clone()))
    }

    fn send_more(&mut self, now: Time) -> Option<(u64, Bytes)> {
        // Enough is known of the queue when there is a whole segment.
        let mut waiting = 0;
        for bytes in &self.queue {
            waiting += bytes.len();
            if waiting >= self.segment + self.taken {
                break;
            }
        }
        let length = (waiting - self.taken).min(self.segment);
        let is_taken_in = self.next + length as u64 <= self.acknowledged + RECEIVE_WINDOW as u64;
        if length == 0 || !self.has_room(length) || !is_taken_in {
            return None;
        }
        let payload = self.cut(length);
        let (sequence, transmission) = (self.next, self.next_transmission());
        let state = State::UnderWay;
        self.flight.push_back(Flying {
            sequence,
            payload: payload.clone(),
            transmission,
            sent_at: now,
            is_again: false,
            state,
        });
        self.next += length as u64;
        self.pipe += length;
        self.said += length;
        Some((sequence, payload))
    }

    /// So many bytes from the front of the queue.
    fn cut(&mut self, length: usize) -> Bytes {
        let whole =
            self.queue.front().and_then(|first| first.get(self.taken..self.taken + length).map(|_| first));
        if let Some(first) = whole {
            let payload = first.slice(self.taken..self.taken + length);
            self.advance(length);
            return payload;
        }
        let mut payload = BytesMut::with_capacity(length);
        while payload.len() < length {
            let Some(rest) = self.queue.front().and_then(|first| first.get(self.taken..)) else { break };
            let some = rest.len().min(length - payload.len());
            payload.extend_from_slice(rest.get(..some).unwrap_or_default());
            self.advance(some);
        }
        payload.freeze()
    }

    fn advance(&mut self, bytes: usize) {
        self.taken += bytes;
        if self.queue.front().is_some_and(|first| first.len() <= self.taken) {
            self.taken = 0;
            self.finished.extend(self.queue.pop_front());
        }
    }

    const fn has_room(&self, length: usize) -> bool {
        self.pipe + length <= self.window.bytes()
    }

    const fn next_transmission(&mut self) -> u64 {
        self.transmissions += 1;
        self.transmissions
    }

    /// What a segment of the other end says of ours.
    pub(super) fn acknowledged(&mut self, now: Time, what: &Acknowledgement) {
        let was_limited = self.pipe + self.segment > self.window.bytes();
        let ranges_end = what.ranges.iter().flatten().map(|range| range.1).max().unwrap_or(0);
        self.plain_from = self.plain_from.max(ranges_end);
        let mut come = 0;
        for flying in &mut self.flight {
            if flying.sequence >= what.before.max(ranges_end) {
                break;
            }
            let is_in = |range: &(u64, u64)| range.0 <= flying.sequence && flying.end() <= range.1;
            let has_come = flying.end() <= what.before || what.ranges.iter().flatten().any(is_in);
            if !has_come || flying.state == State::Come {
                continue;
            }
            if flying.state == State::UnderWay {
                self.pipe -= flying.payload.len();
            }
            flying.state = State::Come;
            // The first one may have come after all when the second one had just been sent.
            let is_certain = !flying.is_again || now.since(flying.sent_at) >= self.round_trip.least;
            if is_certain {
                self.latest = self.latest.max(flying.transmission);
            }
            if flying.transmission > self.cut_at {
                come += flying.payload.len();
            }
            self.timer = None;
        }
        if self.timer.is_none()
            && let Some(echo) = what.echo
        {
            self.round_trip.measured(now.since(echo));
        }
        while self.flight.front().is_some_and(|first| first.end() <= what.before) {
            self.flight.pop_front();
        }
        self.acknowledged = self.acknowledged.max(what.before);
        if was_limited {
            self.window.grow(come);
        }
        if self.acknowledged < self.plain_from {
            self.find_lost();
        }
        if self.timer.is_none() {
            self.set_timer(now);
        }
    }

    fn find_lost(&mut self) {
        let mut is_news = false;
        for flying in &mut self.flight {
            if flying.state == State::UnderWay && flying.transmission + OVERTAKEN <= self.latest {
                flying.state = State::Lost;
                self.pipe -= flying.payload.len();
                self.plain_from = self.plain_from.max(flying.end());
                is_news |= flying.transmission > self.cut_at;
            }
        }
        if is_news {
            self.window.halve();
            self.cut_at = self.transmissions;
        }
    }

    /// Nothing has come for long.
    pub(super) fn expire(&mut self, now: Time) {
        if self.timer.is_none_or(|timer| timer > now) {
            return;
        }
        for flying in &mut self.flight {
            if flying.state == State::UnderWay {
                flying.state = State::Lost;
            }
        }
        self.pipe = 0;
        self.plain_from = self.next;
        self.window.collapse();
        self.cut_at = self.transmissions;
        self.round_trip.silent();
        self.set_timer(now);
    }

    fn set_timer(&mut self, now: Time) {
        let waits = !self.flight.is_empty() && !self.is_held;
        self.timer = waits.then(|| now + self.round_trip.patience());
    }

    pub(super) const fn timer(&self) -> Option<Time> {
        self.timer
    }

    pub(super) fn said(&mut self) -> Option<(usize, Vec<Bytes>)> {
        let said = std::mem::take(&mut self.said);
        (said > 0).then(|| (said, std::mem::take(&mut self.finished)))
    }

    /// Bytes of which was told that they are given to the network.
    pub(super) const fn reported(&self) -> u64 {
        self.next - self.said as u64
    }
}
