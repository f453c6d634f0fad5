//! The DHT as a swarm sees it: whoever says that it is there is found by those who look, a while later.
//!
//! The nodes themselves are simulated in [`dht`](crate::dht). A swarm is concerned with three things: a lookup takes seconds,
//! those who have left are found for half an hour more, and sometimes there is no answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use sprat_core::time::Time;
use sprat_wire::hash::InfoHash;

/// From the question to the answer. An assumption: simulated nodes need a fraction of a second (`docs/BENCHMARKS.md`), but
/// many of those that the real network names are gone.
pub(crate) const LOOKUP: Duration = Duration::from_secs(3);

/// How long nodes remember who has said that it is there.
const MEMORY: Duration = Duration::from_secs(30 * 60);

/// So many of a swarm are found at a time.
const MOST_FOUND: usize = 100;

/// Who is where, for all swarms.
#[derive(Debug)]
pub(crate) struct Rendezvous {
    swarms: BTreeMap<InfoHash, BTreeMap<SocketAddr, Time>>,
    rng: fastrand::Rng,
    /// There is no answer at present.
    pub(crate) is_silent: bool,
}

impl Rendezvous {
    pub(crate) const fn new(rng: fastrand::Rng) -> Self {
        Self { swarms: BTreeMap::new(), rng, is_silent: false }
    }

    /// Who else is there; `None` when nobody answers.
    pub(crate) fn look(&mut self, now: Time, from: SocketAddr, swarm: InfoHash) -> Option<Vec<SocketAddr>> {
        if self.is_silent {
            return None;
        }
        let there = self.swarms.entry(swarm).or_default();
        there.retain(|_, since| now.since(*since) < MEMORY);
        there.remove(&from);
        let mut found: Vec<SocketAddr> = there.keys().copied().collect();
        there.insert(from, now);
        self.rng.shuffle(&mut found);
        found.truncate(MOST_FOUND);
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_look_are_found_for_half_an_hour_and_never_by_themselves() {
        let mut rendezvous = Rendezvous::new(fastrand::Rng::with_seed(1));
        let (swarm, other) = (InfoHash([1; 20]), InfoHash([2; 20]));
        let [one, two]: [SocketAddr; 2] = ["1.2.3.4:5".parse().unwrap(), "5.6.7.8:9".parse().unwrap()];
        assert_eq!(rendezvous.look(Time::ZERO, one, swarm), Some(vec![]));
        assert_eq!(rendezvous.look(Time::ZERO, one, swarm), Some(vec![]));
        assert_eq!(rendezvous.look(Time::from_secs(1), two, other), Some(vec![]));
        assert_eq!(rendezvous.look(Time::from_secs(1), two, swarm), Some(vec![one]));
        rendezvous.is_silent = true;
        assert_eq!(rendezvous.look(Time::from_secs(2), one, swarm), None);
        rendezvous.is_silent = false;
        assert_eq!(rendezvous.look(Time::from_secs(2000), one, swarm), Some(vec![]), "forgotten");
    }
}
