//! A torrent of which only the name is known, from a magnet link: it finds peers, gets the info dictionary from them
//! (BEP 9), for v2 the piece layers as well (BEP 52), and then becomes a [`Torrent`].
//!
//! Metadata is fetched from several peers at a time. When all of it is there and its hash is wrong, one of them has
//! lied; from then on it is fetched from one peer at a time, so that a wrong hash convicts exactly one.
//!
//! The connections, the addresses and the trackers live on in the torrent: nobody is called twice.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sprat_wire::hash::{InfoHash, InfoHashes, Sha1Hash, Sha256Hash};
use sprat_wire::metainfo::Metainfo;
use sprat_wire::peer::deframer::MessageLimits;
use sprat_wire::peer::message::Message;
use sprat_wire::peer::metadata::MetadataMessage;
use sprat_wire::tracker::AnnounceResponse;

use crate::announcer::{Announcer, Progress, TrackerStatus};
use crate::config::Config;
use crate::context::Context;
use crate::io::{
    AddMagnet, ConnectionId, DisconnectReason, Event, Manner, Output, RateLimits, TrackerFailure, TrackerId,
    Trouble,
};
use crate::peer_list::{PeerList, PeerSource};
use crate::search::Search;
use crate::storage::TorrentId;
use crate::time::Time;
use crate::torrent::{Dial, Torrent};

use assembly::Assembly;
use layers::{Answer, LayerFetch};
use talk::Talk;

mod assembly;
mod connections;
mod layers;
mod talk;

/// Connections of a seeker: enough to find one that answers, too few to be a burden.
const CONNECTIONS: usize = 30;

/// Connecting and both handshakes must be through in this time.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(20);

/// How often a seeker with connections looks after them.
const TICK: Duration = Duration::from_secs(1);

/// What `left` says while the size is unknown: anything but 0, which would make us a seed (BEP 3). One block, as others
/// have it.
const LEFT_UNKNOWN: u64 = 16 * 1024;

/// What a user sees of a seeker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeekerStatus {
    /// Connections whose handshakes are through.
    pub connections: usize,
    /// Of these, peers that say they have the metadata.
    pub informed: usize,
    /// Addresses known.
    pub known_peers: usize,
    /// Bytes of the info dictionary that are there, and all; `None` while nobody has said how many those are.
    pub metadata: Option<(u32, u32)>,
    /// Piece layers that are there, and all; `None` while the info dictionary is fetched.
    pub layers: Option<(usize, usize)>,
    /// Leave the swarm until resumed.
    pub paused: bool,
    /// Why it stopped for good.
    pub trouble: Option<Trouble>,
}

/// A torrent of a session whose info dictionary is still unknown.
#[derive(Debug)]
pub struct Seeker {
    id: TorrentId,
    wanted: AddMagnet,
    peers: PeerList,
    announcer: Announcer,
    dials: BTreeMap<ConnectionId, Dial>,
    talks: BTreeMap<ConnectionId, Talk>,
    stage: Stage,
    closing: bool,
    trouble: Option<Trouble>,
    search: Search,
    next_tick: Option<Time>,
    found: Option<Arc<Metainfo>>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a seeker has one of it")]
enum Stage {
    Info(InfoFetch),
    Layers { metainfo: Metainfo, fetch: LayerFetch, limits: MessageLimits },
}

#[derive(Debug, Default)]
struct InfoFetch {
    assembly: Option<Assembly>,
    /// Somebody has lied: one peer at a time.
    distrust: bool,
    /// Sizes that came to nothing.
    wrong_sizes: BTreeSet<u32>,
}

impl Seeker {
    pub(crate) fn new(
        id: TorrentId,
        wanted: AddMagnet,
        config: &Config,
        now: Time,
        rng: &mut fastrand::Rng,
    ) -> Self {
        let hashes: Vec<_> = wanted.info_hashes.on_the_wire().collect();
        let mut another_rng = || fastrand::Rng::with_seed(rng.u64(..));
        let mut peers = PeerList::new(config.known_peers(), another_rng());
        for peer in &wanted.peers {
            peers.add(now, *peer, PeerSource::User);
        }
        let announcer_rng = another_rng();
        let announcer =
            Announcer::new(config.announcer, &wanted.tiers(), &hashes, rng.u32(..), announcer_rng);
        Self {
            id,
            wanted,
            peers,
            announcer,
            dials: BTreeMap::new(),
            talks: BTreeMap::new(),
            stage: Stage::Info(InfoFetch::default()),
            closing: false,
            trouble: None,
            search: Search::default(),
            next_tick: None,
            found: None,
        }
    }

    /// Its name in this session; the torrent will have the same.
    #[must_use]
    pub const fn id(&self) -> TorrentId {
        self.id
    }

    /// What is looked for.
    #[must_use]
    pub const fn info_hashes(&self) -> &InfoHashes {
        &self.wanted.info_hashes
    }

    /// The user does not want it to look.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.wanted.paused
    }

    /// Its trackers, by tier.
    pub fn trackers(&self) -> impl Iterator<Item = TrackerStatus> + '_ {
        self.announcer.trackers()
    }

    /// Its figures.
    #[must_use]
    pub fn status(&self) -> SeekerStatus {
        let (metadata, layers) = match &self.stage {
            Stage::Info(fetch) => {
                (fetch.assembly.as_ref().map(|assembly| (assembly.received(), assembly.size())), None)
            }
            Stage::Layers { metainfo, fetch, .. } => {
                let size = u32::try_from(metainfo.info_bytes.len()).unwrap_or(u32::MAX);
                (Some((size, size)), Some(fetch.progress()))
            }
        };
        SeekerStatus {
            connections: self.talks.len(),
            informed: self.talks.values().filter(|talk| talk.size.is_some()).count(),
            known_peers: self.peers.len(),
            metadata,
            layers,
            paused: self.wanted.paused,
            trouble: self.trouble.clone(),
        }
    }

    pub(crate) fn answers_to(&self, info_hash: InfoHash) -> bool {
        self.wanted.info_hashes.on_the_wire().any(|ours| ours == info_hash)
    }

    /// Bytes of metadata that are held or expected.
    pub(crate) fn metadata_in_flight(&self) -> u64 {
        match &self.stage {
            Stage::Info(fetch) => fetch.assembly.as_ref().map_or(0, |assembly| assembly.size().into()),
            Stage::Layers { metainfo, .. } => metainfo.info_bytes.len() as u64,
        }
    }

    /// Everything is known: what the torrent is to be made of.
    pub(crate) const fn take_found(&mut self) -> Option<Arc<Metainfo>> {
        self.found.take()
    }

    /// The torrent, with the connections, addresses and trackers of the seeker.
    pub(crate) fn into_torrent(
        self,
        metainfo: Arc<Metainfo>,
        config: &Config,
        now: Time,
        rng: &mut fastrand::Rng,
    ) -> Torrent {
        let mut torrent =
            Torrent::new(self.id, self.wanted.of_torrent(Arc::clone(&metainfo)), config, now, rng);
        // A hybrid of which the link named one hash only has more to announce than the seeker did.
        let same_swarms = metainfo.info_hashes == self.wanted.info_hashes;
        let announcer = same_swarms.then_some(self.announcer);
        let guests = self.talks.into_values().map(Talk::into_introduction).collect();
        torrent.take_over(self.peers, announcer, guests);
        torrent
    }

    // The user.

    /// Begins to look, unless it is paused.
    pub(crate) fn open(&mut self, cx: &mut Context<'_>) {
        if self.wanted.paused {
            return;
        }
        self.announcer.start(cx.now);
        self.announce(cx);
        self.search.start(cx);
        self.search(cx);
        self.dial(cx);
    }

    /// Asks the DHT for peers, if it is time. Whether the torrent is private is not known yet: who publishes links to
    /// private torrents must not mind.
    fn search(&mut self, cx: &mut Context<'_>) {
        let hashes = self.wanted.info_hashes;
        self.search.poll(cx, self.id, &hashes, false, true);
    }

    pub(crate) fn pause(&mut self, cx: &mut Context<'_>) {
        if !std::mem::replace(&mut self.wanted.paused, true) {
            self.leave_swarm(cx);
        }
    }

    pub(crate) fn resume(&mut self, cx: &mut Context<'_>) {
        if std::mem::replace(&mut self.wanted.paused, false) {
            self.open(cx);
        }
    }

    pub(crate) fn set_trackers(&mut self, cx: &mut Context<'_>, tiers: &[Vec<String>]) {
        self.wanted.extra_trackers.clear();
        self.wanted.trackers = tiers.to_vec();
        self.announcer.set_tiers(cx.now, tiers);
        self.announce(cx);
    }

    /// How the torrent will go about its work.
    #[must_use]
    pub const fn manner(&self) -> Manner {
        self.wanted.manner
    }

    pub(crate) const fn set_manner(&mut self, _: &mut Context<'_>, manner: Manner) {
        self.wanted.manner = manner;
    }

    /// For the torrent that it will be.
    pub(crate) const fn set_sequential(&mut self, on: bool) {
        self.wanted.sequential = on;
    }

    /// For the torrent that it will be.
    pub(crate) const fn set_limits(&mut self, limits: RateLimits) {
        self.wanted.limits = limits;
    }

    /// Leaves the swarm. There is nothing else to be closed.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>) {
        if !std::mem::replace(&mut self.closing, true) {
            self.leave_swarm(cx);
            cx.emit(Event::Removed { torrent: self.id });
        }
    }

    pub(crate) const fn is_closing(&self) -> bool {
        self.closing
    }

    pub(crate) fn add_peers(&mut self, cx: &mut Context<'_>, peers: &[SocketAddr], source: PeerSource) {
        for peer in peers {
            self.peers.add(cx.now, *peer, source);
        }
        self.dial(cx);
    }

    /// See [`crate::Session::network_changed`].
    pub(crate) fn network_changed(&mut self, cx: &mut Context<'_>, announce_at: Time) {
        self.announcer.network_changed(announce_at);
        self.search.hurry();
        self.peers.network_changed(cx.now);
        self.dial(cx);
    }

    pub(crate) fn force_announce(&mut self, cx: &mut Context<'_>) {
        self.announcer.force(cx.now);
        self.announce(cx);
    }

    fn leave_swarm(&mut self, cx: &mut Context<'_>) {
        self.announcer.stop(cx.now);
        self.search.stop();
        self.announce(cx);
        let everyone: Vec<_> = self.talks.keys().chain(self.dials.keys()).copied().collect();
        for connection in everyone {
            self.disconnect(cx, connection, DisconnectReason::Stopped);
        }
        self.next_tick = None;
    }

    const fn takes_part(&self) -> bool {
        !self.wanted.paused && !self.closing && self.trouble.is_none() && self.found.is_none()
    }

    // Time and trackers.

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        let announce = self.announcer.next_time();
        [self.next_tick, announce, self.search.next_time(true)].into_iter().flatten().min()
    }

    pub(crate) fn on_timeout(&mut self, cx: &mut Context<'_>) {
        if self.next_tick.is_some_and(|at| at <= cx.now) {
            self.next_tick = None;
            self.on_tick(cx);
        }
        self.announce(cx);
        self.search(cx);
    }

    fn on_tick(&mut self, cx: &mut Context<'_>) {
        let dials = self.dials.iter().filter(|(_, dial)| cx.now.since(dial.since) >= HANDSHAKE_LIMIT);
        let silent = self.talks.iter().filter(|(_, talk)| talk.is_silent(cx.now));
        let late: Vec<ConnectionId> = dials.map(|(id, _)| *id).chain(silent.map(|(id, _)| *id)).collect();
        for id in late {
            self.disconnect(cx, id, DisconnectReason::Timeout);
        }
        let slow: Vec<ConnectionId> = match &mut self.stage {
            Stage::Info(fetch) => {
                fetch.assembly.as_mut().map(|assembly| assembly.late(cx.now)).into_iter().flatten().collect()
            }
            Stage::Layers { fetch, .. } => fetch.late(cx.now),
        };
        for id in slow {
            if let Some(talk) = self.talks.get_mut(&id) {
                talk.is_late(cx.now);
            }
        }
        for talk in self.talks.values_mut() {
            talk.keep_alive(cx.now);
        }
        self.ask_everyone(cx);
        self.flush(cx);
        self.dial(cx);
        // Who is connected and had what we seek would have given it by the next announce.
        self.announcer.set_lonely(self.dials.is_empty() && !self.peers.has_candidate(cx.now));
    }

    /// Makes sure of the next tick, if there is somebody to look after or to call.
    fn appoint(&mut self, now: Time) {
        let busy = !self.talks.is_empty() || !self.dials.is_empty();
        self.next_tick = if !self.takes_part() {
            None
        } else if busy {
            Some(self.next_tick.map_or(now + TICK, |at| at.min(now + TICK)))
        } else {
            self.peers.next_attempt().map(|at| at.max(now + TICK))
        };
    }

    fn announce(&mut self, cx: &mut Context<'_>) {
        let progress = Progress { left: LEFT_UNKNOWN, ..Progress::default() };
        while let Some(announcement) = self.announcer.poll(cx.now, progress, cx.tracker_hosts) {
            cx.outputs.push_back(Output::Announce {
                torrent: self.id,
                tracker: announcement.tracker,
                url: Arc::clone(&announcement.url),
                request: announcement.into_request(cx.peer_id, cx.config.listen_port),
            });
        }
    }

    pub(crate) fn on_announced(
        &mut self,
        cx: &mut Context<'_>,
        tracker: TrackerId,
        result: Result<AnnounceResponse, TrackerFailure>,
    ) {
        let Some(url) = self.announcer.url(tracker) else { return };
        cx.tracker_hosts.note(cx.now, &url, &result);
        match result {
            Ok(response) => {
                self.announcer.answered(cx.now, tracker, &response);
                let (peers, warning) = (response.peers.len(), response.warning.clone());
                cx.emit(Event::TrackerAnswered { torrent: self.id, url, peers, warning });
                if let Some(ip) = response.external_ip {
                    self.peers.set_external(SocketAddr::new(ip, cx.config.listen_port));
                }
                self.add_peers(cx, &response.peers, PeerSource::Tracker);
            }
            Err(TrackerFailure { reason, .. }) => {
                self.announcer.failed(cx.now, tracker, &reason);
                cx.emit(Event::TrackerFailed { torrent: self.id, url, reason });
            }
        }
        self.announce(cx);
    }

    // What is sought.

    /// Asks whoever can be asked for something that is missing.
    fn ask_everyone(&mut self, cx: &Context<'_>) {
        if !self.takes_part() {
            return;
        }
        match &mut self.stage {
            Stage::Info(fetch) => fetch.ask(&mut self.talks, cx),
            Stage::Layers { fetch, .. } => {
                for (id, talk) in self.talks.iter_mut().filter(|(_, talk)| talk.may_be_asked(cx.now)) {
                    for request in fetch.ask(*id, cx.now) {
                        talk.ask_hashes(request);
                    }
                }
            }
        }
    }

    fn on_metadata(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        message: MetadataMessage,
    ) -> Result<(), DisconnectReason> {
        let Stage::Info(InfoFetch { assembly: Some(assembly), .. }) = &mut self.stage else { return Ok(()) };
        match message {
            // We have nothing to give.
            MetadataMessage::Request { .. } => return Ok(()),
            MetadataMessage::Reject { piece } => {
                if assembly.refused(id, piece)
                    && let Some(talk) = self.talks.get_mut(&id)
                {
                    assembly.left(id);
                    talk.refuses(cx.now);
                }
            }
            MetadataMessage::Data { piece, total_size, data } => {
                if assembly.owed_by(id) == 0 {
                    // It comes too late, or for an attempt that is over.
                    return Ok(());
                }
                if total_size != assembly.size() || !assembly.take(id, piece, &data) {
                    return Err(DisconnectReason::Misbehaved("metadata of another size than announced"));
                }
                if let Some(talk) = self.talks.get_mut(&id) {
                    talk.answers(data.len());
                }
                let (have, size) = (assembly.received(), assembly.size());
                cx.emit(Event::MetadataProgress { torrent: self.id, have, size });
                if assembly.complete().is_some() {
                    self.judge_info(cx);
                }
            }
        }
        self.ask_everyone(cx);
        Ok(())
    }

    /// All pieces are there: is it what was looked for?
    fn judge_info(&mut self, cx: &mut Context<'_>) {
        let Stage::Info(fetch) = &mut self.stage else { return };
        let Some(assembly) = fetch.assembly.take() else { return };
        let Some(bytes) = assembly.complete() else { return };
        let wanted = &self.wanted.info_hashes;
        let agrees = wanted.v1().is_none_or(|hash| Sha1Hash::digest(bytes) == hash)
            && wanted.v2().is_none_or(|hash| Sha256Hash::digest(bytes) == hash);
        if agrees {
            return self.on_info(cx, Bytes::copy_from_slice(bytes));
        }
        fetch.distrust = true;
        fetch.wrong_sizes.insert(assembly.size());
        let senders: Vec<ConnectionId> = assembly.senders().iter().copied().collect();
        // Of several, one at least has lied; the next attempts will show which.
        if let [liar] = senders.as_slice() {
            self.convict(cx, *liar);
        }
    }

    fn on_info(&mut self, cx: &mut Context<'_>, bytes: Bytes) {
        match Metainfo::from_info_bytes(bytes) {
            Ok(metainfo) => match LayerFetch::of(&metainfo.info) {
                Some(fetch) => {
                    let limits = MessageLimits::for_torrent(metainfo.info.piece_count(), true);
                    self.stage = Stage::Layers { metainfo, fetch, limits };
                }
                None => self.found(cx, metainfo),
            },
            // The hash is right, so nobody has lied but the one who made the torrent.
            Err(error) => {
                let trouble = Trouble::Unusable(error.to_string());
                self.trouble = Some(trouble.clone());
                cx.emit(Event::Trouble { torrent: self.id, trouble: Some(trouble) });
                self.leave_swarm(cx);
            }
        }
    }

    fn on_hashes(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        message: Message,
    ) -> Result<(), DisconnectReason> {
        let Stage::Layers { fetch, .. } = &mut self.stage else {
            return Err(DisconnectReason::Misbehaved("hashes that nobody asked for"));
        };
        match message {
            Message::Hashes { request, hashes } => match (hashes.len(), fetch.take(id, request, hashes)) {
                (_, Answer::Unasked) => {}
                (count, Answer::Taken) => {
                    if let Some(talk) = self.talks.get_mut(&id) {
                        talk.sent_hashes(count);
                    }
                }
                (_, Answer::Wrong) => self.convict(cx, id),
            },
            Message::HashReject(request) => {
                fetch.refused(id, request);
                if let Some(talk) = self.talks.get_mut(&id) {
                    talk.refuses(cx.now);
                }
            }
            _ => {}
        }
        if let Stage::Layers { metainfo, fetch, .. } = &mut self.stage
            && let Some(layers) = fetch.take_complete()
        {
            let mut metainfo = metainfo.clone();
            metainfo.piece_layers = layers;
            self.found(cx, metainfo);
        }
        self.ask_everyone(cx);
        Ok(())
    }

    fn found(&mut self, cx: &mut Context<'_>, metainfo: Metainfo) {
        let metainfo = Arc::new(metainfo);
        cx.emit(Event::MetadataReceived { torrent: self.id, metainfo: Arc::clone(&metainfo) });
        // Calls that are under way would reach nobody: the torrent makes its own.
        let dials: Vec<ConnectionId> = self.dials.keys().copied().collect();
        for id in dials {
            cx.outputs.push_back(Output::Disconnect { connection: id });
            if let Some(dial) = self.dials.remove(&id) {
                self.peers.set_free(cx.now, dial.address);
            }
        }
        self.found = Some(metainfo);
    }
}

impl InfoFetch {
    fn ask(&mut self, talks: &mut BTreeMap<ConnectionId, Talk>, cx: &Context<'_>) {
        let size = self.assembly.as_ref().map(Assembly::size);
        let deserted =
            |size: u32| !talks.values().any(|talk| talk.size == Some(size) && talk.may_be_asked(cx.now));
        if size.is_none_or(deserted) {
            // An attempt that nobody can go on with makes room for one of another size.
            self.assembly = self.choose_size(talks, cx).map(Assembly::new).or(self.assembly.take());
        }
        let Some(assembly) = &mut self.assembly else { return };
        let size = assembly.size();
        let mut sources =
            talks.iter_mut().filter(|(_, talk)| talk.size == Some(size) && talk.may_be_asked(cx.now));
        if self.distrust {
            // Whoever has begun goes on alone; else the one who has been there longest begins.
            let begun = assembly.senders().first().copied();
            let only = sources.by_ref().find(|(id, _)| begun.is_none_or(|begun| begun == **id));
            match only {
                Some((id, talk)) => ask_one(assembly, *id, talk, cx.now),
                // The one who had begun is gone: what it sent is worth nothing without the rest.
                None if begun.is_some() => self.assembly = Some(Assembly::new(size)),
                None => {}
            }
            return;
        }
        for (id, talk) in sources {
            ask_one(assembly, *id, talk, cx.now);
        }
    }

    /// What most peers say, and among equals the smaller; sizes that came to nothing come last.
    fn choose_size(&self, talks: &BTreeMap<ConnectionId, Talk>, cx: &Context<'_>) -> Option<u32> {
        let mut votes: BTreeMap<u32, usize> = BTreeMap::new();
        for talk in talks.values().filter(|talk| talk.may_be_asked(cx.now)) {
            if let Some(size) = talk.size.filter(|size| u64::from(*size) <= cx.metadata_left) {
                *votes.entry(size).or_default() += 1;
            }
        }
        let rank = |(size, votes): &(u32, usize)| {
            (self.wrong_sizes.contains(size), std::cmp::Reverse(*votes), *size)
        };
        votes.into_iter().min_by_key(rank).map(|(size, _)| size)
    }
}

fn ask_one(assembly: &mut Assembly, id: ConnectionId, talk: &mut Talk, now: Time) {
    while assembly.owed_by(id) < talk.window() {
        let Some(piece) = assembly.ask(id, now) else { break };
        talk.ask_metadata(piece);
    }
}
