//! At which address do others see us? (BEP 42: "there should be some mechanism", for instance voting.)

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use crate::subnet::Subnet;

/// Votes that are kept, newest last.
const VOTES: usize = 16;

/// Votes for one address that decide: half of them, from as many different networks.
const QUORUM: usize = 8;

/// Who says which address we have; each network has one vote.
#[derive(Debug, Clone, Default)]
pub(crate) struct Votes {
    votes: VecDeque<(Voter, IpAddr)>,
    decided: Option<IpAddr>,
}

/// A network, or one node of a private network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voter {
    Network(Subnet),
    Node(SocketAddr),
}

impl Votes {
    /// What was decided last.
    pub(crate) const fn decided(&self) -> Option<IpAddr> {
        self.decided
    }

    /// We know it from elsewhere, until the votes say otherwise.
    pub(crate) fn assume(&mut self, ip: IpAddr) {
        self.decided = Some(ip);
    }

    /// Counts what an answer to a query of ours has said; returns an address when another one is decided with it.
    pub(crate) fn vote(&mut self, from: SocketAddr, ip: IpAddr) -> Option<IpAddr> {
        let voter = Subnet::of(from.ip()).map_or(Voter::Node(from), Voter::Network);
        self.votes.retain(|(known, _)| *known != voter);
        if self.votes.len() == VOTES {
            self.votes.pop_front();
        }
        self.votes.push_back((voter, ip));
        let agreed = self.votes.iter().filter(|(_, voted)| *voted == ip).count();
        if agreed < QUORUM || self.decided == Some(ip) {
            return None;
        }
        self.decided = Some(ip);
        self.decided
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_networks_decide_and_one_network_does_not() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let from = |net: u8, host: u8| SocketAddr::from(([20, 1, net, host], 1));
        let mut votes = Votes::default();
        for host in 0..100 {
            assert_eq!(votes.vote(from(0, host), ip("6.6.6.6")), None);
        }
        for net in 1..8 {
            assert_eq!(votes.vote(from(net, 1), ip("5.5.5.5")), None);
        }
        assert_eq!(votes.vote(from(8, 1), ip("5.5.5.5")), Some(ip("5.5.5.5")));
        assert_eq!(votes.vote(from(9, 1), ip("5.5.5.5")), None, "known by now");
        assert_eq!(votes.decided(), Some(ip("5.5.5.5")));
    }
}
