//! The menu of what may go wrong around the peers, and when.

use std::time::Duration;

use crate::peer_number::PeerNumber;

/// Something that goes wrong at a certain time. Times are counted from the beginning of the simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing gets from these peers to the others or back. What is under way on an open connection arrives when the
    /// network is whole again, as over TCP; calls are not answered. Trackers stay within reach of all.
    Partition {
        /// Its beginning.
        from: Duration,
        /// Its end.
        until: Duration,
        /// Those who are cut off together.
        peers: Vec<PeerNumber>,
    },
    /// Nothing gets from this peer to another on connections between them, while the other direction works.
    Clog {
        /// Its beginning.
        from: Duration,
        /// Its end.
        until: Duration,
        /// Who cannot send.
        peer: PeerNumber,
        /// To whom; `None` is everybody.
        towards: Option<PeerNumber>,
    },
    /// A peer's machine stops at once and starts again. Its connections are reset; its disk is as the crash left it: of
    /// what was written since the last resume record some is lost and some is torn.
    Crash {
        /// When.
        at: Duration,
        /// How long it takes until the peer is back.
        down_for: Duration,
        /// Whose.
        peer: PeerNumber,
    },
    /// The machine of a peer is suspended, and goes on where it was: all clocks have gone on, what came in the meantime
    /// comes at once, and its connections are open still. (A session uses no clock that can be set, so that this is how a
    /// clock jumps for it.)
    Suspend {
        /// When.
        at: Duration,
        /// For how long.
        by: Duration,
        /// Whose.
        peer: PeerNumber,
    },
    /// Every answer of a disk takes longer.
    SlowDisk {
        /// Its beginning.
        from: Duration,
        /// Its end.
        until: Duration,
        /// Whose.
        peer: PeerNumber,
        /// How much longer.
        by: Duration,
    },
    /// There is no room for another byte on the disk of a peer.
    FullDisk {
        /// Its beginning.
        from: Duration,
        /// When there is room again.
        until: Duration,
        /// Whose.
        peer: PeerNumber,
    },
    /// A tracker answers nothing.
    TrackerOutage {
        /// Its beginning.
        from: Duration,
        /// Its end.
        until: Duration,
        /// Which.
        url: String,
    },
    /// Nobody answers in the DHT.
    DhtOutage {
        /// Its beginning.
        from: Duration,
        /// Its end.
        until: Duration,
    },
}

impl Fault {
    /// When it begins.
    #[must_use]
    pub const fn begins(&self) -> Duration {
        match self {
            Self::Partition { from, .. }
            | Self::Clog { from, .. }
            | Self::FullDisk { from, .. }
            | Self::SlowDisk { from, .. }
            | Self::TrackerOutage { from, .. }
            | Self::DhtOutage { from, .. } => *from,
            Self::Crash { at, .. } | Self::Suspend { at, .. } => *at,
        }
    }

    /// When it is over.
    #[must_use]
    pub fn ends(&self) -> Duration {
        match self {
            Self::Partition { until, .. }
            | Self::Clog { until, .. }
            | Self::FullDisk { until, .. }
            | Self::SlowDisk { until, .. }
            | Self::TrackerOutage { until, .. }
            | Self::DhtOutage { until, .. } => *until,
            Self::Crash { at, down_for, .. } => at.saturating_add(*down_for),
            Self::Suspend { at, by, .. } => at.saturating_add(*by),
        }
    }

    /// Whether it keeps what `from` sends from `to`.
    pub(crate) fn holds(&self, from: PeerNumber, to: PeerNumber) -> bool {
        match self {
            Self::Partition { .. } | Self::Suspend { .. } => self.separates(from, to),
            Self::Clog { peer, towards, .. } => *peer == from && towards.is_none_or(|towards| towards == to),
            Self::Crash { .. }
            | Self::FullDisk { .. }
            | Self::SlowDisk { .. }
            | Self::TrackerOutage { .. }
            | Self::DhtOutage { .. } => false,
        }
    }

    /// Whether these two cannot even call each other.
    pub(crate) fn separates(&self, one: PeerNumber, other: PeerNumber) -> bool {
        match self {
            Self::Partition { peers, .. } => peers.contains(&one) != peers.contains(&other),
            Self::Suspend { peer, .. } => *peer == one || *peer == other,
            _ => false,
        }
    }
}
