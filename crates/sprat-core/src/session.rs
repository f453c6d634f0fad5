//! The whole client: torrents, the connections that do not belong to one yet, and what all torrents share.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sprat_wire::hash::PeerId;
use sprat_wire::peer::deframer::Deframer;
use thiserror::Error;

use crate::choker::{Candidate, Choker};
use crate::config::Config;
use crate::connection::{Direction, Introduction};
use crate::context::{Context, Limits, Names};
use crate::io::{AddTorrent, ConnectionId, FilePriority, Input, Output, RateLimits};
use crate::peer_list::PeerSource;
use crate::storage::TorrentId;
use crate::time::Time;
use crate::torrent::Torrent;

/// A caller must have named its torrent in this time.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Callers that have not named a torrent yet; beyond this many the oldest is let go. Slots that say nothing must not
/// keep honest peers out.
const STRANGERS: usize = 128;

/// Why a torrent was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AddError {
    /// It is there already, under this name.
    #[error("this torrent is there already")]
    Duplicate(TorrentId),
}

/// The client. See the crate for how to drive it.
#[derive(Debug)]
pub struct Session {
    config: Config,
    peer_id: PeerId,
    rng: fastrand::Rng,
    torrents: BTreeMap<TorrentId, Torrent>,
    next_torrent: u32,
    strangers: BTreeMap<ConnectionId, Stranger>,
    /// Which torrent a connection belongs to.
    owners: BTreeMap<ConnectionId, TorrentId>,
    /// When each torrent wants to be woken, soonest first.
    appointments: BTreeSet<(Time, TorrentId)>,
    appointment_of: BTreeMap<TorrentId, Time>,
    choker: Choker,
    /// A decision before its time, because something has changed.
    rechoke: bool,
    limits: Limits,
    names: Names,
    outputs: VecDeque<Output>,
}

/// A caller that has not named its torrent yet.
#[derive(Debug)]
struct Stranger {
    address: SocketAddr,
    since: Time,
    deframer: Deframer,
}

impl Session {
    /// A session without torrents. Everything random in it follows from `seed`.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        Self {
            peer_id: PeerId::generate(|| rng.u8(..)),
            choker: Choker::new(config.choker, fastrand::Rng::with_seed(rng.u64(..))),
            limits: Limits::new(config.limits),
            config,
            rng,
            torrents: BTreeMap::new(),
            next_torrent: 0,
            strangers: BTreeMap::new(),
            owners: BTreeMap::new(),
            appointments: BTreeSet::new(),
            appointment_of: BTreeMap::new(),
            rechoke: false,
            names: Names::default(),
            outputs: VecDeque::new(),
        }
    }

    // What the user does.

    /// Adds a torrent and begins with it.
    pub fn add(&mut self, now: Time, add: AddTorrent) -> Result<TorrentId, AddError> {
        let known = self.torrents.values().find(|torrent| {
            !torrent.is_closing() && torrent.metainfo().info_hashes == add.metainfo.info_hashes
        });
        if let Some(known) = known {
            return Err(AddError::Duplicate(known.id()));
        }
        let id = TorrentId(self.next_torrent);
        self.next_torrent += 1;
        let torrent = Torrent::new(id, add, &self.config, now, &mut self.rng);
        self.torrents.insert(id, torrent);
        self.with_torrent(now, id, |torrent, cx| torrent.open(cx));
        Ok(id)
    }

    /// Leaves the swarm, closes the files, forgets the torrent. [`Event::Removed`](crate::io::Event::Removed) comes when
    /// that is done. The data stays.
    pub fn remove(&mut self, now: Time, id: TorrentId) {
        self.with_torrent(now, id, |torrent, cx| torrent.close(cx));
    }

    /// Leaves the swarm until [`Self::resume`].
    pub fn pause(&mut self, now: Time, id: TorrentId) {
        self.with_torrent(now, id, |torrent, cx| torrent.pause(cx));
    }

    /// Joins the swarm again.
    pub fn resume(&mut self, now: Time, id: TorrentId) {
        self.with_torrent(now, id, |torrent, cx| torrent.resume(cx));
    }

    /// Sets what is wanted: one priority per file, missing ones normal.
    pub fn set_priorities(&mut self, now: Time, id: TorrentId, priorities: &[FilePriority]) {
        self.with_torrent(now, id, |torrent, cx| torrent.change_priorities(cx, priorities));
    }

    /// Pieces in order rather than rarest first.
    pub fn set_sequential(&mut self, now: Time, id: TorrentId, on: bool) {
        self.with_torrent(now, id, |torrent, _| torrent.set_sequential(on));
    }

    /// Limits the rates of one torrent.
    pub fn set_torrent_limits(&mut self, now: Time, id: TorrentId, limits: RateLimits) {
        self.with_torrent(now, id, |torrent, cx| torrent.set_limits(cx, limits));
    }

    /// Limits the rates of all torrents together.
    pub fn set_limits(&mut self, now: Time, limits: RateLimits) {
        self.config.limits = limits;
        self.limits.set(now, limits);
        self.config.choker.upload_limit = limits.upload;
        self.choker.set_config(self.config.choker);
        self.for_each_torrent(now, |torrent, cx| torrent.on_limits_changed(cx));
    }

    /// Makes addresses known that the user named.
    pub fn add_peers(&mut self, now: Time, id: TorrentId, peers: &[SocketAddr]) {
        self.with_torrent(now, id, |torrent, cx| {
            torrent.add_peers(cx.now, peers, PeerSource::User);
            torrent.dial(cx);
        });
    }

    /// Asks the trackers now, as far as they allow.
    pub fn force_announce(&mut self, now: Time, id: TorrentId) {
        self.with_torrent(now, id, |torrent, cx| torrent.force_announce(cx));
    }

    /// Leaves every swarm and closes all files: [`Self::remove`] for every torrent.
    pub fn shut_down(&mut self, now: Time) {
        self.for_each_torrent(now, |torrent, cx| torrent.close(cx));
    }

    // What a user sees.

    /// What we call ourselves in every swarm.
    #[must_use]
    pub const fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// The torrents, oldest first.
    pub fn torrents(&self) -> impl Iterator<Item = &Torrent> {
        self.torrents.values()
    }

    /// One torrent.
    #[must_use]
    pub fn torrent(&self, id: TorrentId) -> Option<&Torrent> {
        self.torrents.get(&id)
    }

    // What the driver does.

    /// A name for a connection that the listener has accepted.
    pub fn allocate_connection(&mut self) -> ConnectionId {
        self.names.connection()
    }

    /// Takes in one thing that happened.
    pub fn handle_input(&mut self, now: Time, input: Input) {
        match input {
            Input::Accepted { connection, address } => self.on_accepted(now, connection, address),
            Input::Connected { connection } => {
                self.with_owner(now, connection, |torrent, cx| torrent.on_connected(cx, connection));
            }
            Input::Received { connection, bytes } => self.on_received(now, connection, bytes),
            Input::Sent { connection, bytes } => {
                self.with_owner(now, connection, |torrent, cx| torrent.on_sent(cx, connection, bytes));
            }
            Input::Closed { connection } => self.on_closed(now, connection),
            Input::Storage(reply) => {
                let (id, closed) = (reply.torrent(), reply.is_last());
                self.with_torrent(now, id, |torrent, cx| torrent.on_storage(cx, reply));
                if closed {
                    self.forget(id);
                }
            }
            Input::Announced { torrent, tracker, result } => {
                self.with_torrent(now, torrent, |torrent, cx| torrent.on_announced(cx, tracker, result));
            }
            Input::Timeout => self.on_timeout(now),
        }
        if self.rechoke || now >= self.choker.next_rechoke() {
            self.decide_chokes(now);
        }
    }

    /// The next thing to be done.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front()?;
        match &output {
            Output::Disconnect { connection } => {
                self.owners.remove(connection);
            }
            Output::Connect { .. }
            | Output::Send { .. }
            | Output::Storage(_)
            | Output::Announce { .. }
            | Output::Event(_) => {}
        }
        Some(output)
    }

    /// When [`Input::Timeout`] is wanted.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let torrents = self.appointments.first().map(|(at, _)| *at);
        let strangers = self.strangers.values().next().map(|stranger| stranger.since + HANDSHAKE_LIMIT);
        let choker = (!self.owners.is_empty()).then(|| self.choker.next_rechoke());
        [torrents, strangers, choker].into_iter().flatten().min()
    }

    // Callers.

    fn on_accepted(&mut self, now: Time, connection: ConnectionId, address: SocketAddr) {
        if self.strangers.len() >= STRANGERS
            && let Some((oldest, _)) = self.strangers.pop_first()
        {
            self.outputs.push_back(Output::Disconnect { connection: oldest });
        }
        self.strangers.insert(connection, Stranger { address, since: now, deframer: Deframer::new() });
    }

    fn on_received(&mut self, now: Time, connection: ConnectionId, bytes: Bytes) {
        if self.strangers.contains_key(&connection) {
            self.on_stranger(now, connection, bytes);
        } else {
            self.with_owner(now, connection, |torrent, cx| torrent.on_received(cx, connection, bytes));
        }
    }

    fn on_stranger(&mut self, now: Time, id: ConnectionId, bytes: Bytes) {
        let Some(stranger) = self.strangers.get_mut(&id) else { return };
        stranger.deframer.push(bytes);
        let handshake = match stranger.deframer.handshake() {
            Ok(None) => return,
            Ok(Some(handshake)) => Some(handshake),
            Err(_) => None,
        };
        let Some(stranger) = self.strangers.remove(&id) else { return };
        let wanted = handshake.and_then(|theirs| {
            let torrent = self.torrents.values().find(|torrent| torrent.answers_to(theirs.info_hash))?;
            Some((theirs, torrent.id()))
        });
        let Some((theirs, torrent)) = wanted else {
            self.outputs.push_back(Output::Disconnect { connection: id });
            return;
        };
        let introduction = Introduction {
            id,
            address: stranger.address,
            direction: Direction::Incoming,
            theirs,
            deframer: stranger.deframer,
        };
        self.owners.insert(id, torrent);
        self.with_torrent(now, torrent, |torrent, cx| torrent.accept(cx, introduction));
    }

    fn on_closed(&mut self, now: Time, connection: ConnectionId) {
        if self.strangers.remove(&connection).is_none() {
            self.with_owner(now, connection, |torrent, cx| torrent.on_closed(cx, connection));
            self.owners.remove(&connection);
        }
    }

    // Time.

    fn on_timeout(&mut self, now: Time) {
        // Each torrent once: one that asks for another call at once gets it with the next input.
        let due: Vec<TorrentId> =
            self.appointments.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect();
        for id in due {
            self.with_torrent(now, id, |torrent, cx| torrent.on_timeout(cx));
        }
        while let Some((id, stranger)) = self.strangers.first_key_value() {
            if now.since(stranger.since) < HANDSHAKE_LIMIT {
                break;
            }
            let connection = *id;
            self.strangers.pop_first();
            self.outputs.push_back(Output::Disconnect { connection });
        }
    }

    fn decide_chokes(&mut self, now: Time) {
        self.rechoke = false;
        let candidates: Vec<Candidate> =
            self.torrents.values().flat_map(|torrent| torrent.choker_candidates(now)).collect();
        let unchoked = self.choker.rechoke(now, &candidates);
        self.for_each_torrent(now, |torrent, cx| torrent.apply_choker(cx, &unchoked));
        // What the decision itself set in motion waits for the next occasion, or two ends could excite each other.
        self.rechoke = false;
    }

    // Torrents.

    fn with_owner(
        &mut self,
        now: Time,
        connection: ConnectionId,
        act: impl FnOnce(&mut Torrent, &mut Context<'_>),
    ) {
        if let Some(id) = self.owners.get(&connection).copied() {
            self.with_torrent(now, id, act);
        }
    }

    fn for_each_torrent(&mut self, now: Time, mut act: impl FnMut(&mut Torrent, &mut Context<'_>)) {
        let all: Vec<TorrentId> = self.torrents.keys().copied().collect();
        for id in all {
            self.with_torrent(now, id, &mut act);
        }
    }

    /// Lets a torrent act, and afterwards takes note of the connections it opened and of its next appointment.
    fn with_torrent(&mut self, now: Time, id: TorrentId, act: impl FnOnce(&mut Torrent, &mut Context<'_>)) {
        let Some(torrent) = self.torrents.get_mut(&id) else { return };
        let first_output = self.outputs.len();
        let mut cx = Context {
            now,
            config: &self.config,
            peer_id: self.peer_id,
            outputs: &mut self.outputs,
            limits: &mut self.limits,
            names: &mut self.names,
            connections_left: self.config.connections.saturating_sub(self.owners.len()),
            rechoke: &mut self.rechoke,
        };
        act(torrent, &mut cx);
        for output in self.outputs.iter().skip(first_output) {
            if let Output::Connect { connection, .. } = output {
                self.owners.insert(*connection, id);
            }
        }
        let next = torrent.next_timeout();
        if self.appointment_of.get(&id).copied() != next {
            if let Some(old) = self.appointment_of.remove(&id) {
                self.appointments.remove(&(old, id));
            }
            if let Some(next) = next {
                self.appointment_of.insert(id, next);
                self.appointments.insert((next, id));
            }
        }
    }

    fn forget(&mut self, id: TorrentId) {
        self.torrents.remove(&id);
        if let Some(at) = self.appointment_of.remove(&id) {
            self.appointments.remove(&(at, id));
        }
    }
}
