//! Whatever peers do, what a session holds for them stays below its ceiling; who has to go is who holds much and moves little.
#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]

mod world;

use std::time::Duration;

use bytes::Bytes;
use sprat_core::choker::ChokerConfig;
use sprat_core::config::Config;
use sprat_core::io::{ConnectionId, DisconnectReason, Event};
use sprat_wire::peer::message::{BlockRequest, Message};
use world::{BLOCK, Kind, World, torrent};

const MIB: usize = 1 << 20;
const CEILING: usize = 16 * MIB;

/// Slots for everybody: it is memory alone that is short.
fn config() -> Config {
    let choker = ChokerConfig { upload_limit: None, min_slots: 500, max_slots: 500 };
    Config { memory: CEILING, choker, connections_per_torrent: 500, ..Config::default() }
}

fn is_there(world: &World, connection: ConnectionId) -> bool {
    !world.ended.contains(&connection)
}

fn overloads(world: &World) -> usize {
    let is_overload =
        |event: &&Event| matches!(event, Event::PeerDisconnected { reason: DisconnectReason::Overload, .. });
    world.events.iter().filter(is_overload).count()
}

fn ask_for_much(world: &mut World, connection: ConnectionId) {
    for at in 0..200 {
        let begin = at % 64 * BLOCK;
        world.say(connection, &Message::Request(BlockRequest { piece: at / 64, begin, length: BLOCK }));
    }
}

#[test]
fn peers_that_do_not_read_are_let_go_and_those_that_do_are_served() {
    let mut world = World::new(config());
    let id = world.add(torrent("shared"), true);
    let honest: Vec<_> = (0..5).map(|_| world.join(id, Kind::Takes(BLOCK))).collect();
    world.run(Duration::from_secs(2));
    for _ in 0..100 {
        let deaf = world.join(id, Kind::Deaf);
        world.run(Duration::from_millis(500));
        if is_there(&world, deaf) {
            ask_for_much(&mut world, deaf);
        }
        world.run(Duration::from_millis(500));
    }
    assert!(world.most_held <= CEILING, "{} MiB", world.most_held / MIB);
    assert!(overloads(&world) > 50, "{}", overloads(&world));
    assert!(honest.iter().all(|peer| is_there(&world, *peer)));
    let before = world.moved(id);
    world.run(Duration::from_secs(10));
    assert!(world.moved(id) - before > 10 * MIB as u64);
    // All of it is given back at the end.
    world.session.remove(world.now, id);
    world.run(Duration::from_secs(10));
    assert_eq!(world.session.memory_held(), 0);
}

#[test]
fn halves_of_messages_count() {
    let mut world = World::new(Config { memory: MIB, ..config() });
    let id = world.seek(torrent("sought"));
    // 128 KiB of a bitfield of twice that, from each.
    let mut half = vec![0, 4, 0, 1, 5];
    half.resize(128 * 1024, 0);
    for _ in 0..25 {
        let peer = world.join(id, Kind::Silent);
        if is_there(&world, peer) {
            let bytes = Bytes::from(half.clone());
            world.input(sprat_core::Input::Received { connection: peer, bytes });
        }
        assert!(world.most_held <= MIB, "{} KiB", world.most_held / 1024);
        world.run(Duration::from_millis(150));
    }
    assert!(overloads(&world) > 0);
    world.session.remove(world.now, id);
    world.run(Duration::from_secs(1));
    assert_eq!(world.session.memory_held(), 0);
}

#[test]
fn near_the_ceiling_newcomers_are_turned_away_while_everybody_is_of_use() {
    let mut world = World::new(config());
    let id = world.add(torrent("shared"), true);
    let peers: Vec<_> = (0..5).map(|_| world.join(id, Kind::Takes(BLOCK))).collect();
    world.run(Duration::from_secs(5));
    world.session.set_memory_elsewhere(CEILING * 7 / 8);
    let newcomer = world.call();
    assert!(!is_there(&world, newcomer));
    world.session.set_memory_elsewhere(CEILING * 6 / 8);
    let newcomer = world.call();
    assert!(is_there(&world, newcomer));
    // Too much elsewhere: who is nobody yet goes before all others.
    world.session.set_memory_elsewhere(CEILING - world.session.memory_held() + 1);
    world.run(Duration::from_millis(100));
    assert!(!is_there(&world, newcomer));
    assert!(peers.iter().any(|peer| is_there(&world, *peer)));
}

#[test]
fn with_the_ceiling_as_shipped_two_thousand_connections_have_room() {
    let mut world = World::new(Config {
        memory: Config::default().memory,
        connections: 3000,
        connections_per_torrent: 3000,
        ..config()
    });
    let id = world.add(torrent("shared"), true);
    for _ in 0..2000 {
        world.join(id, Kind::Silent);
    }
    world.run(Duration::from_secs(1));
    assert_eq!(overloads(&world), 0);
    let each = world.session.memory_held() / 2000;
    assert!(each <= 32 * 1024, "{each} bytes each");
}
