//! The session is told what happens, and what it asks for is done.

use std::time::Duration;

use sprat_core::io::{ConnectionId, TrackerFailure, TrackerId};
use sprat_core::peer_list::PeerSource;
use sprat_core::storage::{StorageRequest, TorrentId};
use sprat_core::time::Time;
use sprat_core::{Input, Output};
use sprat_wire::tracker::AnnounceRequest;

use super::{Peer, Presence};
use crate::desk::Context;
use crate::event::{Announced, Asked, PeerEvent, Question};
use crate::report::Violation;

/// A session that is woken so often within one instant will never stop.
const WAKES_AT_ONCE: u32 = 100;

impl Peer {
    pub(super) fn wake(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        if self.wake_at != Some(now) || self.presence != Presence::Present {
            return;
        }
        self.wake_at = None;
        // It may have changed its mind since.
        if self.poll_timeout().is_none_or(|wanted| wanted > now) {
            return self.plan_wake(cx);
        }
        self.wakes += 1;
        self.wakes_at_once = if self.last_wake == Some(now) { self.wakes_at_once + 1 } else { 0 };
        self.last_wake = Some(now);
        if self.wakes_at_once > WAKES_AT_ONCE {
            let detail = format!("wants to be woken at {:?} again and again", self.poll_timeout());
            return cx.violate(Violation::Spin { at: now, peer: self.number, detail });
        }
        self.note(b'w', 0);
        self.feed(cx, Input::Timeout);
    }

    /// Hands something to the session and does what it says.
    pub(super) fn feed(&mut self, cx: &mut Context<'_>, input: Input) {
        if self.presence == Presence::Present {
            self.handle_input(cx.now, input);
            self.drain(cx);
        }
    }

    pub(super) fn drain(&mut self, cx: &mut Context<'_>) {
        while let Some(output) = self.poll_output() {
            self.execute(cx, output);
        }
        self.plan_wake(cx);
    }

    /// Sooner than planned is planned anew; later is noticed when it is woken.
    fn plan_wake(&mut self, cx: &mut Context<'_>) {
        let Some(wanted) = self.poll_timeout().map(|at| at.max(cx.now)) else { return };
        if self.wake_at.is_none_or(|planned| wanted < planned) {
            self.wake_at = Some(wanted);
            self.later(cx, wanted, PeerEvent::Wake);
        }
    }

    fn execute(&mut self, cx: &mut Context<'_>, output: Output) {
        match output {
            Output::Connect { connection, address } => self.call(cx, connection, address),
            Output::Send { connection, bytes } => self.send(cx, connection, bytes),
            Output::Disconnect { connection } => {
                self.note(b'x', connection.0);
                self.close(cx, connection);
            }
            Output::Storage(request) => self.ask_disk(cx, request),
            Output::FindPeers { torrent, info_hash, seed: _ } => {
                self.note(b'h', 0);
                self.ask(cx, torrent, Duration::ZERO, Asked::Dht(info_hash));
            }
            // The DHT of a simulation has no nodes; and what a reader needs is asked for, and never read.
            Output::DhtNode { .. } | Output::Read { .. } => {}
            Output::HeardOf { torrent, peers, .. } => {
                let found = Input::FoundPeers { torrent, source: PeerSource::Pex, peers };
                self.session.handle_input(cx.now, found);
            }
            Output::Announce { torrent, tracker, url, request } => {
                self.announce(cx, torrent, tracker, &url, request);
            }
            Output::LoadMetadata { torrent } => {
                self.later(cx, cx.now + self.config.disk_latency, PeerEvent::Metadata(torrent));
            }
            Output::Event(event) => self.watch(cx, &event),
        }
    }

    fn ask_disk(&mut self, cx: &mut Context<'_>, request: StorageRequest) {
        self.note(b'q', 0);
        if let StorageRequest::Commit { have, .. } = &request
            && !have.is_subset_of(self.disk.have())
        {
            return cx.violate(Violation::UnverifiedPiece { at: cx.now, peer: self.number });
        }
        if let Some(reply) = self.disk.serve(request) {
            let usual = self.config.disk_latency + self.disk.delay();
            let latency = usual + some_of(self.config.disk_faults.jitter, &mut self.rng);
            let at = self.disk.answer_time(cx.now + latency, &reply);
            self.later(cx, at, PeerEvent::Disk(Box::new(reply)));
        }
    }

    fn announce(
        &mut self,
        cx: &mut Context<'_>,
        torrent: TorrentId,
        id: TrackerId,
        url: &str,
        request: AnnounceRequest,
    ) {
        self.note(b'a', u64::from(id.0));
        let latency = self.config.latency;
        match cx.world.tracker(url) {
            Some((tracker, way)) => {
                self.ask(cx, torrent, way, Asked::Tracker(id, tracker, request));
            }
            None => {
                let result = Err(TrackerFailure::unreachable("no such host"));
                let announced = Announced { torrent, tracker: id, result };
                self.later(cx, cx.now + latency * 2, PeerEvent::Announced(Box::new(announced)));
            }
        }
    }

    /// Sends a question on its way, which is so long beyond our own line.
    fn ask(&mut self, cx: &mut Context<'_>, torrent: TorrentId, way: Duration, to: Asked) {
        let (at, order) = (cx.now + self.config.latency + way, self.next_order());
        let (peer, life) = (self.number, self.life);
        cx.desk.questions.push(Question { at, order, peer, life, torrent, to });
    }

    // Whoever acts here, the session or what is in its place.

    fn handle_input(&mut self, now: Time, input: Input) {
        match &mut self.hostile {
            Some(hostile) => hostile.handle_input(now, input),
            None => self.session.handle_input(now, input),
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        match &mut self.hostile {
            Some(hostile) => hostile.poll_output(),
            None => self.session.poll_output(),
        }
    }

    fn poll_timeout(&self) -> Option<Time> {
        match &self.hostile {
            Some(hostile) => hostile.poll_timeout(),
            None => self.session.poll_timeout(),
        }
    }

    pub(super) fn allocate_connection(&mut self) -> ConnectionId {
        match &mut self.hostile {
            Some(hostile) => hostile.allocate_connection(),
            None => self.session.allocate_connection(),
        }
    }

    pub(super) fn shut_down(&mut self, now: Time) {
        match &mut self.hostile {
            Some(hostile) => hostile.shut_down(),
            None => self.session.shut_down(now),
        }
    }

    /// Several things at once, before it is heard what the session says to them.
    pub(super) fn feed_all(&mut self, cx: &mut Context<'_>, inputs: impl IntoIterator<Item = Input>) {
        if self.presence == Presence::Present {
            for input in inputs {
                self.handle_input(cx.now, input);
            }
            self.drain(cx);
        }
    }
}

fn some_of(most: Duration, rng: &mut fastrand::Rng) -> Duration {
    // A disk without faults draws no random numbers.
    let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(if most == 0 { 0 } else { rng.u64(..=most) })
}
