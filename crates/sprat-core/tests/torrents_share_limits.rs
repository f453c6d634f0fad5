//! Torrents take turns at the rate limits of the session: what one gets depends neither on how many connections it has, nor
//! on its name, nor on how much its peers ask for at a time.
#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]

mod world;

use std::time::Duration;

use sprat_core::choker::ChokerConfig;
use sprat_core::config::Config;
use sprat_core::io::RateLimits;
use sprat_core::storage::TorrentId;
use world::{BLOCK, Kind, World, torrent};

const LIMIT: u64 = 1 << 20;

/// As many slots as there are peers, so that it is the limit that decides.
fn config(limits: RateLimits) -> Config {
    let slots = ChokerConfig { upload_limit: None, min_slots: 100, max_slots: 100 };
    Config { limits, choker: slots, ..Config::default() }
}

const UPLOAD: RateLimits = RateLimits { upload: Some(LIMIT), download: None };
const DOWNLOAD: RateLimits = RateLimits { upload: None, download: Some(LIMIT) };

/// Payload of two torrents with so many connections each in half a minute, once they are under way.
fn shares(limits: RateLimits, is_complete: bool, crowds: [(usize, Kind); 2]) -> [u64; 2] {
    let mut world = World::new(config(limits));
    let torrents = ["first", "second"].map(|name| world.add(torrent(name), is_complete));
    for (torrent, (connections, kind)) in torrents.into_iter().zip(crowds) {
        for _ in 0..connections {
            world.join(torrent, kind);
        }
    }
    world.run(Duration::from_secs(10));
    let before = torrents.map(|torrent| world.moved(torrent));
    world.run(Duration::from_secs(30));
    let after = torrents.map(|torrent| world.moved(torrent));
    [after[0] - before[0], after[1] - before[1]]
}

/// About half of the limit each, and all of it together.
fn assert_equal(shares: [u64; 2]) {
    let half = 30 * LIMIT / 2;
    for share in shares {
        assert!((half * 95 / 100..=half * 105 / 100).contains(&share), "{shares:?} of {half} each");
    }
}

#[test]
fn one_connection_gets_as_much_upload_as_fifty_of_another_torrent() {
    let takes = Kind::Takes(BLOCK);
    assert_equal(shares(UPLOAD, true, [(50, takes), (1, takes)]));
    assert_equal(shares(UPLOAD, true, [(1, takes), (50, takes)]));
}

#[test]
fn one_connection_gets_as_much_download_as_fifty_of_another_torrent() {
    assert_equal(shares(DOWNLOAD, false, [(50, Kind::Gives), (1, Kind::Gives)]));
    assert_equal(shares(DOWNLOAD, false, [(1, Kind::Gives), (50, Kind::Gives)]));
}

#[test]
fn who_asks_for_128_kib_at_a_time_gets_no_more_than_who_asks_for_16() {
    let (small, large) = (Kind::Takes(BLOCK), Kind::Takes(8 * BLOCK));
    assert_equal(shares(UPLOAD, true, [(1, small), (1, large)]));
    assert_equal(shares(UPLOAD, true, [(10, large), (1, small)]));
}

#[test]
fn a_torrent_that_wants_less_than_its_share_leaves_the_rest_to_the_other() {
    let mut world = World::new(config(UPLOAD));
    let torrents = ["first", "second"].map(|name| world.add(torrent(name), true));
    let limits = RateLimits { upload: Some(LIMIT / 10), download: None };
    world.session.set_torrent_limits(world.now, torrents[0], limits);
    for _ in 0..20 {
        world.join(torrents[0], Kind::Takes(BLOCK));
    }
    world.join(torrents[1], Kind::Takes(BLOCK));
    world.run(Duration::from_secs(30));
    let [first, second] = torrents.map(|torrent| world.moved(torrent) / 30);
    assert!((LIMIT * 8 / 100..=LIMIT * 11 / 100).contains(&first), "{first}");
    assert!((LIMIT * 85 / 100..=LIMIT * 92 / 100).contains(&second), "{second}");
}

#[test]
fn connections_of_a_torrent_take_turns_as_well() {
    let mut world = World::new(config(UPLOAD));
    let id = world.add(torrent("only"), true);
    let peers: Vec<_> = (0..10).map(|_| world.join(id, Kind::Takes(BLOCK))).collect();
    // The first to ask has what the limit lets through at once.
    world.run(Duration::from_secs(1));
    let before: Vec<u64> = peers.iter().map(|peer| world.moved_by(*peer)).collect();
    world.run(Duration::from_secs(30));
    let had = peers.iter().zip(before).map(|(peer, before)| world.moved_by(*peer) - before);
    let had: Vec<u64> = had.collect();
    let (least, most) = (had.iter().min().unwrap(), had.iter().max().unwrap());
    assert!(most - least <= 2 * u64::from(BLOCK), "{had:?}");
}

#[test]
fn a_limit_that_is_lifted_or_a_torrent_that_leaves_keeps_nobody_waiting() {
    let mut world = World::new(config(UPLOAD));
    let torrents: [TorrentId; 2] = ["first", "second"].map(|name| world.add(torrent(name), true));
    for torrent in torrents {
        for _ in 0..5 {
            world.join(torrent, Kind::Takes(BLOCK));
        }
    }
    world.run(Duration::from_secs(5));
    world.session.remove(world.now, torrents[0]);
    let before = world.moved(torrents[1]);
    world.run(Duration::from_secs(10));
    let alone = world.moved(torrents[1]) - before;
    assert!(alone >= 10 * LIMIT * 95 / 100, "{alone}");

    world.session.set_limits(world.now, RateLimits::default());
    let before = world.moved(torrents[1]);
    world.run(Duration::from_secs(1));
    let unlimited = world.moved(torrents[1]) - before;
    assert!(unlimited > 4 * LIMIT, "{unlimited}");

    // And the other way round: nothing, and then something again.
    world.session.set_limits(world.now, RateLimits { upload: Some(0), download: None });
    world.run(Duration::from_secs(1));
    let before = world.moved(torrents[1]);
    world.run(Duration::from_secs(5));
    assert_eq!(world.moved(torrents[1]), before);
    world.session.set_limits(world.now, UPLOAD);
    world.run(Duration::from_secs(5));
    assert!(world.moved(torrents[1]) > before);
}
