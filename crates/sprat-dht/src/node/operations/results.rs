//! What an operation finds: in the answers of others, and in our own stores.

use std::net::SocketAddr;

use sprat_wire::compact::Family;
use sprat_wire::krpc::{Contact, Response, ScrapeFilters};

use super::{MAX_PEERS, Node, Running, Stage};
use crate::bloom::Bloom;
use crate::io::{Event, Operation, OperationId};
use crate::item::Item;
use crate::lookup::is_usable;
use crate::subnet::Subnet;
use crate::time::Time;

/// Peers of one family that are told from our own store.
const MAX_PEERS_AT_HOME: usize = 100;

impl Node {
    /// We may be one of those that hold what is looked for, and nobody asks itself.
    pub(super) fn look_at_home(&mut self, now: Time, id: OperationId, families: &[Family]) {
        let Some(running) = self.operations.get_mut(&id) else { return };
        match &running.operation {
            Operation::FindNode { .. } | Operation::Sample { .. } => {}
            Operation::Peers { info_hash, .. }
            | Operation::Announce { info_hash, .. }
            | Operation::Scrape { info_hash } => {
                let info_hash = *info_hash;
                if let Some(filters) = self.server.filters(now, info_hash) {
                    running.add_filters(&filters);
                }
                let stored = families
                    .iter()
                    .flat_map(|family| self.server.values(now, info_hash, *family, false, MAX_PEERS_AT_HOME));
                let peers: Vec<SocketAddr> = stored.filter(|peer| running.peers.insert(*peer)).collect();
                if !peers.is_empty() {
                    self.event(Event::Peers { operation: id, peers });
                }
            }
            Operation::Get { target, salt, newer_than } => {
                let item = self.server.item(now, *target).filter(|item| item.salt() == salt);
                if let Some(item) = item.filter(|item| newer_than.is_none() || item.seq() > *newer_than) {
                    self.take_item(id, item);
                    if self.is_complete(id) {
                        self.finish_early(id);
                    }
                }
            }
            Operation::Put { item, .. } => {
                if let Some(there) = self.server.item(now, item.target()) {
                    self.take_item(id, there);
                }
            }
        }
    }

    /// Takes what was looked for from an answer; returns whether there was any.
    pub(super) fn take_result(&mut self, id: OperationId, from: Contact, response: &Response) -> bool {
        let Some(running) = self.operations.get_mut(&id) else { return false };
        match &running.operation {
            Operation::FindNode { .. } => false,
            Operation::Peers { .. } | Operation::Announce { .. } | Operation::Scrape { .. } => {
                if let Some(filters) = response.filters.as_deref() {
                    running.add_filters(filters);
                }
                let peers = running.new_peers(from.address, response);
                if !peers.is_empty() {
                    self.event(Event::Peers { operation: id, peers });
                }
                !response.values.is_empty()
            }
            Operation::Get { target, salt, newer_than } => {
                let Some(item) = Item::from_response(response, *target, salt) else { return false };
                if newer_than.is_some() && item.seq() <= *newer_than {
                    return false;
                }
                self.take_item(id, item);
                true
            }
            Operation::Put { item, .. } => {
                let Some(found) = Item::from_response(response, item.target(), item.salt()) else {
                    return false;
                };
                self.take_item(id, found);
                true
            }
            Operation::Sample { .. } => {
                let Some(samples) = response.samples.clone() else { return false };
                self.event(Event::Samples { operation: id, from, samples });
                true
            }
        }
    }

    /// Tells the caller of an item, if it is better than those before.
    fn take_item(&mut self, id: OperationId, item: Item) {
        let Some(running) = self.operations.get_mut(&id) else { return };
        if running.newest.as_ref().is_none_or(|newest| item.seq() > newest.seq()) {
            running.newest = Some(item.clone());
            self.event(Event::Item { operation: id, item });
        }
    }

    /// An immutable item can only be what it is: the first copy is enough.
    pub(super) fn is_complete(&self, id: OperationId) -> bool {
        self.operations.get(&id).is_some_and(|running| {
            matches!(running.operation, Operation::Get { .. })
                && running.newest.as_ref().is_some_and(|item| item.seq().is_none())
        })
    }

    pub(super) fn finish_early(&mut self, id: OperationId) {
        if let Some(running) = self.operations.get_mut(&id) {
            for part in &mut running.parts {
                part.stage = Stage::Done;
            }
        }
    }
}

impl Running {
    fn add_filters(&mut self, filters: &ScrapeFilters) {
        self.has_filters = true;
        self.seeds.union(&Bloom::from(filters.seeds));
        self.leechers.union(&Bloom::from(filters.peers));
    }

    /// Those that were not told before.
    fn new_peers(&mut self, from: SocketAddr, response: &Response) -> Vec<SocketAddr> {
        let local = Subnet::of(from.ip()).is_none();
        let mut new = Vec::new();
        for peer in &response.values {
            if is_usable(*peer, local) && self.peers.len() < MAX_PEERS && self.peers.insert(*peer) {
                new.push(*peer);
            }
        }
        new
    }
}
