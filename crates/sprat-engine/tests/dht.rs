//! DHT nodes on real sockets.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where its set-up does")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sprat_dht::io::{Event, Operation, Summary};
use sprat_engine::address_policy::AddressPolicy;
use sprat_engine::dht::{Dht, DhtConfig};
use sprat_engine::udp::{UdpConfig, UdpSockets};
use sprat_wire::hash::InfoHash;

const HASH: InfoHash = InfoHash([9; 20]);

fn config(entrance: Option<u16>) -> DhtConfig {
    let entrances = entrance.map(|port| format!("127.0.0.1:{port}")).into_iter().collect();
    DhtConfig { entrances, ..DhtConfig::public(Arc::new(AddressPolicy::permissive())) }
}

fn at(addresses: &[[u8; 4]]) -> UdpSockets {
    let addresses = addresses.iter().map(|ip| IpAddr::V4(Ipv4Addr::from(*ip))).collect();
    UdpSockets::bind(&UdpConfig { addresses, port: 0 }).unwrap()
}

/// Does something and returns the peers that were told, and how it went.
async fn complete(dht: &Dht, operation: Operation) -> (Vec<SocketAddr>, Summary) {
    let mut events = dht.run(operation).await.unwrap();
    let mut found = Vec::new();
    let all = async {
        loop {
            match events.recv().await.expect("an end") {
                Event::Peers { peers, .. } => found.extend(peers),
                Event::Finished { summary, .. } => return summary,
                _ => {}
            }
        }
    };
    let summary = tokio::time::timeout(Duration::from_secs(30), all).await.expect("an end in time");
    found.sort_unstable();
    (found, summary)
}

#[tokio::test]
async fn a_host_with_two_addresses_is_two_nodes_and_is_announced_by_both() {
    let first = Dht::start(&config(None), &at(&[[127, 0, 0, 1]])).unwrap();
    let two = Dht::start(&config(Some(first.port())), &at(&[[127, 0, 0, 2], [127, 0, 0, 3]])).unwrap();
    let announce = Operation::Announce { info_hash: HASH, port: 7000, implied_port: false, seed: false };
    let (_, summary) = complete(&two, announce).await;
    assert!(summary.stored >= 2, "{summary:?}");
    assert_eq!(two.statistics().await.unwrap().len(), 2);
    assert!(two.knows_somebody().await.unwrap());
    let (found, _) = complete(&first, Operation::Peers { info_hash: HASH, no_seed: false }).await;
    let expected = [[127, 0, 0, 2], [127, 0, 0, 3]].map(|ip| SocketAddr::from((ip, 7000)));
    assert_eq!(found, expected);
}
