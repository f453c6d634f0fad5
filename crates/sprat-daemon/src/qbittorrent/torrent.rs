//! A torrent as it stands in a list.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};
use sprat_core::storage::TorrentId;
use sprat_wire::magnet::Magnet;

use super::share;
use super::status::Status;
use super::swarms::{Overview, Swarm};
use crate::labels::Labels;
use crate::service::Choices;
use crate::torrents::share_limits::Given;
use crate::torrents::{Line, Snapshot, State, Summary};

/// What stands for a time that never comes: a hundred days.
pub(super) const NEVER: u64 = 8_640_000;

/// What stands for a date that is not known.
pub(super) const NO_DATE: i64 = -1;

/// The largest ratio that is told.
const MAX_RATIO: f64 = 9999.0;

/// All torrents at one moment, with what holds for them.
#[derive(Debug)]
pub(super) struct List {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) overview: Arc<Overview>,
    pub(super) choices: Choices,
    pub(super) labels: Labels,
    /// Places in the queue, from 1, of what is not complete: those that are complete are not taken in turn.
    pub(super) places: BTreeMap<TorrentId, usize>,
}

impl List {
    /// One of them, as clients see it.
    pub(super) fn describe<'a>(&'a self, line: &'a Line) -> Described<'a> {
        let (one, hashes) = (&line.summary, &line.identity.info_hashes);
        let swarm = self.overview.swarms.get(&line.torrent);
        let in_force = self.labels.seeding_limits(one.seeding, one.label.as_deref(), self.choices.seeding);
        let minutes = |time: Option<Duration>| time.map_or(-1, |time| share::of_seconds(time.as_secs()));
        let content = &*line.identity.content;
        let has_files = content != one.directory;
        Described {
            added_on: one.added_at,
            amount_left: one.left,
            auto_tmm: false,
            #[expect(clippy::cast_precision_loss, reason = "it is looked at")]
            availability: one.availability.map_or(-1.0, |copies| copies as f64 / 1000.0),
            category: one.label.as_deref().unwrap_or_default(),
            completed: one.wanted.saturating_sub(one.left),
            completion_on: one.completed_at.unwrap_or(NO_DATE),
            content_path: content,
            dl_limit: one.download_limit.unwrap_or_default(),
            dlspeed: one.download_rate,
            download_path: "",
            downloaded: one.downloaded,
            eta: eta(one),
            f_l_piece_prio: one.first_last,
            force_start: one.is_forced,
            has_metadata: one.has_metadata,
            hash: &one.hash,
            inactive_seeding_time_limit: share::minutes(one.seeding.idle_seconds),
            infohash_v1: hashes.v1().map(|hash| hash.to_string()).unwrap_or_default(),
            infohash_v2: hashes.v2().map(|hash| hash.to_string()).unwrap_or_default(),
            last_activity: one.active_at.unwrap_or(one.added_at),
            magnet_uri: magnet(line, swarm.map(|swarm| &**swarm)),
            max_inactive_seeding_time: minutes(in_force.inactive),
            max_ratio: in_force.ratio.map_or(-1.0, |ratio| f64::from(ratio.thousandths()) / 1000.0),
            max_seeding_time: minutes(in_force.seeding),
            name: &one.name,
            num_complete: swarm.and_then(|swarm| swarm.seeders).map_or(-1, i64::from),
            num_incomplete: swarm.and_then(|swarm| swarm.leechers).map_or(-1, i64::from),
            num_leechs: one.peers.saturating_sub(one.seeds),
            num_seeds: one.seeds,
            priority: self.places.get(&line.torrent).copied().unwrap_or_default(),
            private: one.has_metadata.then_some(one.is_private),
            progress: progress(one),
            ratio: ratio(one),
            ratio_limit: share::ratio(one.seeding.ratio),
            root_path: if has_files { content } else { "" },
            save_path: &one.directory,
            seeding_time: one.seeding_seconds,
            seeding_time_limit: share::minutes(one.seeding.seconds),
            seen_complete: NO_DATE,
            seq_dl: one.sequential,
            size: one.wanted,
            state: Status::of(one).word(),
            super_seeding: one.super_seeding,
            tags: Tags(one),
            time_active: one.active_seconds,
            total_size: one.size,
            tracker: swarm.and_then(|swarm| swarm.working.as_deref()).unwrap_or_default(),
            trackers_count: swarm.map_or(0, |swarm| swarm.urls.len()),
            up_limit: one.upload_limit.unwrap_or_default(),
            uploaded: one.uploaded,
            upspeed: one.upload_rate,
        }
    }
}

/// What a list tells of a torrent. Rates are bytes per second and 0 where there is no limit, times are seconds (but limits of times:
/// minutes), dates are seconds since 1970.
#[derive(Debug, Serialize)]
pub(super) struct Described<'a> {
    added_on: i64,
    amount_left: u64,
    auto_tmm: bool,
    availability: f64,
    category: &'a str,
    completed: u64,
    completion_on: i64,
    content_path: &'a str,
    dl_limit: u64,
    dlspeed: u64,
    download_path: &'static str,
    downloaded: u64,
    eta: u64,
    f_l_piece_prio: bool,
    force_start: bool,
    has_metadata: bool,
    hash: &'a str,
    inactive_seeding_time_limit: i64,
    infohash_v1: String,
    infohash_v2: String,
    last_activity: i64,
    magnet_uri: String,
    max_inactive_seeding_time: i64,
    max_ratio: f64,
    max_seeding_time: i64,
    name: &'a str,
    num_complete: i64,
    num_incomplete: i64,
    num_leechs: usize,
    num_seeds: usize,
    priority: usize,
    private: Option<bool>,
    progress: f64,
    ratio: f64,
    ratio_limit: f64,
    root_path: &'a str,
    save_path: &'a str,
    seeding_time: u64,
    seeding_time_limit: i64,
    seen_complete: i64,
    seq_dl: bool,
    size: u64,
    state: &'static str,
    super_seeding: bool,
    tags: Tags<'a>,
    time_active: u64,
    total_size: u64,
    tracker: &'a str,
    trackers_count: usize,
    up_limit: u64,
    uploaded: u64,
    upspeed: u64,
}

/// Its tags in one text.
#[derive(Debug)]
struct Tags<'a>(&'a Summary);

impl Serialize for Tags<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tags: Vec<&str> = self.0.tags.iter().map(String::as_str).collect();
        serializer.serialize_str(&tags.join(", "))
    }
}

pub(super) fn places(snapshot: &Snapshot) -> BTreeMap<TorrentId, usize> {
    let waiting = snapshot.lines().iter().filter(|line| !line.summary.is_complete);
    let mut order: Vec<_> = waiting.map(|line| (line.summary.position, line.torrent)).collect();
    order.sort_unstable();
    order.into_iter().zip(1..).map(|((_, torrent), place)| (torrent, place)).collect()
}

/// The part that is there, from 0 to 1; while it is checked or its metadata is fetched, the part of that.
pub(super) fn progress(one: &Summary) -> f64 {
    match one.state {
        State::Checking | State::FetchingMetadata => f64::from(one.progress) / 1000.0,
        _ => part(one.wanted.saturating_sub(one.left), one.wanted),
    }
}

/// From 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "it is looked at")]
pub(super) fn part(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// As limits are compared with it: what was there before it was added is to be given back as well.
pub(super) fn ratio(one: &Summary) -> f64 {
    let given =
        Given { uploaded: one.uploaded, downloaded: one.downloaded, have: one.have, ..Given::default() };
    given.ratio().unwrap_or_default().min(MAX_RATIO)
}

/// Seconds until it is complete.
pub(super) fn eta(one: &Summary) -> u64 {
    one.eta.unwrap_or(NEVER).min(NEVER)
}

fn magnet(line: &Line, swarm: Option<&Swarm>) -> String {
    let trackers = swarm.map(|swarm| swarm.urls.iter().map(|url| url.to_string()).collect());
    Magnet {
        name: Some(line.summary.name.clone()),
        trackers: trackers.unwrap_or_default(),
        ..Magnet::new(line.identity.info_hashes)
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::super::example::summary;
    use super::*;

    #[test]
    fn numbers_are_those_that_limits_are_compared_with() {
        let mut one = summary();
        assert_eq!((progress(&one), ratio(&one), eta(&one)), (0.0, 0.0, NEVER));
        (one.left, one.have, one.uploaded, one.eta) = (250, 750, 1500, Some(9));
        assert_eq!((progress(&one), ratio(&one), eta(&one)), (0.75, 2.0, 9));
        one.downloaded = 3000;
        assert_eq!(ratio(&one), 0.5);
        (one.state, one.progress) = (State::Checking, 125);
        assert_eq!(progress(&one), 0.125);
        (one.uploaded, one.downloaded, one.have) = (u64::MAX, 1, 0);
        assert_eq!(ratio(&one), MAX_RATIO);
    }
}
