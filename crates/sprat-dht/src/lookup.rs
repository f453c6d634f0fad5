//! One lookup in one family: who is closest to a target, and what do they have?
//!
//! It goes on in two phases. It *converges*: of the nodes known, those closest to the target are asked, four at a
//! time and one more for each that is slow; their answers name closer ones; it is over when the eight closest that
//! answer at all have answered.
//!
//! Then, where something is stored or was not found, it *sweeps* the region in which the twenty nodes closest to the
//! target are to be expected. Nodes can place themselves closer to a key than any honest one and name only each
//! other, so asking for the target never shows who else is there. The region is therefore taken as shells of nodes that
//! share ever more leading bits with the target; random points within each are looked up, and each has its share of
//! places. Hostile nodes that crowd around the key fill the innermost one of several.
//!
//! One address is one candidate, two candidates share a network at most, and one answer adds a few only, so that
//! neither invented ids nor a small network with many nodes can crowd out all others.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use sprat_wire::hash::NodeId;
use sprat_wire::krpc::Contact;

use crate::network_size::Region;
use crate::node_id;
use crate::subnet::Subnet;
use crate::table::BUCKET;

/// Queries in flight that are not slow.
const PARALLEL: usize = 4;

/// Queries in flight in all.
const MAX_IN_FLIGHT: usize = 12;

/// Candidates that are kept.
const MAX_POOL: usize = 192;

/// Candidates that are taken from one answer: twice what BEP 5 lets it have.
const MAX_FROM_ONE: usize = 16;

/// Candidates that may share a network (hazard: Sybils).
const MAX_PER_SUBNET: usize = 2;

/// Shells of the region, the innermost one being all that is left. Each has half of the nodes of the one around it.
/// There are more than there need be, in case that the region is larger than we think.
const SHELLS: usize = 12;

/// Nodes of a shell that are asked about the target or store something: some 10 are to be expected in the outermost
/// one, 5 in the next. The innermost one has places enough to let honest ones be found beside a crowd.
const MAX_OF_SHELL: [usize; SHELLS] = [18, 10, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8];

/// Points that are looked up at most: two in the outermost shell, whose nodes do not fit into one answer, and one in
/// each of the others that are likely to have any.
const MAX_POINTS: usize = 8;

/// The nodes closest to a point that are asked about it.
const WALKERS: usize = 3;

/// Networks on which something is stored at least, if there are so many.
const MIN_SUBNETS: usize = 8;

/// What to ask a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// What it has at the target, and who is close to it.
    Target,
    /// Who is close to one of the points of the region, which have numbers.
    Point(u8, NodeId),
}

/// A query that the lookup wants to be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Next {
    pub(crate) contact: Contact,
    pub(crate) ask: Ask,
    /// Of the node, if it is known.
    pub(crate) rtt: Option<Duration>,
}

/// What an answer had in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer<'a> {
    pub(crate) nodes: &'a [Contact],
    pub(crate) token: Option<Bytes>,
    /// There was what we look for.
    pub(crate) found: bool,
}

/// A node that can store something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Storer {
    pub(crate) contact: Contact,
    pub(crate) token: Bytes,
    /// It has a value already.
    pub(crate) found: bool,
}

#[derive(Debug)]
pub(crate) struct Lookup {
    target: NodeId,
    own: NodeId,
    /// Those closest to the target first.
    pool: Vec<Candidate>,
    sweep: Option<Sweep>,
    queries: u32,
}

#[derive(Debug)]
struct Candidate {
    contact: Contact,
    distance: [u8; 20],
    subnet: Option<Subnet>,
    /// Its id fits its address (BEP 42).
    secure: bool,
    state: State,
    /// A query is in flight, and is not slow.
    asking: bool,
    /// A query is in flight, and is slow.
    slow: bool,
    /// A bit for each point about which it was asked.
    points: u8,
    rtt: Option<Duration>,
    token: Option<Bytes>,
    found: bool,
    /// Answers that led to it, one after the other.
    hops: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not yet asked about the target.
    Known,
    /// Asked about the target.
    Asked,
    /// Has answered about the target.
    Answered,
    /// Has not answered, or wrongly.
    Failed,
}

#[derive(Debug)]
struct Sweep {
    /// Leading bits that the region shares with the target.
    depth: usize,
    points: Vec<NodeId>,
}

impl Lookup {
    pub(crate) fn new(target: NodeId, own: NodeId) -> Self {
        Self { target, own, pool: Vec::new(), sweep: None, queries: 0 }
    }

    pub(crate) const fn target(&self) -> NodeId {
        self.target
    }

    /// Queries sent so far.
    pub(crate) const fn queries(&self) -> u32 {
        self.queries
    }

    /// Adds somebody from our own table.
    pub(crate) fn add_known(&mut self, contact: Contact, rtt: Option<Duration>) {
        self.add(contact, rtt, 0);
    }

    /// Nodes that may still help. A lookup without any needs to be fed.
    pub(crate) fn candidates(&self) -> usize {
        self.pool.iter().filter(|candidate| candidate.state != State::Failed).count()
    }

    /// Whom to ask now, if anybody.
    pub(crate) fn next_query(&mut self) -> Option<Next> {
        let in_flight = self.pool.iter().filter(|candidate| candidate.asking || candidate.slow).count();
        let quick = self.pool.iter().filter(|candidate| candidate.asking).count();
        if quick >= PARALLEL || in_flight >= MAX_IN_FLIGHT {
            return None;
        }
        let (at, ask) = match &self.sweep {
            None => (self.closest_known()?, Ask::Target),
            Some(sweep) => {
                self.next_of_region(sweep.depth).map(|at| (at, Ask::Target)).or_else(|| self.next_walker())?
            }
        };
        let candidate = self.pool.get_mut(at)?;
        candidate.asking = true;
        match ask {
            Ask::Target => candidate.state = State::Asked,
            Ask::Point(number, _) => candidate.points |= 1 << number,
        }
        self.queries = self.queries.saturating_add(1);
        Some(Next { contact: candidate.contact, ask, rtt: candidate.rtt })
    }

    /// A query could not be sent.
    pub(crate) fn unsent(&mut self, contact: &Contact) {
        if let Some(candidate) = self.find(contact) {
            (candidate.asking, candidate.state) = (false, State::Failed);
        }
    }

    /// A query takes longer than expected: somebody else may be asked as well.
    pub(crate) fn slow(&mut self, contact: &Contact) {
        if let Some(candidate) = self.find(contact).filter(|candidate| candidate.asking) {
            (candidate.asking, candidate.slow) = (false, true);
        }
    }

    /// A query has failed.
    pub(crate) fn failed(&mut self, contact: &Contact) {
        if let Some(candidate) = self.find(contact) {
            (candidate.asking, candidate.slow) = (false, false);
            candidate.state = State::Failed;
        }
    }

    /// A query was answered by the node that was asked.
    pub(crate) fn answered(&mut self, contact: &Contact, ask: Ask, rtt: Duration, answer: &Answer<'_>) {
        let Some(candidate) = self.find(contact) else { return };
        (candidate.asking, candidate.slow) = (false, false);
        candidate.rtt = Some(rtt);
        if ask == Ask::Target {
            candidate.state = State::Answered;
            candidate.token.clone_from(&answer.token);
            candidate.found = answer.found;
        }
        let hops = candidate.hops.saturating_add(1);
        let local = Subnet::of(contact.address.ip()).is_none();
        let usable = answer.nodes.iter().filter(|node| is_usable(node.address, local));
        for node in usable.take(MAX_FROM_ONE) {
            self.add(*node, None, hops);
        }
    }

    /// Whether there is nothing more to ask and nobody to wait for.
    pub(crate) fn is_idle(&self) -> bool {
        if self.pool.iter().any(|candidate| candidate.asking) {
            return false;
        }
        match &self.sweep {
            Some(sweep) => self.next_of_region(sweep.depth).is_none() && self.next_walker().is_none(),
            None => {
                let quick = || self.alive().filter(|candidate| !candidate.slow);
                let answered = quick().take(BUCKET).filter(|one| one.state == State::Answered).count();
                let waiting = self.pool.iter().any(|candidate| candidate.slow);
                quick().take(BUCKET).all(|one| one.state == State::Answered)
                    && (answered == BUCKET || !waiting)
            }
        }
    }

    /// Goes on to the second phase.
    pub(crate) fn begin_sweep(&mut self, region: Region, random: &mut fastrand::Rng) {
        let depth = region.depth.min(NodeId::LENGTH * 8 - MAX_POINTS);
        let count = (region.innermost.saturating_sub(depth) + 2).min(MAX_POINTS);
        let point = |number: usize| {
            // The first two differ in the bit after the one that puts them into the outermost shell.
            let shared = depth + number.saturating_sub(1);
            let mut point = NodeId::default();
            random.fill(&mut point.0);
            for bit in 0..shared {
                set_bit(&mut point, bit, bit_of(self.target, bit));
            }
            set_bit(&mut point, shared, !bit_of(self.target, shared));
            if number < 2 {
                set_bit(&mut point, shared + 1, number == 1);
            }
            point
        };
        self.sweep = Some(Sweep { depth, points: (0..count).map(point).collect() });
    }

    pub(crate) const fn is_sweeping(&self) -> bool {
        self.sweep.is_some()
    }

    /// The nodes closest to the target that have answered.
    pub(crate) fn closest(&self, count: usize) -> Vec<Contact> {
        self.answered_ones().take(count).map(|candidate| candidate.contact).collect()
    }

    /// How many answers, one after the other, led to the closest node that has answered.
    pub(crate) fn hops(&self) -> u8 {
        self.answered_ones().next().map_or(0, |candidate| candidate.hops.saturating_add(1))
    }

    /// Different networks from which came what was looked for. Private ones count one by one.
    pub(crate) fn networks_that_found(&self) -> usize {
        let mut subnets: Vec<_> = self.pool.iter().filter(|one| one.found).map(network).collect();
        subnets.sort_unstable();
        subnets.dedup();
        subnets.len()
    }

    /// Nodes that have what was looked for.
    pub(crate) fn found(&self) -> usize {
        self.pool.iter().filter(|candidate| candidate.found).count()
    }

    /// Where to store: everybody in the region, some per shell; and, until there are several networks and at least
    /// eight nodes, those next to it.
    pub(crate) fn storers(&self) -> Vec<Storer> {
        let depth = self.sweep.as_ref().map_or(0, |sweep| sweep.depth);
        let mut places = MAX_OF_SHELL;
        let mut subnets = Vec::new();
        let mut storers = Vec::new();
        for (_, candidate) in self.most_trusted_first().filter(|(_, one)| one.state == State::Answered) {
            let Some(token) = candidate.token.clone() else { continue };
            let subnet = network(candidate);
            if self.sweep.is_some() && node_id::common_prefix(candidate.contact.id, self.target) >= depth {
                let places = &mut places[self.shell_of(candidate.contact.id, depth)];
                if *places == 0 {
                    continue;
                }
                *places -= 1;
            } else if storers.len() >= BUCKET && (subnets.len() >= MIN_SUBNETS || subnets.contains(&subnet)) {
                continue;
            }
            if !subnets.contains(&subnet) {
                subnets.push(subnet);
            }
            storers.push(Storer { contact: candidate.contact, token, found: candidate.found });
        }
        storers
    }

    /// The pool with the places in it: first those whose id fits their address, in whose choice they were not free.
    fn most_trusted_first(&self) -> impl Iterator<Item = (usize, &Candidate)> {
        let with = |secure: bool| self.pool.iter().enumerate().filter(move |(_, one)| one.secure == secure);
        with(true).chain(with(false))
    }

    fn alive(&self) -> impl Iterator<Item = &Candidate> {
        self.pool.iter().filter(|candidate| candidate.state != State::Failed)
    }

    fn answered_ones(&self) -> impl Iterator<Item = &Candidate> {
        self.pool.iter().filter(|candidate| candidate.state == State::Answered)
    }

    fn find(&mut self, contact: &Contact) -> Option<&mut Candidate> {
        let distance = node_id::distance(contact.id, self.target);
        let at = self.pool.binary_search_by(|candidate| candidate.distance.cmp(&distance)).ok()?;
        self.pool.get_mut(at).filter(|candidate| candidate.contact == *contact)
    }

    fn add(&mut self, contact: Contact, rtt: Option<Duration>, hops: u8) {
        if contact.id == self.own {
            return;
        }
        let distance = node_id::distance(contact.id, self.target);
        let Err(at) = self.pool.binary_search_by(|candidate| candidate.distance.cmp(&distance)) else {
            return;
        };
        let subnet = Subnet::of(contact.address.ip());
        let mut neighbours = 0;
        for known in &self.pool {
            let same_ip = known.contact.address.ip() == contact.address.ip();
            if same_ip && (subnet.is_some() || known.contact.address.port() == contact.address.port()) {
                return;
            }
            neighbours += usize::from(subnet.is_some() && known.subnet == subnet);
        }
        if neighbours >= MAX_PER_SUBNET {
            return;
        }
        let candidate = Candidate {
            contact,
            distance,
            subnet,
            secure: node_id::is_secure(contact.id, contact.address.ip()),
            state: State::Known,
            asking: false,
            slow: false,
            points: 0,
            rtt,
            token: None,
            found: false,
            hops,
        };
        self.pool.insert(at, candidate);
        if self.pool.len() > MAX_POOL {
            let untouched =
                |one: &Candidate| one.state == State::Known && !one.asking && !one.slow && one.points == 0;
            let farthest = self.pool.iter().rposition(|one| untouched(one) || one.state == State::Failed);
            farthest.map(|at| self.pool.remove(at));
        }
    }

    /// Among the closest that are neither failed nor slow: the closest that is not yet asked or, among those equally
    /// close by their leading bits, the quickest.
    fn closest_known(&self) -> Option<usize> {
        let window = self
            .pool
            .iter()
            .enumerate()
            .filter(|(_, one)| one.state != State::Failed && !one.slow)
            .take(BUCKET);
        let known = window.filter(|(_, one)| one.state == State::Known && !one.asking);
        let prefix = |one: &Candidate| node_id::common_prefix(one.contact.id, self.target);
        let best =
            known.min_by_key(|(_, one)| (std::cmp::Reverse(prefix(one)), one.rtt.unwrap_or(Duration::MAX)));
        best.map(|(at, _)| at)
    }

    /// Somebody in the region who was not asked about the target.
    fn next_of_region(&self, depth: usize) -> Option<usize> {
        let mut places = MAX_OF_SHELL;
        let within = |one: &Candidate| node_id::common_prefix(one.contact.id, self.target) >= depth;
        for (at, candidate) in self.most_trusted_first().filter(|(_, one)| within(one)) {
            let places = &mut places[self.shell_of(candidate.contact.id, depth)];
            if candidate.state == State::Failed || *places == 0 {
                continue;
            }
            *places -= 1;
            if candidate.state == State::Known && !candidate.asking && !candidate.slow {
                return Some(at);
            }
        }
        None
    }

    /// Of those closest to a point of the region, somebody who was not asked about it.
    fn next_walker(&self) -> Option<(usize, Ask)> {
        let sweep = self.sweep.as_ref()?;
        for (number, point) in (0_u8..).zip(sweep.points.iter().copied()) {
            let next = self.closest_to(point).into_iter().flatten().find(|(_, at)| {
                self.pool.get(*at).is_some_and(|one| !one.asking && one.points & 1 << number == 0)
            });
            if let Some((_, at)) = next {
                return Some((at, Ask::Point(number, point)));
            }
        }
        None
    }

    /// In which shell of a region somebody is, the outermost being the first.
    fn shell_of(&self, id: NodeId, depth: usize) -> usize {
        node_id::common_prefix(id, self.target).saturating_sub(depth).min(SHELLS - 1)
    }

    /// The places in the pool of those closest to a point that are neither failed nor slow.
    fn closest_to(&self, point: NodeId) -> [Option<([u8; NodeId::LENGTH], usize)>; WALKERS] {
        let mut closest = [None; WALKERS];
        for (at, candidate) in self.pool.iter().enumerate() {
            if candidate.state == State::Failed || candidate.slow {
                continue;
            }
            let mut next = Some((node_id::distance(candidate.contact.id, point), at));
            for place in &mut closest {
                if place.is_none() || next < *place {
                    std::mem::swap(place, &mut next);
                }
                if next.is_none() {
                    break;
                }
            }
        }
        closest
    }
}

/// A private network is as many as it has nodes.
fn network(candidate: &Candidate) -> (Option<Subnet>, Option<SocketAddr>) {
    (candidate.subnet, candidate.subnet.is_none().then_some(candidate.contact.address))
}

/// Where we may be sent by somebody: not to ourselves, to many at once, or from the internet into a private network.
pub(crate) fn is_usable(address: SocketAddr, from_local: bool) -> bool {
    let ip = address.ip();
    let special = match ip {
        IpAddr::V4(ip) => ip.is_broadcast() || ip.octets()[0] == 0 || ip.octets()[0] >= 240,
        IpAddr::V6(_) => false,
    };
    !special && !ip.is_unspecified() && !ip.is_multicast() && (from_local || Subnet::of(ip).is_some())
}

fn bit_of(id: NodeId, bit: usize) -> bool {
    id.0.get(bit / 8).is_some_and(|byte| byte & 0x80 >> (bit % 8) != 0)
}

fn set_bit(id: &mut NodeId, bit: usize, value: bool) {
    if let Some(byte) = id.0.get_mut(bit / 8) {
        let mask = 0x80 >> (bit % 8);
        if value {
            *byte |= mask;
        } else {
            *byte &= !mask;
        }
    }
}

#[cfg(test)]
mod tests;
