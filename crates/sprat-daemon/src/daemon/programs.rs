//! The interfaces for programs that were made for other daemons, each behind the gate and in the shapes that these programs know.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, WWW_AUTHENTICATE};
use axum::response::{IntoResponse as _, Response};

use crate::access::{Access, Door, Needs, Refusal, guard};
use crate::choosing::Choose;
use crate::fetching::fetching;
use crate::http::{BodyRefusal, BodyRule};
use crate::qbittorrent::{self, QBittorrent};
use crate::running::Running;
use crate::transmission::{self, Transmission};

/// They say that it is JSON, text, a form or (Transmission Remote GUI) HTML, or nothing at all. A page of somebody else gets no
/// further than the gate, and without the session id no further than the door.
const ANY_KIND: BodyRule = BodyRule::of_any_type(48 << 20);

/// What programs for Transmission speak, to be nested at `/transmission`.
pub(super) fn transmission(shared: &Arc<Running>) -> io::Result<Router> {
    let closer = Arc::clone(shared);
    let around = Transmission {
        choose: choosing(shared),
        close: Arc::new(move || closer.closing.notify_one()),
        fetch: fetching(shared.fetcher.clone()),
        state: shared.layers().state_directory(),
        ..Transmission::alone(shared.service.clone())
    };
    // It reads by POST; what changes something needs everything, as there is no saying which does.
    let door = Door {
        bearer: true,
        basic: true,
        cookie: None,
        cookie_without_origin: false,
        needs: Needs::AtLeast(Access::Full),
        refuse,
    };
    let router = ANY_KIND.guard(transmission::router(around)?, refuse_body);
    Ok(guard(router, Arc::clone(&shared.gate), door))
}

/// What programs for qBittorrent speak, to be nested at `/api/v2`.
pub(super) fn qbittorrent(shared: &Arc<Running>) -> Router {
    qbittorrent::router(QBittorrent {
        fetch: fetching(shared.fetcher.clone()),
        choose: choosing(shared),
        ..QBittorrent::alone(shared.service.clone(), Arc::clone(&shared.gate))
    })
}

/// What is chosen is a change of the settings, and outlives the daemon.
fn choosing(shared: &Arc<Running>) -> Choose {
    let shared = Arc::clone(shared);
    Arc::new(move |before, after| {
        let shared = Arc::clone(&shared);
        Box::pin(async move { shared.choose(&before, &after).await.map_err(|error| error.to_string()) })
    })
}

/// They ask for a password only when they are asked for one.
fn refuse(refusal: &Refusal) -> Response {
    let mut response = refusal.to_text();
    if refusal.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"sprat\""));
    }
    response
}

fn refuse_body(refusal: BodyRefusal) -> Response {
    (refusal.status(), format!("{refusal}\n")).into_response()
}
