//! Accepting connections and serving a router on them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt as _;

use super::connection::{Connection, Remote};
use super::crowd::{Crowd, CrowdLimits, Ticket};
use super::forwarded::Proxies;
use super::listener::{Accepted, Listener};
use super::tls::Tls;
use super::watch::{Timeouts, Watch, Watched};

/// The longest head of a request.
const MAX_HEAD: usize = 16 * 1024;

/// Header lines of a request: browsers send 20, proxies add 10.
const MAX_HEADERS: usize = 64;

/// How long nothing is accepted after the system refused to: usually it is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the server may be made to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Connections.
    pub crowd: CrowdLimits,
    /// How long each may wait for the other end.
    pub timeouts: Timeouts,
    /// How long answers that are being given may take when the server stops.
    pub grace: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self { crowd: CrowdLimits::default(), timeouts: Timeouts::default(), grace: Duration::from_secs(2) }
    }
}

/// A server that listens already, so that nobody who has been told its address is refused.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<Listener>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    crowd: Arc<Crowd>,
    limits: ServerLimits,
    tls: Option<Arc<Tls>>,
    proxies: Proxies,
}

impl Server {
    /// A server on these sockets. TLS is for TCP only.
    #[must_use]
    pub fn new(
        listeners: Vec<Listener>,
        tls: Option<Arc<Tls>>,
        proxies: Proxies,
        limits: ServerLimits,
    ) -> Self {
        let shared = Shared { crowd: Crowd::new(limits.crowd), limits, tls, proxies };
        Self { listeners, shared: Arc::new(shared) }
    }

    /// The addresses on which it listens for TCP.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(Listener::local_address).collect()
    }

    /// Serves `router` until `stopping` becomes true or its sender is gone; then what is being answered has the time of grace
    /// to end. Every request has a [`Connection`] among its extensions.
    pub async fn serve(self, router: Router, stopping: watch::Receiver<bool>) {
        let mut loops = JoinSet::new();
        for listener in self.listeners {
            loops.spawn(accept(listener, Arc::clone(&self.shared), router.clone(), stopping.clone()));
        }
        while loops.join_next().await.is_some() {}
    }
}

async fn accept(
    listener: Listener,
    shared: Arc<Shared>,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stopping.wait_for(|&stopping| stopping) => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok(accepted) = accepted else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let address = match &accepted {
            Accepted::Tcp(_, remote) => Some(remote.ip().to_canonical()),
            Accepted::Unix(_) => None,
        };
        let exempt = address.is_none_or(|address| address.is_loopback() || shared.proxies.include(address));
        let Some(ticket) = shared.crowd.enter(address, exempt, Instant::now()) else { continue };
        let (shared, router, stopping) = (Arc::clone(&shared), router.clone(), stopping.clone());
        connections.spawn(async move {
            let ticket = Arc::new(ticket);
            let watch = Watch::new(shared.limits.timeouts);
            tokio::select! {
                biased; // the watch is to see what the connection has just done
                () = serve_accepted(accepted, &shared, Arc::clone(&ticket), Arc::clone(&watch), router, stopping) => {}
                () = watch.expired() => {}
                () = ticket.must_leave() => {}
            }
        });
    }
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    // What has not ended by then is aborted when the set is dropped.
    let _ = timeout(shared.limits.grace, all_ended).await;
}

async fn serve_accepted(
    accepted: Accepted,
    shared: &Shared,
    ticket: Arc<Ticket>,
    watch: Arc<Watch>,
    router: Router,
    stopping: watch::Receiver<bool>,
) {
    match accepted {
        Accepted::Unix(stream) => {
            let connection = Connection::new(Remote::Unix, None, false, Arc::clone(&ticket));
            let stream = Watched { stream, watch: Arc::clone(&watch) };
            serve_stream(stream, connection, ticket, watch, router, stopping).await;
        }
        Accepted::Tcp(stream, remote) => {
            let _ = stream.set_nodelay(true); // without it answers come later, and come
            let local = stream.local_addr().ok();
            let tls = shared.tls.is_some();
            let connection = Connection::new(Remote::Tcp(remote), local, tls, Arc::clone(&ticket));
            let stream = Watched { stream, watch: Arc::clone(&watch) };
            match &shared.tls {
                None => serve_stream(stream, connection, ticket, watch, router, stopping).await,
                Some(tls) => {
                    let Ok(stream) = tls.acceptor().accept(stream).await else { return };
                    watch.restart();
                    serve_stream(stream, connection, ticket, watch, router, stopping).await;
                }
            }
        }
    }
}

async fn serve_stream(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    connection: Connection,
    ticket: Arc<Ticket>,
    watch: Arc<Watch>,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let handle = service_fn(|request: Request<Incoming>| {
        ticket.begin();
        let mut request = request.map(|body| watch.request(body));
        request.extensions_mut().insert(connection.clone());
        let (router, watch, ticket) = (router.clone(), Arc::clone(&watch), Arc::clone(&ticket));
        async move {
            let answered = router.oneshot(request).await;
            Ok::<_, Infallible>(match answered {
                Ok(response) => {
                    response.map(move |body| watch.answer(body, move || ticket.end(Instant::now())))
                }
                Err(never) => match never {},
            })
        }
    });
    let serving = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .header_read_timeout(None) // the watch knows better
        .serve_connection(TokioIo::new(stream), handle);
    let mut serving = pin!(serving);
    let mut ending = false;
    loop {
        tokio::select! {
            _ = serving.as_mut() => return,
            _ = stopping.wait_for(|&stopping| stopping), if !ending => {
                ending = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}
