//! Answering requests: from the queue over the disk to the network.

use bytes::Bytes;
use sprat_wire::BLOCK_LENGTH;

use crate::context::Context;
use crate::geometry::PieceIndex;
use crate::io::{ConnectionId, Output, ReaderId};
use crate::storage::{ReadToken, StorageError, StorageErrorKind, StorageRequest};

use super::Torrent;

/// Who has something read.
#[derive(Debug, Clone, Copy)]
pub(super) enum For {
    /// A peer.
    Connection(ConnectionId),
    /// Somebody on this side.
    Reader(ReaderId),
}

impl Torrent {
    /// Asks the disk for what this peer is to get next, as far as its outbox and the rate limits allow.
    pub(super) fn serve(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        let Some(length) = self.upload_due(id) else { return self.prove_next(cx, id) };
        if cx.limits.upload.is_limited() || self.limits.upload.is_limited() {
            self.limits.upload.wait(id, length);
            return self.take_upload_turns(cx);
        }
        while self.upload_due(id).is_some() {
            self.give(cx, id, u32::MAX);
        }
        self.prove_next(cx, id);
    }

    /// Serves those who wait for a rate limit, in turn and a block each, as far as it and that of the session allow.
    pub(super) fn take_upload_turns(&mut self, cx: &mut Context<'_>) {
        while let Some((id, _)) = self.limits.upload.next() {
            let Some(length) = self.upload_due(id) else {
                self.limits.upload.leave(id);
                self.prove_next(cx, id);
                continue;
            };
            self.limits.upload.wait(id, length);
            if !self.limits.upload.permits(cx.now, id, length) {
                cx.limits.upload.leave(self.id);
                return self.await_refill(cx.now);
            }
            if !cx.limits.upload.permits(cx.now, self.id, length) {
                return cx.limits.upload.wait(self.id, length);
            }
            self.give(cx, id, BLOCK_LENGTH);
        }
        cx.limits.upload.leave(self.id);
    }

    /// The length of the request of this peer that may be read next.
    fn upload_due(&self, id: ConnectionId) -> Option<u64> {
        let connection =
            self.connections.get(&id).filter(|one| self.takes_part() && one.can_take_upload())?;
        if self.next_unproven(id).is_some() {
            return None;
        }
        connection.next_upload_length().map(u64::from)
    }

    /// The piece that this peer would get next, if it is to be hashed before.
    fn next_unproven(&self, id: ConnectionId) -> Option<PieceIndex> {
        let piece = self.connections.get(&id)?.next_upload_piece()?;
        self.geometry.piece(piece).filter(|piece| self.proof.is_due(*piece))
    }

    /// Has the piece hashed that this peer waits for, if need be.
    fn prove_next(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        if self.takes_part()
            && let Some(piece) = self.next_unproven(id)
        {
            self.prove(cx, piece, id);
        }
    }

    /// Asks the disk for one stretch for this peer, of `most` bytes at the most unless a single request is longer.
    fn give(&mut self, cx: &mut Context<'_>, id: ConnectionId, most: u32) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(stretch) = connection.next_upload(most) else { return };
        let Some(piece) = self.geometry.piece(stretch.piece) else { return };
        let is_had = self.picker.have().contains(stretch.piece);
        if !is_had || self.recheck.is_doubtful(piece) {
            // It was never announced, or it was lost since, or may have been.
            connection.reject(&stretch);
            return self.touch(id);
        }
        cx.limits.upload.charge(cx.now, self.id, u64::from(stretch.length));
        self.limits.upload.charge(cx.now, id, u64::from(stretch.length));
        let token = cx.names.read();
        cx.outputs.push_back(Output::Storage(StorageRequest::Read {
            torrent: self.id,
            token,
            piece,
            begin: stretch.begin,
            length: stretch.length,
        }));
        self.reads.insert(token, (For::Connection(id), piece));
        connection.upload_reading(token, stretch);
        self.touch(id);
    }

    /// The disk has read, or has failed to.
    pub(super) fn on_read(
        &mut self,
        cx: &mut Context<'_>,
        token: ReadToken,
        result: Result<Bytes, StorageError>,
    ) {
        let Some((whom, piece)) = self.reads.remove(&token) else { return };
        let result = match result {
            Ok(_) if !self.can_give(piece) => {
                Err(StorageError { kind: StorageErrorKind::Changed, detail: "it may be gone".to_owned() })
            }
            result => result,
        };
        if result.is_err() && self.picker.have().contains(piece.get()) && !self.recheck.is_doubtful(piece) {
            // Is the piece gone, or only the moment bad? The check decides.
            let expected = self.expected(piece);
            cx.storage(StorageRequest::Verify { torrent: self.id, piece, expected });
        }
        let id = match whom {
            For::Connection(id) => id,
            For::Reader(reader) => {
                return cx.outputs.push_back(Output::Read { torrent: self.id, reader, result });
            }
        };
        match result {
            Ok(bytes) => {
                let Some(connection) = self.connections.get_mut(&id) else { return };
                let before = connection.uploaded;
                for bytes in connection.upload_read(cx.now, token, &bytes) {
                    cx.outputs.push_back(Output::Send { connection: id, bytes });
                }
                self.totals.uploaded += connection.uploaded - before;
                self.touch(id);
                self.serve(cx, id);
            }
            Err(_) => self.refuse_read(cx, id, token),
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
            self.touch(id);
            self.serve(cx, id);
            self.flush(cx);
        }
    }
}
