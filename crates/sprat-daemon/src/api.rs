//! The daemon's own interface, `/api/v1`: REST, and a stream of what changes. Its description is made from this code
//! ([`description`]), and served at `/api/v1/openapi.json`.
//!
//! Who may ask is decided before ([`access`](crate::access)); what is asked is answered by the [`Service`](crate::Service).

#![allow(unused_qualifications, reason = "utoipa writes them")]

mod add;
mod error;
mod events;
mod files;
mod labels;
mod list;
mod one;
mod several;
mod system;

use axum::Router;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Description;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use error::ApiError;
pub use list::{ListQuery, Page, SortBy};

use crate::service::Service;

/// What it is called in the description.
#[derive(OpenApi)]
#[openapi(info(
    title = "sprat",
    description = "What a running sprat daemon can be asked for, and told to do."
))]
struct Title;

fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::with_openapi(Title::openapi())
        .routes(routes!(list::list, add::add))
        .routes(routes!(add::inspect))
        .routes(routes!(several::act))
        .routes(routes!(several::remove))
        .routes(routes!(one::details, one::change, one::remove))
        .routes(routes!(one::peers, one::add_peers))
        .routes(routes!(one::trackers, one::set_trackers))
        .routes(routes!(one::pieces))
        .routes(routes!(one::torrent_file))
        .routes(routes!(one::relocate))
        .routes(routes!(files::files))
        .routes(routes!(files::change))
        .routes(routes!(events::events))
        .routes(routes!(labels::list))
        .routes(routes!(labels::put, labels::delete))
        .routes(routes!(system::statistics))
        .routes(routes!(system::space))
        .routes(routes!(system::version))
}

/// The routes, below nothing: to be nested at `/api/v1`.
pub fn router(service: Service) -> Router {
    let (router, description) = routes().split_for_parts();
    let description = serde_json::to_string_pretty(&description).unwrap_or_default();
    let json = ([("content-type", "application/json")], description);
    router.with_state(service).route("/openapi.json", get(async move || json))
}

/// What can be asked for, in the terms of OpenAPI 3.1.
#[must_use]
pub fn description() -> Description {
    routes().split_for_parts().1
}
