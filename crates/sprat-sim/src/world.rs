//! What all peers of a simulation see alike, and none of them changes.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sprat_core::time::Time;

use crate::account::MATRIX_PEERS;
use crate::addresses::Addresses;
use crate::behaviour::Behaviour;
use crate::content::Content;
use crate::faults::Fault;
use crate::network::Network;
use crate::peer_number::PeerNumber;
use crate::place::{Nat, Region};

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) content: Arc<Content>,
    pub(crate) network: Network,
    residents: Vec<Resident>,
    addresses: Addresses,
    slow_readers: BTreeSet<PeerNumber>,
    trackers: Vec<Site>,
    faults: Vec<Fault>,
    /// Faults of the network that last, in the order of their beginning.
    active_faults: Vec<usize>,
    /// When a fault began or ended last.
    pub(crate) disturbed_at: Time,
    /// Every message is held against the rules.
    pub(crate) checks_wires: bool,
}

/// A peer as others know it.
#[derive(Debug)]
pub(crate) struct Resident {
    pub(crate) latency: Duration,
    pub(crate) region: Option<Region>,
    pub(crate) nat: Nat,
    pub(crate) behaviour: Behaviour,
    pub(crate) group: u16,
    /// With whom it shares a subnet.
    pub(crate) subnet: Option<u8>,
}

/// A tracker as peers know it.
#[derive(Debug)]
struct Site {
    url: String,
    latency: Duration,
}

impl World {
    pub(crate) fn new(content: Arc<Content>) -> Self {
        Self {
            content,
            network: Network::Block,
            residents: Vec::new(),
            addresses: Addresses::default(),
            slow_readers: BTreeSet::new(),
            trackers: Vec::new(),
            faults: Vec::new(),
            active_faults: Vec::new(),
            disturbed_at: Time::ZERO,
            checks_wires: true,
        }
    }

    pub(crate) fn add_resident(&mut self, resident: Resident) -> PeerNumber {
        let number = PeerNumber(u32::try_from(self.residents.len()).unwrap_or(u32::MAX));
        if resident.behaviour == Behaviour::SlowReader {
            self.slow_readers.insert(number);
        }
        self.addresses.settle(number, resident.subnet);
        self.residents.push(resident);
        number
    }

    pub(crate) fn add_tracker(&mut self, url: &str, latency: Duration) {
        self.trackers.push(Site { url: url.to_owned(), latency });
    }

    pub(crate) fn add_fault(&mut self, fault: Fault) -> usize {
        self.faults.push(fault);
        self.faults.len() - 1
    }

    pub(crate) fn fault(&self, index: usize) -> Option<&Fault> {
        self.faults.get(index)
    }

    /// A fault of the network begins or is over.
    pub(crate) fn set_active(&mut self, index: usize, active: bool) {
        self.active_faults.retain(|other| *other != index);
        if active {
            self.active_faults.push(index);
        }
    }

    pub(crate) fn latency_of(&self, number: PeerNumber) -> Duration {
        self.residents.get(number.index()).map_or(Duration::ZERO, |resident| resident.latency)
    }

    /// From one peer to another.
    pub(crate) fn latency_between(&self, one: PeerNumber, other: PeerNumber) -> Duration {
        let region =
            |number: PeerNumber| self.residents.get(number.index()).and_then(|resident| resident.region);
        let way = region(one).zip(region(other)).map_or(Duration::ZERO, |(one, other)| one.latency_to(other));
        self.latency_of(one) + self.latency_of(other) + way
    }

    pub(crate) fn group_of(&self, number: PeerNumber) -> u16 {
        self.residents.get(number.index()).map_or(0, |resident| resident.group)
    }

    /// How many groups of peers there are.
    pub(crate) fn groups(&self) -> usize {
        self.residents.iter().map(|resident| usize::from(resident.group) + 1).max().unwrap_or(0)
    }

    /// So small a swarm that it is written down who gave to whom, peer by peer.
    pub(crate) fn is_small(&self) -> bool {
        self.residents.len() <= MATRIX_PEERS
    }

    pub(crate) fn is_honest(&self, number: PeerNumber) -> bool {
        self.residents.get(number.index()).is_some_and(|resident| resident.behaviour.is_honest())
    }

    /// Where it listens.
    pub(crate) fn address_of(&self, number: PeerNumber) -> SocketAddr {
        self.addresses.of(number)
    }

    /// Who lives there, whatever the port.
    pub(crate) fn living_at(&self, address: SocketAddr) -> Option<PeerNumber> {
        self.addresses.living_at(address)
    }

    /// The tracker of this URL, and the way to it from the edge of the network.
    pub(crate) fn tracker(&self, url: &str) -> Option<(usize, Duration)> {
        let mut sites = self.trackers.iter().enumerate();
        sites.find(|(_, site)| site.url == url).map(|(index, site)| (index, site.latency))
    }

    /// Nothing gets from one peer to another, or to a tracker, in less than this, wherever they are.
    pub(crate) fn least_latency(&self) -> Duration {
        let least = |latencies: &mut dyn Iterator<Item = Duration>| latencies.min().unwrap_or(Duration::MAX);
        let peers = least(&mut self.residents.iter().map(|resident| resident.latency));
        let trackers = least(&mut self.trackers.iter().map(|site| site.latency));
        peers.saturating_add(peers.min(trackers))
    }

    /// Until when nothing gets from one to the other; `None` when nothing is in the way.
    pub(crate) fn held_until(&self, now: Time, from: PeerNumber, to: PeerNumber) -> Option<Time> {
        let active = self.active_faults.iter().filter_map(|index| self.faults.get(*index));
        let faults =
            active.filter(|fault| fault.holds(from, to)).map(|fault| Time::ZERO + fault.ends()).max();
        faults.max(if self.slow_readers.contains(&to) { reads_again_at(now) } else { None })
    }

    /// Whether a call comes to where somebody could take it.
    pub(crate) fn answers(&self, caller: PeerNumber, called: PeerNumber) -> bool {
        let nat = self.residents.get(called.index()).map(|resident| resident.nat);
        nat != Some(Nat::Closed) && self.is_within_reach(caller, called)
    }

    /// Whether one of them can call the other.
    pub(crate) fn can_meet(&self, one: PeerNumber, other: PeerNumber) -> bool {
        self.answers(one, other) || self.answers(other, one)
    }

    /// Whether no fault is between them.
    fn is_within_reach(&self, one: PeerNumber, other: PeerNumber) -> bool {
        let mut active = self.active_faults.iter().filter_map(|index| self.faults.get(*index));
        !active.any(|fault| fault.separates(one, other))
    }

    /// Some read only now and then.
    pub(crate) fn has_slow_readers(&self) -> bool {
        !self.slow_readers.is_empty()
    }
}

/// When somebody reads again who reads in one second of ten; `None` when that is now.
const fn reads_again_at(now: Time) -> Option<Time> {
    let second = now.as_nanos() / 1_000_000_000;
    if second.is_multiple_of(10) { None } else { Some(Time::from_secs(second.next_multiple_of(10))) }
}
