//! A torrent that has everything and nobody to give it to: it stays in its swarms, and holds little more than its name. Or one
//! that the user has paused, and that holds no more.
//!
//! Whoever has ten thousand torrents has few that are asked for at a time. A sleeper keeps its appointments with trackers and
//! the DHT. When somebody comes, or is to be called, or the user wants something of it, it asks for its metadata
//! ([`Output::LoadMetadata`]) and becomes a [`Torrent`] again, which takes over whoever has come.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sprat_wire::hash::{InfoHash, InfoHashes};
use sprat_wire::metainfo::Metainfo;
use sprat_wire::tracker::AnnounceResponse;

use crate::announcer::{Announcer, Progress, TrackerStatus};
use crate::config::Config;
use crate::connection::Introduction;
use crate::context::Context;
use crate::io::{
    AddSleeping, AddTorrent, ConnectionId, DisconnectReason, Event, FilePriority, Manner, MetadataError,
    Output, RateLimits, Totals, TrackerFailure, TrackerId, Trouble,
};
use crate::memory::{Weight, weight};
use crate::peer_list::{PeerList, PeerSource};
use crate::search::Search;
use crate::storage::{Files, StorageError, StorageErrorKind, TorrentId};
use crate::time::Time;
use crate::torrent::Torrent;

/// Bytes that somebody may send before the torrent is awake.
const GUEST_BYTES: usize = 64 * 1024;

/// Callers that wait until the torrent is awake; more are sent away.
const GUESTS: usize = 50;

/// Addresses named by the DHT, and one neighbour who names itself again and again, are worth a look so often: most are seeders,
/// who want nothing of us.
const LOOK_AFTER: Duration = Duration::from_secs(3600);

/// Whom it remembers to call when it is awake, at the most.
const PEERS: usize = 200;

/// How soon metadata that could not be loaded is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// A torrent of a session that is asleep, or about to wake.
#[derive(Debug)]
pub struct Sleeper {
    id: TorrentId,
    wish: AddSleeping,
    announcer: Announcer,
    search: Search,
    /// When it is its turn to look into the DHT, if it wants to.
    look_at: Option<Time>,
    /// Whom it will want to call. They were named while it slept.
    peers: Vec<SocketAddr>,
    guests: BTreeMap<ConnectionId, Introduction>,
    /// The metadata was asked for.
    is_waking: bool,
    /// It must not wake, nor take part in its swarm: its files are elsewhere just now.
    is_held: bool,
    /// What becomes of the files, when the user has removed it.
    closing: Option<Files>,
    is_gone: bool,
    found: Option<Arc<Metainfo>>,
    trouble: Option<Trouble>,
    next_look: Time,
    /// The last one on the local network who has named it, and when it was looked at.
    neighbour: Option<(SocketAddr, Time)>,
    retry_at: Option<Time>,
}

impl Sleeper {
    /// One that was asleep when the session before this one ended.
    pub(crate) fn new(
        id: TorrentId,
        mut wish: AddSleeping,
        config: &Config,
        now: Time,
        rng: &mut fastrand::Rng,
    ) -> Self {
        let hashes: Vec<_> = wish.info_hashes.on_the_wire().collect();
        // The announcer has them.
        let tiers = std::mem::take(&mut wish.tiers);
        let announcer_rng = fastrand::Rng::with_seed(rng.u64(..));
        let announcer = Announcer::new(config.announcer, &tiers, &hashes, rng.u32(..), announcer_rng);
        Self::lie_down(id, now, wish, announcer)
    }

    /// One that falls asleep now, with what its trackers know of it.
    pub(crate) fn lie_down(id: TorrentId, now: Time, wish: AddSleeping, mut announcer: Announcer) -> Self {
        announcer.set_patient(true);
        Self {
            id,
            wish,
            announcer,
            search: Search::default(),
            look_at: None,
            peers: Vec::new(),
            guests: BTreeMap::new(),
            is_waking: false,
            is_held: false,
            closing: None,
            is_gone: false,
            found: None,
            trouble: None,
            next_look: now + LOOK_AFTER,
            neighbour: None,
            retry_at: None,
        }
    }

    /// Its name in this session; it has the same when it is awake.
    #[must_use]
    pub const fn id(&self) -> TorrentId {
        self.id
    }

    /// What it is.
    #[must_use]
    pub const fn info_hashes(&self) -> &InfoHashes {
        &self.wish.info_hashes
    }

    /// Nobody but its trackers may hear of it (BEP 27).
    #[must_use]
    pub const fn is_private(&self) -> bool {
        self.wish.private
    }

    /// The user does not want it to take part.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.wish.paused
    }

    /// It is about to be a torrent.
    #[must_use]
    pub const fn is_waking(&self) -> bool {
        self.is_waking
    }

    /// It sleeps until it is released, whoever comes.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.is_held
    }

    /// Why it cannot wake.
    #[must_use]
    pub const fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// What was counted so far.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.wish.totals
    }

    /// Bytes of the whole torrent that it lacks, as far as is known.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.wish.left
    }

    /// Its trackers, by tier.
    pub fn trackers(&self) -> impl Iterator<Item = TrackerStatus> + '_ {
        self.announcer.trackers()
    }

    pub(crate) fn answers_to(&self, info_hash: InfoHash) -> bool {
        self.wish.info_hashes.on_the_wire().any(|ours| ours == info_hash)
    }

    pub(crate) const fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// There is nothing more to be done for it.
    pub(crate) const fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Its metadata, when it has come: it is awake.
    pub(crate) const fn take_found(&mut self) -> Option<Arc<Metainfo>> {
        self.found.take()
    }

    /// The torrent, with everything that was given to the sleeper, and what is to become of it at once.
    pub(crate) fn into_torrent(
        mut self,
        metainfo: Arc<Metainfo>,
        config: &Config,
        now: Time,
        rng: &mut fastrand::Rng,
    ) -> (Torrent, Option<Files>) {
        let AddSleeping { priorities, sequential, limits, totals, paused, recheck, manner, .. } = self.wish;
        let peers = PeerList::new(config.known_peers(), fastrand::Rng::with_seed(rng.u64(..)));
        let add = AddTorrent { priorities, sequential, limits, paused, manner, ..AddTorrent::new(metainfo) };
        let mut torrent = Torrent::new(self.id, add, config, now, rng);
        self.announcer.set_patient(false);
        torrent.take_over(peers, Some(self.announcer), self.guests);
        torrent.carry_on(now, totals, recheck, &self.peers);
        (torrent, self.closing)
    }

    // The user.

    pub(crate) fn open(&mut self, cx: &mut Context<'_>) {
        if self.wish.recheck || !(self.wish.complete || self.wish.paused) {
            return self.wake(cx);
        }
        if self.wish.paused || self.is_held {
            return;
        }
        self.announcer.start(cx.now);
        self.announce(cx);
        if !self.wish.private {
            self.search.start(cx);
            self.search(cx);
        }
    }

    /// It has just fallen asleep. What the user has said while it did may still be to be done.
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>) {
        if self.wish.recheck {
            self.wake(cx);
        }
        if self.wish.paused || self.is_held {
            return;
        }
        if !self.announcer.is_active() {
            self.announcer.start(cx.now);
        }
        if !self.wish.private {
            self.search.resume(cx);
        }
        self.announce(cx);
    }

    pub(crate) fn pause(&mut self, cx: &mut Context<'_>) {
        if !std::mem::replace(&mut self.wish.paused, true) {
            self.leave_swarm(cx);
        }
    }

    pub(crate) fn resume(&mut self, cx: &mut Context<'_>) {
        if std::mem::replace(&mut self.wish.paused, false) {
            self.open(cx);
            self.force_announce(cx);
        }
    }

    /// Leaves the swarm. From now on nothing wakes it, and what is asked of it is done when it is released.
    pub(crate) fn hold(&mut self, cx: &mut Context<'_>) {
        if !std::mem::replace(&mut self.is_held, true) {
            self.is_waking = false;
            self.retry_at = None;
            self.leave_swarm(cx);
        }
    }

    pub(crate) fn release(&mut self, cx: &mut Context<'_>) {
        if !std::mem::replace(&mut self.is_held, false) {
            return;
        }
        if self.closing.is_some() {
            self.wake(cx);
        } else {
            self.open(cx);
        }
    }

    pub(crate) fn set_trackers(&mut self, cx: &mut Context<'_>, tiers: &[Vec<String>]) {
        self.announcer.set_tiers(cx.now, tiers);
        self.announce(cx);
    }

    pub(crate) const fn set_limits(&mut self, limits: RateLimits) {
        self.wish.limits = limits;
    }

    /// How it goes about its work.
    #[must_use]
    pub const fn manner(&self) -> Manner {
        self.wish.manner
    }

    pub(crate) const fn set_manner(&mut self, _: &mut Context<'_>, manner: Manner) {
        self.wish.manner = manner;
    }

    pub(crate) const fn set_sequential(&mut self, on: bool) {
        self.wish.sequential = on;
    }

    /// What it has is hashed again when it is awake.
    pub(crate) fn recheck(&mut self, cx: &mut Context<'_>) {
        self.wish.recheck = true;
        self.wake(cx);
    }

    /// Something may be missing now that was not wanted before.
    pub(crate) fn change_priorities(&mut self, cx: &mut Context<'_>, priorities: &[FilePriority]) {
        self.wish.priorities = priorities.to_vec();
        // Whether it has everything is seen when it is awake.
        self.wish.complete &= !self.is_held;
        self.wake(cx);
    }

    /// Leaves the swarm. If its files are to stay, that is all; otherwise it must know which they are, and until then the user may yet
    /// let them stay.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>, files: Files) {
        if self.closing.is_some() && files != Files::Forget {
            return;
        }
        self.closing = Some(files);
        self.leave_swarm(cx);
        if files == Files::Delete {
            self.wake(cx);
        } else {
            self.go(cx);
        }
    }

    fn go(&mut self, cx: &mut Context<'_>) {
        if !std::mem::replace(&mut self.is_gone, true) {
            cx.emit(Event::Removed { torrent: self.id });
        }
    }

    pub(crate) fn add_peers(&mut self, cx: &mut Context<'_>, peers: &[SocketAddr]) {
        // One that is held cannot wake, however many are named.
        let room = PEERS.saturating_sub(self.peers.len());
        self.peers.extend(peers.iter().take(room));
        self.wake(cx);
    }

    /// The DHT or somebody else has named peers.
    pub(crate) fn hear_of(&mut self, cx: &mut Context<'_>, source: PeerSource, peers: &[SocketAddr]) {
        if self.wish.private || self.wish.paused || peers.is_empty() {
            return;
        }
        if source == PeerSource::Lsd {
            return self.meet(cx, peers);
        }
        if cx.now >= self.next_look {
            self.next_look = cx.now + LOOK_AFTER;
            self.add_peers(cx, peers);
        }
    }

    /// Somebody on the local network has it, or wants it.
    fn meet(&mut self, cx: &mut Context<'_>, peers: &[SocketAddr]) {
        let is_news = |(known, at): (SocketAddr, Time)| peers != [known] || cx.now >= at + LOOK_AFTER;
        if self.neighbour.is_none_or(is_news) {
            self.neighbour = peers.first().map(|peer| (*peer, cx.now));
            self.add_peers(cx, peers);
        }
    }

    /// See [`crate::Session::network_changed`]. To the DHT its turn comes as usual.
    pub(crate) fn network_changed(&mut self, announce_at: Time) {
        self.announcer.network_changed(announce_at);
    }

    pub(crate) fn force_announce(&mut self, cx: &mut Context<'_>) {
        self.announcer.force(cx.now);
        self.announce(cx);
    }

    /// Asks for the metadata.
    pub(crate) fn wake(&mut self, cx: &mut Context<'_>) {
        if !self.is_held && !std::mem::replace(&mut self.is_waking, true) {
            self.retry_at = None;
            cx.outputs.push_back(Output::LoadMetadata { torrent: self.id });
        }
    }

    pub(crate) fn on_metadata(&mut self, cx: &mut Context<'_>, result: Result<Arc<Metainfo>, MetadataError>) {
        if !std::mem::take(&mut self.is_waking) {
            return;
        }
        let failure = match result {
            Ok(metainfo) if self.wish.info_hashes.mean(&metainfo.info_hashes) => {
                self.found = Some(metainfo);
                if self.trouble.take().is_some() {
                    cx.emit(Event::Trouble { torrent: self.id, trouble: None });
                }
                return;
            }
            Ok(_) => "the metadata is that of another torrent".to_owned(),
            Err(MetadataError::Lost(reason)) if self.closing == Some(Files::Delete) => {
                let reason = format!("nobody knows any more which files the torrent has made: {reason}");
                cx.emit(Event::FilesLeft { torrent: self.id, reason });
                return self.go(cx);
            }
            Err(error) => error.to_string(),
        };
        for id in std::mem::take(&mut self.guests).into_keys() {
            cx.outputs.push_back(Output::Disconnect { connection: id });
        }
        self.retry_at = Some(cx.now + RETRY_AFTER);
        let trouble = Trouble::Storage(StorageError { kind: StorageErrorKind::Io, detail: failure });
        if self.trouble.as_ref() != Some(&trouble) {
            self.trouble = Some(trouble.clone());
            cx.emit(Event::Trouble { torrent: self.id, trouble: Some(trouble) });
        }
    }

    fn leave_swarm(&mut self, cx: &mut Context<'_>) {
        self.announcer.stop(cx.now);
        self.search.stop();
        self.look_at = None;
        self.announce(cx);
        for id in std::mem::take(&mut self.guests).into_keys() {
            cx.outputs.push_back(Output::Disconnect { connection: id });
        }
    }

    // Those who come.

    pub(crate) fn accept(&mut self, cx: &mut Context<'_>, introduction: Introduction) {
        let is_welcome =
            !self.wish.paused && !self.is_held && self.closing.is_none() && self.guests.len() < GUESTS;
        if !is_welcome {
            cx.outputs.push_back(Output::Disconnect { connection: introduction.id });
            return;
        }
        self.guests.insert(introduction.id, introduction);
        self.wake(cx);
    }

    pub(crate) fn on_received(&mut self, cx: &mut Context<'_>, id: ConnectionId, bytes: Bytes) {
        let Some(guest) = self.guests.get_mut(&id) else { return };
        guest.deframer.push(bytes);
        if guest.deframer.buffered() > GUEST_BYTES {
            let (address, torrent) = (guest.address, self.id);
            let reason = DisconnectReason::Misbehaved("a flood of messages before the metadata");
            self.guests.remove(&id);
            cx.outputs.push_back(Output::Disconnect { connection: id });
            cx.emit(Event::PeerDisconnected { torrent, address, reason });
        }
    }

    /// Bytes held for those who wait.
    pub(crate) fn guests_hold(&self) -> usize {
        self.guests.values().map(Introduction::holds).sum()
    }

    /// Of those who wait, the one that holds most.
    pub(crate) fn heaviest(&self) -> Option<(Weight, ConnectionId)> {
        self.guests.values().map(|guest| (weight(guest.holds(), 0), guest.id)).max()
    }

    /// Lets one go that waits.
    pub(crate) fn shed(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        if self.guests.remove(&id).is_some() {
            cx.outputs.push_back(Output::Disconnect { connection: id });
        }
    }

    pub(crate) fn on_closed(&mut self, id: ConnectionId) {
        self.guests.remove(&id);
    }

    // Time and trackers.

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        let look = self.look_at.or_else(|| self.search.next_time(false));
        [self.announcer.next_time(), look, self.retry_at].into_iter().flatten().min()
    }

    pub(crate) fn on_timeout(&mut self, cx: &mut Context<'_>) {
        if self.retry_at.is_some_and(|at| at <= cx.now) {
            self.retry_at = None;
            // Unless somebody comes, nothing is lost by sleeping on.
            if self.closing.is_some() || self.wish.recheck {
                self.wake(cx);
            }
        }
        self.announce(cx);
        self.search(cx);
    }

    /// Looks into the DHT, if it is time and its turn.
    fn search(&mut self, cx: &mut Context<'_>) {
        if self.search.next_time(false).is_none_or(|at| at > cx.now) {
            return;
        }
        let turn = *self.look_at.get_or_insert_with(|| cx.lookups.take(cx.now));
        if turn > cx.now {
            return;
        }
        self.look_at = None;
        let hashes = self.wish.info_hashes;
        self.search.poll(cx, self.id, &hashes, true, false);
    }

    fn announce(&mut self, cx: &mut Context<'_>) {
        let Totals { uploaded, downloaded, .. } = self.wish.totals;
        let progress = Progress { uploaded, downloaded, left: self.wish.left };
        while let Some(announcement) = self.announcer.poll(cx.now, progress, cx.tracker_hosts) {
            cx.outputs.push_back(Output::Announce {
                torrent: self.id,
                tracker: announcement.tracker,
                url: Arc::clone(&announcement.url),
                request: announcement.into_request(cx.peer_id, cx.config.listen_port),
            });
        }
    }

    /// Where somebody downloads who may not be able to call us, it wakes and calls.
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
                let is_wanted = response.incomplete.is_none_or(|leechers| leechers > 0);
                if is_wanted && !response.peers.is_empty() && !self.wish.paused {
                    self.add_peers(cx, &response.peers);
                }
            }
            Err(TrackerFailure { reason, .. }) => {
                self.announcer.failed(cx.now, tracker, &reason);
                cx.emit(Event::TrackerFailed { torrent: self.id, url, reason });
            }
        }
        self.announce(cx);
    }
}
