//! What the choker asks of a torrent, and what it decides.

use crate::choker::Candidate;
use crate::context::Context;
use crate::io::ConnectionId;
use crate::time::Time;

use super::Torrent;

impl Torrent {
    /// Chokes and unchokes as decided.
    pub(crate) fn apply_choker(&mut self, cx: &mut Context<'_>, unchoked: &[ConnectionId]) {
        let is_chosen = |id: &ConnectionId| unchoked.binary_search(id).is_ok();
        let choked: Vec<ConnectionId> = self
            .connections
            .values()
            .filter(|connection| !connection.choking && !is_chosen(&connection.id))
            .map(|connection| connection.id)
            .collect();
        for id in choked {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            connection.choke();
            self.spreading.release(id);
            self.touch(id);
        }
        self.restock_spreading(cx.now);
        let chosen: Vec<ConnectionId> = self.connections.keys().copied().filter(is_chosen).collect();
        for id in chosen {
            // First, so that it asks for these at once.
            self.suggest(cx.now, id);
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            connection.unchoke(cx.now);
            self.touch(id);
        }
        self.flush(cx);
    }

    /// What the choker must know of every connection.
    pub(crate) fn choker_candidates(&self, now: Time) -> impl Iterator<Item = Candidate> + '_ {
        let seeding = self.picker.is_finished();
        let have = self.picker.have();
        let kept = self.spreading.kept(now);
        self.connections.values().map(move |connection| Candidate {
            connection: connection.id,
            torrent: self.id,
            address: connection.address,
            interested: connection.wanted && !have.is_subset_of(&connection.pieces),
            seeding,
            received_rate: connection.download.rate(now),
            sent_rate: connection.upload.rate(now),
            sent_since_unchoke: connection.sent_since_unchoke,
            unchoked: !connection.choking,
            last_unchoked: connection.unchoked_at,
            connected_at: connection.connected_at,
            snubbed: connection.snubbed,
            passes_on: self.spreading.passes_on(connection.id, &kept),
        })
    }
}
