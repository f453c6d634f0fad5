//! DHT nodes on real sockets: the loop around [`sprat_dht::Node`].
//!
//! There is one node for the first socket of each family, and another one for each further address (BEP 45). Whatever
//! is asked of them goes through a [`Dht`], which can be cloned; the nodes end when the last of them is gone.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sprat_dht::NodeConfig;
use sprat_dht::io::{Event, Operation, Summary};
use sprat_dht::node::Statistics;
use sprat_wire::compact::Family;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use crate::address_policy::{AddressPolicy, Origin};
use crate::resolve::Resolver;
use crate::udp::UdpSockets;

mod driver;

use driver::Driver;

/// Where a node that knows nobody asks first: nodes that their projects have kept up for years.
pub const PUBLIC_ENTRANCES: [&str; 3] =
    ["router.bittorrent.com:6881", "dht.transmissionbt.com:6881", "dht.libtorrent.org:25401"];

/// How often names are resolved again while the node knows nobody.
const RESOLVE_AGAIN: Duration = Duration::from_secs(60);

/// Between the announcements of one torrent by the nodes of one host: together they would only hit the same nodes at
/// once (BEP 45, "Mandatory").
const BETWEEN_NODES: Duration = Duration::from_secs(5);

/// How a node is run.
#[derive(Debug, Clone)]
pub struct DhtConfig {
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
    /// A node of the public network.
    #[must_use]
    pub fn public(policy: Arc<AddressPolicy>) -> Self {
        Self {
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

/// A handle to the running nodes.
#[derive(Debug, Clone)]
pub struct Dht {
    /// At least one.
    nodes: Arc<[mpsc::UnboundedSender<Task>]>,
    port: u16,
}

impl Dht {
    /// Starts a node for every pair of sockets, on the runtime of the caller.
    pub fn start(config: &DhtConfig, sockets: &UdpSockets) -> io::Result<Self> {
        let (mut v4, mut v6) = (sockets.of(Family::V4).cloned(), sockets.of(Family::V6).cloned());
        let pairs = std::iter::from_fn(|| Some((v4.next(), v6.next())));
        let pairs = pairs.take_while(|(v4, v6)| v4.is_some() || v6.is_some());
        let mut nodes = Vec::new();
        for (number, pair) in pairs.enumerate() {
            let (tasks, queue) = mpsc::unbounded_channel();
            let driver = Driver::new(config, number, pair, sockets)?;
            tokio::spawn(driver.run(queue));
            if !config.entrances.is_empty() {
                // It holds no handle that would keep the node alive.
                tokio::spawn(enter(tasks.downgrade(), config.entrances.clone()));
            }
            nodes.push(tasks);
        }
        Ok(Self { nodes: nodes.into(), port: sockets.port() })
    }

    /// The UDP port of the nodes.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Asks for something; what comes of it arrives on the receiver, and [`Event::Finished`] is the last. Dropping the
    /// receiver cancels the operation.
    ///
    /// Of several nodes any one is asked. Only to be found, we announce ourselves by all of them, one after the other,
    /// as each has another address.
    pub async fn run(&self, operation: Operation) -> Result<mpsc::UnboundedReceiver<Event>, Unavailable> {
        if self.nodes.len() > 1 && matches!(operation, Operation::Announce { .. }) {
            let (events, receiver) = mpsc::unbounded_channel();
            tokio::spawn(run_on_all(Arc::clone(&self.nodes), operation, events));
            return Ok(receiver);
        }
        with(self.any_node()?, |driver| driver.start(operation)).await?
    }

    fn any_node(&self) -> Result<&mpsc::UnboundedSender<Task>, Unavailable> {
        let number = getrandom::u32().unwrap_or_default() as usize;
        self.nodes.get(number % self.nodes.len().max(1)).ok_or(Unavailable)
    }

    /// Tells of a node, on the word of a peer.
    pub fn add_candidate(&self, address: SocketAddr) {
        let Ok(node) = self.any_node() else { return };
        let _ = node.send(Box::new(move |driver| {
            let now = driver.now();
            driver.node.add_candidate(now, address);
        }));
    }

    /// Tells of nodes that a torrent names (BEP 5, `nodes`), as host and port.
    pub fn add_nodes(&self, nodes: Vec<(String, u16)>, policy: Arc<AddressPolicy>) {
        let own = Arc::clone(&self.nodes);
        tokio::spawn(async move {
            let resolver = Resolver::system();
            for (host, port) in nodes {
                let Ok(found) = resolver.resolve(&host, port, &policy, Origin::Torrent).await else {
                    continue;
                };
                for tasks in &*own {
                    let found = found.clone();
                    let _ = tasks.send(Box::new(move |driver| {
                        let now = driver.now();
                        driver.node.add_entrances(now, found);
                    }));
                }
            }
        });
    }

    /// What there is, in numbers, for each node.
    pub async fn statistics(&self) -> Result<Vec<Statistics>, Unavailable> {
        let mut all = Vec::new();
        for node in &*self.nodes {
            all.push(with(node, |driver| driver.node.statistics()).await?);
        }
        Ok(all)
    }

    /// Whether any node knows anybody.
    pub async fn knows_somebody(&self) -> Result<bool, Unavailable> {
        Ok(self.statistics().await?.iter().any(|node| node.v4_contacts + node.v6_contacts > 0))
    }

    /// Saves what is worth saving. The nodes end when the last handle is dropped.
    pub async fn save(&self) -> Result<(), Unavailable> {
        for node in &*self.nodes {
            let saved = with(node, |driver| driver.save()).await?;
            saved.await.map_err(|_| Unavailable)?;
        }
        Ok(())
    }
}

async fn with<R: Send + 'static>(
    node: &mpsc::UnboundedSender<Task>,
    act: impl FnOnce(&mut Driver) -> R + Send + 'static,
) -> Result<R, Unavailable> {
    let (answer, result) = oneshot::channel();
    let task: Task = Box::new(move |driver| {
        // Whoever asked may have gone.
        let _ = answer.send(act(driver));
    });
    node.send(task).map_err(|_| Unavailable)?;
    result.await.map_err(|_| Unavailable)
}

/// Runs an operation on one node after the other, and tells of it as if it were one.
async fn run_on_all(
    nodes: Arc<[mpsc::UnboundedSender<Task>]>,
    operation: Operation,
    events: mpsc::UnboundedSender<Event>,
) {
    let mut last: Option<Event> = None;
    for node in &*nodes {
        if last.is_some() {
            tokio::time::sleep(BETWEEN_NODES).await;
        }
        let operation = operation.clone();
        let Ok(Ok(mut told)) = with(node, |driver| driver.start(operation)).await else { continue };
        while let Some(event) = told.recv().await {
            let result = match event {
                Event::Finished { operation, summary } => {
                    let summary = match last.take() {
                        Some(Event::Finished { summary: earlier, .. }) => together(earlier, summary),
                        _ => summary,
                    };
                    last = Some(Event::Finished { operation, summary });
                    Ok(())
                }
                event => events.send(event),
            };
            if result.is_err() {
                return;
            }
        }
    }
    if let Some(event) = last {
        // Whoever asked may have gone.
        let _ = events.send(event);
    }
}

fn together(earlier: Summary, later: Summary) -> Summary {
    Summary {
        took: earlier.took + later.took,
        queries: earlier.queries + later.queries,
        hops: earlier.hops.max(later.hops),
        found: earlier.found + later.found,
        stored: earlier.stored + later.stored,
        refused: [earlier.refused, later.refused].concat(),
        ..later
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
