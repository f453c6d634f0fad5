//! The world: takes events from the queue one by one, and does what sessions ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sprat_core::bitfield::Bitfield;
use sprat_core::peer_list::PeerSource;
use sprat_core::time::Time;
use sprat_core::{Input, Output};

use crate::behaviour::Behaviour;
use crate::content::{Content, ContentConfig, ContentError};
use crate::disk::Disk;
use crate::event::{Event, Life};
use crate::faults::Fault;
use crate::network::Links;
use crate::peer::{Departure, Peer, PeerConfig, Presence};
use crate::peer_number::PeerNumber;
use crate::report::{Flows, PeerReport, Snapshot, Violation};
use crate::schedule::Schedule;
use crate::trace::Trace;
use crate::trackers::{TrackerConfig, VirtualTracker};

use ledger::Ledger;
pub use ledger::MATRIX_PEERS;
pub use sampling::SNAPSHOTS;
use sampling::Sampler;

mod checks;
mod connections;
mod disks;
mod faults;
mod joining;
mod ledger;
mod overhearing;
mod sampling;
mod tracker_calls;

/// A session that is woken so often within one instant will never stop.
const WAKES_AT_ONCE: u32 = 100;

/// So many events per peer within one instant are no coincidence.
const EVENTS_AT_ONCE: u64 = 10_000;

/// A swarm in a virtual network. See the crate.
#[derive(Debug)]
pub struct Simulation {
    now: Time,
    schedule: Schedule<Time, Event>,
    content: Arc<Content>,
    peers: Vec<Peer>,
    by_address: BTreeMap<SocketAddr, PeerNumber>,
    links: Links,
    trackers: Vec<VirtualTracker>,
    rng: fastrand::Rng,
    trace: Trace,
    sampler: Sampler,
    ledger: Ledger,
    /// Copies of each piece among those present.
    copies: Vec<u32>,
    events: u64,
    events_at_once: u64,
    /// Bytes between uplinks and sessions.
    travelling: u64,
    /// Bytes that arrived where the connection was closed.
    lost: u64,
    faults: Vec<Fault>,
    /// Faults of the network that last, in the order of their beginning.
    active_faults: Vec<usize>,
    slow_readers: BTreeSet<PeerNumber>,
    /// When a fault began or ended last.
    disturbed_at: Time,
    /// Every message is held against the rules.
    checks_wires: bool,
    violation: Option<Violation>,
}

impl Simulation {
    /// An empty network, and content to be shared in it.
    pub fn new(seed: u64, content: &ContentConfig) -> Result<Self, ContentError> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let content = Arc::new(Content::generate(content, &mut rng)?);
        let mut schedule = Schedule::new();
        schedule.at(Time::ZERO, Event::Tick);
        schedule.at(Time::ZERO, Event::Sample);
        Ok(Self {
            now: Time::ZERO,
            schedule,
            copies: vec![0; content.geometry().pieces() as usize],
            content,
            peers: Vec::new(),
            by_address: BTreeMap::new(),
            links: Links::default(),
            trackers: Vec::new(),
            rng,
            trace: Trace::new(),
            sampler: Sampler::new(seed),
            ledger: Ledger::default(),
            events: 0,
            events_at_once: 0,
            travelling: 0,
            lost: 0,
            faults: Vec::new(),
            active_faults: Vec::new(),
            slow_readers: BTreeSet::new(),
            disturbed_at: Time::ZERO,
            checks_wires: true,
            violation: None,
        })
    }

    /// Puts a tracker into the network.
    pub fn add_tracker(&mut self, config: TrackerConfig) {
        self.trackers.push(VirtualTracker::new(config, &mut self.rng));
    }

    /// Puts a peer into the network; it comes when its configuration says.
    pub fn add_peer(&mut self, config: PeerConfig) -> PeerNumber {
        let number = PeerNumber(u32::try_from(self.peers.len()).unwrap_or(u32::MAX));
        self.schedule.at(self.now.max(Time::ZERO + config.joins), Event::Join(number));
        if let Departure::At(at) = config.leaves {
            self.schedule.at(self.now.max(Time::ZERO + at), Event::Leave(number));
        }
        let disk = self.disk_for(&config).with_faults(&config.disk_faults);
        self.ledger.open(&config);
        self.by_address.insert(number.address(), number);
        if config.behaviour == Behaviour::SlowReader {
            self.slow_readers.insert(number);
        }
        self.peers.push(Peer::new(number, config, disk, &mut self.rng));
        number
    }

    /// Lets time pass until all honest peers have everything or are gone, but no longer than to `limit`.
    pub fn run_until_complete(&mut self, limit: Duration) -> Result<(), Violation> {
        let all_done = |simulation: &Self| simulation.incomplete().next().is_none();
        self.run(limit, all_done)?;
        if all_done(self) {
            return Ok(());
        }
        let missing = self.incomplete().map(|peer| (peer.number, peer.disk.have().count())).collect();
        Err(Violation::Incomplete { at: self.now, missing })
    }

    /// Lets time pass until `limit`, or until `enough`, which is asked after every event that could matter.
    pub fn run(&mut self, limit: Duration, enough: impl Fn(&Self) -> bool) -> Result<(), Violation> {
        let limit = Time::ZERO + limit;
        while let Some(at) = self.schedule.next_time()
            && at <= limit
        {
            let Some((at, event)) = self.schedule.pop() else { break };
            self.advance(at);
            let telling =
                matches!(event, Event::Disk(..) | Event::Leave(_) | Event::Tick | Event::FaultEnds(_));
            self.happen(event);
            if let Some(violation) = &self.violation {
                return Err(violation.clone());
            }
            if telling && enough(self) {
                return self.check();
            }
        }
        self.now = self.now.max(limit);
        self.check()
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// Events so far.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// A hash over everything that has happened so far.
    #[must_use]
    pub const fn trace_hash(&self) -> u64 {
        self.trace.hash()
    }

    /// What is shared.
    #[must_use]
    pub const fn content(&self) -> &Arc<Content> {
        &self.content
    }

    /// The swarm from the beginning until now, at equal intervals that are the longer the longer it runs; there are
    /// never more than [`SNAPSHOTS`](crate::SNAPSHOTS).
    #[must_use]
    pub fn snapshots(&self) -> &[Snapshot] {
        self.sampler.snapshots()
    }

    /// The swarm now.
    pub fn snapshot(&mut self) -> Snapshot {
        self.look_around()
    }

    /// Who gave how much to whom.
    #[must_use]
    pub const fn flows(&self) -> &Flows {
        self.ledger.flows()
    }

    /// Announces that the tracker with this URL has answered.
    #[must_use]
    pub fn announces_answered(&self, url: &str) -> u64 {
        self.trackers.iter().filter(|tracker| tracker.url() == url).map(|tracker| tracker.answered).sum()
    }

    /// The peer's session, as a user would see it.
    #[must_use]
    pub fn session(&self, peer: PeerNumber) -> Option<&sprat_core::Session> {
        self.peers.get(peer.index()).map(|peer| &peer.session)
    }

    /// How a peer fared.
    #[must_use]
    pub fn report(&self, peer: PeerNumber) -> Option<PeerReport> {
        self.peers.get(peer.index()).map(|peer| self.report_on(peer))
    }

    /// How all peers fared.
    pub fn reports(&self) -> impl Iterator<Item = PeerReport> + '_ {
        self.peers.iter().map(|peer| self.report_on(peer))
    }

    fn report_on(&self, peer: &Peer) -> PeerReport {
        let counted = peer.counted(self.now);
        PeerReport {
            number: peer.number,
            joined_at: peer.joined_at,
            completed_at: peer.completed_at,
            took: peer.completed_at.zip(peer.joined_at).map(|(to, from)| to.since(from)),
            pieces: peer.disk.have().count(),
            traffic: peer.traffic,
            first_piece_at: peer.first_piece_at,
            nearly_complete_at: peer.nearly_complete_at,
            has_left: peer.presence == Presence::Gone,
            uploaded: counted.uploaded,
            downloaded: counted.downloaded,
            wasted: counted.wasted,
            rejected_pieces: counted.rejected_pieces,
            banned_by: peer.banned_by,
            wakes: peer.wakes,
        }
    }

    fn incomplete(&self) -> impl Iterator<Item = &Peer> {
        self.peers
            .iter()
            .filter(|peer| peer.is_honest() && peer.presence != Presence::Gone && !peer.disk.have().is_full())
    }

    fn disk_for(&mut self, config: &PeerConfig) -> Disk {
        let disk = Disk::new(Arc::clone(&self.content), config.has_everything);
        if config.has_everything || config.has_per_mille == 0 {
            return disk;
        }
        let pieces = self.content.geometry().pieces();
        let mut all: Vec<u32> = (0..pieces).collect();
        self.rng.shuffle(&mut all);
        let some = u64::from(pieces) * u64::from(config.has_per_mille.min(1000)) / 1000;
        let mut had = Bitfield::new(pieces);
        for piece in all.into_iter().take(some as usize) {
            had.insert(piece);
        }
        disk.with_pieces(had)
    }

    // Events.

    fn advance(&mut self, to: Time) {
        self.events_at_once = if to == self.now { self.events_at_once + 1 } else { 0 };
        self.now = to;
        self.events += 1;
        self.trace.number(to.as_nanos());
    }

    fn note(&mut self, what: u8, who: PeerNumber, detail: u64) {
        self.trace.bytes(&[what]);
        self.trace.number(u64::from(who.0));
        self.trace.number(detail);
        if self.events_at_once > EVENTS_AT_ONCE * self.peers.len() as u64 {
            let detail = format!("event kind {} goes on within one instant", char::from(what));
            self.violate(Violation::Spin { at: self.now, peer: who, detail });
        }
    }

    fn violate(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Join(peer) => self.join(peer),
            Event::Leave(peer) => self.leave(peer),
            Event::Wake(peer) => self.wake(peer),
            Event::Ring(link) => self.ring(link),
            Event::Connected(link) => self.connected(link),
            Event::Refused(peer, life, connection) => self.refused(peer, life, connection),
            Event::UplinkFree(peer) => self.uplink_free(peer),
            Event::Arrive(end, parcel) => self.arrive(end, parcel),
            Event::Deliver(end, parcel) => self.deliver(end, parcel),
            Event::Disk(peer, life, reply) => {
                self.note(b'd', peer, 0);
                if self.life_of(peer) == life {
                    self.feed(peer, Input::Storage(reply));
                }
            }
            Event::Announce(announce) => self.announce_arrives(&announce),
            Event::Announced(peer, life, torrent, tracker, result) => {
                self.note(b't', peer, result.as_ref().as_ref().map_or(0, |answer| answer.peers.len() as u64));
                if self.life_of(peer) == life {
                    self.feed(peer, Input::Announced { torrent, tracker, result: *result });
                }
            }
            Event::Tick => self.tick(),
            Event::Sample => self.sample(),
            Event::FaultBegins(index) => self.fault_begins(index),
            Event::FaultEnds(index) => self.fault_ends(index),
        }
    }

    fn life_of(&self, number: PeerNumber) -> Life {
        self.peers.get(number.index()).map_or(0, |peer| peer.life)
    }

    fn wake(&mut self, number: PeerNumber) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        if peer.wake_at != Some(now) || peer.presence != Presence::Present {
            return;
        }
        peer.wake_at = None;
        peer.wakes += 1;
        peer.wakes_at_once = if peer.last_wake == Some(now) { peer.wakes_at_once + 1 } else { 0 };
        peer.last_wake = Some(now);
        if peer.wakes_at_once > WAKES_AT_ONCE {
            let detail = format!("wants to be woken at {:?} again and again", peer.poll_timeout());
            return self.violate(Violation::Spin { at: now, peer: number, detail });
        }
        self.note(b'w', number, 0);
        self.feed(number, Input::Timeout);
    }

    /// Hands something to a session and does what it says.
    fn feed(&mut self, number: PeerNumber, input: Input) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        if peer.presence != Presence::Present {
            return;
        }
        peer.handle_input(now, input);
        self.drain(number);
    }

    fn drain(&mut self, number: PeerNumber) {
        while let Some(output) = self.peers.get_mut(number.index()).and_then(Peer::poll_output) {
            self.execute(number, output);
        }
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        let wanted = peer.poll_timeout().map(|at| at.max(self.now));
        if wanted != peer.wake_at {
            peer.wake_at = wanted;
            if let Some(at) = wanted {
                self.schedule.at(at, Event::Wake(number));
            }
        }
    }

    fn execute(&mut self, number: PeerNumber, output: Output) {
        match output {
            Output::Connect { connection, address } => self.call(number, connection, address),
            Output::Send { connection, bytes } => self.send(number, connection, bytes),
            Output::Disconnect { connection } => {
                self.note(b'x', number, connection.0);
                let peer = self.peers.get_mut(number.index());
                if let Some(end) = peer.and_then(|peer| peer.ends.remove(&connection)) {
                    self.close(end);
                }
            }
            Output::Storage(request) => self.ask_disk(number, request),
            // Sessions of a simulation have no DHT.
            Output::FindPeers { .. } | Output::DhtNode { .. } => {}
            Output::HeardOf { torrent, peers, .. } => {
                if let Some(peer) = self.peers.get_mut(number.index()) {
                    let found = Input::FoundPeers { torrent, source: PeerSource::Pex, peers };
                    peer.session.handle_input(self.now, found);
                }
            }
            Output::Announce { torrent, tracker, url, request } => {
                self.announce(number, torrent, tracker, &url, request);
            }
            Output::Event(event) => self.watch(number, &event),
        }
    }
}
