//! Puts the peers of a setup on the stage.

use std::time::Duration;

use fastrand::Rng;

use super::amount::Share;
use super::chance::exponential;
use super::setup::{Arrival, FaultSetup, GroupSetup, Has, Leaving, Setup};
use crate::content::{ContentConfig, ContentError};
use crate::disk::DiskFaults;
use crate::faults::Fault;
use crate::peer::{Departure, PeerConfig};
use crate::peer_number::PeerNumber;
use crate::simulation::Simulation;
use crate::trackers::TrackerConfig;

/// The swarm of a setup, before its first event; groups are numbered in the order of `ordered_groups`.
pub(super) fn cast(setup: &Setup, seed: u64, threads: usize) -> Result<Simulation, ContentError> {
    let tracker = TrackerConfig {
        latency: setup.tracker.latency.0,
        settings: sprat_tracker::TrackerConfig {
            interval: setup.tracker.interval.0,
            default_peers: setup.tracker.peers.into(),
            max_peers_udp: setup.tracker.peers.into(),
            ..sprat_tracker::TrackerConfig::default()
        },
        ..TrackerConfig::default()
    };
    let content = ContentConfig {
        version: setup.content.version.into(),
        piece_length: u32::try_from(setup.content.piece_length.0).unwrap_or(u32::MAX),
        files: vec![setup.content.size.0],
        trackers: vec![vec![tracker.url.clone()]],
    };
    let simulation = Simulation::new(seed, &content)?;
    let mut simulation = simulation.with_threads(threads).with_network(setup.network.into());
    if !setup.check_messages {
        simulation.skip_wire_checks();
    }
    let url = tracker.url.clone();
    simulation.add_tracker(tracker);
    // Of its own, so that another group does not change when these come.
    let pieces = simulation.content().geometry().pieces();
    let mut first_of: Vec<(&str, u32, u32)> = Vec::new();
    let mut next = 0;
    for (number, (name, group)) in (0..).zip(setup.ordered_groups()) {
        let mut rng = Rng::with_seed(seed ^ fnv(name));
        first_of.push((name, next, group.count));
        next += group.count;
        for joins in arrivals(group, &mut rng) {
            let leaves = departure(group.leave, pieces, &mut rng);
            simulation.add_peer(peer(setup, group, number, joins, leaves));
        }
    }
    for fault in &setup.faults {
        for fault in faults(fault, &first_of, &url) {
            simulation.add_fault(fault);
        }
    }
    Ok(simulation)
}

fn peer(setup: &Setup, group: &GroupSetup, number: u16, joins: Duration, leaves: Departure) -> PeerConfig {
    PeerConfig {
        upload: group.upload.0,
        download: group.download.0,
        latency: group.latency.0,
        region: group.region,
        nat: group.nat,
        // Of groups there are few.
        subnet: group.one_subnet.then(|| u8::try_from(number).unwrap_or(u8::MAX)),
        disk_latency: group.disk_latency.0,
        disk_faults: DiskFaults {
            jitter: group.disk_jitter.0,
            failing_calls: group.failing_disk_calls.clone(),
        },
        behaviour: group.behaviour.into(),
        has_everything: group.has == Has::Everything,
        has_per_mille: if let Has::Some(Share(per_mille)) = group.has { per_mille } else { 0 },
        from_magnet: group.from_magnet,
        sequential: group.sequential,
        manner: sprat_core::io::Manner::USUAL,
        reads: None,
        group: number,
        joins,
        leaves,
        knows: Vec::new(),
        session: group.session(setup.session),
    }
}

/// When each peer of a group comes, the earliest first.
fn arrivals(group: &GroupSetup, rng: &mut Rng) -> Vec<Duration> {
    let count = group.count as usize;
    let mut times: Vec<Duration> = match &group.arrive {
        Arrival::AtOnce => vec![Duration::ZERO; count],
        Arrival::At(time) => vec![time.0; count],
        Arrival::FlashCrowd { mean } => (0..count).map(|_| exponential(mean.0, rng)).collect(),
        Arrival::Poisson { peers, every } => {
            let between = every.0 / (*peers).max(1);
            let mut now = Duration::ZERO;
            (0..count)
                .map(|_| {
                    now = now.saturating_add(exponential(between, rng));
                    now
                })
                .collect()
        }
        Arrival::Recorded(times) => times.iter().map(|time| time.0).collect(),
    };
    times.sort_unstable();
    times
}

fn departure(leave: Leaving, pieces: u32, rng: &mut Rng) -> Departure {
    match leave {
        Leaving::Never => Departure::Never,
        Leaving::AfterCompletion(time) => Departure::AfterCompletion(time.0),
        Leaving::AfterCompletionAbout(mean) => Departure::AfterCompletion(exponential(mean.0, rng)),
        Leaving::AtRandomProgress => Departure::AtPieces(rng.u32(1..pieces.max(2))),
        Leaving::OnceReplicated => Departure::OnceReplicated,
    }
}

fn faults(setup: &FaultSetup, groups: &[(&str, u32, u32)], url: &str) -> Vec<Fault> {
    let peers = |group: &str, count: Option<u32>| -> Vec<PeerNumber> {
        let of = groups.iter().find(|(name, _, _)| *name == group);
        of.map_or_else(Vec::new, |(_, first, all)| {
            (*first..first + count.unwrap_or(*all).min(*all)).map(PeerNumber).collect()
        })
    };
    match setup {
        FaultSetup::Partition { from, until, group, count } => {
            vec![Fault::Partition { from: from.0, until: until.0, peers: peers(group, *count) }]
        }
        FaultSetup::Clog { from, until, group, count } => peers(group, *count)
            .into_iter()
            .map(|peer| Fault::Clog { from: from.0, until: until.0, peer, towards: None })
            .collect(),
        FaultSetup::Crash { at, down_for, group, count } => peers(group, *count)
            .into_iter()
            .map(|peer| Fault::Crash { at: at.0, down_for: down_for.0, peer })
            .collect(),
        FaultSetup::Suspend { at, by, group, count } => {
            let suspend = |peer| Fault::Suspend { at: at.0, by: by.0, peer };
            peers(group, *count).into_iter().map(suspend).collect()
        }
        FaultSetup::SlowDisk { from, until, by, group, count } => {
            let slow = |peer| Fault::SlowDisk { from: from.0, until: until.0, peer, by: by.0 };
            peers(group, *count).into_iter().map(slow).collect()
        }
        FaultSetup::FullDisk { from, until, group, count } => peers(group, *count)
            .into_iter()
            .map(|peer| Fault::FullDisk { from: from.0, until: until.0, peer })
            .collect(),
        FaultSetup::TrackerOutage { from, until } => {
            vec![Fault::TrackerOutage { from: from.0, until: until.0, url: url.to_owned() }]
        }
        FaultSetup::DhtOutage { from, until } => {
            vec![Fault::DhtOutage { from: from.0, until: until.0 }]
        }
    }
}

/// Tells the groups' random numbers apart.
fn fnv(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
