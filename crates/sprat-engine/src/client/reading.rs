//! What the driver does for those who read files of torrents.

use std::time::Duration;

use bytes::Bytes;
use sprat_core::geometry::PieceIndex;
use sprat_core::io::ReaderId;
use sprat_core::storage::{READ_LENGTH, StorageError, TorrentId};
use sprat_core::time::Time;
use tokio::sync::oneshot;

use super::driver::Driver;
use super::reader::{Answer, Opened, READ_AHEAD, ReadError, SUPPOSED_RATE, Target};
use super::readers::{Reader, Wait};

impl Driver {
    /// Somebody wants to read. Answered when the torrent is awake.
    pub(super) fn open_reader(&mut self, target: Target, answer: oneshot::Sender<Opened>) {
        self.readers.opening.push((target, answer));
        self.serve_readers();
    }

    pub(super) fn read_at(&mut self, id: ReaderId, offset: u64, most: usize, answer: Answer) {
        let Some(reader) = self.readers.by_id.get_mut(&id) else {
            // Nobody may wait for it any more.
            let _ = answer.send(Err(ReadError::NoTorrent));
            return;
        };
        let before = reader.waits.replace(Wait { offset, most, answer, is_read: false });
        self.readers.waiting += usize::from(before.is_none());
        self.serve_readers();
    }

    pub(super) fn end_reading(&mut self, id: ReaderId) {
        let Some(reader) = self.readers.by_id.remove(&id) else { return };
        self.readers.waiting -= usize::from(reader.waits.is_some());
        let now = self.now();
        self.session.want_no_longer(now, reader.target.torrent, id);
    }

    /// The disk has read something for somebody, or has not.
    pub(super) fn on_read(&mut self, id: ReaderId, result: Result<Bytes, StorageError>) {
        let Some(reader) = self.readers.by_id.get_mut(&id) else { return };
        // What was asked for before somebody changed his mind is of no use.
        if let Some(wait) = reader.waits.take_if(|wait| wait.is_read) {
            self.readers.waiting -= 1;
            // He may have gone.
            let _ = wait.answer.send(result.map_err(ReadError::from));
        }
    }

    /// Gives those who wait what has come.
    pub(super) fn serve_readers(&mut self) {
        for (target, answer) in std::mem::take(&mut self.readers.opening) {
            match self.look_for(target) {
                None if answer.is_closed() => {}
                None => self.readers.opening.push((target, answer)),
                Some(opened) => {
                    if let Err(Ok((id, _))) = answer.send(opened) {
                        self.end_reading(id);
                    }
                }
            }
        }
        if self.readers.waiting > 0 {
            let all: Vec<ReaderId> = self.readers.by_id.keys().copied().collect();
            for id in all {
                self.serve_reader(id);
            }
        }
    }

    /// The file that somebody wants to read; `None` until the torrent is awake.
    fn look_for(&mut self, target: Target) -> Option<Opened> {
        let Target { torrent, file } = target;
        let Some(found) = self.session.torrent(torrent) else {
            return match self.wakes(torrent) {
                true => None,
                false if self.session.seeker(torrent).is_some() => Some(Err(ReadError::FilesUnknown)),
                false => Some(Err(ReadError::NoTorrent)),
            };
        };
        let of_torrent = found.metainfo().info.files.get(file).filter(|file| !file.attributes.pad);
        let Some(length) = of_torrent.map(|file| file.length) else {
            return Some(Err(ReadError::NoSuchFile(file)));
        };
        let id = ReaderId(self.readers.next);
        self.readers.next += 1;
        self.readers.by_id.insert(id, Reader { target, length, needs: None, waits: None });
        let now = self.now();
        // From now on it stays awake.
        self.session.want_soon(now, torrent, id, &[]);
        Some(Ok((id, length)))
    }

    /// Whether the torrent sleeps; then it is woken.
    fn wakes(&mut self, torrent: TorrentId) -> bool {
        let sleeps = self.session.sleeper(torrent).is_some();
        if sleeps {
            let now = self.now();
            self.session.wake(now, torrent);
        }
        sleeps
    }

    fn serve_reader(&mut self, id: ReaderId) {
        let now = self.now();
        let Some(reader) = self.readers.by_id.get_mut(&id) else { return };
        let Some(wait) = reader.waits.take_if(|wait| wait.answer.is_closed()) else {
            return self.serve_waiting(now, id);
        };
        drop(wait);
        self.readers.waiting -= 1;
    }

    fn serve_waiting(&mut self, now: Time, id: ReaderId) {
        let Some(reader) = self.readers.by_id.get(&id) else { return };
        let Some(wait) = reader.waits.as_ref().filter(|wait| !wait.is_read) else { return };
        let Target { torrent, file } = reader.target;
        let (offset, most, length) = (wait.offset, wait.most, reader.length);
        let Some(found) = self.session.torrent(torrent) else {
            if !self.wakes(torrent) {
                self.give_up(id);
            }
            return;
        };
        let geometry = found.geometry();
        let Some((piece, begin)) = geometry.place_in(file, offset) else { return self.give_up(id) };
        let in_piece = u64::from(geometry.length_of(piece) - begin);
        let in_piece = in_piece.min(length - offset).min(READ_LENGTH.into()).min(most as u64);
        let (is_there, is_known) =
            (found.can_read(piece), found.is_read_by(id) && reader.needs == Some(piece));
        if !is_known {
            let ahead =
                ahead_of(now, offset, length, geometry.piece_length(), |at| geometry.place_in(file, at));
            self.session.want_soon(now, torrent, id, &ahead);
        }
        let length = u32::try_from(in_piece).unwrap_or(READ_LENGTH);
        let is_read = is_there && self.session.read(now, torrent, id, piece, begin, length);
        if let Some(reader) = self.readers.by_id.get_mut(&id) {
            reader.needs = Some(piece);
            if let Some(wait) = &mut reader.waits {
                wait.is_read = is_read;
            }
        }
    }

    fn give_up(&mut self, id: ReaderId) {
        if let Some(wait) = self.readers.by_id.get_mut(&id).and_then(|reader| reader.waits.take()) {
            self.readers.waiting -= 1;
            // He may have gone.
            let _ = wait.answer.send(Err(ReadError::NoTorrent));
        }
    }
}

/// The pieces from here to [`READ_AHEAD`], and by when they are needed.
fn ahead_of(
    now: Time,
    offset: u64,
    length: u64,
    piece_length: u32,
    place: impl Fn(u64) -> Option<(PieceIndex, u32)>,
) -> Vec<(PieceIndex, Time)> {
    let end = length.min(offset.saturating_add(READ_AHEAD));
    let mut ahead = Vec::new();
    let mut at = offset;
    while at < end
        && let Some((piece, begin)) = place(at)
    {
        let seconds_ahead = Duration::from_millis((at - offset).saturating_mul(1000) / SUPPOSED_RATE);
        ahead.push((piece, now + seconds_ahead));
        at += u64::from(piece_length.saturating_sub(begin).max(1));
    }
    ahead
}
