//! Are peers found, how fast, and at which price?

use std::time::Duration;

use sprat_dht::saved::SavedState;
use sprat_dht::{Node, NodeConfig};
use sprat_sim::dht::{HostNumber, Network, Survey};

use crate::{announce, hash, peers};

#[test]
fn what_one_node_announces_every_other_node_finds() {
    let mut network = Network::grown(1, 500);
    let mut stored = Vec::new();
    for number in 0..20 {
        let host = network.some_honest().unwrap();
        stored.push(network.complete(host, announce(hash(number))).unwrap().stored);
    }
    assert!(stored.iter().all(|stored| *stored >= 8), "{stored:?}");
    let survey =
        Survey { duration: Duration::from_secs(200), swarms: 20, search_every: Duration::from_secs(1) };
    let findings = survey.run(&mut network);
    let (median, tail) = (findings.first_peer_within(0.5), findings.first_peer_within(0.95));
    println!("first peer p50 {median:?}, p95 {tail:?}; {} hops, {} queries", findings.hops, findings.queries);
    assert_eq!(findings.found, findings.searches);
    assert!(findings.hops <= 500_f64.log2() / 3.0 + 1.0, "{}", findings.hops);
    assert!(findings.queries <= 40.0, "{}", findings.queries);
    assert!(median <= Duration::from_millis(200), "{median:?}");
    assert!(tail <= Duration::from_secs(1), "{tail:?}");
}

#[test]
fn a_node_that_has_just_started_finds_its_first_peer_within_five_seconds() {
    let mut network = Network::grown(2, 300);
    let host = network.some_honest().unwrap();
    network.complete(host, announce(hash(1))).unwrap();
    let mut first = Vec::new();
    for _ in 0..30 {
        let since = network.now();
        let host = network.join();
        network.complete(host, peers(hash(1))).unwrap();
        first.push(network.first_peers(host, since).expect("found"));
    }
    first.sort_unstable();
    println!("cold start to first peer: p50 {:?}, longest {:?}", first[15], first[29]);
    assert!(first[29] <= Duration::from_secs(5), "{first:?}");
}

#[test]
fn a_restored_node_is_back_within_one_and_a_half_seconds_without_its_entrances() {
    let mut network = Network::grown(3, 300);
    let host = network.some_honest().unwrap();
    network.complete(host, announce(hash(1))).unwrap();
    let mut first = Vec::new();
    for _ in 0..20 {
        let host = network.some_honest().unwrap();
        let saved = SavedState::decode(&network.node(host).unwrap().save().encode()).unwrap();
        let config = NodeConfig { v6: false, ..NodeConfig::default() };
        network.replace(host, Node::restored(config, 9, &saved));
        let since = network.now();
        network.complete(host, peers(hash(1))).unwrap();
        first.push(network.first_peers(host, since).expect("found"));
    }
    first.sort_unstable();
    println!("restored to first peer: p50 {:?}, longest {:?}", first[10], first[19]);
    assert!(first[19] <= Duration::from_millis(1500), "{first:?}");
}

#[test]
fn an_idle_node_needs_less_than_fifteen_megabytes_a_day() {
    let mut network = Network::grown(7, 500);
    let day = |network: &Network, host| {
        let traffic = network.traffic(host);
        (traffic.sent + traffic.received) * 24
    };
    let hosts = network.honest();
    let before: Vec<u64> = hosts.iter().map(|host| day(&network, *host)).collect();
    network.run(Duration::from_secs(60 * 60));
    let days: Vec<u64> =
        hosts.iter().zip(before).map(|(host, before)| day(&network, *host) - before).collect();
    let (mean, most) = (days.iter().sum::<u64>() / days.len() as u64, days.iter().max().unwrap());
    println!("bytes a day: {mean} on average, {most} at most");
    assert!(*most <= 15_000_000, "{most}");
}

/// Others take more than a few datagrams a second from one address for an attack.
#[test]
fn a_network_of_four_is_quiet_once_all_know_each_other() {
    let mut network = Network::new(12);
    for _ in 0..4 {
        network.join();
    }
    network.run(Duration::from_secs(60));
    let before = network.events();
    network.run(Duration::from_secs(600));
    // Each looks for others every 20 s, by a search or two: queries, answers, timers.
    let events = network.events() - before;
    println!("{events} datagrams and timers in ten minutes");
    assert!(events <= 4 * 30 * 25, "{events}");
}

#[test]
fn a_family_in_which_there_is_nobody_holds_nothing_up() {
    let mut network = Network::grown(10, 50);
    network.complete(HostNumber(3), announce(hash(1))).unwrap();
    let mut node = Node::new(NodeConfig::default(), 11);
    node.add_entrances(network.now(), [HostNumber(5).address()]);
    let both = network.join();
    network.replace(both, node);
    let summary = network.complete(both, peers(hash(1))).unwrap();
    assert_eq!(network.first_peers(both, network.now() - summary.took).map(|_| ()), Some(()));
    assert!(summary.took <= Duration::from_millis(2500), "{:?}", summary.took);
}
