//! Somebody reads the torrent while it is downloaded: the pieces that are needed next are fetched before all others, and what is
//! had is read from the disk.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::context::Context;
use crate::geometry::PieceIndex;
use crate::io::{ConnectionId, ReaderId};
use crate::picker::{Again, Haste};
use crate::storage::{READ_LENGTH, StorageRequest};
use crate::time::Time;

use super::Torrent;

/// Pieces that one reader may need soon; more are not soon.
const MOST_PIECES: usize = 1024;

/// Blocks that a peer may be asked for beyond its window: what is needed soon does not wait for room.
const BEYOND: u32 = 8;

/// A piece that has been waited for so long is asked of quick peers although others owe it.
const WAIT: Duration = Duration::from_millis(300);

/// How often that is looked at while something is late.
const LOOK: Duration = Duration::from_millis(100);

/// So many of the first pieces are left to quicker peers.
const RESERVED: usize = 8;

/// Who reads.
#[derive(Debug, Default)]
pub(super) struct Reading {
    readers: BTreeMap<ReaderId, BTreeMap<PieceIndex, Time>>,
    /// When it is looked whether something is late.
    pub(super) next_look: Option<Time>,
}

impl Reading {
    pub(super) fn is_over(&self) -> bool {
        self.readers.is_empty()
    }
}

impl Torrent {
    /// This reader needs these pieces by these times; what it has said before does not hold any more.
    pub(crate) fn want_soon(
        &mut self,
        cx: &mut Context<'_>,
        reader: ReaderId,
        needed: &[(PieceIndex, Time)],
    ) {
        let needed =
            needed.iter().take(MOST_PIECES).filter(|(piece, _)| piece.get() < self.geometry.pieces());
        self.reading.readers.insert(reader, needed.copied().collect());
        self.review_readers(cx);
    }

    /// This reader has gone.
    pub(crate) fn want_no_longer(&mut self, cx: &mut Context<'_>, reader: ReaderId) {
        if self.reading.readers.remove(&reader).is_some() {
            self.sleep.busy(cx.now);
            self.review_readers(cx);
        }
    }

    /// Whether this reader has said what it needs.
    #[must_use]
    pub fn is_read_by(&self, reader: ReaderId) -> bool {
        self.reading.readers.contains_key(&reader)
    }

    /// Whether a piece is had, verified, and there is no doubt about it.
    #[must_use]
    pub fn can_read(&self, piece: PieceIndex) -> bool {
        self.can_give(piece)
    }

    fn review_readers(&mut self, cx: &mut Context<'_>) {
        let mut needed: BTreeMap<PieceIndex, Time> = BTreeMap::new();
        for (piece, by) in self.reading.readers.values().flatten() {
            let soonest = needed.entry(*piece).or_insert(*by);
            *soonest = (*soonest).min(*by);
        }
        if self.picker.set_urgent(cx.now, &needed) {
            self.update_interest(cx);
            self.tell_if_finished(cx);
            self.dial(cx);
        }
        if self.is_active() && self.trouble.is_none() {
            for piece in needed.into_keys() {
                self.prove_for_reader(cx, piece);
            }
        }
        self.look_at_readers(cx);
    }

    /// Has peers asked for what is needed soon.
    pub(super) fn look_at_readers(&mut self, cx: &mut Context<'_>) {
        self.reading.next_look = None;
        if self.is_downloading() && self.picker.is_urgent() {
            self.reading.next_look = Some(cx.now + LOOK);
            self.ask_everyone(cx);
        }
        self.flush(cx);
    }

    /// Asks this peer for what is needed soon, although it has been asked for as much as is useful otherwise.
    pub(super) fn ask_beyond(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        if !self.picker.is_urgent() || cx.limits.download.is_limited() || self.limits.download.is_limited() {
            return;
        }
        let room = self.request_room(id, |connection| connection.request_room_beyond(cx.now, BEYOND));
        if room > 0 {
            self.ask_for(cx, id, room, room, true);
        }
    }

    /// Pieces that quicker peers are asked for, and how much this one may be asked for of what others owe.
    pub(super) fn haste_of(
        &self,
        now: Time,
        id: ConnectionId,
        reserved: &mut Vec<PieceIndex>,
    ) -> Haste<'static> {
        let takes = |id: &ConnectionId| self.connections.get(id).and_then(|one| one.would_take(now));
        let Some(takes) = takes(&id).filter(|_| self.picker.is_urgent()) else { return Haste::default() };
        let others = || {
            let helpful =
                self.connections.values().filter(|one| one.interested && !one.choked && !one.snubbed);
            helpful.filter_map(|one| Some((one, one.would_take(now)?)))
        };
        let is_in_time = |by: Time| now + takes <= by;
        let late = self.picker.urgent().take(RESERVED).filter(|(_, by)| !is_in_time(*by));
        let has_quicker = |piece: &PieceIndex| {
            others().any(|(other, its)| its * 2 < takes && other.pieces.contains(piece.get()))
        };
        reserved.extend(late.map(|(piece, _)| piece).filter(has_quicker));
        reserved.sort_unstable();
        let quickest = others().map(|(_, its)| its).min().unwrap_or(takes);
        let is_quick = takes <= quickest * 2;
        let again = Again { needed_before: now + takes + WAIT, waited: WAIT, now, count: BEYOND as usize };
        Haste { reserved: &[], again: is_quick.then_some(again), only: false }
    }

    /// Has the disk read what is had, at most [`READ_LENGTH`] bytes. Whether it was.
    pub(crate) fn read(
        &mut self,
        cx: &mut Context<'_>,
        reader: ReaderId,
        piece: PieceIndex,
        begin: u32,
        length: u32,
    ) -> bool {
        if !self.can_read(piece)
            || length > READ_LENGTH
            || !self.geometry.contains(piece.get(), begin, length)
        {
            return false;
        }
        let token = cx.names.read();
        self.reads.insert(token, (super::upload::For::Reader(reader), piece));
        cx.storage(StorageRequest::Read { torrent: self.id, token, piece, begin, length });
        true
    }
}
