//! What a caller can want of a network, each thing once from end to end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of this is a test that tells its figures, helper functions included"
)]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use network::{Host, Network, quantile};
use sprat_dht::NodeConfig;
use sprat_dht::io::{Event, Operation};
use sprat_dht::item::{Item, mutable_target, public_key};
use sprat_wire::compact::Family;
use sprat_wire::hash::{InfoHash, NodeId};

mod network;

const SEED: [u8; 32] = [3; 32];
const HASH: InfoHash = InfoHash([9; 20]);

fn version(seq: i64, text: &str) -> Item {
    Item::signed(&SEED, Bytes::from_static(b"salt"), seq, format!("{}:{text}", text.len()).into()).unwrap()
}

fn get(target: NodeId, newer_than: Option<i64>) -> Operation {
    Operation::Get { target, salt: b"salt".to_vec(), newer_than }
}

/// The items that a host was told of.
fn items(network: &Network, host: Host) -> Vec<Item> {
    let items = network.hosts[host].events.iter().filter_map(|(_, event)| match event {
        Event::Item { item, .. } => Some(item.clone()),
        _ => None,
    });
    items.collect()
}

fn peers(network: &Network, host: Host) -> Vec<SocketAddr> {
    let peers = network.hosts[host].events.iter().filter_map(|(_, event)| match event {
        Event::Peers { peers, .. } => Some(peers.clone()),
        _ => None,
    });
    peers.flatten().collect()
}

#[test]
fn an_immutable_item_comes_back_whole_and_soon() {
    let mut network = Network::grown(21, 200);
    // As long as it may be: nobody who has not proven its address gets it at once.
    let value = Bytes::from(format!("996:{}", "x".repeat(996)));
    let item = Item::immutable(value).unwrap();
    let mut puts = Vec::new();
    for _ in 0..5 {
        let summary = network.complete(17, Operation::Put { item: item.clone(), cas: None });
        assert!(summary.stored >= 10, "{summary:?}");
        assert_eq!(summary.refused, []);
        puts.push(summary.took);
    }
    let mut gets = Vec::new();
    for host in (20..200).step_by(9) {
        let summary =
            network.complete(host, Operation::Get { target: item.target(), salt: vec![], newer_than: None });
        assert_eq!(items(&network, host), std::slice::from_ref(&item));
        gets.push(summary.took);
    }
    println!(
        "put p50 {:?}, get p50 {:?}, p95 {:?}",
        quantile(&mut puts, 0.5),
        quantile(&mut gets, 0.5),
        quantile(&mut gets, 0.95)
    );
    assert!(quantile(&mut puts, 0.5) <= Duration::from_secs(2));
}

#[test]
fn of_a_mutable_item_the_newest_version_is_found_and_an_older_one_refused() {
    let mut network = Network::grown(22, 200);
    let target = mutable_target(&public_key(&SEED), b"salt");
    let first = network.complete(1, Operation::Put { item: version(1, "one"), cas: None });
    assert!(first.stored >= 10, "{first:?}");
    let second = network.complete(2, Operation::Put { item: version(2, "two"), cas: Some(1) });
    assert!(second.stored >= 10, "{second:?}");
    assert_eq!(items(&network, 2), [version(1, "one")], "what was there before is told");
    network.complete(3, get(target, None));
    assert_eq!(items(&network, 3).last(), Some(&version(2, "two")));
    let nothing_new = network.complete(4, get(target, Some(2)));
    assert_eq!((items(&network, 4), nothing_new.found), (vec![], 0));

    for (item, cas) in [(version(1, "one"), None), (version(3, "three"), Some(1))] {
        let summary = network.complete(5, Operation::Put { item, cas });
        assert_eq!((summary.stored, summary.conflict), (0, Some(2)), "{summary:?}");
    }
    network.complete(6, get(target, None));
    assert_eq!(items(&network, 6).last(), Some(&version(2, "two")));
}

#[test]
fn a_swarm_is_counted_and_sampled() {
    let mut network = Network::grown(23, 150);
    for host in 0..60 {
        let seed = host % 3 == 0;
        network
            .complete(host, Operation::Announce { info_hash: HASH, port: 1000, implied_port: false, seed });
    }
    let summary = network.complete(100, Operation::Scrape { info_hash: HASH });
    let scrape = summary.scrape.unwrap();
    assert!((scrape.seeds - 20.0).abs() <= 2.0 && (scrape.peers - 40.0).abs() <= 3.0, "{scrape:?}");
    assert!(peers(&network, 100).len() >= 50, "{}", peers(&network, 100).len());

    network.complete(101, Operation::Sample { target: NodeId(HASH.0) });
    let sampled = network.hosts[101].events.iter().any(|(_, event)| {
        matches!(event, Event::Samples { samples, .. } if samples.hashes.contains(&HASH) && samples.total >= 1)
    });
    assert!(sampled);
}

#[test]
fn the_port_is_the_one_that_is_told_or_the_one_that_is_seen() {
    let mut network = Network::grown(24, 40);
    network
        .complete(1, Operation::Announce { info_hash: HASH, port: 1000, implied_port: false, seed: false });
    network.complete(2, Operation::Announce { info_hash: HASH, port: 1000, implied_port: true, seed: false });
    network.complete(3, Operation::Peers { info_hash: HASH, no_seed: false });
    let mut found = peers(&network, 3);
    found.sort_unstable();
    let one = SocketAddr::new(Network::address(1).ip(), 1000);
    assert_eq!(found, [one, Network::address(2)], "and each is told once");
}

#[test]
fn two_nodes_are_a_network() {
    let mut network = Network::new(28);
    let first = network.join_at(Network::address(0), &[], NodeConfig::default());
    let second = network.join_at(Network::address(1), &[0], NodeConfig::default());
    network.run(Duration::from_secs(20));
    network
        .complete(first, Operation::Announce { info_hash: HASH, port: 5, implied_port: false, seed: false });
    network.complete(second, Operation::Peers { info_hash: HASH, no_seed: false });
    assert_eq!(
        peers(&network, second),
        [SocketAddr::new(Network::address(0).ip(), 5)],
        "it is in our own store"
    );
    let item = Item::immutable(Bytes::from_static(b"2:hi")).unwrap();
    network.complete(first, Operation::Put { item: item.clone(), cas: None });
    network.complete(second, Operation::Get { target: item.target(), salt: vec![], newer_than: None });
    assert_eq!(items(&network, second), [item]);
}

#[test]
fn twenty_nodes_of_a_private_network_find_each_other_whoever_they_came_by() {
    // All behind one address, as in a test on one machine; and all in one /24, as at home.
    for address in [
        (|number: u8| SocketAddr::from(([127, 0, 0, 1], 7000 + u16::from(number)))) as fn(u8) -> SocketAddr,
        |number| SocketAddr::from(([10, 0, 0, number + 1], 6881)),
    ] {
        let mut network = Network::new(25);
        for number in 0..20 {
            let entrance = if number == 0 { vec![] } else { vec![0] };
            network.join_at(address(number), &entrance, NodeConfig::default());
            network.run(Duration::from_secs(1));
        }
        network.run(Duration::from_secs(60));
        // The bootstrap node goes, and somebody comes who knows any one other.
        network.leave(0);
        let newcomer = network.join_at(address(20), &[7], NodeConfig::default());
        network.run(Duration::from_secs(10));
        network.complete(
            newcomer,
            Operation::Announce { info_hash: HASH, port: 5, implied_port: false, seed: false },
        );
        for host in 1..20 {
            network.complete(host, Operation::Peers { info_hash: HASH, no_seed: false });
            assert_eq!(peers(&network, host).len(), 1, "host {host}");
        }
    }
}

#[test]
fn the_network_of_ipv6_is_one_as_well() {
    let mut network = Network::new(26);
    for number in 0..60_u16 {
        let address = SocketAddr::from(([0x2001, 0xdb8, number, 0, 0, 0, 0, 1], 6881));
        let entrance = network.some_honest();
        network.join_at(address, entrance.as_slice(), NodeConfig::default());
        network.run(Duration::from_millis(200));
    }
    network.run(Duration::from_secs(120));
    assert!(network.node(30).is_ready(Family::V6));
    network.complete(5, Operation::Announce { info_hash: HASH, port: 5, implied_port: false, seed: false });
    network.complete(55, Operation::Peers { info_hash: HASH, no_seed: false });
    assert_eq!(peers(&network, 55), ["[2001:db8:5::1]:5".parse().unwrap()]);
}

#[test]
fn nodes_that_only_read_find_what_others_have() {
    let mut network = Network::grown(27, 100);
    network.complete(1, Operation::Announce { info_hash: HASH, port: 5, implied_port: false, seed: false });
    let config = NodeConfig { read_only: true, ..NodeConfig::default() };
    let reader = network.join_at(Network::address(100), &[3], config);
    network.complete(reader, Operation::Peers { info_hash: HASH, no_seed: false });
    assert_eq!(peers(&network, reader).len(), 1);
    let before = network.hosts[reader].sent + network.hosts[reader].received;
    network.run(Duration::from_secs(3600));
    let day = (network.hosts[reader].sent + network.hosts[reader].received - before) * 24;
    println!("a reader's day: {day} bytes");
    assert!(day <= 3_000_000, "{day}");
    let reader_id = network.node(reader).id(Family::V4).unwrap();
    for host in 0..100 {
        let known = network.node(host).closest_known(network.now, Family::V4, reader_id, 100);
        assert!(
            known.iter().all(|contact| contact.id != reader_id),
            "host {host} has the reader in its table"
        );
    }
}
