//! What the caller wants: lookups in each family, and storing where they have led.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use sprat_wire::compact::Family;
use sprat_wire::hash::{InfoHash, NodeId};
use sprat_wire::krpc::{Contact, Request, Response, Want};
use thiserror::Error;

use super::{Node, Purpose};
use crate::bloom::Bloom;
use crate::io::{Event, Operation, OperationId, ScrapeEstimate, Summary};
use crate::item::Item;
use crate::lookup::{Answer, Ask, Lookup, Storer, is_usable};
use crate::subnet::Subnet;
use crate::table::BUCKET;
use crate::time::Time;

mod results;

/// Operations that run at once; the others wait.
const MAX_RUNNING: usize = 16;

/// Operations that wait.
const MAX_WAITING: usize = 1024;

/// Peers of one swarm that are told in one operation.
const MAX_PEERS: usize = 5000;

/// How long an operation waits for somebody to begin with: time enough to get into the network.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same when all other families have come to their end: there is a network, but not for this one.
const SHORT_PATIENCE: Duration = Duration::from_secs(2);

/// Different networks that must have had what was looked for before a lookup does without the sweep.
const CONFIRMING_NETWORKS: usize = 2;

/// Too many operations wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("more than {MAX_WAITING} operations wait")]
pub struct Busy;

/// An operation and how far it has come.
#[derive(Debug)]
pub(super) struct Running {
    operation: Operation,
    /// Nobody is told of it.
    is_internal: bool,
    started: Option<Time>,
    parts: Vec<Part>,
    peers: BTreeSet<SocketAddr>,
    seeds: Bloom,
    leechers: Bloom,
    has_filters: bool,
    newest: Option<Item>,
    stored: usize,
    refused: Vec<i64>,
    store_queries: u32,
}

/// An operation in one family.
#[derive(Debug)]
struct Part {
    family: Family,
    lookup: Lookup,
    stage: Stage,
}

impl Part {
    /// It has nobody to begin with.
    fn is_hungry(&self) -> bool {
        self.stage == Stage::Looking && self.lookup.candidates() == 0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Looking,
    /// So many have not answered yet.
    Storing(usize),
    Done,
}

impl Running {
    fn new(operation: Operation, is_internal: bool) -> Self {
        Self {
            operation,
            is_internal,
            started: None,
            parts: Vec::new(),
            peers: BTreeSet::new(),
            seeds: Bloom::default(),
            leechers: Bloom::default(),
            has_filters: false,
            newest: None,
            stored: 0,
            refused: Vec::new(),
            store_queries: 0,
        }
    }

    /// Until when it waits for somebody to begin with.
    pub(super) fn patience(&self) -> Option<Time> {
        let hungry = self.parts.iter().filter(|part| part.is_hungry()).count();
        let done = self.parts.iter().filter(|part| part.stage == Stage::Done).count();
        let patience = if done > 0 && done + hungry == self.parts.len() { SHORT_PATIENCE } else { PATIENCE };
        (hungry > 0).then_some(self.started? + patience)
    }

    fn part(&mut self, family: Family) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.family == family)
    }

    fn summary(&self, now: Time) -> Summary {
        let lookups = || self.parts.iter().map(|part| &part.lookup);
        Summary {
            took: self.started.map_or(Duration::ZERO, |started| now.since(started)),
            queries: lookups().map(Lookup::queries).sum::<u32>().saturating_add(self.store_queries),
            hops: lookups().map(Lookup::hops).max().unwrap_or(0),
            closest: lookups().flat_map(|lookup| lookup.closest(BUCKET)).collect(),
            found: lookups().map(Lookup::found).sum(),
            stored: self.stored,
            refused: self.refused.clone(),
            conflict: self.conflict(),
            scrape: self
                .has_filters
                .then(|| ScrapeEstimate { seeds: self.seeds.estimate(), peers: self.leechers.estimate() }),
        }
    }

    /// The version that stands in the way of a `put`. The nodes that have it would refuse ours, and the others would
    /// take it: it is better not to begin.
    fn conflict(&self) -> Option<i64> {
        let Operation::Put { item, cas } = &self.operation else { return None };
        let there = self.newest.as_ref()?.seq()?;
        (Some(there) > item.seq() || cas.is_some_and(|cas| cas != there)).then_some(there)
    }

    /// Whether it is part of what it wants to ask everybody around the target, found or not.
    const fn stores(&self) -> bool {
        matches!(self.operation, Operation::Announce { .. } | Operation::Put { .. })
    }

    /// Whether the region has to be swept after this lookup has converged.
    fn wants_sweep(&self, lookup: &Lookup) -> bool {
        match self.operation {
            Operation::Announce { .. } | Operation::Put { .. } => true,
            Operation::Peers { .. } | Operation::Get { .. } => {
                lookup.networks_that_found() < CONFIRMING_NETWORKS
            }
            Operation::FindNode { .. } | Operation::Scrape { .. } | Operation::Sample { .. } => false,
        }
    }
}

impl Operation {
    fn target(&self) -> NodeId {
        match self {
            Self::FindNode { target } | Self::Get { target, .. } | Self::Sample { target } => *target,
            Self::Peers { info_hash, .. } | Self::Announce { info_hash, .. } | Self::Scrape { info_hash } => {
                NodeId(info_hash.0)
            }
            Self::Put { item, .. } => item.target(),
        }
    }

    /// What a node is asked about the target.
    fn request(&self) -> Request {
        let want = Want::default();
        let get_peers =
            |info_hash: InfoHash, no_seed, scrape| Request::GetPeers { info_hash, want, no_seed, scrape };
        match self {
            Self::FindNode { target } => Request::FindNode { target: *target, want },
            Self::Peers { info_hash, no_seed } => get_peers(*info_hash, *no_seed, false),
            Self::Announce { info_hash, seed, .. } => get_peers(*info_hash, *seed, false),
            Self::Scrape { info_hash } => get_peers(*info_hash, false, true),
            Self::Get { target, newer_than, .. } => Request::Get { target: *target, seq: *newer_than, want },
            Self::Put { item, .. } => Request::Get { target: item.target(), seq: None, want },
            Self::Sample { target } => Request::SampleInfohashes { target: *target, want },
        }
    }

    /// What a node is asked to store.
    fn store(&self, storer: &Storer) -> Option<Request> {
        let token = storer.token.clone();
        match self {
            Self::Announce { info_hash, port, implied_port, seed } => Some(Request::AnnouncePeer {
                info_hash: *info_hash,
                port: *port,
                implied_port: *implied_port,
                seed: *seed,
                token,
            }),
            // BEP 44: who had no value gets no `cas`.
            Self::Put { item, cas } => Some(item.put(token, cas.filter(|_| storer.found))),
            _ => None,
        }
    }
}

impl Node {
    /// Starts an operation. It ends with [`Event::Finished`].
    pub fn start(&mut self, now: Time, operation: Operation) -> Result<OperationId, Busy> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(Busy);
        }
        let id = self.add_operation(Running::new(operation, false));
        self.waiting.push_back(id);
        self.start_waiting(now);
        Ok(id)
    }

    /// Ends an operation. Nothing more is said of it.
    pub fn cancel(&mut self, now: Time, operation: OperationId) {
        self.operations.remove(&operation);
        self.waiting.retain(|waiting| *waiting != operation);
        self.start_waiting(now);
    }

    /// Starts an operation of our own in one family, with these to begin with as well.
    pub(super) fn start_internal(
        &mut self,
        now: Time,
        family: Family,
        operation: Operation,
        with: &[Contact],
    ) {
        let id = self.add_operation(Running::new(operation, true));
        self.begin(now, id, &[family]);
        if let Some(part) = self.operations.get_mut(&id).and_then(|running| running.part(family)) {
            for contact in with {
                part.lookup.add_known(*contact, None);
            }
        }
        self.drive(now, id);
    }

    fn add_operation(&mut self, running: Running) -> OperationId {
        let id = OperationId(self.next_operation);
        self.next_operation = self.next_operation.wrapping_add(1);
        self.operations.insert(id, running);
        id
    }

    fn start_waiting(&mut self, now: Time) {
        let families: Vec<Family> = self.families().collect();
        while self.operations.len() - self.waiting.len() < MAX_RUNNING {
            let Some(id) = self.waiting.pop_front() else { return };
            self.begin(now, id, &families);
            self.drive(now, id);
        }
    }

    fn begin(&mut self, now: Time, id: OperationId, families: &[Family]) {
        let Some(running) = self.operations.get_mut(&id) else { return };
        running.started = Some(now);
        let target = running.operation.target();
        for family in families {
            let net = match family {
                Family::V4 => &self.v4,
                Family::V6 => &self.v6,
            };
            let Some(net) = net else { continue };
            let mut lookup = Lookup::new(target, net.own());
            net.feed(&mut lookup);
            running.parts.push(Part { family: *family, lookup, stage: Stage::Looking });
        }
        self.look_at_home(now, id, families);
    }

    /// Sends what an operation wants to be sent, and lets it go on where there is nobody to wait for.
    fn drive(&mut self, now: Time, id: OperationId) {
        for family in [Family::V4, Family::V6] {
            while self.drive_part(now, id, family) {}
        }
        let Some(running) = self.operations.get(&id) else { return };
        if running.parts.iter().any(|part| part.stage != Stage::Done) || running.started.is_none() {
            return;
        }
        let summary = running.summary(now);
        if running.is_internal {
            let targets: Vec<(Family, NodeId)> =
                running.parts.iter().map(|part| (part.family, part.lookup.target())).collect();
            self.operations.remove(&id);
            for (family, target) in targets {
                self.internal_finished(now, family, target, &summary);
            }
        } else {
            self.operations.remove(&id);
            self.event(Event::Finished { operation: id, summary });
        }
        self.start_waiting(now);
    }

    /// One step of an operation in one family. Returns whether there may be another one.
    fn drive_part(&mut self, now: Time, id: OperationId, family: Family) -> bool {
        let Some(running) = self.operations.get_mut(&id) else { return false };
        let request = running.operation.request();
        let gives_up = running.patience().is_some_and(|patience| patience <= now);
        let Some(part) = running.part(family).filter(|part| part.stage == Stage::Looking) else {
            return false;
        };
        if let Some(next) = part.lookup.next_query() {
            let request = match next.ask {
                Ask::Target => request,
                Ask::Point(_, target) => Request::FindNode { target, want: Want::default() },
            };
            let Contact { id: name, address } = next.contact;
            if !self.ask(now, address, Some(name), next.rtt, request, Purpose::Lookup(id, next.ask))
                && let Some(part) = self.operations.get_mut(&id).and_then(|running| running.part(family))
            {
                part.lookup.unsent(&next.contact);
            }
            return true;
        }
        if !part.lookup.is_idle() || (part.lookup.candidates() == 0 && !gives_up) {
            return false;
        }
        self.converged(now, id, family);
        true
    }

    /// Nobody is left to ask in this phase.
    fn converged(&mut self, now: Time, id: OperationId, family: Family) {
        let Some(running) = self.operations.get_mut(&id) else { return };
        let Some(at) = running.parts.iter().position(|part| part.family == family) else { return };
        let Some(net) = (match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }) else {
            return;
        };
        let lookup = &running.parts[at].lookup;
        if !lookup.is_sweeping() {
            net.size.observe(
                now,
                lookup.target(),
                lookup.closest(BUCKET).into_iter().map(|contact| contact.id),
            );
            if lookup.candidates() > 0 && running.wants_sweep(lookup) {
                running.parts[at].lookup.begin_sweep(net.region(), &mut self.random);
                return;
            }
        }
        running.parts[at].stage = Stage::Done;
        if running.stores() {
            self.store(now, id, family);
        }
    }

    fn store(&mut self, now: Time, id: OperationId, family: Family) {
        let Some(running) = self.operations.get_mut(&id) else { return };
        if running.conflict().is_some() {
            return;
        }
        let operation = running.operation.clone();
        let Some(part) = running.part(family) else { return };
        let storers = part.lookup.storers();
        let mut sent = 0;
        for storer in &storers {
            let Some(request) = operation.store(storer) else { continue };
            let Contact { id: name, address } = storer.contact;
            sent += usize::from(self.ask(now, address, Some(name), None, request, Purpose::Store(id)));
        }
        let Some(running) = self.operations.get_mut(&id) else { return };
        running.store_queries = running.store_queries.saturating_add(u32::try_from(sent).unwrap_or(u32::MAX));
        if let Some(part) = running.part(family).filter(|_| sent > 0) {
            part.stage = Stage::Storing(sent);
        }
    }

    /// A node has stored something, has refused to, or has not answered.
    pub(super) fn stored(
        &mut self,
        now: Time,
        id: OperationId,
        family: Family,
        result: Result<(), Option<i64>>,
    ) {
        let Some(running) = self.operations.get_mut(&id) else { return };
        match result {
            Ok(()) => running.stored += 1,
            Err(code) => running.refused.extend(code),
        }
        if let Some(part) = running.part(family)
            && let Stage::Storing(left) = part.stage
        {
            part.stage = if left > 1 { Stage::Storing(left - 1) } else { Stage::Done };
        }
        self.drive(now, id);
    }

    pub(super) fn lookup_slow(&mut self, now: Time, id: OperationId, contact: &Contact) {
        self.with_lookup(id, contact, Lookup::slow);
        self.drive(now, id);
    }

    pub(super) fn lookup_failed(&mut self, now: Time, id: OperationId, contact: &Contact) {
        self.with_lookup(id, contact, Lookup::failed);
        self.drive(now, id);
    }

    fn with_lookup(
        &mut self,
        id: OperationId,
        contact: &Contact,
        change: impl FnOnce(&mut Lookup, &Contact),
    ) {
        let running = self.operations.get_mut(&id);
        if let Some(part) = running.and_then(|running| running.part(Family::of(contact.address))) {
            change(&mut part.lookup, contact);
        }
    }

    pub(super) fn lookup_answered(
        &mut self,
        now: Time,
        id: OperationId,
        from: Contact,
        ask: Ask,
        rtt: Duration,
        response: &Response,
    ) {
        let family = Family::of(from.address);
        let found = ask == Ask::Target && self.take_result(id, from, response);
        let Some(part) = self.operations.get_mut(&id).and_then(|running| running.part(family)) else {
            return;
        };
        let nodes = match family {
            Family::V4 => &response.nodes,
            Family::V6 => &response.nodes6,
        };
        let answer = Answer { nodes, token: response.token.clone(), found };
        part.lookup.answered(&from, ask, rtt, &answer);
        if found && self.is_complete(id) {
            self.finish_early(id);
        }
        self.drive(now, id);
    }

    /// Lets go on what waits for somebody to begin with, now that there is somebody.
    pub(super) fn feed_the_hungry(&mut self, now: Time, from: Contact, response: &Response) {
        let family = Family::of(from.address);
        let nodes = match family {
            Family::V4 => &response.nodes,
            Family::V6 => &response.nodes6,
        };
        let mut fed = false;
        let parts = self.operations.values_mut().filter_map(|running| running.part(family));
        for part in parts.filter(|part| part.stage == Stage::Looking && part.lookup.candidates() < BUCKET) {
            fed |= part.lookup.candidates() == 0;
            part.lookup.add_known(from, None);
            let local = Subnet::of(from.address.ip()).is_none();
            for node in nodes.iter().filter(|node| is_usable(node.address, local)) {
                part.lookup.add_known(*node, None);
            }
        }
        if fed {
            self.drive_all(now);
        }
    }

    /// Ends what has waited long enough.
    pub(super) fn give_up_impatient(&mut self, now: Time) {
        let due = |running: &Running| running.patience().is_some_and(|patience| patience <= now);
        let ids: Vec<OperationId> =
            self.operations.iter().filter(|(_, running)| due(running)).map(|(id, _)| *id).collect();
        for id in ids {
            self.drive(now, id);
        }
    }

    /// Lets everything that is still looking send what it can.
    pub(super) fn drive_all(&mut self, now: Time) {
        let ids: Vec<OperationId> = self.operations.keys().copied().collect();
        for id in ids {
            self.drive(now, id);
        }
    }
}
