//! Which torrents are meant.

use std::collections::BTreeSet;
use std::sync::Arc;

use sprat_core::storage::TorrentId;

use super::failure::Failure;
use super::params::Params;
use super::state::Web;
use crate::torrents::{Identity, Line, Snapshot};

/// The one that `hash` names.
pub(super) fn one(web: &Web, params: &Params) -> Result<Arc<Line>, Failure> {
    let hash = params.needed("hash")?;
    let found = named(&web.service.snapshot(), &[hash]).pop();
    found.ok_or_else(|| Failure::unknown("there is no such torrent"))
}

/// Those that `hashes` names, one after the other with `|` between, or `all`. Those that are not there are passed over.
pub(super) fn several(web: &Web, params: &Params) -> Result<Vec<Arc<Line>>, Failure> {
    params.needed("hashes")?;
    let snapshot = web.service.snapshot();
    Ok(match params.list("hashes", '|').as_slice() {
        [all] if all.eq_ignore_ascii_case("all") => snapshot.lines().to_vec(),
        hashes => named(&snapshot, hashes),
    })
}

/// The same, only by their names here.
pub(super) fn ids(web: &Web, params: &Params) -> Result<Vec<TorrentId>, Failure> {
    Ok(several(web, params)?.iter().map(|line| line.torrent).collect())
}

/// Those that have one of these hashes. A hybrid has three: programs know it by the one that they have reckoned themselves.
pub(super) fn named(snapshot: &Snapshot, hashes: &[&str]) -> Vec<Arc<Line>> {
    let mut found = Vec::new();
    let mut others = BTreeSet::new();
    for hash in hashes {
        match snapshot.by_hash(hash) {
            Some(line) => found.push(Arc::clone(line)),
            None => drop(others.insert(hash.to_ascii_lowercase())),
        }
    }
    if !others.is_empty() {
        let known: BTreeSet<TorrentId> = found.iter().map(|line| line.torrent).collect();
        let is_meant = |line: &&Arc<Line>| {
            !known.contains(&line.torrent) && hashes_of(&line.identity).any(|hash| others.contains(&hash))
        };
        found.extend(snapshot.lines().iter().filter(is_meant).cloned());
    }
    found
}

/// The v1 info-hash, the v2 info-hash, and that cut to the length of the other.
fn hashes_of(identity: &Identity) -> impl Iterator<Item = String> {
    let whole = identity.info_hashes.v2().map(|hash| hash.to_string());
    identity.info_hashes.on_the_wire().map(|hash| hash.to_string()).chain(whole)
}
