//! What one peer can make a session hold for it, at the limit and just beyond.
#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]

mod world;

use std::time::Duration;

use bytes::Bytes;
use sprat_core::config::Config;
use sprat_core::io::{ConnectionId, DisconnectReason, Event};
use sprat_core::storage::TorrentId;
use sprat_wire::peer::extension::{ExtensionHandshake, ExtensionIds};
use sprat_wire::peer::message::{BlockRequest, Message};
use sprat_wire::peer::metadata::MetadataMessage;
use world::{BLOCK, Kind, World, torrent};

const KIB: usize = 1024;

fn seeder() -> (World, TorrentId) {
    let mut world = World::new(Config::default());
    let id = world.add(torrent("shared"), true);
    (world, id)
}

/// Why its only connection was ended.
fn reason(world: &World) -> Option<DisconnectReason> {
    world.events.iter().find_map(|event| match event {
        Event::PeerDisconnected { reason, .. } => Some(*reason),
        _ => None,
    })
}

fn is_there(world: &World, connection: ConnectionId) -> bool {
    !world.ended.contains(&connection)
}

#[test]
fn for_a_peer_that_does_not_read_half_a_mib_waits_and_after_two_minutes_it_goes() {
    let (mut world, id) = seeder();
    let deaf = world.join(id, Kind::Deaf);
    world.run(Duration::from_secs(20));
    for at in 0..2000 {
        let begin = at % 64 * BLOCK;
        world.say(deaf, &Message::Request(BlockRequest { piece: at / 64, begin, length: BLOCK }));
    }
    world.run(Duration::from_secs(80));
    let sent = world.sent_to(deaf);
    assert!((384 * KIB..=513 * KIB).contains(&sent), "{} KiB", sent / KIB);
    world.say(deaf, &Message::KeepAlive);
    assert!(is_there(&world, deaf));
    world.run(Duration::from_secs(22));
    assert!(!is_there(&world, deaf));
    assert_eq!(reason(&world), Some(DisconnectReason::Timeout));
}

#[test]
fn who_reads_stays_however_long() {
    let (mut world, id) = seeder();
    let reader = world.join(id, Kind::Takes(BLOCK));
    for _ in 0..10 {
        world.run(Duration::from_secs(60));
        world.say(reader, &Message::KeepAlive);
    }
    assert!(is_there(&world, reader));
}

#[test]
fn answers_to_one_who_does_not_read_end_at_768_kib() {
    let (mut world, id) = seeder();
    let deaf = world.join(id, Kind::Deaf);
    world.say(deaf, &Message::NotInterested);
    world.run(Duration::from_secs(11));
    // It is choked now: each request is answered by a reject of the same 17 bytes.
    let request = Message::Request(BlockRequest { piece: 63, begin: 0, length: BLOCK });
    let mut asked = 0;
    while is_there(&world, deaf) && asked < 1_000_000 {
        world.say(deaf, &request);
        asked += 1;
    }
    assert!(asked <= 768 * KIB / 17 + 1, "{asked}");
    assert!(matches!(reason(&world), Some(DisconnectReason::Misbehaved(_))), "{:?}", reason(&world));
}

#[test]
fn metadata_is_not_piled_up_for_one_who_does_not_read() {
    let (mut world, id) = seeder();
    let deaf = world.join(id, Kind::Deaf);
    let ids = ExtensionIds { ut_metadata: Some(3), ..ExtensionIds::default() };
    let handshake = ExtensionHandshake { ids, ..ExtensionHandshake::default() };
    world.say(deaf, &Message::Extended { id: 0, payload: handshake.encode().into() });
    let request = MetadataMessage::Request { piece: 0 };
    for _ in 0..1000 {
        world.say(deaf, &Message::Extended { id: 1, payload: request.encode().into() });
    }
    assert!(world.sent_to(deaf) < 64 * KIB, "{}", world.sent_to(deaf));
}

#[test]
fn before_the_metadata_two_of_the_longest_bitfields_are_kept_and_no_third() {
    let mut world = World::new(Config::default());
    let id = world.seek(torrent("sought"));
    let talker = world.join(id, Kind::Silent);
    let bitfield = Message::Bitfield(Bytes::from(vec![0; 256 * KIB]));
    world.say(talker, &bitfield);
    // Both at once would be a flood.
    world.run(Duration::from_secs(10));
    world.say(talker, &bitfield);
    assert!(is_there(&world, talker));
    world.say(talker, &Message::Bitfield(Bytes::from_static(&[0])));
    assert!(!is_there(&world, talker));
}
