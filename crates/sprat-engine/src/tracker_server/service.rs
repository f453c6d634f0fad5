//! The machine, its clock and the counters of the shell.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use sprat_tracker::{Access, Origin, Protocol, Refusal, Statistics, Tracker};
use sprat_wire::hash::InfoHash;
use sprat_wire::tracker::{AnnounceRequest, AnnounceResponse, ScrapeEntry};

/// What all tasks of one server share. They run on one thread, and no method waits: a borrow never meets another.
pub(super) struct Service {
    tracker: RefCell<Tracker>,
    traffic: RefCell<Traffic>,
    started: Instant,
}

/// The numbers of a running server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerStatistics {
    /// Those of the tracker.
    pub tracker: Statistics,
    /// Those of its sockets.
    pub traffic: Traffic,
    /// Time since the server was started.
    pub uptime: Duration,
}

/// What went over the sockets. All but the first count since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// HTTP connections open now.
    pub http_connections_open: u64,
    /// HTTP connections accepted.
    pub http_connections: u64,
    /// HTTP connections closed at once, because there were too many.
    pub http_connections_refused: u64,
    /// HTTP connections closed because the client was too slow or idle.
    pub http_timeouts: u64,
    /// HTTP requests of all kinds.
    pub http_requests: u64,
    /// HTTP requests that were malformed, or for something that is not here.
    pub http_errors: u64,
    /// Bytes received over HTTP connections.
    pub http_bytes_in: u64,
    /// Bytes sent over HTTP connections.
    pub http_bytes_out: u64,
    /// UDP packets received.
    pub udp_packets_in: u64,
    /// UDP packets sent.
    pub udp_packets_out: u64,
    /// UDP packets dropped because they were not understood.
    pub udp_malformed: u64,
    /// UDP packets dropped because their connection id was not valid.
    pub udp_bad_connection_id: u64,
    /// UDP answers that the system did not take.
    pub udp_unsent: u64,
    /// Bytes received over UDP, without headers.
    pub udp_bytes_in: u64,
    /// Bytes sent over UDP, without headers.
    pub udp_bytes_out: u64,
}

impl Service {
    pub(super) fn new(tracker: Tracker) -> Self {
        Self { tracker: RefCell::new(tracker), traffic: RefCell::default(), started: Instant::now() }
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Traffic)) {
        change(&mut self.traffic.borrow_mut());
    }

    pub(super) fn statistics(&self) -> ServerStatistics {
        ServerStatistics {
            tracker: self.tracker.borrow().statistics(),
            traffic: *self.traffic.borrow(),
            uptime: self.now(),
        }
    }

    pub(super) fn announce(
        &self,
        protocol: Protocol,
        address: SocketAddr,
        request: &AnnounceRequest,
    ) -> Result<AnnounceResponse, Refusal> {
        self.tracker.borrow_mut().announce(self.now(), Origin { protocol, address }, request)
    }

    pub(super) fn scrape(
        &self,
        protocol: Protocol,
        address: SocketAddr,
        info_hashes: &[InfoHash],
    ) -> Vec<ScrapeEntry> {
        self.tracker.borrow_mut().scrape(self.now(), Origin { protocol, address }, info_hashes)
    }

    pub(super) fn connect(&self, address: IpAddr) -> u64 {
        self.tracker.borrow_mut().connect(self.now(), address)
    }

    pub(super) fn is_valid_connection_id(&self, address: IpAddr, id: u64) -> bool {
        self.tracker.borrow().is_valid_connection_id(self.now(), address, id)
    }

    pub(super) fn expire(&self) {
        self.tracker.borrow_mut().expire(self.now());
    }

    pub(super) fn set_access(&self, access: Access) {
        self.tracker.borrow_mut().set_access(access);
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}
