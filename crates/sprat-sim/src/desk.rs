//! Where the peers of a shard leave what is not theirs alone.

use sprat_core::time::Time;

use crate::event::{Addressed, Question};
use crate::peer_number::PeerNumber;
use crate::report::Violation;
use crate::schedule::Schedule;
use crate::world::World;

/// Something that is to happen in another shard.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) at: Time,
    pub(crate) order: u64,
    pub(crate) addressed: Addressed,
}

/// Where the peers of a shard leave what is not theirs alone.
#[derive(Debug)]
pub(crate) struct Desk {
    number: usize,
    pub(crate) shards: usize,
    pub(crate) schedule: Schedule<Addressed>,
    /// For other shards.
    pub(crate) abroad: Vec<Letter>,
    /// For trackers and the DHT.
    pub(crate) questions: Vec<Question>,
    /// Who was banned by one of ours.
    pub(crate) banned: Vec<PeerNumber>,
    /// Copies of each piece among those present.
    pub(crate) copies: Vec<u32>,
    pub(crate) events: u64,
    /// Bytes that our peers have sent, less those that have come to our peers or were lost at them.
    pub(crate) travelling: i64,
    /// Bytes that were under way when their connections ended, less what had come of connections that had ended at
    /// both ends: those are settled when each end has heard of the other's.
    pub(crate) cut_off: i64,
    pub(crate) violation: Option<(Time, Violation)>,
}

/// What a peer acts in.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) now: Time,
    pub(crate) world: &'a World,
    pub(crate) desk: &'a mut Desk,
}

impl Desk {
    pub(crate) fn new(number: usize, shards: usize, pieces: u32) -> Self {
        Self {
            number,
            shards,
            schedule: Schedule::new(),
            abroad: Vec::new(),
            questions: Vec::new(),
            banned: Vec::new(),
            copies: vec![0; pieces as usize],
            events: 0,
            travelling: 0,
            cut_off: 0,
            violation: None,
        }
    }

    /// Whether a peer is of this shard.
    const fn is_ours(&self, peer: PeerNumber) -> bool {
        peer.index() % self.shards == self.number
    }

    /// Something is to happen to some peer.
    pub(crate) fn post(&mut self, at: Time, order: u64, addressed: Addressed) {
        if self.is_ours(addressed.to) {
            self.schedule.at(at.as_nanos(), order, addressed);
        } else {
            self.abroad.push(Letter { at, order, addressed });
        }
    }
}

impl Context<'_> {
    pub(crate) fn violate(&mut self, violation: Violation) {
        self.desk.violation.get_or_insert((self.now, violation));
    }
}
