//! What a torrent is seen by. What stands in the list costs nothing; everything else is a [`Part`], and fetched only for those who ask.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sprat_core::storage::TorrentId;
use sprat_wire::metainfo::Metainfo;

use super::memory::{Limit, Memory};
use super::state::Rpc;
use super::trackers::{Tracker, entries};
use crate::clock;
use crate::labels::Labels;
use crate::service::{Choices, FileDetails, InspectError, PeerDetails, Pieces, Service};
use crate::torrents::{Line, SeedingLimit, SeedingLimits, Summary};

/// What is not in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// The places in the queue, of all torrents at once.
    Queue,
    /// What is in the torrent file.
    Metainfo,
    /// The magnet link.
    Magnet,
    /// Its files, and how much of each there is.
    Files,
    /// Connections.
    Peers,
    /// Trackers.
    Trackers,
    /// Which pieces there are.
    Pieces,
    /// Which pieces others have.
    Availability,
}

/// What holds for all torrents while one request is answered.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) choices: Choices,
    pub(super) labels: Labels,
    pub(super) peer_limit: usize,
    pub(super) memory: &'a Memory,
    /// Seconds since 1970.
    pub(super) now: i64,
    places: BTreeMap<TorrentId, usize>,
}

impl<'a> Context<'a> {
    /// As it is now.
    pub(super) fn of(rpc: &'a Rpc, parts: &BTreeSet<Part>) -> Self {
        let service = &rpc.service;
        Self {
            choices: service.choices(),
            labels: service.labels(),
            peer_limit: service.fixed().connections_per_torrent,
            memory: &rpc.memory,
            now: clock::unix_now(),
            places: if parts.contains(&Part::Queue) { places(service) } else { BTreeMap::new() },
        }
    }

    /// Its place in the queue, from 0.
    pub(super) fn place(&self, torrent: TorrentId) -> usize {
        self.places.get(&torrent).copied().unwrap_or_default()
    }

    /// The limit that holds for a torrent: its own, that of its label, or that of all.
    fn seeding<T: Copy>(
        &self,
        one: &Summary,
        limit: impl Fn(&SeedingLimits) -> SeedingLimit<T>,
    ) -> Option<T> {
        let of_all = limit(&self.choices.seeding.limits).or(None);
        let label = one.label.as_ref().and_then(|label| self.labels.labels.get(label));
        limit(&one.seeding).or(label.map_or(of_all, |label| limit(&label.seeding).or(of_all)))
    }

    /// The ratio at which it has given enough.
    pub(super) fn ratio_limit(&self, one: &Summary) -> Option<f64> {
        self.seeding(one, |limits| limits.ratio)
    }

    /// After so many seconds in which nobody wanted anything it has given enough.
    pub(super) fn idle_limit(&self, one: &Summary) -> Option<u64> {
        self.seeding(one, |limits| limits.idle_seconds)
    }

    /// A limit of its own, or what would be it.
    pub(super) fn own(&self, torrent: TorrentId, limit: Limit, held: Option<f64>) -> f64 {
        held.unwrap_or_else(|| self.memory.recall(Some(torrent), limit))
    }
}

fn places(service: &Service) -> BTreeMap<TorrentId, usize> {
    let snapshot = service.snapshot();
    let mut order: Vec<(i64, TorrentId)> =
        snapshot.lines().iter().map(|line| (line.summary.position, line.torrent)).collect();
    order.sort_unstable();
    order.into_iter().enumerate().map(|(place, (_, torrent))| (torrent, place)).collect()
}

/// The parts that were asked for; the others are empty.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) metainfo: Option<Arc<Metainfo>>,
    pub(super) magnet: String,
    pub(super) files: Vec<FileDetails>,
    pub(super) peers: Vec<PeerDetails>,
    pub(super) trackers: Vec<Tracker>,
    pub(super) pieces: Option<Pieces>,
    pub(super) availability: Vec<u32>,
}

impl Parts {
    /// Fetches them. What is not known yet stays empty; `None` is a torrent that is not there any more.
    pub(super) async fn fetch(service: &Service, line: &Line, wanted: &BTreeSet<Part>) -> Option<Self> {
        let mut parts = Self::default();
        for part in wanted {
            match parts.fetch_one(service, line, *part).await {
                Ok(()) | Err(InspectError::NoMetadata) => {}
                Err(_) => return None,
            }
        }
        Some(parts)
    }

    async fn fetch_one(&mut self, service: &Service, line: &Line, part: Part) -> Result<(), InspectError> {
        let torrent = line.torrent;
        let is_connected = line.summary.peers > 0;
        match part {
            Part::Metainfo => self.metainfo = service.metainfo(torrent).await,
            Part::Magnet => self.magnet = service.details(torrent).await?.magnet,
            Part::Files => self.files = service.files(torrent).await?,
            Part::Peers if is_connected => self.peers = service.peers(torrent).await?,
            Part::Trackers => self.trackers = entries(service.trackers(torrent).await?),
            Part::Pieces => self.pieces = Some(service.pieces(torrent).await?),
            Part::Availability if is_connected => self.availability = service.availability(torrent).await?,
            Part::Queue | Part::Peers | Part::Availability => {}
        }
        Ok(())
    }
}

/// One torrent, as the table of keys sees it.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) torrent: TorrentId,
    pub(super) one: &'a Summary,
    pub(super) parts: &'a Parts,
    pub(super) context: &'a Context<'a>,
}
