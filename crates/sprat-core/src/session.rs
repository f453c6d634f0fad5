//! The whole client: torrents, the connections that do not belong to one yet, and what all torrents share.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use sprat_wire::hash::{InfoHash, InfoHashes, PeerId};
use thiserror::Error;

use crate::announcer::TrackerStatus;
use crate::choker::{Candidate, Choker};
use crate::config::Config;
use crate::context::Names;
use crate::geometry::PieceIndex;
use crate::grudges::Grudges;
use crate::io::{
    AddMagnet, AddSleeping, AddTorrent, ConnectionId, FilePriority, Input, Manner, Output, RateLimits,
    ReaderId,
};
use crate::memory::Memory;
use crate::pace::Pace;
use crate::peer_list::PeerSource;
use crate::ration::Rations;
use crate::search;
use crate::seeker::Seeker;
use crate::sleeper::Sleeper;
use crate::storage::{Files, TorrentId};
use crate::strangers::Strangers;
use crate::time::Time;
use crate::torrent::Torrent;
use crate::tracker_hosts::TrackerHosts;

mod callers;
mod ceilings;

/// Why a torrent was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AddError {
    /// It is there already, under this name.
    #[error("this torrent is there already")]
    Duplicate(TorrentId),
}

mod members;

/// The client. See the crate for how to drive it.
#[derive(Debug)]
pub struct Session {
    config: Config,
    peer_id: PeerId,
    rng: fastrand::Rng,
    members: BTreeMap<TorrentId, Member>,
    /// Members by the names that they answer to.
    by_hash: BTreeMap<InfoHash, TorrentId>,
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
    tracker_hosts: TrackerHosts,
    lookups: Pace,
    /// Announces because of our own network.
    after_moves: Pace,
    outputs: VecDeque<Output>,
}

/// Between two decisions about whom to unchoke, if the second one is before its time. Each looks at every connection.
const RECHOKE_PAUSE: Duration = Duration::from_millis(100);

/// Between the announces of two torrents after our own network has changed.
const BETWEEN_ANNOUNCES: Duration = Duration::from_millis(20);

/// Between those of one change and those of the next.
const BETWEEN_MOVES: Duration = Duration::from_secs(30);

/// Bytes of metadata that all seekers together may be fetching.
const METADATA_AT_ONCE: u64 = 64 * 1024 * 1024;

/// What stands behind a name.
#[derive(Debug)]
enum Member {
    /// All is known but the content.
    Torrent(Box<Torrent>),
    /// Nothing is known but the name.
    Seeker(Box<Seeker>),
    /// Nothing is held but the name.
    Sleeper(Box<Sleeper>),
}

/// Lets whoever it is do the same thing.
macro_rules! either {
    ($member:expr, $it:ident => $act:expr) => {
        match $member {
            Member::Torrent($it) => $act,
            Member::Seeker($it) => $act,
            Member::Sleeper($it) => $act,
        }
    };
}

use either;

impl Member {
    const fn torrent(&self) -> Option<&Torrent> {
        match self {
            Self::Torrent(torrent) => Some(torrent),
            Self::Seeker(_) | Self::Sleeper(_) => None,
        }
    }

    const fn torrent_mut(&mut self) -> Option<&mut Torrent> {
        match self {
            Self::Torrent(torrent) => Some(torrent),
            Self::Seeker(_) | Self::Sleeper(_) => None,
        }
    }

    const fn seeker(&self) -> Option<&Seeker> {
        match self {
            Self::Torrent(_) | Self::Sleeper(_) => None,
            Self::Seeker(seeker) => Some(seeker),
        }
    }

    const fn sleeper(&self) -> Option<&Sleeper> {
        match self {
            Self::Sleeper(sleeper) => Some(sleeper),
            Self::Torrent(_) | Self::Seeker(_) => None,
        }
    }

    /// By what it is known: a hybrid has two names, of which a link may have told one.
    fn info_hashes(&self) -> InfoHashes {
        match self {
            Self::Torrent(torrent) => torrent.metainfo().info_hashes,
            Self::Seeker(seeker) => *seeker.info_hashes(),
            Self::Sleeper(sleeper) => *sleeper.info_hashes(),
        }
    }

    /// What it holds for others, besides the connections that are counted one by one.
    fn holds(&self) -> usize {
        match self {
            Self::Torrent(torrent) => torrent.guests_hold(),
            Self::Seeker(seeker) => seeker.holds(),
            Self::Sleeper(sleeper) => sleeper.guests_hold(),
        }
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
            by_hash: BTreeMap::new(),
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
            tracker_hosts: TrackerHosts::default(),
            lookups: Pace::new(search::BETWEEN_SLEEPERS),
            after_moves: Pace::new(BETWEEN_ANNOUNCES),
            outputs: VecDeque::new(),
        }
    }

    // What the user does.

    /// Adds a torrent and begins with it, or, if it is to be paused, looks only what is there.
    pub fn add(&mut self, now: Time, add: AddTorrent) -> Result<TorrentId, AddError> {
        let id = self.new_name(&add.metainfo.info_hashes)?;
        let torrent = Torrent::new(id, add, &self.config, now, &mut self.rng);
        self.insert(id, Member::Torrent(Box::new(torrent)));
        self.with_torrent(now, id, |torrent, cx| torrent.open(cx));
        Ok(id)
    }

    /// Adds a torrent that has everything, and leaves it asleep.
    pub fn add_sleeping(&mut self, now: Time, add: AddSleeping) -> Result<TorrentId, AddError> {
        let id = self.new_name(&add.info_hashes)?;
        let sleeper = Sleeper::new(id, add, &self.config, now, &mut self.rng);
        self.insert(id, Member::Sleeper(Box::new(sleeper)));
        self.with_sleeper(now, id, |sleeper, cx| sleeper.open(cx));
        Ok(id)
    }

    /// Wakes a torrent that is asleep.
    pub fn wake(&mut self, now: Time, id: TorrentId) {
        self.with_sleeper(now, id, |sleeper, cx| sleeper.wake(cx));
    }

    /// Has a torrent leave its swarm and close its files, whatever it is doing, and sleep until [`Self::release`]: somebody is
    /// about to move them. The files are closed when it is among [`Self::sleepers`]
    /// ([`Event::FellAsleep`](crate::io::Event::FellAsleep)).
    pub fn hold(&mut self, now: Time, id: TorrentId) {
        self.with_member(now, id, |member, cx| match member {
            Member::Torrent(torrent) => torrent.hold(cx),
            Member::Sleeper(sleeper) => sleeper.hold(cx),
            Member::Seeker(_) => {}
        });
    }

    /// Lets a torrent that was held do as it would.
    pub fn release(&mut self, now: Time, id: TorrentId) {
        self.with_member(now, id, |member, cx| match member {
            Member::Torrent(torrent) => torrent.release(),
            Member::Sleeper(sleeper) => sleeper.release(cx),
            Member::Seeker(_) => {}
        });
    }

    /// Adds a torrent of which only the name is known, and begins to look for the rest unless it is to be paused.
    /// [`Event::MetadataReceived`](crate::io::Event::MetadataReceived) comes when it is found; from then on there is a
    /// [`Torrent`] of this id.
    pub fn add_magnet(&mut self, now: Time, add: AddMagnet) -> Result<TorrentId, AddError> {
        let id = self.new_name(&add.info_hashes)?;
        let seeker = Seeker::new(id, add, &self.config, now, &mut self.rng);
        self.insert(id, Member::Seeker(Box::new(seeker)));
        self.with_member(now, id, |member, cx| either!(member, it => it.open(cx)));
        Ok(id)
    }

    fn new_name(&mut self, hashes: &InfoHashes) -> Result<TorrentId, AddError> {
        let known = hashes
            .on_the_wire()
            .filter_map(|hash| self.by_hash.get(&hash))
            .find(|id| self.members.get(id).is_some_and(|member| !either!(member, it => it.is_closing())));
        if let Some(known) = known {
            return Err(AddError::Duplicate(*known));
        }
        let id = TorrentId(self.next_torrent);
        self.next_torrent += 1;
        Ok(id)
    }

    /// Puts a member in its place; who had it before is gone.
    fn insert(&mut self, id: TorrentId, member: Member) {
        for hash in member.info_hashes().on_the_wire() {
            self.by_hash.insert(hash, id);
        }
        self.members.insert(id, member);
    }

    /// Leaves the swarm, closes the files, forgets the torrent. [`Event::Removed`](crate::io::Event::Removed) comes when
    /// that is done. The data stays.
    pub fn remove(&mut self, now: Time, id: TorrentId) {
        self.remove_with(now, id, Files::Keep);
    }

    /// As [`Self::remove`], with a say in what becomes of the files.
    pub fn remove_with(&mut self, now: Time, id: TorrentId, files: Files) {
        self.with_member(now, id, |member, cx| match member {
            Member::Torrent(torrent) => torrent.close(cx, files),
            Member::Seeker(seeker) => seeker.close(cx),
            Member::Sleeper(sleeper) => sleeper.close(cx, files),
        });
    }

    /// Looks at once whether the trouble that a torrent has with its disk is over.
    pub fn retry(&mut self, now: Time, id: TorrentId) {
        self.with_torrent(now, id, |torrent, cx| torrent.retry(cx));
    }

    /// Has everything of a torrent that is on the disk hashed again, whatever was believed of it. It leaves its swarm until that is done,
    /// so nothing is given meanwhile; one that is paused is checked and stays paused, one that is asleep wakes. How far it is,
    /// [`TorrentState::Checking`](crate::torrent::TorrentState::Checking) says, and that it is done,
    /// [`Event::Checked`](crate::io::Event::Checked).
    pub fn recheck(&mut self, now: Time, id: TorrentId) {
        self.with_member(now, id, |member, cx| match member {
            Member::Torrent(torrent) => torrent.recheck(cx),
            Member::Sleeper(sleeper) => sleeper.recheck(cx),
            Member::Seeker(_) => {}
        });
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
        self.with_member(now, id, |member, cx| match member {
            Member::Torrent(torrent) => torrent.change_priorities(cx, priorities),
            Member::Sleeper(sleeper) => sleeper.change_priorities(cx, priorities),
            Member::Seeker(_) => {}
        });
    }

    /// Pieces in order rather than rarest first.
    pub fn set_sequential(&mut self, now: Time, id: TorrentId, on: bool) {
        self.with_member(now, id, |member, _| match member {
            Member::Torrent(torrent) => torrent.set_sequential(on),
            Member::Sleeper(sleeper) => sleeper.set_sequential(on),
            Member::Seeker(seeker) => seeker.set_sequential(on),
        });
    }

    /// Has a torrent announce to these trackers and no others. Those that it had before keep what is known of them; new ones hear
    /// of it when it is their turn (BEP 12), and those that are gone are told that it leaves.
    pub fn set_trackers(&mut self, now: Time, id: TorrentId, tiers: &[Vec<String>]) {
        self.with_member(now, id, |member, cx| either!(member, it => it.set_trackers(cx, tiers)));
    }

    /// Somebody reads a torrent that is awake, and needs these pieces by these times, and what it has said before no more. They are
    /// fetched before all others, also those that are skipped, and a torrent that is read does not fall asleep.
    pub fn want_soon(&mut self, now: Time, id: TorrentId, reader: ReaderId, needed: &[(PieceIndex, Time)]) {
        self.with_torrent(now, id, |torrent, cx| torrent.want_soon(cx, reader, needed));
    }

    /// Nobody reads by this name any more.
    pub fn want_no_longer(&mut self, now: Time, id: TorrentId, reader: ReaderId) {
        self.with_torrent(now, id, |torrent, cx| torrent.want_no_longer(cx, reader));
    }

    /// Has a stretch of a piece read, at most [`READ_LENGTH`](crate::storage::READ_LENGTH) bytes. `false` if it is not
    /// [there](Torrent::can_read); otherwise [`Output::Read`] follows.
    pub fn read(
        &mut self,
        now: Time,
        id: TorrentId,
        reader: ReaderId,
        piece: PieceIndex,
        begin: u32,
        length: u32,
    ) -> bool {
        let mut is_under_way = false;
        self.with_torrent(now, id, |torrent, cx| {
            is_under_way = torrent.read(cx, reader, piece, begin, length);
        });
        is_under_way
    }

    /// Limits the rates of one torrent.
    pub fn set_torrent_limits(&mut self, now: Time, id: TorrentId, limits: RateLimits) {
        self.with_member(now, id, |member, cx| match member {
            Member::Torrent(torrent) => torrent.set_limits(cx, limits),
            Member::Sleeper(sleeper) => sleeper.set_limits(limits),
            Member::Seeker(seeker) => seeker.set_limits(limits),
        });
    }

    /// How a torrent goes about its work; `None` if there is no such torrent.
    #[must_use]
    pub fn manner(&self, id: TorrentId) -> Option<Manner> {
        self.members.get(&id).map(|member| either!(member, it => it.manner()))
    }

    /// Has a torrent go about its work in another manner.
    pub fn set_manner(&mut self, now: Time, id: TorrentId, manner: Manner) {
        self.with_member(now, id, |member, cx| either!(member, it => it.set_manner(cx, manner)));
    }

    /// Limits the connections of all torrents together and those of each. Where there are more, those go that move least.
    pub fn set_connections(&mut self, now: Time, all: usize, per_torrent: usize) {
        (self.config.connections, self.config.connections_per_torrent) = (all, per_torrent);
        self.for_each_torrent(now, Torrent::limit_connections);
        let mut counts: BTreeMap<TorrentId, usize> =
            self.torrents().map(|torrent| (torrent.id(), torrent.connection_count())).collect();
        let surplus = counts.values().sum::<usize>().saturating_sub(all);
        for _ in 0..surplus {
            // Those that have most lose most.
            let Some((_, most)) = counts.iter_mut().max_by_key(|(_, count)| **count) else { break };
            *most = most.saturating_sub(1);
        }
        for (id, most) in counts {
            self.with_torrent(now, id, |torrent, cx| torrent.let_go_beyond(cx, most));
        }
    }

    /// What was chosen for the session, as it is now.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
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
            Member::Sleeper(sleeper) => sleeper.add_peers(cx, peers),
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
        let mut all: Vec<TorrentId> = self.members.keys().copied().collect();
        // Whoever drives this session may not wait until all trackers were told: those of whom somebody wants something first.
        all.sort_by_key(|id| self.sleeper(*id).is_some());
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

    /// The torrents that are asleep, oldest first.
    pub fn sleepers(&self) -> impl Iterator<Item = &Sleeper> {
        self.members.values().filter_map(Member::sleeper)
    }

    /// One of them.
    #[must_use]
    pub fn sleeper(&self, id: TorrentId) -> Option<&Sleeper> {
        self.members.get(&id).and_then(Member::sleeper)
    }

    /// The trackers of a torrent, by tier, whether it is awake or not; none if there is no such torrent.
    #[must_use]
    pub fn trackers(&self, id: TorrentId) -> Vec<TrackerStatus> {
        let member = self.members.get(&id);
        member.map(|member| either!(member, it => it.trackers().collect())).unwrap_or_default()
    }

    /// Whether there is such a torrent, awake or not.
    #[must_use]
    pub fn knows(&self, id: TorrentId) -> bool {
        self.members.contains_key(&id)
    }

    /// Who answers to this name.
    #[must_use]
    pub fn by_info_hash(&self, info_hash: InfoHash) -> Option<TorrentId> {
        self.by_hash.get(&info_hash).copied()
    }

    /// One of those of which only the name is known.
    #[must_use]
    pub fn seeker(&self, id: TorrentId) -> Option<&Seeker> {
        self.members.get(&id).and_then(Member::seeker)
    }

    // What the driver does.

    /// A name for a connection that the listener has accepted.
    pub fn allocate_connection(&mut self) -> ConnectionId {
        self.names.connection()
    }

    /// To which torrent a connection belongs, from when it is called or has named one.
    #[must_use]
    pub fn torrent_of(&self, connection: ConnectionId) -> Option<TorrentId> {
        self.owners.get(&connection).copied()
    }

    /// Nothing is held of a message of this connection that has not come whole; as far as that is known, so after the handshakes of an
    /// awake torrent.
    #[must_use]
    pub fn is_between_messages(&self, connection: ConnectionId) -> bool {
        let torrent = self.owners.get(&connection).and_then(|owner| self.torrent(*owner));
        torrent.is_some_and(|torrent| torrent.is_between_messages(connection))
    }

    /// Takes in one thing that happened.
    pub fn handle_input(&mut self, now: Time, input: Input) {
        match input {
            Input::Accepted { connection, address } => self.on_accepted(now, connection, address),
            Input::Connected { connection } => {
                self.with_owner(now, connection, |member, cx| match member {
                    Member::Torrent(torrent) => torrent.on_connected(cx, connection),
                    Member::Seeker(seeker) => seeker.on_connected(cx, connection),
                    Member::Sleeper(_) => {} // calls nobody
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
                    self.on_closed_files(now, id);
                }
            }
            Input::MetadataLoaded { torrent, result } => {
                self.with_sleeper(now, torrent, |sleeper, cx| sleeper.on_metadata(cx, result));
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

    /// There are no sockets left: callers that have not named a torrent make room.
    pub fn let_strangers_go(&mut self) {
        while let Some(connection) = self.strangers.shed() {
            self.outputs.push_back(Output::Disconnect { connection });
        }
    }

    /// This machine has other addresses than before. Connections that have ended by that are reported before. Whoever was lost is
    /// called again, and trackers and the DHT are told where we are: torrents that are awake first, one after the other.
    pub fn network_changed(&mut self, now: Time) {
        self.tracker_hosts.network_changed();
        let mut all: Vec<TorrentId> = self.members.keys().copied().collect();
        all.sort_by_key(|id| self.sleeper(*id).is_some());
        for id in all {
            // One that changes again and again does not make trackers hear of it each time.
            let announce_at = self.after_moves.take(now);
            self.with_member(now, id, |member, cx| match member {
                Member::Torrent(torrent) => torrent.network_changed(cx, announce_at),
                Member::Seeker(seeker) => seeker.network_changed(cx, announce_at),
                Member::Sleeper(sleeper) => sleeper.network_changed(announce_at),
            });
        }
        self.after_moves.take(now + BETWEEN_MOVES);
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
            | Output::LoadMetadata { .. }
            | Output::Read { .. }
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
            Member::Sleeper(sleeper) => sleeper.hear_of(cx, source, peers),
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
            self.with_owner(now, connection, |member, cx| match member {
                Member::Torrent(torrent) => torrent.on_closed(cx, connection),
                Member::Seeker(seeker) => seeker.on_closed(cx, connection),
                Member::Sleeper(sleeper) => sleeper.on_closed(connection),
            });
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
}
