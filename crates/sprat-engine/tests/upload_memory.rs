//! What is kept for peers that hang up or do not read does not grow. Alone in its process, because memory is counted for
//! all of it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where its set-up does"
)]
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "not everything is of use here")]
mod client_under_test;
#[path = "upload_faults/node.rs"]
#[allow(dead_code, reason = "not everything is of use here")]
mod node;
#[path = "upload_faults/peer.rs"]
#[allow(dead_code, reason = "not everything is of use here")]
mod peer;
#[path = "upload_faults/sample.rs"]
#[allow(dead_code, reason = "not everything is of use here")]
mod sample;

use sprat_wire::metainfo::Version;

use node::Node;
use peer::{EAGER, NARROW, Peer};
use sample::Sample;

const MIB: usize = 1024 * 1024;

/// Bytes of memory that the process has, in MiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

/// Asks for everything, takes a part of it up to the middle of a block, and hangs up.
async fn cut_off(node: &mut Node, sample: &Sample, number: usize) {
    let narrow = number.is_multiple_of(3);
    let mut peer = Peer::leech(node, sample, if narrow { NARROW } else { EAGER }).await;
    peer.ask(&sample.all_blocks()).await;
    // There is more on its way to who takes little.
    node.until_connection(peer.address, |connection| connection.uploaded >= MIB as u64 / 2).await;
    peer.swallow(if narrow { 1 } else { 17 + number * 4099 % MIB }).await;
    let address = peer.address;
    peer.hang_up(number.is_multiple_of(2)).await;
    node.farewell(address).await;
}

#[tokio::test]
async fn peers_that_hang_up_or_do_not_read_do_not_fill_the_memory() {
    let sample = Sample::new(Version::V1, 256 * 1024, &[6 * MIB, 1_000_001]);
    let mut node = Node::start(&sample, sample.directory("shared")).await;
    Peer::leech(&node, &sample, EAGER).await.gets_everything(&sample).await;
    for number in 0..20 {
        cut_off(&mut node, &sample, number).await;
    }

    let before = resident();
    for number in 0..200 {
        cut_off(&mut node, &sample, number).await;
    }
    let after = resident();
    assert!(after <= before + 8, "{before} MiB before 200 connections were cut, {after} MiB after");
    Peer::leech(&node, &sample, EAGER).await.gets_everything(&sample).await;

    // All of them together ask for 280 MiB.
    let before = resident();
    let mut deaf = Vec::new();
    for _ in 0..40 {
        let mut peer = Peer::leech(&node, &sample, NARROW).await;
        peer.ask(&sample.all_blocks()).await;
        node.until_connection(peer.address, |connection| connection.uploaded >= MIB as u64 / 2).await;
        deaf.push(peer);
    }
    let after = resident();
    // Half a MiB for each, one read of a quarter that may go beyond, and one of which the first bytes are sent already.
    assert!(after <= before + 40 + 8, "{before} MiB before, {after} MiB with 40 peers that do not read");
    Peer::leech(&node, &sample, EAGER).await.gets_everything(&sample).await;
    drop(deaf);
}
