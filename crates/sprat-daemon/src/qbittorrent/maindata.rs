//! `sync/maindata`: everything, and from then on what has changed since an answer that the client has.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::failure::Failure;
use super::params::Params;
use super::picture::Picture;
use super::state::Web;
use super::{list, server};

/// Tells it.
pub(super) async fn maindata(State(web): State<Arc<Web>>, params: Params) -> Result<Response, Failure> {
    let list = list::look(&web).await?;
    let server = server::state(&web, &list.snapshot).await;
    let now = Arc::new(Picture { list, server });
    let (rid, known) = web.told.turn(params.number("rid")?.unwrap_or(0), Arc::clone(&now));
    let mut answer = known.as_ref().and_then(|known| now.since(known)).unwrap_or_else(|| now.whole());
    answer.rid = rid;
    Ok(Json(answer).into_response())
}
