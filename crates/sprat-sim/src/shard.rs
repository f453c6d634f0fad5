//! Some of the peers of a simulation, and what is going to happen to them.
//!
//! Nothing gets from one peer to another in less than the least latency of the network. For so long every shard can go
//! ahead by itself, on a thread of its own; then they exchange what they have for one another. Events of one instant
//! are ordered by who caused them, and each peer's by when it did, so that a run is the same in one shard or in several.

use sprat_core::time::Time;

use crate::desk::{Context, Desk};
use crate::peer::Peer;
use crate::peer_number::PeerNumber;
use crate::world::World;

#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) peers: Vec<Peer>,
    pub(crate) desk: Desk,
}

impl Shard {
    pub(crate) fn new(number: usize, shards: usize, pieces: u32) -> Self {
        Self { peers: Vec::new(), desk: Desk::new(number, shards, pieces) }
    }

    pub(crate) fn next_time(&self) -> Option<Time> {
        self.desk.schedule.next_time().map(Time::from_nanos)
    }

    /// Lets everything happen that is due before `end`, up to a violation.
    pub(crate) fn run_until(&mut self, end: Time, world: &World) {
        while self.desk.violation.is_none() && self.next_time().is_some_and(|at| at < end) {
            let Some((at, addressed)) = self.desk.schedule.pop() else { return };
            self.desk.events += 1;
            let now = Time::from_nanos(at);
            self.with_peer(now, addressed.to, world, |peer, cx| {
                peer.happen(cx, addressed.life, addressed.event);
            });
        }
    }

    /// Lets a peer of this shard do something.
    pub(crate) fn with_peer(
        &mut self,
        now: Time,
        number: PeerNumber,
        world: &World,
        act: impl FnOnce(&mut Peer, &mut Context<'_>),
    ) {
        let Some(peer) = self.peers.get_mut(number.index() / self.desk.shards) else { return };
        act(peer, &mut Context { now, world, desk: &mut self.desk });
    }
}
