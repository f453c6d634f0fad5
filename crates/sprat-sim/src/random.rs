//! Swarms drawn from a seed: some faults, some misbehaving peers, and one honest seed that stays. Every checker of the
//! simulation watches, and whoever is honest has everything in the end.
//!
//! A swarm that fails is made smaller by leaving out peers and faults as long as it still fails.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use fastrand::Rng;
use sprat_core::config::Config;
use sprat_wire::metainfo::Version;
use thiserror::Error;

use crate::behaviour::Behaviour;
use crate::content::ContentConfig;
use crate::disk::DiskFaults;
use crate::faults::Fault;
use crate::network::{Network, PacketConfig};
use crate::peer::{Departure, PeerConfig};
use crate::peer_number::{LISTEN_PORT, PeerNumber};
use crate::place::{Nat, Region};
use crate::report::Violation;
use crate::simulation::Simulation;
use crate::trackers::TrackerConfig;

/// Everything goes wrong before this.
const TROUBLED: u64 = 60;

/// Long enough for everybody once all is well: peers that were away are called again after minutes.
const PATIENCE: Duration = Duration::from_secs(2 * 3600);

/// Packets are simulated among so many peers at most: they take ten times the events.
const MOST_OF_PACKETS: usize = 12;

/// Something that can be left out, as `peer3` or `fault0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The peer of this number.
    Peer(usize),
    /// The fault of this number.
    Fault(usize),
}

/// A text that is no part.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a part such as peer3 or fault0")]
pub struct PartError(String);

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(number) => write!(f, "peer{number}"),
            Self::Fault(number) => write!(f, "fault{number}"),
        }
    }
}

impl FromStr for Part {
    type Err = PartError;

    fn from_str(text: &str) -> Result<Self, PartError> {
        let number = |digits: &str| digits.parse().map_err(|_| PartError(text.to_owned()));
        match (text.strip_prefix("peer"), text.strip_prefix("fault")) {
            (Some(digits), _) => number(digits).map(Self::Peer),
            (_, Some(digits)) => number(digits).map(Self::Fault),
            _ => Err(PartError(text.to_owned())),
        }
    }
}

/// A swarm drawn from a seed.
#[derive(Debug, Clone)]
pub struct RandomSwarm {
    seed: u64,
    content: ContentConfig,
    /// The first one is the honest seed that stays.
    peers: Vec<PeerConfig>,
    network: Network,
    faults: Vec<Fault>,
    left_out: Vec<Part>,
}

impl RandomSwarm {
    /// What this seed gives.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let content = draw_content(&mut rng);
        let honest = rng.usize(6..=16);
        let hostile = if rng.bool() { rng.usize(1..=8) } else { rng.usize(0..=2) };
        let mut peers =
            vec![PeerConfig { has_everything: true, leaves: Departure::Never, ..draw_line(&mut rng) }];
        peers.extend((0..honest).map(|_| draw_honest(&mut rng)));
        if hostile > 0 {
            // They could take all of a few places, which nothing is promised about.
            peers.iter_mut().for_each(|peer| peer.session.connections_per_torrent = 100);
        }
        let mut floods = false;
        peers.extend((0..hostile).map(|_| draw_hostile(&mut rng, &mut floods)));
        let count = rng.usize(0..=5);
        let mut faults: Vec<Fault> = (0..count).map(|_| draw_fault(&mut rng, honest, peers.len())).collect();
        // What came to be drawn later is drawn apart, so that old seeds are what they were beside it.
        let mut rng = Rng::with_seed(!seed);
        draw_places(&mut rng, &mut peers);
        faults.extend((0..rng.usize(0..=2)).map(|_| draw_delay(&mut rng, honest)));
        if rng.bool() {
            peers.iter_mut().for_each(|peer| peer.session.dht_port = LISTEN_PORT);
            faults.extend(rng.bool().then(|| draw_dht_outage(&mut rng)));
        }
        draw_sybils(&mut Rng::with_seed(seed.rotate_left(32)), &mut peers, 1 + honest);
        let is_small = peers.len() <= MOST_OF_PACKETS;
        let network = if is_small && rng.bool() { draw_packets(&mut rng) } else { Network::Block };
        Self { seed, content, peers, network, faults, left_out: Vec::new() }
    }

    /// Runs it until everybody who is honest has everything.
    #[expect(clippy::expect_used, reason = "what is drawn is small, and some file has a byte")]
    pub fn run(&self) -> Result<(), Violation> {
        let mut simulation = Simulation::new(self.seed, &self.content)
            .expect("content can be made")
            .with_network(self.network);
        simulation.add_tracker(TrackerConfig::default());
        for (number, peer) in self.peers.iter().enumerate() {
            let mut peer = peer.clone();
            if self.left_out.contains(&Part::Peer(number)) {
                // It never comes, but keeps its number.
                (peer.joins, peer.leaves) = (Duration::from_secs(1), Departure::At(Duration::ZERO));
            }
            simulation.add_peer(peer);
        }
        for (number, fault) in self.faults.iter().enumerate() {
            if !self.left_out.contains(&Part::Fault(number)) {
                simulation.add_fault(fault.clone());
            }
        }
        simulation.run_until_complete(PATIENCE)
    }

    /// The same with other settings of all sessions.
    #[must_use]
    pub fn with_sessions(mut self, change: impl Fn(&mut Config)) -> Self {
        self.peers.iter_mut().for_each(|peer| change(&mut peer.session));
        self
    }

    /// What can still be left out.
    pub fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        let faults = (0..self.faults.len()).map(Part::Fault);
        let peers = (1..self.peers.len()).rev().map(Part::Peer);
        faults.chain(peers).filter(|part| !self.left_out.contains(part))
    }

    /// The same without these parts.
    #[must_use]
    pub fn without(&self, parts: &[Part]) -> Self {
        let mut smaller = self.clone();
        smaller.left_out.extend(parts);
        smaller
    }

    /// What is left out.
    #[must_use]
    pub fn left_out(&self) -> &[Part] {
        &self.left_out
    }

    /// The seed it was drawn from.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Smaller ones, the smallest first: for [`shrunk`](crate::shrunk).
    #[must_use]
    pub fn smaller(&self) -> Vec<Self> {
        let parts: Vec<Part> = self.parts().collect();
        let (one, other) = parts.split_at(parts.len() / 2);
        let single = parts.chunks(1);
        let left_out = [one, other].into_iter().chain(single).filter(|parts| !parts.is_empty());
        left_out.map(|parts| self.without(parts)).collect()
    }
}

/// One of so many times it is so.
fn one_in(rng: &mut Rng, times: u32) -> bool {
    rng.u32(..times) == 0
}

fn draw_content(rng: &mut Rng) -> ContentConfig {
    let version = [Version::V1, Version::V2, Version::Hybrid][rng.usize(..3)];
    let piece_length = [16 << 10, 32 << 10, 64 << 10][rng.usize(..3)];
    let files = (0..rng.usize(1..=3)).map(|_| rng.u64(1..200_000)).collect();
    ContentConfig { version, piece_length, files, ..ContentConfig::default() }
}

fn draw_line(rng: &mut Rng) -> PeerConfig {
    let session = Config {
        pex: !one_in(rng, 4),
        connections_per_torrent: if one_in(rng, 6) { rng.usize(4..12) } else { 100 },
        ..Config::default()
    };
    PeerConfig {
        upload: (32 << 10) << rng.u32(0..5),
        download: (256 << 10) << rng.u32(0..5),
        latency: Duration::from_millis(rng.u64(1..150)),
        disk_latency: Duration::from_millis(rng.u64(0..20)),
        session,
        ..PeerConfig::default()
    }
}

fn draw_honest(rng: &mut Rng) -> PeerConfig {
    let disk_faults = if one_in(rng, 5) {
        let mut failing_calls: Vec<u64> = (0..rng.usize(0..5)).map(|_| rng.u64(0..150)).collect();
        failing_calls.sort_unstable();
        DiskFaults { jitter: Duration::from_millis(rng.u64(0..1000)), failing_calls }
    } else {
        DiskFaults::default()
    };
    PeerConfig {
        disk_faults,
        behaviour: if one_in(rng, 8) { Behaviour::FreeRider } else { Behaviour::Honest },
        has_everything: one_in(rng, 8),
        from_magnet: one_in(rng, 6),
        sequential: one_in(rng, 8),
        joins: Duration::from_millis(if rng.bool() { rng.u64(0..30_000) } else { 0 }),
        leaves: match rng.u32(..8) {
            0 => Departure::At(Duration::from_secs(rng.u64(5..60))),
            1 | 2 => Departure::AfterCompletion(Duration::from_secs(rng.u64(0..20))),
            _ => Departure::Never,
        },
        ..draw_line(rng)
    }
}

fn draw_hostile(rng: &mut Rng, floods: &mut bool) -> PeerConfig {
    let per_mille = [20, 200, 1000][rng.usize(..3)];
    let behaviour = match rng.u32(..8) {
        0 => Behaviour::Poisoner { per_mille },
        1 | 2 => Behaviour::ColludingPoisoner { per_mille },
        3 => Behaviour::Liar { rejects: rng.bool() },
        4 => Behaviour::SlowReader,
        // One is plenty.
        5 if !std::mem::replace(floods, true) => Behaviour::RequestFlooder,
        6 => Behaviour::SeedSlotAttacker,
        _ => Behaviour::Strategic,
    };
    let has_everything = matches!(behaviour, Behaviour::Poisoner { .. });
    PeerConfig { behaviour, has_everything, ..draw_line(rng) }
}

/// In which part of the world peers are, and who is behind a NAT: never the honest seed that stays.
fn draw_places(rng: &mut Rng, peers: &mut [PeerConfig]) {
    let (is_wide, has_nats) = (rng.bool(), one_in(rng, 3));
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.region = is_wide.then(|| Region::ALL[rng.usize(..Region::ALL.len())]);
        if has_nats && number > 0 && rng.bool() {
            peer.nat = Nat::Closed;
        }
    }
}

/// Those after `first` may be the names of one owner: they live in one subnet, and behave alike.
fn draw_sybils(rng: &mut Rng, peers: &mut [PeerConfig], first: usize) {
    let Some((model, others)) = peers.get_mut(first..).and_then(<[_]>::split_first_mut) else { return };
    if one_in(rng, 3) && model.behaviour != Behaviour::RequestFlooder {
        model.subnet = Some(0);
        for other in others {
            (other.subnet, other.behaviour, other.has_everything) =
                (model.subnet, model.behaviour, model.has_everything);
        }
    }
}

/// Somebody up to `honest` takes longer.
fn draw_delay(rng: &mut Rng, honest: usize) -> Fault {
    let peer = PeerNumber(rng.usize(..=honest) as u32);
    let from = Duration::from_secs(rng.u64(0..TROUBLED / 2));
    let lasts = Duration::from_millis(rng.u64(1..TROUBLED / 2 * 1000));
    if rng.bool() {
        return Fault::Suspend { at: from, by: lasts, peer };
    }
    Fault::SlowDisk { from, until: from + lasts, peer, by: Duration::from_millis(rng.u64(1..5000)) }
}

fn draw_packets(rng: &mut Rng) -> Network {
    Network::Packet(PacketConfig {
        loss_per_mille: rng.u16(..30),
        reorder_per_mille: rng.u16(..50),
        jitter: Duration::from_millis(rng.u64(..100)),
        duplication_per_mille: rng.u16(..20),
        mtu: [576, 1280, 1500][rng.usize(..3)],
        queue: (8 << 10) << rng.u32(..5),
    })
}

fn draw_dht_outage(rng: &mut Rng) -> Fault {
    let begins = rng.u64(0..TROUBLED / 2);
    let until = Duration::from_secs(rng.u64(begins..TROUBLED) + 1);
    Fault::DhtOutage { from: Duration::from_secs(begins), until }
}

/// Among so many peers, of whom those from 1 to `honest` may crash.
fn draw_fault(rng: &mut Rng, honest: usize, peers: usize) -> Fault {
    let number = |number: usize| PeerNumber(number as u32);
    let begins = rng.u64(0..TROUBLED / 2);
    let from = Duration::from_secs(begins);
    let until = Duration::from_secs(rng.u64(begins..TROUBLED) + 1);
    match rng.u32(..6) {
        0 => {
            let cut_off = (0..peers).filter(|_| rng.bool()).map(number).collect();
            Fault::Partition { from, until, peers: cut_off }
        }
        1 => {
            let towards = rng.bool().then(|| number(rng.usize(..peers)));
            Fault::Clog { from, until, peer: number(rng.usize(..peers)), towards }
        }
        2 | 3 => {
            let down_for = Duration::from_millis(rng.u64(1..30_000));
            Fault::Crash { at: from, down_for, peer: number(rng.usize(1..=honest)) }
        }
        4 => Fault::FullDisk { from, until, peer: number(rng.usize(1..=honest)) },
        _ => Fault::TrackerOutage { from, until, url: TrackerConfig::default().url },
    }
}
