//! Where a peer is: how far from others, and whether they can call it.

use std::time::Duration;

use serde::Deserialize;

/// A part of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Region {
    /// Europe.
    Eu,
    /// North America.
    Na,
    /// South America.
    Sa,
    /// Asia.
    Asia,
    /// Africa.
    Africa,
    /// Australia and New Zealand.
    Oceania,
}

/// From one region to another in milliseconds, in the order of their declaration: about half of the round trips that
/// cloud providers publish between their sites.
const ONE_WAY: [[u64; 6]; 6] = [
    [10, 45, 100, 110, 75, 140],
    [45, 10, 65, 85, 110, 85],
    [100, 65, 10, 150, 170, 150],
    [110, 85, 150, 10, 125, 60],
    [75, 110, 170, 125, 10, 140],
    [140, 85, 150, 60, 140, 10],
];

impl Region {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Eu, Self::Na, Self::Sa, Self::Asia, Self::Africa, Self::Oceania];

    /// From the edge of the network here to the edge there.
    #[must_use]
    pub const fn latency_to(self, other: Self) -> Duration {
        Duration::from_millis(ONE_WAY[self as usize][other as usize])
    }
}

/// What stands between a peer and those who call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nat {
    /// Nothing.
    #[default]
    None,
    /// A router that maps no port: it can call, and nobody who calls it is answered.
    Closed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_as_far_there_as_back_and_nowhere_nearer_than_at_home() {
        for one in Region::ALL {
            for other in Region::ALL {
                assert_eq!(one.latency_to(other), other.latency_to(one));
                assert!(one == other || one.latency_to(other) > one.latency_to(one));
            }
        }
    }
}
