//! What a caller can want of a network, each thing once from end to end.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sprat_dht::NodeConfig;
use sprat_dht::io::{Event, Operation, Summary};
use sprat_dht::item::{Item, mutable_target, public_key};
use sprat_sim::dht::{HostNumber, Network};
use sprat_wire::compact::Family;
use sprat_wire::hash::{InfoHash, NodeId};

const SEED: [u8; 32] = [3; 32];
const HASH: InfoHash = InfoHash([9; 20]);

fn version(seq: i64, text: &str) -> Item {
    Item::signed(&SEED, Bytes::from_static(b"salt"), seq, format!("{}:{text}", text.len()).into()).unwrap()
}

fn get(target: NodeId, newer_than: Option<i64>) -> Operation {
    Operation::Get { target, salt: b"salt".to_vec(), newer_than }
}

fn complete(network: &mut Network, host: u32, operation: Operation) -> Summary {
    network.complete(HostNumber(host), operation).unwrap()
}

/// The items that a host was told of.
fn items(network: &Network, host: u32) -> Vec<Item> {
    let items = network.told(HostNumber(host)).iter().filter_map(|(_, event)| match event {
        Event::Item { item, .. } => Some(item.clone()),
        _ => None,
    });
    items.collect()
}

fn peers(network: &Network, host: u32) -> Vec<SocketAddr> {
    let peers = network.told(HostNumber(host)).iter().filter_map(|(_, event)| match event {
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
        let summary = complete(&mut network, 17, Operation::Put { item: item.clone(), cas: None });
        assert!(summary.stored >= 10, "{summary:?}");
        assert_eq!(summary.refused, []);
        puts.push(summary.took);
    }
    let mut gets = Vec::new();
    for host in (20..200).step_by(9) {
        let summary = complete(
            &mut network,
            host,
            Operation::Get { target: item.target(), salt: vec![], newer_than: None },
        );
        assert_eq!(items(&network, host), std::slice::from_ref(&item));
        gets.push(summary.took);
    }
    puts.sort_unstable();
    gets.sort_unstable();
    println!("put p50 {:?}, get p50 {:?}, longest {:?}", puts[2], gets[10], gets.last());
    assert!(puts[2] <= Duration::from_secs(2), "{puts:?}");
}

#[test]
fn of_a_mutable_item_the_newest_version_is_found_and_an_older_one_refused() {
    let mut network = Network::grown(22, 200);
    let target = mutable_target(&public_key(&SEED), b"salt");
    let first = complete(&mut network, 1, Operation::Put { item: version(1, "one"), cas: None });
    assert!(first.stored >= 10, "{first:?}");
    let second = complete(&mut network, 2, Operation::Put { item: version(2, "two"), cas: Some(1) });
    assert!(second.stored >= 10, "{second:?}");
    assert_eq!(items(&network, 2), [version(1, "one")], "what was there before is told");
    complete(&mut network, 3, get(target, None));
    assert_eq!(items(&network, 3).last(), Some(&version(2, "two")));
    let nothing_new = complete(&mut network, 4, get(target, Some(2)));
    assert_eq!((items(&network, 4), nothing_new.found), (vec![], 0));

    for (item, cas) in [(version(1, "one"), None), (version(3, "three"), Some(1))] {
        let summary = complete(&mut network, 5, Operation::Put { item, cas });
        assert_eq!((summary.stored, summary.conflict), (0, Some(2)), "{summary:?}");
    }
    complete(&mut network, 6, get(target, None));
    assert_eq!(items(&network, 6).last(), Some(&version(2, "two")));
}

#[test]
fn a_swarm_is_counted_and_sampled() {
    let mut network = Network::grown(23, 150);
    for host in 0..60 {
        let seed = host % 3 == 0;
        complete(
            &mut network,
            host,
            Operation::Announce { info_hash: HASH, port: 1000, implied_port: false, seed },
        );
    }
    let summary = complete(&mut network, 100, Operation::Scrape { info_hash: HASH });
    let scrape = summary.scrape.unwrap();
    assert!((scrape.seeds - 20.0).abs() <= 2.0 && (scrape.peers - 40.0).abs() <= 3.0, "{scrape:?}");
    assert!(peers(&network, 100).len() >= 50, "{}", peers(&network, 100).len());

    complete(&mut network, 101, Operation::Sample { target: NodeId(HASH.0) });
    let sampled = network.told(HostNumber(101)).iter().any(|(_, event)| {
        matches!(event, Event::Samples { samples, .. } if samples.hashes.contains(&HASH) && samples.total >= 1)
    });
    assert!(sampled);
}

#[test]
fn the_port_is_the_one_that_is_told_or_the_one_that_is_seen() {
    let mut network = Network::grown(24, 40);
    complete(
        &mut network,
        1,
        Operation::Announce { info_hash: HASH, port: 1000, implied_port: false, seed: false },
    );
    complete(
        &mut network,
        2,
        Operation::Announce { info_hash: HASH, port: 1000, implied_port: true, seed: false },
    );
    complete(&mut network, 3, Operation::Peers { info_hash: HASH, no_seed: false });
    let mut found = peers(&network, 3);
    found.sort_unstable();
    let one = SocketAddr::new(HostNumber(1).address().ip(), 1000);
    assert_eq!(found, [one, HostNumber(2).address()], "and each is told once");
}

#[test]
fn two_nodes_are_a_network() {
    let mut network = Network::new(28);
    let HostNumber(first) = network.join_at(HostNumber(0).address(), &[], NodeConfig::default());
    let HostNumber(second) =
        network.join_at(HostNumber(1).address(), &[HostNumber(0)], NodeConfig::default());
    network.run(Duration::from_secs(20));
    complete(
        &mut network,
        first,
        Operation::Announce { info_hash: HASH, port: 5, implied_port: false, seed: false },
    );
    complete(&mut network, second, Operation::Peers { info_hash: HASH, no_seed: false });
    assert_eq!(
        peers(&network, second),
        [SocketAddr::new(HostNumber(0).address().ip(), 5)],
        "it is in our own store"
    );
    let item = Item::immutable(Bytes::from_static(b"2:hi")).unwrap();
    complete(&mut network, first, Operation::Put { item: item.clone(), cas: None });
    complete(&mut network, second, Operation::Get { target: item.target(), salt: vec![], newer_than: None });
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
            let entrance = if number == 0 { vec![] } else { vec![HostNumber(0)] };
            network.join_at(address(number), &entrance, NodeConfig::default());
            network.run(Duration::from_secs(1));
        }
        network.run(Duration::from_secs(60));
        // The bootstrap node goes, and somebody comes who knows any one other.
        network.leave(HostNumber(0));
        let HostNumber(newcomer) = network.join_at(address(20), &[HostNumber(7)], NodeConfig::default());
        network.run(Duration::from_secs(10));
        complete(
            &mut network,
            newcomer,
            Operation::Announce { info_hash: HASH, port: 5, implied_port: false, seed: false },
        );
        for host in 1..20 {
            complete(&mut network, host, Operation::Peers { info_hash: HASH, no_seed: false });
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
    assert!(network.node(HostNumber(30)).unwrap().is_ready(Family::V6));
    complete(
        &mut network,
        5,
        Operation::Announce { info_hash: HASH, port: 5, implied_port: false, seed: false },
    );
    complete(&mut network, 55, Operation::Peers { info_hash: HASH, no_seed: false });
    assert_eq!(peers(&network, 55), ["[2001:db8:5::1]:5".parse().unwrap()]);
}

#[test]
fn nodes_that_only_read_find_what_others_have() {
    let mut network = Network::grown(27, 100);
    complete(
        &mut network,
        1,
        Operation::Announce { info_hash: HASH, port: 5, implied_port: false, seed: false },
    );
    let config = NodeConfig { read_only: true, ..NodeConfig::default() };
    let HostNumber(reader) = network.join_at(HostNumber(100).address(), &[HostNumber(3)], config);
    complete(&mut network, reader, Operation::Peers { info_hash: HASH, no_seed: false });
    assert_eq!(peers(&network, reader).len(), 1);
    let bytes = |network: &Network| {
        let traffic = network.traffic(HostNumber(reader));
        traffic.sent + traffic.received
    };
    let before = bytes(&network);
    network.run(Duration::from_secs(3600));
    let day = (bytes(&network) - before) * 24;
    println!("a reader's day: {day} bytes");
    assert!(day <= 3_000_000, "{day}");
    let reader_id = network.node(HostNumber(reader)).unwrap().id(Family::V4).unwrap();
    for host in 0..100 {
        let known =
            network.node(HostNumber(host)).unwrap().closest_known(network.now(), Family::V4, reader_id, 100);
        assert!(
            known.iter().all(|contact| contact.id != reader_id),
            "host {host} has the reader in its table"
        );
    }
}
