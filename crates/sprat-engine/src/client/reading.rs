//! What the driver does for those who read files of torrents.

use bytes::Bytes;
use sprat_core::io::{ReaderId, Trouble};
use sprat_core::storage::{READ_LENGTH, StorageError, TorrentId};
use sprat_core::time::Time;
use tokio::sync::oneshot;

use super::driver::Driver;
use super::read_ahead::ReadAhead;
use super::reader::{Answer, Opened, ReadError, Target};
use super::readers::{Opening, Reader, Wait};

impl Driver {
    /// Somebody wants to read. Answered when the torrent is awake.
    pub(super) fn open_reader(&mut self, target: Target, answer: oneshot::Sender<Opened>) {
        self.readers.opening.push(Opening { target, answer, has_woken: false });
        self.serve_readers();
    }

    pub(super) fn read_at(&mut self, id: ReaderId, offset: u64, most: usize, answer: Answer) {
        let now = self.now();
        let Some(reader) = self.readers.by_id.get_mut(&id) else {
            // Nobody may wait for it any more.
            let _ = answer.send(Err(ReadError::NoTorrent));
            return;
        };
        reader.ahead.go_to(now, offset);
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
        reader.is_reading = false;
        // What was asked for before somebody changed his mind is of no use.
        if let Some(wait) = reader.waits.take_if(|wait| wait.is_read) {
            self.readers.waiting -= 1;
            reader.ahead.advance(result.as_ref().map_or(0, Bytes::len));
            // He may have gone.
            let _ = wait.answer.send(result.map_err(ReadError::from));
        }
    }

    /// Gives those who wait what has come.
    pub(super) fn serve_readers(&mut self) {
        for mut opening in std::mem::take(&mut self.readers.opening) {
            match self.look_for(&mut opening) {
                None if opening.answer.is_closed() => {}
                None => self.readers.opening.push(opening),
                Some(opened) => {
                    if let Err(Ok((id, _))) = opening.answer.send(opened) {
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
    fn look_for(&mut self, opening: &mut Opening) -> Option<Opened> {
        let Target { torrent, file } = opening.target;
        let Some(found) = self.session.torrent(torrent) else {
            return self.wake_to_read(torrent, &mut opening.has_woken).err().map(Err);
        };
        let of_torrent = found.metainfo().info.files.get(file).filter(|file| !file.attributes.pad);
        let Some(length) = of_torrent.map(|file| file.length) else {
            return Some(Err(ReadError::NoSuchFile(file)));
        };
        let now = self.now();
        let id = ReaderId(self.readers.next);
        self.readers.next += 1;
        let target = opening.target;
        let ahead = ReadAhead::new(now);
        let reader =
            Reader { target, length, ahead, has_woken: false, needs: None, waits: None, is_reading: false };
        self.readers.by_id.insert(id, reader);
        // From now on it stays awake.
        self.session.want_soon(now, torrent, id, &[]);
        Some(Ok((id, length)))
    }

    /// Wakes a torrent that sleeps, or waits until it may wake. An error if it cannot be read: it is not there, or its metadata could
    /// not be loaded when that was tried for this reader, who `has_woken` it.
    fn wake_to_read(&mut self, torrent: TorrentId, has_woken: &mut bool) -> Result<(), ReadError> {
        let Some(sleeper) = self.session.sleeper(torrent) else {
            let is_sought = self.session.seeker(torrent).is_some();
            return Err(if is_sought { ReadError::FilesUnknown } else { ReadError::NoTorrent });
        };
        let has_been_tried = *has_woken && !sleeper.is_waking();
        if let Some(Trouble::Storage(error)) = sleeper.trouble().filter(|_| has_been_tried) {
            return Err(error.clone().into());
        }
        *has_woken = true;
        let now = self.now();
        self.session.wake(now, torrent);
        Ok(())
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
        let Some(found) = self.session.torrent(torrent) else { return self.wait_for_waking(id, torrent) };
        let geometry = found.geometry();
        let Some((piece, begin)) = geometry.place_in(file, offset) else {
            return self.give_up(id, ReadError::NoSuchFile(file));
        };
        let in_piece = u64::from(geometry.length_of(piece) - begin);
        let in_piece = in_piece.min(length - offset).min(READ_LENGTH.into()).min(most as u64);
        let may_read = found.can_read(piece) && !reader.is_reading;
        let is_known = found.is_read_by(id) && reader.needs == Some(piece);
        if !is_known {
            let place = |at| geometry.place_in(file, at);
            let ahead = reader.ahead.pieces(now, (offset, length), geometry.piece_length(), place);
            self.session.want_soon(now, torrent, id, &ahead);
        }
        let length = u32::try_from(in_piece).unwrap_or(READ_LENGTH);
        let is_read = may_read && self.session.read(now, torrent, id, piece, begin, length);
        if let Some(reader) = self.readers.by_id.get_mut(&id) {
            reader.needs = Some(piece);
            reader.has_woken = false;
            reader.is_reading |= is_read;
            if let Some(wait) = &mut reader.waits {
                wait.is_read = is_read;
            }
        }
    }

    /// The torrent of somebody who waits for bytes sleeps.
    fn wait_for_waking(&mut self, id: ReaderId, torrent: TorrentId) {
        let mut has_woken = self.readers.by_id.get(&id).is_some_and(|reader| reader.has_woken);
        if let Err(error) = self.wake_to_read(torrent, &mut has_woken) {
            self.give_up(id, error);
        }
        if let Some(reader) = self.readers.by_id.get_mut(&id) {
            reader.has_woken = has_woken;
        }
    }

    fn give_up(&mut self, id: ReaderId, error: ReadError) {
        if let Some(wait) = self.readers.by_id.get_mut(&id).and_then(|reader| reader.waits.take()) {
            self.readers.waiting -= 1;
            // He may have gone.
            let _ = wait.answer.send(Err(error));
        }
    }
}
