use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

/// An interested peer of its own /24.
pub(super) fn candidate(id: u64) -> Candidate {
    let [.., a, b] = id.to_be_bytes();
    Candidate {
        connection: ConnectionId(id),
        torrent: TorrentId(0),
        address: SocketAddr::from((Ipv4Addr::new(80, a, b, 1), 6881)),
        interested: true,
        seeding: false,
        received_rate: 0,
        sent_rate: 0,
        sent_since_unchoke: 0,
        unchoked: false,
        last_unchoked: None,
        connected_at: Time::ZERO,
        snubbed: false,
        passes_on: PassesOn::Unknown,
    }
}

/// A choker and its peers: does what a session does with a decision.
struct Scene {
    choker: Choker,
    now: Time,
    peers: Vec<Candidate>,
    /// Regular decisions in which each peer was unchoked.
    rounds: BTreeMap<ConnectionId, usize>,
}

impl Scene {
    fn new(slots: usize, peers: Vec<Candidate>) -> Self {
        let config = ChokerConfig { upload_limit: None, min_slots: slots, max_slots: slots };
        let choker = Choker::new(config, fastrand::Rng::with_seed(7));
        Self { choker, now: Time::from_secs(100), peers, rounds: BTreeMap::new() }
    }

    fn decide(&mut self) -> BTreeSet<u64> {
        let chosen = self.choker.rechoke(self.now, &self.peers);
        assert!(chosen.len() <= self.choker.slots());
        assert!(chosen.is_sorted());
        for peer in &mut self.peers {
            let unchoke = chosen.contains(&peer.connection);
            if unchoke && !peer.unchoked {
                peer.last_unchoked = Some(self.now);
                peer.sent_since_unchoke = 0;
            }
            peer.unchoked = unchoke;
        }
        chosen.iter().map(|connection| connection.0).collect()
    }

    fn round(&mut self) -> BTreeSet<u64> {
        self.now = self.now.max(self.choker.next_rechoke());
        let chosen = self.decide();
        for id in &chosen {
            *self.rounds.entry(ConnectionId(*id)).or_default() += 1;
        }
        chosen
    }

    fn rounds_of(&self, id: u64) -> usize {
        self.rounds.get(&ConnectionId(id)).copied().unwrap_or(0)
    }
}

fn seeding(id: u64) -> Candidate {
    Candidate { seeding: true, ..candidate(id) }
}

#[test]
fn a_seeders_slots_stay_with_those_who_pass_pieces_on_except_for_a_few() {
    let peers = (0..40).map(|id| {
        let passes_on = match id {
            0..20 => PassesOn::Yes,
            20..30 => PassesOn::No,
            _ => PassesOn::Unknown,
        };
        Candidate { seeding: true, passes_on, ..candidate(id) }
    });
    let mut scene = Scene::new(8, peers.collect());
    for peer in scene.peers.iter_mut().take(8) {
        peer.unchoked = true;
        peer.last_unchoked = Some(Time::from_secs(10));
    }
    for _ in 0..30 {
        let chosen = scene.round();
        assert_eq!(chosen.len(), 8);
        let pass_on = chosen.iter().filter(|id| **id < 20).count();
        assert!(pass_on >= 6, "{chosen:?}");
    }
    let turns_of = |ids: std::ops::Range<u64>| ids.map(|id| scene.rounds_of(id)).sum::<usize>();
    assert!(turns_of(30..40) > 0, "there are turns for those who are not known yet");
    assert_eq!(turns_of(20..30), 0, "and none for those who keep pieces while others wait");
}

#[test]
fn the_best_givers_have_regular_slots_and_one_slot_rotates() {
    let peers = (0..20).map(|id| Candidate { received_rate: id * 1000, ..candidate(id) }).collect();
    let mut scene = Scene::new(4, peers);
    let mut tried = BTreeSet::new();
    for _ in 0..60 {
        let chosen = scene.round();
        assert!(chosen.is_superset(&[17, 18, 19].into()));
        tried.extend(chosen);
    }
    // 60 rounds are 20 trials.
    assert!(tried.len() > 10, "{tried:?}");
}

#[test]
fn a_trial_lasts_thirty_seconds() {
    let peers = (0..9).map(|id| Candidate { received_rate: 100 + id, ..candidate(id) }).collect();
    let mut scene = Scene::new(4, peers);
    let rounds: Vec<BTreeSet<u64>> = (0..6).map(|_| scene.round()).collect();
    assert_eq!(rounds[0], rounds[2]);
    assert_ne!(rounds[2], rounds[3]);
    assert_eq!(rounds[3], rounds[5]);
}

#[test]
fn who_snubs_us_loses_its_regular_slot() {
    let mut peers: Vec<Candidate> =
        (0..4).map(|id| Candidate { received_rate: 1000, ..candidate(id) }).collect();
    peers[0].received_rate = 1_000_000;
    peers[0].snubbed = true;
    peers.extend((4..40).map(candidate));
    let mut scene = Scene::new(4, peers);
    for _ in 0..30 {
        scene.round();
    }
    assert!(scene.rounds_of(0) < 15, "{}", scene.rounds_of(0));
    assert_eq!(scene.rounds_of(1), 30);
}

#[test]
fn newcomers_are_tried_about_three_times_as_often() {
    let mut newcomers = 0;
    for seed in 0..2000 {
        let config = ChokerConfig { upload_limit: None, min_slots: 2, max_slots: 2 };
        let mut choker = Choker::new(config, fastrand::Rng::with_seed(seed));
        let now = Time::from_secs(1000);
        let mut peers: Vec<Candidate> = (0..20).map(candidate).collect();
        peers[0].received_rate = 1;
        for peer in &mut peers[10..] {
            peer.connected_at = Time::from_secs(990);
        }
        newcomers += choker.rechoke(now, &peers).iter().filter(|id| id.0 >= 10).count();
    }
    // 30 of 39 lots.
    assert!((1440..1640).contains(&newcomers), "{newcomers}");
}

#[test]
fn between_regular_decisions_nobody_loses_a_slot() {
    let peers = (0..20).map(|id| Candidate { received_rate: id * 1000, ..candidate(id) }).collect();
    let mut scene = Scene::new(5, peers);
    let before = scene.round();
    // One leaves, and the order of the others turns round.
    let gone = *before.last().unwrap();
    scene.peers.retain(|peer| peer.connection.0 != gone);
    for peer in &mut scene.peers {
        peer.received_rate = 20_000 - peer.received_rate;
    }
    scene.now += Duration::from_secs(3);
    let after = scene.decide();
    assert_eq!(after.len(), 5);
    assert!(before.iter().filter(|id| **id != gone).all(|id| after.contains(id)));
}

#[test]
fn every_downloading_torrent_gets_a_share() {
    let mut peers: Vec<Candidate> =
        (0..30).map(|id| Candidate { received_rate: 1_000_000, ..candidate(id) }).collect();
    peers.extend((30..33).map(|id| Candidate { torrent: TorrentId(1), received_rate: 10, ..candidate(id) }));
    peers.extend((33..36).map(|id| Candidate { torrent: TorrentId(2), ..candidate(id) }));
    let mut scene = Scene::new(8, peers);
    for _ in 0..10 {
        let chosen = scene.round();
        assert!(chosen.range(30..33).count() >= 1);
        assert!(chosen.range(33..36).count() >= 1);
    }
}

#[test]
fn seeding_and_downloading_torrents_share() {
    let mut peers: Vec<Candidate> =
        (0..30).map(|id| Candidate { received_rate: 1000, ..candidate(id) }).collect();
    peers.extend((30..90).map(|id| Candidate { torrent: TorrentId(id as u32), ..seeding(id) }));
    let mut scene = Scene::new(8, peers);
    for _ in 0..10 {
        let chosen = scene.round();
        assert_eq!(chosen.range(..30).count(), 4, "downloads keep half");
        assert_eq!(chosen.range(30..).count(), 4);
    }
    scene.peers.truncate(31);
    assert_eq!(scene.round().range(30..).count(), 1);
    scene.peers.retain(|peer| peer.seeding);
    assert_eq!(scene.round().len(), 1);
}

#[test]
fn a_seeder_does_not_prefer_the_fastest() {
    let peers: Vec<Candidate> = (0..32).map(seeding).collect();
    let mut scene = Scene::new(4, peers);
    let rounds = 6 * 80;
    for _ in 0..rounds {
        scene.round();
        for peer in scene.peers.iter_mut().filter(|peer| peer.unchoked) {
            peer.sent_since_unchoke += if peer.connection.0 < 3 { 100_000_000 } else { 500_000 };
        }
    }
    // The three fast ones: their part of the time, or less.
    let fast: usize = (0..3).map(|id| scene.rounds_of(id)).sum();
    assert!(fast <= rounds * 4 * 3 / 32 + 6, "{fast}");
    for id in 0..32 {
        assert!(scene.rounds_of(id) > 0);
    }
}

#[test]
fn a_crowd_in_one_subnet_does_not_take_all_slots_of_a_seeder() {
    let mut peers: Vec<Candidate> = (0..8).map(seeding).collect();
    peers.extend(
        (8..108)
            .map(|id| Candidate { address: SocketAddr::from(([90, 1, 1, id as u8], 6881)), ..seeding(id) }),
    );
    let mut scene = Scene::new(4, peers);
    for _ in 0..120 {
        let chosen = scene.round();
        assert!(chosen.range(8..).count() <= 1);
    }
    let crowd: usize = (8..108).map(|id| scene.rounds_of(id)).sum();
    assert!(crowd <= 120 * 4 / 9 + 12, "a ninth of all slots for one of nine subnets: {crowd}");
}

/// So many of one subnet.
fn crowd(ids: std::ops::Range<u64>) -> impl Iterator<Item = Candidate> {
    ids.map(|id| Candidate { address: SocketAddr::from(([90, 1, 1, id as u8], 6881)), ..candidate(id) })
}

#[test]
fn a_crowd_in_one_subnet_has_one_lot() {
    let mut peers: Vec<Candidate> = (0..9).map(candidate).collect();
    peers[0].received_rate = 1000;
    peers.extend(crowd(9..100));
    let mut scene = Scene::new(2, peers);
    for _ in 0..900 {
        scene.round();
    }
    let crowd: usize = (9..100).map(|id| scene.rounds_of(id)).sum();
    assert!((60..140).contains(&crowd), "a ninth of the trials for one of nine subnets that wait: {crowd}");
}

#[test]
fn a_crowd_that_was_alone_makes_room_for_others() {
    let mut scene = Scene::new(8, crowd(0..50).collect());
    assert_eq!(scene.round().len(), 8);
    scene.peers.extend((50..60).map(candidate));
    let chosen = scene.round();
    assert_eq!((chosen.range(..50).count(), chosen.range(50..).count()), (1, 7));
}

#[test]
fn who_connects_anew_is_not_new() {
    let mut peers: Vec<Candidate> = (0..20).map(candidate).collect();
    peers[0].received_rate = 1000;
    let mut scene = Scene::new(2, peers);
    let mut cheats = 0;
    for round in 0..1500 {
        cheats += usize::from(scene.round().iter().any(|id| *id >= 19));
        if let Some(peer) = scene.peers.last_mut() {
            let address = peer.address;
            *peer = Candidate { address, connected_at: scene.now, ..candidate(1000 + round) };
        }
    }
    // A nineteenth of the 500 trials, each cut short after a round by its own doing.
    assert!(cheats <= 130, "{cheats}");
}

#[test]
fn reconnecting_does_not_shorten_the_wait() {
    let mut scene = Scene::new(2, (0..20).map(seeding).collect());
    let mut cheats = 0;
    for round in 0..600 {
        cheats += usize::from(scene.round().iter().any(|id| *id >= 19));
        // The last peer comes back as somebody new whenever it has been served.
        if let Some(peer) =
            scene.peers.last_mut().filter(|peer| !peer.unchoked && peer.last_unchoked.is_some())
        {
            let address = peer.address;
            *peer = Candidate { address, connected_at: scene.now, ..seeding(1000 + round) };
        }
    }
    assert!(cheats <= 600 * 2 / 20 + 6, "{cheats}");
}

#[test]
fn processes_on_one_machine_do_not_count_as_one_subnet() {
    let local = |id: u64| Candidate {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 7000 + id as u16)),
        ..seeding(id)
    };
    let mut scene = Scene::new(4, (0..4).map(local).collect());
    let first = scene.round();
    scene.peers.push(candidate(9));
    assert_eq!(first.len(), 4);
}

#[test]
fn a_seeding_turn_is_long_enough_for_a_piece() {
    let mut scene = Scene::new(2, (0..10).map(seeding).collect());
    let first = scene.round();
    for peer in &mut scene.peers {
        peer.sent_since_unchoke = u64::MAX;
    }
    assert_eq!(scene.round(), first);
    assert_eq!(scene.round(), first);
    assert!(scene.round().is_disjoint(&first));
}

#[derive(Debug, Clone)]
struct Change {
    peer: usize,
    interested: bool,
    rate: u64,
    snubbed: bool,
    seconds: u64,
}

fn change() -> impl Strategy<Value = Change> {
    (0..40_usize, any::<bool>(), 0..5000_u64, any::<bool>(), 0..25_u64).prop_map(
        |(peer, interested, rate, snubbed, seconds)| Change { peer, interested, rate, snubbed, seconds },
    )
}

proptest! {
    #[test]
    fn slots_are_never_exceeded_and_never_left_idle(
        slots in 2..12_usize,
        torrents in 1..9_u64,
        changes in prop::collection::vec(change(), 1..80),
    ) {
        let peers = (0..40).map(|id| Candidate {
            torrent: TorrentId((id % torrents) as u32),
            seeding: (id % torrents) % 2 == 1,
            ..candidate(id)
        });
        let mut scene = Scene::new(slots, peers.collect());
        for change in changes {
            let peer = &mut scene.peers[change.peer];
            peer.interested = change.interested;
            peer.received_rate = change.rate;
            peer.snubbed = change.snubbed;
            scene.now += Duration::from_secs(change.seconds);
            let chosen = scene.decide();
            let interested: BTreeSet<u64> =
                scene.peers.iter().filter(|p| p.interested).map(|p| p.connection.0).collect();
            prop_assert!(chosen.is_subset(&interested));
            prop_assert_eq!(chosen.len(), interested.len().min(slots));
        }
    }

    #[test]
    fn while_seeding_everybody_is_served_in_turn(slots in 2..10_usize, peers in 1..60_u64, torrents in 1..6_u64) {
        let candidates =
            (0..peers).map(|id| Candidate { torrent: TorrentId((id % torrents) as u32), ..seeding(id) });
        let mut scene = Scene::new(slots, candidates.collect());
        // Turns of six rounds; torrents get equal parts of the slots, so with few slots for many torrents the parts
        // are rounded down once.
        let turns = (peers as usize).div_ceil(slots) + torrents as usize;
        for _ in 0..6 * turns {
            scene.round();
        }
        for id in 0..peers {
            prop_assert!(scene.rounds_of(id) > 0, "peer {} of {} was not served", id, peers);
        }
    }

    #[test]
    fn the_same_seed_and_peers_give_the_same_decisions_in_any_order(seed in any::<u64>()) {
        let mut peers: Vec<Candidate> = (0..30).map(|id| Candidate { seeding: id % 3 == 0, ..candidate(id) }).collect();
        let mut a = Choker::new(ChokerConfig::default(), fastrand::Rng::with_seed(seed));
        let mut b = Choker::new(ChokerConfig::default(), fastrand::Rng::with_seed(seed));
        let chosen = a.rechoke(Time::from_secs(5), &peers);
        peers.reverse();
        prop_assert_eq!(chosen, b.rechoke(Time::from_secs(5), &peers));
    }
}
