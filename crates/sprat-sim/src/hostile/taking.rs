//! What unfair peers take, and how they ask for it.

use std::time::Duration;

use bytes::Bytes;
use sprat_core::Output;
use sprat_core::io::ConnectionId;
use sprat_core::storage::StorageRequest;
use sprat_core::time::Time;
use sprat_wire::BLOCK_LENGTH;
use sprat_wire::peer::message::{BlockRequest, Message};

use super::{Hostile, TORRENT, some_peer_id};
use crate::behaviour::Behaviour;

/// Requests of a flooder at once, more than any client bears, and then every second.
const FLOOD: usize = 3000;
const FLOW: usize = 200;

/// Requests in flight of one that wants the data.
const PIPELINE: usize = 32;

/// A request that is not answered in so long is made elsewhere.
const PATIENCE: Duration = Duration::from_secs(30);

impl Hostile {
    pub(super) const fn takes(&self) -> bool {
        matches!(
            self.behaviour,
            Behaviour::Strategic
                | Behaviour::SlowReader
                | Behaviour::RequestFlooder
                | Behaviour::SeedSlotAttacker
        )
    }

    /// Asks for what it wants and may have.
    pub(super) fn take(&mut self, now: Time, connection: ConnectionId) {
        let most = match self.behaviour {
            Behaviour::Strategic => PIPELINE,
            Behaviour::SeedSlotAttacker => 2 * PIPELINE,
            Behaviour::SlowReader => 500,
            _ => return,
        };
        let Some(other) = self.others.get_mut(&connection) else { return };
        if other.choking_us || (self.behaviour == Behaviour::Strategic && self.have.is_full()) {
            return;
        }
        if other.asked.is_empty() {
            other.heard_at = now;
        }
        while self.others.get(&connection).is_some_and(|other| other.asked.len() < most) {
            let Some(request) = self.choose(connection) else { return };
            if let Some(other) = self.others.get_mut(&connection) {
                other.asked.insert(request);
            }
            self.say(connection, &Message::Request(request));
        }
    }

    fn choose(&mut self, connection: ConnectionId) -> Option<BlockRequest> {
        if self.behaviour != Behaviour::Strategic {
            let request = self.any_block(connection)?;
            let asked = self.others.get(&connection).is_some_and(|other| other.asked.contains(&request));
            return (!asked).then_some(request);
        }
        let other = self.others.get(&connection)?;
        let is_wanted = |piece: &u32| other.has.contains(*piece) && !self.have.contains(*piece);
        // What is begun is finished first; then the rarest.
        let mut begun = self.begun.keys().copied().filter(is_wanted);
        let found = begun.find_map(|piece| self.free_block(piece));
        if found.is_some() {
            return found;
        }
        let fresh = (0..self.have.len()).filter(is_wanted).filter(|piece| !self.begun.contains_key(piece));
        let holders = |piece: &u32| self.others.values().filter(|other| other.has.contains(*piece)).count();
        let rarest = fresh.min_by_key(|piece| (holders(piece), piece.wrapping_mul(0x9e37_79b1)))?;
        self.begun.entry(rarest).or_default();
        self.free_block(rarest)
    }

    /// A block of this piece that was not asked of anybody.
    fn free_block(&self, piece: u32) -> Option<BlockRequest> {
        let geometry = self.content.geometry();
        let index = geometry.piece(piece)?;
        let had = self.begun.get(&piece);
        (0..geometry.blocks_in(index))
            .filter_map(|block| geometry.block(index, block))
            .filter(|block| !had.is_some_and(|had| had.contains(&block.begin())))
            .map(|block| BlockRequest { piece, begin: block.begin(), length: block.length() })
            .find(|request| !self.others.values().any(|other| other.asked.contains(request)))
    }

    fn any_block(&mut self, connection: ConnectionId) -> Option<BlockRequest> {
        let geometry = self.content.geometry();
        let other = self.others.get(&connection)?;
        let piece = self.rng.u32(..geometry.pieces().max(1));
        let index = geometry.piece(piece).filter(|_| other.has.contains(piece))?;
        let block = geometry.block(index, self.rng.u32(..geometry.blocks_in(index).max(1)))?;
        Some(BlockRequest { piece, begin: block.begin(), length: block.length().min(BLOCK_LENGTH) })
    }

    /// What is said only to be a nuisance.
    pub(super) fn annoy(&mut self, connection: ConnectionId) {
        match self.behaviour {
            Behaviour::RequestFlooder => {
                let Some(other) = self.others.get_mut(&connection) else { return };
                let is_first = !std::mem::replace(&mut other.served_us, true);
                for _ in 0..if is_first { FLOOD } else { FLOW } {
                    let Some(request) = self.any_block(connection) else { continue };
                    self.say(connection, &Message::Request(request));
                    if self.rng.u8(..8) == 0 {
                        self.say(connection, &Message::Cancel(request));
                    }
                }
            }
            Behaviour::Liar { .. } => {
                let piece = self.rng.u32(..self.have.len().max(1));
                self.say(connection, &Message::Have(piece));
            }
            _ => {}
        }
    }

    pub(super) fn on_block(
        &mut self,
        now: Time,
        connection: ConnectionId,
        piece: u32,
        begin: u32,
        block: Bytes,
    ) {
        let Some(other) = self.others.get_mut(&connection) else { return };
        let length = u32::try_from(block.len()).unwrap_or(u32::MAX);
        other.asked.remove(&BlockRequest { piece, begin, length });
        other.heard_at = now;
        other.served_us = true;
        other.received += u64::from(length);
        let geometry = self.content.geometry();
        let Some(place) = geometry.block_at(piece, begin, length) else { return };
        if self.behaviour != Behaviour::Strategic || self.have.contains(piece) {
            return;
        }
        let had = self.begun.entry(piece).or_default();
        if !had.insert(begin) {
            return;
        }
        let is_whole = had.len() == geometry.blocks_in(place.piece()) as usize;
        let expected = geometry.expected_hash(self.content.metainfo(), place.piece());
        let write = StorageRequest::Write { torrent: TORRENT, block: place, data: block };
        self.outputs.push_back(Output::Storage(write));
        if is_whole {
            let finish =
                StorageRequest::Finish { torrent: TORRENT, piece: place.piece(), expected, leaves: false };
            self.outputs.push_back(Output::Storage(finish));
        }
    }

    /// Gives up on what does not come; who had a turn at a seed comes back as somebody else.
    pub(super) fn move_on(&mut self, now: Time) {
        match self.behaviour {
            Behaviour::Strategic => {
                for other in self.others.values_mut() {
                    if !other.asked.is_empty() && now.since(other.heard_at) >= PATIENCE {
                        other.asked.clear();
                        other.heard_at = now;
                    }
                }
            }
            Behaviour::SeedSlotAttacker => {
                let served = self.others.iter().filter(|(_, other)| other.choking_us && other.served_us);
                let served: Vec<ConnectionId> = served.map(|(id, _)| *id).collect();
                if !served.is_empty() {
                    self.peer_id = some_peer_id(&mut self.rng);
                }
                for connection in served {
                    self.hang_up(connection);
                }
            }
            _ => {}
        }
    }
}
