//! What programs for qBittorrent speak, so that they can be used with sprat: [`router`], the part of the Web API (version 2) that
//! programs around torrents call.
//!
//! ```text
//!                           ┌─► info, maindata ─► torrent ─► status, share ─┐
//! HTTP ─► door ─► Params ─► ┤   rounds, picture, delta                      ├─► Service
//!                           └─► adding, acting, categories, files, … ───────┘
//! ```
//!
//! Every endpoint stands in one of two lists here: those that look, and those that change something, which need all rights and POST.
//! What is answered and what is not is in `docs/QBITTORRENT.md`.

mod acting;
mod adding;
mod app;
mod categories;
mod delta;
mod door;
#[cfg(test)]
mod example;
mod failure;
mod files;
mod filing;
mod info;
mod limits;
mod list;
mod maindata;
mod params;
mod peer_picture;
mod peers;
mod picture;
mod preferences;
mod properties;
mod room;
mod rounds;
mod server;
mod share;
mod state;
mod status;
mod swarms;
mod tags;
mod torrent;
mod trackers;
mod transfer;
mod who;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, on, post};
use axum::{Json, Router};
use tokio::task::JoinError;

pub use state::QBittorrent;

use crate::access::{Access, guard};
use crate::http::{BodyRefusal, BodyRule, to_the_end};
use crate::service::Action;
use failure::Failure;
use params::Params;
use state::Web;

/// What programs say their bodies are; some say plain text when there is none.
const KINDS: &[&str] = &["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];

/// Commands: the longest name ten thousand torrents by their hashes.
const COMMAND: BodyRule = BodyRule::new(KINDS, 2 << 20);

/// Torrent files.
const UPLOAD: BodyRule = BodyRule::new(KINDS, 44 << 20);

/// All of it, behind the gate: to be nested at `/api/v2`.
pub fn router(around: QBittorrent) -> Router {
    let gate = Arc::clone(&around.gate);
    let web = Arc::new(Web::new(around));
    let reading = COMMAND.guard(reading(), refuse_body).with_state(Arc::clone(&web));
    let uploads = UPLOAD.guard(Router::new().route("/torrents/add", post(adding::add)), refuse_body);
    let changing = COMMAND.guard(changing(), refuse_body).merge(uploads).with_state(Arc::clone(&web));
    // Who logs in has nothing yet; the gate looks at where it comes from all the same.
    let login = COMMAND.guard(login(), refuse_body).with_state(web);
    guard(reading, Arc::clone(&gate), door::door(Access::ReadOnly))
        .merge(guard(to_the_end(changing, failed), gate, door::door(Access::Full)))
        .merge(login)
}

type Shared = State<Arc<Web>>;

fn login() -> Router<Arc<Web>> {
    Router::new().route("/auth/login", post(door::log_in)).route(
        "/auth/logout",
        post(async |State(web): Shared, request: Request| door::log_out(&web, request)),
    )
}

/// Programs look by either method.
fn look<H: Handler<T, Arc<Web>>, T: 'static>(handler: H) -> MethodRouter<Arc<Web>> {
    on(MethodFilter::GET.or(MethodFilter::POST), handler)
}

/// What only looks.
fn reading() -> Router<Arc<Web>> {
    Router::new()
        .route("/app/version", look(async || app::VERSION))
        .route("/app/webapiVersion", look(async || app::API_VERSION))
        .route("/app/buildInfo", look(async || app::build_info()))
        .route("/app/preferences", look(async |State(web): Shared| Json(app::preferences(&web))))
        .route("/app/defaultSavePath", look(async |State(web): Shared| app::default_save_path(&web)))
        .route("/sync/maindata", look(maindata::maindata))
        .route("/sync/torrentPeers", look(peers::torrent_peers))
        .route("/transfer/info", look(async |State(web): Shared| Json(transfer::info(&web))))
        .route(
            "/transfer/speedLimitsMode",
            look(async |State(web): Shared| transfer::speed_limits_mode(&web)),
        )
        .route("/transfer/downloadLimit", look(async |State(web): Shared| transfer::download_limit(&web)))
        .route("/transfer/uploadLimit", look(async |State(web): Shared| transfer::upload_limit(&web)))
        .route("/torrents/info", look(info::info))
        .route("/torrents/count", look(async |State(web): Shared| info::count(&web)))
        .route("/torrents/properties", look(properties::properties))
        .route("/torrents/trackers", look(trackers::list))
        .route("/torrents/webseeds", look(properties::web_seeds))
        .route("/torrents/files", look(files::list))
        .route("/torrents/pieceStates", look(properties::piece_states))
        .route("/torrents/export", look(properties::export))
        .route("/torrents/categories", look(async |State(web): Shared| Json(categories::list(&web))))
        .route("/torrents/tags", look(async |State(web): Shared| tags::list(&web)))
        .route("/torrents/downloadLimit", rates(|one| one.download_limit))
        .route("/torrents/uploadLimit", rates(|one| one.upload_limit))
}

fn rates(of: fn(&crate::torrents::Summary) -> Option<u64>) -> MethodRouter<Arc<Web>> {
    look(async move |State(web): Shared, params: Params| limits::rates(&web, &params, of).map(Json))
}

/// What changes something.
fn changing() -> Router<Arc<Web>> {
    Router::new()
        .route("/app/setPreferences", post(app::set_preferences))
        .route("/transfer/setDownloadLimit", post(transfer::set_download_limit))
        .route("/transfer/setUploadLimit", post(transfer::set_upload_limit))
        .route("/transfer/setSpeedLimitsMode", post(transfer::set_speed_limits_mode))
        .route("/transfer/toggleSpeedLimitsMode", post(transfer::toggle_speed_limits_mode))
        // Of either generation.
        .route("/torrents/start", act(Action::Start))
        .route("/torrents/resume", act(Action::Start))
        .route("/torrents/stop", act(Action::Stop))
        .route("/torrents/pause", act(Action::Stop))
        .route("/torrents/recheck", act(Action::Recheck))
        .route("/torrents/reannounce", act(Action::Reannounce))
        .route("/torrents/topPrio", act(Action::QueueTop))
        .route("/torrents/bottomPrio", act(Action::QueueBottom))
        .route("/torrents/increasePrio", act(Action::QueueUp))
        .route("/torrents/decreasePrio", act(Action::QueueDown))
        .route("/torrents/delete", post(acting::delete))
        .route("/torrents/setForceStart", post(acting::set_force_start))
        .route("/torrents/setSuperSeeding", post(acting::set_super_seeding))
        .route("/torrents/toggleSequentialDownload", post(acting::toggle_sequential))
        .route("/torrents/toggleFirstLastPiecePrio", post(acting::toggle_first_last))
        .route("/torrents/addPeers", post(acting::add_peers))
        .route("/torrents/setDownloadLimit", post(limits::set_download))
        .route("/torrents/setUploadLimit", post(limits::set_upload))
        .route("/torrents/setShareLimits", post(limits::set_share))
        .route("/torrents/addTrackers", post(trackers::add))
        .route("/torrents/editTracker", post(trackers::edit))
        .route("/torrents/removeTrackers", post(trackers::remove))
        .route("/torrents/filePrio", post(files::set_priority))
        .route("/torrents/rename", post(files::rename))
        .route("/torrents/renameFile", post(files::rename_file))
        .route("/torrents/renameFolder", post(files::rename_folder))
        .route("/torrents/setLocation", post(files::set_location))
        .route("/torrents/setCategory", post(categories::set))
        .route("/torrents/createCategory", now(categories::create))
        .route("/torrents/editCategory", now(categories::edit))
        .route("/torrents/removeCategories", post(categories::remove))
        .route("/torrents/setAutoManagement", now(categories::set_auto_management))
        .route("/torrents/createTags", now(tags::create))
        .route("/torrents/deleteTags", post(tags::delete))
        .route("/torrents/addTags", post(tags::add))
        .route("/torrents/setTags", post(tags::set))
        .route("/torrents/removeTags", post(tags::remove))
}

fn act(action: Action) -> MethodRouter<Arc<Web>> {
    post(async move |State(web): Shared, params: Params| acting::act(web, params, action).await)
}

/// What is done without waiting.
fn now(act: fn(&Web, &Params) -> Result<(), Failure>) -> MethodRouter<Arc<Web>> {
    post(async move |State(web): Shared, params: Params| act(&web, &params))
}

/// For a handler that has panicked.
fn failed(error: &JoinError) -> Response {
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error).into_response()
}

fn refuse_body(refusal: BodyRefusal) -> Response {
    (refusal.status(), format!("{refusal}\n")).into_response()
}
