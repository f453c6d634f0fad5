//! Peers that take what they asked for in small and odd portions, so that hardly any write takes all it is given.

use sprat_wire::metainfo::Version;
use sprat_wire::peer::message::BlockRequest;
use tokio::task::JoinSet;

use super::node::Node;
use super::peer::{EAGER, Manner, OLD, Peer};
use super::sample::Sample;

const fn narrow(receive_buffer: u32, bites: &'static [usize]) -> Manner {
    Manner { fast: true, receive_buffer: Some(receive_buffer), bites }
}

/// Odd portions through windows of odd sizes.
const MANNERS: [Manner; 5] = [
    narrow(2304, &[1, 7, 4099]),
    narrow(4096, &[16_384 + 13, 1]),
    narrow(9001, &[509]),
    narrow(65_536, &[12, 16_385, 1, 1, 1, 70_001]),
    Manner { fast: false, ..narrow(4096, &[4099, 13, 16_381]) },
];

/// All of them at once.
async fn all_get_everything(sample: Sample) {
    let node = Node::start(&sample, sample.directory("shared")).await;
    let sample = std::sync::Arc::new(sample);
    let mut peers = JoinSet::new();
    for manner in MANNERS {
        let mut peer = Peer::leech(&node, &sample, manner).await;
        let sample = std::sync::Arc::clone(&sample);
        peers.spawn(async move { peer.gets_everything(&sample).await });
    }
    while let Some(end) = peers.join_next().await {
        end.unwrap();
    }
}

#[tokio::test]
async fn a_large_file_arrives_whole_in_whatever_portions_it_is_taken() {
    all_get_everything(Sample::new(Version::V1, 256 * 1024, &[4 * 1024 * 1024 + 12_345])).await;
}

#[tokio::test]
async fn files_with_odd_borders_arrive_whole_in_whatever_portions_they_are_taken() {
    let odd = [1, 7, 0, 16_383, 16_384, 16_385, 33_333, 4099, 65_537, 2, 100_003, 12];
    let lengths: Vec<usize> = odd.iter().cycle().take(5 * odd.len()).copied().collect();
    for version in [Version::V1, Version::Hybrid] {
        all_get_everything(Sample::new(version, 32 * 1024, &lengths)).await;
    }
}

#[tokio::test]
async fn blocks_of_odd_lengths_and_places_arrive_as_they_were_asked_for() {
    let sample = Sample::new(Version::V1, 256 * 1024, &[300_001, 1, 1_000_003]);
    let node = Node::start(&sample, sample.directory("shared")).await;
    for manner in [EAGER, OLD, narrow(4096, &[1, 7, 4099])] {
        let mut peer = Peer::leech(&node, &sample, manner).await;
        let mut requests = Vec::new();
        for piece in 0..3 {
            let mut begin = 0;
            // The last reaches the end of the piece.
            for length in [1, 7, 4099, 16_383, 16_385, 128 * 1024, 3, 94_194] {
                requests.push(BlockRequest { piece, begin, length });
                begin += length;
            }
            requests.push(BlockRequest { piece, begin: 5, length: 100_000 });
        }
        peer.ask(&requests).await;
        let refused = peer.takes(&requests, |request, block| sample.block(request) == block).await;
        assert_eq!(refused, []);
    }
}
