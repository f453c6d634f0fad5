//! The loop: outputs of the session are executed, what happens is handed in.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sprat_core::Session;
use sprat_core::io::{ConnectionId, Event, Input, Output, TrackerFailure, TrackerId};
use sprat_core::peer_list::PeerSource;
use sprat_core::storage::{StorageReply, TorrentId};
use sprat_core::time::Time;
use sprat_dht::io::{self as dht, Operation};
use sprat_wire::hash::InfoHash;
use sprat_wire::tracker::AnnounceRequest;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};
use tokio::time::Instant;

use super::catalogue::Catalogue;
use super::loading::{self, Loaded};
use super::local::{self, Local};
use super::means;
use super::moves::Moves;
use super::readers::Readers;
use super::receive::ReceiveBuffers;
use super::socket::{self, Connection, Happened, Surroundings, What};
use super::trace::{TraceError, TraceLine, Traces};
use super::{ClientConfig, Task};
use crate::address_policy::{AddressPolicy, Origin};
use crate::announce::{AnnounceClient, AnnounceConfig, AnnounceError};
use crate::dht::Dht;
use crate::listen::Listeners;
use crate::lsd::{LocalDiscovery, Neighbour};
use crate::own_addresses::{self, Change};
use crate::storage::Storage;
use crate::udp::UdpSockets;

/// Happenings of sockets that may wait for the session. Readers wait when there are more: what is not read stays
/// with the kernel, and the sender slows down.
const SOCKET_QUEUE: usize = 64;

/// Happenings taken in before the clock is read and tasks are looked at again.
const BATCH: usize = 32;

/// Announces under way at a time: each has a socket.
const ANNOUNCES: usize = 100;

/// How long a shutdown waits for trackers and disks. Promise P-22 gives five seconds in all.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(3);

/// How long what is still to be written may take after that.
const LAST_PATIENCE: Duration = Duration::from_millis(300);

/// The session with its sockets, disk and trackers: what tasks of the user act on.
pub(super) struct Driver {
    pub(super) session: Session,
    pub(super) epoch: Instant,
    /// Bytes of memory that are taken without any connection.
    held_elsewhere: usize,
    /// Connections for which there are file descriptors.
    pub(super) most_connections: usize,
    pub(super) storage: Storage,
    announces: AnnounceClient,
    pub(super) dht: Option<Dht>,
    pub(super) policy: Arc<AddressPolicy>,
    found: mpsc::UnboundedSender<Found>,
    local: Option<Local>,
    /// By which neighbours are heard of, and where they find us, if they may.
    neighbourhood: Option<(u16, mpsc::UnboundedSender<Neighbour>)>,
    connections: BTreeMap<ConnectionId, Connection>,
    /// Those for which something was queued since they were flushed.
    unflushed: BTreeSet<ConnectionId>,
    /// Trackers that the user named rather than the torrent.
    pub(super) user_trackers: BTreeMap<TorrentId, BTreeSet<String>>,
    /// What connections are given.
    around: Surroundings,
    announced: mpsc::UnboundedSender<Announced>,
    pending_announces: usize,
    /// Announces that wait until others have ended.
    waiting_announces: VecDeque<Announce>,
    /// The list that outlives the client, if it has one.
    pub(super) catalogue: Option<Catalogue>,
    pub(super) loaded: mpsc::UnboundedSender<Loaded>,
    pub(super) loads: Arc<Semaphore>,
    pub(super) moves: Moves,
    pub(super) readers: Readers,
    pub(super) traces: Traces,
    /// For whoever has something to do here after it has waited elsewhere.
    pub(super) hands: mpsc::UnboundedSender<Act>,
    events: broadcast::Sender<Event>,
    shutdown: Option<Shutdown>,
}

#[derive(Debug)]
struct Shutdown {
    deadline: Instant,
    done: oneshot::Sender<()>,
}

/// What a tracker is to be told.
#[derive(Debug)]
struct Announce {
    torrent: TorrentId,
    tracker: TrackerId,
    url: Arc<str>,
    request: AnnounceRequest,
}

/// The end of an announce.
#[derive(Debug)]
struct Announced {
    torrent: TorrentId,
    tracker: TrackerId,
    result: Result<sprat_wire::tracker::AnnounceResponse, TrackerFailure>,
}

/// Something to be done here after something else was waited for.
pub(super) type Act = Box<dyn FnOnce(&mut Driver)>;

/// Peers that the DHT knows.
type Found = (TorrentId, Vec<SocketAddr>);

/// The receiving ends of everything that the driver waits for.
pub(super) struct Shell {
    happened: mpsc::Receiver<Happened>,
    storage: mpsc::UnboundedReceiver<StorageReply>,
    announced: mpsc::UnboundedReceiver<Announced>,
    found: mpsc::UnboundedReceiver<Found>,
    neighbours: mpsc::UnboundedReceiver<Neighbour>,
    changes: mpsc::UnboundedReceiver<Change>,
    loads: mpsc::UnboundedReceiver<Loaded>,
    acts: mpsc::UnboundedReceiver<Act>,
}

impl Shell {
    /// The two halves of a client. Must be called within the client's runtime.
    pub(super) fn new(
        mut config: ClientConfig,
        listeners: Option<Listeners>,
        sockets: UdpSockets,
        dht: Option<Dht>,
        events: broadcast::Sender<Event>,
    ) -> (Driver, Self) {
        let (happened, happenings) = mpsc::channel(SOCKET_QUEUE);
        let (stored, storage_replies) = mpsc::unbounded_channel();
        let (announced, announce_results) = mpsc::unbounded_channel();
        let (found, finds) = mpsc::unbounded_channel();
        let (heard, neighbours) = mpsc::unbounded_channel();
        let (loaded, loads) = mpsc::unbounded_channel();
        let (hands, acts) = mpsc::unbounded_channel();
        let listening = listeners.as_ref().map(|listeners| listeners.port).filter(|_| config.lsd);
        let neighbourhood = listening.map(|port| (port, heard));
        let (changed, changes) = mpsc::unbounded_channel();
        tokio::task::spawn_local(own_addresses::watch(changed));
        config.session.dht_port = dht.as_ref().map_or(0, Dht::port);
        config.session.listen_port = listeners.as_ref().map_or(0, |listeners| listeners.port);
        if let Some(listeners) = listeners {
            for listener in [listeners.v4, listeners.v6].into_iter().flatten() {
                tokio::task::spawn_local(socket::accept(listener, config.uplink.clone(), happened.clone()));
            }
        }
        let held_elsewhere = means::divide(&mut config, SOCKET_QUEUE);
        let most_connections = means::most_peers(&config);
        let storage = Storage::start(config.storage, stored);
        let uplink = config.uplink;
        let around =
            Surroundings { happened, buffers: Rc::new(ReceiveBuffers::default()), uplink: uplink.clone() };
        let announces = AnnounceConfig { uplink, ..AnnounceConfig::new(Arc::clone(&config.policy)) };
        let mut driver = Driver {
            session: Session::new(config.session, config.seed.unwrap_or_else(seed_from_the_system)),
            epoch: Instant::now(),
            held_elsewhere,
            most_connections,
            storage,
            announces: AnnounceClient::new(announces, sockets),
            dht,
            policy: config.policy,
            found,
            local: None,
            neighbourhood,
            connections: BTreeMap::new(),
            unflushed: BTreeSet::new(),
            user_trackers: BTreeMap::new(),
            around,
            announced,
            pending_announces: 0,
            waiting_announces: VecDeque::new(),
            catalogue: config.home.map(Catalogue::new),
            loaded,
            loads: loading::loads(),
            moves: Moves::default(),
            readers: Readers::default(),
            traces: Traces::default(),
            hands,
            events,
            shutdown: None,
        };
        driver.join_neighbours();
        let shell = Self {
            happened: happenings,
            storage: storage_replies,
            announced: announce_results,
            found: finds,
            neighbours,
            changes,
            loads,
            acts,
        };
        (driver, shell)
    }

    /// Runs until a shutdown is over or the last handle is dropped.
    pub(super) async fn run(mut self, mut driver: Driver, mut tasks: mpsc::UnboundedReceiver<Task>) {
        let mut happenings = Vec::with_capacity(BATCH);
        let mut replies = Vec::with_capacity(BATCH);
        while !driver.is_over() {
            driver.drain();
            let timer = tokio::time::sleep_until(driver.next_timeout());
            tokio::select! {
                _ = self.storage.recv_many(&mut replies, BATCH) => {}
                _ = self.happened.recv_many(&mut happenings, BATCH) => {}
                Some(announced) = self.announced.recv() => driver.on_announced(announced),
                Some((torrent, peers)) = self.found.recv() => {
                    driver.input(Input::FoundPeers { torrent, source: PeerSource::Dht, peers });
                }
                Some(neighbour) = self.neighbours.recv() => driver.on_neighbour(&neighbour),
                Some(change) = self.changes.recv() => driver.on_change(&change),
                Some(loaded) = self.loads.recv() => driver.on_loaded(loaded),
                Some(act) = self.acts.recv() => act(&mut driver),
                task = tasks.recv() => match task {
                    Some(task) => task(&mut driver),
                    None => break,
                },
                () = timer => {}
            }
            for reply in replies.drain(..) {
                driver.input(Input::Storage(reply));
            }
            for happened in happenings.drain(..) {
                driver.on_happened(happened);
            }
            driver.on_time();
            driver.serve_readers();
            driver.count_memory();
        }
        if let Some(dht) = driver.dht.take() {
            let _ = dht.save().await;
        }
        driver.end();
    }
}

impl Driver {
    pub(super) fn now(&self) -> Time {
        let nanos = self.epoch.elapsed().as_nanos();
        Time::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// When the loop must go round although nothing happens.
    fn next_timeout(&self) -> Instant {
        /// Without any appointment: far enough to be no work, near enough for the timer.
        const IDLE: Duration = Duration::from_secs(3600);
        let idle = self.epoch.elapsed() + IDLE;
        let session = self.session.poll_timeout().map_or(idle, |at| at.since(Time::ZERO).min(idle));
        let mut at = self.epoch + session;
        if let Some(local) = &self.local {
            at = at.min(local.next_time());
        }
        self.shutdown.as_ref().map_or(at, |shutdown| at.min(shutdown.deadline))
    }

    fn on_time(&mut self) {
        let now = self.now();
        if self.session.poll_timeout().is_some_and(|at| at <= now) {
            self.session.handle_input(now, Input::Timeout);
        }
        if let Some(local) = self.local.as_mut().filter(|local| local.next_time() <= Instant::now()) {
            local.announce(&self.session);
        }
    }

    fn count_memory(&mut self) {
        let waiting = self.storage.queued_bytes() + self.storage.held_beyond_limit();
        self.session.set_memory_elsewhere(self.held_elsewhere + waiting);
    }

    pub(super) fn input(&mut self, input: Input) {
        let now = self.now();
        let remote = |id| self.connections.get(&id).and_then(Connection::remote);
        let sight = self.traces.look(&input, remote);
        self.session.handle_input(now, input);
        if let Some(sight) = sight {
            self.traces.tell(&self.session, now, sight);
        }
        self.drain();
    }

    /// Begins to tell what a torrent does.
    pub(super) fn trace(&mut self, torrent: TorrentId) -> Result<mpsc::Receiver<TraceLine>, TraceError> {
        let now = self.now();
        let connections = self.connections.iter().map(|(id, connection)| (*id, connection.remote()));
        self.traces.begin(&self.session, now, torrent, connections)
    }

    /// Executes everything that the session has put out, and gives the network what there is to send.
    fn drain(&mut self) {
        self.execute();
        while let Some(id) = self.unflushed.pop_first() {
            let Some(connection) = self.connections.get(&id) else { continue };
            let bytes = connection.flush();
            if bytes > 0 {
                let now = self.now();
                self.session.handle_input(now, Input::Sent { connection: id, bytes });
                self.execute();
            }
        }
    }

    fn execute(&mut self) {
        while let Some(output) = self.session.poll_output() {
            if !self.traces.are_none() {
                let now = self.now();
                self.traces.output(&self.session, now, &output);
            }
            match output {
                Output::Send { connection: id, bytes } => {
                    if let Some(connection) = self.connections.get(&id) {
                        connection.queue(bytes);
                        self.unflushed.insert(id);
                    }
                }
                Output::Storage(request) => self.storage.submit(request),
                Output::Connect { connection, address } => self.connect(connection, address),
                Output::Disconnect { connection } => {
                    self.connections.remove(&connection);
                }
                Output::Announce { torrent, tracker, url, request } => {
                    self.announce(Announce { torrent, tracker, url, request });
                }
                Output::FindPeers { torrent, info_hash, seed } => self.find_peers(torrent, info_hash, seed),
                Output::HeardOf { torrent, from, peers } => self.judge(torrent, from, peers),
                Output::DhtNode { address } => self.on_dht_node(address),
                Output::LoadMetadata { torrent } => self.load_metadata(torrent),
                Output::Read { reader, result, .. } => self.on_read(reader, result),
                Output::Event(event) => self.tell(event),
            }
        }
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.take_note(&event);
        match event {
            Event::Removed { torrent } => drop(self.user_trackers.remove(&torrent)),
            // Not earlier: who hears of us calls at once, and would be sent away.
            Event::Checked { .. } => self.announce_locally_soon(),
            _ => {}
        }
        // Nobody listening is no fault.
        let _ = self.events.send(event);
    }

    // Sockets.

    fn connect(&mut self, id: ConnectionId, address: SocketAddr) {
        self.connections.insert(id, Connection::dial(id, address, self.around.clone()));
        self.put_on_disk(id);
    }

    /// Has a connection wait for the disk of its torrent, as soon as that is known.
    fn put_on_disk(&self, id: ConnectionId) {
        let pressure = self.session.torrent_of(id).and_then(|torrent| self.storage.pressure(torrent));
        if let (Some(connection), Some(pressure)) = (self.connections.get(&id), pressure) {
            connection.put_on_disk(pressure);
        }
    }

    fn on_happened(&mut self, happened: Happened) {
        match happened {
            Happened::Accepted(stream, address) => {
                let id = self.session.allocate_connection();
                self.connections.insert(id, Connection::accepted(id, stream, self.around.clone()));
                self.input(Input::Accepted { connection: id, address });
            }
            Happened::NoDescriptors => self.session.let_strangers_go(),
            Happened::On(connection, what) => {
                // What a connection said before it was told to end is still on its way to us.
                let Some(known) = self.connections.get(&connection) else { return };
                let is_on_a_disk = known.is_on_a_disk();
                let input = match what {
                    What::Connected => Input::Connected { connection },
                    What::Received(bytes) => Input::Received { connection, bytes },
                    What::Sent(bytes) => Input::Sent { connection, bytes },
                    What::Closed => {
                        self.connections.remove(&connection);
                        Input::Closed { connection }
                    }
                };
                self.input(input);
                if !is_on_a_disk {
                    self.put_on_disk(connection);
                }
            }
        }
    }

    /// The addresses of this machine have changed. Sockets that are bound to none need nothing, and those that are bound to one work
    /// again when it is back.
    fn on_change(&mut self, change: &Change) {
        tracing::info!(gone = ?change.gone, elsewhere = change.is_elsewhere, "the addresses of this machine have changed");
        let is_lost =
            |connection: &Connection| connection.local_ip().is_some_and(|ip| change.gone.contains(&ip));
        let lost = self.connections.iter().filter(|(_, connection)| is_lost(connection)).map(|(id, _)| *id);
        for connection in lost.collect::<Vec<_>>() {
            self.connections.remove(&connection);
            self.input(Input::Closed { connection });
        }
        self.join_neighbours();
        if change.is_elsewhere {
            self.announces.network_changed();
            self.with_session(Session::network_changed);
            self.announce_locally_soon();
        }
    }

    // Trackers.

    fn announce(&mut self, announce: Announce) {
        if self.pending_announces >= ANNOUNCES {
            return self.waiting_announces.push_back(announce);
        }
        let Announce { torrent, tracker, url, request } = announce;
        let by_user = self.user_trackers.get(&torrent).is_some_and(|urls| urls.contains(&*url));
        let origin = if by_user { Origin::User } else { Origin::Torrent };
        let announces = self.announces.clone();
        let announced = self.announced.clone();
        self.pending_announces += 1;
        tokio::task::spawn_local(async move {
            let result = announces.announce(&url, &request, origin).await;
            let result = result.map_err(AnnounceError::into_failure);
            let _ = announced.send(Announced { torrent, tracker, result });
        });
    }

    fn on_announced(&mut self, announced: Announced) {
        let Announced { torrent, tracker, result } = announced;
        self.pending_announces = self.pending_announces.saturating_sub(1);
        if let Some(next) = self.waiting_announces.pop_front() {
            self.announce(next);
        }
        self.input(Input::Announced { torrent, tracker, result });
    }

    // The DHT.

    fn find_peers(&self, torrent: TorrentId, info_hash: InfoHash, seed: bool) {
        let Some(dht) = self.dht.clone() else { return };
        let (found, policy) = (self.found.clone(), Arc::clone(&self.policy));
        let operation = match self.session.listen_port() {
            0 => Operation::Peers { info_hash, no_seed: seed },
            port => Operation::Announce { info_hash, port, implied_port: false, seed },
        };
        tokio::task::spawn_local(async move {
            let Ok(mut events) = dht.run(operation).await else { return };
            while let Some(event) = events.recv().await {
                let dht::Event::Peers { mut peers, .. } = event else { continue };
                peers.retain(|peer| policy.accepts_peer(*peer, None));
                if !peers.is_empty() && found.send((torrent, peers)).is_err() {
                    return;
                }
            }
        });
    }

    /// Whom a peer has told of may be called if the policy says so.
    fn judge(&mut self, torrent: TorrentId, from: IpAddr, mut peers: Vec<SocketAddr>) {
        peers.retain(|peer| self.policy.accepts_peer(*peer, Some(from)));
        let now = self.now();
        self.session.handle_input(now, Input::FoundPeers { torrent, source: PeerSource::Pex, peers });
    }

    fn on_dht_node(&self, address: SocketAddr) {
        if let Some(dht) = &self.dht {
            dht.add_candidate(address);
        }
    }

    // The local network.

    /// Joins the groups on the interfaces that there are now.
    fn join_neighbours(&mut self) {
        let Some((port, heard)) = &self.neighbourhood else { return };
        match (LocalDiscovery::start(*port, heard, &self.around.uplink), &mut self.local) {
            (Ok(discovery), Some(local)) => local.move_to(discovery),
            (Ok(discovery), None) => self.local = Some(Local::new(discovery)),
            (Err(error), _) => tracing::info!(%error, "no local discovery"),
        }
    }

    /// The next announcement comes soon.
    pub(super) fn announce_locally_soon(&mut self) {
        if let Some(local) = &mut self.local {
            local.announce_soon();
        }
    }

    fn on_neighbour(&mut self, neighbour: &Neighbour) {
        let shared = neighbour.info_hashes.iter().filter_map(|hash| local::heard_of(&self.session, *hash));
        let shared: BTreeSet<TorrentId> = shared.collect();
        for torrent in shared {
            let peers = vec![neighbour.address];
            self.input(Input::FoundPeers { torrent, source: PeerSource::Lsd, peers });
        }
    }

    // Tasks of the user.

    pub(super) fn with_session<R>(&mut self, act: impl FnOnce(&mut Session, Time) -> R) -> R {
        let now = self.now();
        act(&mut self.session, now)
    }

    pub(super) fn shut_down(&mut self, done: oneshot::Sender<()>) {
        // What is done for many torrents before anything is waited for counts as well.
        let deadline = Instant::now() + SHUTDOWN_LIMIT;
        self.keep_totals();
        // What was to be said before is not worth waiting for; the farewells follow.
        self.waiting_announces.clear();
        self.moves.leave();
        let now = self.now();
        self.session.shut_down(now);
        self.shutdown = Some(Shutdown { deadline, done });
    }

    /// Whether a shutdown has nothing left to wait for.
    fn is_over(&mut self) -> bool {
        if self.shutdown.is_none() {
            return false;
        }
        self.drain();
        let idle = self.pending_announces == 0
            && self.waiting_announces.is_empty()
            && self.moves.is_empty()
            && self.session.torrents().next().is_none();
        idle || self.shutdown.as_ref().is_some_and(|shutdown| shutdown.deadline <= Instant::now())
    }

    fn end(mut self) {
        self.connections.clear();
        // Also without a farewell: whoever comes after us goes on with what they leave.
        self.moves.leave();
        let deadline = self.shutdown.as_ref().map(|shutdown| shutdown.deadline);
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        self.storage.stop(left.unwrap_or(SHUTDOWN_LIMIT).max(LAST_PATIENCE));
        if let Some(shutdown) = self.shutdown.take() {
            let _ = shutdown.done.send(());
        }
    }
}

/// A number that nobody can guess, from the keys that the standard library draws for its hash maps.
pub(super) fn seed_from_the_system() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
