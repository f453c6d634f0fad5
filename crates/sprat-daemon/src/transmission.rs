//! What programs for Transmission speak, so that they can be used with sprat: [`router`], to be mounted at `/transmission`.
//!
//! ```text
//!             ┌─► old ──────┐               ┌─► torrent_get ─► torrent_keys ─► view ─┐
//! HTTP ─► door┤             ├─► Request ─► methods ─► torrent_set, adding, … ────────┼─► Service
//!             └─► json_rpc ─┘               └─► session ─► session_keys, choosing ───┘
//! ```
//!
//! A dialect makes a request of what was sent, and of the answer what is sent back; what lies between knows of none. All names
//! that differ between the two stand where the value is made (`names`). Who may ask is decided before: this is mounted behind the gate,
//! which also knows HTTP's basic authentication. What maps to what is in `docs/TRANSMISSION.md`.

mod absent;
mod adding;
mod call;
mod choosing;
mod door;
mod failure;
mod files;
mod json_rpc;
mod labels;
mod locations;
mod media;
mod memory;
mod methods;
mod names;
mod old;
mod params;
mod peers;
mod removing;
mod room;
mod session;
mod session_keys;
mod state;
mod torrent_get;
mod torrent_keys;
mod torrent_set;
mod tracker_keys;
mod trackers;
mod units;
mod value;
mod view;
mod who;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::any;

pub use state::{Close, Transmission};

use crate::http::to_the_end;
use state::Rpc;

/// The one route, `/rpc`: to be nested at `/transmission`. Fails if the system has no random bytes for the session id.
pub fn router(around: Transmission) -> io::Result<Router> {
    let rpc = Rpc::new(around).ok_or_else(|| io::Error::other("the system has no random bytes"))?;
    let routes = Router::new().route("/rpc", any(door::answer)).route("/rpc/", any(door::answer));
    let routes = to_the_end(routes, door::failed);
    Ok(routes.layer(DefaultBodyLimit::max(door::MAX_BODY)).with_state(Arc::new(rpc)))
}
