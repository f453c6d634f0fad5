//! A stream of what changes: server-sent events.
//!
//! `torrents` has what has changed in the list, as the list with `since` has it, the first time all of it, or what the reader has missed if
//! it says where it was (`Last-Event-ID`). `happening` has one thing that has happened. A reader that is slow gets several changes at once
//! and misses happenings, of which `missed` tells the number; nothing piles up here.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Query, State as Shared};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use utoipa::IntoParams;

use super::list::changes;
use crate::service::{Happening, Service};
use crate::torrents::{Cursor, Snapshot};

/// What is wanted of the stream.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// Fields of torrents, with commas between; all unless it is said otherwise. Always with `hash`.
    fields: Option<String>,
    /// Where the reader was.
    since: Option<String>,
}

struct Reader {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    happenings: broadcast::Receiver<Arc<Happening>>,
    cursor: Option<Cursor>,
    fields: Option<String>,
    is_first: bool,
}

/// What changes, as it changes.
#[utoipa::path(get, path = "/events", params(EventsQuery), responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(super) async fn events(
    Shared(service): Shared<Service>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let reader = Reader {
        snapshots: service.changes(),
        happenings: service.happenings(),
        cursor: last.or(query.since).and_then(|cursor| cursor.parse().ok()),
        fields: query.fields.map(|fields| format!("hash,{fields}")),
        is_first: true,
    };
    let stream = futures_util::stream::unfold(reader, async |mut reader| {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.is_first) {
            self.snapshots.mark_unchanged();
            return self.changes();
        }
        tokio::select! {
            changed = self.snapshots.changed() => {
                changed.ok()?;
                self.changes()
            }
            happening = self.happenings.recv() => match happening {
                Ok(happening) => Event::default().event("happening").json_data(&*happening).ok(),
                Err(RecvError::Lagged(missed)) => Some(Event::default().event("missed").data(missed.to_string())),
                Err(RecvError::Closed) => None,
            },
        }
    }

    fn changes(&mut self) -> Option<Event> {
        let snapshot = Arc::clone(&self.snapshots.borrow_and_update());
        let page = changes(&snapshot, self.cursor, self.fields.as_deref());
        self.cursor = Some(snapshot.cursor());
        Event::default().event("torrents").id(&page.cursor).json_data(&page).ok()
    }
}
