//! The whole client: torrents, the connections that do not belong to one yet, and what all torrents share.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use sprat_wire::hash::{InfoHashes, PeerId};
use thiserror::Error;

use crate::choker::{Candidate, Choker};
use crate::config::Config;
use crate::context::{Context, Names};
use crate::grudges::Grudges;
use crate::io::{AddMagnet, AddTorrent, ConnectionId, Event, FilePriority, Input, Output, RateLimits};
use crate::memory::Memory;
use crate::peer_list::PeerSource;
use crate::ration::Rations;
use crate::seeker::Seeker;
use crate::storage::TorrentId;
use crate::strangers::Strangers;
use crate::time::Time;
use crate::torrent::Torrent;

mod callers;
mod ceilings;

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
    members: BTreeMap<TorrentId, Member>,
    next_torrent: u32,
    metadata_in_flight: u64,
    strangers: Strangers,
    grudges: Grudges,
    /// Which torrent a connection belongs to.
    owners: BTreeMap<ConnectionId, TorrentId>,
    /// When each torrent wants to be woken, soonest first.
    appointments: BTreeSet<(Time, TorrentId)>,
    appointment_of: BTreeMap<TorrentId, Time>,
    choker: Choker,
    /// A decision before its time, because something has changed.
    rechoke: bool,
    /// Not before then: whoever changes its mind all the time is not to keep us deciding.
    may_rechoke: Time,
    /// The last decision has left a slot free.
    slot_is_free: bool,
    memory: Memory,
    /// For which torrents wait.
    limits: Rations<TorrentId>,
    /// When one that waits may pass.
    next_turn: Option<Time>,
    names: Names,
    outputs: VecDeque<Output>,
}

/// Between two decisions about whom to unchoke, if the second one is before its time. Each looks at every connection.
const RECHOKE_PAUSE: Duration = Duration::from_millis(100);

/// Bytes of metadata that all seekers together may be fetching.
const METADATA_AT_ONCE: u64 = 64 * 1024 * 1024;

/// What stands behind a name.
#[derive(Debug)]
enum Member {
    /// All is known but the content.
    Torrent(Box<Torrent>),
    /// Nothing is known but the name.
    Seeker(Box<Seeker>),
}

/// Lets whoever it is do the same thing.
macro_rules! either {
    ($member:expr, $it:ident => $act:expr) => {
        match $member {
            Member::Torrent($it) => $act,
            Member::Seeker($it) => $act,
        }
    };
}

use either;

impl Member {
    const fn torrent(&self) -> Option<&Torrent> {
        match self {
            Self::Torrent(torrent) => Some(torrent),
            Self::Seeker(_) => None,
        }
    }

    const fn torrent_mut(&mut self) -> Option<&mut Torrent> {
        match self {
            Self::Torrent(torrent) => Some(torrent),
            Self::Seeker(_) => None,
        }
    }

    const fn seeker(&self) -> Option<&Seeker> {
        match self {
            Self::Torrent(_) => None,
            Self::Seeker(seeker) => Some(seeker),
        }
    }

    /// What it holds for others, besides the connections that are counted one by one.
    fn holds(&self) -> usize {
        match self {
            Self::Torrent(torrent) => torrent.guests_hold(),
            Self::Seeker(seeker) => seeker.holds(),
        }
    }

    /// Whether it is one of these torrents: a hybrid may be known by either of its names.
    fn is(&self, hashes: &InfoHashes) -> bool {
        hashes.on_the_wire().any(|hash| either!(self, it => it.answers_to(hash)))
    }
}

impl Session {
    /// A session without torrents. Everything random in it follows from `seed`.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        Self {
            peer_id: PeerId::generate(|| rng.u8(..)),
            choker: Choker::new(config.choker, fastrand::Rng::with_seed(rng.u64(..))),
            limits: Rations::new(config.limits),
            memory: Memory::new(&config),
            strangers: Strangers::new(config.strangers),
            grudges: Grudges::default(),
            config,
            rng,
            members: BTreeMap::new(),
            metadata_in_flight: 0,
            next_torrent: 0,
            owners: BTreeMap::new(),
            appointments: BTreeSet::new(),
            appointment_of: BTreeMap::new(),
            rechoke: false,
            may_rechoke: Time::ZERO,
            slot_is_free: true,
            next_turn: None,
            names: Names::default(),
            outputs: VecDeque::new(),
        }
    }

    // What the user does.

    /// Adds a torrent and begins with it.
    pub fn add(&mut self, now: Time, add: AddTorrent) -> Result<TorrentId, AddError> {
        let id = self.new_name(&add.metainfo.info_hashes)?;
        let torrent = Torrent::new(id, add, &self.config, now, &mut self.rng);
        self.members.insert(id, Member::Torrent(Box::new(torrent)));
        self.with_torrent(now, id, |torrent, cx| torrent.open(cx));
        Ok(id)
    }

    /// Adds a torrent of which only the name is known, and begins to look for the rest.
    /// [`Event::MetadataReceived`](crate::io::Event::MetadataReceived) comes when it is found; from then on there is a
    /// [`Torrent`] of this id.
    pub fn add_magnet(&mut self, now: Time, add: AddMagnet) -> Result<TorrentId, AddError> {
        let id = self.new_name(&add.info_hashes)?;
        let seeker = Seeker::new(id, add, &self.config, now, &mut self.rng);
        self.members.insert(id, Member::Seeker(Box::new(seeker)));
        self.with_member(now, id, |member, cx| either!(member, it => it.open(cx)));
        Ok(id)
    }

    fn new_name(&mut self, hashes: &InfoHashes) -> Result<TorrentId, AddError> {
        let mut known = self.members.iter().filter(|(_, member)| !either!(member, it => it.is_closing()));
        if let Some((known, _)) = known.find(|(_, member)| member.is(hashes)) {
            return Err(AddError::Duplicate(*known));
        }
        let id = TorrentId(self.next_torrent);
        self.next_torrent += 1;
        Ok(id)
    }

    /// Leaves the swarm, closes the files, forgets the torrent. [`Event::Removed`](crate::io::Event::Removed) comes when
    /// that is done. The data stays.
    pub fn remove(&mut self, now: Time, id: TorrentId) {
        self.with_member(now, id, |member, cx| either!(member, it => it.close(cx)));
    }

    /// Leaves the swarm until [`Self::resume`].
    pub fn pause(&mut self, now: Time, id: TorrentId) {
        self.with_member(now, id, |member, cx| either!(member, it => it.pause(cx)));
    }

    /// Joins the swarm again.
    pub fn resume(&mut self, now: Time, id: TorrentId) {
        self.with_member(now, id, |member, cx| either!(member, it => it.resume(cx)));
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
        self.take_turns(now);
    }

    /// Makes addresses known that the user named.
    pub fn add_peers(&mut self, now: Time, id: TorrentId, peers: &[SocketAddr]) {
        self.with_member(now, id, |member, cx| match member {
            Member::Seeker(seeker) => seeker.add_peers(cx, peers, PeerSource::User),
            Member::Torrent(torrent) => {
                torrent.add_peers(cx.now, peers, PeerSource::User);
                torrent.dial(cx);
            }
        });
    }

    /// Asks the trackers now, as far as they allow.
    pub fn force_announce(&mut self, now: Time, id: TorrentId) {
        self.with_member(now, id, |member, cx| either!(member, it => it.force_announce(cx)));
    }

    /// Leaves every swarm and closes all files: [`Self::remove`] for every torrent.
    pub fn shut_down(&mut self, now: Time) {
        let all: Vec<TorrentId> = self.members.keys().copied().collect();
        for id in all {
            self.remove(now, id);
        }
    }

    // What a user sees.

    /// The port on which peers reach us; 0 is none.
    #[must_use]
    pub const fn listen_port(&self) -> u16 {
        self.config.listen_port
    }

    /// What we call ourselves in every swarm.
    #[must_use]
    pub const fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// The torrents, oldest first.
    pub fn torrents(&self) -> impl Iterator<Item = &Torrent> {
        self.members.values().filter_map(Member::torrent)
    }

    /// One torrent.
    #[must_use]
    pub fn torrent(&self, id: TorrentId) -> Option<&Torrent> {
        self.members.get(&id).and_then(Member::torrent)
    }

    /// The torrents of which only the name is known, oldest first.
    pub fn seekers(&self) -> impl Iterator<Item = &Seeker> {
        self.members.values().filter_map(Member::seeker)
    }

    /// One of them.
    #[must_use]
    pub fn seeker(&self, id: TorrentId) -> Option<&Seeker> {
        self.members.get(&id).and_then(Member::seeker)
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
                self.with_owner(now, connection, |member, cx| {
                    either!(member, it => it.on_connected(cx, connection));
                });
            }
            Input::Received { connection, bytes } => self.on_received(now, connection, bytes),
            Input::Sent { connection, bytes } => {
                self.with_owner(now, connection, |member, cx| {
                    if let Member::Torrent(torrent) = member {
                        torrent.on_sent(cx, connection, bytes);
                    }
                });
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
                self.with_member(now, torrent, |member, cx| {
                    either!(member, it => it.on_announced(cx, tracker, result));
                });
            }
            Input::FoundPeers { torrent, source, peers } => self.add_found(now, torrent, source, &peers),
            Input::Timeout => self.on_timeout(now),
        }
        if (self.rechoke && now >= self.may_rechoke) || now >= self.choker.next_rechoke() {
            self.decide_chokes(now);
        }
        self.take_turns(now);
        self.shed(now);
    }

    /// Says what is held outside of this machine of the memory that [`Config::memory`] is the ceiling of.
    pub const fn set_memory_elsewhere(&mut self, bytes: usize) {
        self.memory.set_elsewhere(bytes);
    }

    /// Bytes that connections hold, as far as they are known here.
    #[must_use]
    pub const fn memory_held(&self) -> usize {
        self.memory.held()
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
            | Output::FindPeers { .. }
            | Output::DhtNode { .. }
            | Output::HeardOf { .. }
            | Output::Event(_) => {}
        }
        Some(output)
    }

    /// When [`Input::Timeout`] is wanted.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let torrents = self.appointments.first().map(|(at, _)| *at);
        let next_rechoke = self.choker.next_rechoke();
        let next_rechoke = if self.rechoke { next_rechoke.min(self.may_rechoke) } else { next_rechoke };
        let choker = (!self.owners.is_empty()).then_some(next_rechoke);
        [torrents, self.strangers.next_timeout(), choker, self.next_turn].into_iter().flatten().min()
    }

    fn add_found(&mut self, now: Time, id: TorrentId, source: PeerSource, peers: &[SocketAddr]) {
        self.with_member(now, id, |member, cx| match member {
            Member::Seeker(seeker) => seeker.add_peers(cx, peers, source),
            Member::Torrent(torrent) if torrent.is_public() => {
                torrent.add_peers(cx.now, peers, source);
                torrent.dial(cx);
            }
            Member::Torrent(_) => {}
        });
    }

    // Connections.

    fn on_closed(&mut self, now: Time, connection: ConnectionId) {
        if !self.strangers.hung_up(connection) {
            self.with_owner(
                now,
                connection,
                |member, cx| either!(member, it => it.on_closed(cx, connection)),
            );
            self.owners.remove(&connection);
        }
    }

    // Time.

    fn on_timeout(&mut self, now: Time) {
        // Each torrent once: one that asks for another call at once gets it with the next input.
        let due: Vec<TorrentId> =
            self.appointments.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect();
        for id in due {
            self.with_member(now, id, |member, cx| either!(member, it => it.on_timeout(cx)));
        }
        while let Some(connection) = self.strangers.take_late(now) {
            self.outputs.push_back(Output::Disconnect { connection });
        }
    }

    fn decide_chokes(&mut self, now: Time) {
        self.rechoke = false;
        self.may_rechoke = now + RECHOKE_PAUSE;
        let candidates: Vec<Candidate> =
            self.torrents().flat_map(|torrent| torrent.choker_candidates(now)).collect();
        let unchoked = self.choker.rechoke(now, &candidates);
        self.slot_is_free = unchoked.len() < self.choker.slots();
        self.for_each_torrent(now, |torrent, cx| torrent.apply_choker(cx, &unchoked));
        // What the decision itself set in motion waits for the next occasion, or two ends could excite each other.
        self.rechoke = false;
    }

    // Torrents.

    fn with_owner(
        &mut self,
        now: Time,
        connection: ConnectionId,
        act: impl FnOnce(&mut Member, &mut Context<'_>),
    ) {
        if let Some(id) = self.owners.get(&connection).copied() {
            self.with_member(now, id, act);
        }
    }

    fn for_each_torrent(&mut self, now: Time, mut act: impl FnMut(&mut Torrent, &mut Context<'_>)) {
        let all: Vec<TorrentId> = self.members.keys().copied().collect();
        for id in all {
            self.with_torrent(now, id, &mut act);
        }
    }

    fn with_torrent(&mut self, now: Time, id: TorrentId, act: impl FnOnce(&mut Torrent, &mut Context<'_>)) {
        self.with_member(now, id, |member, cx| {
            if let Some(torrent) = member.torrent_mut() {
                act(torrent, cx);
            }
        });
    }

    /// Lets a member act, and afterwards takes note of the connections it opened and of its next appointment. A seeker
    /// that has found what it sought becomes a torrent.
    fn with_member(&mut self, now: Time, id: TorrentId, act: impl FnOnce(&mut Member, &mut Context<'_>)) {
        self.let_act(now, id, act);
        let Some(Member::Seeker(seeker)) = self.members.get_mut(&id) else { return };
        if seeker.is_closing() {
            self.forget(id);
        } else if let Some(metainfo) = seeker.take_found()
            && let Some(Member::Seeker(seeker)) = self.members.remove(&id)
        {
            self.metadata_in_flight = self.metadata_in_flight.saturating_sub(seeker.metadata_in_flight());
            let before = seeker.holds();
            let torrent = seeker.into_torrent(metainfo, &self.config, now, &mut self.rng);
            self.memory.change(before, torrent.guests_hold());
            self.members.insert(id, Member::Torrent(Box::new(torrent)));
            self.let_act(now, id, |member, cx| either!(member, it => it.open(cx)));
        }
    }

    fn let_act(&mut self, now: Time, id: TorrentId, act: impl FnOnce(&mut Member, &mut Context<'_>)) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let held = |member: &Member| member.seeker().map_or(0, Seeker::metadata_in_flight);
        let (held_before, memory_before) = (held(member), member.holds());
        let first_output = self.outputs.len();
        let mut cx = Context {
            now,
            config: &self.config,
            peer_id: self.peer_id,
            outputs: &mut self.outputs,
            limits: &mut self.limits,
            names: &mut self.names,
            memory: &mut self.memory,
            connections_left: self.config.connections.saturating_sub(self.owners.len()),
            metadata_left: METADATA_AT_ONCE.saturating_sub(self.metadata_in_flight - held_before),
            slot_is_free: self.slot_is_free,
            rechoke: &mut self.rechoke,
        };
        act(member, &mut cx);
        self.metadata_in_flight = self.metadata_in_flight - held_before + held(member);
        self.memory.change(memory_before, member.holds());
        for output in self.outputs.iter().skip(first_output) {
            match output {
                Output::Connect { connection, .. } => drop(self.owners.insert(*connection, id)),
                Output::Event(Event::PeerDisconnected { address, reason, .. }) if reason.is_breach() => {
                    self.grudges.note(now, address.ip());
                }
                _ => {}
            }
        }
        self.next_turn = self.limits.next_time(now);
        let next = either!(member, it => it.next_timeout());
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
        let member = self.members.remove(&id);
        self.memory.change(member.as_ref().map_or(0, Member::holds), 0);
        if let Some(Member::Seeker(seeker)) = member {
            self.metadata_in_flight = self.metadata_in_flight.saturating_sub(seeker.metadata_in_flight());
        }
        if let Some(at) = self.appointment_of.remove(&id) {
            self.appointments.remove(&(at, id));
        }
        self.limits.forget(id);
    }
}
