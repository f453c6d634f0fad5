//! What can be done with many torrents at once.

use std::sync::Arc;

use axum::extract::State;
use sprat_core::storage::{Files, TorrentId};

use super::failure::Failure;
use super::params::Params;
use super::state::Web;
use super::who::{ids, several};
use crate::service::{Action, Change, Service};

/// Something that needs nothing but the torrents: start, stop, recheck, …
pub(super) async fn act(web: Arc<Web>, params: Params, action: Action) -> Result<(), Failure> {
    Ok(web.service.act(&ids(&web, &params)?, action).await?)
}

/// `torrents/delete`: with `deleteFiles` also the files that they have made, and that no other torrent uses.
pub(super) async fn delete(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let files = if params.flag("deleteFiles") == Some(true) { Files::Delete } else { Files::Forget };
    Ok(web.service.remove(&ids(&web, &params)?, files).await?)
}

/// `torrents/setForceStart`: whatever the queue says, or when it says so.
pub(super) async fn set_force_start(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let is_forced = params.flag("value").unwrap_or(false);
    let action = if is_forced { Action::ForceStart } else { Action::Start };
    Ok(web.service.act(&ids(&web, &params)?, action).await?)
}

/// `torrents/toggleSequentialDownload`
pub(super) async fn toggle_sequential(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    for line in several(&web, &params)? {
        let change = Change { sequential: Some(!line.summary.sequential), ..Change::default() };
        web.service.change(line.torrent, change).await?;
    }
    Ok(())
}

/// `torrents/toggleFirstLastPiecePrio`
pub(super) async fn toggle_first_last(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    for line in several(&web, &params)? {
        set_first_last(&web.service, line.torrent, !line.identity.manner.first_last_first).await?;
    }
    Ok(())
}

/// Whether the first and last pieces of its files come before all others.
pub(super) async fn set_first_last(service: &Service, torrent: TorrentId, on: bool) -> Result<(), Failure> {
    Ok(service.change(torrent, Change { first_last: Some(on), ..Change::default() }).await?)
}

/// `torrents/setSuperSeeding`
pub(super) async fn set_super_seeding(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let on = params.flag("value").unwrap_or(false);
    for torrent in ids(&web, &params)? {
        web.service.change(torrent, Change { super_seeding: Some(on), ..Change::default() }).await?;
    }
    Ok(())
}

/// `torrents/addPeers`: those that are no addresses are passed over.
pub(super) async fn add_peers(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let peers: Vec<_> = params.list("peers", '|').iter().filter_map(|peer| peer.parse().ok()).collect();
    if peers.is_empty() {
        return Err(Failure::bad_request("no peer is an address with a port"));
    }
    for torrent in ids(&web, &params)? {
        web.service.add_peers(torrent, peers.clone()).await?;
    }
    Ok(())
}
