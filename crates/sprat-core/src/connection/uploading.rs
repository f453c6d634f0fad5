//! From what the peer has asked for to what is sent.

use bytes::Bytes;
use sprat_wire::peer::message::{Message, encode_piece_header};

use crate::planted::PlantedBug;
use crate::storage::{READ_LENGTH, ReadToken};
use crate::time::Time;

use super::PeerConnection;
use super::uploads::Stretch;

/// Bytes given to the network or being read from disk for one peer. Deep enough for a disk that answers late, small
/// enough that 2,000 peers fit into memory, and that a choke takes back what matters.
const UPLOAD_WATERMARK: usize = 512 * 1024;

impl PeerConnection {
    /// Whether there is room for more on the way to the network.
    pub(crate) fn can_take_upload(&self) -> bool {
        self.unsent_bytes + self.uploads.reading_bytes() < UPLOAD_WATERMARK
    }

    /// Whether the peer waits for something that it has asked for.
    pub(crate) fn has_upload_backlog(&self) -> bool {
        self.unsent_bytes + self.uploads.reading_bytes() > 0 || self.uploads.next_length().is_some()
    }

    /// The next stretch to read from disk for this peer, of `most` bytes at the most unless a single request is
    /// longer; `None` when nothing is asked for.
    pub(crate) fn next_upload(&mut self, most: u32) -> Option<Stretch> {
        self.uploads.next_stretch(most.min(READ_LENGTH))
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
