//! A daemon, put together: settings, state, the service, the gate and the interfaces behind it; from its start to its end.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use sprat_engine::http::{HttpClient, HttpConfig};
use sprat_engine::state::StateError;
use sprat_engine::uplink::InterfaceNameError;
use thiserror::Error;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use crate::access::{Access, Door, Gate, GateConfig, Needs, Refusal, TokenError, Tokens, admit, guard};
use crate::api::{self, ApiError};
use crate::feeding::Feeding;
use crate::fetch::Fetcher;
use crate::http::{
    BindError, BodyRule, Inherited, Proxies, Server, ServerLimits, Tls, TlsError, TlsFiles, bind, to_the_end,
    with_security_headers,
};
use crate::log::Journal;
use crate::metrics;
use crate::notify::{Stage, Supervisor};
use crate::page;
use crate::running::{Running, plan};
use crate::service::{Service, ServiceConfig, ServiceError};
use crate::settings::{Layers, LogLevel, Overlay, OverlayError, Places, Settings, SettingsError};
use crate::state::{OpenError, State};
use crate::streaming::{StreamLimits, Streaming};

mod notifying;
mod programs;
mod watching;

/// So often the limits by time of day are looked at: the clock may have been set.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(60);

/// What a torrent file may have, and a third more for base64.
const UPLOAD: BodyRule = BodyRule::new(&["application/json"], 44 << 20);

/// What names each of tens of thousands of torrents, or the files of one.
const BULK: BodyRule = BodyRule::new(&["application/json"], 2 << 20);

/// How a daemon is started.
pub struct Options {
    /// The configuration file; `None`: where the platform has it, if it is there.
    pub file: Option<PathBuf>,
    /// Where things are by default.
    pub places: Places,
    /// Sockets that the service manager has opened.
    pub inherited: Inherited,
    /// Whom to tell how far it is.
    pub supervisor: Supervisor,
    /// Where the last lines of the log are.
    pub journal: Arc<Journal>,
    /// How much is to be logged from now on.
    pub set_log_level: Box<dyn Fn(LogLevel) + Send + Sync>,
}

/// Why a daemon did not start.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// What was changed of them.
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    /// The state.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The torrents.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The feeds.
    #[error("cannot read the feeds: {0}")]
    Feeds(#[from] StateError),
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Nowhere to listen.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The interface.
    #[error("peers.interface: {0}")]
    Interface(#[from] InterfaceNameError),
    /// Anything else of the system.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// A running daemon.
pub struct Daemon {
    shared: Arc<Running>,
    supervisor: Supervisor,
    stopping: watch::Sender<bool>,
    server: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
    addresses: Vec<std::net::SocketAddr>,
}

impl Daemon {
    /// Starts everything. When this returns, the interfaces answer. To be called within a runtime of tokio.
    pub async fn start(options: Options) -> Result<Self, DaemonError> {
        let Options { file, places, inherited, supervisor, journal, set_log_level } = options;
        let of_file = Layers::load(file.as_deref(), Overlay::default(), places.clone())?;
        let directory = of_file.state_directory();
        let opening = directory.clone();
        let state =
            tokio::task::spawn_blocking(move || State::open(&opening)).await.map_err(io::Error::other)??;
        let ledger = state.ledger.handle();
        let reading = ledger.clone();
        let overlay = tokio::task::spawn_blocking(move || Overlay::read(&reading))
            .await
            .map_err(io::Error::other)??;
        let layers = Layers::load(file.as_deref(), overlay, places)?;
        set_log_level(layers.settings().log.level);
        for problem in layers.ignored() {
            tracing::warn!(%problem, "a setting that was changed through the API does not fit any more");
        }
        let settings = layers.settings().clone();
        let (tokens_of, kept) = (directory.clone(), ledger.clone());
        let tokens = tokio::task::spawn_blocking(move || Tokens::open(&tokens_of, kept)).await;
        let tokens = tokens.map_err(io::Error::other)??;
        let gate = Arc::new(Gate::new(GateConfig::from(&settings), tokens).map_err(io::Error::other)?);
        let tls = TlsFiles::of(&layers).map(Tls::load).transpose()?;
        let mut listeners = inherited.listen()?;
        // Whoever hands sockets over has decided where to listen.
        if listeners.is_empty() {
            listeners = bind(&settings.api.listen).await?;
        }
        let policy = plan::policy(&settings);
        let uplink = plan::uplink(&settings)?;
        let config = ServiceConfig {
            client: plan::client(&layers, &policy, uplink.clone()),
            state,
            choices: plan::choices(&layers),
        };
        let service = Service::start(config).await?;
        for damage in service.damages() {
            tracing::error!(damage, "a part of the state was damaged");
        }
        let proxies = Proxies::new(settings.api.trusted_proxies.iter().copied());
        let server = Server::new(listeners, tls.clone(), proxies, ServerLimits::default());
        let addresses = server.addresses();
        let http = HttpClient::new(HttpConfig { uplink, ..HttpConfig::new(Arc::clone(&policy)) });
        // Hooks are mostly in the house.
        let for_hooks = HttpClient::new(HttpConfig::new(policy));
        let fetcher = Fetcher::new(http).with_private_servers(plan::private_servers(&settings));
        let (feeding, matches) = Feeding::open(service.clone(), fetcher.clone()).await?;
        let shared = Arc::new(Running {
            streaming: Streaming::new(service.clone(), StreamLimits::default()),
            service,
            gate,
            fetcher,
            feeding: feeding.clone(),
            layers: Mutex::new(layers),
            changing: tokio::sync::Mutex::default(),
            tls,
            journal,
            closing: Notify::new(),
            set_log_level,
        });
        let (stopping, is_stopping) = watch::channel(false);
        let router = router(&shared, &settings)?;
        let server = tokio::spawn(server.serve(router, is_stopping));
        let clock = tokio::spawn(look_at_clock(Arc::clone(&shared)));
        let mut tasks = vec![clock, notifying::start(&shared, for_hooks), tokio::spawn(feeding.run(matches))];
        shared.service.go_on();
        tasks.extend(watching::start(&shared, &settings));
        supervisor.tell(Stage::Ready);
        Ok(Self { shared, supervisor, stopping, server, tasks, addresses })
    }

    /// Where it listens for TCP.
    #[must_use]
    pub fn addresses(&self) -> &[std::net::SocketAddr] {
        &self.addresses
    }

    /// The file with the token that was made at the first start.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        Tokens::file(&self.shared.layers().state_directory())
    }

    /// Runs until `stop` is ready, or somebody who may ends it through an interface; each message of `reload` has the configuration read again.
    pub async fn run(&self, stop: impl Future<Output = ()>, mut reload: mpsc::Receiver<()>) {
        let every = self.supervisor.watchdog_interval();
        // Nobody waits for it: once a day costs nothing.
        let mut alive = tokio::time::interval(every.unwrap_or(Duration::from_secs(24 * 3600)));
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                () = self.shared.closing.notified() => return,
                _ = alive.tick(), if every.is_some() => {
                    // Alive is who still answers.
                    if self.shared.service.client().with(|_, _| ()).await.is_ok() {
                        self.supervisor.tell(Stage::Watchdog);
                    }
                }
                Some(()) = reload.recv() => {
                    self.supervisor.tell(Stage::Reloading);
                    self.shared.reload().await;
                    self.supervisor.tell(Stage::Ready);
                }
            }
        }
    }

    /// Ends everything in good order: five seconds at the most.
    pub async fn stop(self) {
        self.supervisor.tell(Stage::Stopping);
        self.stopping.send_replace(true);
        for task in &self.tasks {
            task.abort();
        }
        let (server, ()) = tokio::join!(self.server, self.shared.service.stop());
        if let Err(error) = server {
            tracing::error!(%error, "the server has failed");
        }
    }
}

/// Everything that is served.
fn router(shared: &Arc<Running>, settings: &Settings) -> io::Result<Router> {
    let door = Door::own(refuse);
    let refuse_body = |refusal: crate::http::BodyRefusal| {
        let error = ApiError::new(refusal.status(), "body", refusal);
        axum::response::IntoResponse::into_response(error)
    };
    let uploads = UPLOAD.guard(api::uploads(shared), refuse_body);
    let bulk = BULK.guard(api::bulk(shared), refuse_body);
    let others = BodyRule::JSON.guard(api::router(shared), refuse_body);
    let changing = to_the_end(uploads.merge(bulk).merge(others), failed);
    let guarded = guard(changing, Arc::clone(&shared.gate), door);
    let all_rights = Door { needs: Needs::AtLeast(Access::Full), ..door };
    let tokens = BodyRule::JSON.guard(api::tokens(shared), refuse_body);
    let log = BodyRule::JSON.guard(api::log(shared), refuse_body);
    let privileged = guard(to_the_end(tokens.merge(log), failed), Arc::clone(&shared.gate), all_rights);
    // Who logs in has nothing yet; the gate looks at where it comes from all the same.
    let login = BodyRule::JSON.guard(api::login(shared, door), refuse_body);
    let measured = Door { needs: Needs::AtLeast(Access::ReadOnly), ..door };
    let metrics = guard(metrics::router(shared.service.clone()), Arc::clone(&shared.gate), measured);
    let open = Router::new()
        .merge(page::router())
        // Whoever has a link has been let in before.
        .nest("/content", api::links(shared))
        .route("/health", get(async || "alive\n"))
        .route("/ready", get(async || "ready\n"));
    let mut router = Router::new()
        .nest("/api/v1", login.merge(privileged).merge(guarded))
        .merge(metrics)
        .merge(admit(open, Arc::clone(&shared.gate), refuse));
    if settings.api.transmission {
        router = router.nest("/transmission", programs::transmission(shared)?);
    }
    if settings.api.qbittorrent {
        router = router.nest("/api/v2", programs::qbittorrent(shared));
    }
    Ok(with_security_headers(router))
}

fn refuse(refusal: &Refusal) -> axum::response::Response {
    let error = ApiError::new(refusal.status(), "access", refusal);
    let mut response = axum::response::IntoResponse::into_response(error);
    response.headers_mut().extend(refusal.headers());
    response
}

/// For a handler that has panicked.
fn failed(error: &tokio::task::JoinError) -> axum::response::Response {
    let error = ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error);
    axum::response::IntoResponse::into_response(error)
}

/// Has the limits hold that the time of day asks for.
async fn look_at_clock(shared: Arc<Running>) {
    let mut ticks = tokio::time::interval(LOOK_AT_CLOCK);
    loop {
        ticks.tick().await;
        shared.look_at_clock().await;
    }
}
