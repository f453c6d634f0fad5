//! Which torrents are meant.

use std::sync::Arc;

use serde_json::Value;
use sprat_core::storage::TorrentId;

use super::failure::Failure;
use super::names::folded;
use super::params::{Params, integer};
use super::state::Rpc;
use crate::torrents::Line;

/// The number by which clients know a torrent: from 1 on, for many of them take 0 for none.
pub(super) fn number(torrent: TorrentId) -> i64 {
    i64::from(torrent.0) + 1
}

fn torrent(number: i64) -> Option<TorrentId> {
    u32::try_from(number.checked_sub(1)?).ok().map(TorrentId)
}

/// Torrents that are meant.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// Them, in the order in which they were named.
    pub(super) lines: Vec<Arc<Line>>,
    /// Those that were recently removed, if it was asked for what is recent.
    pub(super) removed: Option<Vec<TorrentId>>,
}

impl Chosen {
    /// Only their names.
    pub(super) fn torrents(&self) -> Vec<TorrentId> {
        self.lines.iter().map(|line| line.torrent).collect()
    }
}

/// Those that `ids` names: one or a list of numbers and hashes, or what is recent; without it all. Those that are not there are
/// passed over.
pub(super) fn chosen(rpc: &Rpc, params: &Params) -> Result<Chosen, Failure> {
    let named = match params.value("ids") {
        None => return Ok(Chosen { lines: rpc.service.snapshot().lines().to_vec(), removed: None }),
        Some(Value::Array(named)) => named.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    if let [Value::String(word)] = named
        && folded(word) == "recentlyactive"
    {
        let delta = rpc.service.recent();
        let removed = delta.gone.into_iter().map(|gone| gone.torrent).collect();
        return Ok(Chosen { lines: delta.changed, removed: Some(removed) });
    }
    let snapshot = rpc.service.snapshot();
    let mut lines = Vec::with_capacity(named.len());
    for one in named {
        let found = match one {
            Value::String(hash) => snapshot.by_hash(hash),
            _ => {
                let number = integer(one)
                    .ok_or_else(|| Failure::parameter("ids", "these are neither numbers nor hashes"))?;
                torrent(number).and_then(|torrent| snapshot.line(torrent))
            }
        };
        lines.extend(found.cloned());
    }
    Ok(Chosen { lines, removed: None })
}
