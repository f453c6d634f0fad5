//! Connections that end in the middle of a block.

use sprat_core::io::Event;
use sprat_wire::metainfo::Version;
use sprat_wire::peer::message::{BlockRequest, Message, PIECE_HEADER_LENGTH};

use super::node::Node;
use super::peer::{EAGER, Manner, Peer};
use super::sample::Sample;

const BLOCK: usize = 16 * 1024;

/// Where a block's message is cut: in its length, its header, its data, before its last byte and after it.
const CUTS: [usize; 11] = [
    0,
    1,
    4,
    5,
    12,
    PIECE_HEADER_LENGTH,
    PIECE_HEADER_LENGTH + 1,
    4096,
    BLOCK,
    PIECE_HEADER_LENGTH + BLOCK - 1,
    PIECE_HEADER_LENGTH + BLOCK,
];

/// The message that answers a request.
fn answer(request: BlockRequest, data: &[u8]) -> Vec<u8> {
    let BlockRequest { piece, begin, length } = request;
    let head = [9 + length, 0, piece, begin].map(u32::to_be_bytes);
    // The id is one byte.
    [&head[0][..], &[7], &head[2], &head[3], data].concat()
}

#[tokio::test]
async fn who_hangs_up_in_the_middle_of_a_block_harms_nobody() {
    let sample = Sample::new(Version::V1, 256 * 1024, &[3 * 1024 * 1024 + 4321]);
    let mut node = Node::start(&sample, sample.directory("shared")).await;
    let requests = sample.all_blocks();
    let mut faithful = Peer::leech(&node, &sample, Manner { receive_buffer: Some(4096), ..EAGER }).await;
    faithful.ask(&requests).await;
    for cut in CUTS {
        for rudely in [true, false] {
            let mut peer = Peer::leech(&node, &sample, EAGER).await;
            peer.ask(&requests).await;
            // A few whole blocks, and a part of the next.
            peer.swallow(3 * (PIECE_HEADER_LENGTH + BLOCK) + cut).await;
            let address = peer.address;
            peer.hang_up(rudely).await;
            node.farewell(address).await;
            assert!(node.connection(address).await.is_none());
        }
    }
    let refused = faithful.takes(&requests, |request, block| sample.block(request) == block).await;
    assert_eq!(refused, []);
    Peer::leech(&node, &sample, EAGER).await.gets_everything(&sample).await;
}

#[tokio::test]
async fn a_block_that_was_cut_off_comes_from_somebody_else() {
    let sample = Sample::new(Version::V1, 64 * 1024, &[3 * 1024 * 1024 + 4321, 1, 70_001]);
    let copy = sample.directory("copy");
    let mut leecher = Node::start(&sample, copy.clone()).await;
    let mut given = 0;
    for cut in CUTS {
        for rudely in [true, false] {
            let mut peer = Peer::join(&leecher, &sample.metainfo, EAGER).await;
            peer.say_all(&[Message::HaveAll, Message::Unchoke]).await;
            // Two blocks as they should be; of the third all but the part that is missing is wrong, unless none is.
            let mut good = 2;
            loop {
                let Some(Message::Request(request)) = peer.hear().await else { continue };
                let whole = answer(request, sample.block(&request));
                if good > 0 {
                    peer.send(&whole).await;
                    good -= 1;
                    continue;
                }
                let wrong: Vec<u8> = sample.block(&request).iter().map(|byte| !byte).collect();
                let message = if cut < whole.len() { answer(request, &wrong) } else { whole };
                peer.send(&message[..cut.min(message.len())]).await;
                break;
            }
            let address = peer.address;
            // With a reset, part of what was sent may be lost as well: it is a cut somewhere else.
            peer.hang_up(rudely).await;
            leecher.farewell(address).await;
            given += 3;
        }
    }
    assert!(given < sample.all_blocks().len(), "something is left");
    let seeder = Node::start(&sample, sample.directory("shared")).await;
    leecher.introduce(seeder.address()).await;
    leecher
        .wait_for("the end of the transfer", |event| match event {
            Event::Finished { .. } => Some(()),
            _ => None,
        })
        .await;
    assert_eq!(leecher.look(|torrent, now| torrent.status(now).totals.rejected_pieces).await, 0);
    sample.assert_complete(&copy);
}
