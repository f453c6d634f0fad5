//! Magnet links (BEP 9): metadata from peers, some of whom lie.

use bytes::Bytes;
use sprat_core::io::{AddMagnet, DisconnectReason, Event};
use sprat_wire::metainfo::{Metainfo, Version};
use sprat_wire::peer::extension::{ExtensionHandshake, ExtensionIds};
use sprat_wire::peer::message::Message;
use sprat_wire::peer::metadata::MetadataMessage;
use tokio::task::JoinSet;

use super::attacker::{Attacker, modern};
use super::honest::{Node, Pair};

/// Under which id the liars want to receive `ut_metadata`.
const THEIR_ID: u8 = 7;

/// Under which id sprat does.
const OUR_ID: u8 = 1;

fn data(piece: u32, total_size: u32, data: Vec<u8>) -> MetadataMessage {
    MetadataMessage::Data { piece, total_size, data: data.into() }
}

async fn finished(node: &mut Node) {
    node.wait_for("the end of the transfer", |event| matches!(event, Event::Finished { .. }).then_some(()))
        .await;
}

#[tokio::test]
async fn a_name_and_a_peer_are_enough() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let pair = Pair::start(version, Vec::new()).await;
        let add =
            AddMagnet { peers: vec![pair.seeder.address()], ..AddMagnet::new(pair.metainfo.info_hashes) };
        let mut node = Node::seek(add, pair.directory("magnet"), 3).await;
        finished(&mut node).await;
        let copy = std::fs::read(pair.directory("magnet").join("file")).unwrap();
        assert!(copy == pair.content, "{version:?}: another file");
        // What one has fetched, it gives to the next: the seeder is gone.
        let second = pair.directory("second");
        pair.seeder.client.shut_down().await.unwrap();
        let add = AddMagnet { peers: vec![node.address()], ..AddMagnet::new(pair.metainfo.info_hashes) };
        let mut second = Node::seek(add, second, 4).await;
        finished(&mut second).await;
    }
}

/// Answers requests for metadata as `lie` says, and goes on until it is cut off.
async fn lies(
    mut liar: Attacker,
    metadata_size: u32,
    lie: impl Fn(u32) -> Option<MetadataMessage> + Send + 'static,
) -> Attacker {
    let ids = ExtensionIds { ut_metadata: Some(THEIR_ID), ..ExtensionIds::default() };
    let handshake =
        ExtensionHandshake { ids, metadata_size: Some(metadata_size), ..ExtensionHandshake::default() };
    liar.say(&Message::HaveAll).await;
    liar.say(&Message::Extended { id: 0, payload: handshake.encode().into() }).await;
    while let Some(heard) = liar.hear().await {
        let Message::Extended { id: THEIR_ID, payload } = heard else { continue };
        let Ok(MetadataMessage::Request { piece }) = MetadataMessage::decode(&payload) else { continue };
        if let Some(answer) = lie(piece) {
            liar.say(&Message::Extended { id: OUR_ID, payload: answer.encode().into() }).await;
        }
    }
    liar
}

fn piece_of(info: &Bytes, piece: u32) -> Vec<u8> {
    let from = piece as usize * 16 * 1024;
    info[from..info.len().min(from + 16 * 1024)].to_vec()
}

#[tokio::test]
async fn liars_are_found_out_and_the_honest_peer_wins() {
    let pair = Pair::start(Version::V1, Vec::new()).await;
    let info = pair.metainfo.info_bytes.clone();
    let size = u32::try_from(info.len()).unwrap();
    let mut node = Node::seek(AddMagnet::new(pair.metainfo.info_hashes), pair.directory("magnet"), 3).await;
    let join = async |host: u8| Attacker::join(&node, &pair.metainfo, host, modern()).await;

    let mut liars = JoinSet::new();
    // Garbage of the right size, and of sizes that most have to be asked for.
    liars.spawn(lies(join(20).await, size, move |piece| Some(data(piece, size, vec![b'x'; size as usize]))));
    for host in 21..24 {
        let garbage =
            move |piece| Some(data(piece, 40_000, vec![b'y'; if piece == 2 { 7232 } else { 16_384 }]));
        liars.spawn(lies(join(host).await, 40_000, garbage));
    }
    liars.spawn(lies(join(24).await, size, move |piece| Some(data(piece, size + 1, vec![0; 10]))));
    liars.spawn(lies(join(25).await, size, move |piece| Some(data(piece, size, vec![0; 16 * 1024 - 1]))));
    // All of the largest size that is believed, and never an answer.
    liars.spawn(lies(join(26).await, 16 << 20, |_| None));
    liars.spawn(lies(join(27).await, size, |piece| Some(MetadataMessage::Reject { piece })));
    // Half of it right: the worst, for the other half comes from others.
    let half = info.clone();
    liars.spawn(lies(join(28).await, size, move |piece| {
        let mut bytes = piece_of(&half, piece);
        bytes[3] ^= 1;
        Some(data(piece, size, bytes))
    }));
    node.wait_for("a conviction", |event| matches!(event, Event::PeerBanned { .. }).then_some(())).await;

    let (torrent, seeder) = (node.torrent, [pair.seeder.address()]);
    node.client.with(move |session, now| session.add_peers(now, torrent, &seeder)).await.unwrap();
    let found = node.wait_for("the metadata", |event| match event {
        Event::MetadataReceived { metainfo, .. } => Some(metainfo.info_hashes),
        _ => None,
    });
    assert_eq!(found.await, pair.metainfo.info_hashes);
    finished(&mut node).await;
    assert!(std::fs::read(pair.directory("magnet").join("file")).unwrap() == pair.content);
    liars.abort_all();
}

#[tokio::test]
async fn metadata_with_the_right_hash_that_is_no_torrent_is_the_end() {
    let pair = Pair::start(Version::V1, Vec::new()).await;
    let nonsense = b"d4:name3:../12:piece lengthi-1ee";
    let hash = sprat_wire::hash::Sha1Hash::digest(nonsense);
    let hashes = sprat_wire::hash::InfoHashes::new(Some(hash), None).unwrap();
    let mut node = Node::seek(AddMagnet::new(hashes), pair.directory("magnet"), 3).await;
    let metainfo = Metainfo { info_hashes: hashes, ..Metainfo::clone(&pair.metainfo) };
    let peer = Attacker::join(&node, &metainfo, 30, modern()).await;
    let size = u32::try_from(nonsense.len()).unwrap();
    let serving = tokio::spawn(lies(peer, size, move |piece| Some(data(piece, size, nonsense.to_vec()))));
    let trouble = node.wait_for("trouble", |event| match event {
        Event::Trouble { trouble, .. } => trouble.clone(),
        _ => None,
    });
    assert!(matches!(trouble.await, sprat_core::io::Trouble::Unusable(_)));
    let peer = serving.await.unwrap();
    assert_eq!(node.farewell(peer.address).await, DisconnectReason::Stopped);
}

/// What a peer is told who asks for these pieces of the metadata.
async fn asks_for_metadata(
    pair: &Pair,
    host: u8,
    pieces: &[u32],
) -> (ExtensionHandshake, Vec<MetadataMessage>) {
    let mut peer = Attacker::join(&pair.seeder, &pair.metainfo, host, modern()).await;
    let ids = ExtensionIds { ut_metadata: Some(THEIR_ID), ..ExtensionIds::default() };
    let handshake = ExtensionHandshake { ids, ..ExtensionHandshake::default() };
    peer.say(&Message::Extended { id: 0, payload: handshake.encode().into() }).await;
    for piece in pieces {
        let payload = MetadataMessage::Request { piece: *piece }.encode().into();
        peer.say(&Message::Extended { id: OUR_ID, payload }).await;
    }
    let (mut theirs, mut answers) = (None, Vec::new());
    while theirs.is_none() || answers.len() < pieces.len() {
        match peer.hear().await.expect("answers") {
            Message::Extended { id: 0, payload } => theirs = ExtensionHandshake::decode(&payload).ok(),
            Message::Extended { id: THEIR_ID, payload } => {
                answers.push(MetadataMessage::decode(&payload).unwrap());
            }
            _ => {}
        }
    }
    (theirs.unwrap(), answers)
}

#[tokio::test]
async fn metadata_is_given_a_few_times_to_each_and_not_at_all_if_private() {
    let pair = Pair::start(Version::V1, Vec::new()).await;
    let info = &pair.metainfo.info_bytes;
    let (handshake, answers) = asks_for_metadata(&pair, 40, &[0, 1, u32::MAX, 0, 0, 0, 0]).await;
    assert_eq!(handshake.metadata_size, Some(u32::try_from(info.len()).unwrap()));
    let size = u32::try_from(info.len()).unwrap();
    let given = data(0, size, piece_of(info, 0));
    let reject = |piece| MetadataMessage::Reject { piece };
    assert_eq!(
        answers,
        [given.clone(), reject(1), reject(u32::MAX), given.clone(), given, reject(0), reject(0)]
    );

    let private = Pair::start_private().await;
    let (handshake, answers) = asks_for_metadata(&private, 41, &[0]).await;
    assert_eq!((handshake.metadata_size, handshake.ids.ut_metadata), (None, None));
    assert_eq!(answers, [reject(0)]);
}
