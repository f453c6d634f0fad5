//! Pieces that are needed by a certain time, since somebody reads them while they are downloaded: they are asked for before all
//! others, in the order of their times, whatever the user wants otherwise.
//!
//! Who is too slow to deliver in time is not asked as long as a quicker peer has the piece, and when one has been waited for, quick
//! peers are asked for what others owe of it. Which peers those are, the caller knows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::choose::{ENDGAME_DUPLICATES, Filter};
use super::partials::Claim;
use super::{PickRequest, Picker, PiecePriority, PieceState};
use crate::geometry::{BlockRef, PieceIndex};
use crate::time::Time;

/// What a peer may do for pieces that are needed soon.
#[derive(Debug, Clone, Copy, Default)]
pub struct Haste<'a> {
    /// Quicker peers are asked for these, in ascending order.
    pub reserved: &'a [PieceIndex],
    /// It may be asked for what others owe; `None`: it may not.
    pub again: Option<Again>,
    /// It is asked for nothing else.
    pub only: bool,
}

/// Of which pieces a peer may be asked for blocks that others owe.
#[derive(Debug, Clone, Copy)]
pub struct Again {
    /// They are needed before this.
    pub needed_before: Time,
    /// It has been known for so long that they are needed.
    pub waited: Duration,
    /// The present time.
    pub now: Time,
    /// How many blocks at most.
    pub count: usize,
}

/// The pieces that are needed soon.
#[derive(Debug, Default)]
pub(super) struct Urgent {
    /// In the order of their times.
    order: Vec<Needed>,
    /// Those of them that nobody would want otherwise.
    lifted: BTreeSet<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Needed {
    by: Time,
    piece: PieceIndex,
    since: Time,
}

impl Urgent {
    /// How much a piece is wanted, if the user wants it so much.
    pub(super) fn lift(&mut self, piece: u32, priority: PiecePriority) -> PiecePriority {
        if priority != PiecePriority::Skip {
            self.lifted.remove(&piece);
        } else if self.order.iter().any(|needed| needed.piece.get() == piece) {
            self.lifted.insert(piece);
            return PiecePriority::Low;
        }
        priority
    }
}

impl Picker {
    /// These pieces are needed by these times, and no others. Whether something is wanted now that was not, or the other way round.
    pub fn set_urgent(&mut self, now: Time, needed: &BTreeMap<PieceIndex, Time>) -> bool {
        let before: BTreeMap<PieceIndex, Time> =
            self.urgent.order.iter().map(|needed| (needed.piece, needed.since)).collect();
        let since = |piece: PieceIndex| before.get(&piece).copied().unwrap_or(now);
        let mut order: Vec<Needed> = needed
            .iter()
            .map(|(piece, by)| Needed { by: *by, piece: *piece, since: since(*piece) })
            .collect();
        order.sort_by_key(|needed| (needed.by, needed.piece));
        self.urgent.order = order;
        let mut has_changed = false;
        for piece in needed.keys() {
            if self.pieces[piece.as_usize()].priority == PiecePriority::Skip {
                self.urgent.lifted.insert(piece.get());
                self.want(*piece, PiecePriority::Low);
                has_changed = true;
            }
        }
        for piece in before.keys().filter(|piece| !needed.contains_key(piece)) {
            if self.urgent.lifted.remove(&piece.get()) {
                self.want(*piece, PiecePriority::Skip);
                has_changed = true;
            }
        }
        has_changed
    }

    /// Pieces that are needed soon and not had, the first one first, and by when.
    pub fn urgent(&self) -> impl Iterator<Item = (PieceIndex, Time)> + '_ {
        let is_due = |needed: &&Needed| self.lacking.contains(needed.piece.get());
        self.urgent.order.iter().filter(is_due).map(|needed| (needed.piece, needed.by))
    }

    /// Whether anything is needed soon that is not had.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.urgent().next().is_some()
    }
}

/// Appends blocks of pieces that are needed soon; how many more there may be.
pub(super) fn pick(picker: &mut Picker, request: &PickRequest<'_>, out: &mut Vec<BlockRef>) -> usize {
    let mut left = request.count;
    for at in 0..picker.urgent.order.len() {
        let Some(Needed { piece, .. }) = picker.urgent.order.get(at).copied().filter(|_| left > 0) else {
            break;
        };
        if !Filter::new(&picker.restricted, request).admits(piece.get()) {
            continue;
        }
        match picker.state(piece) {
            PieceState::Missing => picker.begin(piece.get(), Claim::Nobody),
            PieceState::Partial => {}
            PieceState::Checking | PieceState::Have => continue,
        }
        let geometry = &picker.geometry;
        picker.partials.update(piece.get(), |partial| {
            while left > 0 {
                let Some(block) = partial.request_free(request.connection) else { break };
                out.extend(geometry.block(piece, block));
                left -= 1;
            }
        });
    }
    let again = request.haste.again.map_or(0, |again| again.count.min(left));
    left - again + pick_again(picker, request, again, out)
}

/// As [`pick`], of blocks that others owe.
fn pick_again(
    picker: &mut Picker,
    request: &PickRequest<'_>,
    mut left: usize,
    out: &mut Vec<BlockRef>,
) -> usize {
    let Some(again) = request.haste.again else { return left };
    let is_late =
        |needed: &&Needed| needed.by < again.needed_before && again.now.since(needed.since) >= again.waited;
    let filter = Filter::new(&picker.restricted, request);
    for Needed { piece, .. } in picker.urgent.order.iter().filter(is_late) {
        if !filter.admits(piece.get()) {
            continue;
        }
        for requesters in 1..=ENDGAME_DUPLICATES {
            let ask = |partial: &mut super::partials::Partial| {
                partial.request_again(request.connection, requesters, left)
            };
            let blocks = picker.partials.update(piece.get(), ask).unwrap_or_default();
            left -= blocks.len();
            out.extend(blocks.into_iter().filter_map(|block| picker.geometry.block(*piece, block)));
        }
    }
    left
}
