//! A peer: a session, its line, its disk, and what is known of it.
//!
//! What happens to it is told to the session, and what the session says is done, here and in the submodules. A peer
//! touches nothing but itself and the [`Desk`](crate::desk::Desk) of its shard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sprat_core::bitfield::Bitfield;
use sprat_core::config::Config;
use sprat_core::io::{ConnectionId, Manner, RateLimits};
use sprat_core::peer_list::PeerSource;
use sprat_core::sleeper::Sleeper;
use sprat_core::storage::TorrentId;
use sprat_core::time::Time;
use sprat_core::{Input, Session};

use crate::account::Account;
use crate::behaviour::Behaviour;
use crate::content::Content;
use crate::desk::Context;
use crate::disk::{Disk, DiskFaults};
use crate::event::{Addressed, PeerEvent};
use crate::hostile::Hostile;
use crate::network::{Departed, Line, Network};
use crate::peer_number::{LISTEN_PORT, Life, PeerNumber};
use crate::place::{Nat, Region};
use crate::report::{Counted, Traffic, Violation};
use crate::trace::Trace;
use crate::wire_watch::WireWatch;

mod coming_and_going;
mod connections;
mod overhearing;
mod session;
mod watching;

/// So many events within one instant are no coincidence.
const EVENTS_AT_ONCE: u32 = 10_000;

/// When a peer leaves. It says goodbye to the tracker, and its connections are closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Departure {
    /// Never.
    #[default]
    Never,
    /// At this time.
    At(Duration),
    /// So long after it has everything.
    AfterCompletion(Duration),
    /// As soon as every piece is had by at least one of the others.
    OnceReplicated,
    /// As soon as it has so many pieces: somebody loses patience on the way.
    AtPieces(u32),
}

/// A peer to be put into the network.
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// Capacity of its uplink, bytes per second.
    pub upload: u64,
    /// Capacity of its downlink, bytes per second.
    pub download: u64,
    /// From the peer to the edge of the network; the way to another peer takes both their latencies.
    pub latency: Duration,
    /// In which part of the world that is; `None` is near everything.
    pub region: Option<Region>,
    /// Whether others can call it.
    pub nat: Nat,
    /// With whom it shares a subnet, a /24: all peers with the same number, 254 at most. `None` for one of its own.
    pub subnet: Option<u8>,
    /// How long its disk takes for an answer.
    pub disk_latency: Duration,
    /// What goes wrong with its disk.
    pub disk_faults: DiskFaults,
    /// What kind of peer it is.
    pub behaviour: Behaviour,
    /// It has all of the content from the start.
    pub has_everything: bool,
    /// It has so many thousandths of the pieces from the start, drawn at random.
    pub has_per_mille: u16,
    /// It knows only the torrent's name and trackers, as from a magnet link.
    pub from_magnet: bool,
    /// It fetches pieces in order rather than rarest first.
    pub sequential: bool,
    /// What else its user has chosen.
    pub manner: Manner,
    /// It begins to read in the middle: so long after it has come, from this piece on.
    pub reads: Option<(Duration, u32)>,
    /// Which group of peers it is counted in, for the figures.
    pub group: u16,
    /// When it comes.
    pub joins: Duration,
    /// When it leaves.
    pub leaves: Departure,
    /// Peers whose addresses it is given from the start.
    pub knows: Vec<PeerNumber>,
    /// The settings of its session. The listening port is the simulation's choice.
    pub session: Config,
}

impl Default for PeerConfig {
    /// 1 MiB/s up, 4 MiB/s down, 20 ms to the edge.
    fn default() -> Self {
        Self {
            upload: 1 << 20,
            download: 4 << 20,
            latency: Duration::from_millis(20),
            region: None,
            nat: Nat::None,
            subnet: None,
            disk_latency: Duration::from_millis(2),
            disk_faults: DiskFaults::default(),
            behaviour: Behaviour::Honest,
            has_everything: false,
            has_per_mille: 0,
            from_magnet: false,
            sequential: false,
            manner: Manner::USUAL,
            reads: None,
            group: 0,
            joins: Duration::ZERO,
            leaves: Departure::Never,
            knows: Vec::new(),
            session: Config::default(),
        }
    }
}

/// Where a peer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Expected,
    Present,
    Gone,
}

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) number: PeerNumber,
    pub(crate) config: PeerConfig,
    pub(crate) presence: Presence,
    pub(crate) session: Session,
    /// What acts in place of the session.
    pub(crate) hostile: Option<Hostile>,
    pub(crate) torrent: Option<TorrentId>,
    pub(crate) disk: Disk,
    pub(crate) line: Line,
    /// When the line is going to be called.
    line_timer_at: Option<Time>,
    /// What has just left the line.
    departed: Vec<Departed>,
    /// What the session is going to hear of that.
    sent: Vec<Input>,
    heard: Vec<Bytes>,
    rng: fastrand::Rng,
    /// What was said and heard on each connection.
    wires: BTreeMap<ConnectionId, WireWatch>,
    /// When it had a new piece last, or began.
    pub(crate) progress_at: Time,
    /// What the session counted as had a second ago.
    had: Option<Bitfield>,
    /// When the session is going to be woken.
    wake_at: Option<Time>,
    /// Times it was woken within the same instant.
    wakes_at_once: u32,
    last_wake: Option<Time>,
    last_event: Time,
    events_at_once: u32,
    pub(crate) joined_at: Option<Time>,
    pub(crate) completed_at: Option<Time>,
    /// When it had its first piece of this run, and when it had 95 of 100 pieces.
    pub(crate) first_piece_at: Option<Time>,
    pub(crate) nearly_complete_at: Option<Time>,
    /// What sessions that are gone had counted.
    counted: Counted,
    /// What it has given.
    pub(crate) account: Account,
    pub(crate) traffic: Traffic,
    pub(crate) wakes: u64,
    pub(crate) banned_by: u32,
    pub(crate) leaving: bool,
    /// It is down, and is going to start again.
    crashed: bool,
    /// Its machine is suspended until then.
    asleep_until: Time,
    /// How often it has crashed.
    life: Life,
    /// What has happened to it, and what it has done.
    trace: Trace,
    /// How many events it has caused.
    caused: u64,
}

impl Peer {
    pub(crate) fn new(
        number: PeerNumber,
        config: PeerConfig,
        mut disk: Disk,
        network: Network,
        rng: &mut fastrand::Rng,
    ) -> Self {
        if let Behaviour::Poisoner { per_mille } = config.behaviour {
            disk.corrupt_reads(per_mille, fastrand::Rng::with_seed(rng.u64(..)));
        }
        let mut own_rng = fastrand::Rng::with_seed(rng.u64(..));
        Self {
            number,
            presence: Presence::Expected,
            session: session(&config, &mut own_rng),
            hostile: hostile(&config, disk.content(), &mut own_rng),
            torrent: None,
            disk,
            line: Line::new(network, config.upload, config.download, &mut own_rng),
            line_timer_at: None,
            departed: Vec::new(),
            sent: Vec::new(),
            heard: Vec::new(),
            rng: own_rng,
            wires: BTreeMap::new(),
            had: None,
            progress_at: Time::ZERO,
            wake_at: None,
            wakes_at_once: 0,
            last_wake: None,
            last_event: Time::ZERO,
            events_at_once: 0,
            joined_at: None,
            completed_at: None,
            first_piece_at: None,
            nearly_complete_at: None,
            counted: Counted::default(),
            account: Account::default(),
            traffic: Traffic::default(),
            wakes: 0,
            banned_by: 0,
            leaving: false,
            crashed: false,
            asleep_until: Time::ZERO,
            life: 0,
            trace: Trace::new(),
            caused: 0,
            config,
        }
    }

    /// Something happens to it that was set in motion in one of its lives.
    pub(crate) fn happen(&mut self, cx: &mut Context<'_>, life: Life, event: PeerEvent) {
        self.trace.number(cx.now.as_nanos());
        self.events_at_once = if self.last_event == cx.now { self.events_at_once + 1 } else { 0 };
        self.last_event = cx.now;
        if self.events_at_once > EVENTS_AT_ONCE {
            let detail = format!("events go on within one instant: {event:?}");
            return cx.violate(Violation::Spin { at: cx.now, peer: self.number, detail });
        }
        if self.is_asleep(cx.now) {
            return self.put_off(cx, life, event);
        }
        match event {
            PeerEvent::Join => self.join(cx),
            PeerEvent::Leave => self.leave(cx),
            PeerEvent::Ring(call) => self.ring(cx, &call),
            PeerEvent::Arrive(_, parcel) | PeerEvent::Deliver(_, parcel) if life != self.life => {
                self.lose_parcel(cx, &parcel);
            }
            PeerEvent::Connected(connection, route) => {
                let is_open = life == self.life && self.line.connected(connection, route);
                self.connected(cx, connection, route, is_open);
            }
            _ if life != self.life => {}
            PeerEvent::Wake => self.wake(cx),
            PeerEvent::Refused(connection) => self.refused(cx, connection),
            PeerEvent::UplinkFree => self.uplink_free(cx),
            PeerEvent::LineTimer => self.line_timer(cx),
            PeerEvent::Arrive(connection, parcel) => self.arrive(cx, connection, parcel),
            PeerEvent::Deliver(connection, parcel) => self.deliver(cx, connection, parcel),
            PeerEvent::Disk(reply) => {
                self.note(b'd', 0);
                self.feed(cx, Input::Storage(*reply));
            }
            PeerEvent::Read => {
                self.note(b'R', 0);
                self.read(cx);
            }
            PeerEvent::Metadata(torrent) => {
                let result = Ok(Arc::clone(self.disk.content().metainfo()));
                self.feed(cx, Input::MetadataLoaded { torrent, result });
            }
            PeerEvent::Announced(announced) => {
                let crate::event::Announced { torrent, tracker, result } = *announced;
                self.note(b't', result.as_ref().map_or(0, |answer| answer.peers.len() as u64));
                self.feed(cx, Input::Announced { torrent, tracker, result });
            }
            PeerEvent::Found(found) => {
                let crate::event::Found { torrent, peers } = *found;
                self.note(b'i', peers.len() as u64);
                self.feed(cx, Input::FoundPeers { torrent, source: PeerSource::Dht, peers });
            }
        }
    }

    /// What the session has counted so far, and those before it.
    pub(crate) fn counted(&self, now: Time) -> Counted {
        let awake = self.torrent.and_then(|id| self.session.torrent(id));
        let asleep = self.torrent.and_then(|id| self.session.sleeper(id));
        let totals = awake.map(|torrent| torrent.status(now).totals).or(asleep.map(Sleeper::totals));
        totals.map_or(self.counted, |totals| self.counted.and(totals))
    }

    pub(crate) const fn is_honest(&self) -> bool {
        self.config.behaviour.is_honest()
    }

    /// A hash over all that has happened to it.
    pub(crate) const fn trace_hash(&self) -> u64 {
        self.trace.hash()
    }

    pub(crate) fn note(&mut self, what: u8, detail: u64) {
        self.trace.number(u64::from(what) << 56 ^ detail);
    }

    /// Lets something happen to it later.
    pub(crate) fn later(&mut self, cx: &mut Context<'_>, at: Time, event: PeerEvent) {
        self.post(cx, at, self.number, self.life, event);
    }

    /// Lets something happen to somebody.
    fn post(&mut self, cx: &mut Context<'_>, at: Time, to: PeerNumber, life: Life, event: PeerEvent) {
        let order = self.next_order();
        cx.desk.post(at, order, Addressed { to, life, event });
    }

    /// What this peer causes is ordered by when it did, and among peers by their numbers.
    const fn next_order(&mut self) -> u64 {
        self.caused += 1;
        (self.number.0 as u64) << 40 | self.caused
    }
}

fn session(config: &PeerConfig, rng: &mut fastrand::Rng) -> Session {
    let mut settings = config.session.clone();
    settings.listen_port = LISTEN_PORT;
    if config.behaviour == Behaviour::FreeRider {
        settings.limits = RateLimits { upload: Some(0), ..settings.limits };
    }
    Session::new(settings, rng.u64(..))
}

fn hostile(config: &PeerConfig, content: &Arc<Content>, rng: &mut fastrand::Rng) -> Option<Hostile> {
    let behaviour = config.behaviour;
    (!behaviour.is_session()).then(|| {
        let rng = fastrand::Rng::with_seed(rng.u64(..));
        Hostile::new(behaviour, content, LISTEN_PORT, config.upload, rng)
    })
}
