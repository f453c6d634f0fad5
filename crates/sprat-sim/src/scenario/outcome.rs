//! What a run has shown, in figures and curves. Everything here follows from the seed.

use std::time::Duration;

use serde::Serialize;
use sprat_core::time::Time;

use super::setup::{GroupSetup, Setup};
use super::target::{Figures, Verdict};
use super::theory;
use crate::peer_number::PeerNumber;
use crate::report::{GroupSnapshot, PeerReport, Snapshot, Violation};
use crate::simulation::Simulation;

/// Points of a completion curve at most: as many as can be seen.
const POINTS: usize = 256;

/// What all runs of a scenario have shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The scenario's name.
    pub scenario: String,
    /// What it asks.
    pub question: String,
    /// From which everything follows.
    pub seed: u64,
    /// Its runs; one if it is no sweep.
    pub runs: Vec<RunOutcome>,
    /// Target by target.
    pub verdicts: Vec<Verdict>,
}

impl Outcome {
    /// Every target was met, and nothing happened that must not.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.met) && self.runs.iter().all(|run| run.violation.is_none())
    }
}

/// What one run has shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunOutcome {
    /// Its name; empty if it is the only one.
    pub name: String,
    /// Others are compared with it, and targets do not count for it.
    pub control: bool,
    /// Virtual seconds until it ended.
    pub seconds: f64,
    /// What happened that must not.
    pub violation: Option<String>,
    /// Figures by name: `last`, `mean.leechers`, `utilisation`. Times in seconds, shares of one.
    pub figures: Figures,
    /// The groups in the order of all that follows.
    pub groups: Vec<GroupOutcome>,
    /// The swarm over time.
    pub series: Series,
    /// Payload from group to group, bytes; givers in rows.
    pub flows: Vec<Vec<u64>>,
    /// Payload from peer to peer, bytes, in a swarm of at most 100; givers in rows.
    pub peer_flows: Vec<Vec<u64>>,
    /// Of each peer in `peer_flows`, the index of its group.
    pub peer_groups: Vec<u16>,
    /// Events that happened.
    pub events: u64,
    /// A hash over all of them, in hexadecimal.
    pub trace: String,
}

/// One group of peers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupOutcome {
    /// Its name.
    pub name: String,
    /// How many.
    pub peers: u32,
    /// They had everything from the start.
    pub seeds: bool,
    /// They want everything.
    pub takes: bool,
    /// Payload they sent, bytes.
    pub uploaded: u64,
    /// Payload sent to them, bytes.
    pub downloaded: u64,
    /// Seconds and the share of the group that was complete then.
    pub completions: Vec<(f64, f64)>,
}

/// The swarm over time: one value of each for each moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Series {
    /// The moments.
    pub seconds: Vec<f64>,
    /// Peers present.
    pub present: Vec<u32>,
    /// Of these, peers with everything.
    pub complete: Vec<u32>,
    /// Copies of the rarest piece.
    pub rarest: Vec<u32>,
    /// Copies of the commonest piece.
    pub commonest: Vec<u32>,
    /// Share of the pairs of which one has something for the other; none where there is no pair.
    pub diversity: Vec<Option<f64>>,
    /// Share of the upload capacity of honest peers that payload filled since the moment before.
    pub utilisation: Vec<Option<f64>>,
    /// By group, the mean share of the content that those have who have come.
    pub progress: Vec<Vec<f64>>,
}

/// Puts the figures of a run together.
pub(super) fn measure(
    name: &str,
    control: bool,
    setup: &Setup,
    simulation: &Simulation,
    violation: Option<&Violation>,
) -> RunOutcome {
    let last = simulation.snapshot();
    let mut snapshots = simulation.snapshots().to_vec();
    snapshots.push(last);
    // A group without peers is one all the same.
    let groups = setup.groups.len();
    snapshots.iter_mut().for_each(|snapshot| snapshot.groups.resize_with(groups, GroupSnapshot::default));
    let reports: Vec<PeerReport> = simulation.reports().collect();
    let mut casts: Vec<Cast<'_>> = Vec::new();
    let mut rest = reports.as_slice();
    for (name, group) in setup.ordered_groups() {
        let (peers, others) = rest.split_at_checked(group.count as usize).unwrap_or((rest, &[]));
        rest = others;
        casts.push(Cast { name, setup: group, peers });
    }
    let mut flows = simulation.flows();
    flows.groups.resize_with(groups, Vec::new);
    flows.groups.iter_mut().for_each(|row| row.resize(groups, 0));
    let groups = casts.iter().enumerate().map(|(at, cast)| cast.outcome(at, &flows.groups)).collect();
    let peer_groups = if flows.peers.is_empty() {
        Vec::new()
    } else {
        let of = (0..).zip(&casts).map(|(at, cast)| vec![at; cast.peers.len()]);
        of.collect::<Vec<Vec<u16>>>().concat()
    };
    RunOutcome {
        name: name.to_owned(),
        control,
        seconds: seconds(simulation.now()),
        violation: violation.map(ToString::to_string),
        figures: figures(setup, &casts, &snapshots, &flows.groups),
        groups,
        series: series(setup, &casts, &snapshots),
        flows: flows.groups,
        peer_flows: flows.peers,
        peer_groups,
        events: simulation.events(),
        trace: format!("{:016x}", simulation.trace_hash()),
    }
}

/// A group and how its peers fared.
struct Cast<'a> {
    name: &'a str,
    setup: &'a GroupSetup,
    peers: &'a [PeerReport],
}

impl Cast<'_> {
    /// The peers whose times count: those in the middle of a stream of arrivals, or all.
    fn measured(&self, [from, to]: [f64; 2]) -> &[PeerReport] {
        let at = |share: f64| (share * self.peers.len() as f64).round() as usize;
        self.peers.get(at(from)..at(to)).unwrap_or_default()
    }

    fn outcome(&self, at: usize, flows: &[Vec<u64>]) -> GroupOutcome {
        let mut done: Vec<f64> =
            self.peers.iter().filter_map(|peer| peer.completed_at).map(seconds).collect();
        done.sort_unstable_by(f64::total_cmp);
        let (all, step) = (self.peers.len().max(1) as f64, done.len().div_ceil(POINTS).max(1));
        let count = done.len();
        let numbered = done
            .into_iter()
            .enumerate()
            .filter(|(number, _)| (number + 1) % step == 0 || number + 1 == count);
        GroupOutcome {
            name: self.name.to_owned(),
            peers: self.setup.count,
            seeds: self.setup.is_seed(),
            takes: self.setup.takes(),
            uploaded: flows.get(at).map_or(0, |row| row.iter().sum()),
            downloaded: flows.iter().filter_map(|row| row.get(at)).sum(),
            completions: numbered.map(|(number, at)| (at, (number + 1) as f64 / all)).collect(),
        }
    }
}

fn figures(setup: &Setup, casts: &[Cast<'_>], snapshots: &[Snapshot], flows: &[Vec<u64>]) -> Figures {
    let mut figures = Figures::new();
    let mut enter = |name: &str, value: Option<f64>| {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            figures.insert(name.to_owned(), value);
        }
    };
    let file = setup.content.size.0 as f64;
    enter("bound", theory::bound(setup));
    enter("fluid", theory::fluid(setup));
    let contributors: Vec<&PeerReport> = casts
        .iter()
        .filter(|cast| cast.setup.takes() && cast.setup.contributes())
        .flat_map(|cast| cast.measured(setup.measured))
        .collect();
    enter_times(&mut enter, "", &contributors);
    for cast in casts.iter().filter(|cast| cast.setup.takes()) {
        let peers: Vec<&PeerReport> = cast.measured(setup.measured).iter().collect();
        enter_times(&mut enter, &format!(".{}", cast.name), &peers);
    }
    let sum = |rows: &mut dyn Iterator<Item = (usize, &Cast<'_>)>| -> f64 {
        rows.filter_map(|(at, _)| flows.get(at)).flatten().sum::<u64>() as f64
    };
    enter("copies", Some(sum(&mut casts.iter().enumerate().filter(|(_, cast)| cast.setup.is_seed())) / file));
    let honest: Vec<&PeerReport> =
        casts.iter().filter(|cast| cast.setup.contributes()).flat_map(|cast| cast.peers).collect();
    let total = |of: fn(&PeerReport) -> u64| honest.iter().map(|peer| of(peer)).sum::<u64>() as f64;
    let wasted = total(|peer| peer.wasted);
    let rejected = total(|peer| peer.rejected_pieces) * setup.content.piece_length.0 as f64;
    enter("waste", Some(wasted / total(|peer| peer.downloaded)));
    enter("duplicates", Some((wasted - rejected).max(0.0) / total(|peer| peer.downloaded)));
    enter("waste-per-peer", Some(wasted / file / contributors.len() as f64));
    enter("bans", Some(casts.iter().flat_map(|cast| cast.peers).map(|peer| f64::from(peer.banned_by)).sum()));
    enter("clustering", clustering(casts, flows));
    enter("utilisation", utilisation(setup, casts, snapshots));
    enter("diversity", diversity(snapshots));
    if let Some(last) = snapshots.last() {
        let unfinished = contributors.iter().any(|peer| peer.completed_at.is_none() && !peer.has_left);
        enter("lost-pieces", Some(if unfinished { f64::from(last.lacking) } else { 0.0 }));
    }
    figures
}

/// The times of some peers, under names that end so.
fn enter_times(enter: &mut impl FnMut(&str, Option<f64>), ending: &str, peers: &[&PeerReport]) {
    let mut times: Vec<f64> =
        peers.iter().filter_map(|peer| peer.took).map(|took| took.as_secs_f64()).collect();
    times.sort_unstable_by(f64::total_cmp);
    let mut enter = |name: &str, value: Option<f64>| enter(&format!("{name}{ending}"), value);
    let mean =
        |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    enter("first", times.first().copied());
    enter("mean", mean(&times));
    enter("median", rank(&times, 50));
    enter("p95", rank(&times, 95));
    enter("last", times.last().copied());
    let stayed = peers.iter().filter(|peer| !peer.has_left || peer.completed_at.is_some()).count();
    let share = (stayed > 0).then(|| times.len() as f64 / stayed as f64);
    enter("complete", share);
    let mut firsts: Vec<f64> = peers
        .iter()
        .filter_map(|peer| Some(peer.first_piece_at?.since(peer.joined_at?).as_secs_f64()))
        .collect();
    firsts.sort_unstable_by(f64::total_cmp);
    enter("first-piece", rank(&firsts, 95));
    let tails: Vec<f64> = peers
        .iter()
        .filter_map(|peer| {
            let tail = peer.completed_at?.since(peer.nearly_complete_at?);
            Some(tail.as_secs_f64() / peer.took?.as_secs_f64().max(1e-9))
        })
        .collect();
    enter("tail", mean(&tails));
}

/// So many of a hundred values are no larger.
fn rank(sorted: &[f64], percent: usize) -> Option<f64> {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied()
}

/// How much more of what takers give to takers stays in the group than if they were chosen blindly; `None` for one
/// group.
fn clustering(casts: &[Cast<'_>], flows: &[Vec<u64>]) -> Option<f64> {
    let takers: Vec<(usize, f64)> = casts
        .iter()
        .enumerate()
        .filter(|(_, cast)| cast.setup.takes() && cast.setup.count > 0)
        .map(|(at, cast)| (at, f64::from(cast.setup.count)))
        .collect();
    let all: f64 = takers.iter().map(|(_, count)| count).sum();
    let flow = |from: usize, to: usize| {
        flows.get(from).and_then(|row| row.get(to)).map_or(0.0, |bytes| *bytes as f64)
    };
    let (mut inside, mut blindly) = (0.0, 0.0);
    for (from, count) in &takers {
        let given: f64 = takers.iter().map(|(to, _)| flow(*from, *to)).sum();
        inside += flow(*from, *from);
        blindly += given * (count - 1.0) / (all - 1.0).max(1.0);
    }
    (takers.len() > 1 && blindly > 0.0).then_some(inside / blindly)
}

/// The share of what takers will have that they have.
fn way(setup: &Setup, casts: &[Cast<'_>], snapshot: &Snapshot) -> f64 {
    let pieces = setup.content.size.0.div_ceil(setup.content.piece_length.0);
    let mut had = 0;
    let mut wanted = 0;
    for (cast, group) in casts.iter().zip(&snapshot.groups).filter(|(cast, _)| cast.setup.takes()) {
        had += group.pieces;
        wanted += u64::from(cast.setup.count) * pieces;
    }
    had as f64 / wanted.max(1) as f64
}

/// The mean share of the capacity that payload filled from 10 % to 90 % of the way.
fn utilisation(setup: &Setup, casts: &[Cast<'_>], snapshots: &[Snapshot]) -> Option<f64> {
    let (mut sent, mut could) = (0.0, 0.0);
    for (before, after) in snapshots.iter().zip(snapshots.iter().skip(1)) {
        if way(setup, casts, before) >= 0.1 && way(setup, casts, after) <= 0.9 {
            sent += (after.payload - before.payload) as f64;
            could += capacity_between(before, after);
        }
    }
    (could > 0.0).then_some(sent / could)
}

fn capacity_between(before: &Snapshot, after: &Snapshot) -> f64 {
    f64::midpoint(before.capacity as f64, after.capacity as f64) * after.at.since(before.at).as_secs_f64()
}

/// The mean share of useful pairs once every piece has two copies.
fn diversity(snapshots: &[Snapshot]) -> Option<f64> {
    let spread =
        snapshots.iter().skip_while(|snapshot| snapshot.rarest < 2).filter(|snapshot| snapshot.pairs > 0);
    let shares: Vec<f64> = spread.filter_map(share_of_pairs).collect();
    (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
}

fn share_of_pairs(snapshot: &Snapshot) -> Option<f64> {
    (snapshot.pairs > 0).then(|| f64::from(snapshot.useful_pairs) / f64::from(snapshot.pairs))
}

fn series(setup: &Setup, casts: &[Cast<'_>], snapshots: &[Snapshot]) -> Series {
    let pieces = setup.content.size.0.div_ceil(setup.content.piece_length.0) as f64;
    let mut series = Series { progress: vec![Vec::new(); casts.len()], ..Series::default() };
    let mut before: Option<&Snapshot> = None;
    for snapshot in snapshots {
        series.seconds.push(seconds(snapshot.at));
        series.present.push(snapshot.present);
        series.complete.push(snapshot.complete);
        series.rarest.push(snapshot.rarest);
        series.commonest.push(snapshot.commonest);
        series.diversity.push(share_of_pairs(snapshot));
        let filled = before.and_then(|before| {
            let could = capacity_between(before, snapshot);
            (could > 0.0).then(|| (snapshot.payload - before.payload) as f64 / could)
        });
        series.utilisation.push(filled);
        for (progress, group) in series.progress.iter_mut().zip(&snapshot.groups) {
            progress.push(group.pieces as f64 / (f64::from(group.joined) * pieces).max(1.0));
        }
        before = Some(snapshot);
    }
    series
}

fn seconds(at: Time) -> f64 {
    let since: Duration = at.since(Time::ZERO);
    since.as_secs_f64()
}

/// Who a peer is, for people: its group and its number there.
#[must_use]
pub fn peer_name(run: &RunOutcome, peer: PeerNumber) -> String {
    let group = |at: usize| run.peer_groups.get(at).copied();
    let number = peer.0 as usize;
    let Some(of) = group(number) else { return peer.0.to_string() };
    let before = run.peer_groups.iter().take(number).filter(|other| **other == of).count();
    let name = run.groups.get(usize::from(of)).map_or("", |group| &group.name);
    format!("{name} {}", before + 1)
}
