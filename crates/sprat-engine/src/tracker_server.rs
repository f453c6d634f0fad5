//! The tracker on real sockets: HTTP (BEP 3, 7, 23, 24, 48) and UDP (BEP 15) in front of one
//! [`Tracker`].
//!
//! ```text
//! UDP socket ──┐                                  one thread, one machine, no lock:
//! UDP socket ──┼──> Service (machine + counters)  every request is answered without waiting in between
//! HTTP conns ──┘
//! ```
//!
//! What a stranger can hold is bounded: a connection by [`Timeouts`], connections by number and by source, a request
//! head by 8 KiB. Over UDP nothing is said to anyone who has not shown that it receives at its address, except the 16
//! bytes that answer the 16 of a connect request.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use sprat_tracker::{ParseListError, Tracker, TrackerConfig};
use thiserror::Error;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

mod guard;
mod http;
mod lists;
mod report;
mod service;
mod udp;

pub use guard::Timeouts;
pub use service::{ServerStatistics, Traffic};

use lists::WatchedList;
use service::Service;

/// How often silent peers are looked for.
const TICK: Duration = Duration::from_secs(1);

/// How long open connections may take to end when the server stops.
const GRACE: Duration = Duration::from_secs(1);

/// What the kernel is asked to hold of a UDP socket's packets in each direction while this thread is busy; it cuts the
/// number to its own limit. A second of 20 000 announces.
const UDP_BUFFER: usize = 2 * 1024 * 1024;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;

/// Where and how to serve.
#[derive(Debug, Clone)]
pub struct TrackerServerConfig {
    /// Addresses for HTTP. Port 0 is any free port. An IPv6 address does not include IPv4.
    pub http: Vec<SocketAddr>,
    /// Addresses for UDP, likewise.
    pub udp: Vec<SocketAddr>,
    /// Limits and habits of the tracker itself.
    pub tracker: TrackerConfig,
    /// Which swarms are served.
    pub access: AccessFile,
    /// Whose `X-Forwarded-For` is believed, and required.
    pub trusted_proxies: Vec<IpAddr>,
    /// Most HTTP connections at a time.
    pub max_connections: usize,
    /// Most HTTP connections of one address (of one /64 in IPv6) at a time. Loopback and trusted proxies are exempt.
    pub max_connections_per_address: usize,
    /// How long HTTP clients may take.
    pub timeouts: Timeouts,
    /// Whether `/stats` and `/metrics` are served.
    pub serve_statistics: bool,
}

/// A file of info-hashes, one in hexadecimal per line, `#` for comments. It is read again when it changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AccessFile {
    /// Every swarm is served.
    #[default]
    None,
    /// Only these are served.
    Allow(PathBuf),
    /// These are not served.
    Deny(PathBuf),
}

impl Default for TrackerServerConfig {
    fn default() -> Self {
        Self {
            http: Vec::new(),
            udp: Vec::new(),
            tracker: TrackerConfig::default(),
            access: AccessFile::None,
            trusted_proxies: Vec::new(),
            max_connections: 4096,
            max_connections_per_address: 20,
            timeouts: Timeouts::default(),
            serve_statistics: true,
        }
    }
}

/// Why a tracker cannot be served.
#[derive(Debug, Error)]
pub enum TrackerServerError {
    /// An address cannot be listened on.
    #[error("cannot listen for {protocol} on {address}")]
    Bind {
        /// "HTTP" or "UDP".
        protocol: &'static str,
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The list of info-hashes cannot be read.
    #[error("cannot read the list {}", path.display())]
    ReadList {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The list of info-hashes is not one.
    #[error("{}: {source}", path.display())]
    ParseList {
        /// The file.
        path: PathBuf,
        /// Which line is wrong.
        source: ParseListError,
    },
    /// The system gives no randomness for the tracker's secret.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
    /// The thread or its runtime cannot be started.
    #[error("cannot start the tracker's thread")]
    Start(#[source] io::Error),
}

/// A tracker whose sockets are bound: whoever connects from now on is served once [`Self::run`] runs.
pub struct TrackerServer {
    http: Vec<std::net::TcpListener>,
    udp: Vec<std::net::UdpSocket>,
    config: TrackerServerConfig,
    tracker: Tracker,
    list: Option<WatchedList>,
}

impl TrackerServer {
    /// Reads the list, draws a secret and binds all sockets.
    pub fn bind(config: TrackerServerConfig) -> Result<Self, TrackerServerError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| TrackerServerError::Random(error.to_string()))?;
        let mut tracker = Tracker::new(config.tracker.clone(), seed);
        let list = WatchedList::new(&config.access);
        if let Some(list) = &list {
            tracker.set_access(list.load()?);
        }
        let bind_error =
            |protocol, address| move |source| TrackerServerError::Bind { protocol, address, source };
        let http =
            config.http.iter().map(|&address| listen_tcp(address).map_err(bind_error("HTTP", address)));
        let udp = config.udp.iter().map(|&address| bind_udp(address).map_err(bind_error("UDP", address)));
        Ok(Self {
            http: http.collect::<Result<_, _>>()?,
            udp: udp.collect::<Result<_, _>>()?,
            config,
            tracker,
            list,
        })
    }

    /// Binds, and serves on a thread of its own until the handle is stopped or dropped.
    pub fn spawn(config: TrackerServerConfig) -> Result<TrackerHandle, TrackerServerError> {
        let server = Self::bind(config)?;
        let (http, udp) = (server.http_addresses(), server.udp_addresses());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(TrackerServerError::Start)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (ask, questions) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("tracker".into())
            .spawn(move || {
                let stopped = async {
                    let _ = stopped.await; // sent, or the handle is gone
                };
                runtime.block_on(server.run_answering(stopped, questions))
            })
            .map_err(TrackerServerError::Start)?;
        Ok(TrackerHandle { http, udp, ask, running: Some((stop, thread)) })
    }

    /// The addresses of HTTP, in the order of the configuration, with the ports that the system chose.
    #[must_use]
    pub fn http_addresses(&self) -> Vec<SocketAddr> {
        self.http.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    /// The addresses of UDP, likewise.
    #[must_use]
    pub fn udp_addresses(&self) -> Vec<SocketAddr> {
        self.udp.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    /// Serves until `shutdown` is ready, then lets open connections finish their requests within a second.
    /// Must be called within a tokio runtime whose I/O and time are enabled; everything happens on the calling task.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let (_ask, questions) = mpsc::unbounded_channel();
        self.run_answering(shutdown, questions).await
    }

    async fn run_answering(
        self,
        shutdown: impl Future<Output = ()>,
        questions: mpsc::UnboundedReceiver<Question>,
    ) -> io::Result<()> {
        LocalSet::new().run_until(self.serve(shutdown, questions)).await
    }

    async fn serve(
        self,
        shutdown: impl Future<Output = ()>,
        mut questions: mpsc::UnboundedReceiver<Question>,
    ) -> io::Result<()> {
        let Self { http, udp, config, tracker, list } = self;
        let service = Rc::new(Service::new(tracker));
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for socket in udp {
            tasks.spawn_local(udp::serve(
                UdpSocket::from_std(socket)?,
                Rc::clone(&service),
                stopping.clone(),
            ));
        }
        let gate = Rc::new(http::Gate::new(&config));
        for listener in http {
            let listener = TcpListener::from_std(listener)?;
            tasks.spawn_local(http::serve(listener, Rc::clone(&service), Rc::clone(&gate), stopping.clone()));
        }
        if let Some(list) = list {
            tasks.spawn_local(lists::follow(list, Rc::clone(&service), stopping.clone()));
        }

        let mut shutdown = std::pin::pin!(shutdown);
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                _ = tick.tick() => service.expire(),
                Some(question) = questions.recv() => {
                    let _ = question.send(service.statistics()); // who asked may have given up
                }
            }
        }
        stop.send_replace(true);
        let _ = timeout(GRACE, async { while tasks.join_next().await.is_some() {} }).await;
        Ok(())
    }
}

/// Wants to know the numbers.
type Question = std_mpsc::Sender<ServerStatistics>;

/// A tracker that runs on a thread of its own. Dropping it stops the tracker.
pub struct TrackerHandle {
    http: Vec<SocketAddr>,
    udp: Vec<SocketAddr>,
    ask: mpsc::UnboundedSender<Question>,
    running: Option<(oneshot::Sender<()>, JoinHandle<io::Result<()>>)>,
}

impl TrackerHandle {
    /// The addresses of HTTP, in the order of the configuration, with the ports that the system chose.
    #[must_use]
    pub fn http_addresses(&self) -> &[SocketAddr] {
        &self.http
    }

    /// The addresses of UDP, likewise.
    #[must_use]
    pub fn udp_addresses(&self) -> &[SocketAddr] {
        &self.udp
    }

    /// The numbers of this moment; `None` when the tracker has failed. Waits for the tracker's thread, which takes
    /// microseconds.
    #[must_use]
    pub fn statistics(&self) -> Option<ServerStatistics> {
        let (sender, receiver) = std_mpsc::channel();
        self.ask.send(sender).ok()?;
        receiver.recv().ok()
    }

    /// Stops the tracker and waits until its sockets are closed. Fails if it had failed before.
    pub fn stop(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        let Some((stop, thread)) = self.running.take() else { return Ok(()) };
        drop(stop);
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the tracker's thread panicked")))
    }
}

impl Drop for TrackerHandle {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::warn!(%error, "the tracker had failed");
        }
    }
}

fn listen_tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = bind(address, Type::STREAM, Protocol::TCP)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind_udp(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = bind(address, Type::DGRAM, Protocol::UDP)?;
    // Smaller buffers than asked for are no reason not to serve.
    let _ = socket.set_recv_buffer_size(UDP_BUFFER);
    let _ = socket.set_send_buffer_size(UDP_BUFFER);
    Ok(socket.into())
}

fn bind(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of an earlier run that the kernel still remembers must not keep the port. For UDP, and on Windows,
    // the option means something else: it would let two programs have the port.
    if cfg!(unix) && kind == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
