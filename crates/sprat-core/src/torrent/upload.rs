//! Answering requests: from the queue over the disk to the network.

use bytes::Bytes;
use sprat_wire::BLOCK_LENGTH;

use crate::context::Context;
use crate::io::{ConnectionId, Output};
use crate::storage::{ReadToken, StorageError, StorageRequest};

use super::Torrent;

impl Torrent {
    /// Asks the disk for what this peer is to get next, as far as its outbox and the rate limits allow.
    pub(super) fn serve(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        if !self.takes_part() {
            return;
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let limited = cx.limits.upload.limit().is_some() || self.limits.upload.limit().is_some();
        // Under a limit one block at a time: turns are short and everybody gets some.
        let most = if limited { BLOCK_LENGTH } else { u32::MAX };
        while connection.can_take_upload() {
            let Some(next) = connection.next_upload_length() else { return };
            let next = u64::from(next);
            if !(cx.limits.upload.permits(cx.now, next) && self.limits.upload.permits(cx.now, next)) {
                if !self.starved_uploads.contains(&id) {
                    self.starved_uploads.push_back(id);
                }
                return self.await_refill(cx);
            }
            let next = connection.next_upload_piece().and_then(|piece| self.geometry.piece(piece));
            if let Some(piece) = next.filter(|piece| self.proof.is_due(*piece)) {
                return self.prove(cx, piece, id);
            }
            let Some(stretch) = connection.next_upload(most) else { return };
            let Some(piece) = self.geometry.piece(stretch.piece) else { continue };
            let is_had = self.picker.have().contains(stretch.piece);
            if !is_had || self.recheck.is_doubtful(piece) {
                // It was never announced, or it was lost since, or may have been.
                connection.reject(&stretch);
                self.touched.push(id);
                continue;
            }
            cx.limits.upload.charge(cx.now, u64::from(stretch.length));
            self.limits.upload.charge(cx.now, u64::from(stretch.length));
            let token = cx.names.read();
            cx.outputs.push_back(Output::Storage(StorageRequest::Read {
                torrent: self.id,
                token,
                piece,
                begin: stretch.begin,
                length: stretch.length,
            }));
            self.reads.insert(token, (id, piece));
            connection.upload_reading(token, stretch);
        }
    }

    /// The disk has read, or has failed to.
    pub(super) fn on_read(
        &mut self,
        cx: &mut Context<'_>,
        token: ReadToken,
        result: Result<Bytes, StorageError>,
    ) {
        let Some((id, piece)) = self.reads.remove(&token) else { return };
        match result {
            // What was read may be what is missing.
            Ok(_) if !self.can_give(piece) => self.refuse_read(cx, id, token),
            Ok(bytes) => {
                let Some(connection) = self.connections.get_mut(&id) else { return };
                let before = connection.uploaded;
                for bytes in connection.upload_read(cx.now, token, &bytes) {
                    cx.outputs.push_back(Output::Send { connection: id, bytes });
                }
                self.totals.uploaded += connection.uploaded - before;
                self.serve(cx, id);
            }
            Err(_) => {
                self.refuse_read(cx, id, token);
                // Is the piece gone, or only the moment bad? The check decides.
                if self.picker.have().contains(piece.get()) {
                    cx.storage(StorageRequest::Verify {
                        torrent: self.id,
                        piece,
                        expected: self.expected(piece),
                    });
                }
            }
        }
    }

    /// What was to be read for this peer cannot be given to it. What it has asked for besides may be there.
    fn refuse_read(&mut self, cx: &mut Context<'_>, id: ConnectionId, token: ReadToken) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.upload_failed(token);
            self.touch(id);
            self.serve(cx, id);
        }
    }

    /// The network has taken bytes: there may be room for more.
    pub(crate) fn on_sent(&mut self, cx: &mut Context<'_>, id: ConnectionId, bytes: usize) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.sent(bytes);
            self.serve(cx, id);
            self.flush(cx);
        }
    }
}
