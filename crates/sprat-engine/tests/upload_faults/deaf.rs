//! Peers that ask and do not read.

use sprat_wire::metainfo::Version;

use super::node::Node;
use super::peer::{EAGER, Manner, NARROW, OLD, Peer};
use super::sample::Sample;

/// What may be on its way to a peer that does not read: half a MiB that waits or is being read from disk, the read that
/// goes beyond, and what the kernel takes for it.
const ON_ITS_WAY: u64 = (512 + 256 + 384) * 1024;

#[tokio::test]
async fn for_peers_that_do_not_read_little_is_kept_and_others_are_served_meanwhile() {
    let sample = Sample::new(Version::V1, 256 * 1024, &[6 * 1024 * 1024, 1_000_001]);
    let node = Node::start(&sample, sample.directory("shared")).await;
    let requests = sample.all_blocks();
    assert!(requests.len() < 512, "all of them may wait");
    let mut deaf = Vec::new();
    for number in 0..12 {
        let manner = Manner { fast: number % 3 != 0, ..NARROW };
        let mut peer = Peer::leech(&node, &sample, manner).await;
        peer.ask(&requests).await;
        node.until_connection(peer.address, |connection| connection.uploaded >= 512 * 1024).await;
        deaf.push(peer);
    }
    for manner in [EAGER, OLD, NARROW] {
        let mut peer = Peer::leech(&node, &sample, manner).await;
        peer.gets_everything(&sample).await;
    }
    for peer in &deaf {
        let uploaded = node.uploaded_to(peer.address).await;
        assert!(uploaded <= ON_ITS_WAY, "{uploaded} bytes for somebody who does not read");
    }
    // Half of them leave, the others were only late.
    for mut peer in deaf.split_off(6) {
        let refused = peer.takes(&requests, |request, block| sample.block(request) == block).await;
        assert_eq!(refused, []);
    }
    drop(deaf);
    let mut peer = Peer::leech(&node, &sample, EAGER).await;
    peer.gets_everything(&sample).await;
}
