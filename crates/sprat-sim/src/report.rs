//! What a run has shown.

use std::time::Duration;

use sprat_core::io::DisconnectReason;
use sprat_core::io::Totals;
use sprat_core::time::Time;
use thiserror::Error;

use crate::peer_number::PeerNumber;

/// Something that must not happen.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// A session keeps asking to be woken at once, or two peers excite each other endlessly.
    #[error("spin at {at:?}: peer {peer:?}, {detail}")]
    Spin {
        /// When.
        at: Time,
        /// Who.
        peer: PeerNumber,
        /// What it does.
        detail: String,
    },
    /// A peer that sent only good data was banned.
    #[error("at {at:?} {by:?} banned the honest {victim:?}")]
    HonestBanned {
        /// When.
        at: Time,
        /// By whom.
        by: PeerNumber,
        /// Who.
        victim: PeerNumber,
    },
    /// A peer that keeps the rules was told that it does not.
    #[error("at {at:?} {by:?} accused the honest {victim:?}: {reason:?}")]
    HonestAccused {
        /// When.
        at: Time,
        /// By whom.
        by: PeerNumber,
        /// Who.
        victim: PeerNumber,
        /// Of what.
        reason: DisconnectReason,
    },
    /// Bytes came into being or vanished.
    #[error(
        "{sent} bytes were sent, but {received} received, {lost} lost, {cut_off} cut off, {travelling} on their way"
    )]
    Conservation {
        /// Left an uplink.
        sent: u64,
        /// Handed to a session.
        received: u64,
        /// Arrived where the connection was closed.
        lost: u64,
        /// Under way when the connection ended, where packets may be lost.
        cut_off: i64,
        /// Between uplink and session.
        travelling: i64,
    },
    /// A session says that it has other pieces than its disk has verified.
    #[error("at {at:?} {peer:?} counts pieces as had that never passed their hash")]
    UnverifiedPiece {
        /// When.
        at: Time,
        /// Who.
        peer: PeerNumber,
    },
    /// A piece is said to be durable that a crash would take.
    #[error("at {at:?} {peer:?} reports a piece as durable that is not")]
    FleetingPiece {
        /// When.
        at: Time,
        /// Who.
        peer: PeerNumber,
    },
    /// An honest peer gets nothing although an honest seed is within reach.
    #[error("at {at:?} {peer:?} has had no new piece since {since:?}, with a seed within reach")]
    Starved {
        /// When.
        at: Time,
        /// Who.
        peer: PeerNumber,
        /// Since then nothing was in the way either.
        since: Time,
    },
    /// A session keeps more connections than it was allowed.
    #[error("at {at:?} {peer:?} has {count} connections")]
    TooManyConnections {
        /// When.
        at: Time,
        /// Who.
        peer: PeerNumber,
        /// How many.
        count: usize,
    },
    /// A session does not keep the rules of the protocol.
    #[error("at {at:?} {by:?} breaks a rule: {rule}")]
    BrokenRule {
        /// When.
        at: Time,
        /// Who.
        by: PeerNumber,
        /// What it does.
        rule: String,
    },
    /// Honest peers that are still there did not get everything in time.
    #[error("at {at:?} these are not complete: {missing:?}")]
    Incomplete {
        /// When the patience ended.
        at: Time,
        /// Who, and how many pieces it has.
        missing: Vec<(PeerNumber, u32)>,
    },
}

/// Bytes of all messages over one peer's line, not only payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Left the uplink.
    pub sent: u64,
    /// Came through the downlink on connections that were open.
    pub received: u64,
    /// Came through the downlink too late.
    pub lost: u64,
}

/// How one peer fared.
#[derive(Debug, Clone)]
pub struct PeerReport {
    /// Who.
    pub number: PeerNumber,
    /// When it came; `None` if not yet.
    pub joined_at: Option<Time>,
    /// When it had everything.
    pub completed_at: Option<Time>,
    /// From coming to having everything.
    pub took: Option<Duration>,
    /// Pieces it has.
    pub pieces: u32,
    /// Everything over its line.
    pub traffic: Traffic,
    /// When its first piece had come.
    pub first_piece_at: Option<Time>,
    /// When it had 95 of 100 pieces.
    pub nearly_complete_at: Option<Time>,
    /// It is gone, and will not come again.
    pub has_left: bool,
    /// Payload sent, bytes.
    pub uploaded: u64,
    /// Payload received, bytes.
    pub downloaded: u64,
    /// Payload received for nothing, bytes.
    pub wasted: u64,
    /// Pieces that failed their hash.
    pub rejected_pieces: u64,
    /// How many peers have banned it.
    pub banned_by: u32,
    /// How often its session asked for the time.
    pub wakes: u64,
}

/// What sessions count of their payload, bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counted {
    pub(crate) uploaded: u64,
    pub(crate) downloaded: u64,
    pub(crate) wasted: u64,
    pub(crate) rejected_pieces: u64,
}

impl Counted {
    /// This, and what one more session has counted.
    pub(crate) const fn and(self, totals: Totals) -> Self {
        Self {
            uploaded: self.uploaded + totals.uploaded,
            downloaded: self.downloaded + totals.downloaded,
            wasted: self.wasted + totals.wasted,
            rejected_pieces: self.rejected_pieces + totals.rejected_pieces,
        }
    }
}

/// Payload by who sent it and whom it was for, bytes; what got lost on the way is in it too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flows {
    /// From group to group, givers in rows: as many rows as columns.
    pub groups: Vec<Vec<u64>>,
    /// From peer to peer, if there are no more than [`MATRIX_PEERS`](crate::MATRIX_PEERS).
    pub peers: Vec<Vec<u64>>,
    /// By honest peers that give.
    pub by_contributors: u64,
}

/// The peers of one group at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupSnapshot {
    /// Those who have come, gone or not.
    pub joined: u32,
    /// Those who are there.
    pub present: u32,
    /// Those who have had everything.
    pub complete: u32,
    /// Pieces of all who have come, each as it is or as it left.
    pub pieces: u64,
}

/// The swarm at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// When.
    pub at: Time,
    /// Peers present.
    pub present: u32,
    /// Of these, peers with everything.
    pub complete: u32,
    /// Copies of the rarest piece among those present.
    pub rarest: u32,
    /// Copies of the commonest piece.
    pub commonest: u32,
    /// Pieces of which nobody present has a copy.
    pub lacking: u32,
    /// Copies of all pieces together.
    pub copies: u64,
    /// Payload that honest peers have sent so far, bytes.
    pub payload: u64,
    /// Upload capacity of the honest peers present that give, bytes per second.
    pub capacity: u64,
    /// By group.
    pub groups: Vec<GroupSnapshot>,
    /// Ordered pairs of incomplete peers that were looked at.
    pub pairs: u32,
    /// Of these, pairs of which the first has something for the second.
    pub useful_pairs: u32,
}
