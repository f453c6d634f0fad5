//! What monitoring asks for, in the text format of Prometheus (version 0.0.4).

use std::fmt::Write as _;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::service::Service;
use crate::torrents::State as TorrentState;

/// `/metrics`.
pub fn router(service: Service) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(service)
}

async fn metrics(State(service): State<Service>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text(&service))
}

fn text(service: &Service) -> String {
    let snapshot = service.snapshot();
    let all = || snapshot.lines().iter().map(|line| &line.summary);
    let counted = service.statistics();
    let mut text = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, values: &[(&str, u64)]| {
        let _ = writeln!(text, "# HELP sprat_{name} {help}\n# TYPE sprat_{name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(text, "sprat_{name}{labels} {value}");
        }
    };
    let states = [
        ("{state=\"stopped\"}", TorrentState::Stopped),
        ("{state=\"queued\"}", TorrentState::Queued),
        ("{state=\"fetching_metadata\"}", TorrentState::FetchingMetadata),
        ("{state=\"checking\"}", TorrentState::Checking),
        ("{state=\"downloading\"}", TorrentState::Downloading),
        ("{state=\"seeding\"}", TorrentState::Seeding),
        ("{state=\"moving\"}", TorrentState::Moving),
        ("{state=\"trouble\"}", TorrentState::Trouble),
    ];
    let by_state =
        states.map(|(label, state)| (label, all().filter(|one| one.state == state).count() as u64));
    metric("torrents", "gauge", "Torrents by state.", &by_state);
    let bytes = [
        ("{direction=\"received\"}", counted.session.downloaded),
        ("{direction=\"sent\"}", counted.session.uploaded),
    ];
    metric("payload_bytes_total", "counter", "Payload since the daemon was started.", &bytes);
    let rates = [
        ("{direction=\"received\"}", all().map(|one| one.download_rate).sum()),
        ("{direction=\"sent\"}", all().map(|one| one.upload_rate).sum()),
    ];
    metric("payload_bytes_per_second", "gauge", "Payload just now.", &rates);
    let wasted = all().map(|one| one.wasted).sum();
    metric("wasted_bytes", "gauge", "Received for nothing, of the torrents that are there.", &[("", wasted)]);
    let peers = all().map(|one| one.peers as u64).sum();
    metric("peers", "gauge", "Connections to peers.", &[("", peers)]);
    let left = all().map(|one| one.left).sum();
    metric("left_bytes", "gauge", "Wanted and not had.", &[("", left)]);
    metric(
        "completed_total",
        "counter",
        "Torrents completed since the daemon was started.",
        &[("", counted.session.completed)],
    );
    metric("uptime_seconds", "counter", "Since the daemon was started.", &[("", counted.session.seconds)]);
    text
}
