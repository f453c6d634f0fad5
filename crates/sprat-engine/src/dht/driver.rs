//! The loop around one node.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sprat_dht::io::{Event, Operation, OperationId};
use sprat_dht::saved::SavedState;
use sprat_dht::time::Time;
use sprat_dht::{Input, Node, NodeConfig, Output};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{DhtConfig, Task, Unavailable};
use crate::address_policy::{AddressPolicy, Origin};
use crate::udp::{Datagram, SharedSocket, UdpSockets};
use crate::whole_file;

/// How often the contacts are saved.
const SAVE_AFTER: Duration = Duration::from_secs(10 * 60);

/// Questions that wait for the node to know somebody.
const MOST_EARLY: usize = 10_000;

/// The node with its sockets: what tasks act on.
pub(super) struct Driver {
    pub(super) node: Node,
    epoch: Instant,
    v4: Option<Arc<SharedSocket>>,
    v6: Option<Arc<SharedSocket>>,
    from_v4: Option<mpsc::Receiver<Datagram>>,
    from_v6: Option<mpsc::Receiver<Datagram>>,
    /// They are open as long as there is a handle.
    _sockets: UdpSockets,
    operations: BTreeMap<OperationId, mpsc::UnboundedSender<Event>>,
    /// What was asked before the node knew anybody.
    early: Vec<(Operation, mpsc::UnboundedSender<Event>)>,
    /// Addresses that the user has named.
    pub(super) trusted: BTreeSet<IpAddr>,
    policy: Arc<AddressPolicy>,
    state_file: Option<PathBuf>,
}

impl Driver {
    /// A node on one socket of each family, or of one; `number` tells the nodes of a host apart.
    pub(super) fn new(
        config: &DhtConfig,
        number: usize,
        (v4, v6): (Option<Arc<SharedSocket>>, Option<Arc<SharedSocket>>),
        sockets: &UdpSockets,
    ) -> io::Result<Self> {
        let from_v4 = v4.as_ref().map(|socket| socket.serve_dht()).transpose()?;
        let from_v6 = v6.as_ref().map(|socket| socket.serve_dht()).transpose()?;
        let state_file = config.state_file.as_deref().map(|path| state_file(path, number));
        let saved = state_file.as_deref().and_then(load);
        let node_config = NodeConfig { v4: v4.is_some(), v6: v6.is_some(), ..config.node.clone() };
        let seed = getrandom::u64().map_err(io::Error::other)?;
        let node = match &saved {
            Some(saved) => Node::restored(node_config, seed, saved),
            None => Node::new(node_config, seed),
        };
        Ok(Self {
            node,
            epoch: Instant::now(),
            v4,
            v6,
            from_v4,
            from_v6,
            _sockets: sockets.clone(),
            operations: BTreeMap::new(),
            early: Vec::new(),
            trusted: BTreeSet::new(),
            policy: Arc::clone(&config.policy),
            state_file,
        })
    }

    /// Runs until there is no handle any more.
    pub(super) async fn run(mut self, mut tasks: mpsc::UnboundedReceiver<Task>) {
        let mut saving = tokio::time::interval_at(Instant::now() + SAVE_AFTER, SAVE_AFTER);
        loop {
            self.drain();
            let wake = self.epoch + self.node.poll_timeout().since(Time::ZERO);
            tokio::select! {
                datagram = next(&mut self.from_v4) => self.take(&datagram),
                datagram = next(&mut self.from_v6) => self.take(&datagram),
                task = tasks.recv() => match task {
                    Some(task) => task(&mut self),
                    None => break,
                },
                () = tokio::time::sleep_until(wake) => {
                    let now = self.now();
                    self.node.handle_input(now, Input::Timeout);
                }
                _ = saving.tick() => drop(self.save()),
            }
        }
        // If the runtime ends as well, it gives what it has begun on other threads a moment.
        drop(self.save());
    }

    pub(super) fn now(&self) -> Time {
        Time::from_nanos(u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn take(&mut self, datagram: &Datagram) {
        let now = self.now();
        self.node.handle_input(now, Input::Received { from: datagram.from, datagram: &datagram.bytes });
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
            let _ = socket.send_now(datagram, to);
        }
    }

    pub(super) fn start(
        &mut self,
        operation: Operation,
    ) -> Result<mpsc::UnboundedReceiver<Event>, Unavailable> {
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

    /// Writes down what is worth it, on a thread that may wait for the disk. The result says when that is done.
    pub(super) fn save(&self) -> JoinHandle<()> {
        let saved = self.node.save();
        // A node that knows nobody must not forget whom it knew.
        let path = self.state_file.clone().filter(|_| saved.contacts() > 0);
        tokio::task::spawn_blocking(move || {
            let written = path.map_or(Ok(()), |path| whole_file::write(&path, &saved.encode()));
            if let Err(error) = written {
                tracing::warn!(%error, "the contacts of the DHT node are not saved");
            }
        })
    }
}

fn load(path: &Path) -> Option<SavedState> {
    use std::io::Read as _;
    /// Far more than the node writes.
    const LONGEST: u64 = 256 * 1024;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    SavedState::decode(&bytes).ok()
}

/// The first node has the file itself.
fn state_file(path: &Path, number: usize) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

async fn next(datagrams: &mut Option<mpsc::Receiver<Datagram>>) -> Datagram {
    match datagrams {
        Some(datagrams) => match datagrams.recv().await {
            Some(datagram) => datagram,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}
