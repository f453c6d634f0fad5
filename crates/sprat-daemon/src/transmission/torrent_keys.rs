//! What can be asked of a torrent: the name in each dialect, what it needs that does not stand in the list, and how it is computed.

use super::memory::Limit;
use super::names::Name;
use super::value::Out;
use super::view::{Part, View};
use super::{files, labels, media, peers, tracker_keys, units};
use crate::torrents::{SeedingLimit, State};

/// One of them.
#[derive(Debug)]
pub(super) struct Key {
    /// How it is called.
    pub(super) name: Name,
    /// What must be fetched for it.
    pub(super) parts: &'static [Part],
    /// What it is.
    pub(super) value: fn(&View<'_>) -> Out,
}

const fn key(name: Name, parts: &'static [Part], value: fn(&View<'_>) -> Out) -> Key {
    Key { name, parts, value }
}

/// `camel("x", parts, value)` is what most of them look like.
const fn camel(name: &'static str, parts: &'static [Part], value: fn(&View<'_>) -> Out) -> Key {
    key(Name::Camel(name), parts, value)
}

const LISTED: &[Part] = &[];
const METAINFO: &[Part] = &[Part::Metainfo];
const FILES: &[Part] = &[Part::Files];
const PEERS: &[Part] = &[Part::Peers];
const TRACKERS: &[Part] = &[Part::Trackers];

/// What `status` can be.
mod status {
    pub(super) const STOPPED: i64 = 0;
    pub(super) const CHECKING: i64 = 2;
    pub(super) const DOWNLOAD_QUEUED: i64 = 3;
    pub(super) const DOWNLOADING: i64 = 4;
    pub(super) const SEED_QUEUED: i64 = 5;
    pub(super) const SEEDING: i64 = 6;
}

/// `error`, when the torrent has stopped for something here.
const LOCAL_ERROR: i64 = 3;

/// `eta`: there is nothing to wait for.
const NOT_AVAILABLE: i64 = -1;

/// `eta`: nobody knows how long it takes.
const UNKNOWN: i64 = -2;

/// All of them, in the order of their names.
pub(super) const KEYS: &[Key] = &[
    camel("activity_date", LISTED, |view| view.one.active_at.unwrap_or_default().into()),
    camel("added_date", LISTED, |view| view.one.added_at.into()),
    camel("availability", &[Part::Pieces, Part::Availability], media::availability),
    camel("bandwidth_priority", LISTED, |_| 0_i64.into()),
    camel("bytes_completed", FILES, |view| view.parts.files.iter().map(|file| file.have.into()).collect()),
    camel("comment", METAINFO, |view| {
        metainfo(view, |it| it.comment.as_deref().unwrap_or_default().into(), "")
    }),
    camel("corrupt_ever", LISTED, |view| view.one.wasted.into()),
    camel("creator", METAINFO, |view| {
        metainfo(view, |it| it.created_by.as_deref().unwrap_or_default().into(), "")
    }),
    camel("date_created", METAINFO, |view| {
        metainfo(view, |it| it.creation_date.unwrap_or_default().into(), 0_i64)
    }),
    camel("desired_available", &[Part::Metainfo, Part::Pieces, Part::Availability], media::desired_available),
    camel("done_date", LISTED, |view| view.one.completed_at.unwrap_or_default().into()),
    camel("download_dir", LISTED, |view| view.one.directory.as_str().into()),
    camel("download_limit", LISTED, |view| limit(view, Limit::Download, view.one.download_limit)),
    camel("download_limited", LISTED, |view| view.one.download_limit.is_some().into()),
    camel("downloaded_ever", LISTED, |view| view.one.downloaded.into()),
    // When something of it was last changed is not kept.
    camel("edit_date", LISTED, |_| 0_i64.into()),
    camel("error", LISTED, |view| if view.one.trouble.is_some() { LOCAL_ERROR } else { 0 }.into()),
    camel("error_string", LISTED, error_string),
    camel("eta", LISTED, |view| eta(view).into()),
    camel("eta_idle", LISTED, |view| eta_idle(view).into()),
    key(Name::Kebab("file_count"), METAINFO, |view| {
        metainfo(view, |it| files::of_metainfo(it).len().into(), 0_i64)
    }),
    camel("file_stats", FILES, files::stats),
    camel("files", &[Part::Metainfo, Part::Files], files::list),
    camel("group", LISTED, |_| "".into()),
    camel("hash_string", LISTED, |view| view.one.hash.as_str().into()),
    // Everything is looked at before it is said to be there.
    camel("have_unchecked", LISTED, |_| 0_i64.into()),
    camel("have_valid", LISTED, |view| view.one.have.into()),
    camel("honors_session_limits", LISTED, |_| true.into()),
    camel("id", LISTED, |view| super::who::number(view.torrent).into()),
    camel("is_finished", LISTED, |view| view.one.has_given_enough.into()),
    camel("is_private", LISTED, |view| view.one.is_private.into()),
    // By Transmission's rule this depends on the queue, which has another one.
    camel("is_stalled", LISTED, |_| false.into()),
    camel("labels", LISTED, |view| labels::of(view.one)),
    camel("left_until_done", LISTED, |view| view.one.left.into()),
    camel("magnet_link", &[Part::Magnet], |view| view.parts.magnet.as_str().into()),
    camel("manual_announce_time", LISTED, |_| NOT_AVAILABLE.into()),
    camel("max_connected_peers", LISTED, peer_limit),
    camel("metadata_percent_complete", LISTED, metadata_percent),
    camel("name", LISTED, |view| view.one.name.as_str().into()),
    key(Name::Kebab("peer_limit"), LISTED, peer_limit),
    camel("peers", PEERS, peers::list),
    camel("peers_connected", LISTED, |view| view.one.peers.into()),
    camel("peers_from", PEERS, peers::sources),
    camel("peers_getting_from_us", PEERS, |view| count(view, peers::takes)),
    camel("peers_sending_to_us", PEERS, |view| count(view, peers::gives)),
    camel("percent_complete", LISTED, |view| part(view.one.have, view.one.size).into()),
    camel("percent_done", LISTED, |view| percent_done(view).into()),
    camel("piece_count", METAINFO, |view| metainfo(view, |it| it.info.piece_count().into(), 0_i64)),
    camel("piece_size", METAINFO, |view| metainfo(view, |it| it.info.piece_length.into(), 0_i64)),
    camel("pieces", &[Part::Pieces], |view| {
        view.parts.pieces.as_ref().map(|pieces| pieces.have.as_str()).unwrap_or_default().into()
    }),
    key(Name::Kebab("primary_mime_type"), FILES, media::primary_type),
    camel("priorities", FILES, |view| {
        view.parts.files.iter().map(|file| files::urgency(file).into()).collect()
    }),
    camel("queue_position", &[Part::Queue], |view| view.context.place(view.torrent).into()),
    camel("rate_download", LISTED, |view| view.one.download_rate.into()),
    camel("rate_upload", LISTED, |view| view.one.upload_rate.into()),
    camel("recheck_progress", LISTED, |view| {
        if view.one.state == State::Checking { f64::from(view.one.progress) / 1000.0 } else { 0.0 }.into()
    }),
    camel("seconds_downloading", LISTED, |view| {
        view.one.active_seconds.saturating_sub(view.one.seeding_seconds).into()
    }),
    camel("seconds_seeding", LISTED, |view| view.one.seeding_seconds.into()),
    camel("seed_idle_limit", LISTED, |view| units::whole(own(view, Limit::Idle, idle_minutes(view))).into()),
    camel("seed_idle_mode", LISTED, |view| mode(view.one.seeding.idle_seconds).into()),
    camel("seed_ratio_limit", LISTED, |view| own(view, Limit::Ratio, view.one.seeding.ratio.own()).into()),
    camel("seed_ratio_mode", LISTED, |view| mode(view.one.seeding.ratio).into()),
    key(Name::Same("sequential_download"), LISTED, |view| view.one.sequential.into()),
    key(Name::Same("sequential_download_from_piece"), LISTED, |_| 0_i64.into()),
    camel("size_when_done", LISTED, |view| view.one.wanted.into()),
    // When it was last started is not kept.
    camel("start_date", LISTED, |_| 0_i64.into()),
    camel("status", LISTED, |view| status_of(view).into()),
    // It lies where no client can read it.
    camel("torrent_file", LISTED, |_| "".into()),
    camel("total_size", LISTED, |view| view.one.size.into()),
    camel("tracker_list", TRACKERS, tracker_keys::list),
    camel("tracker_stats", TRACKERS, tracker_keys::stats),
    camel("trackers", TRACKERS, tracker_keys::plain),
    camel("upload_limit", LISTED, |view| limit(view, Limit::Upload, view.one.upload_limit)),
    camel("upload_limited", LISTED, |view| view.one.upload_limit.is_some().into()),
    camel("upload_ratio", LISTED, |view| view.one.ratio.into()),
    camel("uploaded_ever", LISTED, |view| view.one.uploaded.into()),
    camel("wanted", FILES, |view| {
        view.parts.files.iter().map(|file| Out::Bit(files::is_wanted(file))).collect()
    }),
    camel("webseeds", METAINFO, |view| media::web_seeds(view).map(Out::from).collect()),
    key(Name::Same("webseeds_ex"), METAINFO, media::web_seeds_at_length),
    // Sprat fetches from peers only.
    camel("webseeds_sending_to_us", LISTED, |_| 0_i64.into()),
];

/// Something of the metadata, or what stands for it while that is not known.
fn metainfo(
    view: &View<'_>,
    value: impl Fn(&sprat_wire::metainfo::Metainfo) -> Out,
    unknown: impl Into<Out>,
) -> Out {
    view.parts.metainfo.as_deref().map_or_else(|| unknown.into(), value)
}

#[expect(clippy::cast_precision_loss, reason = "a share is looked at, not counted with")]
fn part(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part.min(whole) as f64 / whole as f64 }
}

fn percent_done(view: &View<'_>) -> f64 {
    let one = view.one;
    // Of a torrent with nothing wanted, everything wanted is there.
    if one.wanted == 0 && one.is_complete {
        1.0
    } else {
        part(one.wanted.saturating_sub(one.left), one.wanted)
    }
}

/// Connections that it may have: its own limit, or that of all.
fn peer_limit(view: &View<'_>) -> Out {
    view.one.connection_limit.unwrap_or(view.context.peer_limit).into()
}

fn metadata_percent(view: &View<'_>) -> Out {
    match (view.one.has_metadata, view.one.state) {
        (true, _) => 1.0,
        (false, State::FetchingMetadata) => f64::from(view.one.progress) / 1000.0,
        (false, _) => 0.0,
    }
    .into()
}

fn error_string(view: &View<'_>) -> Out {
    view.one
        .trouble
        .as_ref()
        .map(|trouble| format!("{} {}", trouble.text, trouble.remedy))
        .unwrap_or_default()
        .into()
}

fn count(view: &View<'_>, is_one: fn(&crate::service::PeerDetails) -> bool) -> Out {
    view.parts.peers.iter().filter(|peer| is_one(peer)).count().into()
}

fn own(view: &View<'_>, limit: Limit, held: Option<f64>) -> f64 {
    view.context.own(view.torrent, limit, held)
}

fn limit(view: &View<'_>, limit: Limit, bytes: Option<u64>) -> Out {
    units::whole(own(view, limit, bytes.map(units::kilobytes))).into()
}

fn idle_minutes(view: &View<'_>) -> Option<f64> {
    view.one.seeding.idle_seconds.own().map(units::minutes)
}

const fn mode<T>(limit: SeedingLimit<T>) -> i64
where
    T: Copy,
{
    match limit {
        SeedingLimit::Inherit => 0,
        SeedingLimit::Limit(_) => 1,
        SeedingLimit::Unlimited => 2,
    }
}

fn status_of(view: &View<'_>) -> i64 {
    let one = view.one;
    match one.state {
        State::Stopped => status::STOPPED,
        State::Checking => status::CHECKING,
        State::Queued if one.is_complete => status::SEED_QUEUED,
        State::Queued => status::DOWNLOAD_QUEUED,
        State::Seeding => status::SEEDING,
        // What is in trouble goes on by itself; what is moved is given to others meanwhile.
        State::Moving | State::Trouble if one.is_complete => status::SEEDING,
        State::FetchingMetadata | State::Downloading | State::Moving | State::Trouble => status::DOWNLOADING,
    }
}

fn eta(view: &View<'_>) -> i64 {
    let one = view.one;
    match one.state {
        State::Downloading => one.eta.map_or(UNKNOWN, seconds),
        State::Seeding => eta_ratio(view),
        State::FetchingMetadata | State::Trouble => UNKNOWN,
        _ => NOT_AVAILABLE,
    }
}

/// Seconds until it has given enough.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "nobody can tell to the second"
)]
fn eta_ratio(view: &View<'_>) -> i64 {
    let one = view.one;
    let Some(ratio) = view.context.ratio_limit(one) else { return NOT_AVAILABLE };
    let goal = (ratio * one.size as f64) as u64;
    match (goal.saturating_sub(one.uploaded), one.upload_rate) {
        (0, _) => 0,
        (_, 0) => UNKNOWN,
        (left, rate) => seconds(left / rate),
    }
}

fn eta_idle(view: &View<'_>) -> i64 {
    let one = view.one;
    match view.context.idle_limit(one) {
        Some(limit) if one.state == State::Seeding => {
            let since = one.active_at.or(one.completed_at).unwrap_or(one.added_at);
            let idle = view.context.now.saturating_sub(since).max(0);
            seconds(limit).saturating_sub(idle).max(0)
        }
        _ => NOT_AVAILABLE,
    }
}

fn seconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
