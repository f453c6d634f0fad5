//! Hostile nodes around one key, and everywhere.

use std::time::Duration;

use sprat_sim::dht::{Network, besiege, infiltrate};
use sprat_wire::hash::NodeId;

use crate::{announce, hash, peers};

#[test]
fn a_hundred_hostile_nodes_closest_to_a_key_do_not_hide_it() {
    let mut network = Network::grown(5, 500);
    let (mut found, mut tried) = (0, 0);
    for round in 0..4 {
        let info_hash = hash(100 + round);
        besiege(&mut network, NodeId(info_hash.0), 100);
        let host = network.some_honest().unwrap();
        let summary = network.complete(host, announce(info_hash)).unwrap();
        println!("{} stored, {} queries, {:?}", summary.stored, summary.queries, summary.took);
        for _ in 0..25 {
            tried += 1;
            found += u32::from(finds(&mut network, info_hash));
        }
    }
    println!("{found} of {tried}");
    assert!(found * 100 >= tried * 99, "{found} of {tried}");
}

#[test]
fn a_third_of_all_nodes_in_twenty_networks_does_not_hide_what_the_others_store() {
    let mut network = Network::grown(6, 350);
    infiltrate(&mut network, 150, 20);
    network.run(Duration::from_secs(30 * 60));
    let (mut found, mut tried) = (0, 0);
    for round in 0..10 {
        let info_hash = hash(50 + round);
        let host = network.some_honest().unwrap();
        network.complete(host, announce(info_hash)).unwrap();
        for _ in 0..10 {
            tried += 1;
            found += u32::from(finds(&mut network, info_hash));
        }
    }
    println!("{found} of {tried}");
    assert!(found * 100 >= tried * 90, "{found} of {tried}");
}

fn finds(network: &mut Network, info_hash: sprat_wire::hash::InfoHash) -> bool {
    let host = network.some_honest().unwrap();
    let since = network.now();
    network.complete(host, peers(info_hash)).unwrap();
    network.first_peers(host, since).is_some()
}
