//! The world of the nodes: takes datagrams and timers from the queue one by one.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sprat_dht::io::{Event, Operation, OperationId, Summary};
use sprat_dht::time::Time;
use sprat_dht::{Input, Node, NodeConfig, Output};
use sprat_wire::krpc::{Body, Message, Query, Request, TransactionId};

use super::host::{Host, HostNumber, Hostile, Kind, Told};
use crate::report::Traffic;
use crate::schedule::Schedule;

/// Bytes of the headers of IPv4 and UDP, which count as traffic.
const HEADERS: u64 = 28;

/// To the nearest exchange, one way, in the median. A way has two of these, and a round trip two ways.
const ACCESS: f64 = 0.012;

/// The longest way to the exchange is this power of two times longer than the median, and the shortest that much
/// shorter.
const ACCESS_SPREAD: f64 = 1.6;

/// Datagrams of one host to another differ by so many microseconds.
const JITTER: u64 = 2000;

/// Between one node and the next that joins when a network is grown, at most.
const BETWEEN_JOINS: Duration = Duration::from_millis(30);

/// How long a network grows at most.
const GROWING: Duration = Duration::from_secs(5 * 60);

/// How long a network that has grown is left alone.
const SETTLING: Duration = Duration::from_secs(15 * 60);

/// An operation that takes longer never ends.
const LONGEST_OPERATION: Duration = Duration::from_secs(2 * 60);

/// Nodes that exchange datagrams. See the [module](super).
#[derive(Debug)]
pub struct Network {
    now: Time,
    random: fastrand::Rng,
    hosts: Vec<Host>,
    /// The honest ones that are there, in no order.
    honest: Vec<HostNumber>,
    by_address: BTreeMap<SocketAddr, HostNumber>,
    schedule: Schedule<Happening>,
    /// Events so far that were scheduled.
    scheduled: u64,
    loss: f64,
    median_session: Option<Duration>,
    events: u64,
}

#[derive(Debug)]
enum Happening {
    Wake(HostNumber),
    Arrive {
        to: HostNumber,
        from: SocketAddr,
        datagram: Vec<u8>,
    },
    /// Somebody leaves and somebody else comes.
    Turnover,
}

impl Network {
    /// Nobody.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            now: Time::ZERO,
            random: fastrand::Rng::with_seed(seed),
            hosts: Vec::new(),
            honest: Vec::new(),
            by_address: BTreeMap::new(),
            schedule: Schedule::new(),
            scheduled: 0,
            loss: 0.0,
            median_session: None,
            events: 0,
        }
    }

    /// `count` nodes that have joined one after the other, each by one that was there already, and have settled.
    #[must_use]
    pub fn grown(seed: u64, count: usize) -> Self {
        let mut network = Self::new(seed);
        let gap = GROWING.div_f64(count.max(1) as f64).min(BETWEEN_JOINS);
        for _ in 0..count {
            network.join();
            network.run(gap);
        }
        network.run(SETTLING);
        network
    }

    /// Loses this share of all datagrams from now on.
    pub const fn lose(&mut self, share: f64) {
        self.loss = share;
    }

    /// From now on nodes leave without a word, after sessions of this length in the median, and for each another one
    /// comes. Sessions end by chance, however long they have lasted.
    pub fn churn(&mut self, median_session: Duration) {
        if self.median_session.replace(median_session).is_none() {
            self.plan_turnover();
        }
    }

    /// Puts hosts on a side; those of different sides do not hear each other. All begin on side 0.
    pub fn divide(&mut self, hosts: impl IntoIterator<Item = HostNumber>, side: u8) {
        for number in hosts {
            if let Some(host) = self.hosts.get_mut(number.index()) {
                host.side = side;
            }
        }
    }

    /// A new node, by any other one.
    pub fn join(&mut self) -> HostNumber {
        let entrance = self.some_honest();
        self.join_at(self.next_number().address(), entrance.as_slice(), NodeConfig::default())
    }

    /// A new node at an address, which it knows, by these others.
    pub fn join_at(
        &mut self,
        address: SocketAddr,
        entrances: &[HostNumber],
        config: NodeConfig,
    ) -> HostNumber {
        let config = match address.ip() {
            IpAddr::V4(ip) => NodeConfig { external_v4: Some(ip), v6: false, ..config },
            IpAddr::V6(ip) => NodeConfig { external_v6: Some(ip), v4: false, ..config },
        };
        let mut node = Node::new(config, self.random.u64(..));
        let entrances = entrances.iter().filter_map(|host| self.hosts.get(host.index()));
        node.add_entrances(self.now, entrances.map(|host| host.address));
        self.add(address, Kind::Honest(Box::new(node)))
    }

    /// A new hostile host.
    pub fn add_hostile(&mut self, address: SocketAddr, hostile: Hostile) -> HostNumber {
        self.add(address, Kind::Hostile(hostile))
    }

    fn add(&mut self, address: SocketAddr, kind: Kind) -> HostNumber {
        let number = self.next_number();
        let factor = 2.0_f64.powf((self.random.f64() * 2.0 - 1.0) * ACCESS_SPREAD);
        if matches!(kind, Kind::Honest(_)) {
            self.honest.push(number);
        }
        self.hosts.push(Host {
            address,
            kind,
            told: Vec::new(),
            traffic: Traffic::default(),
            access: Duration::from_secs_f64(ACCESS * factor),
            wake: Time::NEVER,
            side: 0,
        });
        self.by_address.insert(address, number);
        self.drain(number);
        number
    }

    fn next_number(&self) -> HostNumber {
        HostNumber(u32::try_from(self.hosts.len()).unwrap_or(u32::MAX))
    }

    /// A host is gone, without a word.
    pub fn leave(&mut self, number: HostNumber) {
        if let Some(host) = self.hosts.get_mut(number.index()) {
            host.kind = Kind::Gone;
            host.told = Vec::new();
            self.by_address.remove(&host.address);
        }
        if let Some(at) = self.honest.iter().position(|honest| *honest == number) {
            self.honest.swap_remove(at);
        }
    }

    /// The program of an honest host is replaced by this one, as after a restart.
    pub fn replace(&mut self, number: HostNumber, node: Node) {
        if let Some(host) = self.hosts.get_mut(number.index()).filter(|host| host.kind.is_honest()) {
            host.kind = Kind::Honest(Box::new(node));
            host.told.clear();
            self.drain(number);
        }
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// Datagrams and timers so far.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Any honest node.
    pub fn some_honest(&mut self) -> Option<HostNumber> {
        self.random.choice(&self.honest).copied()
    }

    /// The honest nodes that are there, in the order of their coming.
    #[must_use]
    pub fn honest(&self) -> Vec<HostNumber> {
        let mut honest = self.honest.clone();
        honest.sort_unstable();
        honest
    }

    /// A random number below `limit`, of the network's own.
    pub fn random_below(&mut self, limit: usize) -> usize {
        self.random.usize(..limit.max(1))
    }

    /// An honest node.
    #[must_use]
    pub fn node(&self, number: HostNumber) -> Option<&Node> {
        match &self.hosts.get(number.index())?.kind {
            Kind::Honest(node) => Some(node),
            Kind::Hostile(_) | Kind::Gone => None,
        }
    }

    /// Where a host is.
    #[must_use]
    pub fn address(&self, number: HostNumber) -> Option<SocketAddr> {
        self.hosts.get(number.index()).map(|host| host.address)
    }

    /// What a host has sent and received, headers included; `lost` is what was lost on the way to it.
    #[must_use]
    pub fn traffic(&self, number: HostNumber) -> Traffic {
        self.hosts.get(number.index()).map(|host| host.traffic).unwrap_or_default()
    }

    /// The same of all together, those that are gone included.
    #[must_use]
    pub fn all_traffic(&self) -> Traffic {
        self.hosts.iter().fold(Traffic::default(), |sum, host| Traffic {
            sent: sum.sent + host.traffic.sent,
            received: sum.received + host.traffic.received,
            lost: sum.lost + host.traffic.lost,
        })
    }

    /// What a host was told since the last [`forget`](Self::forget).
    #[must_use]
    pub fn told(&self, number: HostNumber) -> &[Told] {
        self.hosts.get(number.index()).map_or(&[], |host| &host.told)
    }

    /// Forgets what a host was told.
    pub fn forget(&mut self, number: HostNumber) {
        if let Some(host) = self.hosts.get_mut(number.index()) {
            host.told = Vec::new();
        }
    }

    /// How long after `since` a host was told of peers first.
    #[must_use]
    pub fn first_peers(&self, number: HostNumber, since: Time) -> Option<Duration> {
        let is_first = |(time, event): &&Told| *time >= since && matches!(event, Event::Peers { .. });
        self.told(number).iter().find(is_first).map(|(time, _)| time.since(since))
    }

    /// Does something with an honest node and carries out what comes of it.
    pub fn with<T>(&mut self, number: HostNumber, act: impl FnOnce(&mut Node, Time) -> T) -> Option<T> {
        let now = self.now;
        let Kind::Honest(node) = &mut self.hosts.get_mut(number.index())?.kind else { return None };
        let result = act(node, now);
        self.drain(number);
        Some(result)
    }

    /// Has an honest node do something, and lets time pass until that has ended. `None` if it is not there, is gone
    /// before the end, or has too much to do.
    pub fn complete(&mut self, number: HostNumber, operation: Operation) -> Option<Summary> {
        let operation = self.with(number, |node, now| node.start(now, operation))?.ok()?;
        let deadline = self.now + LONGEST_OPERATION;
        loop {
            if let Some(summary) = self.summary(number, operation) {
                return Some(summary.clone());
            }
            if self.node(number).is_none() || !self.step(deadline) {
                return None;
            }
        }
    }

    fn summary(&self, number: HostNumber, operation: OperationId) -> Option<&Summary> {
        // What has just happened is last.
        self.told(number).iter().rev().find_map(|(_, event)| match event {
            Event::Finished { operation: one, summary } if *one == operation => Some(summary),
            _ => None,
        })
    }

    /// A hostile host asks somebody something, so as to be known.
    pub fn ask(&mut self, from: HostNumber, to: HostNumber, request: Request) {
        let Some(Kind::Hostile(hostile)) = self.hosts.get(from.index()).map(|host| &host.kind) else {
            return;
        };
        let (Some(transaction), Some(to)) = (TransactionId::new(b"hi"), self.address(to)) else { return };
        let message = Message {
            transaction,
            version: None,
            read_only: false,
            external: None,
            body: Body::Query(Query { id: hostile.id, request }),
        };
        self.send(from, to, message.encode());
    }

    /// Lets time pass.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.step(end) {}
    }

    /// One thing that happens; `false`, and the time is `end`, if there is none before.
    fn step(&mut self, end: Time) -> bool {
        if self.schedule.next_time().is_none_or(|time| time > end.as_nanos()) {
            self.now = end;
            return false;
        }
        let Some((time, happening)) = self.schedule.pop() else { return false };
        let time = Time::from_nanos(time);
        self.now = self.now.max(time);
        self.events += 1;
        match happening {
            Happening::Wake(number) => self.wake(number, time),
            Happening::Arrive { to, from, datagram } => self.arrive(to, from, &datagram),
            Happening::Turnover => self.turn_over(),
        }
        true
    }

    fn at(&mut self, time: Time, happening: Happening) {
        self.scheduled += 1;
        self.schedule.at(time.as_nanos(), self.scheduled, happening);
    }

    fn wake(&mut self, number: HostNumber, time: Time) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(number.index()).filter(|host| host.wake == time) else { return };
        let Kind::Honest(node) = &mut host.kind else { return };
        host.wake = Time::NEVER;
        // It may have been put off since.
        if node.poll_timeout() <= now {
            node.handle_input(now, Input::Timeout);
        }
        self.drain(number);
    }

    fn arrive(&mut self, number: HostNumber, from: SocketAddr, datagram: &[u8]) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(number.index()) else { return };
        host.traffic.received += datagram.len() as u64 + HEADERS;
        match &mut host.kind {
            Kind::Honest(node) => {
                node.handle_input(now, Input::Received { from, datagram });
                self.drain(number);
            }
            Kind::Hostile(hostile) => {
                if let Some(answer) = hostile.answer(datagram) {
                    self.send(number, from, answer);
                }
            }
            Kind::Gone => {}
        }
    }

    /// Carries out what a node wants.
    fn drain(&mut self, number: HostNumber) {
        let now = self.now;
        loop {
            let Some(host) = self.hosts.get_mut(number.index()) else { return };
            let Kind::Honest(node) = &mut host.kind else { return };
            match node.poll_output() {
                Some(Output::Send { to, datagram }) => self.send(number, to, datagram),
                Some(Output::Event(event)) => host.told.push((now, event)),
                None => {
                    let wake = node.poll_timeout().max(now);
                    // If it is put off, that is noticed when it wakes.
                    if wake < host.wake {
                        host.wake = wake;
                        self.at(wake, Happening::Wake(number));
                    }
                    return;
                }
            }
        }
    }

    fn send(&mut self, from: HostNumber, to: SocketAddr, datagram: Vec<u8>) {
        let Some(sender) = self.hosts.get_mut(from.index()) else { return };
        let bytes = datagram.len() as u64 + HEADERS;
        sender.traffic.sent += bytes;
        let (source, access, side) = (sender.address, sender.access, sender.side);
        let Some(number) = self.by_address.get(&to).copied() else { return };
        let Some(target) = self.hosts.get_mut(number.index()).filter(|target| target.side == side) else {
            return;
        };
        if self.loss > 0.0 && self.random.f64() < self.loss {
            target.traffic.lost += bytes;
            return;
        }
        let arrival = self.now + access + target.access + Duration::from_micros(self.random.u64(..JITTER));
        self.at(arrival, Happening::Arrive { to: number, from: source, datagram });
    }

    fn turn_over(&mut self) {
        if let Some(leaving) = self.some_honest() {
            self.leave(leaving);
            self.join();
        }
        self.plan_turnover();
    }

    /// Sessions that end by chance end as radioactive atoms do.
    fn plan_turnover(&mut self) {
        let Some(median) = self.median_session else { return };
        let mean_gap = median.as_secs_f64() / std::f64::consts::LN_2 / self.honest.len().max(1) as f64;
        let gap = -(1.0 - self.random.f64()).ln() * mean_gap;
        self.at(self.now + Duration::from_secs_f64(gap), Happening::Turnover);
    }
}

impl Kind {
    const fn is_honest(&self) -> bool {
        matches!(self, Self::Honest(_))
    }
}
