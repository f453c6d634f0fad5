//! What a handler may touch besides its own torrent.

use std::collections::VecDeque;

use sprat_wire::hash::PeerId;

use crate::config::Config;
use crate::io::{ConnectionId, Event, Output};
use crate::memory::Memory;
use crate::pace::Pace;
use crate::ration::Rations;
use crate::storage::{ReadToken, StorageRequest, TorrentId};
use crate::time::Time;
use crate::tracker_hosts::TrackerHosts;

/// The session's side of one handler call: the time, where outputs go, and what all torrents share.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) now: Time,
    pub(crate) config: &'a Config,
    pub(crate) peer_id: PeerId,
    pub(crate) outputs: &'a mut VecDeque<Output>,
    /// The rate limits of all torrents together.
    pub(crate) limits: &'a mut Rations<TorrentId>,
    pub(crate) names: &'a mut Names,
    /// Which trackers answer, and whose turn it is.
    pub(crate) tracker_hosts: &'a mut TrackerHosts,
    /// Whose turn it is to look into the DHT, of those that sleep.
    pub(crate) lookups: &'a mut Pace,
    /// What is held for others.
    pub(crate) memory: &'a mut Memory,
    /// How many more connections the session may open.
    pub(crate) connections_left: usize,
    /// How many more bytes of metadata may be fetched at a time.
    pub(crate) metadata_left: u64,
    /// Somebody could be unchoked before the next regular decision.
    pub(crate) slot_is_free: bool,
    /// Set when a slot may have become free or a new candidate has come up.
    pub(crate) rechoke: &'a mut bool,
}

impl Context<'_> {
    pub(crate) fn emit(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(crate) fn storage(&mut self, request: StorageRequest) {
        self.outputs.push_back(Output::Storage(request));
    }
}

/// Hands out names that are never used twice.
#[derive(Debug, Default)]
pub(crate) struct Names {
    connections: u64,
    reads: u64,
}

impl Names {
    pub(crate) fn connection(&mut self) -> ConnectionId {
        self.connections += 1;
        ConnectionId(self.connections)
    }

    pub(crate) fn read(&mut self) -> ReadToken {
        self.reads += 1;
        ReadToken(self.reads)
    }
}
