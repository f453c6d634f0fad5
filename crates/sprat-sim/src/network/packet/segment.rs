//! What the ends of a stream say to each other.

use bytes::Bytes;
use sprat_core::time::Time;

/// Ranges in a selective acknowledgement: what fits into a header beside timestamps (RFC 2018).
pub(super) const RANGES: usize = 3;

/// Some bytes of a stream, and an acknowledgement of those of the other direction.
#[derive(Debug, Clone)]
pub(in crate::network) struct Segment {
    /// Where in the stream its bytes begin.
    pub(super) sequence: u64,
    pub(super) payload: Bytes,
    /// When it was sent.
    pub(super) stamp: Time,
    pub(super) has_come: Acknowledgement,
}

/// What has come from the other end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Acknowledgement {
    /// All bytes before this.
    pub(super) before: u64,
    /// And these behind it, from and to.
    pub(super) ranges: [Option<(u64, u64)>; RANGES],
    /// The stamp of what is acknowledged by this.
    pub(super) echo: Option<Time>,
}
