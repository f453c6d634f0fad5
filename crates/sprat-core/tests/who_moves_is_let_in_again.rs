//! A peer whose address has changed cannot end the connection that it had, and calls again by the same name.
#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]

mod world;

use std::time::Duration;

use sprat_core::config::Config;
use world::{Kind, World, torrent};

#[test]
fn a_twin_is_sent_away_while_the_first_one_speaks_and_takes_its_place_when_it_is_quiet() {
    let mut world = World::new(Config::default());
    let torrent = world.add(torrent("moving"), true);
    let first = world.join(torrent, Kind::Silent);
    world.run(Duration::from_secs(1));
    let twin = world.call();
    world.greet_as(twin, first, torrent, Kind::Silent);
    assert_eq!(world.ended, [twin]);
    world.run(Duration::from_secs(6));
    // Its other address, which it has besides this one.
    let besides = world.call_from("[2a01::1]:6881".parse().unwrap());
    world.greet_as(besides, first, torrent, Kind::Silent);
    assert_eq!(world.ended, [twin, besides]);
    let moved = world.call();
    world.greet_as(moved, first, torrent, Kind::Silent);
    assert_eq!(world.ended, [twin, besides, first]);
}
