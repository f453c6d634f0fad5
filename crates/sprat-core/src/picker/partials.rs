//! The pieces that have been begun: which of their blocks are free, requested or received.

use std::collections::{BTreeMap, BTreeSet};

use crate::io::ConnectionId;

/// All begun pieces, and among them those that still have blocks to give out.
#[derive(Debug, Default)]
pub(super) struct Partials {
    all: BTreeMap<u32, Partial>,
    /// Pieces with free blocks for everybody.
    loose: BTreeSet<u32>,
    /// Pieces with free blocks for one connection.
    claimed: BTreeSet<(ConnectionId, u32)>,
}

/// Whose piece it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// Everybody's.
    Nobody,
    /// This connection's as long as it keeps up and nobody is idle.
    Preferred(ConnectionId),
    /// This connection's and nobody else's.
    Only(ConnectionId),
}

/// One begun piece. A block is free, requested or received. Memory grows with the blocks in use, not with those that
/// the piece has: the largest pieces have 32,768.
#[derive(Debug)]
pub(super) struct Partial {
    blocks: u32,
    claim: Claim,
    wanted: bool,
    filed: Filed,
    /// Blocks from here on are free; they were never requested.
    untouched: u32,
    /// Free blocks before `untouched`.
    returned: BTreeSet<u32>,
    requested: BTreeMap<u32, Requesters>,
    /// Sum over all of `requested`.
    requests: u32,
    /// As far as the last received block.
    senders: Vec<Option<ConnectionId>>,
    received: u32,
}

/// Where [`Partials`] lists the piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filed {
    Nowhere,
    Loose,
    Claimed(ConnectionId),
}

/// Who was asked for one block; outside of the endgame just one connection.
#[derive(Debug)]
struct Requesters {
    first: ConnectionId,
    others: Vec<ConnectionId>,
}

impl Requesters {
    fn len(&self) -> u32 {
        1 + self.others.len() as u32
    }

    fn contains(&self, connection: ConnectionId) -> bool {
        self.first == connection || self.others.contains(&connection)
    }
}

impl Partials {
    pub(super) fn get(&self, piece: u32) -> Option<&Partial> {
        self.all.get(&piece)
    }

    /// Begins a piece.
    pub(super) fn insert(&mut self, piece: u32, blocks: u32, wanted: bool, claim: Claim) {
        self.remove(piece);
        self.all.insert(piece, Partial::new(blocks, wanted, claim));
        self.update(piece, |_| ());
    }

    /// Forgets a piece, if it had been begun.
    pub(super) fn remove(&mut self, piece: u32) {
        if let Some(partial) = self.all.remove(&piece) {
            self.unfile(piece, partial.filed);
        }
    }

    /// Changes a piece, if it has been begun. The only way to change one, so that the lists stay right.
    pub(super) fn update<R>(&mut self, piece: u32, change: impl FnOnce(&mut Partial) -> R) -> Option<R> {
        let partial = self.all.get_mut(&piece)?;
        let result = change(partial);
        let place = partial.place();
        let before = std::mem::replace(&mut partial.filed, place);
        if before != place {
            self.unfile(piece, before);
            match place {
                Filed::Nowhere => {}
                Filed::Loose => drop(self.loose.insert(piece)),
                Filed::Claimed(connection) => drop(self.claimed.insert((connection, piece))),
            }
        }
        Some(result)
    }

    fn unfile(&mut self, piece: u32, filed: Filed) {
        match filed {
            Filed::Nowhere => {}
            Filed::Loose => drop(self.loose.remove(&piece)),
            Filed::Claimed(connection) => drop(self.claimed.remove(&(connection, piece))),
        }
    }

    /// How many wanted pieces have free blocks.
    pub(super) fn unfilled(&self) -> usize {
        self.loose.len() + self.claimed.len()
    }

    /// Pieces with free blocks for everybody, ascending.
    pub(super) fn loose(&self) -> impl Iterator<Item = u32> + '_ {
        self.loose.iter().copied()
    }

    /// Pieces with free blocks that are this connection's, ascending.
    pub(super) fn claimed_by(&self, connection: ConnectionId) -> impl Iterator<Item = u32> + '_ {
        self.claimed.range((connection, 0)..=(connection, u32::MAX)).map(|(_, piece)| *piece)
    }

    /// Pieces with free blocks that are some connection's.
    pub(super) fn claimed(&self) -> impl Iterator<Item = u32> + '_ {
        self.claimed.iter().map(|(_, piece)| *piece)
    }

    /// Wanted pieces of which a block is requested from fewer than `limit` connections; from `start` on, then those
    /// before.
    pub(super) fn requested_below(&self, limit: u32, start: u32) -> impl Iterator<Item = u32> + '_ {
        self.all
            .range(start..)
            .chain(self.all.range(..start))
            .filter(move |(_, partial)| {
                partial.wanted && partial.requests < limit * partial.requested.len() as u32
            })
            .map(|(piece, _)| *piece)
    }
}

impl Partial {
    const fn new(blocks: u32, wanted: bool, claim: Claim) -> Self {
        Self {
            blocks,
            claim,
            wanted,
            filed: Filed::Nowhere,
            untouched: 0,
            returned: BTreeSet::new(),
            requested: BTreeMap::new(),
            requests: 0,
            senders: Vec::new(),
            received: 0,
        }
    }

    fn place(&self) -> Filed {
        if !self.wanted || (self.untouched == self.blocks && self.returned.is_empty()) {
            return Filed::Nowhere;
        }
        match self.claim {
            Claim::Nobody => Filed::Loose,
            Claim::Preferred(connection) | Claim::Only(connection) => Filed::Claimed(connection),
        }
    }

    /// Who sent each block, as far as the last one received.
    pub(super) fn senders(&self) -> &[Option<ConnectionId>] {
        &self.senders
    }

    /// Blocks not received yet.
    pub(super) const fn left(&self) -> u32 {
        self.blocks - self.received
    }

    /// How many blocks are requested.
    pub(super) fn outstanding(&self) -> usize {
        self.requested.len()
    }

    /// No block is requested or received.
    pub(super) fn is_blank(&self) -> bool {
        self.received == 0 && self.requested.is_empty()
    }

    /// Whether this block was received.
    pub(super) fn has(&self, block: u32) -> bool {
        self.senders.get(block as usize).is_some_and(Option::is_some)
    }

    pub(super) const fn set_wanted(&mut self, wanted: bool) {
        self.wanted = wanted;
    }

    pub(super) const fn set_claim(&mut self, claim: Claim) {
        self.claim = claim;
    }

    /// Takes the first free block as requested from `connection`.
    pub(super) fn request_free(&mut self, connection: ConnectionId) -> Option<u32> {
        let block = match self.returned.pop_first() {
            Some(block) => block,
            None if self.untouched < self.blocks => {
                self.untouched += 1;
                self.untouched - 1
            }
            None => return None,
        };
        self.requested.insert(block, Requesters { first: connection, others: Vec::new() });
        self.requests += 1;
        Some(block)
    }

    /// Takes up to `count` blocks that are requested from exactly `requesters` others as requested from `connection`
    /// too: those first that will come last.
    pub(super) fn request_again(
        &mut self,
        connection: ConnectionId,
        requesters: u32,
        count: usize,
    ) -> Vec<u32> {
        let mut blocks = Vec::new();
        for (block, who) in self.requested.iter_mut().rev() {
            if blocks.len() == count {
                break;
            }
            if who.len() == requesters && !who.contains(connection) {
                who.others.push(connection);
                blocks.push(*block);
            }
        }
        self.requests += blocks.len() as u32;
        blocks
    }

    /// Takes back a request; whoever preferred to have this piece alone did not keep up.
    pub(super) fn release(&mut self, block: u32, connection: ConnectionId) {
        let Some(who) = self.requested.get_mut(&block).filter(|who| who.contains(connection)) else { return };
        self.requests -= 1;
        if who.first != connection {
            who.others.retain(|other| *other != connection);
        } else if who.others.is_empty() {
            self.requested.remove(&block);
            self.returned.insert(block);
        } else {
            who.first = who.others.remove(0);
        }
        if self.claim == Claim::Preferred(connection) {
            self.claim = Claim::Nobody;
        }
    }

    /// Takes in a block that is not there, and says who else was asked for it.
    pub(super) fn receive(&mut self, block: u32, connection: ConnectionId) -> Vec<ConnectionId> {
        let mut cancel = Vec::new();
        if let Some(who) = self.requested.remove(&block) {
            self.requests -= who.len();
            cancel = who.others;
            cancel.insert(0, who.first);
            cancel.retain(|other| *other != connection);
        }
        self.returned.remove(&block);
        if block >= self.untouched {
            self.returned.extend(self.untouched..block);
            self.untouched = block + 1;
        }
        let at = block as usize;
        if self.senders.len() <= at {
            self.senders.resize(at + 1, None);
        }
        self.senders[at] = Some(connection);
        self.received += 1;
        cancel
    }
}
