//! Files that are cut, removed or replaced while they are served. Not here: files of the same length with other bytes, which
//! nothing but hashing would show.

use std::fs;
use std::ops::Range;
use std::path::Path;

use sprat_engine::storage::StorageConfig;
use sprat_wire::metainfo::Version;
use sprat_wire::peer::message::{BlockRequest, Message};

use super::node::Node;
use super::peer::{EAGER, NARROW, OLD, Peer};
use super::sample::Sample;

fn cut(path: &Path, length: usize) {
    fs::File::options().write(true).open(path).unwrap().set_len(length as u64).unwrap();
}

/// All pieces but these.
fn without(sample: &Sample, lost: &Range<u32>) -> Vec<u32> {
    sample.pieces().filter(|piece| !lost.contains(piece)).collect()
}

/// As the first message of a peer with the fast extension says it.
fn bitfield(sample: &Sample, pieces: &[u32]) -> Message {
    let mut bits = vec![0; sample.pieces().end.div_ceil(8) as usize];
    for piece in pieces {
        bits[*piece as usize / 8] |= 0x80 >> (piece % 8);
    }
    Message::Bitfield(bits.into())
}

/// A part of a file is gone, the pieces in `lost` with it: they are neither announced nor given away any more, and all
/// others are.
async fn is_known_to_all(node: &Node, sample: &Sample, lost: Range<u32>) {
    let had = without(sample, &lost);
    node.until_it_has(&had).await;
    let mut newcomer = Peer::join(node, &sample.metainfo, EAGER).await;
    assert_eq!(newcomer.hear().await, Some(bitfield(sample, &had)));
    for manner in [EAGER, NARROW] {
        let mut peer = Peer::leech(node, sample, manner).await;
        let all = sample.all_blocks();
        for requests in all.chunks(500) {
            peer.ask(requests).await;
            let refused = peer.takes(requests, |request, block| sample.block(request) == block).await;
            assert!(refused.iter().all(|request| lost.contains(&request.piece)));
            let due = requests.iter().filter(|request| lost.contains(&request.piece)).count();
            assert_eq!(refused.len(), due);
        }
    }
    // Who cannot be told gets no answer, and what else it asks for.
    let mut old = Peer::leech(node, sample, OLD).await;
    let good = sample.blocks(had[0]..had[0] + 1)[0];
    old.ask(&[sample.blocks(lost)[0], good]).await;
    assert_eq!(old.takes(&[good], |request, block| sample.block(request) == block).await, []);
}

#[tokio::test]
async fn of_a_file_that_is_cut_while_it_is_served_the_right_bytes_arrive_or_none() {
    // In the middle of a block, far from what is read already; and all of it, with what was read.
    for length in [3 * 1024 * 1024 + 20_000, 0] {
        let sample = Sample::new(Version::V1, 64 * 1024, &[1000, 4 * 1024 * 1024 + 77, 700_001, 333]);
        let node = Node::start(&sample, sample.directory("shared")).await;
        let file = sample.place_of_file(1);
        let gone = file.start + length..file.end;
        let touches = |request: &BlockRequest| {
            let place = sample.place(request);
            place.start < gone.end && gone.start < place.end
        };
        let requests = sample.blocks(sample.pieces_of(file));
        let mut peer = Peer::leech(&node, &sample, NARROW).await;
        peer.ask(&requests).await;
        node.until_connection(peer.address, |connection| connection.uploaded >= 512 * 1024).await;
        cut(&sample.path(1), length);
        let is_good = |request: &BlockRequest, block: &[u8]| sample.block(request) == block;
        // What was read before may still come.
        let refused = peer.takes(&requests, is_good).await;
        assert!(refused.contains(requests.last().unwrap()));
        peer.ask(&requests).await;
        let refused =
            peer.takes(&requests, |request, block| !touches(request) && is_good(request, block)).await;
        assert!(requests.iter().filter(|request| touches(request)).all(|request| refused.contains(request)));
        is_known_to_all(&node, &sample, sample.pieces_of(gone)).await;
    }
}

/// Eight files, of which at most four are open.
async fn few_open_files() -> (Sample, Node) {
    let sample = Sample::new(Version::V1, 64 * 1024, &[600_011; 8]);
    let storage = StorageConfig { workers: 1, open_files: 0, ..StorageConfig::default() };
    let node = Node::with(&sample, sample.directory("shared"), storage).await;
    (sample, node)
}

/// The file is closed, as others are read.
async fn is_closed(peer: &mut Peer, sample: &Sample, pieces: &Range<u32>) {
    let others: Vec<BlockRequest> =
        sample.all_blocks().into_iter().filter(|request| !pieces.contains(&request.piece)).collect();
    peer.ask(&others).await;
    assert_eq!(peer.takes(&others, |request, block| sample.block(request) == block).await, []);
}

#[tokio::test]
async fn of_a_file_that_is_removed_while_it_is_served_the_right_bytes_arrive_or_none() {
    let (sample, node) = few_open_files().await;
    let lost = sample.pieces_of(sample.place_of_file(2));
    let requests = sample.blocks(lost.clone());
    let mut peer = Peer::leech(&node, &sample, NARROW).await;
    peer.ask(&requests).await;
    // The first blocks are on their way.
    node.until_connection(peer.address, |connection| connection.uploaded > 0).await;
    fs::remove_file(sample.path(2)).unwrap();
    // As long as it is open its bytes are there, and are the right ones.
    peer.takes(&requests, |request, block| sample.block(request) == block).await;
    is_closed(&mut peer, &sample, &lost).await;
    peer.ask(&requests).await;
    assert_eq!(peer.takes(&requests, |_, _| false).await, requests);
    is_known_to_all(&node, &sample, lost).await;
}

#[tokio::test]
async fn a_file_that_is_replaced_by_a_shorter_one_gives_no_block_that_is_cut_or_padded() {
    for in_place in [true, false] {
        let (sample, node) = few_open_files().await;
        let file = sample.place_of_file(2);
        let (length, path) = (sample.file(2).len() - 150_000, sample.path(2));
        let other: Vec<u8> = sample.file(2)[..length].iter().map(|byte| !byte).collect();
        let gone = file.start + length..file.end;
        let pieces = sample.pieces_of(file.clone());
        let requests = sample.blocks(pieces.clone());
        let mut peer = Peer::leech(&node, &sample, NARROW).await;
        peer.gets_everything(&sample).await;
        if in_place {
            fs::write(&path, &other).unwrap();
        } else {
            let new = sample.directory("new");
            fs::write(&new, &other).unwrap();
            fs::rename(new, &path).unwrap();
            is_closed(&mut peer, &sample, &pieces).await;
        }
        let is_right_or_replaced = |request: &BlockRequest, block: &[u8]| {
            let from = sample.place(request).start;
            block.iter().zip(sample.block(request)).zip(from..).all(|((byte, right), at)| {
                let is_replaced = (file.start..gone.start).contains(&at);
                if is_replaced { *byte == !right } else { byte == right && !gone.contains(&at) }
            })
        };
        peer.ask(&requests).await;
        let refused = peer.takes(&requests, is_right_or_replaced).await;
        // What lies in front is not missed by itself, but is looked at when something is.
        let lost = pieces.clone();
        assert!(refused.iter().all(|request| lost.contains(&request.piece)));
        assert!(
            requests.iter().all(|one| sample.place(one).end <= file.start + length || refused.contains(one))
        );
        node.until_it_has(&without(&sample, &lost)).await;
        is_closed(&mut peer, &sample, &pieces).await;
    }
}

/// Gives whatever is asked for, until the client has everything and hangs up.
async fn seed(node: &Node, sample: &Sample) {
    let mut peer = Peer::join(node, &sample.metainfo, EAGER).await;
    peer.say_all(&[Message::HaveAll, Message::Unchoke]).await;
    while let Some(heard) = peer.hear().await {
        let Message::Request(request) = heard else { continue };
        let BlockRequest { piece, begin, .. } = request;
        let block = sample.block(&request).to_vec().into();
        if !peer.offer(&Message::Piece { piece, begin, block }).await {
            break;
        }
    }
}

#[tokio::test]
async fn what_is_fetched_again_leaves_no_hole_in_front_of_it() {
    for length in [100_000, 0] {
        let sample = Sample::new(Version::V1, 64 * 1024, &[1000, 3 * 1024 * 1024 + 77, 200_001]);
        let node = Node::start(&sample, sample.directory("shared")).await;
        let mut peer = Peer::leech(&node, &sample, EAGER).await;
        cut(&sample.path(1), length);
        if length == 0 {
            fs::remove_file(sample.path(1)).unwrap();
        }
        // The last of it is missed first. When it is written again, what lies in front of it is read as zeros.
        let file = sample.place_of_file(1);
        let lost = sample.pieces_of(file.start + length..file.end);
        let last = sample.blocks(lost.end - 2..lost.end - 1);
        peer.ask(&last).await;
        assert_eq!(peer.takes(&last, |_, _| false).await, last);
        node.until_it_has(&without(&sample, &lost)).await;
        let serve = async {
            loop {
                let requests = sample.all_blocks();
                peer.ask(&requests).await;
                let refused = peer.takes(&requests, |request, block| sample.block(request) == block).await;
                if refused.is_empty() {
                    break;
                }
            }
        };
        tokio::join!(serve, seed(&node, &sample));
        sample.assert_complete(&sample.directory("shared"));
    }
}

#[tokio::test]
async fn who_cannot_be_told_what_is_gone_gets_what_there_is_behind_it() {
    let sample = Sample::new(Version::V1, 64 * 1024, &[1024 * 1024, 4 * 1024 * 1024, 1024 * 1024]);
    let node = Node::start(&sample, sample.directory("shared")).await;
    let mut peer = Peer::leech(&node, &sample, OLD).await;
    cut(&sample.path(1), 0);
    // More is gone than is read at a time.
    let gone = sample.blocks(sample.pieces_of(sample.place_of_file(1)));
    let there = sample.blocks(sample.pieces_of(sample.place_of_file(2)));
    peer.ask(&[gone, there.clone()].concat()).await;
    assert_eq!(peer.takes(&there, |request, block| sample.block(request) == block).await, []);
}
