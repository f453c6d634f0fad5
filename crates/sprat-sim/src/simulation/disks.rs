//! What sessions ask of their disks.

use sprat_core::storage::StorageRequest;

use super::Simulation;
use crate::event::Event;
use crate::peer_number::PeerNumber;

impl Simulation {
    pub(super) fn ask_disk(&mut self, number: PeerNumber, request: StorageRequest) {
        self.note(b'q', number, 0);
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        if let Some(reply) = peer.disk.serve(request) {
            let at = self.now + peer.config.disk_latency;
            self.schedule.at(at, Event::Disk(number, reply));
        }
    }
}
