//! A small server with one route of each kind, behind the same gate as the real one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::json;
use sprat_daemon::access::{Access, Door, Gate, GateConfig, Needs, SessionLife, Tokens, guard};
use sprat_daemon::http::{
    BodyRule, Connection, Proxies, Server, ServerLimits, Tls, bind, with_security_headers,
};
use sprat_daemon::settings::ListenAddress;
use sprat_engine::ledger::Ledger;
use sprat_engine::state::StateStore;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::matrix::Keys;
use crate::wire::{Request as Wire, exchange};

const DOOR: Door = Door::own(|refusal| refusal.to_text());

/// What can be wrong with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A route is not behind the gate.
    OpenRoute,
    /// Whoever may look may change.
    LookersChange,
    /// Bodies of every kind are taken.
    AnyContentType,
    /// A foreign name is one of ours.
    ForeignHost,
    /// A session changes something for any page.
    SessionOfNoPage,
    /// A token that was revoked holds.
    RevokedToken,
}

impl Bug {
    pub(crate) const ALL: [Self; 6] = [
        Self::OpenRoute,
        Self::LookersChange,
        Self::AnyContentType,
        Self::ForeignHost,
        Self::SessionOfNoPage,
        Self::RevokedToken,
    ];
}

/// A running server.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) gate: Arc<Gate>,
    pub(crate) full: String,
    /// How often a handler behind the gate was reached.
    pub(crate) reached: Arc<AtomicUsize>,
    pub(crate) home: tempfile::TempDir,
    bug: Option<Bug>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    _ledger: Ledger,
}

impl House {
    pub(crate) async fn open(limits: ServerLimits) -> Self {
        Self::open_on(limits, None, |_| "127.0.0.1:0".to_owned()).await
    }

    pub(crate) async fn open_with_bug(bug: Bug) -> Self {
        Self::build(ServerLimits::default(), None, |_| "127.0.0.1:0".to_owned(), Some(bug)).await
    }

    pub(crate) async fn open_on(
        limits: ServerLimits,
        tls: Option<Arc<Tls>>,
        address: impl FnOnce(&tempfile::TempDir) -> String,
    ) -> Self {
        Self::build(limits, tls, address, None).await
    }

    async fn build(
        limits: ServerLimits,
        tls: Option<Arc<Tls>>,
        address: impl FnOnce(&tempfile::TempDir) -> String,
        bug: Option<Bug>,
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        let ledger = Ledger::start(StateStore::open(home.path()).unwrap().0).unwrap();
        let tokens = Tokens::open(home.path(), ledger.handle()).unwrap();
        let full = std::fs::read_to_string(Tokens::file(home.path())).unwrap().trim().to_owned();
        let day = Duration::from_secs(86_400);
        let mut hosts = vec!["nas.lan".to_owned()];
        hosts.extend((bug == Some(Bug::ForeignHost)).then(|| "evil.example".to_owned()));
        let config = GateConfig {
            hosts,
            proxies: Proxies::default(),
            session_life: SessionLife { idle: day, whole: day },
        };
        let gate = Arc::new(Gate::new(config, tokens).unwrap());
        let reached = Arc::new(AtomicUsize::new(0));
        let router = router(&gate, &reached, bug);
        let address: ListenAddress = serde_json::from_value(address(&home).into()).unwrap();
        let server = Server::new(bind(&[address]).await.unwrap(), tls, Proxies::default(), limits);
        let address = server.addresses().first().copied().unwrap_or(([127, 0, 0, 1], 0).into());
        let (stop, stopping) = watch::channel(false);
        let server = tokio::spawn(server.serve(router, stopping));
        Self { address, gate, full, reached, home, bug, stop, server, _ledger: ledger }
    }

    pub(crate) fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }

    /// A request that is right, unless something is added.
    pub(crate) fn request(&self, method: &str, target: &str) -> Wire {
        Wire::new(method, target)
            .header("Host", self.address.to_string())
            .header("Authorization", format!("Bearer {}", self.full))
    }

    /// Tokens of every kind, and a session.
    pub(crate) async fn keys(&self) -> Keys {
        let made = |name, access| self.gate.tokens().create(name, access);
        let (_, read_only) = made("look", Access::ReadOnly).await.unwrap();
        let (gone, revoked) = made("gone", Access::Full).await.unwrap();
        let (guest, of_guest) = made("guest", Access::Full).await.unwrap();
        let ended_session = self.log_in(&of_guest.reveal()).await;
        self.gate.revoke(&guest.id).await.unwrap();
        if self.bug != Some(Bug::RevokedToken) {
            self.gate.revoke(&gone.id).await.unwrap();
        }
        Keys {
            host: self.address.to_string(),
            full: self.full.clone(),
            read_only: read_only.reveal(),
            revoked: revoked.reveal(),
            session: self.log_in(&self.full).await,
            ended_session,
        }
    }

    /// Logs in with a token: the cookie of the session.
    async fn log_in(&self, token: &str) -> String {
        let host = self.address.to_string();
        let login =
            Wire::new("POST", "/login").header("Host", &host).header("Origin", format!("http://{host}"));
        let answer = exchange(self.address, &login.body(token).to_bytes()).await.unwrap();
        let cookie = answer.header("set-cookie").unwrap();
        assert!(cookie.contains("; HttpOnly; SameSite=Strict") && !cookie.contains(token), "{cookie}");
        cookie.split(';').next().unwrap().to_owned()
    }

    /// Ends the server, and waits for that.
    pub(crate) async fn close(self) {
        self.stop.send_replace(true);
        self.server.await.unwrap();
    }
}

/// What the routes of the small server are, as an OpenAPI document would say it.
pub(crate) fn document() -> serde_json::Value {
    let json_body = json!({"requestBody": {"content": {"application/json": {}}}});
    json!({"paths": {
        "/things": {"get": {}, "post": json_body},
        "/things/{id}": {"get": {}, "patch": json_body, "delete": {}},
        "/upload": {"post": {"requestBody": {"content": {"application/x-bittorrent": {}}}}},
    }})
}

fn router(gate: &Arc<Gate>, reached: &Arc<AtomicUsize>, bug: Option<Bug>) -> Router {
    let door = Door {
        cookie_without_origin: bug == Some(Bug::SessionOfNoPage),
        needs: if bug == Some(Bug::LookersChange) {
            Needs::AtLeast(Access::ReadOnly)
        } else {
            Needs::ByMethod
        },
        ..DOOR
    };
    let count = |reached: &Arc<AtomicUsize>| {
        let reached = Arc::clone(reached);
        move |body: Bytes| {
            reached.fetch_add(1, Ordering::SeqCst);
            std::future::ready(format!("{} bytes", body.len()))
        }
    };
    let refuse =
        |refusal: sprat_daemon::http::BodyRefusal| (refusal.status(), refusal.to_string()).into_response();
    let things = Router::new()
        .route("/things", get(count(reached)).post(count(reached)))
        .route("/things/{id}", get(count(reached)).patch(count(reached)).delete(count(reached)))
        .route("/endless", get(|| async { Body::from_stream(endless()) }))
        .route("/events", get(|| async { Body::from_stream(futures_util::stream::pending::<Chunk>()) }));
    let upload = Router::new().route("/upload", post(count(reached)));
    let torrents = BodyRule::new(&["application/x-bittorrent"], 4 << 20);
    let things = if bug == Some(Bug::AnyContentType) { things } else { BodyRule::JSON.guard(things, refuse) };
    let upload = torrents.guard(upload, refuse);
    let (guarded, open) =
        if bug == Some(Bug::OpenRoute) { (things, upload) } else { (things.merge(upload), Router::new()) };
    let gate_of_login = Arc::clone(gate);
    let login = post(move |request: Request| log_in(gate_of_login, request));
    let router = guard(guarded.fallback(|| async { "not found" }), Arc::clone(gate), door);
    with_security_headers(router.merge(open).route("/login", login))
}

type Chunk = Result<Bytes, std::convert::Infallible>;

fn endless() -> impl futures_util::Stream<Item = Chunk> {
    futures_util::stream::repeat_with(|| Ok(Bytes::from_static(&[0; 16 * 1024])))
}

async fn log_in(gate: Arc<Gate>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let connection = Connection::of(&parts).unwrap();
    let token = axum::body::to_bytes(body, 1024).await.unwrap();
    let token = String::from_utf8(token.to_vec()).unwrap();
    match gate.log_in(&token, &parts, &connection, &DOOR) {
        Ok(cookie) => ([(SET_COOKIE, cookie)], "welcome").into_response(),
        Err(refusal) => refusal.to_text(),
    }
}
