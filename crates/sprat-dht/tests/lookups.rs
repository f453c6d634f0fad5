//! Whole networks of nodes: are peers found, how fast, and at which price?

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of this is a test that tells its figures, helper functions included"
)]

use std::time::Duration;

use network::{Hostile, Kind, Network, distance, quantile};
use sprat_dht::io::Operation;
use sprat_dht::saved::SavedState;
use sprat_dht::{Node, NodeConfig, node_id};
use sprat_wire::compact::Family;
use sprat_wire::hash::{InfoHash, NodeId};
use sprat_wire::krpc::{Contact, Request, Want};

mod network;

fn hash(number: u8) -> InfoHash {
    let mut hash = [number; 20];
    fastrand::Rng::with_seed(number.into()).fill(&mut hash);
    InfoHash(hash)
}

fn announce(info_hash: InfoHash) -> Operation {
    Operation::Announce { info_hash, port: 7000, implied_port: false, seed: false }
}

#[test]
fn what_one_node_announces_every_other_node_finds() {
    let mut network = Network::grown(1, 500);
    let mut stored = Vec::new();
    let mut publishing = Vec::new();
    for number in 0..20 {
        let host = network.some_honest().unwrap();
        let summary = network.complete(host, announce(hash(number)));
        stored.push(summary.stored);
        publishing.push(summary.took);
    }
    network.run(Duration::from_secs(60));
    let (mut first, mut hops, mut queries) = (Vec::new(), 0, 0);
    for round in 0..200 {
        let host = network.some_honest().unwrap();
        let since = network.now;
        let summary =
            network.complete(host, Operation::Peers { info_hash: hash(round % 20), no_seed: false });
        hops += u32::from(summary.hops);
        queries += summary.queries;
        first.push(network.first_peers(host, since).expect("found"));
    }
    let (median, tail) = (quantile(&mut first, 0.5), quantile(&mut first, 0.95));
    println!("stored {stored:?}");
    println!(
        "first peer p50 {median:?}, p95 {tail:?}; hops {}, queries {}; publishing p50 {:?}",
        f64::from(hops) / 200.0,
        f64::from(queries) / 200.0,
        quantile(&mut publishing, 0.5)
    );
    assert!(stored.iter().all(|stored| *stored >= 8), "{stored:?}");
    assert!(f64::from(hops) / 200.0 <= 500_f64.log2() / 3.0 + 1.0);
    assert!(f64::from(queries) / 200.0 <= 40.0);
    assert!(median <= Duration::from_millis(200), "{median:?}");
    assert!(tail <= Duration::from_secs(1), "{tail:?}");
}

#[test]
fn a_node_that_has_just_started_finds_its_first_peer_within_five_seconds() {
    let mut network = Network::grown(2, 300);
    let host = network.some_honest().unwrap();
    network.complete(host, announce(hash(1)));
    let mut first = Vec::new();
    for _ in 0..30 {
        let since = network.now;
        let host = network.join();
        network.complete(host, Operation::Peers { info_hash: hash(1), no_seed: false });
        first.push(network.first_peers(host, since).expect("found"));
    }
    let longest = quantile(&mut first, 1.0);
    println!("cold start to first peer: p50 {:?}, longest {longest:?}", quantile(&mut first, 0.5));
    assert!(longest <= Duration::from_secs(5), "{longest:?}");
}

#[test]
fn a_restored_node_is_back_within_one_and_a_half_seconds_without_its_entrances() {
    let mut network = Network::grown(3, 300);
    let host = network.some_honest().unwrap();
    network.complete(host, announce(hash(1)));
    let mut first = Vec::new();
    for _ in 0..20 {
        let host = network.some_honest().unwrap();
        let saved = SavedState::decode(&network.node(host).save().encode()).unwrap();
        let config = NodeConfig { v6: false, ..NodeConfig::default() };
        let node = Node::restored(config, 9, &saved);
        let since = network.now;
        network.hosts[host].events.clear();
        network.hosts[host].kind = Kind::Honest(Box::new(node));
        network.complete(host, Operation::Peers { info_hash: hash(1), no_seed: false });
        first.push(network.first_peers(host, since).expect("found"));
    }
    let longest = quantile(&mut first, 1.0);
    println!("restored to first peer: p50 {:?}, longest {longest:?}", quantile(&mut first, 0.5));
    assert!(longest <= Duration::from_millis(1500), "{longest:?}");
}

#[test]
fn lookups_survive_churn_and_loss() {
    let mut network = Network::grown(4, 300);
    network.loss = 0.03;
    let (mut found, mut tried, mut first) = (0, 0, Vec::new());
    // Median session: one hour. 300 nodes: one leaves every 17 seconds, and one comes.
    for round in 0..240_u32 {
        let leaving = network.some_honest().unwrap();
        network.leave(leaving);
        let host = network.join();
        network.run(Duration::from_secs(17));
        if round % 40 == 0 {
            network.complete(host, announce(hash((round / 40) as u8)));
        } else if round > 120 {
            let host = network.some_honest().unwrap();
            let since = network.now;
            network.complete(host, Operation::Peers { info_hash: hash((round / 40) as u8), no_seed: false });
            tried += 1;
            if let Some(time) = network.first_peers(host, since) {
                found += 1;
                first.push(time);
            }
        }
    }
    println!(
        "churn: {found} of {tried}, p50 {:?}, p95 {:?}",
        quantile(&mut first, 0.5),
        quantile(&mut first, 0.95)
    );
    assert_eq!(found, tried);
}

#[test]
fn a_hundred_hostile_nodes_closest_to_a_key_do_not_hide_it() {
    let mut network = Network::grown(5, 500);
    let (mut found, mut tried) = (0, 0);
    for round in 0..4 {
        let info_hash = hash(100 + round);
        crowd(&mut network, info_hash, 100);
        let host = network.some_honest().unwrap();
        let summary = network.complete(host, announce(info_hash));
        println!("{} stored, {} queries, {:?}", summary.stored, summary.queries, summary.took);
        for _ in 0..25 {
            let host = network.some_honest().unwrap();
            let since = network.now;
            network.complete(host, Operation::Peers { info_hash, no_seed: false });
            tried += 1;
            found += usize::from(network.first_peers(host, since).is_some());
        }
    }
    println!("{found} of {tried}");
    assert!(found * 100 >= tried * 99, "{found} of {tried}");
}

/// Hostile nodes with ids next to a key, each in a network of its own and at an address that fits its id. They tell of
/// each other to everybody, and make themselves known to those who are responsible for the key.
fn crowd(network: &mut Network, key: InfoHash, count: usize) {
    let friends: std::rc::Rc<Vec<Contact>> = std::rc::Rc::new(fitting(key, count));
    let first = network.hosts.len();
    for contact in friends.iter() {
        let hostile = Hostile { id: contact.id, friends: friends.clone(), invents: false };
        network.add(contact.address, Kind::Hostile(hostile));
    }
    let id = |network: &Network, host| network.node(host).id(Family::V4).unwrap();
    let mut closest = network.honest();
    closest.sort_by_key(|host| distance(id(network, *host), NodeId(key.0)));
    closest.truncate(40);
    for _ in 0..10 {
        for host in first..network.hosts.len() {
            for _ in 0..8 {
                let victim = closest[network.random.usize(..closest.len())];
                network.tell(
                    host,
                    victim,
                    Request::FindNode { target: NodeId(key.0), want: Want::default() },
                );
            }
        }
        network.run(Duration::from_secs(30));
    }
}

/// Ids that share some 140 bits with a key, and addresses in as many networks for which BEP 42 lets them be: it takes
/// a search of eight million, and control over much of the internet.
fn fitting(key: InfoHash, count: usize) -> Vec<Contact> {
    let mut fitting = Vec::new();
    for masked in 0..1_u32 << 20 {
        let [_, a, b, d] = masked.to_be_bytes();
        let (a, b, c) = (a >> 2, (a & 3) << 2 | b >> 6, b & 63);
        for last in 0..8 {
            let mut id = NodeId(key.0);
            id.0[19] = id.0[19] & !7 | last;
            if !node_id::is_secure(id, [40 | a, b, c, d].into()) {
                continue;
            }
            for free in 0..=255_u8 {
                let ip = [(40 + (free & 15) * 4) | a, (free & 0xf0) | b, c, d];
                id.0[18] = key.0[18] ^ u8::try_from(fitting.len()).unwrap();
                assert!(node_id::is_secure(id, ip.into()));
                fitting.push(Contact { id, address: (ip, 6881).into() });
                if fitting.len() == count {
                    return fitting;
                }
            }
        }
    }
    panic!("only {} addresses fit", fitting.len());
}

#[test]
fn a_third_of_all_nodes_in_twenty_networks_does_not_hide_what_the_others_store() {
    let mut network = Network::grown(6, 350);
    let random = |network: &mut Network| NodeId(std::array::from_fn(|_| network.random.u8(..)));
    let friends: Vec<Contact> = (0..150_u8)
        .map(|number| Contact {
            id: random(&mut network),
            address: ([50, 1, number % 20, number / 20 + 1], 6881).into(),
        })
        .collect();
    let friends = std::rc::Rc::new(friends);
    for contact in friends.iter() {
        let hostile = Hostile { id: contact.id, friends: friends.clone(), invents: true };
        let host = network.add(contact.address, Kind::Hostile(hostile));
        for _ in 0..20 {
            let victim = network.some_honest().unwrap();
            network.tell(host, victim, Request::Ping);
        }
    }
    network.run(Duration::from_secs(30 * 60));
    let (mut found, mut tried) = (0, 0);
    for round in 0..10 {
        let info_hash = hash(50 + round);
        let host = network.some_honest().unwrap();
        let summary = network.complete(host, announce(info_hash));
        println!("{} stored, {} queries, {:?}", summary.stored, summary.queries, summary.took);
        for _ in 0..10 {
            let host = network.some_honest().unwrap();
            let since = network.now;
            network.complete(host, Operation::Peers { info_hash, no_seed: false });
            tried += 1;
            found += usize::from(network.first_peers(host, since).is_some());
        }
    }
    println!("{found} of {tried}");
    assert!(found * 100 >= tried * 90, "{found} of {tried}");
}

#[test]
fn an_idle_node_needs_less_than_fifteen_megabytes_a_day() {
    let mut network = Network::grown(7, 500);
    sizes(&network);
    let before: Vec<u64> = network.hosts.iter().map(|host| host.sent + host.received).collect();
    network.run(Duration::from_secs(60 * 60));
    sizes(&network);
    let mut days: Vec<u64> = network
        .hosts
        .iter()
        .zip(before)
        .map(|(host, before)| (host.sent + host.received - before) * 24)
        .collect();
    days.sort_unstable();
    let mean = days.iter().sum::<u64>() / days.len() as u64;
    println!("a day: mean {mean}, most {:?}", days.last());
    assert!(mean <= 15_000_000, "{mean}");
}

#[test]
fn two_halves_find_each_other_again() {
    let mut network = Network::grown(8, 200);
    for host in 0..100 {
        network.partition.insert(host, 1);
    }
    network.run(Duration::from_secs(180 * 60));
    network.partition.clear();
    network.run(Duration::from_secs(60 * 60));
    let mut found = 0;
    for round in 0..20_u8 {
        let (one, other) = (usize::from(round), 199 - usize::from(round));
        network.complete(one, announce(hash(round)));
        let since = network.now;
        network.complete(other, Operation::Peers { info_hash: hash(round), no_seed: false });
        found += usize::from(network.first_peers(other, since).is_some());
    }
    assert_eq!(found, 20);
}

/// What the issue asks of ten thousand nodes, in an hour of theirs. Takes minutes of ours.
#[test]
#[ignore = "takes minutes"]
fn ten_thousand_nodes_under_churn() {
    let mut network = Network::new(9);
    for _ in 0..10_000 {
        network.join();
        network.run(Duration::from_millis(30));
    }
    network.run(Duration::from_secs(15 * 60));
    sizes(&network);
    for number in 0..20 {
        let host = network.some_honest().unwrap();
        let summary = network.complete(host, announce(hash(number)));
        println!("{} stored, {} queries, {:?}", summary.stored, summary.queries, summary.took);
    }
    let before: Vec<u64> = network.hosts.iter().map(|host| host.sent + host.received).collect();
    let (mut found, mut tried, mut hops, mut queries, mut first) = (0, 0, 0, 0, Vec::new());
    // Median session one hour: with 10,000 nodes, one leaves every half second, and one comes.
    for second in 0..1800_u32 {
        for _ in 0..2 {
            let leaving = network.some_honest().unwrap();
            network.leave(leaving);
            network.join();
            network.run(Duration::from_millis(500));
        }
        if second % 3 == 0 {
            let host = network.some_honest().unwrap();
            let since = network.now;
            let summary = network.complete(
                host,
                Operation::Peers { info_hash: hash((second / 3 % 20) as u8), no_seed: false },
            );
            tried += 1;
            hops += u32::from(summary.hops);
            queries += summary.queries;
            if let Some(time) = network.first_peers(host, since) {
                found += 1;
                first.push(time);
            }
        }
    }
    let bytes: Vec<u64> = network
        .hosts
        .iter()
        .zip(before)
        .map(|(host, before)| (host.sent + host.received - before) * 48)
        .collect();
    println!(
        "10,000: {found} of {tried}, hops {}, queries {}, first peer p50 {:?}, p95 {:?}, a day {} bytes",
        f64::from(hops) / f64::from(tried),
        f64::from(queries) / f64::from(tried),
        quantile(&mut first, 0.5),
        quantile(&mut first, 0.95),
        bytes.iter().sum::<u64>() / bytes.len() as u64,
    );
    assert!(found * 1000 >= tried * 995, "{found} of {tried}");
}

fn sizes(network: &Network) {
    let mut sizes: Vec<u32> = network
        .honest()
        .iter()
        .filter_map(|host| network.node(*host).statistics().network_size)
        .map(|s| s as u32)
        .collect();
    sizes.sort_unstable();
    println!("sizes {:?}", (0..10).map(|q| sizes[q * sizes.len() / 10]).collect::<Vec<_>>());
}
