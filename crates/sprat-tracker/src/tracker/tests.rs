use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sprat_wire::hash::PeerId;

use super::*;
use crate::InfoHashList;

const MINUTE: Duration = Duration::from_secs(60);

fn tracker(config: TrackerConfig) -> Tracker {
    Tracker::new(config, [42; 32])
}

fn hash(number: u64) -> InfoHash {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    InfoHash(bytes)
}

fn request(number: u64, port: u16, left: u64, event: AnnounceEvent) -> AnnounceRequest {
    AnnounceRequest {
        info_hash: hash(number),
        peer_id: PeerId([0; 20]),
        port,
        uploaded: 0,
        downloaded: 0,
        left,
        event,
        num_want: None,
        key: 0,
        ip: None,
        tracker_id: None,
    }
}

fn leecher(number: u64) -> AnnounceRequest {
    request(number, 6881, 1, AnnounceEvent::Started)
}

fn seeder(number: u64) -> AnnounceRequest {
    request(number, 6881, 0, AnnounceEvent::Started)
}

fn from(protocol: Protocol, ip: &str) -> Origin {
    Origin { protocol, address: SocketAddr::new(ip.parse().unwrap(), 40_000) }
}

/// The `number`-th of many IPv4 addresses.
fn host(number: u32) -> Origin {
    let address = std::net::Ipv4Addr::from(0x0a00_0000 + number);
    Origin { protocol: Protocol::Http, address: SocketAddr::new(address.into(), 1) }
}

fn a_round(tracker: &mut Tracker, now: Duration) -> Expired {
    let mut sum = Expired::default();
    loop {
        let step = tracker.expire(now);
        sum.peers += step.peers;
        sum.swarms += step.swarms;
        if step.round_ended {
            return sum;
        }
    }
}

/// What the machine should do, written as naively as it can be.
#[derive(Default)]
struct Model {
    swarms: BTreeMap<InfoHash, ModelSwarm>,
}

#[derive(Default)]
struct ModelSwarm {
    peers: BTreeMap<SocketAddr, ModelPeer>,
    downloaded: u32,
}

struct ModelPeer {
    seeds: bool,
    minute: u64,
    counted: bool,
}

impl Model {
    fn purge(&mut self, minute: u64, lifetime: u64) {
        for swarm in self.swarms.values_mut() {
            swarm.peers.retain(|_, peer| minute - peer.minute <= lifetime);
        }
        self.swarms.retain(|_, swarm| !swarm.peers.is_empty());
    }

    fn announce(
        &mut self,
        peer: SocketAddr,
        request: &AnnounceRequest,
        minute: u64,
        per_network: usize,
    ) -> bool {
        if request.event == AnnounceEvent::Stopped {
            if let Some(swarm) = self.swarms.get_mut(&request.info_hash) {
                swarm.peers.remove(&peer);
            }
            return true;
        }
        let swarm = self.swarms.entry(request.info_hash).or_default();
        let neighbours = swarm.peers.keys().filter(|other| other.ip() == peer.ip()).count();
        let known = swarm.peers.contains_key(&peer);
        if !known && neighbours >= per_network && !peer.ip().is_loopback() {
            return false;
        }
        let entry = swarm.peers.entry(peer).or_insert(ModelPeer { seeds: false, minute, counted: false });
        entry.minute = minute;
        entry.seeds = request.left == 0;
        if request.event == AnnounceEvent::Completed && !entry.counted {
            entry.counted = true;
            swarm.downloaded += 1;
        }
        true
    }

    fn entry(&self, info_hash: &InfoHash) -> ScrapeEntry {
        let Some(swarm) = self.swarms.get(info_hash) else { return ScrapeEntry::default() };
        let seeders = swarm.peers.values().filter(|peer| peer.seeds).count();
        ScrapeEntry {
            complete: count(seeders),
            downloaded: swarm.downloaded,
            incomplete: count(swarm.peers.len() - seeders),
        }
    }

    fn useful_to(
        &self,
        asker: SocketAddr,
        request: &AnnounceRequest,
        protocol: Protocol,
    ) -> BTreeSet<SocketAddr> {
        let Some(swarm) = self.swarms.get(&request.info_hash) else { return BTreeSet::new() };
        swarm
            .peers
            .iter()
            .filter(|(address, peer)| {
                **address != asker
                    && !(request.left == 0 && peer.seeds)
                    && (protocol == Protocol::Http || address.is_ipv4() == asker.is_ipv4())
            })
            .map(|(address, _)| *address)
            .collect()
    }
}

#[derive(Debug, Clone)]
enum Operation {
    Announce { origin: Origin, request: AnnounceRequest },
    Scrape(u64),
    Wait(u64),
    Expire,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let ips = prop::sample::select(vec![
        "192.0.2.1",
        "192.0.2.2",
        "::ffff:192.0.2.2",
        "127.0.0.1",
        "2001:db8::1",
        "2001:db8:1::",
    ]);
    let events = prop::sample::select(vec![
        AnnounceEvent::Interval,
        AnnounceEvent::Started,
        AnnounceEvent::Completed,
        AnnounceEvent::Stopped,
    ]);
    let protocols = prop::sample::select(vec![Protocol::Http, Protocol::Udp]);
    let wants = prop::option::of(0_u32..12);
    let announce = (0_u64..3, 1_u16..5, 0_u64..2, events, wants, ips, protocols).prop_map(
        |(number, port, left, event, num_want, ip, protocol)| Operation::Announce {
            origin: from(protocol, ip),
            request: AnnounceRequest { num_want, ..request(number, port, left, event) },
        },
    );
    let operation = prop_oneof![
        12 => announce,
        2 => (0_u64..4).prop_map(Operation::Scrape),
        3 => (0_u64..90).prop_map(Operation::Wait),
        1 => Just(Operation::Expire),
    ];
    prop::collection::vec(operation, 1..120)
}

proptest! {
    #[test]
    fn it_does_what_the_naive_model_does(operations in operations()) {
        let config = TrackerConfig { max_peers_per_network: 3, default_peers: 5, ..TrackerConfig::default() };
        let (per_network, lifetime) = (config.max_peers_per_network, 60);
        let mut tracker = tracker(config);
        let mut model = Model::default();
        let mut minute = 0;
        for operation in operations {
            let now = MINUTE * u32::try_from(minute).unwrap();
            model.purge(minute, lifetime);
            match operation {
                Operation::Announce { origin, request } => {
                    let peer = SocketAddr::new(origin.address.ip().to_canonical(), request.port);
                    let listed = model.announce(peer, &request, minute, per_network);
                    let response = tracker.announce(now, origin, &request).unwrap();
                    prop_assert_eq!(response.warning.is_none(), listed);
                    let expected = model.entry(&request.info_hash);
                    prop_assert_eq!(response.complete, Some(expected.complete));
                    prop_assert_eq!(response.incomplete, Some(expected.incomplete));
                    let useful = model.useful_to(peer, &request, origin.protocol);
                    let distinct: BTreeSet<SocketAddr> = response.peers.iter().copied().collect();
                    prop_assert_eq!(distinct.len(), response.peers.len());
                    prop_assert!(distinct.is_subset(&useful));
                    let want = request.num_want.map_or(5, |want| usize::try_from(want).unwrap());
                    let left = request.event == AnnounceEvent::Stopped;
                    prop_assert_eq!(distinct.len(), if left { 0 } else { want.min(useful.len()) });
                }
                Operation::Scrape(number) => {
                    let entries = tracker.scrape(now, host(1), &[hash(number), hash(99)]);
                    prop_assert_eq!(entries, vec![model.entry(&hash(number)), ScrapeEntry::default()]);
                }
                Operation::Wait(minutes) => minute += minutes,
                Operation::Expire => {
                    a_round(&mut tracker, now);
                    let statistics = tracker.statistics();
                    prop_assert_eq!(statistics.swarms, model.swarms.len());
                    let peers = model.swarms.values().flat_map(|swarm| &swarm.peers);
                    prop_assert_eq!(statistics.seeders, peers.clone().filter(|(_, peer)| peer.seeds).count());
                    prop_assert_eq!(statistics.peers_ipv6, peers.clone().filter(|(address, _)| address.is_ipv6()).count());
                    prop_assert_eq!(statistics.peers(), peers.count());
                }
            }
        }
        a_round(&mut tracker, MINUTE * 10_000);
        let statistics = tracker.statistics();
        prop_assert_eq!((statistics.swarms, statistics.peers(), statistics.memory), (0, 0, 0));
    }
}

#[test]
fn one_seed_gives_one_sequence_of_answers() {
    let run = |seed| {
        let mut tracker = Tracker::new(TrackerConfig::default(), [seed; 32]);
        (0..500).map(|number| tracker.announce(Duration::ZERO, host(number), &leecher(1))).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_peer_is_forgotten_after_two_intervals() {
    let mut tracker = tracker(TrackerConfig { interval: MINUTE * 10, ..TrackerConfig::default() });
    tracker.announce(Duration::ZERO, host(1), &seeder(1)).unwrap();
    assert_eq!(tracker.scrape(MINUTE * 20, host(2), &[hash(1)])[0].complete, 1);
    assert_eq!(tracker.scrape(MINUTE * 21, host(2), &[hash(1)])[0].complete, 0);
    assert_eq!(tracker.statistics().expired_peers, 1);
}

#[test]
fn a_clock_that_jumps_back_forgets_nobody() {
    let mut tracker = tracker(TrackerConfig::default());
    tracker.announce(MINUTE * 100, host(1), &seeder(1)).unwrap();
    assert_eq!(tracker.announce(Duration::ZERO, host(2), &leecher(1)).unwrap().peers.len(), 1);
}

#[test]
fn a_call_of_expire_is_bounded_and_64_calls_are_a_round() {
    let mut tracker = tracker(TrackerConfig::default());
    for number in 0..20_000 {
        tracker.announce(Duration::ZERO, host(number), &leecher(number.into())).unwrap();
    }
    let mut calls = 0;
    loop {
        let expired = tracker.expire(MINUTE * 500);
        assert!(expired.peers <= EXPIRE_BATCH);
        calls += 1;
        if expired.round_ended {
            break;
        }
    }
    assert!((5..=65).contains(&calls), "{calls}");
    assert_eq!(tracker.statistics().memory, 0);
}

#[test]
fn intervals_are_spread() {
    let config = TrackerConfig { interval: MINUTE, interval_jitter: MINUTE, ..TrackerConfig::default() };
    let mut tracker = tracker(config);
    let intervals: BTreeSet<u32> = (0..500)
        .map(|number| tracker.announce(Duration::ZERO, host(number), &leecher(1)).unwrap().interval)
        .collect();
    assert_eq!(
        (intervals.first(), intervals.last()),
        (Some(&60), Some(&90)),
        "half the interval is the most"
    );
}

#[test]
fn claimed_addresses_are_believed_only_as_configured() {
    let claim = AnnounceRequest { ip: Some("198.51.100.9".parse().unwrap()), ..seeder(1) };
    let cases = [
        (ClaimedAddress::Ignore, "127.0.0.1", "127.0.0.1:6881"),
        (ClaimedAddress::TrustLoopback, "127.0.0.1", "198.51.100.9:6881"),
        (ClaimedAddress::TrustLoopback, "192.0.2.1", "192.0.2.1:6881"),
        (ClaimedAddress::TrustAll, "192.0.2.1", "198.51.100.9:6881"),
    ];
    for (claimed_address, source, listed) in cases {
        let mut tracker = tracker(TrackerConfig { claimed_address, ..TrackerConfig::default() });
        tracker.announce(Duration::ZERO, from(Protocol::Http, source), &claim).unwrap();
        let peers = tracker.announce(Duration::ZERO, host(1), &leecher(1)).unwrap().peers;
        assert_eq!(peers, [listed.parse().unwrap()], "{claimed_address:?} from {source}");
    }
}

#[test]
fn a_claim_of_nobodys_address_is_not_believed() {
    for ip in ["0.0.0.0", "255.255.255.255", "224.0.0.1", "::", "ff02::1"] {
        let mut tracker =
            tracker(TrackerConfig { claimed_address: ClaimedAddress::TrustAll, ..TrackerConfig::default() });
        let claim = AnnounceRequest { ip: Some(ip.parse().unwrap()), ..seeder(1) };
        tracker.announce(Duration::ZERO, from(Protocol::Http, "192.0.2.1"), &claim).unwrap();
        let peers = tracker.announce(Duration::ZERO, host(1), &leecher(1)).unwrap().peers;
        assert_eq!(peers, ["192.0.2.1:6881".parse().unwrap()]);
    }
}

#[test]
fn a_peer_without_a_port_is_answered_and_not_listed() {
    let mut tracker = tracker(TrackerConfig::default());
    tracker.announce(Duration::ZERO, host(1), &seeder(1)).unwrap();
    let response =
        tracker.announce(Duration::ZERO, host(2), &request(1, 0, 1, AnnounceEvent::Started)).unwrap();
    assert_eq!((response.peers.len(), response.incomplete), (1, Some(0)));
    tracker.announce(Duration::ZERO, host(2), &request(2, 0, 1, AnnounceEvent::Started)).unwrap();
    assert_eq!(tracker.statistics().swarms, 1);
}

#[test]
fn an_answer_has_no_more_peers_than_its_protocol_allows() {
    let mut tracker = tracker(TrackerConfig::default());
    for number in 0..300 {
        tracker.announce(Duration::ZERO, host(number), &leecher(1)).unwrap();
    }
    let greedy = AnnounceRequest { num_want: Some(u32::MAX), ..leecher(1) };
    assert_eq!(tracker.announce(Duration::ZERO, host(1), &greedy).unwrap().peers.len(), 200);
    let over_udp = Origin { protocol: Protocol::Udp, ..host(1) };
    assert_eq!(tracker.announce(Duration::ZERO, over_udp, &greedy).unwrap().peers.len(), 50);
    assert_eq!(tracker.announce(Duration::ZERO, host(1), &leecher(1)).unwrap().peers.len(), 50);
}

#[test]
fn the_askers_family_fills_most_of_a_mixed_answer() {
    let mut tracker = tracker(TrackerConfig::default());
    for number in 0..100 {
        tracker.announce(Duration::ZERO, host(number), &leecher(1)).unwrap();
        let v6 = from(Protocol::Http, &format!("2001:db8:{number:x}::1"));
        tracker.announce(Duration::ZERO, v6, &leecher(1)).unwrap();
    }
    let peers = tracker.announce(Duration::ZERO, host(1), &leecher(1)).unwrap().peers;
    assert_eq!(peers.iter().filter(|peer| peer.is_ipv4()).count(), 38);
    assert_eq!(peers.len(), 50);
}

#[test]
fn lists_can_be_changed_while_it_runs() {
    let mut tracker = tracker(TrackerConfig::default());
    tracker.announce(Duration::ZERO, host(1), &leecher(1)).unwrap();
    tracker.announce(Duration::ZERO, host(1), &leecher(2)).unwrap();
    let list: InfoHashList = [hash(1)].into_iter().collect();

    tracker.set_access(Access::Deny(list.clone()));
    assert_eq!(tracker.announce(Duration::ZERO, host(2), &leecher(1)), Err(Refusal::NotPermitted));
    assert_eq!(tracker.scrape(Duration::ZERO, host(2), &[hash(1)])[0], ScrapeEntry::default());
    assert!(tracker.announce(Duration::ZERO, host(2), &leecher(2)).is_ok());
    assert_eq!(a_round(&mut tracker, Duration::ZERO).swarms, 1);

    tracker.set_access(Access::Allow(list));
    assert!(tracker.announce(Duration::ZERO, host(2), &leecher(1)).is_ok());
    assert_eq!(tracker.announce(Duration::ZERO, host(2), &leecher(2)), Err(Refusal::NotPermitted));
    assert_eq!(tracker.statistics().refused_not_permitted, 2);
}

#[test]
fn one_network_gets_so_many_places_in_a_swarm_and_loopback_any() {
    let mut tracker = tracker(TrackerConfig { max_peers_per_network: 3, ..TrackerConfig::default() });
    let mut listed = |ip: &str, port| {
        let request = request(1, port, 1, AnnounceEvent::Started);
        tracker.announce(Duration::ZERO, from(Protocol::Udp, ip), &request).unwrap().warning.is_none()
    };
    assert_eq!((1..=4).map(|port| listed("192.0.2.1", port)).collect::<Vec<_>>(), [true, true, true, false]);
    assert!(listed("192.0.2.1", 2), "who is listed stays listed");
    assert!(listed("192.0.2.2", 1));
    let in_one_64 = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4"];
    assert_eq!(in_one_64.map(|ip| listed(ip, 1)), [true, true, true, false]);
    assert!((1..=10).all(|port| listed("127.0.0.1", port)));
    assert_eq!(tracker.statistics().unlisted, 2);
}

#[test]
fn a_full_swarm_answers_and_lists_nobody_else() {
    let mut tracker = tracker(TrackerConfig { max_peers_per_swarm: 5, ..TrackerConfig::default() });
    for number in 0..5 {
        assert_eq!(tracker.announce(Duration::ZERO, host(number), &leecher(1)).unwrap().warning, None);
    }
    let response = tracker.announce(Duration::ZERO, host(5), &leecher(1)).unwrap();
    assert!(response.warning.is_some());
    assert_eq!((response.peers.len(), response.incomplete), (5, Some(5)));
}

#[test]
fn at_the_limit_of_swarms_unsettled_ones_make_room() {
    let mut tracker = tracker(TrackerConfig { max_swarms: 1000, ..TrackerConfig::default() });
    let mut settled = 0;
    for number in 0..1000 {
        tracker.announce(Duration::ZERO, host(1), &leecher(number)).unwrap();
        if number % 2 == 0 {
            tracker.announce(Duration::ZERO, host(2), &leecher(number)).unwrap();
            settled += 1;
        }
    }
    let refused = (5000..50_000)
        .filter(|&number| tracker.announce(Duration::ZERO, host(3), &leecher(number)).is_err())
        .count();
    let statistics = tracker.statistics();
    assert_eq!(statistics.swarms, 1000);
    assert_eq!(statistics.refused_full, refused as u64);
    assert!(refused < 2000, "half of the swarms may be evicted, so most newcomers find one: {refused}");
    let hashes: Vec<InfoHash> = (0..1000).step_by(2).map(hash).collect();
    let alive =
        tracker.scrape(Duration::ZERO, host(1), &hashes).iter().filter(|entry| entry.incomplete == 2).count();
    assert_eq!(alive, settled, "swarms with a life stay");
}

/// Random info-hashes from one source, with known swarms in between.
#[test]
fn a_flood_of_random_info_hashes_stays_within_the_memory_and_known_peers_are_answered() {
    const CAP: usize = 2 * 1024 * 1024;
    let config = TrackerConfig { max_memory: CAP, max_swarms: usize::MAX, ..TrackerConfig::default() };
    let mut tracker = tracker(config);
    let known = 0..200_u64;
    for number in known.clone() {
        tracker.announce(Duration::ZERO, host(1), &seeder(number)).unwrap();
        tracker.announce(Duration::ZERO, host(2), &leecher(number)).unwrap();
    }
    let mut random = fastrand::Rng::with_seed(1);
    let mut peak = 0;
    for step in 0..100_000_u32 {
        let _ = tracker.announce(MINUTE * (step / 5000), host(step), &leecher(random.u64(1000..)));
        peak = peak.max(tracker.statistics().memory);
        assert!(peak <= CAP);
    }
    assert!(peak > CAP * 3 / 4, "the budget is put to use: {peak}");
    assert!(tracker.statistics().evicted_swarms > 0);
    for number in known {
        let response = tracker.announce(MINUTE * 20, host(2), &leecher(number)).unwrap();
        assert_eq!(response.peers, [SocketAddr::new(host(1).address.ip(), 6881)]);
    }
}

/// The other way to fill a tracker: few swarms, many peers.
#[test]
fn a_flood_of_peers_stays_within_the_memory() {
    const CAP: usize = 256 * 1024;
    let mut tracker = tracker(TrackerConfig { max_memory: CAP, ..TrackerConfig::default() });
    let mut unlisted = 0;
    for number in 0..40_000 {
        let response =
            tracker.announce(Duration::ZERO, host(number), &leecher(u64::from(number % 3))).unwrap();
        assert!(tracker.statistics().memory <= CAP);
        unlisted += u64::from(response.warning.is_some());
    }
    assert!(unlisted > 0);
    assert_eq!(tracker.statistics().unlisted, unlisted);
    assert!(tracker.statistics().peers() * 8 > CAP / 2, "{:?}", tracker.statistics());
}

#[test]
fn the_limit_of_peers_over_all_swarms_holds() {
    let mut tracker = tracker(TrackerConfig { max_peers: 100, ..TrackerConfig::default() });
    for number in 0..500 {
        let _ = tracker.announce(Duration::ZERO, host(number), &leecher(u64::from(number % 7)));
        assert!(tracker.statistics().peers() <= 100);
    }
    assert_eq!(tracker.statistics().peers(), 100);
}
