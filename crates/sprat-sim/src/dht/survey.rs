//! How well a network finds what was announced in it.

use std::time::Duration;

use sprat_dht::io::Operation;
use sprat_wire::hash::InfoHash;

use super::network::Network;

/// How often each swarm has somebody who announces it. What is stored lives for three times as long.
const ANNOUNCED_EVERY: Duration = Duration::from_secs(15 * 60);

/// What is done with a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Survey {
    /// How long it takes.
    pub duration: Duration,
    /// Swarms that are announced, each every quarter of an hour by somebody else.
    pub swarms: usize,
    /// Between one search for the peers of a swarm, by anybody, and the next.
    pub search_every: Duration,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Findings {
    /// Searches that came to an end; those whose node has left meanwhile do not count.
    pub searches: u32,
    /// Of these, how many have found peers.
    pub found: u32,
    /// Steps to the closest node, on average.
    pub hops: f64,
    /// Queries of a search, on average.
    pub queries: f64,
    /// From the question to the first peer, shortest first.
    pub first_peer: Vec<Duration>,
    /// Bytes that a node sends and receives in a day, on average, headers included.
    pub bytes_per_day: f64,
}

impl Findings {
    /// The time within which this share of the successful searches had its first peer.
    #[must_use]
    pub fn first_peer_within(&self, share: f64) -> Duration {
        let at = (self.first_peer.len() as f64 * share) as usize;
        let last = self.first_peer.len().saturating_sub(1);
        self.first_peer.get(at.min(last)).copied().unwrap_or_default()
    }

    /// The share of the searches that have found peers.
    #[must_use]
    pub fn share_found(&self) -> f64 {
        f64::from(self.found) / f64::from(self.searches.max(1))
    }
}

impl Survey {
    /// Announces and searches while whatever else goes on in the network goes on.
    pub fn run(&self, network: &mut Network) -> Findings {
        let mut findings = Findings::default();
        for swarm in 0..self.swarms {
            self.announce(network, swarm);
        }
        let begin = network.now();
        let before = network.all_traffic();
        let announce_gap = ANNOUNCED_EVERY / u32::try_from(self.swarms.max(1)).unwrap_or(u32::MAX);
        let (mut next_announce, mut next_search) = (begin + announce_gap, begin);
        let (mut swarm, mut hops, mut queries) = (0, 0, 0);
        while network.now().since(begin) < self.duration {
            if next_announce <= next_search {
                network.run(next_announce.since(network.now()));
                next_announce += announce_gap;
                self.announce(network, swarm);
                swarm += 1;
                continue;
            }
            network.run(next_search.since(network.now()));
            next_search += self.search_every;
            let (Some(host), info_hash) =
                (network.some_honest(), self.hash(network.random_below(self.swarms)))
            else {
                break;
            };
            let since = network.now();
            let Some(summary) = network.complete(host, Operation::Peers { info_hash, no_seed: false }) else {
                continue;
            };
            findings.searches += 1;
            hops += u32::from(summary.hops);
            queries += summary.queries;
            if let Some(time) = network.first_peers(host, since) {
                findings.found += 1;
                findings.first_peer.push(time);
            }
            network.forget(host);
        }
        findings.first_peer.sort_unstable();
        findings.hops = f64::from(hops) / f64::from(findings.searches.max(1));
        findings.queries = f64::from(queries) / f64::from(findings.searches.max(1));
        let after = network.all_traffic();
        let bytes = (after.sent + after.received - before.sent - before.received) as f64;
        let days = network.now().since(begin).as_secs_f64() / 86_400.0;
        findings.bytes_per_day = bytes / days / network.honest().len().max(1) as f64;
        findings
    }

    fn announce(&self, network: &mut Network, swarm: usize) {
        let info_hash = self.hash(swarm % self.swarms.max(1));
        let announce = Operation::Announce { info_hash, port: 7000, implied_port: false, seed: false };
        if let Some(host) = network.some_honest() {
            network.complete(host, announce);
            network.forget(host);
        }
    }

    fn hash(&self, swarm: usize) -> InfoHash {
        let mut hash = InfoHash([0; 20]);
        fastrand::Rng::with_seed(swarm as u64).fill(&mut hash.0);
        hash
    }
}
