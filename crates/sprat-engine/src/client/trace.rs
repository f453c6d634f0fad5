//! What one torrent does, line by line, for whoever looks for a reason: the messages of its peers, trackers and disk, as they cross the
//! seam between the session and the world.
//!
//! The session knows nothing of it, and while nobody looks it costs one comparison for each input and output. Lines wait in a queue of
//! limited length; what does not fit is counted, and nobody waits for a reader.

mod stream;
mod words;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sprat_core::Session;
use sprat_core::io::{ConnectionId, Event, Input, Output};
use sprat_core::storage::TorrentId;
use sprat_core::time::Time;
use thiserror::Error;
use tokio::sync::mpsc;

use stream::Stream;

/// Lines that wait for a reader.
const LINES: usize = 4096;

/// Traces at a time: each reads the streams of all peers of its torrent again.
const TRACES: usize = 4;

/// One line of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceLine {
    /// Since the trace began.
    pub at: Duration,
    /// With whom, when it is about a peer.
    pub peer: Option<SocketAddr>,
    /// Which way it went.
    pub way: Way,
    /// In words for a person, without secrets. What others have said is in it with its control characters made visible.
    pub text: String,
    /// So many lines before it were lost, because the reader was too slow.
    pub lost: u64,
}

/// Which way something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From a peer, a tracker, the DHT or the disk.
    In,
    /// To one of them.
    Out,
    /// It has happened here.
    Here,
}

/// Why there is no trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TraceError {
    /// There is no such torrent.
    #[error("there is no such torrent")]
    Unknown,
    /// Others look already.
    #[error("{TRACES} torrents are traced already, and more at a time are not")]
    TooMany,
}

/// All traces.
#[derive(Debug, Default)]
pub(super) struct Traces(Vec<Trace>);

/// One of them.
#[derive(Debug)]
struct Trace {
    torrent: TorrentId,
    began: Time,
    lines: mpsc::Sender<TraceLine>,
    lost: u64,
    peers: BTreeMap<ConnectionId, Peer>,
}

/// A connection of a torrent that is traced.
#[derive(Debug)]
struct Peer {
    address: Option<SocketAddr>,
    received: Stream,
    sent: Stream,
}

/// What has come in, as far as somebody wants to know: the session takes the rest.
pub(super) enum Sight {
    /// On a connection.
    On(ConnectionId, Option<SocketAddr>, Arrival),
    /// For a torrent.
    For(TorrentId, String),
}

/// What comes in on a connection.
pub(super) enum Arrival {
    Connected,
    Bytes(Bytes),
    Closed,
}

impl Traces {
    /// Begins one. `connections` are all that there are, with their remote ends.
    pub(super) fn begin(
        &mut self,
        session: &Session,
        now: Time,
        torrent: TorrentId,
        connections: impl Iterator<Item = (ConnectionId, Option<SocketAddr>)>,
    ) -> Result<mpsc::Receiver<TraceLine>, TraceError> {
        self.0.retain(|trace| !trace.lines.is_closed());
        if !session.knows(torrent) {
            return Err(TraceError::Unknown);
        }
        if self.0.len() >= TRACES {
            return Err(TraceError::TooMany);
        }
        let (lines, reader) = mpsc::channel(LINES);
        let ours = connections.filter(|(id, _)| session.torrent_of(*id) == Some(torrent));
        // What is sent is whole messages each time; what is received may be in the middle of one.
        let midway = |address| Peer { address, received: Stream::Unknown, sent: Stream::messages() };
        let peers = ours.map(|(id, address)| (id, midway(address))).collect();
        self.0.push(Trace { torrent, began: now, lines, lost: 0, peers });
        Ok(reader)
    }

    /// What is to be remembered of an input before the session takes it. `address` is asked for the remote end of a connection.
    pub(super) fn look(
        &self,
        input: &Input,
        address: impl Fn(ConnectionId) -> Option<SocketAddr>,
    ) -> Option<Sight> {
        if self.0.is_empty() {
            return None;
        }
        let on =
            |connection: ConnectionId, arrival| Some(Sight::On(connection, address(connection), arrival));
        match input {
            Input::Connected { connection } => on(*connection, Arrival::Connected),
            Input::Received { connection, bytes } => on(*connection, Arrival::Bytes(bytes.clone())),
            Input::Closed { connection } => on(*connection, Arrival::Closed),
            Input::Storage(reply) => Some(Sight::For(reply.torrent(), words::reply(reply)?)),
            Input::Announced { torrent, result, .. } => Some(Sight::For(*torrent, words::announced(result))),
            Input::FoundPeers { torrent, source, peers } => {
                Some(Sight::For(*torrent, format!("{} peers by {source:?}", peers.len())))
            }
            Input::MetadataLoaded { torrent, result } => Some(Sight::For(*torrent, words::loaded(result))),
            Input::Accepted { .. } | Input::Sent { .. } | Input::Timeout => None,
        }
    }

    /// Tells it, after the session has taken it: only then it is known for whom a caller asks.
    pub(super) fn tell(&mut self, session: &Session, now: Time, sight: Sight) {
        match sight {
            Sight::For(torrent, text) => {
                for trace in self.0.iter_mut().filter(|trace| trace.torrent == torrent) {
                    trace.say(now, None, Way::In, text.clone());
                }
            }
            Sight::On(connection, address, arrival) => {
                let owner = session.torrent_of(connection);
                for trace in &mut self.0 {
                    if owner == Some(trace.torrent) {
                        trace.peers.entry(connection).or_insert_with(|| Peer::new(address));
                    }
                    trace.arrive(session, now, connection, &arrival);
                }
            }
        }
    }

    /// Tells what the session has put out.
    pub(super) fn output(&mut self, session: &Session, now: Time, output: &Output) {
        let mut over = None;
        for trace in &mut self.0 {
            trace.output(session, now, output);
            if matches!(output, Output::Event(Event::Removed { torrent }) if *torrent == trace.torrent) {
                over = Some(trace.torrent);
            }
        }
        self.0.retain(|trace| over != Some(trace.torrent));
    }

    pub(super) const fn are_none(&self) -> bool {
        self.0.is_empty()
    }
}

impl Peer {
    /// One whose streams begin now.
    fn new(address: Option<SocketAddr>) -> Self {
        Self { address, received: Stream::new(), sent: Stream::new() }
    }
}

impl Trace {
    fn say(&mut self, now: Time, peer: Option<SocketAddr>, way: Way, text: String) {
        let line = TraceLine { at: now.since(self.began), peer, way, text, lost: self.lost };
        match self.lines.try_send(line) {
            Ok(()) => self.lost = 0,
            Err(_) => self.lost += 1,
        }
    }

    fn arrive(&mut self, session: &Session, now: Time, connection: ConnectionId, arrival: &Arrival) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        let address = peer.address;
        match arrival {
            Arrival::Connected => self.say(now, address, Way::Here, "connected".to_owned()),
            Arrival::Closed => {
                self.peers.remove(&connection);
                self.say(now, address, Way::Here, "the connection was closed".to_owned());
            }
            Arrival::Bytes(bytes) => {
                let texts = peer.received.read(bytes.clone());
                if session.is_between_messages(connection) {
                    peer.received.catch_up();
                }
                for text in texts {
                    self.say(now, address, Way::In, text);
                }
            }
        }
    }

    fn output(&mut self, session: &Session, now: Time, output: &Output) {
        match output {
            Output::Connect { connection, address }
                if session.torrent_of(*connection) == Some(self.torrent) =>
            {
                self.peers.insert(*connection, Peer::new(Some(*address)));
                self.say(now, Some(*address), Way::Out, "connecting".to_owned());
            }
            Output::Send { connection, bytes } => {
                let Some(peer) = self.peers.get_mut(connection) else { return };
                let (address, texts) = (peer.address, peer.sent.read(bytes.clone()));
                for text in texts {
                    self.say(now, address, Way::Out, text);
                }
            }
            Output::Disconnect { connection } => {
                if let Some(peer) = self.peers.remove(connection) {
                    self.say(now, peer.address, Way::Out, "disconnected".to_owned());
                }
            }
            Output::Storage(request) if request.torrent() == self.torrent => {
                if let Some(text) = words::request(request) {
                    self.say(now, None, Way::Out, text);
                }
            }
            Output::Announce { torrent, url, request, .. } if *torrent == self.torrent => {
                self.say(now, None, Way::Out, words::announce(url, request));
            }
            Output::FindPeers { torrent, seed, .. } if *torrent == self.torrent => {
                let as_what = if *seed { "a seed" } else { "a leecher" };
                self.say(now, None, Way::Out, format!("looking into the DHT, as {as_what}"));
            }
            Output::HeardOf { torrent, from, peers } if *torrent == self.torrent => {
                self.say(now, None, Way::Here, format!("{from} tells of {} peers", peers.len()));
            }
            Output::LoadMetadata { torrent } if *torrent == self.torrent => {
                self.say(now, None, Way::Out, "asking for its metadata, to wake".to_owned());
            }
            Output::Event(event) => {
                if let Some((peer, text)) = words::event(event, self.torrent) {
                    self.say(now, peer, Way::Here, text);
                }
            }
            _ => {}
        }
    }
}
