//! Many torrents that sleep and name the same tracker: what they do to it, and to the DHT, is bounded for all of them together.
#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sprat_core::Session;
use sprat_core::config::Config;
use sprat_core::io::{AddMagnet, AddSleeping, Input, Output, TrackerFailure};
use sprat_core::storage::TorrentId;
use sprat_core::time::Time;
use sprat_wire::hash::{InfoHashes, Sha1Hash};
use sprat_wire::tracker::{AnnounceEvent, AnnounceResponse};

const TRACKER: &str = "http://tracker.example/announce";
const OTHER: &str = "udp://other.example:1337/announce";

/// More than can announce while nobody has noticed that the tracker is dead.
const TORRENTS: u32 = 10_000;

fn hashes(number: u32) -> InfoHashes {
    InfoHashes::new(Some(Sha1Hash::digest(&number.to_be_bytes())), None).unwrap()
}

fn sleeping(number: u32, tiers: &[&[&str]], private: bool) -> AddSleeping {
    let tiers = tiers.iter().map(|tier| tier.iter().map(|url| (*url).to_owned()).collect()).collect();
    AddSleeping { private, tiers, ..AddSleeping::new(hashes(number)) }
}

/// An announce, or a look into the DHT.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    at: Time,
    torrent: TorrentId,
    /// `None` is the DHT.
    url: Option<String>,
}

/// A session whose trackers answer as they are told to.
struct World {
    session: Session,
    now: Time,
    dead: BTreeSet<&'static str>,
    seen: Vec<Seen>,
    goodbyes: usize,
}

impl World {
    fn new(tiers: &[&[&str]], private: bool, dead: &[&'static str]) -> Self {
        let config = Config { dht_port: 6881, ..Config::default() };
        let mut world = Self {
            session: Session::new(config, 1),
            now: Time::from_secs(1),
            dead: dead.iter().copied().collect(),
            seen: Vec::new(),
            goodbyes: 0,
        };
        for number in 0..TORRENTS {
            world.session.add_sleeping(world.now, sleeping(number, tiers, private)).unwrap();
        }
        world.drain();
        world
    }

    /// Trackers answer at once: those that are dead refuse the connection.
    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Announce { torrent, tracker, url, request } => {
                    if request.event == AnnounceEvent::Stopped {
                        self.goodbyes += 1;
                    } else {
                        self.seen.push(Seen { at: self.now, torrent, url: Some(url.to_string()) });
                    }
                    let result = if self.dead.contains(&*url) {
                        Err(TrackerFailure::unreachable("connection refused"))
                    } else {
                        Ok(AnnounceResponse { interval: 1800, ..AnnounceResponse::default() })
                    };
                    self.session.handle_input(self.now, Input::Announced { torrent, tracker, result });
                }
                Output::FindPeers { torrent, .. } => {
                    self.seen.push(Seen { at: self.now, torrent, url: None });
                }
                _ => {}
            }
        }
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.session.handle_input(self.now, Input::Timeout);
            self.drain();
        }
        self.now = end;
    }

    fn announces(&self, url: &str) -> Vec<&Seen> {
        self.seen.iter().filter(|seen| seen.url.as_deref() == Some(url)).collect()
    }

    fn most_in_a_second(&self) -> usize {
        let mut seconds: BTreeMap<u64, usize> = BTreeMap::new();
        for seen in self.seen.iter().filter(|seen| seen.url.is_some()) {
            *seconds.entry(seen.at.as_nanos() / 1_000_000_000).or_default() += 1;
        }
        seconds.into_values().max().unwrap_or_default()
    }
}

#[test]
fn a_tracker_that_answers_hears_of_them_one_after_the_other() {
    let mut world = World::new(&[&[TRACKER]], true, &[]);
    world.run(Duration::from_secs(210));
    let heard_of: BTreeSet<TorrentId> = world.announces(TRACKER).iter().map(|seen| seen.torrent).collect();
    assert_eq!(heard_of.len(), TORRENTS as usize);
    assert!(world.most_in_a_second() <= 51, "{}", world.most_in_a_second());
}

#[test]
fn a_network_that_changes_is_told_by_one_after_the_other() {
    let mut world = World::new(&[&[TRACKER]], true, &[]);
    world.run(Duration::from_secs(210));
    world.seen.clear();
    world.session.network_changed(world.now);
    world.run(Duration::from_secs(205));
    let heard_of: BTreeSet<TorrentId> = world.announces(TRACKER).iter().map(|seen| seen.torrent).collect();
    assert_eq!(heard_of.len(), TORRENTS as usize);
    assert_eq!(world.announces(TRACKER).len(), TORRENTS as usize, "each once");
    assert!(world.most_in_a_second() <= 51, "{}", world.most_in_a_second());
}

#[test]
fn a_tracker_that_seemed_dead_is_asked_at_once_when_the_network_has_changed() {
    let mut world = World::new(&[&[TRACKER]], true, &[TRACKER]);
    world.run(Duration::from_secs(600));
    world.dead.clear();
    world.seen.clear();
    world.session.network_changed(world.now);
    world.run(Duration::from_secs(205));
    let heard_of: BTreeSet<TorrentId> = world.announces(TRACKER).iter().map(|seen| seen.torrent).collect();
    assert_eq!(heard_of.len(), TORRENTS as usize);
    assert!(world.most_in_a_second() <= 51, "{}", world.most_in_a_second());
}

#[test]
fn a_dead_tracker_is_asked_by_one_of_them_until_it_is_back_and_then_by_all() {
    let mut world = World::new(&[&[TRACKER]], true, &[TRACKER]);
    world.run(Duration::from_secs(3600));
    let tries = world.announces(TRACKER).len();
    assert!((5..=12).contains(&tries), "{tries} tries in an hour");
    assert_eq!(
        world.session.sleepers().flat_map(|one| one.trackers()).filter(|one| one.failures == 0).count(),
        0
    );
    world.dead.clear();
    world.seen.clear();
    world.run(Duration::from_secs(15 * 60 + 210));
    let heard_of: BTreeSet<TorrentId> = world.announces(TRACKER).iter().map(|seen| seen.torrent).collect();
    assert_eq!(heard_of.len(), TORRENTS as usize);
    assert!(world.most_in_a_second() <= 51, "{}", world.most_in_a_second());
}

#[test]
fn a_tracker_that_is_down_counts_as_failed_in_its_tier() {
    for tiers in [&[&[TRACKER][..], &[OTHER]][..], &[&[TRACKER, OTHER]]] {
        let mut world = World::new(tiers, true, &[TRACKER]);
        world.run(Duration::from_secs(600));
        let heard_of: BTreeSet<TorrentId> = world.announces(OTHER).iter().map(|seen| seen.torrent).collect();
        assert_eq!(heard_of.len(), TORRENTS as usize);
        assert!(world.announces(TRACKER).len() < 12);
    }
}

#[test]
fn what_the_user_does_goes_first() {
    let mut world = World::new(&[&[TRACKER]], true, &[]);
    let info_hashes = hashes(TORRENTS);
    let magnet = AddMagnet { trackers: vec![vec![TRACKER.to_owned()]], ..AddMagnet::new(info_hashes) };
    let new = world.session.add_magnet(world.now, magnet).unwrap();
    let last = world.session.sleepers().last().unwrap().id();
    world.session.pause(world.now, last);
    world.session.resume(world.now, last);
    world.drain();
    for id in [new, last] {
        assert!(world.announces(TRACKER).iter().any(|seen| seen.torrent == id && seen.at == world.now));
    }
    // While it is down, the user's own torrents look, one at a time.
    let mut world = World::new(&[&[TRACKER]], true, &[TRACKER]);
    world.run(Duration::from_secs(3000));
    world.seen.clear();
    world.session.force_announce(world.now, last);
    world.drain();
    assert_eq!(world.announces(TRACKER).len(), 1);
}

#[test]
fn a_dead_tracker_is_not_told_that_we_leave() {
    let mut world = World::new(&[&[TRACKER]], true, &[]);
    world.run(Duration::from_secs(300));
    world.dead.insert(TRACKER);
    world.run(Duration::from_secs(1800));
    world.session.shut_down(world.now);
    world.drain();
    assert_eq!((world.goodbyes, world.session.sleepers().count()), (0, 0));
}

#[test]
fn the_dht_is_asked_once_a_second_for_all_of_them_in_turn() {
    let mut world = World::new(&[], false, &[]);
    world.run(Duration::from_secs(u64::from(TORRENTS) + 900));
    let looks: Vec<&Seen> = world.seen.iter().filter(|seen| seen.url.is_none()).collect();
    assert!(looks.windows(2).all(|pair| pair[1].at >= pair[0].at + Duration::from_secs(1)));
    let (first, rest) = looks.split_at(TORRENTS as usize);
    assert_eq!(first.iter().map(|seen| seen.torrent).collect::<BTreeSet<_>>().len(), TORRENTS as usize);
    assert!(rest.len() >= 800, "and again: {}", rest.len());
}
