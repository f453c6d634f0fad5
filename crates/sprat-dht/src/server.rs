//! What the node holds for others, and whom it trusts with long answers.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use sprat_wire::compact::Family;
use sprat_wire::hash::{InfoHash, NodeId};
use sprat_wire::krpc::{MutablePut, Samples, ScrapeFilters, error_code};

use crate::config::NodeConfig;
use crate::item::{Item, ItemError};
use crate::rate_limit::RateLimit;
use crate::store::items::ItemStore;
use crate::store::peers::PeerStore;
use crate::time::Time;
use crate::token::Tokens;

/// An address that is known to receive what is sent to it is proven for this long.
const PROVEN_FOR: Duration = Duration::from_secs(10 * 60);

/// Proven addresses that are remembered.
const MAX_PROVEN: usize = 2048;

/// Long answers that wait until their address is proven.
const MAX_DEFERRED: usize = 32;

/// Info-hashes in one answer (BEP 51): with nodes, less than a kilobyte.
const SAMPLES: usize = 20;

#[derive(Debug)]
pub(crate) struct Server {
    tokens: Tokens,
    peers: PeerStore,
    items: ItemStore,
    limit: RateLimit,
    proven: BTreeMap<SocketAddr, Time>,
    /// In the order of their proof; an address that was proven again is there twice.
    proofs: VecDeque<(Time, SocketAddr)>,
    deferred: BTreeMap<u64, Deferred>,
    next_deferred: u64,
}

/// An answer that waits for the proof that it goes where it was asked for.
#[derive(Debug)]
pub(crate) struct Deferred {
    pub(crate) to: SocketAddr,
    /// What a proven address gets.
    pub(crate) full: Vec<u8>,
    /// What any address gets.
    pub(crate) short: Vec<u8>,
}

impl Server {
    pub(crate) fn new(config: &NodeConfig, random: &mut fastrand::Rng) -> Self {
        Self {
            tokens: Tokens::new(random),
            peers: PeerStore::new(random),
            items: ItemStore::default(),
            limit: RateLimit::new(config.reply_bytes_per_second),
            proven: BTreeMap::new(),
            proofs: VecDeque::new(),
            deferred: BTreeMap::new(),
            next_deferred: 0,
        }
    }

    /// Whether a query from this address is looked at.
    pub(crate) fn admits(&mut self, now: Time, from: IpAddr) -> bool {
        self.limit.admits(now, from)
    }

    /// When [`expire`](Self::expire) has something to do.
    pub(crate) fn next_expiry(&self) -> Time {
        self.peers.next_sweep().min(self.items.next_sweep())
    }

    /// Forgets what is too old.
    pub(crate) fn expire(&mut self, now: Time) {
        self.peers.expire(now);
        self.items.expire(now);
    }

    /// Whether an answer of this length may be sent.
    pub(crate) fn may_send(&mut self, now: Time, bytes: usize) -> bool {
        self.limit.may_send(now, bytes)
    }

    /// Somebody has received what we sent there: it has answered a query, or brought back a token.
    pub(crate) fn proven(&mut self, now: Time, address: SocketAddr) {
        // Not once for each answer of a busy neighbour.
        if self.proven.get(&address).is_some_and(|at| now.since(*at) < PROVEN_FOR / 2) {
            return;
        }
        self.proven.insert(address, now);
        self.proofs.push_back((now, address));
        while self.proofs.len() > MAX_PROVEN
            || self.proofs.front().is_some_and(|(at, _)| now.since(*at) > PROVEN_FOR)
        {
            let Some((at, address)) = self.proofs.pop_front() else { return };
            if self.proven.get(&address) == Some(&at) {
                self.proven.remove(&address);
            }
        }
    }

    pub(crate) fn is_proven(&self, now: Time, address: SocketAddr) -> bool {
        self.proven.get(&address).is_some_and(|at| now.since(*at) <= PROVEN_FOR)
    }

    /// Keeps an answer until its address is proven; `None` when too many wait.
    pub(crate) fn defer(&mut self, deferred: Deferred) -> Option<u64> {
        if self.deferred.len() >= MAX_DEFERRED {
            return None;
        }
        let number = self.next_deferred;
        self.next_deferred = self.next_deferred.wrapping_add(1);
        self.deferred.insert(number, deferred);
        Some(number)
    }

    pub(crate) fn take_deferred(&mut self, number: u64) -> Option<Deferred> {
        self.deferred.remove(&number)
    }

    pub(crate) fn token(&self, now: Time, ip: IpAddr, target: NodeId) -> Bytes {
        self.tokens.make(now, ip, target)
    }

    /// Stores a peer.
    pub(crate) fn announce(
        &mut self,
        now: Time,
        from: SocketAddr,
        info_hash: InfoHash,
        peer: SocketAddr,
        seed: bool,
        token: &[u8],
    ) -> Result<(), i64> {
        self.check_token(now, from, NodeId(info_hash.0), token)?;
        if self.peers.announce(now, info_hash, peer, seed) { Ok(()) } else { Err(error_code::SERVER) }
    }

    /// Stores an item. `own` is our id.
    pub(crate) fn put(
        &mut self,
        now: Time,
        own: NodeId,
        from: SocketAddr,
        token: &[u8],
        value: &Bytes,
        mutable: Option<&MutablePut>,
    ) -> Result<(), i64> {
        let item = Item::from_put(value, mutable).map_err(ItemError::code)?;
        self.check_token(now, from, item.target(), token)?;
        item.verify().map_err(ItemError::code)?;
        self.items.put(now, own, from, item, mutable.and_then(|mutable| mutable.cas))
    }

    pub(crate) fn values(
        &mut self,
        now: Time,
        info_hash: InfoHash,
        family: Family,
        no_seed: bool,
        count: usize,
    ) -> Vec<SocketAddr> {
        self.peers.peers(now, info_hash, family, no_seed, count)
    }

    pub(crate) fn filters(&self, now: Time, info_hash: InfoHash) -> Option<ScrapeFilters> {
        self.peers.filters(now, info_hash)
    }

    pub(crate) fn item(&self, now: Time, target: NodeId) -> Option<Item> {
        self.items.get(now, target).cloned()
    }

    pub(crate) fn samples(&mut self, now: Time) -> Samples {
        self.peers.samples(now, SAMPLES)
    }

    pub(crate) fn info_hashes(&self) -> usize {
        self.peers.len()
    }

    pub(crate) fn items(&self) -> usize {
        self.items.len()
    }

    fn check_token(&mut self, now: Time, from: SocketAddr, target: NodeId, token: &[u8]) -> Result<(), i64> {
        if !self.tokens.check(now, from.ip(), target, token) {
            return Err(error_code::PROTOCOL);
        }
        self.proven(now, from);
        Ok(())
    }
}
