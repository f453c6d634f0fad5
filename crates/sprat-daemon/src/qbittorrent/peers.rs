//! `sync/torrentPeers`: the peers of a torrent, and from then on what has changed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value};

use super::failure::Failure;
use super::params::Params;
use super::peer_picture::PeerPicture;
use super::state::Web;
use super::who::one;

/// Tells of them.
pub(super) async fn torrent_peers(
    State(web): State<Arc<Web>>,
    params: Params,
) -> Result<Json<Map<String, Value>>, Failure> {
    let torrent = one(&web, &params)?.torrent;
    let now = Arc::new(PeerPicture::new(torrent, &web.service.peers(torrent).await?));
    let (rid, known) = web.told_of_peers.turn(params.number("rid")?.unwrap_or(0), Arc::clone(&now));
    let mut answer = known.and_then(|known| now.since(&known)).unwrap_or_else(|| now.whole());
    answer.insert("rid".to_owned(), rid.into());
    answer.insert("show_flags".to_owned(), false.into());
    Ok(Json(answer))
}
