//! A peer: a session, its line, its disk, and what is known of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sprat_core::bitfield::Bitfield;
use sprat_core::config::Config;
use sprat_core::io::{ConnectionId, RateLimits};
use sprat_core::storage::TorrentId;
use sprat_core::time::Time;
use sprat_core::{Input, Output, Session};

use crate::behaviour::Behaviour;
use crate::content::Content;
use crate::disk::{Disk, DiskFaults};
use crate::event::Life;
use crate::hostile::Hostile;
use crate::network::{Downlink, EndId, Uplink};
use crate::peer_number::{LISTEN_PORT, PeerNumber};
use crate::report::{Counted, Traffic};
use crate::wire_watch::WireWatch;

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
            disk_latency: Duration::from_millis(2),
            disk_faults: DiskFaults::default(),
            behaviour: Behaviour::Honest,
            has_everything: false,
            has_per_mille: 0,
            from_magnet: false,
            sequential: false,
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
    pub(crate) uplink: Uplink,
    pub(crate) downlink: Downlink,
    pub(crate) ends: BTreeMap<ConnectionId, EndId>,
    /// What was said and heard on each.
    pub(crate) wires: BTreeMap<ConnectionId, WireWatch>,
    /// When it had a new piece last, or began.
    pub(crate) progress_at: Time,
    /// What the session counted as had a second ago.
    pub(crate) had: Option<Bitfield>,
    /// When the session is going to be woken.
    pub(crate) wake_at: Option<Time>,
    /// Times it was woken within the same instant.
    pub(crate) wakes_at_once: u32,
    pub(crate) last_wake: Option<Time>,
    pub(crate) joined_at: Option<Time>,
    pub(crate) completed_at: Option<Time>,
    /// When it had its first piece of this run, and when it had 95 of 100 pieces.
    pub(crate) first_piece_at: Option<Time>,
    pub(crate) nearly_complete_at: Option<Time>,
    /// What sessions that are gone had counted.
    pub(crate) counted: Counted,
    pub(crate) traffic: Traffic,
    pub(crate) wakes: u64,
    pub(crate) banned_by: u32,
    pub(crate) leaving: bool,
    /// It is down, and is going to start again.
    pub(crate) crashed: bool,
    /// How often it has crashed.
    pub(crate) life: Life,
}

impl Peer {
    pub(crate) fn new(
        number: PeerNumber,
        config: PeerConfig,
        mut disk: Disk,
        rng: &mut fastrand::Rng,
    ) -> Self {
        if let Behaviour::Poisoner { per_mille } = config.behaviour {
            disk.corrupt_reads(per_mille, fastrand::Rng::with_seed(rng.u64(..)));
        }
        Self {
            number,
            presence: Presence::Expected,
            session: session(&config, rng),
            hostile: hostile(&config, disk.content(), rng),
            torrent: None,
            disk,
            uplink: Uplink::new(config.upload),
            downlink: Downlink::new(config.download),
            ends: BTreeMap::new(),
            wires: BTreeMap::new(),
            had: None,
            progress_at: Time::ZERO,
            wake_at: None,
            wakes_at_once: 0,
            last_wake: None,
            joined_at: None,
            completed_at: None,
            first_piece_at: None,
            nearly_complete_at: None,
            counted: Counted::default(),
            traffic: Traffic::default(),
            wakes: 0,
            banned_by: 0,
            leaving: false,
            crashed: false,
            life: 0,
            config,
        }
    }

    /// After a crash: as it was at first, but for what is on its disk.
    pub(crate) fn start_anew(&mut self, rng: &mut fastrand::Rng) {
        self.session = session(&self.config, rng);
        self.hostile = hostile(&self.config, self.disk.content(), rng);
        self.torrent = None;
        self.wires.clear();
        self.had = None;
        self.last_wake = None;
        self.wakes_at_once = 0;
    }

    /// What the session has counted so far, and those before it.
    pub(crate) fn counted(&self, now: Time) -> Counted {
        let torrent = self.torrent.and_then(|id| self.session.torrent(id));
        torrent.map_or(self.counted, |torrent| self.counted.and(&torrent.status(now)))
    }

    pub(crate) fn handle_input(&mut self, now: Time, input: Input) {
        match &mut self.hostile {
            Some(hostile) => hostile.handle_input(now, input),
            None => self.session.handle_input(now, input),
        }
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        match &mut self.hostile {
            Some(hostile) => hostile.poll_output(),
            None => self.session.poll_output(),
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        match &self.hostile {
            Some(hostile) => hostile.poll_timeout(),
            None => self.session.poll_timeout(),
        }
    }

    pub(crate) fn allocate_connection(&mut self) -> ConnectionId {
        match &mut self.hostile {
            Some(hostile) => hostile.allocate_connection(),
            None => self.session.allocate_connection(),
        }
    }

    pub(crate) fn shut_down(&mut self, now: Time) {
        match &mut self.hostile {
            Some(hostile) => hostile.shut_down(),
            None => self.session.shut_down(now),
        }
    }

    pub(crate) const fn is_honest(&self) -> bool {
        self.config.behaviour.is_honest()
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
