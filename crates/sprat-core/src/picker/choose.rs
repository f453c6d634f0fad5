//! The choice: from which piece a peer is asked for its next block.

use std::collections::BTreeMap;

use super::partials::{Claim, Partial};
use super::ranked::Class;
use super::{PickRequest, Picker};
use crate::geometry::{BlockRef, PieceIndex};
use crate::io::ConnectionId;

/// Until so many pieces are had, new ones are chosen at random. Cohen, "Incentives Build Robustness in BitTorrent"
/// (2003), section 2.4.3, does so for the first piece only; four is the default of libtorrent
/// (`initial_picker_threshold`), and enough for others to want something of us.
pub(super) const RANDOM_FIRST_PIECES: u32 = 4;

/// How often a random piece is drawn before we look for one that the peer has.
const RANDOM_DRAWS: usize = 32;

/// How many of the rarest pieces are looked at before it is cheaper to go through what this peer has, 64 at a step.
const RANK_SCAN: usize = 512;

/// So many connections may be asked for a block besides the first one in the endgame. Each is a block that may
/// arrive twice.
pub(super) const ENDGAME_DUPLICATES: u32 = 2;

/// How many requested blocks one pick looks at in the endgame. The beginning varies, so that all have their turn.
const ENDGAME_SCAN: usize = 1024;

/// So many begun pieces may have free blocks before fast peers, too, have to share those there are. Each peer has one
/// piece to itself at most, so this matters in large swarms only: pieces shall get done there, and what is not done
/// fills memory.
pub(super) const MAX_UNFILLED: usize = 32;

pub(super) fn pick(picker: &mut Picker, request: &PickRequest<'_>, out: &mut Vec<BlockRef>) {
    let mut left = request.count;
    while left > 0 {
        let Some(piece) = Class::ALL.into_iter().find_map(|class| choose(picker, request, class)) else {
            break;
        };
        let before = left;
        let geometry = &picker.geometry;
        picker.partials.update(piece, |partial| {
            while left > 0 {
                let Some(block) = partial.request_free(request.connection) else { break };
                out.extend(geometry.piece(piece).and_then(|piece| geometry.block(piece, block)));
                left -= 1;
            }
        });
        if left == before {
            break;
        }
    }
    let again = left.min(request.duplicates);
    if again > 0 && everything_is_requested(picker) {
        duplicate(picker, request, again, out);
    }
}

/// A begun piece of the class with free blocks, begun here if need be.
fn choose(picker: &mut Picker, request: &PickRequest<'_>, class: Class) -> Option<u32> {
    if let Some(piece) = own(picker, request, class) {
        return Some(piece);
    }
    if picker.sequential {
        return choose_in_order(picker, request, class);
    }
    let crowded = picker.partials.unfilled() >= MAX_UNFILLED;
    let alone = request.whole_pieces && !crowded;
    if !alone && let Some(piece) = shared(picker, request, class) {
        return Some(piece);
    }
    if crowded && let Some(piece) = steal(picker, request, class) {
        return Some(piece);
    }
    if let Some(piece) = untouched(picker, request, class) {
        let claim = if request.whole_pieces { Claim::Preferred(request.connection) } else { Claim::Nobody };
        picker.begin(piece, claim);
        return Some(piece);
    }
    shared(picker, request, class).or_else(|| steal(picker, request, class))
}

/// The lowest piece of the class with free blocks; whose it is does not matter.
fn choose_in_order(picker: &mut Picker, request: &PickRequest<'_>, class: Class) -> Option<u32> {
    let filter = Filter::new(&picker.restricted, request);
    let is_fit = |piece: &u32| class_of(picker, *piece) == Some(class) && filter.admits(*piece);
    let loose = picker.partials.loose().find(is_fit);
    let claimed = picker.partials.claimed().filter(is_fit).min();
    // Nearly always all pieces are of one class: what is of another is not to be sought among all of them.
    let untouched = match picker.ranked.len(class) {
        0 => None,
        _ => picker.untouched.common(request.pieces).find(is_fit),
    };
    let lowest = [loose, claimed, untouched].into_iter().flatten().min()?;
    if untouched == Some(lowest) {
        picker.begin(lowest, Claim::Nobody);
    }
    Some(lowest)
}

/// A piece that is this connection's: one that it alone may send, or one that it has begun.
fn own(picker: &mut Picker, request: &PickRequest<'_>, class: Class) -> Option<u32> {
    let filter = Filter::new(&picker.restricted, request);
    let is_fit = |piece: &u32| class_of(picker, *piece) == Some(class) && filter.admits(*piece);
    if let Some(piece) = picker.partials.claimed_by(request.connection).find(is_fit) {
        return Some(piece);
    }
    let restricted = picker.restricted.iter().filter(|(_, only)| **only == request.connection);
    let piece =
        restricted.map(|(piece, _)| *piece).filter(|piece| picker.untouched.contains(*piece)).find(is_fit)?;
    picker.begin(piece, Claim::Nobody);
    Some(piece)
}

/// Of the begun pieces for everybody the one that is nearest to completion.
fn shared(picker: &Picker, request: &PickRequest<'_>, class: Class) -> Option<u32> {
    let filter = Filter::new(&picker.restricted, request);
    let is_fit = |piece: &u32| class_of(picker, *piece) == Some(class) && filter.admits(*piece);
    picker.partials.loose().filter(is_fit).min_by_key(|piece| picker.partials.get(*piece).map(Partial::left))
}

/// Of the pieces that fast peers keep to themselves the one that is furthest from completion, for everybody from now on.
fn steal(picker: &mut Picker, request: &PickRequest<'_>, class: Class) -> Option<u32> {
    // What a connection has to itself because the piece is restricted, this filter keeps for it.
    let filter = Filter::new(&picker.restricted, request);
    let is_fit = |piece: &u32| class_of(picker, *piece) == Some(class) && filter.admits(*piece);
    let fit = picker.partials.claimed().filter(is_fit);
    let piece = fit.max_by_key(|piece| picker.partials.get(*piece).map(Partial::left))?;
    picker.partials.update(piece, |partial| partial.set_claim(Claim::Nobody));
    Some(piece)
}

/// The untouched piece of the class whose turn it is.
fn untouched(picker: &mut Picker, request: &PickRequest<'_>, class: Class) -> Option<u32> {
    let Picker { rng, ranked, pieces, untouched, restricted, have, .. } = picker;
    if ranked.len(class) == 0 {
        return None;
    }
    let filter = Filter::new(restricted, request);
    let of_class = |piece: &u32| {
        untouched.contains(*piece)
            && pieces.get(*piece as usize).is_some_and(|entry| Class::of(entry.priority) == Some(class))
            && filter.admits(*piece)
    };
    let mut suggested = request.suggested.iter().map(|piece| piece.get());
    if let Some(piece) = suggested.find(of_class) {
        return Some(piece);
    }

    let random = have.count() < RANDOM_FIRST_PIECES;
    let holders = |piece: u32| if random { 0 } else { pieces[piece as usize].holders };
    if let Some(allowed) = request.allowed {
        return fewest(rng, allowed.iter().map(|piece| piece.get()).filter(of_class), holders);
    }
    if random {
        let drawn =
            (0..RANDOM_DRAWS).find_map(|_| ranked.random(class, rng).filter(|piece| filter.admits(*piece)));
        if drawn.is_some() {
            return drawn;
        }
    } else {
        let is_seed = request.pieces.is_full();
        // Who has everything may be asked for what nobody else has, before anything else. With others that would
        // be a waste of time: whatever they have has a holder.
        let nobodys = ranked.unheld(class).take(if is_seed { RANK_SCAN } else { 0 });
        let found =
            nobodys.chain(ranked.rarest_held(class)).take(RANK_SCAN).find(|piece| filter.admits(*piece));
        if found.is_some() {
            return found;
        }
    }
    fewest(rng, untouched.common(request.pieces).filter(of_class), holders)
}

/// The candidate with the fewest holders, any of them if there are several.
fn fewest(
    rng: &mut fastrand::Rng,
    candidates: impl Iterator<Item = u32>,
    holders: impl Fn(u32) -> u16,
) -> Option<u32> {
    let mut best: Option<(u16, u32)> = None;
    let mut equals = 0_u32;
    for piece in candidates {
        let key = holders(piece);
        match best {
            Some((fewest, _)) if key > fewest => continue,
            Some((fewest, _)) if key == fewest => equals += 1,
            _ => equals = 1,
        }
        // The n-th of equals replaces its predecessor once in n times: then each has the same chance.
        if rng.u32(..equals) == 0 {
            best = Some((key, piece));
        }
    }
    best.map(|(_, piece)| piece)
}

/// No block of a wanted piece that a connected peer has is free: the endgame. Pieces that are to come from one
/// connection are its own affair.
fn everything_is_requested(picker: &Picker) -> bool {
    let is_held = |piece: u32| picker.seeds > 0 || picker.pieces[piece as usize].holders > 0;
    let untouched = if picker.seeds > 0 { picker.untouched.count() as usize } else { picker.ranked.held() };
    let restricted =
        picker.restricted.keys().filter(|piece| picker.untouched.contains(**piece) && is_held(**piece));
    let mut unfilled = picker.partials.loose().chain(picker.partials.claimed());
    untouched == restricted.count()
        && !unfilled.any(|piece| is_held(piece) && !picker.restricted.contains_key(&piece))
}

/// Asks for blocks that others were asked for already, those with the fewest requests first.
fn duplicate(picker: &mut Picker, request: &PickRequest<'_>, mut left: usize, out: &mut Vec<BlockRef>) {
    let limit = 1 + ENDGAME_DUPLICATES;
    let start = picker.rng.u32(..picker.geometry.pieces().max(1));
    let filter = Filter::new(&picker.restricted, request);
    let pieces: Vec<u32> =
        picker.partials.requested_below(limit, start).filter(|piece| filter.admits(*piece)).collect();
    let mut looked_at = 0;
    for requesters in 1..limit {
        for &piece in &pieces {
            if left == 0 || looked_at >= ENDGAME_SCAN {
                return;
            }
            looked_at += picker.partials.get(piece).map_or(0, Partial::outstanding);
            let blocks = picker
                .partials
                .update(piece, |partial| partial.request_again(request.connection, requesters, left))
                .unwrap_or_default();
            left -= blocks.len();
            let Some(piece) = picker.geometry.piece(piece) else { continue };
            out.extend(blocks.into_iter().filter_map(|block| picker.geometry.block(piece, block)));
        }
    }
}

fn class_of(picker: &Picker, piece: u32) -> Option<Class> {
    Class::of(picker.pieces.get(piece as usize)?.priority)
}

/// Which pieces may be asked of a connection.
pub(super) struct Filter<'a> {
    restricted: &'a BTreeMap<u32, ConnectionId>,
    request: &'a PickRequest<'a>,
}

impl<'a> Filter<'a> {
    pub(super) const fn new(
        restricted: &'a BTreeMap<u32, ConnectionId>,
        request: &'a PickRequest<'a>,
    ) -> Self {
        Self { restricted, request }
    }

    pub(super) fn admits(&self, piece: u32) -> bool {
        let is_allowed = |allowed: &[PieceIndex]| allowed.iter().any(|index| index.get() == piece);
        let is_refused = || self.request.refused.binary_search_by_key(&piece, |index| index.get()).is_ok();
        let is_reserved =
            || self.request.haste.reserved.binary_search_by_key(&piece, |index| index.get()).is_ok();
        self.request.pieces.contains(piece)
            && !is_refused()
            && !is_reserved()
            && self.request.allowed.is_none_or(is_allowed)
            && (self.restricted.is_empty()
                || self.restricted.get(&piece).is_none_or(|only| *only == self.request.connection))
    }
}
