//! The piece layers of a v2 torrent (BEP 52), which a magnet link does not lead to: they are not part of the info
//! dictionary, and peers are asked for them file by file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sprat_wire::hash::Sha256Hash;
use sprat_wire::merkle;
use sprat_wire::metainfo::{Info, Version};
use sprat_wire::peer::message::HashRequest;

use crate::io::ConnectionId;
use crate::time::Time;

/// Hashes asked for at once: what BEP 52 lets a request ask for.
const HASHES_AT_ONCE: u32 = 512;

/// A file whose hashes do not come in this time is asked of somebody else.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// Layers on their way from one peer.
const FILES_AT_ONCE: usize = 8;

#[derive(Debug)]
pub(super) struct LayerFetch {
    piece_length: u32,
    wanted: BTreeMap<Sha256Hash, Layer>,
    complete: BTreeMap<Sha256Hash, Arc<[Sha256Hash]>>,
}

/// One layer. All of it comes from one peer, so that it is known who sent a wrong one.
#[derive(Debug)]
struct Layer {
    hashes: u32,
    from: Option<(ConnectionId, Time)>,
    /// By the index of their first hash.
    parts: BTreeMap<u32, Vec<Sha256Hash>>,
}

/// What an answer was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Not asked of this peer.
    Unasked,
    Taken,
    /// It does not lead to the root: the peer has lied.
    Wrong,
}

impl LayerFetch {
    /// What is missing beside the info dictionary, if anything. A hybrid goes by its v1 hashes: those who seed it may
    /// have no others.
    pub(super) fn of(info: &Info) -> Option<Self> {
        if info.version != Version::V2 {
            return None;
        }
        let piece_length = info.piece_length;
        let wanted: BTreeMap<Sha256Hash, Layer> = info
            .files
            .iter()
            .filter(|file| file.length > u64::from(piece_length))
            .filter_map(|file| {
                let hashes = u32::try_from(file.length.div_ceil(u64::from(piece_length))).ok()?;
                Some((file.pieces_root?, Layer { hashes, from: None, parts: BTreeMap::new() }))
            })
            .collect();
        (!wanted.is_empty()).then_some(Self { piece_length, wanted, complete: BTreeMap::new() })
    }

    /// Layers that are there, and all.
    pub(super) fn progress(&self) -> (usize, usize) {
        (self.complete.len(), self.complete.len() + self.wanted.len())
    }

    /// All layers, once they are there.
    pub(super) fn take_complete(&mut self) -> Option<BTreeMap<Sha256Hash, Arc<[Sha256Hash]>>> {
        self.wanted.is_empty().then(|| std::mem::take(&mut self.complete))
    }

    /// What to ask this peer for now.
    pub(super) fn ask(&mut self, peer: ConnectionId, now: Time) -> Vec<HashRequest> {
        let busy =
            self.wanted.values().filter(|layer| layer.from.is_some_and(|(from, _)| from == peer)).count();
        let base_layer = merkle::piece_layer_height(self.piece_length);
        let free = self.wanted.iter_mut().filter(|(_, layer)| layer.from.is_none());
        let mut requests = Vec::new();
        for (root, layer) in free.take(FILES_AT_ONCE.saturating_sub(busy)) {
            layer.from = Some((peer, now));
            layer.parts.clear();
            for index in (0..layer.hashes).step_by(HASHES_AT_ONCE as usize) {
                let length = layer.hashes.next_power_of_two().clamp(2, HASHES_AT_ONCE);
                requests.push(HashRequest { pieces_root: *root, base_layer, index, length, proof_layers: 0 });
            }
        }
        requests
    }

    pub(super) fn take(
        &mut self,
        peer: ConnectionId,
        request: HashRequest,
        hashes: Vec<Sha256Hash>,
    ) -> Answer {
        let Some(layer) = self.wanted.get_mut(&request.pieces_root) else { return Answer::Unasked };
        if layer.from.is_none_or(|(from, _)| from != peer) || request.index >= layer.hashes {
            return Answer::Unasked;
        }
        if hashes.len() < request.length as usize {
            layer.from = None;
            return Answer::Wrong;
        }
        layer.parts.insert(request.index, hashes);
        let parts = layer.parts.len();
        if parts < layer.hashes.div_ceil(HASHES_AT_ONCE) as usize {
            return Answer::Taken;
        }
        let all: Vec<Sha256Hash> = layer
            .parts
            .values()
            .flat_map(|part| part.iter().take(HASHES_AT_ONCE as usize))
            .take(layer.hashes as usize)
            .copied()
            .collect();
        if merkle::root_of_piece_layer(&all, self.piece_length) != request.pieces_root {
            layer.from = None;
            layer.parts.clear();
            return Answer::Wrong;
        }
        self.wanted.remove(&request.pieces_root);
        self.complete.insert(request.pieces_root, all.into());
        Answer::Taken
    }

    /// The peer does not give this layer.
    pub(super) fn refused(&mut self, by: ConnectionId, request: HashRequest) {
        if let Some(layer) = self.wanted.get_mut(&request.pieces_root)
            && layer.from.is_some_and(|(from, _)| from == by)
        {
            layer.from = None;
        }
    }

    /// The peer gives nothing any more.
    pub(super) fn left(&mut self, peer: ConnectionId) {
        for layer in self.wanted.values_mut().filter(|layer| layer.from.is_some_and(|(from, _)| from == peer))
        {
            layer.from = None;
        }
    }

    /// Peers that have let us wait for too long.
    pub(super) fn late(&mut self, now: Time) -> Vec<ConnectionId> {
        let mut late: Vec<ConnectionId> = self
            .wanted
            .values()
            .filter_map(|layer| layer.from)
            .filter(|(_, at)| now.since(*at) >= ANSWER_LIMIT)
            .map(|(peer, _)| peer)
            .collect();
        late.sort_unstable();
        late.dedup();
        for peer in &late {
            self.left(*peer);
        }
        late
    }
}
