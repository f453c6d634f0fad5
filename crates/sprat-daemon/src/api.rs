//! The daemon's own interface, `/api/v1`: REST, and a stream of what changes. Its description is made from this code
//! ([`description`]), and served at `/api/v1/openapi.json`.
//!
//! Who may ask is decided before ([`access`](crate::access)); what is asked is answered by the [`Service`].

#![allow(unused_qualifications, reason = "utoipa writes them")]

mod add;
mod content;
mod error;
mod events;
mod feed_names;
mod feed_rules;
mod feeds;
mod files;
mod labels;
mod list;
mod log;
mod one;
mod session;
mod settings;
mod several;
mod system;
mod tokens;
mod trace;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Description;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use error::ApiError;
pub use list::{ListQuery, Page, Shown, SortBy};

use crate::access::{Door, Gate};
use crate::feeding::Feeding;
use crate::fetch::Fetcher;
use crate::log::Journal;
use crate::running::Running;
use crate::service::Service;
use crate::streaming::Streaming;

/// What it is called in the description.
#[derive(OpenApi)]
#[openapi(info(
    title = "sprat",
    description = "What a running sprat daemon can be asked for, and told to do."
))]
struct Title;

/// Those that take torrent files, which are longer than commands.
fn upload_routes() -> OpenApiRouter<(Service, Fetcher)> {
    OpenApiRouter::new().routes(routes!(add::add)).routes(routes!(add::inspect))
}

/// Those that take a list of torrents or files, which may be all that there are.
fn bulk_routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(several::change))
        .routes(routes!(several::act))
        .routes(routes!(several::remove))
        .routes(routes!(files::change))
}

fn content_routes() -> OpenApiRouter<Streaming> {
    OpenApiRouter::new().routes(routes!(content::content))
}

fn shared_routes() -> OpenApiRouter<Arc<Running>> {
    OpenApiRouter::new()
        .routes(routes!(content::link))
        .routes(routes!(content::playlist))
        .routes(routes!(settings::list, settings::change))
        .routes(routes!(settings::reset))
}

fn feed_routes() -> OpenApiRouter<Feeding> {
    OpenApiRouter::new()
        .routes(routes!(feeds::list))
        .routes(routes!(feeds::details, feeds::put, feeds::delete))
        .routes(routes!(feeds::items))
        .routes(routes!(feeds::refresh))
        .routes(routes!(feed_rules::list))
        .routes(routes!(feed_rules::details, feed_rules::put, feed_rules::delete))
        .routes(routes!(feed_rules::test))
}

/// For whoever may do everything.
fn token_routes() -> OpenApiRouter<Arc<Gate>> {
    OpenApiRouter::new().routes(routes!(tokens::list, tokens::create)).routes(routes!(tokens::revoke))
}

/// For whoever may do everything.
fn log_routes() -> OpenApiRouter<Arc<Journal>> {
    OpenApiRouter::new().routes(routes!(log::list)).routes(routes!(log::events))
}

fn login_routes() -> OpenApiRouter<(Arc<Gate>, Door)> {
    OpenApiRouter::new().routes(routes!(session::log_in)).routes(routes!(session::log_out))
}

fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::with_openapi(Title::openapi())
        .routes(routes!(list::list))
        .routes(routes!(session::session))
        .routes(routes!(one::details, one::change, one::remove))
        .routes(routes!(one::peers, one::add_peers))
        .routes(routes!(one::trackers, one::set_trackers))
        .routes(routes!(one::pieces))
        .routes(routes!(one::torrent_file))
        .routes(routes!(one::relocate))
        .routes(routes!(trace::trace))
        .routes(routes!(files::files))
        .routes(routes!(events::events))
        .routes(routes!(labels::list))
        .routes(routes!(labels::put, labels::delete))
        .routes(routes!(system::statistics))
        .routes(routes!(system::space))
        .routes(routes!(system::version))
}

/// What needs a token: to be nested at `/api/v1`, behind the gate.
pub(crate) fn router(shared: &Arc<Running>) -> Router {
    let settings = Router::from(shared_routes()).with_state(Arc::clone(shared));
    let feeds = Router::from(feed_routes()).with_state(shared.feeding.clone());
    let content = Router::from(content_routes()).with_state(shared.streaming.clone());
    let service = Router::from(routes()).with_state(shared.service.clone());
    service.merge(content).merge(settings).merge(feeds).merge(describing())
}

/// What takes torrent files: as [`router`].
pub(crate) fn uploads(shared: &Arc<Running>) -> Router {
    Router::from(upload_routes()).with_state((shared.service.clone(), shared.fetcher.clone()))
}

/// What takes a list of torrents or files: as [`router`].
pub(crate) fn bulk(shared: &Arc<Running>) -> Router {
    Router::from(bulk_routes()).with_state(shared.service.clone())
}

/// What needs a token that may do everything, also to look: as [`router`].
pub(crate) fn tokens(shared: &Arc<Running>) -> Router {
    Router::from(token_routes()).with_state(Arc::clone(&shared.gate))
}

/// Files that are read by whoever has a link, without a token: to be nested at `/content`.
pub(crate) fn links(shared: &Arc<Running>) -> Router {
    Router::new().route("/{hash}/{index}/{link}/{name}", get(content::linked)).with_state(Arc::clone(shared))
}

fn describing() -> Router {
    let description = serde_json::to_string_pretty(&description()).unwrap_or_default();
    let json = ([("content-type", "application/json")], description);
    Router::new().route("/openapi.json", get(async move || json))
}

/// The log, which only those may read who may do everything.
pub(crate) fn log(shared: &Arc<Running>) -> Router {
    Router::from(log_routes()).with_state(Arc::clone(&shared.journal))
}

/// Logging in and out, which needs no token yet.
pub(crate) fn login(shared: &Arc<Running>, door: Door) -> Router {
    Router::from(login_routes()).with_state((Arc::clone(&shared.gate), door))
}

/// What can be asked for, in the terms of OpenAPI 3.1.
#[must_use]
pub fn description() -> Description {
    let mut all = routes().split_for_parts().1;
    all.merge(upload_routes().split_for_parts().1);
    all.merge(bulk_routes().split_for_parts().1);
    all.merge(content_routes().split_for_parts().1);
    all.merge(shared_routes().split_for_parts().1);
    all.merge(feed_routes().split_for_parts().1);
    all.merge(token_routes().split_for_parts().1);
    all.merge(log_routes().split_for_parts().1);
    all.merge(login_routes().split_for_parts().1);
    all
}
