//! Requests that are taken back, refused, or impossible, while an upload is running.

use sprat_core::io::DisconnectReason;
use sprat_wire::metainfo::Version;
use sprat_wire::peer::message::{BlockRequest, Message};

use super::node::Node;
use super::peer::{Answer, EAGER, Manner, NARROW, OLD, Peer};
use super::sample::Sample;

/// 8 MiB in pieces of 64 KiB: far more than is on its way to one peer.
fn sample() -> Sample {
    Sample::new(Version::V1, 64 * 1024, &[8 * 1024 * 1024])
}

/// A peer that does not read, so that most of what it asks for waits.
async fn stalled(node: &Node, sample: &Sample, manner: Manner, requests: &[BlockRequest]) -> Peer {
    let mut peer = Peer::leech(node, sample, manner).await;
    peer.ask(requests).await;
    node.until_connection(peer.address, |connection| connection.uploaded >= 512 * 1024).await;
    peer
}

#[tokio::test]
async fn what_is_cancelled_is_refused_and_all_else_arrives() {
    let sample = sample();
    let node = Node::start(&sample, sample.directory("shared")).await;
    let requests = &sample.all_blocks()[..500];
    let mut peer = stalled(&node, &sample, NARROW, requests).await;
    let (cancelled, kept): (Vec<_>, Vec<_>) =
        requests[200..].iter().copied().partition(|request| request.begin != 0);
    let mut cancels: Vec<Message> = cancelled.iter().map(|request| Message::Cancel(*request)).collect();
    // What nobody has asked for, or has been sent already, or is no block at all, cannot be cancelled and does no harm.
    for odd in [requests[0], BlockRequest { piece: 0, begin: 1, length: 2 }] {
        cancels.push(Message::Cancel(odd));
    }
    cancels.push(Message::Cancel(BlockRequest { piece: u32::MAX, begin: u32::MAX, length: u32::MAX }));
    peer.say_all(&cancels).await;
    peer.is_heard(&node).await;
    let refused = peer.takes(requests, |request, block| sample.block(request) == block).await;
    assert_eq!(refused, cancelled);
    assert!(!kept.is_empty());
    peer.gets_everything(&sample).await;
}

#[tokio::test]
async fn a_choke_takes_back_what_waits_and_says_so() {
    let sample = sample();
    let node = Node::start(&sample, sample.directory("shared")).await;
    let requests = &sample.all_blocks()[..500];
    for manner in [NARROW, Manner { receive_buffer: NARROW.receive_buffer, ..OLD }] {
        let mut peer = stalled(&node, &sample, manner, requests).await;
        // Who wants nothing is choked at once.
        peer.say(&Message::NotInterested).await;
        node.until_connection(peer.address, |connection| connection.choking).await;
        let mut answered = Vec::new();
        let mut blocks = 0;
        loop {
            match peer.answer().await.expect("it stays connected") {
                Answer::Block(request, block) => {
                    assert!(sample.block(&request) == block);
                    answered.push(request);
                    blocks += 1;
                }
                Answer::Refused(request) => answered.push(request),
                Answer::Choked => break,
                Answer::Unchoked => panic!("it was not choked"),
            }
        }
        assert!((32..200).contains(&blocks), "{blocks} blocks were on their way");
        if manner.fast {
            let rest: Vec<_> = requests.iter().filter(|one| !answered.contains(one)).copied().collect();
            let refused = peer.takes(&rest, |_, _| false).await;
            assert_eq!(refused.len(), requests.len() - blocks);
        }
        peer.say(&Message::Interested).await;
        assert_eq!(peer.answer().await, Some(Answer::Unchoked));
        peer.gets_everything(&sample).await;
    }
}

#[tokio::test]
async fn an_impossible_request_ends_the_connection_and_no_other_upload() {
    let sample = sample();
    let mut node = Node::start(&sample, sample.directory("shared")).await;
    let requests = &sample.all_blocks()[..500];
    let mut bystander = stalled(&node, &sample, NARROW, requests).await;
    let (pieces, length) = (sample.pieces().end, 64 * 1024);
    let impossible = [
        (pieces, 0, 16_384),
        (u32::MAX, 0, 16_384),
        (0, length, 1),
        (0, length - 1, 2),
        (0, u32::MAX, u32::MAX),
        (0, u32::MAX, 1),
        (0, 0, 0),
        (0, 0, length + 1),
        (0, 0, u32::MAX),
    ];
    for (piece, begin, length) in impossible {
        for manner in [NARROW, OLD] {
            let mut peer = stalled(&node, &sample, manner, requests).await;
            peer.ask(&[BlockRequest { piece, begin, length }]).await;
            let reason = node.farewell(peer.address).await;
            let misbehaved = matches!(reason, DisconnectReason::Misbehaved(_));
            assert!(misbehaved, "{piece} {begin} {length}: {reason:?}");
            peer.is_cut_off().await;
        }
    }
    let refused = bystander.takes(requests, |request, block| sample.block(request) == block).await;
    assert_eq!(refused, []);
}

#[tokio::test]
async fn what_we_do_not_have_is_refused_between_what_we_have() {
    let sample = sample();
    let path = sample.path(0);
    // The second half is missing from the beginning, and half a block.
    let has = 64 * sample.pieces().end / 128;
    let cut = u64::from(has) * 64 * 1024 + 8192;
    std::fs::File::options().write(true).open(path).unwrap().set_len(cut).unwrap();
    let node = Node::start(&sample, sample.directory("shared")).await;
    assert_eq!(node.have().await, (0..has).collect::<Vec<_>>());
    let blocks = sample.all_blocks();
    let (had, missing) = blocks.split_at(blocks.len() / 2);
    let mixed: Vec<BlockRequest> =
        had[..200].iter().zip(&missing[..200]).flat_map(|(one, other)| [*one, *other]).collect();

    let mut peer = Peer::leech(&node, &sample, NARROW).await;
    peer.ask(&mixed).await;
    let refused = peer.takes(&mixed, |request, block| sample.block(request) == block).await;
    assert_eq!(refused, missing[..200]);

    // One that cannot be told gets what there is, and waits for the rest.
    let mut peer = Peer::leech(&node, &sample, OLD).await;
    peer.ask(&mixed).await;
    peer.takes(&had[..200], |request, block| sample.block(request) == block).await;
    peer.ask(&had[200..201]).await;
    peer.takes(&had[200..201], |request, block| sample.block(request) == block).await;

    let mut peer = Peer::leech(&node, &sample, EAGER).await;
    peer.ask(&missing[..1]).await;
    assert_eq!(peer.answer().await, Some(Answer::Refused(missing[0])));
}
