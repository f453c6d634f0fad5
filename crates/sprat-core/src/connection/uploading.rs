//! From what the peer has asked for to what is sent.

use std::time::Duration;

use bytes::Bytes;
use sprat_wire::peer::message::{Message, encode_piece_header};

use crate::planted::PlantedBug;
use crate::storage::{READ_LENGTH, ReadToken};
use crate::time::Time;

use super::PeerConnection;
use super::uploads::Stretch;

/// Bytes given to the network or being read from disk for one peer, at the most. Deep enough for a disk that answers late,
/// small enough that 2,000 peers fit into memory, and that a choke takes back what matters.
const MOST_ON_ITS_WAY: usize = 512 * 1024;

/// There must be room for so much before the disk is asked: many small reads would cost more than a few large ones. It is
/// the longest request as well.
const LEAST_ROOM: usize = 128 * 1024;

/// What a request for something that we do not have costs its sender, as one that cannot be kept.
const REFUSAL: i64 = 33;

/// A peer that takes less than [`LEAST_TAKEN`] of what waits for it in this time does not read, or is gone.
const READING_LIMIT: Duration = Duration::from_secs(120);

/// A block in two minutes, less than the slowest modem.
const LEAST_TAKEN: u64 = 16 * 1024;

/// Whether a peer takes what is sent to it.
#[derive(Debug, Default)]
pub(super) struct Taking {
    /// Bytes that the network has taken, all together.
    taken: u64,
    /// Since when something waits for it, or when it had last taken enough, and how much it had taken then.
    mark: Option<(Time, u64)>,
}

impl Taking {
    pub(super) const fn took(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(bytes as u64);
    }

    /// Looks, now and then: whether something has waited for too long.
    fn has_stopped(&mut self, now: Time, something_waits: bool) -> bool {
        if !something_waits {
            self.mark = None;
            return false;
        }
        let (since, taken) = *self.mark.get_or_insert((now, self.taken));
        if self.taken.saturating_sub(taken) >= LEAST_TAKEN {
            self.mark = Some((now, self.taken));
            return false;
        }
        now.since(since) >= READING_LIMIT
    }
}

impl PeerConnection {
    /// Whether there is room for more on the way to the network.
    pub(crate) fn can_take_upload(&self) -> bool {
        self.upload_room() >= LEAST_ROOM
    }

    fn upload_room(&self) -> usize {
        MOST_ON_ITS_WAY.saturating_sub(self.unsent_bytes + self.uploads.reading_bytes())
    }

    /// Whether it has not taken what waits for it, for so long that it never will.
    pub(crate) fn has_stopped_reading(&mut self, now: Time) -> bool {
        self.taking.has_stopped(now, self.unsent_bytes > 0)
    }

    /// Whether the peer waits for something that it has asked for.
    pub(crate) fn has_upload_backlog(&self) -> bool {
        self.unsent_bytes + self.uploads.reading_bytes() > 0 || self.uploads.next_length().is_some()
    }

    /// The next stretch to read from disk for this peer, of `most` bytes at the most unless a single request is
    /// longer; `None` when nothing is asked for.
    pub(crate) fn next_upload(&mut self, most: u32) -> Option<Stretch> {
        let room = u32::try_from(self.upload_room()).unwrap_or(u32::MAX);
        self.uploads.next_stretch(most.min(READ_LENGTH).min(room))
    }

    pub(crate) fn next_upload_length(&self) -> Option<u32> {
        self.uploads.next_length()
    }

    /// The piece that would be read next.
    pub(crate) fn next_upload_piece(&self) -> Option<u32> {
        self.uploads.next_piece()
    }

    /// We do not have what was asked for.
    pub(crate) fn reject(&mut self, stretch: &Stretch) {
        self.patience.charge(REFUSAL * i64::try_from(stretch.requests.len()).unwrap_or(0));
        if self.is_fast() {
            for request in &stretch.requests {
                self.say(&Message::RejectRequest(*request));
            }
        }
    }

    pub(crate) fn upload_reading(&mut self, token: ReadToken, stretch: Stretch) {
        self.uploads.reading(token, stretch);
    }

    /// The disk has delivered: cuts the bytes into blocks and returns what is to be sent, in order. The payload is
    /// not copied.
    pub(crate) fn upload_read(&mut self, now: Time, token: ReadToken, bytes: &Bytes) -> Vec<Bytes> {
        let Some((begin, requests)) = self.uploads.read(token) else { return Vec::new() };
        let mut out = Vec::with_capacity(2 * requests.len());
        for request in requests {
            let from = (request.begin - begin) as usize;
            let from = if self.planted.is(PlantedBug::WrongOffset) { 0 } else { from };
            let to = from + request.length as usize;
            if to > bytes.len() {
                continue;
            }
            encode_piece_header(request.piece, request.begin, request.length, &mut self.outbox);
            out.extend(self.take_outbox(now));
            out.push(bytes.slice(from..to));
            self.unsent_bytes += request.length as usize;
            self.patience.exchanged(u64::from(request.length));
            self.uploaded += u64::from(request.length);
            self.exchanged_at = now;
            self.sent_since_unchoke += u64::from(request.length);
            self.upload.add(now, u64::from(request.length));
        }
        out
    }

    /// The disk could not deliver.
    pub(crate) fn upload_failed(&mut self, token: ReadToken) {
        let Some((_, requests)) = self.uploads.read(token) else { return };
        if self.is_fast() {
            for request in requests {
                self.say(&Message::RejectRequest(request));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_a_block_in_two_minutes_reads_and_who_takes_less_does_not() {
        for (a_second, stops) in
            [(LEAST_TAKEN as usize / 120 + 1, false), (LEAST_TAKEN as usize / 120 - 1, true)]
        {
            let mut taking = Taking::default();
            let stopped = (0..600).any(|second| {
                taking.took(a_second);
                taking.has_stopped(Time::from_secs(second), true)
            });
            assert_eq!(stopped, stops, "{a_second} bytes a second");
        }
    }

    #[test]
    fn for_whom_nothing_waits_need_take_nothing() {
        let mut taking = Taking::default();
        for second in 0..1000 {
            // Now and then something does wait.
            assert!(!taking.has_stopped(Time::from_secs(second), second % 100 < 90));
        }
    }
}
