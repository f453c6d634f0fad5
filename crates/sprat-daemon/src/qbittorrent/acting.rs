//! What can be done with many torrents at once.

use std::sync::Arc;

use axum::extract::State;
use sprat_core::storage::Files;

use super::failure::Failure;
use super::params::Params;
use super::state::Web;
use super::who::{ids, several};
use crate::service::{Action, Change};

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
        let change = Change { first_last: Some(!line.summary.first_last), ..Change::default() };
        web.service.change(line.torrent, change).await?;
    }
    Ok(())
}

/// `torrents/setSuperSeeding`
pub(super) async fn set_super_seeding(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let change = Change { super_seeding: Some(params.flag("value").unwrap_or(false)), ..Change::default() };
    Ok(web.service.change_all(&ids(&web, &params)?, change).await?)
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
