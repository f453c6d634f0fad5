//! What must hold all the time.

use std::time::Duration;

use super::Simulation;
use crate::behaviour::Behaviour;
use crate::peer::{Peer, Presence};
use crate::peer_number::PeerNumber;
use crate::report::Violation;

/// Nobody waits longer for a piece when there is a seed: sixty decisions of its choker.
const STARVED_AFTER: Duration = Duration::from_secs(600);

impl Simulation {
    /// Whether everybody who is honest gets on, and nobody has more than it may.
    pub(super) fn check_peers(&self) -> Result<(), Violation> {
        let now = self.now;
        let present = || self.peers().filter(|peer| peer.presence == Presence::Present);
        let seeds: Vec<PeerNumber> = present()
            .filter(|peer| peer.config.behaviour == Behaviour::Honest && peer.disk.have().is_full())
            .map(|peer| peer.number)
            .collect();
        for peer in present().filter(|peer| peer.hostile.is_none()) {
            let torrent = peer.torrent.and_then(|id| peer.session.torrent(id));
            let count = torrent.map_or(0, |torrent| torrent.connections(now).count());
            if count > peer.config.session.connections_per_torrent {
                return Err(Violation::TooManyConnections { at: now, peer: peer.number, count });
            }
            let since = peer.progress_at.max(self.world.disturbed_at);
            let waits = peer.is_honest() && !peer.disk.have().is_full() && now.since(since) >= STARVED_AFTER;
            if waits && seeds.iter().any(|seed| self.world.can_meet(*seed, peer.number)) {
                return Err(Violation::Starved { at: now, peer: peer.number, since });
            }
        }
        Ok(())
    }

    /// Whether all that is wanted is asked for and all that is had is told.
    pub(super) fn check_wires(&mut self) -> Result<(), Violation> {
        let at = self.now;
        for number in self.numbers() {
            let Some(peer) = self.peer_mut(number) else { continue };
            peer.check_wires(at).map_err(|rule| Violation::BrokenRule { at, by: number, rule })?;
        }
        Ok(())
    }

    /// Whether every byte that was sent is accounted for: of streams, however often packets carry it.
    pub(super) fn check_bytes(&self) -> Result<(), Violation> {
        let sum = |of: fn(&Peer) -> u64| self.peers().map(of).sum::<u64>();
        let sent = sum(|peer| peer.traffic.sent);
        let received = sum(|peer| peer.traffic.received);
        let lost = sum(|peer| peer.traffic.lost);
        let travelling: i64 = self.shards.iter().map(|shard| shard.desk.travelling).sum();
        let cut_off: i64 = self.shards.iter().map(|shard| shard.desk.cut_off).sum();
        let accounted = [i128::from(received), lost.into(), cut_off.into(), travelling.into()];
        if i128::from(sent) == accounted.iter().sum::<i128>() {
            return Ok(());
        }
        Err(Violation::Conservation { sent, received, lost, cut_off, travelling })
    }
}
