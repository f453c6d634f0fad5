//! The whole: shards of peers that go ahead together, the trackers, and what happens to all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rayon::iter::{IntoParallelRefMutIterator, ParallelIterator};
use sprat_core::bitfield::Bitfield;
use sprat_core::time::Time;

use crate::content::{Content, ContentConfig, ContentError};
use crate::desk::Context;
use crate::disk::Disk;
use crate::event::{Addressed, PeerEvent, Question};
use crate::network::Network;
use crate::peer::{Departure, Peer, PeerConfig, Presence};
use crate::peer_number::PeerNumber;
use crate::rendezvous::Rendezvous;
use crate::report::{PeerReport, Snapshot, Violation};
use crate::schedule::Schedule;
use crate::shard::Shard;
use crate::trace::Trace;
use crate::trackers::{TrackerConfig, VirtualTracker};
use crate::world::{Resident, World};

mod checks;
mod faults;
mod questions;
mod sampling;

pub use sampling::SNAPSHOTS;
use sampling::Sampler;

/// Shorter strides than this are not worth another thread.
const SHORT_STRIDE: Duration = Duration::from_millis(1);

/// A swarm in a virtual network. See the crate.
#[derive(Debug)]
pub struct Simulation {
    now: Time,
    world: World,
    /// Peer `n` is in shard `n` modulo their number.
    shards: Vec<Shard>,
    peer_count: u32,
    trackers: Vec<VirtualTracker>,
    rendezvous: Rendezvous,
    /// On their way to trackers and the DHT.
    questions: Schedule<Question>,
    /// What happens to all.
    agenda: BTreeSet<(Time, Appointment)>,
    rng: fastrand::Rng,
    trace: Trace,
    sampler: Sampler,
    /// Events that were no peer's.
    events: u64,
    /// What is set in motion from outside, in its order.
    caused: u64,
}

/// Something that happens to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Appointment {
    FaultEnds(usize),
    FaultBegins(usize),
    /// The state of the swarm is noted.
    Sample,
    /// Once a second: what must hold is looked after.
    Tick,
}

impl Simulation {
    /// An empty network, and content to be shared in it.
    pub fn new(seed: u64, content: &ContentConfig) -> Result<Self, ContentError> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let content = Arc::new(Content::generate(content, &mut rng)?);
        Ok(Self {
            now: Time::ZERO,
            shards: vec![Shard::new(0, 1, content.geometry().pieces())],
            world: World::new(content),
            peer_count: 0,
            trackers: Vec::new(),
            rendezvous: Rendezvous::new(fastrand::Rng::with_seed(!seed)),
            questions: Schedule::new(),
            agenda: BTreeSet::from([(Time::ZERO, Appointment::Tick), (Time::ZERO, Appointment::Sample)]),
            rng,
            trace: Trace::new(),
            sampler: Sampler::default(),
            events: 0,
            caused: 0,
        })
    }

    /// Computes on so many threads. The run is the same. To be called before peers are added.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        if self.peer_count == 0 {
            let (threads, pieces) = (threads.max(1), self.content().geometry().pieces());
            self.shards = (0..threads).map(|number| Shard::new(number, threads, pieces)).collect();
        }
        self
    }

    /// Models the network so. To be called before peers are added.
    #[must_use]
    pub const fn with_network(mut self, network: Network) -> Self {
        if self.peer_count == 0 {
            self.world.network = network;
        }
        self
    }

    /// Does without checking every message: for measuring in swarms of thousands. What is left are the checks of bytes,
    /// hashes and accusations.
    pub const fn skip_wire_checks(&mut self) {
        self.world.checks_wires = false;
    }

    /// Puts a tracker into the network.
    pub fn add_tracker(&mut self, config: TrackerConfig) {
        self.world.add_tracker(&config.url, config.latency);
        self.trackers.push(VirtualTracker::new(config, &mut self.rng));
    }

    /// Puts a peer into the network; it comes when its configuration says.
    pub fn add_peer(&mut self, config: PeerConfig) -> PeerNumber {
        let PeerConfig { latency, region, nat, behaviour, group, subnet, .. } = config;
        let number = self.world.add_resident(Resident { latency, region, nat, behaviour, group, subnet });
        self.peer_count += 1;
        self.appoint(number, config.joins, PeerEvent::Join);
        if let Departure::At(at) = config.leaves {
            self.appoint(number, at, PeerEvent::Leave);
        }
        let disk = self.disk_for(&config).with_faults(&config.disk_faults);
        let peer = Peer::new(number, config, disk, self.world.network, &mut self.rng);
        let shards = self.shards.len();
        if let Some(shard) = self.shards.get_mut(number.index() % shards) {
            shard.peers.push(peer);
        }
        number
    }

    fn disk_for(&mut self, config: &PeerConfig) -> Disk {
        let disk = Disk::new(Arc::clone(self.content()), config.has_everything);
        if config.has_everything || config.has_per_mille == 0 {
            return disk;
        }
        let pieces = self.content().geometry().pieces();
        let mut all: Vec<u32> = (0..pieces).collect();
        self.rng.shuffle(&mut all);
        let some = u64::from(pieces) * u64::from(config.has_per_mille.min(1000)) / 1000;
        let mut had = Bitfield::new(pieces);
        for piece in all.into_iter().take(some as usize) {
            had.insert(piece);
        }
        disk.with_pieces(had)
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

    /// Lets time pass until `limit`, or until `enough`, which is asked whenever all peers have gone ahead by the least
    /// latency of the network.
    pub fn run(&mut self, limit: Duration, enough: impl Fn(&Self) -> bool) -> Result<(), Violation> {
        let limit = Time::ZERO + limit;
        let after_limit = limit + Duration::from_nanos(1);
        let stride = self.world.least_latency().max(Duration::from_nanos(1));
        while let Some(next) = self.next_time().filter(|next| *next <= limit) {
            let appointment = self.agenda.first().map(|(at, _)| *at);
            if appointment == Some(next) {
                self.now = next;
                self.keep_appointment()?;
            } else {
                let end = (next + stride).min(after_limit).min(appointment.unwrap_or(after_limit));
                self.go_ahead(end, stride);
            }
            self.check_violations()?;
            if enough(self) {
                return self.check_bytes();
            }
        }
        self.now = self.now.max(limit);
        self.check_bytes()
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// Events so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events + self.shards.iter().map(|shard| shard.desk.events).sum::<u64>()
    }

    /// A hash over everything that has happened so far.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        let mut trace = self.trace;
        for peer in self.peers() {
            trace.number(peer.trace_hash());
        }
        trace.hash()
    }

    /// What is shared.
    #[must_use]
    pub const fn content(&self) -> &Arc<Content> {
        &self.world.content
    }

    /// The swarm from the beginning until now, at equal intervals that are the longer the longer it runs; there are
    /// never more than [`SNAPSHOTS`](crate::SNAPSHOTS).
    #[must_use]
    pub fn snapshots(&self) -> &[Snapshot] {
        self.sampler.snapshots()
    }

    /// Announces that the tracker with this URL has answered.
    #[must_use]
    pub fn announces_answered(&self, url: &str) -> u64 {
        self.trackers.iter().filter(|tracker| tracker.url() == url).map(|tracker| tracker.answered).sum()
    }

    /// The peer's session, as a user would see it.
    #[must_use]
    pub fn session(&self, peer: PeerNumber) -> Option<&sprat_core::Session> {
        self.peer(peer).map(|peer| &peer.session)
    }

    /// How a peer fared.
    #[must_use]
    pub fn report(&self, peer: PeerNumber) -> Option<PeerReport> {
        self.peer(peer).map(|peer| self.report_on(peer))
    }

    /// How all peers fared.
    pub fn reports(&self) -> impl Iterator<Item = PeerReport> + '_ {
        self.peers().map(|peer| self.report_on(peer))
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
        let is_complete = |peer: &Peer| {
            // A session learns of its last piece a moment after the disk has it.
            peer.disk.have().is_full() && (peer.completed_at.is_some() || peer.presence != Presence::Present)
        };
        self.peers()
            .filter(|peer| peer.is_honest() && peer.presence != Presence::Gone)
            .filter(move |peer| !is_complete(peer))
    }

    // Peers, wherever they are.

    fn numbers(&self) -> impl Iterator<Item = PeerNumber> + use<> {
        (0..self.peer_count).map(PeerNumber)
    }

    /// All of them, in the order of their numbers.
    fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.numbers().filter_map(|number| self.peer(number))
    }

    fn peer(&self, number: PeerNumber) -> Option<&Peer> {
        let shards = self.shards.len();
        self.shards.get(number.index() % shards)?.peers.get(number.index() / shards)
    }

    fn peer_mut(&mut self, number: PeerNumber) -> Option<&mut Peer> {
        let shards = self.shards.len();
        self.shards.get_mut(number.index() % shards)?.peers.get_mut(number.index() / shards)
    }

    /// Lets a peer do something while all others wait.
    fn with_peer(&mut self, number: PeerNumber, act: impl FnOnce(&mut Peer, &mut Context<'_>)) {
        let shards = self.shards.len();
        if let Some(shard) = self.shards.get_mut(number.index() % shards) {
            shard.with_peer(self.now, number, &self.world, act);
        }
    }

    /// Something is to happen to a peer, at a time counted from the beginning.
    fn appoint(&mut self, peer: PeerNumber, time: Duration, event: PeerEvent) {
        self.caused += 1;
        let at = self.now.max(Time::ZERO + time);
        // After all that peers cause.
        self.post(at, 1 << 63 | self.caused, Addressed { to: peer, life: 0, event });
    }

    fn post(&mut self, at: Time, order: u64, addressed: Addressed) {
        let shards = self.shards.len();
        if let Some(shard) = self.shards.get_mut(addressed.to.index() % shards) {
            shard.desk.schedule.at(at.as_nanos(), order, addressed);
        }
    }

    // Time.

    fn next_time(&self) -> Option<Time> {
        let shards = self.shards.iter().filter_map(Shard::next_time).min();
        let appointment = self.agenda.first().map(|(at, _)| *at);
        [shards, appointment, self.next_question()].into_iter().flatten().min()
    }

    fn keep_appointment(&mut self) -> Result<(), Violation> {
        let Some((_, appointment)) = self.agenda.pop_first() else { return Ok(()) };
        self.events += 1;
        match appointment {
            Appointment::Tick => self.tick()?,
            Appointment::Sample => self.sample(),
            Appointment::FaultBegins(index) => self.set_fault(index, true),
            Appointment::FaultEnds(index) => self.set_fault(index, false),
        }
        self.exchange();
        Ok(())
    }

    /// Lets everything happen that is due before `end`: nothing that happens from now on matters to another peer before.
    fn go_ahead(&mut self, end: Time, stride: Duration) {
        let Self { shards, world, .. } = self;
        if shards.len() > 1 && stride >= SHORT_STRIDE {
            shards.par_iter_mut().for_each(|shard| shard.run_until(end, world));
        } else {
            for shard in shards {
                shard.run_until(end, world);
            }
        }
        self.answer_questions(end);
        self.exchange();
        self.now = end - Duration::from_nanos(1);
    }

    /// What the shards have for one another and for all.
    fn exchange(&mut self) {
        for index in 0..self.shards.len() {
            let Some(shard) = self.shards.get_mut(index) else { return };
            let letters = std::mem::take(&mut shard.desk.abroad);
            let questions = std::mem::take(&mut shard.desk.questions);
            let banned = std::mem::take(&mut shard.desk.banned);
            for letter in letters {
                self.post(letter.at, letter.order, letter.addressed);
            }
            for question in questions {
                self.questions.at(question.at.as_nanos(), question.order, question);
            }
            for victim in banned {
                if let Some(peer) = self.peer_mut(victim) {
                    peer.banned_by += 1;
                }
            }
        }
    }

    /// The first that was found.
    fn check_violations(&self) -> Result<(), Violation> {
        let found = self.shards.iter().filter_map(|shard| shard.desk.violation.as_ref());
        match found.min_by_key(|(at, _)| *at) {
            Some((_, violation)) => Err(violation.clone()),
            None => Ok(()),
        }
    }
}
