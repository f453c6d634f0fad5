//! Peers come and go.

use std::sync::Arc;

use sprat_core::io::AddMagnet;

use super::Simulation;
use crate::peer::Presence;
use crate::peer_number::PeerNumber;

impl Simulation {
    pub(super) fn join(&mut self, number: PeerNumber) {
        self.note(b'j', number, 0);
        let now = self.now;
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        if peer.presence != Presence::Expected {
            return;
        }
        peer.presence = Presence::Present;
        peer.joined_at.get_or_insert(now);
        peer.progress_at = now;
        if peer.disk.have().is_full() {
            peer.completed_at.get_or_insert(now);
        }
        for piece in peer.disk.have().iter() {
            self.copies[piece as usize] += 1;
        }
        let metainfo = Arc::clone(self.content.metainfo());
        if let Some(hostile) = &mut peer.hostile {
            hostile.start(
                now,
                peer.config.knows.iter().map(|known| known.address()),
                peer.disk.have().clone(),
            );
            return self.drain(number);
        }
        let wish = AddMagnet {
            peers: peer.config.knows.iter().map(|known| known.address()).collect(),
            sequential: peer.config.sequential,
            ..AddMagnet::new(metainfo.info_hashes)
        };
        // The session is new, so that the torrent cannot be there already.
        let added = if peer.config.from_magnet {
            let trackers = metainfo.trackers.clone();
            peer.session.add_magnet(now, AddMagnet { trackers, ..wish })
        } else {
            peer.session.add(now, wish.of_torrent(metainfo))
        };
        peer.torrent = added.ok();
        self.drain(number);
    }

    pub(super) fn leave(&mut self, number: PeerNumber) {
        self.note(b'l', number, 0);
        let now = self.now;
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        if peer.presence != Presence::Present {
            peer.presence = Presence::Gone;
            return;
        }
        let counted = peer.counted(now);
        peer.shut_down(now);
        self.drain(number);
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        if peer.torrent.is_some_and(|id| peer.session.torrent(id).is_none()) {
            peer.counted = counted;
        }
        peer.presence = Presence::Gone;
        for piece in peer.disk.have().iter() {
            self.copies[piece as usize] -= 1;
        }
        // Those who had not introduced themselves yet.
        for end in std::mem::take(&mut peer.ends).into_values() {
            self.close(end);
        }
    }
}
