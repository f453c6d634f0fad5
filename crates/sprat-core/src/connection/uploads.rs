//! What a peer has asked us for and has not been sent.

use std::collections::VecDeque;

use sprat_wire::peer::message::BlockRequest;

use crate::storage::ReadToken;

/// Requests that we hold for one peer, and announce as `reqq` (BEP 10), as many as libtorrent does. A request is 12 bytes, and only
/// unchoked peers have any. Transmission asks for as many as it may once a second: with 512 it got 8 MiB/s, whatever the line.
pub(crate) const QUEUE_LIMIT: u32 = 2000;

/// A peer without the fast extension cannot be told that its request was dropped, and may not know of any limit: rTorrent
/// has a fifth of its rate in KiB/s under way, 100,000 requests at 500 MB/s. This many, 1.5 MiB, are a flood.
const FLOOD_LIMIT: usize = 128 * 1024;

/// How far back a cancelled request is looked for: cancelling must not become work for us.
const CANCEL_REACH: usize = 2048;

/// The upload queue of one peer.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    queue: VecDeque<BlockRequest>,
    reads: Vec<PendingRead>,
    reading_bytes: usize,
}

#[derive(Debug)]
struct PendingRead {
    token: ReadToken,
    begin: u32,
    length: u32,
    /// What of the stretch is still wanted.
    requests: Vec<BlockRequest>,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queued {
    /// It waits its turn.
    Yes,
    /// It was there already.
    Twice,
    /// There is no room.
    Full,
    /// There has not been room for a long time.
    Flood,
}

/// One stretch to be read, and the requests that it answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) piece: u32,
    pub(crate) begin: u32,
    pub(crate) length: u32,
    pub(crate) requests: Vec<BlockRequest>,
}

impl Uploads {
    pub(super) fn push(&mut self, request: BlockRequest, can_reject: bool) -> Queued {
        if self.queue.len() >= QUEUE_LIMIT as usize {
            if can_reject {
                return Queued::Full;
            }
            if self.queue.len() >= FLOOD_LIMIT {
                return Queued::Flood;
            }
        }
        // Only the newest can be a repetition without a scan; a peer that repeats others just gets them twice.
        if self.queue.back() == Some(&request) {
            return Queued::Twice;
        }
        self.queue.push_back(request);
        Queued::Yes
    }

    /// Takes a request back, also while it is being read; `false` when it is gone already.
    pub(super) fn cancel(&mut self, request: BlockRequest) -> bool {
        // The newest first: it is those that somebody else has sent in the meantime.
        let newest = self.queue.len().saturating_sub(CANCEL_REACH);
        if let Some(at) = self.queue.range(newest..).rposition(|queued| *queued == request) {
            self.queue.remove(newest + at);
            return true;
        }
        for read in &mut self.reads {
            if let Some(at) = read.requests.iter().position(|reading| *reading == request) {
                read.requests.remove(at);
                return true;
            }
        }
        false
    }

    /// Takes everything back that `keep` does not speak for, and says what it was.
    pub(super) fn cancel_unless(&mut self, keep: impl Fn(&BlockRequest) -> bool) -> Vec<BlockRequest> {
        let mut gone = Vec::new();
        let mut sift = |request: &BlockRequest| {
            let kept = keep(request);
            if !kept {
                gone.push(*request);
            }
            kept
        };
        for read in &mut self.reads {
            read.requests.retain(&mut sift);
        }
        self.queue.retain(&mut sift);
        // Whoever asks for a hundred thousand blocks at a time may not be unchoked again for long.
        self.queue.shrink_to_fit();
        gone
    }

    /// The next stretch to read: neighbouring requests from the head of the queue, `most` bytes at the most but at
    /// least one request.
    pub(super) fn next_stretch(&mut self, most: u32) -> Option<Stretch> {
        let first = self.queue.pop_front()?;
        let mut stretch =
            Stretch { piece: first.piece, begin: first.begin, length: first.length, requests: vec![first] };
        while let Some(next) = self.queue.front().copied() {
            let end = stretch.begin.saturating_add(stretch.length);
            let longer = stretch.length.saturating_add(next.length);
            if next.piece != stretch.piece || next.begin != end || longer > most {
                break;
            }
            stretch.length = longer;
            stretch.requests.push(next);
            self.queue.pop_front();
        }
        Some(stretch)
    }

    pub(super) fn reading(&mut self, token: ReadToken, stretch: Stretch) {
        self.reading_bytes += stretch.length as usize;
        self.reads.push(PendingRead {
            token,
            begin: stretch.begin,
            length: stretch.length,
            requests: stretch.requests,
        });
    }

    /// The read has ended: where its bytes begin in the piece, and which requests want them.
    pub(super) fn read(&mut self, token: ReadToken) -> Option<(u32, Vec<BlockRequest>)> {
        let at = self.reads.iter().position(|read| read.token == token)?;
        let read = self.reads.remove(at);
        self.reading_bytes = self.reading_bytes.saturating_sub(read.length as usize);
        Some((read.begin, read.requests))
    }

    /// Bytes of memory, with what is being read.
    pub(super) fn holds(&self) -> usize {
        let reading = self.reads.iter().map(|read| read.requests.capacity()).sum::<usize>();
        self.reading_bytes + (self.queue.capacity() + reading) * size_of::<BlockRequest>()
    }

    pub(super) fn reading_bytes(&self) -> usize {
        self.reading_bytes
    }

    /// The piece of the request that would be read next.
    pub(super) fn next_piece(&self) -> Option<u32> {
        self.queue.front().map(|request| request.piece)
    }

    /// The length of the request that would be read next.
    pub(super) fn next_length(&self) -> Option<u32> {
        self.queue.front().map(|request| request.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::READ_LENGTH;

    fn request(piece: u32, block: u32) -> BlockRequest {
        BlockRequest { piece, begin: block * 16384, length: 16384 }
    }

    #[test]
    fn neighbours_are_read_together() {
        let mut uploads = Uploads::default();
        for (piece, block) in [(0, 0), (0, 1), (0, 2), (0, 4), (1, 0)] {
            assert_eq!(uploads.push(request(piece, block), true), Queued::Yes);
        }
        let first = uploads.next_stretch(READ_LENGTH).unwrap();
        assert_eq!((first.piece, first.begin, first.length), (0, 0, 3 * 16384));
        assert_eq!(uploads.next_stretch(READ_LENGTH).unwrap().begin, 4 * 16384);
        assert_eq!(uploads.next_stretch(READ_LENGTH).unwrap().piece, 1);
        assert_eq!(uploads.next_stretch(READ_LENGTH), None);
    }

    #[test]
    fn a_cancel_is_honoured_while_the_disk_is_reading() {
        let mut uploads = Uploads::default();
        uploads.push(request(0, 0), true);
        uploads.push(request(0, 1), true);
        let stretch = uploads.next_stretch(READ_LENGTH).unwrap();
        uploads.reading(ReadToken(7), stretch);
        assert_eq!(uploads.reading_bytes(), 2 * 16384);
        assert!(uploads.cancel(request(0, 0)));
        assert!(!uploads.cancel(request(0, 0)));
        assert_eq!(uploads.read(ReadToken(7)), Some((0, vec![request(0, 1)])));
        assert_eq!(uploads.reading_bytes(), 0);
    }

    #[test]
    fn a_full_queue_rejects_those_who_can_be_told_and_bears_others_longer() {
        let mut uploads = Uploads::default();
        for at in 0..QUEUE_LIMIT {
            assert_eq!(uploads.push(request(at, 0), true), Queued::Yes);
        }
        assert_eq!(uploads.push(request(9999, 0), true), Queued::Full);
        for at in QUEUE_LIMIT..FLOOD_LIMIT as u32 {
            assert_eq!(uploads.push(request(at, 0), false), Queued::Yes);
        }
        assert_eq!(uploads.push(request(9999, 0), false), Queued::Flood);
    }
}
