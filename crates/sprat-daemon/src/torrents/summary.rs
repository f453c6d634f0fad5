//! A torrent as it stands in a list.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sprat_core::io::Trouble;
use sprat_core::storage::StorageErrorKind;
use utoipa::ToSchema;

use super::facts::Facts;
use super::live::{Doing, Live, permille};
use super::record::{Record, SeedingLimits};

/// What a torrent is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The user does not want it to run.
    Stopped,
    /// It is to run, and waits until others have ended.
    Queued,
    /// Its metadata is looked for.
    FetchingMetadata,
    /// What is on the disk is compared with its hashes.
    Checking,
    /// What it lacks is fetched.
    Downloading,
    /// It has what is wanted of it, and gives it to others.
    Seeding,
    /// Its files are brought elsewhere, or are about to be since it is complete.
    Moving,
    /// It has stopped by itself; `trouble` says why. Most troubles end by themselves when their cause is gone.
    Trouble,
}

/// A torrent as it stands in a list. Rates are bytes per second, times seconds, dates seconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Summary {
    /// By what it is called here: 40 hexadecimal digits.
    pub hash: String,
    /// A number that is shorter, and good until the daemon ends.
    pub id: u32,
    /// How it is called.
    pub name: String,
    /// What it is doing.
    pub state: State,
    /// Why it has stopped by itself, in words for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<TroubleText>,
    /// Thousandths of what is done: of the metadata, of the check, of what is wanted.
    pub progress: u16,
    /// Bytes of its content; 0 while that is not known.
    pub size: u64,
    /// Bytes of it that are wanted.
    pub wanted: u64,
    /// Bytes that are wanted and not had.
    pub left: u64,
    /// Bytes of the whole torrent that are had.
    pub have: u64,
    /// Payload received.
    pub downloaded: u64,
    /// Payload sent.
    pub uploaded: u64,
    /// Received for nothing.
    pub wasted: u64,
    /// Bytes sent for each byte of its content.
    pub ratio: f64,
    /// Payload received.
    pub download_rate: u64,
    /// Payload sent.
    pub upload_rate: u64,
    /// Seconds until it has what is wanted, if it goes on like that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta: Option<u64>,
    /// Connections.
    pub peers: usize,
    /// Those of them that have everything.
    pub seeds: usize,
    /// Addresses that are known.
    pub known_peers: usize,
    /// Copies that connected peers hold together, in thousandths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability: Option<u64>,
    /// Its label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Words it was tagged with.
    pub tags: BTreeSet<String>,
    /// The directory that its files are below.
    pub directory: String,
    /// When it was added.
    pub added_at: i64,
    /// When everything wanted was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<i64>,
    /// When something of it was last sent or received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_at: Option<i64>,
    /// For how long it has been seeding.
    pub seeding_seconds: u64,
    /// For how long it has been running.
    pub active_seconds: u64,
    /// Its place in the queue, from 0.
    pub position: i64,
    /// The queue has no say.
    pub is_forced: bool,
    /// Everything wanted is there, and durable.
    pub is_complete: bool,
    /// Only its own trackers may hear of it (BEP 27).
    pub is_private: bool,
    /// Its metadata is there.
    pub has_metadata: bool,
    /// Pieces in order rather than rarest first.
    pub sequential: bool,
    /// The first and last pieces of each wanted file before all others.
    pub first_last: bool,
    /// When it is alone with everything, it shows each peer few pieces at a time (BEP 16).
    pub super_seeding: bool,
    /// Connections at most; none of its own: as many as any torrent may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<usize>,
    /// The most to receive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub download_limit: Option<u64>,
    /// The most to send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_limit: Option<u64>,
    /// When it has given enough.
    pub seeding: SeedingLimits,
    /// It has, and was stopped for that.
    pub has_given_enough: bool,
    /// Who has added it.
    pub origin: String,
}

/// Why a torrent has stopped by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TroubleText {
    /// What kind of trouble, a word for programs: `disk_full`, `missing`, `conflict`, …
    pub kind: String,
    /// What has happened, for a person.
    pub text: String,
    /// What can be done about it, for a person.
    pub remedy: String,
}

/// Puts together what is known at a running time of the daemon of a torrent that has this place in the queue.
#[must_use]
pub fn summarise(
    id: u32,
    place: i64,
    facts: &Facts,
    record: &Record,
    live: Option<&Live>,
    now: u64,
) -> Summary {
    let totals = facts.totals;
    let bytes = live.and_then(|live| live.bytes);
    let size = if facts.size > 0 { facts.size } else { bytes.map_or(0, |bytes| bytes.total) };
    // What the session counts has padding in it.
    let lacks = bytes.map_or(facts.left, |bytes| bytes.left).min(size);
    let is_complete = facts.is_complete && facts.is_known;
    let left = bytes.map_or(if is_complete { 0 } else { lacks }, |bytes| bytes.wanted_left).min(size);
    let have = size.saturating_sub(lacks);
    let wanted = have.saturating_add(left).min(size);
    let state = state(facts, record, live);
    let download_rate = live.map_or(0, |live| live.download_rate);
    let progress = match live.map(|live| live.doing) {
        Some(Doing::Checking(permille) | Doing::FetchingMetadata(permille)) => permille,
        _ => permille(wanted - left.min(wanted), wanted),
    };
    Summary {
        hash: facts.hash(),
        id,
        name: record.name.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| named(facts)),
        state,
        trouble: live.and_then(|live| live.trouble.as_ref()).map(explain),
        progress,
        size,
        wanted,
        left,
        have,
        downloaded: totals.downloaded,
        uploaded: totals.uploaded,
        wasted: totals.wasted,
        ratio: ratio(totals.uploaded, size),
        download_rate,
        upload_rate: live.map_or(0, |live| live.upload_rate),
        eta: (state == State::Downloading && download_rate > 0).then(|| left / download_rate),
        peers: live.map_or(0, |live| live.connections),
        seeds: live.map_or(0, |live| live.seeds),
        known_peers: live.map_or(0, |live| live.known_peers),
        availability: live.and_then(availability),
        label: record.label.clone(),
        tags: record.tags.clone(),
        directory: facts.directory.clone(),
        added_at: record.added_at,
        completed_at: record.completed_at,
        active_at: record.active_at,
        seeding_seconds: record.times.seeding_seconds(now),
        active_seconds: record.times.active_seconds(now),
        position: place,
        is_forced: record.is_forced,
        is_complete,
        is_private: facts.is_private,
        has_metadata: facts.is_known,
        sequential: facts.sequential,
        first_last: facts.manner.first_last_first,
        super_seeding: facts.manner.super_seeding,
        connection_limit: facts.manner.connections,
        download_limit: facts.limits.download,
        upload_limit: facts.limits.upload,
        seeding: record.seeding,
        has_given_enough: record.has_given_enough,
        origin: record.origin.clone(),
    }
}

/// In thousandths; `None` while nobody is connected.
fn availability(live: &Live) -> Option<u64> {
    let (whole, part) = live.distributed_copies.filter(|_| live.connections > 0)?;
    Some(u64::from(whole) * 1000 + u64::from(part))
}

#[expect(clippy::cast_precision_loss, reason = "a ratio is looked at, not counted with")]
const fn ratio(uploaded: u64, size: u64) -> f64 {
    if size == 0 { 0.0 } else { uploaded as f64 / size as f64 }
}

/// A magnet link may have told no name.
fn named(facts: &Facts) -> String {
    if facts.name.is_empty() { facts.hash() } else { facts.name.clone() }
}

/// It is complete, and not yet where it is to stay: whoever looks for what is complete must not find it before.
#[must_use]
pub const fn is_expected_elsewhere(facts: &Facts, record: &Record) -> bool {
    facts.is_complete && record.destination.is_some()
}

fn state(facts: &Facts, record: &Record, live: Option<&Live>) -> State {
    if facts.is_moving || is_expected_elsewhere(facts, record) {
        return State::Moving;
    }
    if live.is_some_and(|live| live.trouble.is_some()) {
        return State::Trouble;
    }
    let doing = live.map(|live| live.doing);
    // A check that the user has asked for runs whatever else is wanted.
    if let Some(Doing::Checking(_)) = doing {
        return State::Checking;
    }
    if !record.is_started {
        return State::Stopped;
    }
    // That it may run is known before it does.
    if facts.is_paused {
        return State::Queued;
    }
    match doing {
        Some(Doing::FetchingMetadata(_)) => State::FetchingMetadata,
        Some(Doing::Downloading) => State::Downloading,
        Some(Doing::Seeding) => State::Seeding,
        _ if !facts.is_known => State::FetchingMetadata,
        _ if facts.is_complete => State::Seeding,
        _ => State::Downloading,
    }
}

/// In words for a person.
#[must_use]
pub fn explain(trouble: &Trouble) -> TroubleText {
    let (kind, text, remedy) = match trouble {
        Trouble::Storage(error) => {
            let (kind, remedy) = remedy(error.kind);
            (kind, error.to_string(), remedy)
        }
        Trouble::Inconsistent => (
            "inconsistent",
            "the v1 and v2 hashes of this torrent contradict each other".to_owned(),
            "Nobody can have all of it: remove it, and look for another one.",
        ),
        Trouble::Unusable(reason) => (
            "unusable",
            reason.clone(),
            "What the link names is no torrent that can be used: remove it, and look for another one.",
        ),
    };
    TroubleText { kind: kind.to_owned(), text, remedy: remedy.to_owned() }
}

const fn remedy(kind: StorageErrorKind) -> (&'static str, &'static str) {
    match kind {
        StorageErrorKind::Full => {
            ("disk_full", "Make room on the disk: it goes on by itself. Others still get what is there.")
        }
        StorageErrorKind::NotWritable => {
            ("not_writable", "Let this program write there, or move the torrent: it goes on by itself.")
        }
        StorageErrorKind::Missing => {
            ("missing", "Mount the disk again, or say where the files are: it goes on by itself.")
        }
        StorageErrorKind::Conflict => (
            "conflict",
            "Other files have its place. Adopt them if they may be written, or move the torrent.",
        ),
        _ => ("io", "Look at the disk and the system's log. It is tried again by itself."),
    }
}
