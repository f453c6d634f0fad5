//! The conversation with a UDP tracker (BEP 15): a connection id first, then the request, each repeated until an
//! answer comes or patience ends.

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sprat_wire::compact::Family;
use sprat_wire::tracker::udp::{Request, Response};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use crate::udp::UdpSockets;

/// How long a client may use a connection id (BEP 15: "until one minute after it has received it").
const CONNECTION_ID_LIFETIME: Duration = Duration::from_secs(60);

/// Trackers whose connection ids are remembered. Far more than anybody announces to within a minute.
const MAX_CONNECTION_IDS: usize = 1000;

/// When silence is answered with a repetition, and when with giving up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpPatience {
    /// How long the first answer is waited for; twice as long after every repetition (BEP 15: 15 s).
    pub first_timeout: Duration,
    /// How often a request is sent at most, counted over the whole conversation. BEP 15 goes on for 9 times, which
    /// is two hours; a tracker that missed three requests is left alone until its next turn.
    pub attempts: u32,
}

impl Default for UdpPatience {
    fn default() -> Self {
        Self { first_timeout: Duration::from_secs(15), attempts: 3 }
    }
}

/// Why a conversation failed.
#[derive(Debug, Error)]
pub(super) enum UdpError {
    #[error("no socket: {0}")]
    Socket(#[from] io::Error),
    #[error("no answer")]
    Silence,
    #[error("refused: {0}")]
    Refused(String),
}

/// Remembers connection ids.
#[derive(Debug)]
pub(super) struct UdpClient {
    sockets: UdpSockets,
    patience: UdpPatience,
    connections: Mutex<BTreeMap<SocketAddr, (u64, Instant)>>,
}

impl UdpClient {
    pub(super) fn new(sockets: UdpSockets, patience: UdpPatience) -> Self {
        Self { sockets, patience, connections: Mutex::default() }
    }

    /// Asks the tracker at `tracker`, and returns an answer of the kind that belongs to the request, which `ask` makes
    /// of a connection id and a transaction id.
    pub(super) async fn ask(
        &self,
        tracker: SocketAddr,
        ask: impl Fn(u64, u32) -> Request,
    ) -> Result<Response, UdpError> {
        let mut conversation = Conversation::new(&self.sockets, tracker, self.patience);
        let connect = Request::Connect { transaction: random()? };
        let transaction = random()?;
        // An id from an earlier conversation may have been forgotten by the tracker.
        let mut remembered = true;
        loop {
            let Some(connection) = self.remembered(tracker) else {
                remembered = false;
                match conversation.exchange(&connect).await? {
                    Some(Response::Connect { connection, .. }) => self.remember(tracker, connection),
                    Some(Response::Error { message, .. }) => return Err(UdpError::Refused(message)),
                    _ => conversation.lose_patience()?,
                }
                continue;
            };
            match conversation.exchange(&ask(connection, transaction)).await? {
                Some(Response::Error { .. }) if remembered => {
                    remembered = false;
                    self.forget(tracker);
                }
                Some(Response::Error { message, .. }) => return Err(UdpError::Refused(message)),
                Some(response) => return Ok(response),
                None => {
                    if mem::take(&mut remembered) {
                        self.forget(tracker);
                    }
                    conversation.lose_patience()?;
                }
            }
        }
    }

    fn remembered(&self, tracker: SocketAddr) -> Option<u64> {
        let connections = self.connections();
        let (connection, since) = connections.get(&tracker)?;
        (since.elapsed() < CONNECTION_ID_LIFETIME).then_some(*connection)
    }

    fn remember(&self, tracker: SocketAddr, connection: u64) {
        let mut connections = self.connections();
        connections.retain(|_, (_, since)| since.elapsed() < CONNECTION_ID_LIFETIME);
        if connections.len() >= MAX_CONNECTION_IDS {
            connections.pop_first();
        }
        connections.insert(tracker, (connection, Instant::now()));
    }

    fn forget(&self, tracker: SocketAddr) {
        self.connections().remove(&tracker);
    }

    pub(super) fn forget_all(&self) {
        self.connections().clear();
    }

    fn connections(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, (u64, Instant)>> {
        // No step on the way leaves the map half changed.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Conversation<'a> {
    sockets: &'a UdpSockets,
    tracker: SocketAddr,
    timeout: Duration,
    attempts_left: u32,
}

impl<'a> Conversation<'a> {
    fn new(sockets: &'a UdpSockets, tracker: SocketAddr, patience: UdpPatience) -> Self {
        Self { sockets, tracker, timeout: patience.first_timeout, attempts_left: patience.attempts.max(1) }
    }

    /// Sends `request` once; `None` when no answer came in time. Datagrams that are not the answer are passed over:
    /// anybody can send them, and the answer may still be on its way.
    async fn exchange(&self, request: &Request) -> io::Result<Option<Response>> {
        let mut packet = Vec::new();
        request.encode(&mut packet);
        let mut answers = self.sockets.expect(self.tracker, request.transaction());
        self.sockets.send(&packet, self.tracker).await?;
        let deadline = Instant::now() + self.timeout;
        loop {
            let Ok(datagram) = timeout_at(deadline, answers.next()).await else {
                return Ok(None);
            };
            match Response::decode(&datagram?, Family::of(self.tracker)) {
                Ok(response) if answers_to(&response, request) => return Ok(Some(response)),
                Ok(_) => tracing::trace!("a tracker's answer to something else"),
                Err(error) => tracing::trace!(%error, "not a tracker's answer"),
            }
        }
    }

    fn lose_patience(&mut self) -> Result<(), UdpError> {
        self.attempts_left -= 1;
        self.timeout = self.timeout.saturating_mul(2);
        if self.attempts_left == 0 { Err(UdpError::Silence) } else { Ok(()) }
    }
}

fn answers_to(response: &Response, request: &Request) -> bool {
    let kind_fits = matches!(
        (request, response),
        (_, Response::Error { .. })
            | (Request::Connect { .. }, Response::Connect { .. })
            | (Request::Announce { .. }, Response::Announce { .. })
            | (Request::Scrape { .. }, Response::Scrape { .. })
    );
    kind_fits && response.transaction() == request.transaction()
}

/// A number that a forger cannot guess.
fn random() -> io::Result<u32> {
    getrandom::u32().map_err(io::Error::other)
}
