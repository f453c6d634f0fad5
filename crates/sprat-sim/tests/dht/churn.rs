//! Nodes come and go, and the network breaks in two.

use std::time::Duration;

use sprat_sim::dht::{HostNumber, Network, Survey};

use crate::{announce, hash, peers};

/// The same at the size that counts, 10,000 nodes for a day, is `cargo xtask bench dht`.
#[test]
fn searches_survive_churn_and_loss() {
    let mut network = Network::grown(4, 300);
    network.lose(0.03);
    network.churn(Duration::from_secs(3600));
    let survey =
        Survey { duration: Duration::from_secs(3 * 3600), swarms: 20, search_every: Duration::from_secs(10) };
    let findings = survey.run(&mut network);
    println!(
        "{} of {}, {} hops, first peer p50 {:?}, p95 {:?}, {} bytes a day",
        findings.found,
        findings.searches,
        findings.hops,
        findings.first_peer_within(0.5),
        findings.first_peer_within(0.95),
        findings.bytes_per_day,
    );
    assert!(findings.searches >= 1000 && findings.share_found() >= 0.995, "{findings:?}");
    assert!(findings.hops <= 300_f64.log2() / 3.0 + 1.0, "{}", findings.hops);
}

#[test]
fn the_same_seed_gives_the_same_network() {
    let run = |seed| {
        let mut network = Network::grown(seed, 60);
        network.lose(0.1);
        network.churn(Duration::from_secs(600));
        network.run(Duration::from_secs(1800));
        (network.events(), network.all_traffic(), network.honest())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn two_halves_find_each_other_again() {
    let mut network = Network::grown(8, 200);
    network.divide((0..100).map(HostNumber), 1);
    network.run(Duration::from_secs(180 * 60));
    network.divide((0..100).map(HostNumber), 0);
    network.run(Duration::from_secs(60 * 60));
    for round in 0..20_u8 {
        let (one, other) = (HostNumber(round.into()), HostNumber(199 - u32::from(round)));
        network.complete(one, announce(hash(round))).unwrap();
        let since = network.now();
        network.complete(other, peers(hash(round))).unwrap();
        assert!(network.first_peers(other, since).is_some(), "round {round}");
    }
}
