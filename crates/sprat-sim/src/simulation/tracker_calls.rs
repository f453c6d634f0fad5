//! Announces on their way to trackers and back.

use sprat_core::io::TrackerId;
use sprat_core::storage::TorrentId;
use sprat_wire::tracker::AnnounceRequest;

use super::Simulation;
use crate::event::{Announce, Event};
use crate::peer_number::PeerNumber;
use crate::trackers::ANSWER_LIMIT;

impl Simulation {
    pub(super) fn announce(
        &mut self,
        peer: PeerNumber,
        torrent: TorrentId,
        id: TrackerId,
        url: &str,
        request: AnnounceRequest,
    ) {
        self.note(b'a', peer, u64::from(id.0));
        let (latency, life) = (self.latency_of(peer), self.life_of(peer));
        match self.trackers.iter().position(|tracker| tracker.url() == url) {
            Some(tracker) => {
                let at = self.now + latency + self.trackers[tracker].latency();
                let announce = Announce { peer, life, torrent, id, tracker, request };
                self.schedule.at(at, Event::Announce(Box::new(announce)));
            }
            None => {
                let error = Box::new(Err("no such host".to_owned()));
                self.schedule.at(self.now + latency * 2, Event::Announced(peer, life, torrent, id, error));
            }
        }
    }

    pub(super) fn announce_arrives(&mut self, announce: &Announce) {
        let Announce { peer, life, torrent, id, tracker, request } = announce;
        let back = self.latency_of(*peer);
        let Some(tracker) = self.trackers.get_mut(*tracker) else { return };
        let (at, result) = match tracker.announce(self.now, peer.address(), request) {
            Some(result) => (self.now + tracker.latency() + back, result),
            None => (self.now + ANSWER_LIMIT, Err("no answer".to_owned())),
        };
        self.schedule.at(at, Event::Announced(*peer, *life, *torrent, *id, Box::new(result)));
    }
}
