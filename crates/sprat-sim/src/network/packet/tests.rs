//! Lines that are joined without sessions.

use proptest::prelude::*;

use super::*;
use crate::peer_number::PeerNumber;

/// Some lines, what is under way between them, and what has come.
struct Net {
    now: Time,
    lines: Vec<PacketLine>,
    events: BTreeMap<(Time, u64), (usize, Event)>,
    posted: u64,
    /// When each line is going to be called.
    timers: Vec<Option<Time>>,
    connections: u64,
    departed: Vec<Departed>,
    /// By receiver.
    heard: Vec<Vec<u8>>,
    said: u64,
}

enum Event {
    UplinkFree,
    Timer,
    Arrive(ConnectionId, Parcel),
    Deliver(ConnectionId, Parcel),
}

const LATENCY: Duration = Duration::from_millis(40);

impl Net {
    /// Lines of these capacities up and down.
    fn new(config: PacketConfig, seed: u64, capacities: &[(u64, u64)]) -> Self {
        let line = |(number, (up, down)): (u64, &(u64, u64))| {
            PacketLine::new(config, *up, *down, fastrand::Rng::with_seed(seed ^ number))
        };
        Self {
            now: Time::ZERO,
            lines: (0..).zip(capacities).map(line).collect(),
            events: BTreeMap::new(),
            posted: 0,
            timers: vec![None; capacities.len()],
            connections: 0,
            departed: Vec::new(),
            heard: vec![Vec::new(); capacities.len()],
            said: 0,
        }
    }

    /// Joins two of them.
    fn connect(&mut self, one: usize, other: usize) -> ConnectionId {
        let connection = ConnectionId(self.connections);
        self.connections += 1;
        for (from, to) in [(one, other), (other, one)] {
            let peer = PeerNumber(to as u32);
            let route = Route { peer, life: 0, connection: Some(connection), latency: LATENCY };
            self.lines[from].open(connection, route, false);
        }
        connection
    }

    fn send(&mut self, from: usize, connection: ConnectionId, bytes: Vec<u8>) {
        self.lines[from].send(connection, bytes.into());
        self.go_on(from);
    }

    fn post(&mut self, at: Time, to: usize, event: Event) {
        self.posted += 1;
        self.events.insert((at, self.posted), (to, event));
    }

    fn go_on(&mut self, number: usize) {
        let mut departed = std::mem::take(&mut self.departed);
        if let Some(done) = self.lines[number].start(self.now, &mut departed) {
            self.post(done, number, Event::UplinkFree);
        }
        for Departed { route, parcel, said, takes, .. } in departed.drain(..) {
            self.said += said as u64;
            if let (Some(theirs), Some(takes)) = (route.connection, takes) {
                self.post(self.now + takes, route.peer.index(), Event::Arrive(theirs, parcel));
            }
        }
        self.departed = departed;
        let planned = self.timers[number];
        if let Some(timer) = self.lines[number].next_timer()
            && planned.is_none_or(|planned| timer < planned)
        {
            self.timers[number] = Some(timer);
            self.post(timer, number, Event::Timer);
        }
    }

    /// Lets so much time pass.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= end) {
            self.now = entry.key().0;
            let (number, event) = entry.remove();
            let line = &mut self.lines[number];
            match event {
                Event::UplinkFree => line.departed(&mut self.departed),
                Event::Timer => {
                    self.timers[number] = self.timers[number].filter(|planned| *planned > self.now);
                    line.expire(self.now);
                }
                Event::Arrive(connection, parcel) => match line.arrive(self.now, &parcel) {
                    Passage::AtOnce => self.deliver(number, connection, parcel),
                    Passage::At(at) => self.post(at, number, Event::Deliver(connection, parcel)),
                    Passage::Dropped => {}
                },
                Event::Deliver(connection, parcel) => self.deliver(number, connection, parcel),
            }
            self.go_on(number);
        }
        self.now = end;
    }

    fn deliver(&mut self, number: usize, connection: ConnectionId, parcel: Parcel) {
        let Parcel::Datagram(datagram) = parcel else { panic!("{parcel:?}") };
        let mut heard = Vec::new();
        self.lines[number].take(self.now, connection, *datagram, &mut heard);
        self.heard[number].extend(heard.iter().flatten());
    }

    /// Bytes per second that a receiver gets between two moments.
    fn rate_at(&mut self, number: usize, from: Duration, until: Duration) -> u64 {
        self.run(from);
        let before = self.heard[number].len();
        self.run(until - from);
        (self.heard[number].len() - before) as u64 * 1000 / (until - from).as_millis() as u64
    }
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const MIB: u64 = 1 << 20;

#[test]
fn a_lone_flow_fills_its_line() {
    for (up, down) in [(MIB / 2, 4 * MIB), (4 * MIB, MIB / 2), (MIB, MIB)] {
        // The queue holds what is under way, as RFC 3819 recommends.
        let mut net =
            Net::new(PacketConfig { queue: 96 << 10, ..Default::default() }, 1, &[(up, MIB), (MIB, down)]);
        let connection = net.connect(0, 1);
        net.send(0, connection, vec![0; 24 << 20]);
        let rate = net.rate_at(1, secs(2), secs(12));
        assert!(rate * 100 >= up.min(down) * 90, "{rate} of {up} and {down}");
        assert!(net.heard[1].len() <= net.said as usize);
    }
}

#[test]
fn what_is_short_comes_with_the_latency() {
    let mut net = Net::new(PacketConfig::default(), 1, &[(MIB, MIB), (MIB, MIB)]);
    let connection = net.connect(0, 1);
    net.send(0, connection, b"hello".to_vec());
    net.run(LATENCY + Duration::from_millis(1));
    assert_eq!(net.heard[1], b"hello");
    assert_eq!(net.said, 5);
}

/// Mathis et al. 1997: a segment per round trip, times the root of 3/2 of the inverse of the loss.
#[test]
fn loss_costs_what_the_square_root_law_says() {
    for loss_per_mille in [1, 4, 10, 30] {
        let config = PacketConfig { loss_per_mille, queue: 1 << 20, ..PacketConfig::default() };
        let mut net = Net::new(config, 7, &[(100 * MIB, 100 * MIB), (100 * MIB, 100 * MIB)]);
        let connection = net.connect(0, 1);
        net.send(0, connection, vec![0; 64 << 20]);
        let rate = net.rate_at(1, secs(5), secs(65));
        let round_trip = 2.0 * LATENCY.as_secs_f64();
        let law = 1448.0 / round_trip * (1.5 / (f64::from(loss_per_mille) / 1000.0)).sqrt();
        assert!((0.5..2.0).contains(&(rate as f64 / law)), "{rate} instead of {law}");
    }
}

#[test]
fn two_flows_share_a_line_fairly() {
    for seed in 0..3 {
        let fast = (8 * MIB, 8 * MIB);
        // Before the downlink of the third, and before the uplink of the fourth.
        let mut net = Net::new(PacketConfig::default(), seed, &[fast, fast, (MIB, MIB), (MIB, MIB)]);
        for (from, to) in [(0, 2), (1, 2), (3, 0), (3, 1)] {
            let connection = net.connect(from, to);
            // The first has a head start.
            net.send(from, connection, vec![from as u8; 64 << 20]);
            net.run(Duration::from_millis(500));
        }
        net.heard.iter_mut().for_each(Vec::clear);
        net.run(secs(40));
        let of = |number: usize, sender: u8| net.heard[number].iter().filter(|byte| **byte == sender).count();
        for (one, other) in [(of(2, 0), of(2, 1)), (of(0, 3), of(1, 3))] {
            assert!(one * 10 >= other * 7 && other * 10 >= one * 7, "{one} and {other}");
        }
    }
}

#[test]
fn a_queue_never_holds_more_than_it_may() {
    let config = PacketConfig { queue: 20_000, ..PacketConfig::default() };
    let mut net = Net::new(config, 1, &[(MIB, MIB), (8 * MIB, 8 * MIB), (8 * MIB, MIB / 4)]);
    for (from, to) in [(0, 1), (0, 2), (1, 2), (1, 2), (1, 2)] {
        let connection = net.connect(from, to);
        net.send(from, connection, vec![0; 4 << 20]);
    }
    net.run(secs(30));
    for line in [&net.lines[0], &net.lines[2]] {
        assert!(line.access.dropped > 0, "there was too much for it");
        assert!((19_000..=20_000).contains(&line.access.most_waiting), "{}", line.access.most_waiting);
    }
}

#[test]
fn who_is_held_says_nothing_and_goes_on_where_it_was() {
    let config = PacketConfig { loss_per_mille: 20, ..PacketConfig::default() };
    let mut net = Net::new(config, 1, &[(MIB, MIB), (MIB, MIB)]);
    let connection = net.connect(0, 1);
    net.send(0, connection, vec![1; 1 << 20]);
    net.run(Duration::from_millis(500));
    net.lines[0].hold(net.now, connection, true);
    net.go_on(0);
    net.run(secs(1));
    let before = net.heard[1].len();
    net.run(secs(100));
    assert_eq!(net.heard[1].len(), before);
    net.lines[0].hold(net.now, connection, false);
    net.go_on(0);
    net.run(secs(30));
    assert_eq!(net.heard[1].len(), 1 << 20);
}

#[test]
fn when_a_connection_ends_what_was_under_way_is_known() {
    let mut net = Net::new(PacketConfig::default(), 1, &[(MIB, MIB), (MIB, MIB)]);
    let connection = net.connect(0, 1);
    net.send(0, connection, vec![1; 1 << 20]);
    net.run(Duration::from_millis(300));
    let (_, ours) = net.lines[0].close(connection).unwrap();
    let (_, theirs) = net.lines[1].close(connection).unwrap();
    assert_eq!((ours.said, theirs.heard), (net.said, net.heard[1].len() as u64));
    assert!(ours.said > theirs.heard && theirs.said == 0);
    assert_eq!(net.lines[0].next_timer(), None);
    net.run(secs(10));
    assert!(net.events.is_empty(), "nothing happens any more");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_byte_comes_once_and_in_order(
        seed: u64,
        loss_per_mille in 0_u16..150,
        reorder_per_mille in 0_u16..300,
        duplication_per_mille in 0_u16..300,
        mtu in 200_usize..3000,
        queue in 4_000_usize..60_000,
        lengths in prop::collection::vec(1_usize..20_000, 1..20),
    ) {
        let jitter = Duration::from_millis(60);
        let config =
            PacketConfig { loss_per_mille, reorder_per_mille, jitter, duplication_per_mille, mtu, queue };
        let mut net = Net::new(config, seed, &[(MIB, MIB), (MIB / 2, MIB / 2)]);
        let connection = net.connect(0, 1);
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut said = [Vec::new(), Vec::new()];
        for length in lengths {
            let from = rng.usize(..2);
            let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(length).collect();
            said[from].extend_from_slice(&bytes);
            net.send(from, connection, bytes);
            net.run(Duration::from_millis(rng.u64(..200)));
        }
        net.run(secs(4 * 3600));
        prop_assert!(net.heard[1] == said[0] && net.heard[0] == said[1]);
        prop_assert_eq!(net.said, (said[0].len() + said[1].len()) as u64);
    }
}
