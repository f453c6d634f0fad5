//! One torrent of a session: its pieces, its peers, its trackers, and what becomes of every message.
//!
//! The parts ([`Picker`], [`PeerList`], [`Announcer`], [`Blame`], connections) do not know one another; here they
//! are put together. The submodules each hold the handlers of one concern:
//!
//! | Module | Concern |
//! |---|---|
//! | `lifecycle` | opening, checking what is there, pausing, trouble, the end |
//! | `dialling` | calling peers, up to the end of both handshakes |
//! | `greeting` | whom we let in, and what is said at first |
//! | `messages` | what becomes of a message |
//! | `farewell` | how connections end, and what is undone then |
//! | `choking` | what the choker asks and decides |
//! | `turnover` | letting go of peers that are of no use |
//! | `durability` | from verified to durable |
//! | `proof` | what an earlier process left behind is hashed before it is given |
//! | `download` | which blocks to ask for, what to do with those that arrive |
//! | `first_blocks` | how long to believe a peer that has never delivered |
//! | `bottleneck` | whether the swarm waits for our upload |
//! | `spreading` | what a lone seeder gives to whom |
//! | `pex` | telling peers of one another |
//! | `super_seeding` | a lone seeder that does not say what it has |
//! | `upload` | answering requests |
//! | `reading` | somebody reads what is there, and needs the rest soon |
//! | `recheck` | files that have lost something are looked at as a whole |
//! | `verdict` | finding who sent bad data, with the hashes of v2 where there are any |
//! | `sleep` | having nothing to do |
//! | `status` | what a user sees |

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sprat_wire::hash::{InfoHash, Sha256Hash};
use sprat_wire::merkle::Tree;
use sprat_wire::metainfo::Metainfo;
use sprat_wire::peer::deframer::Deframer;
use sprat_wire::peer::message::HashRequest;

use crate::announcer::Announcer;
use crate::blame::{Blame, PeerKey};
use crate::config::Config;
use crate::connection::{Introduction, PeerConnection, Roll};
use crate::context::Context;
use crate::geometry::{Geometry, PieceIndex};
use crate::io::{AddTorrent, ConnectionId, FilePriority, Manner, Output, RateLimits, Totals, Trouble};
use crate::peer_list::{PeerList, PeerSource};
use crate::picker::{Picker, PiecePriority};
use crate::ration::Rations;
use crate::search::Search;
use crate::storage::{ExpectedHash, ReadToken, TorrentId};
use crate::time::Time;

mod bottleneck;
mod choking;
mod dialling;
mod download;
mod durability;
mod farewell;
mod first_blocks;
mod greeting;
mod lifecycle;
mod messages;
mod pex;
mod proof;
mod reading;
mod recheck;
mod sleep;
mod spreading;
mod status;
mod super_seeding;
mod turnover;
mod upload;
mod verdict;

use bottleneck::Bottleneck;
use durability::Durability;
use first_blocks::FirstBlocks;
use proof::Proof;
use reading::Reading;
use recheck::Recheck;
use sleep::Sleep;
use spreading::Spreading;
pub use status::{ConnectionStatus, TorrentState, TorrentStatus};
use super_seeding::SuperSeeding;
use turnover::Turnover;

/// How often a torrent with connections looks after them.
const TICK: Duration = Duration::from_secs(1);

/// News of pieces may wait this long for company: one write of many haves instead of many writes.
const HAVE_DELAY: Duration = Duration::from_millis(100);

/// One torrent of a session.
#[derive(Debug)]
pub struct Torrent {
    id: TorrentId,
    metainfo: Arc<Metainfo>,
    geometry: Arc<Geometry>,
    phase: Phase,
    paused: bool,
    manner: Manner,
    trouble: Option<Trouble>,

    picker: Picker,
    blame: Blame,
    peers: PeerList,
    announcer: Announcer,
    /// The rate limits of this torrent, for which its connections wait, and in whose order they pass those of the session.
    limits: Rations<ConnectionId>,
    rng: fastrand::Rng,

    dials: BTreeMap<ConnectionId, Dial>,
    /// Boxed: a node of the map has room for eleven, and is half empty.
    connections: BTreeMap<ConnectionId, Box<PeerConnection>>,
    /// As it was last told to somebody.
    roll: Roll,
    /// Connections from the time when only the torrent's name was known, until the storage has been opened.
    guests: BTreeMap<ConnectionId, Introduction>,
    /// Who a connection was, while a piece may still hold blocks that came over it.
    identities: BTreeMap<ConnectionId, PeerKey>,
    /// Connections whose outbox may have something for the network.
    touched: Vec<ConnectionId>,
    /// Reads that are with the disk: for whom, and of which piece.
    reads: BTreeMap<ReadToken, (upload::For, PieceIndex)>,
    reading: Reading,

    sleep: Sleep,
    /// As the user has said, for when it has slept.
    priorities: Vec<FilePriority>,

    durability: Durability,
    proof: Proof,
    /// What may be gone with a piece that was lost.
    recheck: Recheck,
    /// The user wants everything to be hashed before anything is believed.
    believes_nothing: bool,
    /// Pieces that failed their hash with several senders, and the one peer that each is fetched from now.
    suspects: BTreeMap<PieceIndex, Option<ConnectionId>>,
    hash_questions: BTreeMap<HashRequest, HashQuestion>,
    leaf_reads: BTreeMap<ReadToken, LeafRead>,
    /// Hash trees by file, made when somebody asks.
    trees: BTreeMap<usize, Tree>,
    files_by_root: BTreeMap<Sha256Hash, usize>,

    spreading: Spreading,
    super_seeding: SuperSeeding,
    turnover: Turnover,
    bottleneck: Bottleneck,
    first_blocks: FirstBlocks,
    search: Search,
    next_tick: Option<Time>,
    next_flush: Option<Time>,
    next_refill: Option<Time>,
    next_probe: Option<Time>,
    totals: Totals,
}

/// Where a torrent stands.
#[derive(Debug)]
enum Phase {
    /// Not begun.
    New,
    /// The storage looks what is there.
    Opening,
    /// What is there is being hashed.
    Checking(lifecycle::Check),
    /// It takes part in its swarm, unless paused or in trouble.
    Active,
    /// The storage is closing its files; then it is gone.
    Closing,
}

/// An outgoing connection before both handshakes are through.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) address: SocketAddr,
    pub(crate) since: Time,
    pub(crate) deframer: Deframer,
}

/// A question for leaf hashes on its way.
#[derive(Debug)]
struct HashQuestion {
    piece: PieceIndex,
    asked_at: Time,
}

/// A question of somebody else for leaf hashes, while the disk reads them.
#[derive(Debug)]
struct LeafRead {
    connection: ConnectionId,
    request: HashRequest,
    file: usize,
}

impl Torrent {
    pub(crate) fn new(
        id: TorrentId,
        add: AddTorrent,
        config: &Config,
        now: Time,
        rng: &mut fastrand::Rng,
    ) -> Self {
        let AddTorrent {
            metainfo,
            extra_trackers,
            peers: known_peers,
            priorities,
            sequential,
            limits,
            paused,
            manner,
        } = add;
        let geometry = Arc::new(Geometry::new(&metainfo.info));
        let tiers: Vec<_> = extra_trackers.iter().chain(&metainfo.trackers).cloned().collect();
        let hashes: Vec<_> = metainfo.info_hashes.on_the_wire().collect();
        let mut another_rng = || fastrand::Rng::with_seed(rng.u64(..));
        let mut picker = Picker::new(Arc::clone(&geometry), another_rng());
        picker.set_sequential(sequential);
        let peers = PeerList::new(config.known_peers(), another_rng());
        let announcer_rng = another_rng();
        let mut torrent = Self {
            id,
            peers,
            announcer: Announcer::new(config.announcer, &tiers, &hashes, rng.u32(..), announcer_rng),
            metainfo,
            geometry,
            phase: Phase::New,
            paused,
            manner,
            trouble: None,
            picker,
            blame: Blame::new(),
            limits: Rations::new(limits),
            rng: fastrand::Rng::with_seed(rng.u64(..)),
            dials: BTreeMap::new(),
            connections: BTreeMap::new(),
            roll: Roll::default(),
            guests: BTreeMap::new(),
            identities: BTreeMap::new(),
            touched: Vec::new(),
            reads: BTreeMap::new(),
            reading: Reading::default(),
            sleep: Sleep::default(),
            priorities: Vec::new(),
            durability: Durability::default(),
            proof: Proof::default(),
            recheck: Recheck::default(),
            believes_nothing: false,
            suspects: BTreeMap::new(),
            hash_questions: BTreeMap::new(),
            leaf_reads: BTreeMap::new(),
            trees: BTreeMap::new(),
            files_by_root: BTreeMap::new(),
            spreading: Spreading::default(),
            super_seeding: SuperSeeding::default(),
            turnover: Turnover::default(),
            bottleneck: Bottleneck::default(),
            first_blocks: FirstBlocks::default(),
            search: Search::default(),
            next_tick: None,
            next_flush: None,
            next_refill: None,
            next_probe: None,
            totals: Totals::default(),
        };
        torrent.set_priorities(&priorities);
        torrent.add_peers(now, &known_peers, PeerSource::User);
        torrent
    }

    /// What a seeker has found besides the metadata: addresses, trackers that know us, and connections.
    pub(crate) fn take_over(
        &mut self,
        peers: PeerList,
        announcer: Option<Announcer>,
        guests: BTreeMap<ConnectionId, Introduction>,
    ) {
        self.peers = peers;
        if let Some(announcer) = announcer {
            self.announcer = announcer;
        }
        self.guests = guests;
    }

    /// Its name in this session.
    #[must_use]
    pub const fn id(&self) -> TorrentId {
        self.id
    }

    /// The torrent file.
    #[must_use]
    pub const fn metainfo(&self) -> &Arc<Metainfo> {
        &self.metainfo
    }

    /// How its content is cut.
    #[must_use]
    pub const fn geometry(&self) -> &Arc<Geometry> {
        &self.geometry
    }

    pub(crate) fn answers_to(&self, info_hash: InfoHash) -> bool {
        self.metainfo.info_hashes.on_the_wire().any(|ours| ours == info_hash)
    }

    /// One priority per file; a piece gets the highest of its files'. Missing entries are normal.
    pub(crate) fn set_priorities(&mut self, priorities: &[FilePriority]) {
        self.priorities = priorities.to_vec();
        let geometry = Arc::clone(&self.geometry);
        let mut of_pieces = vec![None; geometry.pieces() as usize];
        for (at, file) in self.metainfo.info.files.iter().enumerate() {
            if file.attributes.pad {
                continue;
            }
            let priority = priorities.get(at).copied().unwrap_or_default();
            let pieces = geometry.pieces_of(at);
            let is_first = |piece: u32| piece == pieces.start || piece + 1 == pieces.end;
            for piece in pieces.clone() {
                let comes_first =
                    self.manner.first_last_first && priority != FilePriority::Skip && is_first(piece);
                let priority = if comes_first { PiecePriority::First } else { priority.into() };
                if let Some(highest) = of_pieces.get_mut(piece as usize) {
                    *highest = (*highest).max(Some(priority));
                }
            }
        }
        for (piece, priority) in geometry.all_pieces().zip(of_pieces) {
            self.picker.set_priority(piece, priority.unwrap_or_default());
        }
    }

    /// How it goes about its work.
    #[must_use]
    pub const fn manner(&self) -> Manner {
        self.manner
    }

    pub(crate) fn set_manner(&mut self, cx: &mut Context<'_>, manner: Manner) {
        let before = std::mem::replace(&mut self.manner, manner);
        if before.first_last_first != manner.first_last_first {
            let priorities = std::mem::take(&mut self.priorities);
            self.set_priorities(&priorities);
        }
        self.let_go_beyond(cx, self.most_connections(cx));
        self.dial(cx);
        self.flush(cx);
    }

    pub(crate) fn limit_connections(&mut self, cx: &mut Context<'_>) {
        self.let_go_beyond(cx, self.most_connections(cx));
        self.flush(cx);
    }

    /// Connections that it may have, as far as there are any left.
    fn most_connections(&self, cx: &Context<'_>) -> usize {
        let of_torrents = cx.config.connections_per_torrent;
        self.manner.connections.map_or(of_torrents, |most| most.min(of_torrents))
    }

    pub(crate) fn set_sequential(&mut self, on: bool) {
        self.picker.set_sequential(on);
    }

    /// As [`Self::set_priorities`], with all that follows from another idea of what is wanted.
    pub(crate) fn change_priorities(&mut self, cx: &mut Context<'_>, priorities: &[FilePriority]) {
        self.set_priorities(priorities);
        self.update_interest(cx);
        self.tell_if_finished(cx);
        self.ask_everyone(cx);
        self.dial(cx);
        self.flush(cx);
    }

    pub(crate) fn set_limits(&mut self, cx: &mut Context<'_>, limits: RateLimits) {
        self.limits.set(cx.now, limits);
        self.on_limits_changed(cx);
    }

    /// Whoever waits for a rate limit looks again.
    pub(crate) fn on_limits_changed(&mut self, cx: &mut Context<'_>) {
        self.next_refill = None;
        self.take_turns(cx);
    }

    /// A rate limit has something to give: those who wait for it take turns.
    pub(crate) fn take_turns(&mut self, cx: &mut Context<'_>) {
        self.take_upload_turns(cx);
        self.take_download_turns(cx);
        self.flush(cx);
    }

    /// Makes an appointment for when this torrent's own limits have something to give again.
    fn await_refill(&mut self, now: Time) {
        let refill = self.limits.next_time(now);
        self.next_refill = refill.into_iter().chain(self.next_refill).min();
    }

    /// When `on_timeout` wants to be called.
    pub(crate) fn next_timeout(&self, config: &Config) -> Option<Time> {
        let announce = if self.may_announce() { self.announcer.next_time() } else { None };
        let search = self.search.next_time(self.is_lonely());
        let commit = self.durability.next_time();
        let bed_time = self.bed_time(config.sleep_after);
        [
            search,
            self.next_tick,
            self.next_flush,
            self.next_refill,
            self.next_probe,
            self.reading.next_look,
            commit,
            bed_time,
            announce,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The time has come for something; what is due is done.
    pub(crate) fn on_timeout(&mut self, cx: &mut Context<'_>) {
        if due(&mut self.next_refill, cx.now) {
            self.take_turns(cx);
        }
        if due(&mut self.next_tick, cx.now) {
            self.on_tick(cx);
        }
        if due(&mut self.next_probe, cx.now) {
            self.look_at_trouble(cx);
        }
        if due(&mut self.reading.next_look, cx.now) {
            self.look_at_readers(cx);
        }
        if self.durability.is_due(cx.now) {
            self.commit(cx);
        }
        if due(&mut self.next_flush, cx.now) {
            self.touched.extend(self.connections.keys());
        }
        self.announce(cx);
        self.search(cx);
        self.flush(cx);
        if self.bed_time(cx.config.sleep_after).is_some_and(|at| at <= cx.now) {
            self.fall_asleep(cx);
        }
    }

    /// Asks the DHT for peers, if it is time.
    fn search(&mut self, cx: &mut Context<'_>) {
        let (seed, lonely) = (self.picker.is_finished(), self.is_lonely());
        self.search.poll(cx, self.id, &self.metainfo.info_hashes, seed, lonely);
    }

    /// Nobody is connected who is of use.
    fn is_lonely(&self) -> bool {
        self.connections.is_empty() || self.turnover.is_lonely
    }

    /// Whether peers may be found anywhere but at the torrent's own trackers (BEP 27).
    pub(crate) fn is_public(&self) -> bool {
        !self.metainfo.info.private
    }

    /// Looks after every connection once a second.
    fn on_tick(&mut self, cx: &mut Context<'_>) {
        self.look_after_connections(cx);
        self.look_after_downloads(cx);
        self.look_after_questions(cx);
        self.exchange_peers(cx);
        self.look_after_shown(cx);
        self.turn_over(cx);
        self.look_for_bottleneck(cx.now);
        self.dial(cx);
        let nobody_to_call = self.dials.is_empty() && !self.peers.has_candidate(cx.now);
        self.announcer.set_lonely(self.is_downloading() && self.is_lonely() && nobody_to_call);
        let busy = !self.connections.is_empty() || !self.dials.is_empty();
        self.next_tick = if busy {
            Some(cx.now + TICK)
        } else if self.wants_peers() {
            self.peers.next_attempt().map(|at| at.max(cx.now + TICK))
        } else {
            None
        };
    }

    /// Makes sure that the next tick is not far off: there is somebody to look after or to call.
    fn wake(&mut self, now: Time) {
        let soon = now + TICK;
        self.next_tick = Some(self.next_tick.map_or(soon, |at| at.min(soon)));
    }

    fn touch(&mut self, connection: ConnectionId) {
        if self.touched.last() != Some(&connection) {
            self.touched.push(connection);
        }
    }

    /// Hands to the network what the handlers have said, and counts what is held now.
    fn flush(&mut self, cx: &mut Context<'_>) {
        let mut touched = std::mem::take(&mut self.touched);
        for id in touched.drain(..) {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            if let Some(bytes) = connection.take_outbox(cx.now) {
                cx.outputs.push_back(Output::Send { connection: id, bytes });
            }
            let (before, after) = connection.count_again();
            cx.memory.change(before, after);
        }
        self.touched = touched;
    }

    /// What a piece must hash to.
    fn expected(&self, piece: PieceIndex) -> ExpectedHash {
        self.geometry.expected_hash(&self.metainfo, piece)
    }
}

/// Whether the time has come; if so, the appointment is over.
fn due(at: &mut Option<Time>, now: Time) -> bool {
    let due = at.is_some_and(|at| at <= now);
    if due {
        *at = None;
    }
    due
}
