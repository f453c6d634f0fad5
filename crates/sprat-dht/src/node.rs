//! The node: what arrives, what is sent, and what the caller wants.
//!
//! One part of this per concern: `operations` does what the caller wants, `upkeep` keeps the tables alive, and
//! `answers` serves others.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sprat_wire::compact::Family;
use sprat_wire::hash::NodeId;
use sprat_wire::krpc::{Body, Contact, Message, Query, Request, Response, TransactionId};

use crate::config::NodeConfig;
use crate::io::{Event, Input, Operation, OperationId, Output};
use crate::lookup::Ask;
use crate::net::Net;
use crate::node_id;
use crate::saved::SavedState;
use crate::server::Server;
use crate::subnet::Subnet;
use crate::time::Time;
use crate::transactions::{Due, Pending, Transactions};
pub use operations::Busy;
use operations::Running;

mod answers;
mod operations;
mod upkeep;

/// One node of the DHT, in one or both address families.
///
/// A host with several addresses of one family runs a node for each (BEP 45: "as separate, independent DHT nodes").
/// The two families have ids of their own, as BEP 42 binds an id to an address.
#[derive(Debug)]
pub struct Node {
    config: NodeConfig,
    random: fastrand::Rng,
    v4: Option<Net>,
    v6: Option<Net>,
    transactions: Transactions<Purpose>,
    operations: BTreeMap<OperationId, Running>,
    /// Operations that wait until others have finished.
    waiting: VecDeque<OperationId>,
    next_operation: u64,
    server: Server,
    outputs: VecDeque<Output>,
}

/// What a query of ours was sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A step of an operation.
    Lookup(OperationId, Ask),
    /// The last step of an operation.
    Store(OperationId),
    /// Is there somebody, still or at all?
    Check,
    /// Who is close to ourselves, to get into the network.
    Enter,
    /// Whether somebody is where its query seemed to come from. An answer waits under this number.
    Prove(u64),
}

/// What there is, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Statistics {
    /// Contacts in the table of IPv4.
    pub v4_contacts: usize,
    /// Contacts in the table of IPv6.
    pub v6_contacts: usize,
    /// Contacts in reserve, in both.
    pub spare_contacts: usize,
    /// Queries that wait for an answer.
    pub pending: usize,
    /// Operations, those that wait and our own among them.
    pub operations: usize,
    /// Nodes of the larger network, as far as our lookups let us guess.
    pub network_size: Option<f64>,
    /// What a round trip takes at the moment.
    pub typical_rtt: Duration,
    /// Info-hashes for which peers are stored.
    pub info_hashes: usize,
    /// Items that are stored.
    pub items: usize,
}

impl Node {
    /// A node that knows nobody. The same seed and the same inputs give the same outputs.
    #[must_use]
    pub fn new(config: NodeConfig, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let net = |family, external: Option<IpAddr>, random: &mut fastrand::Rng| {
            let own = match external {
                Some(ip) => node_id::secure(ip, random),
                None => random_id(random),
            };
            let mut net = Net::new(family, own);
            if let Some(ip) = external {
                net.votes.assume(ip);
            }
            net
        };
        let v4 = config.v4.then(|| net(Family::V4, config.external_v4.map(IpAddr::from), &mut random));
        let v6 = config.v6.then(|| net(Family::V6, config.external_v6.map(IpAddr::from), &mut random));
        Self {
            server: Server::new(&config, &mut random),
            config,
            random,
            v4,
            v6,
            transactions: Transactions::new(),
            operations: BTreeMap::new(),
            waiting: VecDeque::new(),
            next_operation: 0,
            outputs: VecDeque::new(),
        }
    }

    /// A node with the ids and contacts of its last run. Before a contact is used, it is asked whether it is there.
    #[must_use]
    pub fn restored(config: NodeConfig, seed: u64, saved: &SavedState) -> Self {
        let mut node = Self::new(config, seed);
        for net in [node.v4.as_mut(), node.v6.as_mut()].into_iter().flatten() {
            let (id, contacts) = saved.of(net.family);
            let fits = |id| net.votes.decided().is_none_or(|ip| node_id::is_secure(id, ip));
            if let Some(id) = id.filter(|id| fits(*id)) {
                net.table.move_to(id);
            }
            for contact in contacts {
                net.remember(*contact);
            }
        }
        node
    }

    /// What to give to [`restored`](Self::restored) next time.
    #[must_use]
    pub fn save(&self) -> SavedState {
        let saved = |net: &Option<Net>| {
            net.as_ref().map(|net| {
                let good =
                    net.table.entries().filter(|entry| !entry.is_bad()).map(crate::table::Entry::contact);
                (net.own(), good.chain(net.remembered.iter().copied()).collect())
            })
        };
        SavedState::new(saved(&self.v4), saved(&self.v6))
    }

    /// Handles one input. Drain [`poll_output`](Self::poll_output) afterwards.
    pub fn handle_input(&mut self, now: Time, input: Input<'_>) {
        match input {
            Input::Received { from, datagram } => self.received(now, from, datagram),
            Input::Timeout => {}
        }
        self.handle_timeouts(now);
    }

    /// The next thing to be done, if any.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come with [`Input::Timeout`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        let patience = self.operations.values().filter_map(|running| running.patience()).min();
        let next = self.transactions.next_timeout().into_iter().chain(patience);
        next.fold(self.next_upkeep(), Time::min)
    }

    /// Our id in a family.
    #[must_use]
    pub fn id(&self, family: Family) -> Option<NodeId> {
        self.net(family).map(Net::own)
    }

    /// The good contacts closest to a point: what a torrent without a tracker has as its `nodes` (BEP 5).
    #[must_use]
    pub fn closest_known(&self, now: Time, family: Family, target: NodeId, count: usize) -> Vec<Contact> {
        let closest =
            self.net(family).map(|net| net.table.closest(target, count, |entry| entry.is_good(now)));
        closest.unwrap_or_default().into_iter().map(crate::table::Entry::contact).collect()
    }

    /// Whether the family has found its place in the network.
    #[must_use]
    pub fn is_ready(&self, family: Family) -> bool {
        self.net(family).is_some_and(|net| net.is_ready)
    }

    /// What there is, in numbers.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let contacts = |net: &Option<Net>| net.as_ref().map_or(0, |net| net.table.len());
        let nets = || [&self.v4, &self.v6].into_iter().flatten();
        Statistics {
            v4_contacts: contacts(&self.v4),
            v6_contacts: contacts(&self.v6),
            spare_contacts: nets().map(|net| net.table.spares()).sum(),
            pending: self.transactions.len(),
            operations: self.operations.len(),
            network_size: nets().filter_map(|net| net.size.nodes()).max_by(f64::total_cmp),
            typical_rtt: self.transactions.typical_rtt(),
            info_hashes: self.server.info_hashes(),
            items: self.server.items(),
        }
    }

    fn received(&mut self, now: Time, from: SocketAddr, datagram: &[u8]) {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        // Fewer bytes than any message has; and where no answer could go, none is meant to come from.
        if datagram.len() < SHORTEST || datagram.first() != Some(&b'd') || from.port() == 0 {
            return;
        }
        if self.net(Family::of(from)).is_none() {
            return;
        }
        match Message::decode(datagram) {
            Ok(Message { body: Body::Query(query), transaction, read_only, .. }) => {
                self.query(now, from, datagram.len(), transaction, read_only, &query);
            }
            Ok(Message { body: Body::Response(response), transaction, external, .. }) => {
                if let Some(pending) = self.transactions.take(now, from, transaction) {
                    self.response(now, &pending, external, &response);
                }
            }
            Ok(Message { body: Body::Error(error), transaction, .. }) => {
                if let Some(pending) = self.transactions.take(now, from, transaction) {
                    self.refused(now, &pending, error.code);
                }
            }
            Err(error) => self.malformed(now, from, datagram.len(), &error),
        }
    }

    /// Somebody has answered a query of ours.
    fn response(
        &mut self,
        now: Time,
        pending: &Pending<Purpose>,
        external: Option<SocketAddr>,
        response: &Response,
    ) {
        let from = Contact { id: response.id, address: pending.to };
        let rtt = now.since(pending.sent);
        let patience = self.config.patience();
        let Some(net) = self.net_mut(Family::of(from.address)) else { return };
        if from.id == net.own() {
            // Our own words come back, or somebody wants to be us.
            self.lost(now, pending);
            return;
        }
        net.heard(now, from, rtt, patience);
        let is_contact = net.table.entry(&from).is_some();
        let decided =
            external.and_then(|external| net.votes.vote(from.address, external.ip().to_canonical()));
        if let Some(ip) = decided {
            self.moved(now, Family::of(from.address), ip);
        }
        if !is_contact {
            self.server.proven(now, from.address);
        }
        self.feed_the_hungry(now, from, response);
        if pending.id.is_some_and(|id| id != from.id) {
            // Alive, but not whom we were told to find there.
            self.step_failed(now, pending);
            return;
        }
        match pending.purpose {
            Purpose::Lookup(operation, ask) => self.lookup_answered(now, operation, from, ask, rtt, response),
            Purpose::Store(operation) => self.stored(now, operation, Family::of(from.address), Ok(())),
            Purpose::Check => self.learn(from, response),
            Purpose::Enter => self.entered(now, from, response),
            Purpose::Prove(number) => self.answer_deferred(now, number),
        }
    }

    /// Somebody has answered with an error. It has not said its name, so the table learns nothing.
    fn refused(&mut self, now: Time, pending: &Pending<Purpose>, code: i64) {
        match pending.purpose {
            Purpose::Store(operation) => self.stored(now, operation, Family::of(pending.to), Err(Some(code))),
            _ => self.step_failed(now, pending),
        }
    }

    fn handle_timeouts(&mut self, now: Time) {
        while let Some(due) = self.transactions.pop_due(now) {
            match due {
                Due::Slow(pending) => match (pending.purpose, pending.id) {
                    (Purpose::Lookup(operation, _), Some(id)) => {
                        self.lookup_slow(now, operation, &Contact { id, address: pending.to });
                    }
                    (Purpose::Prove(number), _) => self.answer_unproven(now, number),
                    _ => {}
                },
                Due::Lost(pending) => self.lost(now, &pending),
            }
        }
        self.give_up_impatient(now);
        if now >= self.next_upkeep() {
            self.upkeep(now);
        }
    }

    /// Nobody has answered.
    fn lost(&mut self, now: Time, pending: &Pending<Purpose>) {
        let patience = self.config.patience();
        if let Some(id) = pending.id
            && let Some(net) = self.net_mut(Family::of(pending.to))
        {
            net.failed(now, &Contact { id, address: pending.to }, patience);
        }
        self.step_failed(now, pending);
    }

    fn step_failed(&mut self, now: Time, pending: &Pending<Purpose>) {
        match (pending.purpose, pending.id) {
            (Purpose::Lookup(operation, _), Some(id)) => {
                self.lookup_failed(now, operation, &Contact { id, address: pending.to });
            }
            (Purpose::Store(operation), _) => self.stored(now, operation, Family::of(pending.to), Err(None)),
            (Purpose::Prove(number), _) => self.answer_unproven(now, number),
            (Purpose::Lookup(..) | Purpose::Check | Purpose::Enter, _) => {}
        }
    }

    /// Sends a query; `false` if there are too many.
    fn ask(
        &mut self,
        now: Time,
        to: SocketAddr,
        id: Option<NodeId>,
        rtt: Option<Duration>,
        request: Request,
        purpose: Purpose,
    ) -> bool {
        let Some(own) = self.net(Family::of(to)).map(Net::own) else { return false };
        let Some(transaction) = self.transactions.begin(now, &mut self.random, to, id, rtt, purpose) else {
            return false;
        };
        self.send(to, transaction, self.config.read_only, None, Body::Query(Query { id: own, request }));
        true
    }

    fn send(
        &mut self,
        to: SocketAddr,
        transaction: TransactionId,
        read_only: bool,
        external: Option<SocketAddr>,
        body: Body,
    ) {
        let message = Message { transaction, version: Some(self.config.version), read_only, external, body };
        self.outputs.push_back(Output::Send { to, datagram: message.encode() });
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    const fn net(&self, family: Family) -> Option<&Net> {
        match family {
            Family::V4 => self.v4.as_ref(),
            Family::V6 => self.v6.as_ref(),
        }
    }

    const fn net_mut(&mut self, family: Family) -> Option<&mut Net> {
        match family {
            Family::V4 => self.v4.as_mut(),
            Family::V6 => self.v6.as_mut(),
        }
    }

    fn families(&self) -> impl Iterator<Item = Family> + use<> {
        let v4 = self.v4.as_ref().map(|_| Family::V4);
        v4.into_iter().chain(self.v6.as_ref().map(|_| Family::V6))
    }
}

/// Bytes of the shortest datagram that is looked at.
const SHORTEST: usize = 15;

fn random_id(random: &mut fastrand::Rng) -> NodeId {
    let mut id = NodeId::default();
    random.fill(&mut id.0);
    id
}

/// Whether an address lies in a private network, or nowhere.
fn is_local(address: SocketAddr) -> bool {
    Subnet::of(address.ip()).is_none()
}

/// An operation that the node starts for itself.
const fn own_place(own: NodeId) -> Operation {
    Operation::FindNode { target: own }
}
