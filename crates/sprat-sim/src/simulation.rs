//! The world: takes events from the queue one by one, and does what sessions ask for.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sprat_core::io::{AddMagnet, ConnectionId, DisconnectReason, Event as Happened, TrackerId};
use sprat_core::peer_list::PeerSource;
use sprat_core::storage::{StorageRequest, TorrentId};
use sprat_core::time::Time;
use sprat_core::{Input, Output};
use sprat_wire::tracker::AnnounceRequest;

use crate::content::{Content, ContentConfig, ContentError};
use crate::disk::Disk;
use crate::event::{Announce, Event};
use crate::network::{EndId, LinkId, Links, Parcel, Side};
use crate::peer::{Departure, Peer, PeerConfig, Presence};
use crate::peer_number::PeerNumber;
use crate::report::{PeerReport, Snapshot, Violation};
use crate::schedule::Schedule;
use crate::trace::Trace;
use crate::trackers::{ANSWER_LIMIT, TrackerConfig, VirtualTracker};

/// How often the state of the swarm is noted.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Pairs of peers that a snapshot looks at: of a few dozen peers all, of thousands a sample.
const PAIRS: u32 = 2000;

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
    snapshots: Vec<Snapshot>,
    /// Copies of each piece among those present.
    copies: Vec<u32>,
    events: u64,
    events_at_once: u64,
    /// Bytes between uplinks and sessions.
    travelling: u64,
    /// Bytes that arrived where the connection was closed.
    lost: u64,
    violation: Option<Violation>,
}

impl Simulation {
    /// An empty network, and content to be shared in it.
    pub fn new(seed: u64, content: &ContentConfig) -> Result<Self, ContentError> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let content = Arc::new(Content::generate(content, &mut rng)?);
        let mut schedule = Schedule::new();
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
            snapshots: Vec::new(),
            events: 0,
            events_at_once: 0,
            travelling: 0,
            lost: 0,
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
        let disk = Disk::new(Arc::clone(&self.content), config.has_everything);
        self.by_address.insert(number.address(), number);
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
            let telling = matches!(event, Event::Disk(..) | Event::Leave(_) | Event::Sample);
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

    /// The swarm, once a second.
    #[must_use]
    pub fn snapshots(&self) -> &[Snapshot] {
        &self.snapshots
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
        let torrent = peer.torrent.and_then(|id| peer.session.torrent(id));
        let status = torrent.map(|torrent| torrent.status(self.now));
        let of = |figure: fn(&sprat_core::torrent::TorrentStatus) -> u64| status.as_ref().map_or(0, figure);
        PeerReport {
            number: peer.number,
            joined_at: peer.joined_at,
            completed_at: peer.completed_at,
            took: peer.completed_at.zip(peer.joined_at).map(|(to, from)| to.since(from)),
            pieces: peer.disk.have().count(),
            traffic: peer.traffic,
            uploaded: of(|status| status.uploaded),
            downloaded: of(|status| status.downloaded),
            wasted: of(|status| status.wasted),
            rejected_pieces: of(|status| status.rejected_pieces),
            banned_by: peer.banned_by,
            wakes: peer.wakes,
        }
    }

    fn incomplete(&self) -> impl Iterator<Item = &Peer> {
        self.peers
            .iter()
            .filter(|peer| peer.is_honest() && peer.presence != Presence::Gone && !peer.disk.have().is_full())
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
            Event::Refused(peer, connection) => self.refused(peer, connection),
            Event::UplinkFree(peer) => self.uplink_free(peer),
            Event::Arrive(end, parcel) => self.arrive(end, parcel),
            Event::Deliver(end, parcel) => self.deliver(end, parcel),
            Event::Disk(peer, reply) => {
                self.note(b'd', peer, 0);
                self.feed(peer, Input::Storage(reply));
            }
            Event::Announce(announce) => self.announce_arrives(&announce),
            Event::Announced(peer, torrent, tracker, result) => {
                self.note(b't', peer, result.as_ref().as_ref().map_or(0, |answer| answer.peers.len() as u64));
                self.feed(peer, Input::Announced { torrent, tracker, result: *result });
            }
            Event::Sample => self.sample(),
        }
    }

    fn join(&mut self, number: PeerNumber) {
        self.note(b'j', number, 0);
        let now = self.now;
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        peer.presence = Presence::Present;
        peer.joined_at = Some(now);
        if peer.disk.have().is_full() {
            peer.completed_at = Some(now);
        }
        for piece in peer.disk.have().iter() {
            self.copies[piece as usize] += 1;
        }
        let metainfo = Arc::clone(self.content.metainfo());
        let wish = AddMagnet {
            peers: peer.config.knows.iter().map(|known| known.address()).collect(),
            sequential: peer.config.sequential,
            ..AddMagnet::new(metainfo.info_hashes)
        };
        // The session is new, so that the torrent cannot be there already.
        let added = if peer.config.from_magnet {
            let trackers = metainfo.trackers.clone();
            peer.session.add_magnet(now, AddMagnet { trackers, ..wish })
        } else {
            peer.session.add(now, wish.of_torrent(metainfo))
        };
        peer.torrent = added.ok();
        self.drain(number);
    }

    fn leave(&mut self, number: PeerNumber) {
        self.note(b'l', number, 0);
        let now = self.now;
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        if peer.presence != Presence::Present {
            peer.presence = Presence::Gone;
            return;
        }
        peer.session.shut_down(now);
        self.drain(number);
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        peer.presence = Presence::Gone;
        for piece in peer.disk.have().iter() {
            self.copies[piece as usize] -= 1;
        }
        // Those who had not introduced themselves yet.
        for end in std::mem::take(&mut peer.ends).into_values() {
            self.close(end);
        }
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
            let detail = format!("wants to be woken at {:?} again and again", peer.session.poll_timeout());
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
        peer.session.handle_input(now, input);
        self.drain(number);
    }

    fn drain(&mut self, number: PeerNumber) {
        while let Some(output) =
            self.peers.get_mut(number.index()).and_then(|peer| peer.session.poll_output())
        {
            self.execute(number, output);
        }
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        let wanted = peer.session.poll_timeout().map(|at| at.max(self.now));
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

    // Connections.

    fn latency_of(&self, number: PeerNumber) -> Duration {
        self.peers.get(number.index()).map_or(Duration::ZERO, |peer| peer.config.latency)
    }

    fn call(&mut self, caller: PeerNumber, connection: ConnectionId, address: SocketAddr) {
        self.note(b'c', caller, connection.0);
        let Some(called) = self.by_address.get(&address).copied() else {
            let after = self.latency_of(caller) * 2;
            return self.schedule.at(self.now + after, Event::Refused(caller, connection));
        };
        let latency = self.latency_of(caller) + self.latency_of(called);
        let link = self.links.call(caller, connection, called, latency);
        if let Some(peer) = self.peers.get_mut(caller.index()) {
            peer.ends.insert(connection, (link, Side::Caller));
        }
        self.schedule.at(self.now + latency, Event::Ring(link));
    }

    fn ring(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else { return };
        let (caller, called, latency) =
            (link.end(Side::Caller).peer, link.end(Side::Called).peer, link.latency);
        let caller_connection = link.end(Side::Caller).connection;
        self.note(b'r', called, u64::from(caller.0));
        let Some(peer) = self.peers.get_mut(called.index()) else { return };
        if peer.presence != Presence::Present {
            if let Some(connection) = caller_connection {
                self.schedule.at(self.now + latency, Event::Refused(caller, connection));
            }
            return;
        }
        let connection = peer.session.allocate_connection();
        peer.ends.insert(connection, (id, Side::Called));
        if let Some(link) = self.links.get_mut(id) {
            link.end_mut(Side::Called).connection = Some(connection);
        }
        self.schedule.at(self.now + latency, Event::Connected(id));
        // A port that nobody listens on, as the system gives them to callers; never the same while it matters.
        let port = 32_768 + u16::try_from(id.0 % 32_768).unwrap_or(0);
        let address = SocketAddr::new(caller.address().ip(), port);
        self.feed(called, Input::Accepted { connection, address });
    }

    fn connected(&mut self, id: LinkId) {
        let Some(end) = self.links.get(id).map(|link| link.end(Side::Caller)) else { return };
        let (caller, connection, open) = (end.peer, end.connection, end.open);
        if let (Some(connection), true) = (connection, open) {
            self.note(b'o', caller, connection.0);
            self.feed(caller, Input::Connected { connection });
        }
    }

    fn refused(&mut self, number: PeerNumber, connection: ConnectionId) {
        self.note(b'f', number, connection.0);
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        match peer.ends.remove(&connection) {
            Some(end) => {
                self.links.close(end);
                self.links.close((end.0, end.1.other()));
                self.feed(number, Input::Closed { connection });
            }
            // Nobody has that address, and there never was a link.
            None => self.feed(number, Input::Closed { connection }),
        }
    }

    fn send(&mut self, number: PeerNumber, connection: ConnectionId, bytes: Bytes) {
        self.note(b's', number, bytes.len() as u64);
        self.trace.bytes(bytes.get(..32).unwrap_or(&bytes));
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        let Some(end) = peer.ends.get(&connection).copied() else { return };
        peer.uplink.push(&mut self.links, end, bytes);
        self.start_uplink(number);
    }

    fn start_uplink(&mut self, number: PeerNumber) {
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        if let Some(done) = peer.uplink.start(&mut self.links, self.now) {
            self.schedule.at(done, Event::UplinkFree(number));
        }
    }

    fn uplink_free(&mut self, number: PeerNumber) {
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        let Some(sending) = peer.uplink.take_sent() else { return };
        let bytes: usize = sending.chunk.iter().map(Bytes::len).sum();
        let (id, side) = sending.end;
        let link = self.links.get(id);
        let open = link.filter(|link| link.end(side).open);
        if let Some((latency, connection)) = open.map(|link| (link.latency, link.end(side).connection)) {
            peer.traffic.sent += bytes as u64;
            self.travelling += bytes as u64;
            let arrival = Event::Arrive((id, side.other()), Parcel::Data(sending.chunk));
            self.schedule.at(self.now + latency, arrival);
            self.start_uplink(number);
            if let Some(connection) = connection {
                self.note(b'u', number, bytes as u64);
                self.feed(number, Input::Sent { connection, bytes });
            }
        } else {
            self.start_uplink(number);
        }
    }

    fn arrive(&mut self, end: EndId, parcel: Parcel) {
        let receiver = self.links.get(end.0).map(|link| link.end(end.1)).filter(|end| end.open);
        let Some(number) = receiver.map(|end| end.peer) else { return self.lose(&parcel) };
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        let through = peer.downlink.pass(self.now, parcel.length());
        self.schedule.at(through, Event::Deliver(end, parcel));
    }

    fn deliver(&mut self, end: EndId, parcel: Parcel) {
        let receiver = self.links.get(end.0).map(|link| link.end(end.1)).filter(|end| end.open);
        let Some((number, Some(connection))) = receiver.map(|end| (end.peer, end.connection)) else {
            return self.lose(&parcel);
        };
        match parcel {
            Parcel::Data(segments) => {
                for bytes in segments {
                    let length = bytes.len() as u64;
                    self.travelling -= length;
                    let Some(peer) = self.peers.get_mut(number.index()) else { return };
                    // A segment before may have ended the connection.
                    if peer.ends.get(&connection) != Some(&end) {
                        peer.traffic.lost += length;
                        continue;
                    }
                    peer.traffic.received += length;
                    self.note(b'v', number, length);
                    self.feed(number, Input::Received { connection, bytes });
                }
            }
            Parcel::Close => {
                self.note(b'z', number, connection.0);
                if let Some(peer) = self.peers.get_mut(number.index()) {
                    peer.ends.remove(&connection);
                }
                self.links.close(end);
                self.feed(number, Input::Closed { connection });
            }
        }
    }

    /// Bytes for a connection that is closed.
    fn lose(&mut self, parcel: &Parcel) {
        let bytes = parcel.length() as u64;
        self.travelling -= bytes;
        self.lost += bytes;
    }

    /// One end goes away, and the other learns of it.
    fn close(&mut self, end: EndId) {
        if let Some((other, latency)) = self.links.close(end) {
            self.schedule.at(self.now + latency, Event::Arrive(other, Parcel::Close));
        }
    }

    // Disks and trackers.

    fn ask_disk(&mut self, number: PeerNumber, request: StorageRequest) {
        self.note(b'q', number, 0);
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        if let Some(reply) = peer.disk.serve(request) {
            let at = self.now + peer.config.disk_latency;
            self.schedule.at(at, Event::Disk(number, reply));
        }
    }

    fn announce(
        &mut self,
        peer: PeerNumber,
        torrent: TorrentId,
        id: TrackerId,
        url: &str,
        request: AnnounceRequest,
    ) {
        self.note(b'a', peer, u64::from(id.0));
        let latency = self.latency_of(peer);
        match self.trackers.iter().position(|tracker| tracker.url() == url) {
            Some(tracker) => {
                let at = self.now + latency + self.trackers[tracker].latency();
                let announce = Announce { peer, torrent, id, tracker, request };
                self.schedule.at(at, Event::Announce(Box::new(announce)));
            }
            None => {
                let error = Box::new(Err("no such host".to_owned()));
                self.schedule.at(self.now + latency * 2, Event::Announced(peer, torrent, id, error));
            }
        }
    }

    fn announce_arrives(&mut self, announce: &Announce) {
        let Announce { peer, torrent, id, tracker, request } = announce;
        let back = self.latency_of(*peer);
        let Some(tracker) = self.trackers.get_mut(*tracker) else { return };
        let (at, result) = match tracker.announce(self.now, peer.address(), request) {
            Some(result) => (self.now + tracker.latency() + back, result),
            None => (self.now + ANSWER_LIMIT, Err("no answer".to_owned())),
        };
        self.schedule.at(at, Event::Announced(*peer, *torrent, *id, Box::new(result)));
    }

    // Watching.

    fn watch(&mut self, number: PeerNumber, event: &Happened) {
        match event {
            Happened::PieceCompleted { piece, .. } => {
                self.note(b'p', number, u64::from(piece.get()));
                self.piece_completed(number, piece.get());
            }
            Happened::PieceRejected { piece, .. } => self.note(b'R', number, u64::from(piece.get())),
            Happened::PeerBanned { address, .. } => {
                if let Some(victim) = self.at_ip(*address) {
                    self.note(b'b', number, u64::from(victim.0));
                    self.banned(number, victim);
                }
            }
            Happened::PeerDisconnected { address, reason, .. } => {
                let by_rule =
                    matches!(reason, DisconnectReason::Malformed(_) | DisconnectReason::Misbehaved(_));
                if by_rule && let Some(victim) = self.at_ip(*address).filter(|victim| self.is_honest(*victim))
                {
                    let (at, reason) = (self.now, *reason);
                    self.violate(Violation::HonestAccused { at, by: number, victim, reason });
                }
            }
            Happened::MetadataReceived { .. } => self.note(b'm', number, 0),
            Happened::Checked { .. }
            | Happened::MetadataProgress { .. }
            | Happened::Finished { .. }
            | Happened::Trouble { .. }
            | Happened::PeerConnected { .. }
            | Happened::TrackerAnswered { .. }
            | Happened::TrackerFailed { .. }
            | Happened::Removed { .. } => {}
        }
    }

    fn at_ip(&self, address: SocketAddr) -> Option<PeerNumber> {
        // Callers come from ports of their own.
        let listening = SocketAddr::new(address.ip(), PeerNumber(0).address().port());
        self.by_address.get(&listening).copied()
    }

    fn is_honest(&self, number: PeerNumber) -> bool {
        self.peers.get(number.index()).is_some_and(Peer::is_honest)
    }

    fn banned(&mut self, by: PeerNumber, victim: PeerNumber) {
        let at = self.now;
        let Some(peer) = self.peers.get_mut(victim.index()) else { return };
        peer.banned_by += 1;
        if peer.is_honest() {
            self.violate(Violation::HonestBanned { at, by, victim });
        }
    }

    fn piece_completed(&mut self, number: PeerNumber, piece: u32) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        let counted = peer.torrent.and_then(|id| peer.session.torrent(id)).map(|torrent| torrent.have());
        if !peer.disk.have().contains(piece)
            || counted.is_some_and(|have| have.count() > peer.disk.have().count())
        {
            return self.violate(Violation::UnverifiedPiece { at: now, peer: number });
        }
        self.copies[piece as usize] += 1;
        if peer.disk.have().is_full() && peer.completed_at.is_none() {
            peer.completed_at = Some(now);
            if let Departure::AfterCompletion(delay) = peer.config.leaves {
                self.schedule.at(now + delay, Event::Leave(number));
            }
        }
        // Only a leaver that everything was copied from is told: it counts as a copy itself.
        let waiting: Vec<PeerNumber> = self
            .peers
            .iter()
            .filter(|peer| peer.config.leaves == Departure::OnceReplicated && !peer.leaving)
            .filter(|peer| peer.presence == Presence::Present)
            .filter(|peer| {
                let mine = peer.disk.have();
                (0..).zip(&self.copies).all(|(piece, copies)| *copies > u32::from(mine.contains(piece)))
            })
            .map(|peer| peer.number)
            .collect();
        for number in waiting {
            self.peers[number.index()].leaving = true;
            self.schedule.at(now, Event::Leave(number));
        }
    }

    fn sample(&mut self) {
        let present: Vec<&Peer> =
            self.peers.iter().filter(|peer| peer.presence == Presence::Present).collect();
        let leechers: Vec<&Peer> =
            present.iter().copied().filter(|peer| !peer.disk.have().is_full()).collect();
        let (pairs, useful_pairs) = count_pairs(&leechers, &mut self.rng);
        self.snapshots.push(Snapshot {
            at: self.now,
            present: present.len() as u32,
            complete: (present.len() - leechers.len()) as u32,
            rarest: self.copies.iter().copied().min().unwrap_or(0),
            commonest: self.copies.iter().copied().max().unwrap_or(0),
            copies: self.copies.iter().map(|copies| u64::from(*copies)).sum(),
            pairs,
            useful_pairs,
        });
        self.schedule.at(self.now + SAMPLE_INTERVAL, Event::Sample);
        if let Err(violation) = self.check() {
            self.violate(violation);
        }
    }

    /// Whether every byte that was sent is accounted for.
    fn check(&self) -> Result<(), Violation> {
        let sum = |of: fn(&Peer) -> u64| self.peers.iter().map(of).sum::<u64>();
        let sent = sum(|peer| peer.traffic.sent);
        let received = sum(|peer| peer.traffic.received);
        let lost = sum(|peer| peer.traffic.lost) + self.lost;
        let travelling = self.travelling;
        if sent == received + lost + travelling {
            return Ok(());
        }
        Err(Violation::Conservation { sent, received, lost, travelling })
    }
}

/// Ordered pairs looked at, and those of which the first has something for the second.
fn count_pairs(leechers: &[&Peer], rng: &mut fastrand::Rng) -> (u32, u32) {
    let count = leechers.len();
    if count < 2 {
        return (0, 0);
    }
    let useful = |from: &Peer, to: &Peer| {
        from.disk.have().count() > 0
            && from.disk.have().common(to.disk.have()).count() < from.disk.have().count() as usize
    };
    let (mut pairs, mut useful_pairs) = (0, 0);
    let mut look = |one: usize, other: usize| {
        if one != other {
            pairs += 1;
            useful_pairs += u32::from(useful(leechers[one], leechers[other]));
        }
    };
    if count * count <= PAIRS as usize {
        for one in 0..count {
            for other in 0..count {
                look(one, other);
            }
        }
    } else {
        for _ in 0..PAIRS {
            look(rng.usize(..count), rng.usize(..count));
        }
    }
    (pairs, useful_pairs)
}
