//! How a simulation calls its peers.

/// Where every peer listens.
pub(crate) const LISTEN_PORT: u16 = 6881;

/// How often a peer had crashed when something was set in motion: answers to a session that is gone are for nobody.
pub(crate) type Life = u32;

/// A peer of a simulation, in the order of being added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerNumber(pub u32);

impl PeerNumber {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}
