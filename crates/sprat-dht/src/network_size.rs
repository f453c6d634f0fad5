//! How many nodes the network has, from how close the closest ones to random points are.
//!
//! Somebody who crowds around one key makes the network look larger there. What counts is therefore the median over
//! many lookups.

use std::collections::VecDeque;
use std::time::Duration;

use sprat_wire::hash::NodeId;

use crate::node_id;
use crate::time::Time;

/// Nodes that are to be expected in the region on which something is published. With fewer, a dozen nodes with
/// chosen ids can hide it; each costs one more query and one more answer.
const REGION: f64 = 20.0;

/// Lookups that are remembered. The error of a mean over 16 is some 7 % (measured by others as 0.281·n^-0.529).
const REMEMBERED: usize = 16;

/// For how long: networks grow and shrink.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// So many are kept, however old.
const KEPT: usize = 4;

/// Fewer nodes close to a point say nothing of the whole.
const FEWEST: u32 = 4;

/// The surroundings of a point, in leading bits that ids share with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    /// With so many, there are some 20 nodes.
    pub(crate) depth: usize,
    /// With so many, there is about one.
    pub(crate) innermost: usize,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct NetworkSize {
    /// Estimates, newest last.
    estimates: VecDeque<(Time, f64)>,
}

impl NetworkSize {
    /// A lookup has found these nodes as the closest to its target.
    pub(crate) fn observe(
        &mut self,
        now: Time,
        target: NodeId,
        closest: impl ExactSizeIterator<Item = NodeId>,
    ) {
        let Some(estimate) = estimate(target, closest) else { return };
        while self.estimates.len() >= KEPT
            && self.estimates.front().is_some_and(|(time, _)| now.since(*time) > LIFETIME)
        {
            self.estimates.pop_front();
        }
        if self.estimates.len() == REMEMBERED {
            self.estimates.pop_front();
        }
        self.estimates.push_back((now, estimate));
    }

    /// The median of what was observed.
    pub(crate) fn nodes(&self) -> Option<f64> {
        let mut estimates: Vec<f64> = self.estimates.iter().map(|(_, estimate)| *estimate).collect();
        estimates.sort_unstable_by(f64::total_cmp);
        estimates.get(estimates.len().saturating_sub(1) / 2).copied()
    }

    /// The region around any point. Our own `neighbours` are a second opinion; in doubt it is larger, because it costs
    /// little to store too much, and nothing is found where nothing was stored.
    pub(crate) fn region(&self, own: NodeId, neighbours: impl ExactSizeIterator<Item = NodeId>) -> Region {
        let nearby = estimate(own, neighbours);
        let sizes = || self.nodes().into_iter().chain(nearby);
        let least = sizes().min_by(f64::total_cmp).unwrap_or(1.0);
        let most = sizes().max_by(f64::total_cmp).unwrap_or(1.0);
        // Between 14 and 28 nodes.
        Region { depth: bits(least / (REGION / std::f64::consts::SQRT_2)), innermost: bits(most) }
    }
}

/// The logarithm to the base of 2, rounded down; 0 for less than one.
fn bits(value: f64) -> usize {
    let powers = std::iter::successors(Some(2.0), |power| Some(power * 2.0));
    powers.take(NodeId::LENGTH * 8).take_while(|power| *power <= value).count()
}

/// What the ids closest to a point say: were they drawn at random, one less than their number is what to expect
/// below the farthest of them.
fn estimate(target: NodeId, closest: impl ExactSizeIterator<Item = NodeId>) -> Option<f64> {
    let count = u32::try_from(closest.len()).ok().filter(|count| *count >= FEWEST)?;
    let share = fraction(closest.map(|id| node_id::distance(id, target)).max()?);
    (share > 0.0).then(|| f64::from(count.saturating_sub(1)) / share)
}

/// A distance as a part of the whole space.
fn fraction(distance: [u8; 20]) -> f64 {
    distance.iter().rev().fold(0.0, |fraction, byte| (fraction + f64::from(*byte)) / 256.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random_ids(random: &mut fastrand::Rng, count: usize) -> Vec<NodeId> {
        let id = |random: &mut fastrand::Rng| {
            let mut id = NodeId::default();
            random.fill(&mut id.0);
            id
        };
        (0..count).map(|_| id(random)).collect()
    }

    #[test]
    fn the_estimate_comes_close_and_a_crowd_around_one_key_does_not_spoil_it() {
        let mut random = fastrand::Rng::with_seed(1);
        let ids = random_ids(&mut random, 10_000);
        let mut size = NetworkSize::default();
        let observe = |size: &mut NetworkSize, target, ids: &[NodeId]| {
            let mut closest = ids.to_vec();
            closest.sort_unstable_by_key(|id| node_id::distance(*id, target));
            closest.truncate(8);
            size.observe(Time::ZERO, target, closest.into_iter());
        };
        for target in random_ids(&mut random, 12) {
            observe(&mut size, target, &ids);
        }
        let nodes = size.nodes().unwrap();
        assert!((6_000.0..16_000.0).contains(&nodes), "{nodes}");
        let region = size.region(NodeId([0; 20]), std::iter::empty());
        assert_eq!(region, Region { depth: 9, innermost: 13 }, "10,000 / 2^9 is 20");

        let key = ids[0];
        let crowd: Vec<NodeId> = (0..100)
            .map(|n| {
                let mut id = key;
                id.0[19] ^= n;
                id
            })
            .collect();
        for _ in 0..6 {
            observe(&mut size, key, &crowd);
        }
        let nodes = size.nodes().unwrap();
        assert!((6_000.0..32_000.0).contains(&nodes), "{nodes}");
    }

    #[test]
    fn nothing_known_is_one_region() {
        let region = NetworkSize::default().region(NodeId([0; 20]), std::iter::empty());
        assert_eq!(region, Region { depth: 0, innermost: 0 });
    }
}
