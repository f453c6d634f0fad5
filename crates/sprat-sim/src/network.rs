//! What the connections of a peer run over.
//!
//! A peer owns its ends of all connections, and its access line. A line takes what sessions say, tells what has left and
//! what has come, and hands [`Parcel`]s to other peers' lines, never sooner than the latency of their [`Route`]. Nothing
//! is shared between two peers, so that those of different peers may be simulated at the same time.

use std::time::Duration;

use bytes::Bytes;
use sprat_core::io::ConnectionId;
use sprat_core::time::Time;

use crate::peer_number::{Life, PeerNumber};

mod block;

pub(crate) use block::BlockLine;

/// Where a connection leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    /// To whom.
    pub(crate) peer: PeerNumber,
    /// In which of its lives.
    pub(crate) life: Life,
    /// Its own name for the connection; `None` before it has taken the call.
    pub(crate) connection: Option<ConnectionId>,
    /// From one end to the other.
    pub(crate) latency: Duration,
}

/// What travels.
#[derive(Debug)]
pub(crate) enum Parcel {
    /// Some bytes of the stream.
    Bytes(Bytes),
    /// More of them than one piece of memory holds.
    Segments(Vec<Bytes>),
    /// The other end has closed.
    Close,
}

impl Parcel {
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Segments(segments) => segments.iter().map(Bytes::len).sum(),
            Self::Close => 0,
        }
    }

    pub(crate) fn segments(&self) -> &[Bytes] {
        match self {
            Self::Bytes(bytes) => std::slice::from_ref(bytes),
            Self::Segments(segments) => segments,
            Self::Close => &[],
        }
    }
}

/// What has left a line: a parcel, and the end that sent it.
#[derive(Debug)]
pub(crate) struct Departed {
    pub(crate) connection: ConnectionId,
    pub(crate) route: Route,
    pub(crate) parcel: Parcel,
}

/// How long so many bytes take at so many bytes per second, rounded up to a nanosecond.
fn time_on_line(bytes: usize, capacity: u64) -> Duration {
    const NANOS: u64 = 1_000_000_000;
    let capacity = capacity.max(1);
    match (bytes as u64).checked_mul(NANOS) {
        Some(scaled) => Duration::from_nanos(scaled.div_ceil(capacity)),
        None => Duration::MAX,
    }
}

/// One direction from the network.
#[derive(Debug)]
pub(crate) struct Downlink {
    capacity: u64,
    free_at: Time,
}

impl Downlink {
    pub(crate) const fn new(capacity: u64) -> Self {
        Self { capacity, free_at: Time::ZERO }
    }

    /// Whether nothing is coming through at present.
    pub(crate) fn is_free(&self, now: Time) -> bool {
        self.free_at <= now
    }

    /// When so many bytes that arrive now are through.
    pub(crate) fn pass(&mut self, now: Time, bytes: usize) -> Time {
        self.free_at = self.free_at.max(now) + time_on_line(bytes, self.capacity);
        self.free_at
    }
}
