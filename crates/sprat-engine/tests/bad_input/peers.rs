//! Peers that send what they must not.

use bytes::Bytes;
use sprat_core::io::{DisconnectReason, Event};
use sprat_wire::BLOCK_LENGTH;
use sprat_wire::metainfo::Version;
use sprat_wire::peer::handshake::{Handshake, Reserved};
use sprat_wire::peer::message::{BlockRequest, HashRequest, Message};

use super::attacker::{Attacker, encode, modern};
use super::honest::Pair;

/// What becomes of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Malformed,
    Misbehaved,
    /// It is odd, but harmless.
    Stays,
}

use End::{Malformed, Misbehaved, Stays};

/// What is wrong, who says it, what it says, what becomes of it.
struct Case(&'static str, Reserved, Vec<u8>, End);

fn raw(length: u32, id: u8, payload: &[u8]) -> Vec<u8> {
    [&length.to_be_bytes(), &[id][..], payload].concat()
}

fn message(message: &Message) -> Vec<u8> {
    encode(message).to_vec()
}

fn flood(count: usize, one: &Message) -> Vec<u8> {
    encode(one).repeat(count)
}

fn block(piece: u32, begin: u32, length: u32) -> BlockRequest {
    BlockRequest { piece, begin, length }
}

/// 20 KB of lists within one another, which overflow the stack of a parser that calls itself.
fn nested_lists() -> Bytes {
    [vec![b'l'; 10_000], vec![b'e'; 10_000]].concat().into()
}

fn cases(pieces: u32) -> Vec<Case> {
    let old = Reserved::NONE;
    let new = modern();
    let bits = pieces.div_ceil(8) as usize;
    let hashes = HashRequest {
        pieces_root: sprat_wire::hash::Sha256Hash([1; 32]),
        base_layer: 0,
        index: 0,
        length: 2,
        proof_layers: 0,
    };
    let bitfield = |bytes: Vec<u8>| message(&Message::Bitfield(bytes.into()));
    let extended = |id, payload: Bytes| message(&Message::Extended { id, payload });
    let piece = |length: usize| Message::Piece { piece: 0, begin: 0, block: vec![1; length].into() };
    let cancel = Message::Cancel(block(0, 0, BLOCK_LENGTH));
    let changes = [message(&Message::Interested), message(&Message::NotInterested)].concat();
    let unknown = [raw(32 * 1024 + 1, 99, &[]), vec![0; 32 * 1024]].concat();
    vec![
        Case("a block of 4 GiB", new, raw(u32::MAX, 7, &[0; 8]), Malformed),
        Case("a bitfield of 4 GiB", new, raw(u32::MAX, 5, &[]), Malformed),
        Case("hashes of 4 GiB", new, raw(u32::MAX, 22, &[]), Malformed),
        Case("an unknown message of 4 GiB", new, raw(u32::MAX, 99, &[]), Malformed),
        Case("an extended message of 1 MiB", new, raw(1 << 20, 20, &[0]), Malformed),
        Case("a block of 17 KiB", new, raw(17 * 1024 + 9, 7, &[0; 8]), Malformed),
        Case("a choke with payload", new, raw(2, 0, &[0]), Malformed),
        Case("a have of three bytes", new, raw(4, 4, &[0; 3]), Malformed),
        Case("a have of five bytes", new, raw(6, 4, &[0; 5]), Malformed),
        Case("a request of eleven bytes", new, raw(12, 6, &[0; 11]), Malformed),
        Case("a cancel of 13 bytes", new, raw(14, 8, &[0; 13]), Malformed),
        Case("a port of three bytes", new, raw(4, 9, &[0; 3]), Malformed),
        Case("a hash request of one byte", new, raw(2, 21, &[0]), Malformed),
        Case("a bitfield that is too long", new, bitfield(vec![0; bits + 1]), Malformed),
        Case("a bitfield that is too short", new, bitfield(vec![0; bits - 1]), Malformed),
        Case("a bitfield with spare bits", new, bitfield(vec![0xff; bits]), Malformed),
        Case("nested lists as extension handshake", new, extended(0, nested_lists()), Malformed),
        Case("garbage as extension handshake", new, extended(0, Bytes::from_static(b"di0e")), Malformed),
        Case("bitfields again and again", new, bitfield(vec![0; bits]).repeat(20), Misbehaved),
        Case("a piece that is not there", new, message(&Message::Have(pieces)), Misbehaved),
        Case("a piece beyond all numbers", new, message(&Message::Have(u32::MAX)), Misbehaved),
        Case("an allowed piece that is not there", new, message(&Message::AllowedFast(pieces)), Misbehaved),
        Case(
            "a request outside the torrent",
            new,
            message(&Message::Request(block(pieces, 0, 1))),
            Misbehaved,
        ),
        Case(
            "a request outside the piece",
            new,
            message(&Message::Request(block(0, 32 * 1024, 1))),
            Misbehaved,
        ),
        Case(
            "a request that wraps around",
            new,
            message(&Message::Request(block(0, u32::MAX, u32::MAX))),
            Misbehaved,
        ),
        Case("have all without the fast extension", old, message(&Message::HaveAll), Misbehaved),
        Case("have none without the fast extension", old, message(&Message::HaveNone), Misbehaved),
        Case("a suggestion without the fast extension", old, message(&Message::SuggestPiece(0)), Misbehaved),
        Case(
            "a rejection without the fast extension",
            old,
            message(&Message::RejectRequest(block(0, 0, 1))),
            Misbehaved,
        ),
        Case("an extended message without its bit", old, extended(0, Bytes::from_static(b"de")), Misbehaved),
        Case("a hash request in a v1 torrent", new, message(&Message::HashRequest(hashes)), Misbehaved),
        Case("hashes that nobody asked for", new, message(&Message::HashReject(hashes)), Misbehaved),
        Case("a flood of blocks that nobody asked for", new, flood(3000, &piece(1)), Misbehaved),
        Case("a block that nobody asked for", new, message(&piece(BLOCK_LENGTH as usize)), Stays),
        Case("an unknown message", new, message(&Message::Unknown(77)), Stays),
        Case("an unknown extended message", new, extended(9, nested_lists()), Stays),
        Case("many haves of the same piece", new, flood(10_000, &Message::Have(0)), Stays),
        Case("many cancels of nothing", new, flood(10_000, &cancel), Stays),
        Case("many keepalives", new, flood(10_000, &Message::KeepAlive), Stays),
        Case("many suggestions", new, flood(10_000, &Message::SuggestPiece(1)), Stays),
        Case("many changes of mind", new, changes.repeat(100), Stays),
        Case("a flood of haves", new, flood(100_000, &Message::Have(0)), Misbehaved),
        Case("a flood of cancels", new, flood(100_000, &cancel), Misbehaved),
        Case("a flood of keepalives", new, flood(100_000, &Message::KeepAlive), Misbehaved),
        Case("a flood of suggestions", new, flood(100_000, &Message::SuggestPiece(1)), Misbehaved),
        Case("a flood of changes of mind", new, changes.repeat(20_000), Misbehaved),
        Case("a flood of unknown messages", new, unknown.repeat(20), Misbehaved),
    ]
}

#[tokio::test]
async fn every_breach_ends_the_connection_by_name_and_nothing_else() {
    let mut pair = Pair::start(Version::V1, Vec::new()).await;
    let cases = cases(pair.metainfo.info.piece_count());
    let mut survivors = Vec::new();
    for (number, Case(what, reserved, bytes, end)) in cases.into_iter().enumerate() {
        let host = u8::try_from(number + 10).unwrap();
        let mut attacker = Attacker::join(&pair.leecher, &pair.metainfo, host, reserved).await;
        attacker.send(&bytes).await;
        if end == Stays {
            // Requests of a choked peer are rejected one by one, so a rejection shows that all before it was read.
            let request = block(3, 0, BLOCK_LENGTH);
            attacker.say(&Message::Request(request)).await;
            loop {
                let heard = attacker.hear().await.unwrap_or_else(|| panic!("{what}: cut off"));
                if heard == Message::RejectRequest(request) {
                    break;
                }
            }
            survivors.push(attacker);
            continue;
        }
        let reason = attacker.is_cut_off_by(&mut pair.leecher).await;
        let as_expected = match end {
            Malformed => matches!(reason, DisconnectReason::Malformed(_)),
            Misbehaved => matches!(reason, DisconnectReason::Misbehaved(_)),
            Stays => false,
        };
        assert!(as_expected, "{what}: {reason:?}");
    }
    pair.introduce().await;
    pair.completes().await;
}

#[tokio::test]
async fn what_is_no_handshake_is_cut_off_at_once_and_half_a_handshake_in_time() {
    let mut pair = Pair::start(Version::V1, Vec::new()).await;
    let mut unknown = *b"\x13BitTorrent protocol........iiiiiiiiiiiiiiiiiiiipppppppppppppppppppp";
    unknown[20..28].fill(0);
    let openings: [&[u8]; 5] =
        [b"GET / HTTP/1.1\r\n\r\n", b"\x13BitTorrent protocoL", &[0xff; 68], &[0; 100_000], &unknown];
    for opening in openings {
        let mut attacker = Attacker::call(&pair.leecher, 9).await;
        attacker.send(opening).await;
        attacker.is_cut_off().await;
    }
    let mut silent = Attacker::call(&pair.leecher, 8).await;
    silent.send(&unknown[..30]).await;
    pair.introduce().await;
    pair.completes().await;
    silent.is_cut_off().await;
}

#[tokio::test]
async fn strangers_that_say_nothing_keep_nobody_out() {
    let mut pair = Pair::start(Version::V1, Vec::new()).await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(Attacker::call(&pair.seeder, 7).await);
    }
    pair.introduce().await;
    pair.completes().await;
}

/// Asks for the same blocks again and again and reads nothing.
async fn asks_and_does_not_read(
    pair: &mut Pair,
    reserved: Reserved,
    when_unchoked: bool,
    asks: Vec<u8>,
) -> usize {
    let mut attacker = Attacker::join(&pair.seeder, &pair.metainfo, 6, reserved).await;
    if when_unchoked {
        attacker.say(&Message::Interested).await;
        while attacker.hear().await.expect("an unchoke") != Message::Unchoke {}
    }
    let mut sent = 0;
    while sent < 256 << 20 {
        let taken = attacker.send(&asks).await;
        sent += taken;
        if taken < asks.len() {
            break;
        }
    }
    let reason = pair.seeder.farewell(attacker.address).await;
    assert!(matches!(reason, DisconnectReason::Misbehaved(_)), "{reason:?}");
    sent
}

#[tokio::test]
async fn a_peer_that_asks_and_does_not_read_is_cut_off_before_it_fills_our_memory() {
    let all: Vec<u8> = (0..60)
        .flat_map(|piece| [block(piece, 0, BLOCK_LENGTH), block(piece, BLOCK_LENGTH, BLOCK_LENGTH)])
        .flat_map(|request| message(&Message::Request(request)))
        .collect();
    let requests = all.repeat(50);
    let mut v1 = Pair::start(Version::V1, Vec::new()).await;
    // Each request that is rejected costs us as much as it costs the attacker; what is kept is bounded by what it sent,
    // and that by the kernel's buffers and two megabytes.
    let sent = asks_and_does_not_read(&mut v1, modern(), false, requests.clone()).await;
    assert!(sent < 64 << 20, "choked: {sent} bytes of requests were read");
    let sent = asks_and_does_not_read(&mut v1, modern(), true, requests.clone()).await;
    assert!(sent < 64 << 20, "unchoked: {sent} bytes of requests were read");
    let sent = asks_and_does_not_read(&mut v1, Reserved::NONE, true, requests).await;
    assert!(sent < 64 << 20, "without rejections: {sent} bytes of requests were read");
    v1.introduce().await;
    v1.completes().await;

    let mut v2 = Pair::start(Version::V2, Vec::new()).await;
    let request = HashRequest {
        pieces_root: v2.metainfo.info.files[0].pieces_root.unwrap(),
        base_layer: 1,
        index: 0,
        length: 128,
        proof_layers: 0,
    };
    let hash_requests = flood(500, &Message::HashRequest(request));
    let sent = asks_and_does_not_read(&mut v2, modern().with_v2(), false, hash_requests).await;
    assert!(sent < 64 << 20, "{sent} bytes of hash requests were read");
    v2.introduce().await;
    v2.completes().await;
}

#[tokio::test]
async fn a_poisoner_is_banned_and_the_honest_seeder_is_not() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let mut pair = Pair::start(version, Vec::new()).await;
        let mut poisoner = Attacker::join(&pair.leecher, &pair.metainfo, 66, modern()).await;
        poisoner.say(&Message::HaveAll).await;
        poisoner.say(&Message::Unchoke).await;
        let address = poisoner.address;
        let content = pair.content.clone();
        // One byte of each block is wrong.
        let poisoning = tokio::spawn(async move {
            while let Some(heard) = poisoner.hear().await {
                let Message::Request(BlockRequest { piece, begin, length }) = heard else { continue };
                let from = piece as usize * 32 * 1024 + begin as usize;
                let mut block = content[from..from + length as usize].to_vec();
                block[7] = !block[7];
                poisoner.say(&Message::Piece { piece, begin, block: block.into() }).await;
            }
        });
        let rejected = |event: &Event| matches!(event, Event::PieceRejected { .. }).then_some(());
        pair.leecher.wait_for("a rejected piece", rejected).await;
        pair.introduce().await;
        let banned = pair
            .leecher
            .wait_for("a ban", |event| match event {
                Event::PeerBanned { address, .. } => Some(*address),
                _ => None,
            })
            .await;
        assert_eq!(banned.ip(), address.ip(), "{version:?}");
        pair.completes().await;
        poisoning.await.expect("the poisoner was cut off");
    }
}

#[tokio::test]
async fn a_handshake_for_another_torrent_reaches_nothing() {
    let mut pair = Pair::start(Version::Hybrid, Vec::new()).await;
    let mut attacker = Attacker::call(&pair.leecher, 5).await;
    let info_hash = sprat_wire::hash::InfoHash([9; 20]);
    let handshake = Handshake { reserved: modern(), info_hash, peer_id: sprat_wire::hash::PeerId([1; 20]) };
    attacker.send(&handshake.encode()).await;
    attacker.is_cut_off().await;
    pair.introduce().await;
    pair.completes().await;
}
