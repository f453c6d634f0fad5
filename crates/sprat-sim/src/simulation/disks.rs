//! What sessions ask of their disks.

use std::time::Duration;

use sprat_core::storage::StorageRequest;

use super::Simulation;
use crate::event::Event;
use crate::peer_number::PeerNumber;
use crate::report::Violation;

impl Simulation {
    pub(super) fn ask_disk(&mut self, number: PeerNumber, request: StorageRequest) {
        self.note(b'q', number, 0);
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        if let StorageRequest::SaveResume { have, .. } = &request
            && have.iter().any(|piece| !peer.disk.have().contains(piece))
        {
            return self.violate(Violation::UnverifiedPiece { at: self.now, peer: number });
        }
        if let Some(reply) = peer.disk.serve(request) {
            let jitter = peer.config.disk_faults.jitter;
            let latency = peer.config.disk_latency + some_of(jitter, &mut self.rng);
            let at = peer.disk.answer_time(self.now + latency, &reply);
            self.schedule.at(at, Event::Disk(number, peer.life, reply));
        }
    }
}

fn some_of(most: Duration, rng: &mut fastrand::Rng) -> Duration {
    // A disk without faults draws no random numbers.
    let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(if most == 0 { 0 } else { rng.u64(..=most) })
}
