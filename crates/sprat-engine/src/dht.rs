//! A DHT node on real sockets: the loop around [`sprat_dht::Node`].
//!
//! One UDP socket per family, on one port where that is possible. Whatever is asked of the node goes through a [`Dht`],
//! which can be cloned; the task ends when the last of them is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use sprat_dht::io::{Event, Operation, OperationId};
use sprat_dht::node::Statistics;
use sprat_dht::saved::SavedState;
use sprat_dht::time::Time;
use sprat_dht::{Input, Node, NodeConfig, Output};
use sprat_wire::krpc::MAX_DATAGRAM;
use thiserror::Error;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::address_policy::{AddressPolicy, Origin};
use crate::resolve::Resolver;

/// Where a node that knows nobody asks first: nodes that their projects have kept up for years.
pub const PUBLIC_ENTRANCES: [&str; 3] =
    ["router.bittorrent.com:6881", "dht.transmissionbt.com:6881", "dht.libtorrent.org:25401"];

/// How often the contacts are saved.
const SAVE_AFTER: Duration = Duration::from_secs(10 * 60);

/// How often names are resolved again while the node knows nobody.
const RESOLVE_AGAIN: Duration = Duration::from_secs(60);

/// Datagrams taken in one after the other before anything else is looked at.
const BATCH: usize = 32;

/// Questions that wait for the node to know somebody.
const MOST_EARLY: usize = 10_000;

/// What the kernel is asked to hold of incoming datagrams while this thread is busy.
const RECEIVE_BUFFER: usize = 512 * 1024;

/// How a node is run.
#[derive(Debug, Clone)]
pub struct DhtConfig {
    /// The IPv4 address to listen on, or `None` for no IPv4.
    pub v4: Option<Ipv4Addr>,
    /// The IPv6 address to listen on, or `None` for no IPv6.
    pub v6: Option<Ipv6Addr>,
    /// The UDP port of both; 0 is any.
    pub port: u16,
    /// Nodes to ask first, as `host:port`. The user's or the program's own words, not a torrent's.
    pub entrances: Vec<String>,
    /// Where contacts are kept from run to run.
    pub state_file: Option<PathBuf>,
    /// Whom the words of strangers may lead us to.
    pub policy: Arc<AddressPolicy>,
    /// How the node behaves; its families are overwritten with those of the sockets.
    pub node: NodeConfig,
}

impl DhtConfig {
    /// On every address, known to the public network.
    #[must_use]
    pub fn public(policy: Arc<AddressPolicy>) -> Self {
        Self {
            v4: Some(Ipv4Addr::UNSPECIFIED),
            v6: Some(Ipv6Addr::UNSPECIFIED),
            port: 0,
            entrances: PUBLIC_ENTRANCES.map(str::to_owned).to_vec(),
            state_file: None,
            policy,
            node: NodeConfig::default(),
        }
    }
}

/// The node has ended, or has too much to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the DHT node does not take any more questions")]
pub struct Unavailable;

type Task = Box<dyn FnOnce(&mut Driver) + Send>;

/// A handle to a running node.
#[derive(Debug, Clone)]
pub struct Dht {
    tasks: mpsc::UnboundedSender<Task>,
    port: u16,
}

impl Dht {
    /// Opens the sockets and starts the task, on the runtime of the caller.
    pub fn start(config: DhtConfig) -> io::Result<Self> {
        let (v4, v6) = bind(&config)?;
        let first = v4.as_ref().or(v6.as_ref());
        let port = first.map_or(Ok(0), |socket| socket.local_addr().map(|address| address.port()))?;
        let saved = config.state_file.as_deref().and_then(load);
        let node_config = NodeConfig { v4: v4.is_some(), v6: v6.is_some(), ..config.node };
        let seed = getrandom::u64().map_err(io::Error::other)?;
        let node = match &saved {
            Some(saved) => Node::restored(node_config, seed, saved),
            None => Node::new(node_config, seed),
        };
        let (tasks, queue) = mpsc::unbounded_channel();
        let driver = Driver {
            node,
            epoch: Instant::now(),
            v4,
            v6,
            operations: BTreeMap::new(),
            early: Vec::new(),
            trusted: BTreeSet::new(),
            policy: config.policy,
            state_file: config.state_file,
        };
        tokio::spawn(driver.run(queue));
        let dht = Self { tasks, port };
        if !config.entrances.is_empty() {
            // It holds no handle that would keep the node alive.
            tokio::spawn(enter(dht.tasks.downgrade(), config.entrances));
        }
        Ok(dht)
    }

    /// The UDP port of the node.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Asks for something; what comes of it arrives on the receiver, and [`Event::Finished`] is the last. Dropping the
    /// receiver cancels the operation.
    pub async fn run(&self, operation: Operation) -> Result<mpsc::UnboundedReceiver<Event>, Unavailable> {
        self.with(|driver| driver.start(operation)).await?
    }

    /// Tells of a node, on the word of a peer.
    pub fn add_candidate(&self, address: SocketAddr) {
        let _ = self.tasks.send(Box::new(move |driver| {
            let now = driver.now();
            driver.node.add_candidate(now, address);
        }));
    }

    /// Tells of nodes that a torrent names (BEP 5, `nodes`), as host and port.
    pub fn add_nodes(&self, nodes: Vec<(String, u16)>, policy: Arc<AddressPolicy>) {
        let tasks = self.tasks.clone();
        tokio::spawn(async move {
            let resolver = Resolver::system();
            for (host, port) in nodes {
                let Ok(found) = resolver.resolve(&host, port, &policy, Origin::Torrent).await else {
                    continue;
                };
                let _ = tasks.send(Box::new(move |driver| {
                    let now = driver.now();
                    driver.node.add_entrances(now, found);
                }));
            }
        });
    }

    /// What there is, in numbers.
    pub async fn statistics(&self) -> Result<Statistics, Unavailable> {
        self.with(|driver| driver.node.statistics()).await
    }

    /// Saves what is worth saving. The task ends when the last handle is dropped.
    pub async fn save(&self) -> Result<(), Unavailable> {
        self.with(|driver| driver.save()).await
    }

    async fn with<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Driver) -> R + Send + 'static,
    ) -> Result<R, Unavailable> {
        let (answer, result) = oneshot::channel();
        let task: Task = Box::new(move |driver| {
            // Whoever asked may have gone.
            let _ = answer.send(act(driver));
        });
        self.tasks.send(task).map_err(|_| Unavailable)?;
        result.await.map_err(|_| Unavailable)
    }
}

/// Resolves the entrances until the node knows somebody.
async fn enter(tasks: mpsc::WeakUnboundedSender<Task>, entrances: Vec<String>) {
    let resolver = Resolver::system();
    let anybody = AddressPolicy::permissive();
    loop {
        let mut found = Vec::new();
        for entrance in &entrances {
            let Some((host, port)) = entrance.rsplit_once(':') else { continue };
            let Ok(port) = port.parse() else { continue };
            match resolver.resolve(host, port, &anybody, Origin::User).await {
                Ok(addresses) => found.extend(addresses),
                Err(error) => tracing::info!(entrance, %error, "an entrance of the DHT"),
            }
        }
        let (answer, known) = oneshot::channel();
        let Some(sender) = tasks.upgrade() else { return };
        let task: Task = Box::new(move |driver| {
            let now = driver.now();
            // The user has named them, wherever they are.
            driver.trusted.extend(found.iter().map(SocketAddr::ip));
            driver.node.add_entrances(now, found);
            let statistics = driver.node.statistics();
            let _ = answer.send(statistics.v4_contacts + statistics.v6_contacts);
        });
        if sender.send(task).is_err() {
            return;
        }
        drop(sender);
        if known.await.unwrap_or(0) > 0 {
            return;
        }
        tokio::time::sleep(RESOLVE_AGAIN).await;
    }
}

/// The node with its sockets: what tasks act on.
struct Driver {
    node: Node,
    epoch: Instant,
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    operations: BTreeMap<OperationId, mpsc::UnboundedSender<Event>>,
    /// What was asked before the node knew anybody.
    early: Vec<(Operation, mpsc::UnboundedSender<Event>)>,
    /// Addresses that the user has named.
    trusted: BTreeSet<IpAddr>,
    policy: Arc<AddressPolicy>,
    state_file: Option<PathBuf>,
}

impl Driver {
    async fn run(mut self, mut tasks: mpsc::UnboundedReceiver<Task>) {
        let (mut v4_buffer, mut v6_buffer) = (vec![0; MAX_DATAGRAM], vec![0; MAX_DATAGRAM]);
        let mut saving = tokio::time::interval_at(Instant::now() + SAVE_AFTER, SAVE_AFTER);
        loop {
            self.drain();
            let wake = self.epoch + self.node.poll_timeout().since(Time::ZERO);
            tokio::select! {
                received = receive(self.v4.as_ref(), &mut v4_buffer) => self.on_received(received, &mut v4_buffer),
                received = receive(self.v6.as_ref(), &mut v6_buffer) => self.on_received(received, &mut v6_buffer),
                task = tasks.recv() => match task {
                    Some(task) => task(&mut self),
                    None => break,
                },
                () = tokio::time::sleep_until(wake) => {
                    let now = self.now();
                    self.node.handle_input(now, Input::Timeout);
                }
                _ = saving.tick() => self.save(),
            }
        }
        self.save();
    }

    fn now(&self) -> Time {
        Time::from_nanos(u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Takes in one datagram, and those that wait behind it.
    fn on_received(&mut self, received: io::Result<(usize, SocketAddr)>, buffer: &mut [u8]) {
        // Errors are those of earlier sends; there is nothing to be done about them.
        let Ok((length, from)) = received else { return };
        self.take(buffer.get(..length).unwrap_or_default(), from);
        for _ in 0..BATCH {
            let socket = if from.is_ipv4() { &self.v4 } else { &self.v6 };
            let Some(Ok((length, from))) = socket.as_ref().map(|socket| socket.try_recv_from(buffer)) else {
                break;
            };
            self.take(buffer.get(..length).unwrap_or_default(), from);
        }
    }

    fn take(&mut self, datagram: &[u8], from: SocketAddr) {
        let now = self.now();
        self.node.handle_input(now, Input::Received { from, datagram });
        self.drain();
    }

    fn drain(&mut self) {
        if !self.early.is_empty() {
            self.start_early();
        }
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Send { to, datagram } => self.send(to, &datagram),
                Output::Event(event) => self.tell(event),
            }
        }
    }

    fn send(&self, to: SocketAddr, datagram: &[u8]) {
        let allowed = self.trusted.contains(&to.ip()) || self.policy.check(to.ip(), Origin::Torrent).is_ok();
        let socket = if to.is_ipv4() { &self.v4 } else { &self.v6 };
        if let Some(socket) = socket.as_ref().filter(|_| allowed) {
            // A full buffer loses the datagram, as the network may; the node asks again.
            let _ = socket.try_send_to(datagram, to);
        }
    }

    fn start(&mut self, operation: Operation) -> Result<mpsc::UnboundedReceiver<Event>, Unavailable> {
        if self.early.len() >= MOST_EARLY {
            return Err(Unavailable);
        }
        let (events, receiver) = mpsc::unbounded_channel();
        self.early.push((operation, events));
        self.start_early();
        Ok(receiver)
    }

    /// A question asked before the node knows anybody would be answered with nothing, so it waits.
    fn start_early(&mut self) {
        let statistics = self.node.statistics();
        if statistics.v4_contacts + statistics.v6_contacts == 0 {
            return;
        }
        for (operation, events) in std::mem::take(&mut self.early) {
            let now = self.now();
            // A node that has too much to do drops the question, and whoever asked sees the end of the answer.
            if let Ok(id) = self.node.start(now, operation) {
                self.operations.insert(id, events);
            }
        }
    }

    fn tell(&mut self, event: Event) {
        let (id, is_last) = match &event {
            Event::Finished { operation, .. } => (*operation, true),
            Event::Peers { operation, .. }
            | Event::Item { operation, .. }
            | Event::Samples { operation, .. } => (*operation, false),
            Event::Ready { family } => return tracing::info!(?family, "the DHT node has found its place"),
            Event::ExternalAddress { ip } => return tracing::info!(%ip, "others see us at"),
        };
        let Some(events) = self.operations.get(&id) else { return };
        let nobody_listens = events.send(event).is_err();
        if is_last || nobody_listens {
            self.operations.remove(&id);
        }
        if nobody_listens && !is_last {
            let now = self.now();
            self.node.cancel(now, id);
        }
    }

    fn save(&self) {
        let Some(path) = &self.state_file else { return };
        let saved = self.node.save();
        // A node that knows nobody must not forget whom it knew.
        if saved.contacts() == 0 {
            return;
        }
        if let Err(error) = write_whole(path, &saved.encode()) {
            tracing::warn!(%error, "the contacts of the DHT node are not saved");
        }
    }
}

/// Whole or not at all: beside its place first, then renamed.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let draft = path.with_extension("part");
    std::fs::write(&draft, bytes)?;
    std::fs::rename(&draft, path)
}

fn load(path: &Path) -> Option<SavedState> {
    use std::io::Read as _;
    /// Far more than the node writes.
    const LONGEST: u64 = 256 * 1024;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    SavedState::decode(&bytes).ok()
}

async fn receive(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(buffer).await,
        None => std::future::pending().await,
    }
}

/// Both sockets, on one port; a family that this machine does not have is left out.
fn bind(config: &DhtConfig) -> io::Result<(Option<UdpSocket>, Option<UdpSocket>)> {
    let mut port = config.port;
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no address for the DHT node");
    let mut sockets = [None, None];
    let addresses = [config.v4.map(IpAddr::V4), config.v6.map(IpAddr::V6)];
    for (socket, ip) in sockets.iter_mut().zip(addresses) {
        let Some(ip) = ip else { continue };
        match bind_one(SocketAddr::new(ip, port)) {
            Ok(bound) => {
                port = bound.local_addr()?.port();
                *socket = Some(bound);
            }
            Err(error) => last = error,
        }
    }
    let [v4, v6] = sockets;
    if v4.is_none() && v6.is_none() { Err(last) } else { Ok((v4, v6)) }
}

fn bind_one(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}
