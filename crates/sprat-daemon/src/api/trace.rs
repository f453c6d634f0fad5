//! What one torrent does, line by line, as a stream of server-sent events: to find out why it does not do what it should.

use std::convert::Infallible;

use axum::extract::{Path, State as Shared};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use serde::Serialize;
use sprat_engine::client::{TraceError, TraceLine, Way};
use utoipa::ToSchema;

use super::error::ApiError;
use super::one::named;
use crate::service::Service;

/// A line of a trace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TraceLine)]
struct Line {
    /// Seconds since the trace began.
    at: f64,
    /// The peer it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    /// `in`, `out`, or `here`.
    way: &'static str,
    /// In words for a person. Not for programs: they change.
    text: String,
    /// So many lines before it were lost, because the reader was too slow.
    #[serde(skip_serializing_if = "is_none_lost")]
    lost: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde has it so")]
const fn is_none_lost(lost: &u64) -> bool {
    *lost == 0
}

impl From<TraceLine> for Line {
    fn from(line: TraceLine) -> Self {
        let way = match line.way {
            Way::In => "in",
            Way::Out => "out",
            Way::Here => "here",
        };
        Self {
            at: line.at.as_secs_f64(),
            peer: line.peer.map(|peer| peer.to_string()),
            way,
            text: line.text,
            lost: line.lost,
        }
    }
}

/// What it does from now on: `line` events, until the reader goes or the torrent does.
#[utoipa::path(get, path = "/torrents/{hash}/trace", params(("hash" = String, Path)), responses(
    (status = 200, content_type = "text/event-stream", body = Line), (status = 404, body = ApiError),
    (status = 429, body = ApiError)))]
pub(super) async fn trace(
    Shared(service): Shared<Service>,
    Path(hash): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let lines = service.client().trace(named(&service, &hash)?).await??;
    let stream = futures_util::stream::unfold(lines, async |mut lines| {
        let line = Line::from(lines.recv().await?);
        let event = Event::default().event("line").json_data(line).ok()?;
        Some((Ok(event), lines))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

impl From<TraceError> for ApiError {
    fn from(error: TraceError) -> Self {
        match error {
            TraceError::Unknown => Self::unknown_torrent(),
            TraceError::TooMany => {
                Self::new(axum::http::StatusCode::TOO_MANY_REQUESTS, "too_many", error.to_string())
            }
        }
    }
}
