//! `torrent-set`.

use std::path::PathBuf;

use super::call::Answer;
use super::failure::{Code, Failure};
use super::files::Wishes;
use super::memory::Limit;
use super::params::Params;
use super::state::Rpc;
use super::value::Object;
use super::who::chosen;
use super::{labels, trackers, units};
use crate::service::Change;
use crate::torrents::{Line, SeedingChange, SeedingLimit};

/// Changes torrents. What sprat does not have stays as it is; that is answered once everything else is done.
pub(super) async fn set(rpc: &Rpc, params: &Params) -> Answer {
    let wishes = Wishes::read(params)?;
    let location = params.text("location")?.map(PathBuf::from);
    if location.as_ref().is_some_and(|location| location.is_relative()) {
        return Err(Failure::plain(Code::RelativePath));
    }
    let chosen = chosen(rpc, params)?;
    for line in &chosen.lines {
        let mut change = change_of(rpc, params, line)?;
        if !wishes.is_empty() {
            let files = rpc.service.files(line.torrent).await?;
            let files: Vec<_> = files.iter().map(|file| (file.index, file.priority)).collect();
            change.priorities = wishes.applied(&files)?;
        }
        if params.has("tracker_list")
            || params.has("tracker_add")
            || params.has("tracker_remove")
            || params.has("tracker_replace")
        {
            let edit = |before| trackers::edited(params, &trackers::entries(before));
            rpc.service.edit_trackers(line.torrent, edit).await?;
        }
        if change != Change::default() {
            rpc.service.change(line.torrent, change).await?;
        }
        if let Some(location) = &location {
            // Transmission believes here that the files are there already.
            rpc.service.begin_move(line.torrent, location.clone(), true).await?;
        }
    }
    if let Some(place) = params.count("queue_position")? {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        rpc.service.requeue_at(&chosen.torrents(), place).await?;
    }
    refuse_what_is_absent(params)?;
    Ok(Object::new())
}

fn change_of(rpc: &Rpc, params: &Params, line: &Line) -> Result<Change, Failure> {
    let one = &line.summary;
    let mut change = Change { sequential: params.flag("sequential_download")?, ..Change::default() };
    if let Some(names) = params.texts("labels")? {
        let (label, tags) = labels::split(names, one.label.as_ref(), &rpc.service.labels());
        change.label = Some(label);
        change.tags = Some(tags);
    }
    change.download_limit = rate(rpc, params, line, (Limit::Download, "download_limit", "download_limited"))?;
    change.upload_limit = rate(rpc, params, line, (Limit::Upload, "upload_limit", "upload_limited"))?;
    change.seeding = seeding(rpc, params, line)?;
    change.connection_limit = connections(rpc, params, line)?;
    Ok(change)
}

/// A limit of a rate, if it is spoken of.
fn rate(
    rpc: &Rpc,
    params: &Params,
    line: &Line,
    (limit, value, switch): (Limit, &str, &str),
) -> Result<Option<Option<u64>>, Failure> {
    let current = match limit {
        Limit::Download => line.summary.download_limit,
        _ => line.summary.upload_limit,
    };
    let (value, on) = (params.real(value)?, params.flag(switch)?);
    if value.is_none() && on.is_none() {
        return Ok(None);
    }
    let settled = rpc.memory.settle((Some(line.torrent), limit), value, on, current.map(units::kilobytes));
    Ok(Some(settled.map(units::bytes)))
}

/// How many connections it may have, if that is other than it was. Clients send back what they were told, which need not be its own.
fn connections(rpc: &Rpc, params: &Params, line: &Line) -> Result<Option<Option<usize>>, Failure> {
    let Some(most) = params.count("peer_limit")? else { return Ok(None) };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let before = line.summary.connection_limit.unwrap_or(rpc.service.fixed().connections_per_torrent);
    Ok((most != before).then_some(Some(most)))
}

/// When it has given enough, where that is other than it was.
fn seeding(rpc: &Rpc, params: &Params, line: &Line) -> Result<SeedingChange, Failure> {
    let before = line.summary.seeding;
    let settle = |limit, value: &str, switch: &str, current| {
        let (value, mode) = (params.real(value)?, params.integer(switch)?);
        if mode.is_some_and(|mode| !(0..=2).contains(&mode)) {
            return Err(Failure::parameter(switch, "this is neither 0 nor 1 nor 2"));
        }
        Ok(rpc.memory.settle_mode((Some(line.torrent), limit), value, mode, current))
    };
    let ratio = settle(Limit::Ratio, "seed_ratio_limit", "seed_ratio_mode", before.ratio)?;
    let idle = convert(before.idle_seconds, units::minutes);
    let idle = settle(Limit::Idle, "seed_idle_limit", "seed_idle_mode", idle)?;
    let idle_seconds = convert(idle, units::seconds);
    Ok(SeedingChange {
        ratio: (ratio != before.ratio).then_some(ratio),
        idle_seconds: (idle_seconds != before.idle_seconds).then_some(idle_seconds),
        seconds: None,
    })
}

fn convert<T, U>(limit: SeedingLimit<T>, by: impl Fn(T) -> U) -> SeedingLimit<U> {
    match limit {
        SeedingLimit::Inherit => SeedingLimit::Inherit,
        SeedingLimit::Unlimited => SeedingLimit::Unlimited,
        SeedingLimit::Limit(limit) => SeedingLimit::Limit(by(limit)),
    }
}

/// Values that cannot be other than they are.
fn refuse_what_is_absent(params: &Params) -> Result<(), Failure> {
    let refused = [
        ("bandwidthPriority", params.integer("bandwidth_priority")?.is_some_and(|value| value != 0)),
        ("group", params.text("group")?.is_some_and(|value| !value.is_empty())),
        ("honorsSessionLimits", params.flag("honors_session_limits")?.is_some_and(|value| !value)),
        (
            "sequential_download_from_piece",
            params.integer("sequential_download_from_piece")?.is_some_and(|value| value != 0),
        ),
    ];
    let refused: Vec<&str> = refused.into_iter().filter_map(|(name, is)| is.then_some(name)).collect();
    if refused.is_empty() {
        return Ok(());
    }
    let detail =
        format!("done but for this, which sprat does not have for single torrents: {}", refused.join(", "));
    Err(Failure::new(Code::InvalidParams, detail))
}
