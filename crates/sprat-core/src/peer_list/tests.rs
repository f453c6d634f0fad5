use proptest::prelude::*;

use super::*;

fn list() -> PeerList {
    PeerList::new(PeerListConfig::default(), fastrand::Rng::with_seed(3))
}

/// A list that does not bound attempts for 10.0.0.1.
fn unbounded() -> (PeerList, SocketAddr) {
    let config = PeerListConfig { trust_private: true, ..PeerListConfig::default() };
    (PeerList::new(config, fastrand::Rng::with_seed(3)), at("10.0.0.1:6881"))
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn nth(n: u32) -> SocketAddr {
    SocketAddr::from(((0x5000_0000 + n).to_be_bytes(), 6881))
}

fn secs(secs: u64) -> Time {
    Time::from_secs(secs)
}

fn peer_id(n: u8) -> PeerId {
    PeerId([n; 20])
}

#[test]
fn addresses_that_cannot_be_a_peer_are_not_taken() {
    let mut list = list();
    for bad in [
        "80.0.0.1:0",
        "0.0.0.0:6881",
        "0.1.2.3:6881",
        "224.0.0.1:6881",
        "255.255.255.255:6881",
        "[::]:6881",
        "[ff02::1]:6881",
        "[::ffff:0.0.0.0]:6881",
        "80.0.0.1:25",
        "80.0.0.1:1023",
    ] {
        assert!(!list.add(Time::ZERO, at(bad), PeerSource::Tracker), "{bad}");
    }
    assert!(list.add(Time::ZERO, at("80.0.0.1:1024"), PeerSource::Tracker));
    assert!(list.add(Time::ZERO, at("80.0.0.1:443"), PeerSource::User));
}

#[test]
fn an_ipv4_address_in_ipv6_clothes_is_no_other() {
    let mut list = list();
    assert!(list.add(Time::ZERO, at("[::ffff:80.0.0.1]:6881"), PeerSource::Pex));
    assert!(!list.add(Time::ZERO, at("80.0.0.1:6881"), PeerSource::Pex));
    assert_eq!(list.next_candidate(Time::ZERO), Some(at("80.0.0.1:6881")));
}

#[test]
fn untried_come_first_then_those_with_fewer_failures() {
    let mut list = list();
    let (good, bad, new) = (nth(1), nth(2), nth(3));
    for address in [good, bad] {
        list.add(Time::ZERO, address, PeerSource::Tracker);
    }
    for _ in 0..2 {
        list.next_candidate(Time::ZERO).unwrap();
    }
    list.connected(secs(1), good);
    list.disconnected(secs(2), good, true);
    list.failed(secs(1), bad);
    list.add(secs(100), new, PeerSource::Tracker);
    let order: Vec<SocketAddr> = std::iter::from_fn(|| list.next_candidate(secs(1000))).collect();
    assert_eq!(order, [new, good, bad]);
}

#[test]
fn peers_from_nearby_come_before_others_and_those_in_the_order_of_bep_40() {
    let mut list = list();
    let own = at("123.213.32.10:6881");
    for n in 0..50 {
        list.add(Time::ZERO, nth(n), PeerSource::Dht);
    }
    list.set_external(own);
    for n in 50..100 {
        list.add(Time::ZERO, nth(n), PeerSource::Tracker);
    }
    list.add(Time::ZERO, nth(200), PeerSource::User);
    let order: Vec<SocketAddr> = std::iter::from_fn(|| list.next_candidate(Time::ZERO)).collect();
    assert_eq!(order[0], nth(200));
    assert_eq!(order.len(), 101);
    assert!(order[1..].is_sorted_by_key(|address| Reverse(canonical_priority(own, *address))));
    assert!(!list.add(Time::ZERO, own, PeerSource::Tracker), "ourselves");
}

#[test]
fn an_endpoint_is_left_alone_for_longer_after_each_failure() {
    let (mut list, peer) = unbounded();
    let mut now = secs(5);
    list.add(now, peer, PeerSource::Tracker);
    for wait in [60, 120, 240, 480, 960, 1920, 3600, 3600] {
        assert_eq!(list.next_candidate(now), Some(peer));
        assert_eq!(list.next_candidate(now), None, "being dialled");
        list.failed(now, peer);
        assert_eq!(list.next_attempt(), Some(now + Duration::from_secs(wait)));
        let nearly = now + Duration::from_secs(wait - 1);
        // Being told about it again does not help.
        assert!(!list.add(nearly, peer, PeerSource::Tracker));
        assert_eq!(list.next_candidate(nearly), None);
        now += Duration::from_secs(wait);
    }
}

#[test]
fn a_useful_connection_clears_the_record_a_useless_one_adds_to_it() {
    let (mut list, peer) = unbounded();
    list.add(Time::ZERO, peer, PeerSource::Tracker);
    let waits: Vec<Duration> = [false, false, true, false]
        .into_iter()
        .map(|useful| {
            let now = list.next_attempt().unwrap().max(secs(10));
            list.next_candidate(now).unwrap();
            list.connected(now, peer);
            list.disconnected(now, peer, useful);
            list.next_attempt().unwrap().since(now)
        })
        .collect();
    assert_eq!(waits, [60, 120, 60, 60].map(Duration::from_secs));
}

#[test]
fn who_was_lost_with_our_network_is_called_again_at_once_and_the_hopeless_are_not() {
    let (mut list, peer) = unbounded();
    let hopeless = at("10.0.0.2:6881");
    list.add(Time::ZERO, hopeless, PeerSource::Tracker);
    for failure in 0..3 {
        let now = secs(1000 * failure);
        assert_eq!(list.next_candidate(now), Some(hopeless));
        list.failed(now, hopeless);
    }
    let now = secs(2010);
    list.add(now, peer, PeerSource::Tracker);
    assert_eq!(list.next_candidate(now), Some(peer));
    list.connected(now, peer);
    list.disconnected(now, peer, true);
    assert_eq!(list.next_candidate(now), None);
    list.network_changed(now);
    assert_eq!(list.next_candidate(now), Some(peer));
    // It takes us for our own twin for a while.
    list.failed(now, peer);
    assert_eq!(list.next_attempt(), Some(now + MOVED_BACKOFF));
    let later = now + MOVED_BACKOFF;
    assert_eq!(list.next_candidate(later), Some(peer));
    list.failed(later, peer);
    assert_eq!(list.next_candidate(later + MOVED_BACKOFF), Some(peer));
    list.failed(later + MOVED_BACKOFF, peer);
    assert_eq!(list.next_candidate(later + 2 * MOVED_BACKOFF), None, "that was often enough");
}

#[test]
fn a_network_that_changes_does_not_make_a_weapon_of_us() {
    let mut list = list();
    let victim = nth(1);
    list.add(Time::ZERO, victim, PeerSource::Tracker);
    let mut calls = 0;
    for second in 0..500 {
        list.network_changed(secs(second));
        while let Some(address) = list.next_candidate(secs(second)) {
            calls += 1;
            list.disconnected(secs(second), address, true);
        }
    }
    assert_eq!(calls, 3);
}

#[test]
fn a_thousand_ports_of_one_victim_are_three_attempts_in_ten_minutes() {
    for victim in ["80.0.0.1", "2001:db8::1"] {
        let ip: IpAddr = victim.parse().unwrap();
        let mut list = list();
        let mut attempts: Vec<Time> = Vec::new();
        for second in 0..3600 {
            let now = secs(second);
            if second % 30 == 0 {
                for port in 2000..3000 {
                    list.add(now, SocketAddr::new(ip, port), PeerSource::Pex);
                }
            }
            if list.next_attempt().is_some_and(|time| time <= now)
                && let Some(address) = list.next_candidate(now)
            {
                attempts.push(now);
                list.failed(now, address);
            }
        }
        assert!(attempts.len() > 3, "it is not given up altogether");
        for window in attempts.windows(4) {
            assert!(window[3].since(window[0]) >= Duration::from_secs(600), "{attempts:?}");
        }
    }
}

#[test]
fn a_flood_for_one_victim_does_not_keep_us_from_the_others() {
    let mut list = list();
    for port in 2000..3000 {
        list.add(Time::ZERO, SocketAddr::from(([80, 0, 0, 1], port)), PeerSource::Pex);
    }
    list.add(Time::ZERO, at("90.0.0.1:6881"), PeerSource::Pex);
    let dialled: Vec<SocketAddr> = std::iter::from_fn(|| list.next_candidate(Time::ZERO)).collect();
    assert_eq!(dialled.len(), 4);
    assert!(dialled.contains(&at("90.0.0.1:6881")));
}

#[test]
fn many_clients_may_run_on_our_own_machine_and_where_the_user_says_so() {
    let dialled = |ip: &str, trust_private| {
        let config = PeerListConfig { trust_private, ..PeerListConfig::default() };
        let mut list = PeerList::new(config, fastrand::Rng::with_seed(3));
        for port in 7000..7050 {
            list.add(Time::ZERO, SocketAddr::new(ip.parse().unwrap(), port), PeerSource::Tracker);
        }
        std::iter::from_fn(|| list.next_candidate(Time::ZERO)).count()
    };
    assert_eq!(dialled("127.0.0.1", false), 50);
    assert_eq!(dialled("10.0.0.1", false), 3);
    assert_eq!(dialled("10.0.0.1", true), 50);
    assert_eq!(dialled("80.0.0.1", true), 3);
}

#[test]
fn seeds_are_not_dialled_while_we_seed() {
    let mut list = list();
    for n in 0..4 {
        list.add(Time::ZERO, nth(n), PeerSource::Tracker);
    }
    list.seen_complete(nth(1));
    list.seen_complete(nth(1));
    list.set_seeding(true);
    list.seen_complete(nth(2));
    assert_eq!(list.known_seeds(), 2);
    let dialled: Vec<SocketAddr> = std::iter::from_fn(|| list.next_candidate(Time::ZERO)).collect();
    assert_eq!(dialled.len(), 2);
    assert_eq!(list.next_attempt(), None);
    // We want another file after all.
    list.set_seeding(false);
    assert_eq!(std::iter::from_fn(|| list.next_candidate(Time::ZERO)).count(), 2);
}

#[test]
fn a_full_list_gives_up_the_hopeless_for_the_new() {
    let mut list = list();
    for n in 0..3000 {
        assert!(list.add(Time::ZERO, nth(n), PeerSource::Tracker));
    }
    assert!(!list.add(Time::ZERO, nth(5000), PeerSource::Pex), "nobody is worse than the newcomer");
    assert!(list.add(Time::ZERO, nth(5001), PeerSource::User));
    let gone = list.next_candidate(Time::ZERO).unwrap();
    list.failed(Time::ZERO, gone);
    assert!(list.add(Time::ZERO, nth(5002), PeerSource::Pex));
    assert_eq!(list.len(), 3000);
    assert!(list.add(secs(1), gone, PeerSource::User), "it was forgotten");

    list.set_capacity(300);
    assert_eq!(list.len(), 300);
}

#[test]
fn banned_peers_are_forgotten_and_not_learnt_again() {
    let mut list = list();
    let others = at("80.0.0.9:7000");
    list.add(Time::ZERO, at("80.0.0.9:6881"), PeerSource::Tracker);
    list.add(Time::ZERO, others, PeerSource::Tracker);
    assert_eq!(list.ban(at("80.0.0.9:6881"), peer_id(1)), BanScope::Identity);
    assert!(!list.add(Time::ZERO, at("80.0.0.9:6881"), PeerSource::Tracker));
    assert_eq!(list.len(), 1);
    assert!(list.is_banned(others.ip(), peer_id(1)));
    assert!(!list.is_banned(others.ip(), peer_id(2)));
    assert_eq!(list.ban(others, peer_id(2)), BanScope::Network);
    assert!(list.is_banned(others.ip(), peer_id(3)));
    assert!(list.is_banned_address(others.ip()));
    assert!(list.is_empty());
    // An ended connection to a forgotten address is nothing.
    list.disconnected(Time::ZERO, others, true);
    assert_eq!(list.next_candidate(secs(9999)), None);
}

#[derive(Debug, Clone)]
enum Act {
    Add(u8, u16, PeerSource),
    Dial,
    Connected(u8),
    Ended(u8, bool),
    Complete(u8),
    Seeding(bool),
    External(u8),
    Ban(u8, u8),
    Wait(u16),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..12_u8, 2000..2005_u16, prop_oneof![Just(PeerSource::User), Just(PeerSource::Pex)])
            .prop_map(|(ip, port, source)| Act::Add(ip, port, source)),
        4 => Just(Act::Dial),
        1 => any::<u8>().prop_map(Act::Connected),
        3 => (any::<u8>(), any::<bool>()).prop_map(|(n, useful)| Act::Ended(n, useful)),
        1 => any::<u8>().prop_map(Act::Complete),
        1 => any::<bool>().prop_map(Act::Seeding),
        1 => any::<u8>().prop_map(Act::External),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(n, id)| Act::Ban(n, id)),
        3 => (0..400_u16).prop_map(Act::Wait),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_no_endpoint_and_no_address_is_dialled_too_often(acts in prop::collection::vec(act(), 1..300)) {
        let config = PeerListConfig { capacity: 20, ..PeerListConfig::default() };
        let mut list = PeerList::new(config, fastrand::Rng::with_seed(1));
        let mut now = Time::ZERO;
        let mut in_flight: BTreeSet<SocketAddr> = BTreeSet::new();
        let mut attempts: Vec<(Time, SocketAddr)> = Vec::new();
        let pick = |set: &BTreeSet<SocketAddr>, n: u8| {
            set.iter().nth(usize::from(n) % set.len().max(1)).copied()
        };
        for act in acts {
            match act {
                Act::Add(ip, port, source) => {
                    list.add(now, SocketAddr::from(([80, 0, 0, ip], port)), source);
                }
                Act::Dial => {
                    let due = list.next_attempt().is_some_and(|time| time <= now);
                    let candidate = list.next_candidate(now);
                    prop_assert!(due || candidate.is_none());
                    if let Some(address) = candidate {
                        prop_assert!(in_flight.insert(address));
                        attempts.push((now, address));
                    }
                }
                Act::Connected(n) => {
                    if let Some(address) = pick(&in_flight, n) {
                        list.connected(now, address);
                    }
                }
                Act::Ended(n, useful) => {
                    if let Some(address) = pick(&in_flight, n) {
                        in_flight.remove(&address);
                        list.disconnected(now, address, useful);
                    }
                }
                Act::Complete(n) => {
                    let known: BTreeSet<SocketAddr> = list.peers.keys().copied().collect();
                    if let Some(address) = pick(&known, n) {
                        list.seen_complete(address);
                    }
                }
                Act::Seeding(seeding) => list.set_seeding(seeding),
                Act::External(n) => list.set_external(SocketAddr::from(([90, 0, 0, n], 6881))),
                Act::Ban(n, id) => {
                    if let Some(address) = pick(&in_flight, n) {
                        in_flight.remove(&address);
                        list.ban(address, peer_id(id));
                    }
                }
                Act::Wait(seconds) => now += Duration::from_secs(seconds.into()),
            }
            let idle = list.peers.values().filter(|p| matches!(p.state, State::Idle(_))).count();
            prop_assert_eq!(list.ready.len() + list.waiting.len(), idle);
            prop_assert_eq!(list.seeds, list.peers.values().filter(|peer| peer.seed).count());
            prop_assert!(list.len() <= 20);
        }
        for (index, (time, address)) in attempts.iter().enumerate() {
            let later = attempts[index + 1..].iter();
            let soon = later.filter(|(t, a)| a.ip() == address.ip() && t.since(*time) < Duration::from_secs(600));
            prop_assert!(soon.count() < 3);
        }
    }
}
