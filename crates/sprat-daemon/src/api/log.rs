//! The last lines of the log: a list, and a stream. Only for those who may do everything, as lines name what others do.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State as Shared};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use serde::Deserialize;
use tokio::sync::watch;
use utoipa::IntoParams;

use crate::log::{Entry, Journal, Since};
use crate::settings::LogLevel;

/// Lines, unless it is said otherwise.
const LINES: usize = 1000;

/// Between two looks of a stream: sending lines may itself be logged.
const PAUSE: Duration = Duration::from_millis(200);

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogQuery {
    /// Those of this level and graver ones; all unless it is said otherwise.
    #[serde(default = "all")]
    level: LogLevel,
    /// From the one with this number on: the `next` of an earlier answer.
    #[serde(default)]
    since: u64,
    /// At the most so many, the last ones; 1000 unless it is said otherwise.
    limit: Option<usize>,
}

const fn all() -> LogLevel {
    LogLevel::Trace
}

/// The last lines of the log.
#[utoipa::path(get, path = "/log", params(LogQuery), responses((status = 200, body = Since)))]
pub(super) async fn list(
    Shared(journal): Shared<Arc<Journal>>,
    Query(query): Query<LogQuery>,
) -> Json<Since> {
    Json(journal.since(query.since, query.level, query.limit.unwrap_or(LINES)))
}

/// Lines of the log, as they are written: each an event, as in the list.
#[utoipa::path(get, path = "/log/events", params(LogQuery), responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(super) async fn events(
    Shared(journal): Shared<Arc<Journal>>,
    Query(query): Query<LogQuery>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let reader = Reader {
        changes: journal.changes(),
        journal,
        level: query.level,
        next: query.since,
        limit: query.limit.unwrap_or(LINES),
        waiting: VecDeque::new(),
    };
    let stream = futures_util::stream::unfold(reader, async |mut reader| {
        let entry = reader.next().await?;
        let event = Event::default().event("line").json_data(&entry).ok()?;
        Some((Ok(event), reader))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

struct Reader {
    journal: Arc<Journal>,
    changes: watch::Receiver<u64>,
    level: LogLevel,
    next: u64,
    limit: usize,
    waiting: VecDeque<Entry>,
}

impl Reader {
    async fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(entry) = self.waiting.pop_front() {
                return Some(entry);
            }
            let next = self.next;
            self.changes.wait_for(|newest| *newest > next).await.ok()?;
            tokio::time::sleep(PAUSE).await;
            let since = self.journal.since(next, self.level, self.limit);
            self.next = since.next;
            self.waiting = since.entries.into();
        }
    }
}
