//! A virtual network of nodes: one clock, datagrams with latency and loss, all from one seed.

#![allow(dead_code, reason = "each test uses its part")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sprat_dht::io::{Event, Operation, OperationId, Summary};
use sprat_dht::time::Time;
use sprat_dht::{Input, Node, NodeConfig, Output};
use sprat_wire::hash::NodeId;
use sprat_wire::krpc::{Body, Contact, Message, Query, Request, Response, TransactionId};

/// Number of a host.
pub(crate) type Host = usize;

/// Bytes of the headers of IPv4 and UDP.
const HEADERS: u64 = 28;

pub(crate) struct Network {
    pub(crate) now: Time,
    pub(crate) random: fastrand::Rng,
    pub(crate) hosts: Vec<State>,
    /// Share of datagrams that are lost.
    pub(crate) loss: f64,
    /// Hosts with different numbers here do not hear each other.
    pub(crate) partition: BTreeMap<Host, u8>,
    by_address: BTreeMap<SocketAddr, Host>,
    queue: BinaryHeap<Reverse<(Time, u64, Host)>>,
    in_flight: BTreeMap<u64, (SocketAddr, Vec<u8>)>,
    sequence: u64,
}

pub(crate) struct State {
    pub(crate) address: SocketAddr,
    pub(crate) kind: Kind,
    pub(crate) events: Vec<(Time, Event)>,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) datagrams: u64,
    /// To the nearest exchange, one way.
    access: Duration,
    wake: Time,
}

pub(crate) enum Kind {
    Honest(Box<Node>),
    Hostile(Hostile),
    Off,
}

/// Names only its friends, takes everything and gives nothing.
pub(crate) struct Hostile {
    pub(crate) id: NodeId,
    pub(crate) friends: std::rc::Rc<Vec<Contact>>,
    /// Invents ids for its friends, close to whatever is asked for.
    pub(crate) invents: bool,
}

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: Time::ZERO,
            random: fastrand::Rng::with_seed(seed),
            hosts: Vec::new(),
            loss: 0.0,
            partition: BTreeMap::new(),
            by_address: BTreeMap::new(),
            queue: BinaryHeap::new(),
            in_flight: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// `count` nodes that join one after the other, each by one that is there already, and time to settle.
    pub(crate) fn grown(seed: u64, count: usize) -> Self {
        let mut network = Self::new(seed);
        for _ in 0..count {
            network.join();
            network.run(Duration::from_millis(100));
        }
        network.run(Duration::from_secs(15 * 60));
        network
    }

    /// Each host has a /24 of its own.
    pub(crate) fn address(number: usize) -> SocketAddr {
        let ip = 0x1400_0001_u32 + (u32::try_from(number).unwrap() << 8);
        SocketAddr::from((ip.to_be_bytes(), 6881))
    }

    pub(crate) fn join(&mut self) -> Host {
        let entrance = self.some_honest();
        self.join_at(Self::address(self.hosts.len()), entrance.as_slice(), NodeConfig::default())
    }

    pub(crate) fn join_at(&mut self, address: SocketAddr, entrances: &[Host], config: NodeConfig) -> Host {
        let config = match address.ip() {
            IpAddr::V4(ip) => NodeConfig { external_v4: Some(ip), v6: false, ..config },
            IpAddr::V6(ip) => NodeConfig { external_v6: Some(ip), v4: false, ..config },
        };
        let mut node = Node::new(config, self.random.u64(..));
        node.add_entrances(self.now, entrances.iter().map(|host| self.hosts[*host].address));
        self.add(address, Kind::Honest(Box::new(node)))
    }

    pub(crate) fn add(&mut self, address: SocketAddr, kind: Kind) -> Host {
        let host = self.hosts.len();
        // Between 4 and some 40 ms, 12 in the median: round trips of 50 ms in the median.
        let access = Duration::from_secs_f64(0.012 * (2.0_f64).powf(self.random.f64() * 3.2 - 1.6));
        self.hosts.push(State {
            address,
            kind,
            events: Vec::new(),
            sent: 0,
            received: 0,
            datagrams: 0,
            access,
            wake: Time::ZERO,
        });
        self.by_address.insert(address, host);
        self.drain(host);
        host
    }

    pub(crate) fn some_honest(&mut self) -> Option<Host> {
        let honest: Vec<Host> = self.honest();
        (!honest.is_empty()).then(|| honest[self.random.usize(..honest.len())])
    }

    pub(crate) fn honest(&self) -> Vec<Host> {
        (0..self.hosts.len()).filter(|host| matches!(self.hosts[*host].kind, Kind::Honest(_))).collect()
    }

    pub(crate) fn node(&self, host: Host) -> &Node {
        let Kind::Honest(node) = &self.hosts[host].kind else { panic!("host {host} is no honest node") };
        node
    }

    /// Does something with a node and carries out what comes of it.
    pub(crate) fn with<T>(&mut self, host: Host, action: impl FnOnce(&mut Node, Time) -> T) -> T {
        let Kind::Honest(node) = &mut self.hosts[host].kind else { panic!("host {host} is no honest node") };
        let result = action(node, self.now);
        self.drain(host);
        result
    }

    pub(crate) fn leave(&mut self, host: Host) {
        self.hosts[host].kind = Kind::Off;
    }

    pub(crate) fn start(&mut self, host: Host, operation: Operation) -> OperationId {
        self.with(host, |node, now| node.start(now, operation).unwrap())
    }

    /// Runs until an operation has finished.
    pub(crate) fn finish(&mut self, host: Host, operation: OperationId) -> Summary {
        let deadline = self.now + Duration::from_secs(2 * 60);
        loop {
            let finished = self.hosts[host].events.iter().find_map(|(_, event)| match event {
                Event::Finished { operation: one, summary } if *one == operation => Some(summary.clone()),
                _ => None,
            });
            if let Some(summary) = finished {
                return summary;
            }
            assert!(self.now < deadline, "an operation does not end");
            self.step(deadline);
        }
    }

    pub(crate) fn complete(&mut self, host: Host, operation: Operation) -> Summary {
        let operation = self.start(host, operation);
        self.finish(host, operation)
    }

    /// A hostile host asks somebody something, so as to be known.
    pub(crate) fn tell(&mut self, from: Host, to: Host, request: Request) {
        let Kind::Hostile(hostile) = &self.hosts[from].kind else { panic!("host {from} is not hostile") };
        let message = Message {
            transaction: TransactionId::new(b"hi").unwrap(),
            version: None,
            read_only: false,
            external: None,
            body: Body::Query(Query { id: hostile.id, request }),
        };
        let to = self.hosts[to].address;
        self.send(from, to, message.encode());
    }

    /// How long after `since` a host was told of peers first.
    pub(crate) fn first_peers(&self, host: Host, since: Time) -> Option<Duration> {
        let events = self.hosts[host].events.iter();
        let mut peers = events.filter(|(time, event)| *time >= since && matches!(event, Event::Peers { .. }));
        peers.next().map(|(time, _)| time.since(since))
    }

    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.step(end) {}
        self.now = end;
    }

    /// One datagram or timer; `false` if there is none before `end`.
    fn step(&mut self, end: Time) -> bool {
        let Some(Reverse((time, sequence, host))) = self.queue.peek().copied() else {
            self.now = end;
            return false;
        };
        if time > end {
            self.now = end;
            return false;
        }
        self.queue.pop();
        self.now = self.now.max(time);
        let datagram = self.in_flight.remove(&sequence);
        let state = &mut self.hosts[host];
        let now = self.now;
        match (&mut state.kind, datagram) {
            (Kind::Off, _) | (Kind::Hostile(_), None) => return true,
            (Kind::Hostile(hostile), Some((from, datagram))) => {
                if let Some(answer) = hostile.answer(&datagram) {
                    self.send(host, from, answer);
                }
                return true;
            }
            (Kind::Honest(node), Some((from, datagram))) => {
                state.received += datagram.len() as u64 + HEADERS;
                node.handle_input(now, Input::Received { from, datagram: &datagram });
            }
            (Kind::Honest(node), None) => {
                if state.wake != time {
                    return true;
                }
                node.handle_input(now, Input::Timeout);
            }
        }
        self.drain(host);
        true
    }

    fn drain(&mut self, host: Host) {
        loop {
            let Kind::Honest(node) = &mut self.hosts[host].kind else { return };
            match node.poll_output() {
                Some(Output::Send { to, datagram }) => self.send(host, to, datagram),
                Some(Output::Event(event)) => self.hosts[host].events.push((self.now, event)),
                None => break,
            }
        }
        let Kind::Honest(node) = &mut self.hosts[host].kind else { return };
        let wake = node.poll_timeout().max(self.now);
        if self.hosts[host].wake != wake {
            self.hosts[host].wake = wake;
            self.sequence += 1;
            self.queue.push(Reverse((wake, self.sequence, host)));
        }
    }

    fn send(&mut self, from: Host, to: SocketAddr, datagram: Vec<u8>) {
        let sender = &mut self.hosts[from];
        sender.sent += datagram.len() as u64 + HEADERS;
        sender.datagrams += 1;
        let (source, access) = (sender.address, sender.access);
        let Some(target) = self.by_address.get(&to).copied() else { return };
        let side = |host: &Host| self.partition.get(host).copied().unwrap_or(0);
        if side(&from) != side(&target) || self.random.f64() < self.loss {
            return;
        }
        let jitter = Duration::from_micros(self.random.u64(..2000));
        let arrival = self.now + access + self.hosts[target].access + jitter;
        self.sequence += 1;
        self.in_flight.insert(self.sequence, (source, datagram));
        self.queue.push(Reverse((arrival, self.sequence, target)));
    }
}

impl Hostile {
    fn answer(&self, datagram: &[u8]) -> Option<Vec<u8>> {
        let message = Message::decode(datagram).ok()?;
        let Body::Query(Query { request, .. }) = message.body else { return None };
        let target = match request {
            Request::FindNode { target, .. } | Request::Get { target, .. } => Some(target),
            Request::GetPeers { info_hash, .. } => Some(NodeId(info_hash.0)),
            _ => None,
        };
        let mut response = Response { id: self.id, ..Response::default() };
        if let Some(target) = target {
            let mut friends: Vec<Contact> = self.friends.to_vec();
            if self.invents {
                for (friend, last) in friends.iter_mut().zip(0_u8..) {
                    friend.id = target;
                    friend.id.0[19] ^= last;
                }
            }
            friends.sort_by_key(|friend| distance(friend.id, target));
            friends.truncate(8);
            response.nodes = friends;
            response.token = Some(bytes::Bytes::from_static(b"token"));
        }
        let body = Body::Response(Box::new(response));
        Some(Message { body, read_only: false, external: None, version: None, ..message }.encode())
    }
}

pub(crate) fn distance(a: NodeId, b: NodeId) -> [u8; 20] {
    std::array::from_fn(|at| a.0[at] ^ b.0[at])
}

/// The value below which this share of all lie.
pub(crate) fn quantile(values: &mut [Duration], share: f64) -> Duration {
    values.sort_unstable();
    let at = (values.len() as f64 * share) as usize;
    values[at.min(values.len() - 1)]
}
