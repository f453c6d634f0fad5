//! What the connections of a peer run over.
//!
//! A peer owns its ends of all connections, and its access line. A [`Line`] takes what sessions say, tells what has left
//! and what has come, and hands [`Parcel`]s to other peers' lines, never sooner than the latency of their [`Route`].
//! Nothing is shared between two peers, so that those of different peers may be simulated at the same time.
//!
//! There are two models of the network, and a peer does not see which one it has: [`BlockLine`] and [`PacketLine`].

use std::time::Duration;

use bytes::Bytes;
use sprat_core::io::ConnectionId;
use sprat_core::time::Time;

use crate::peer_number::{Life, PeerNumber};

mod block;
mod packet;

use block::BlockLine;
pub use packet::PacketConfig;
use packet::{Datagram, PacketLine};

/// How exactly the network is modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// Every message, and access lines that connections share block by block; nothing is lost. For 10,000 peers.
    #[default]
    Block,
    /// Every packet of every connection, as TCP sends them, on lines with queues, with loss, reordering and duplication.
    /// For 200 peers.
    Packet(PacketConfig),
}

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
    /// A packet. It may get lost, and what it has of the stream comes with another one then.
    Datagram(Box<Datagram>),
    /// The other end has closed.
    Close(Farewell),
}

/// What an end knows of its connection when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Farewell {
    /// Bytes given to the network of which the line does not know whether they have come.
    pub(crate) said: u64,
    /// Bytes that have come from the other end, if that does not know.
    pub(crate) heard: u64,
}

impl Parcel {
    /// Bytes of the stream that nothing else carries.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Segments(segments) => segments.iter().map(Bytes::len).sum(),
            Self::Datagram(_) | Self::Close(_) => 0,
        }
    }

    pub(crate) fn segments(&self) -> &[Bytes] {
        match self {
            Self::Bytes(bytes) => std::slice::from_ref(bytes),
            Self::Segments(segments) => segments,
            Self::Datagram(_) | Self::Close(_) => &[],
        }
    }
}

/// What an end has sent.
#[derive(Debug)]
pub(crate) struct Departed {
    pub(crate) connection: ConnectionId,
    pub(crate) route: Route,
    pub(crate) parcel: Parcel,
    /// Bytes of the stream that were given to the network for the first time.
    pub(crate) said: usize,
    /// How long the parcel is on its way. `None`: it does not travel itself, and its bytes do in others.
    pub(crate) takes: Option<Duration>,
}

/// What becomes of a parcel before the downlink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    AtOnce,
    At(Time),
    /// The queue is full.
    Dropped,
}

/// The access line of one peer, and its ends of connections.
#[derive(Debug)]
pub(crate) enum Line {
    Block(BlockLine),
    Packet(Box<PacketLine>),
}

impl Line {
    /// A line of these capacities, bytes per second.
    pub(crate) fn new(network: Network, upload: u64, download: u64, rng: &mut fastrand::Rng) -> Self {
        match network {
            Network::Block => Self::Block(BlockLine::new(upload, download)),
            Network::Packet(config) => {
                let rng = fastrand::Rng::with_seed(rng.u64(..));
                Self::Packet(Box::new(PacketLine::new(config, upload, download, rng)))
            }
        }
    }

    pub(crate) fn open(&mut self, connection: ConnectionId, route: Route, is_held: bool) {
        match self {
            Self::Block(line) => line.open(connection, route, is_held),
            Self::Packet(line) => line.open(connection, route, is_held),
        }
    }

    /// The other end has taken the call; `false` when it is closed here.
    pub(crate) fn connected(&mut self, connection: ConnectionId, route: Route) -> bool {
        match self {
            Self::Block(line) => line.connected(connection, route),
            Self::Packet(line) => line.connected(connection, route),
        }
    }

    /// Forgets an end and what it had not sent; where it led.
    pub(crate) fn close(&mut self, connection: ConnectionId) -> Option<(Route, Farewell)> {
        match self {
            Self::Block(line) => line.close(connection).map(|route| (route, Farewell::default())),
            Self::Packet(line) => line.close(connection),
        }
    }

    pub(crate) fn is_open(&self, connection: ConnectionId) -> bool {
        match self {
            Self::Block(line) => line.is_open(connection),
            Self::Packet(line) => line.is_open(connection),
        }
    }

    /// All ends, and where they lead.
    pub(crate) fn routes(&self) -> Vec<(ConnectionId, Route)> {
        match self {
            Self::Block(line) => line.routes().collect(),
            Self::Packet(line) => line.routes().collect(),
        }
    }

    /// Stops what this end sends, or lets it go on.
    pub(crate) fn hold(&mut self, now: Time, connection: ConnectionId, hold: bool) {
        match self {
            Self::Block(line) => line.hold(connection, hold),
            Self::Packet(line) => line.hold(now, connection, hold),
        }
    }

    /// Takes bytes to be sent.
    pub(crate) fn send(&mut self, connection: ConnectionId, bytes: Bytes) {
        match self {
            Self::Block(line) => line.send(connection, bytes),
            Self::Packet(line) => line.send(connection, bytes),
        }
    }

    /// Goes on with what there is to do after anything else was called: what that has given to the network, and when
    /// the uplink will have sent what it begins to send now.
    pub(crate) fn start(&mut self, now: Time, out: &mut Vec<Departed>) -> Option<Time> {
        match self {
            Self::Block(line) => line.start(now),
            Self::Packet(line) => line.start(now, out),
        }
    }

    /// What was leaving has left. Of an end that has been closed since, nothing may have.
    pub(crate) fn departed(&mut self, out: &mut Vec<Departed>) {
        match self {
            Self::Block(line) => line.departed(out),
            Self::Packet(line) => line.departed(out),
        }
    }

    /// A parcel stands before the downlink.
    pub(crate) fn arrive(&mut self, now: Time, parcel: &Parcel) -> Passage {
        match self {
            Self::Block(line) => line.arrive(now, parcel.length()).map_or(Passage::AtOnce, Passage::At),
            Self::Packet(line) => line.arrive(now, parcel),
        }
    }

    /// A packet has come through the downlink: the bytes of the stream that are complete up to here now.
    pub(crate) fn take(
        &mut self,
        now: Time,
        connection: ConnectionId,
        datagram: Datagram,
        heard: &mut Vec<Bytes>,
    ) {
        match self {
            // Nobody sends it any.
            Self::Block(_) => {}
            Self::Packet(line) => line.take(now, connection, datagram, heard),
        }
    }

    /// When it wants to be called by [`expire`](Self::expire).
    pub(crate) fn next_timer(&self) -> Option<Time> {
        match self {
            Self::Block(_) => None,
            Self::Packet(line) => line.next_timer(),
        }
    }

    /// The time is there.
    pub(crate) fn expire(&mut self, now: Time) {
        match self {
            Self::Block(_) => {}
            Self::Packet(line) => line.expire(now),
        }
    }
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
struct Downlink {
    capacity: u64,
    free_at: Time,
}

impl Downlink {
    const fn new(capacity: u64) -> Self {
        Self { capacity, free_at: Time::ZERO }
    }

    /// Whether nothing is coming through at present: what is through just now has perhaps not been delivered yet.
    fn is_free(&self, now: Time) -> bool {
        self.free_at < now
    }

    /// Bytes that are waiting or coming through.
    fn backlog(&self, now: Time) -> usize {
        let nanos = self.free_at.since(now).as_nanos();
        usize::try_from(nanos * u128::from(self.capacity) / 1_000_000_000).unwrap_or(usize::MAX)
    }

    /// When so many bytes that arrive now are through.
    fn pass(&mut self, now: Time, bytes: usize) -> Time {
        self.free_at = self.free_at.max(now) + time_on_line(bytes, self.capacity);
        self.free_at
    }
}
