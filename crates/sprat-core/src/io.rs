//! The face of the machine: everything that goes in and everything that comes out.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;
use sprat_wire::hash::{InfoHash, InfoHashes, PeerId};
use sprat_wire::metainfo::{File, Metainfo};
use sprat_wire::tracker::{AnnounceRequest, AnnounceResponse};
use thiserror::Error;

use crate::geometry::PieceIndex;
use crate::peer_list::PeerSource;
use crate::storage::{StorageError, StorageReply, StorageRequest, TorrentId};

/// A connection, from the attempt to its end. Given out by the session, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// Somebody who reads a torrent while it is downloaded. Given out by whoever drives the session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReaderId(pub u64);

/// A tracker of a torrent, as long as the torrent has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TrackerId(pub u32);

/// Why a tracker has not answered as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerFailure {
    /// In words for a person.
    pub reason: String,
    /// Nothing came back: it would be the same for any other torrent.
    pub is_unreachable: bool,
}

impl TrackerFailure {
    /// Its host was not found, not reached, or said nothing.
    #[must_use]
    pub fn unreachable(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_unreachable: true }
    }

    /// It has answered, and not with peers; or it is this torrent that cannot ask it.
    #[must_use]
    pub fn answered(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_unreachable: false }
    }
}

/// One thing that happened.
#[derive(Debug)]
pub enum Input {
    /// Somebody accepted by the listener. The id comes from `Session::allocate_connection`.
    Accepted {
        /// Its new name.
        connection: ConnectionId,
        /// The remote end.
        address: SocketAddr,
    },
    /// An [`Output::Connect`] succeeded.
    Connected {
        /// Which.
        connection: ConnectionId,
    },
    /// Bytes arrived.
    Received {
        /// On which connection.
        connection: ConnectionId,
        /// The bytes. Blocks in them are kept by reference.
        bytes: Bytes,
    },
    /// So many bytes of earlier [`Output::Send`]s have been handed to the network.
    Sent {
        /// On which connection.
        connection: ConnectionId,
        /// How many.
        bytes: usize,
    },
    /// The connection has ended or never came about. After an [`Output::Disconnect`] this is not reported.
    Closed {
        /// Which.
        connection: ConnectionId,
    },
    /// The disk answered.
    Storage(StorageReply),
    /// An [`Output::Announce`] ended.
    Announced {
        /// The torrent.
        torrent: TorrentId,
        /// The tracker.
        tracker: TrackerId,
        /// Its answer, or why there is none.
        result: Result<AnnounceResponse, TrackerFailure>,
    },
    /// The DHT knows some peers of an [`Output::FindPeers`], or some of an [`Output::HeardOf`] may be called.
    FoundPeers {
        /// The torrent.
        torrent: TorrentId,
        /// Who has told of them.
        source: PeerSource,
        /// The peers.
        peers: Vec<SocketAddr>,
    },
    /// An [`Output::LoadMetadata`] ended.
    MetadataLoaded {
        /// The torrent.
        torrent: TorrentId,
        /// Its metadata, or why there is none, in words for a person.
        result: Result<Arc<Metainfo>, MetadataError>,
    },
    /// The time that `Session::poll_timeout` named has come.
    Timeout,
}

/// One thing to be done.
#[derive(Debug)]
pub enum Output {
    /// Open a TCP connection. Answered by [`Input::Connected`] or [`Input::Closed`].
    Connect {
        /// Its name.
        connection: ConnectionId,
        /// Where to.
        address: SocketAddr,
    },
    /// Send these bytes, in order. Answered by [`Input::Sent`].
    Send {
        /// On which connection.
        connection: ConnectionId,
        /// The bytes.
        bytes: Bytes,
    },
    /// Close the connection; what was not sent may be dropped.
    Disconnect {
        /// Which.
        connection: ConnectionId,
    },
    /// Ask the disk.
    Storage(StorageRequest),
    /// Announce to a tracker, over every address family that it has. Answered by [`Input::Announced`].
    Announce {
        /// The torrent.
        torrent: TorrentId,
        /// The tracker.
        tracker: TrackerId,
        /// Its URL, as the torrent has it.
        url: Arc<str>,
        /// What to say.
        request: AnnounceRequest,
    },
    /// Look for the peers of a swarm in the DHT, and tell it that we are one. Answered by [`Input::FoundPeers`], as
    /// often as there is something. Never said of a private torrent (BEP 27).
    FindPeers {
        /// The torrent.
        torrent: TorrentId,
        /// The swarm: a hybrid has two.
        info_hash: InfoHash,
        /// We have everything (BEP 33).
        seed: bool,
    },
    /// A peer has told of others (BEP 11). Those of them that may be called on such a word come back as
    /// [`Input::FoundPeers`]. Never said of a private torrent.
    HeardOf {
        /// The torrent.
        torrent: TorrentId,
        /// Who has told of them.
        from: IpAddr,
        /// The others.
        peers: Vec<SocketAddr>,
    },
    /// A peer says that it has a DHT node (BEP 5, `port`).
    DhtNode {
        /// Where.
        address: SocketAddr,
    },
    /// A torrent that sleeps is to wake: find its metadata. Answered by [`Input::MetadataLoaded`].
    LoadMetadata {
        /// The torrent.
        torrent: TorrentId,
    },
    /// What `Session::read` has asked for.
    Read {
        /// The torrent.
        torrent: TorrentId,
        /// For whom.
        reader: ReaderId,
        /// The bytes, or why there are none. What was had may be gone: then it is
        /// [`Changed`](crate::storage::StorageErrorKind::Changed), and is fetched again.
        result: Result<Bytes, StorageError>,
    },
    /// Tell the user.
    Event(Event),
}

/// What a user or a script may want to know, as it happens. State is read from the session's getters instead.
#[derive(Debug, Clone)]
pub enum Event {
    /// Existing data has been looked at: this many pieces are had, and downloading or seeding begins.
    Checked {
        /// The torrent.
        torrent: TorrentId,
        /// Pieces had.
        have: u32,
    },
    /// Of the info dictionary of a magnet link so much is there, unchecked (BEP 9).
    MetadataProgress {
        /// The torrent.
        torrent: TorrentId,
        /// Bytes.
        have: u32,
        /// Bytes of all of it, as its sources say.
        size: u32,
    },
    /// The metadata of a magnet link is there and is what the link names: worth keeping for the next time.
    MetadataReceived {
        /// The torrent.
        torrent: TorrentId,
        /// The torrent file, without trackers.
        metainfo: Arc<Metainfo>,
    },
    /// A piece was verified and written: others may have it. A power cut may take it yet.
    PieceVerified {
        /// The torrent.
        torrent: TorrentId,
        /// The piece.
        piece: PieceIndex,
    },
    /// A piece is durable: neither the end of this process nor a power cut takes it away.
    PieceCompleted {
        /// The torrent.
        torrent: TorrentId,
        /// The piece.
        piece: PieceIndex,
    },
    /// A piece did not match its hash and was dropped.
    PieceRejected {
        /// The torrent.
        torrent: TorrentId,
        /// The piece.
        piece: PieceIndex,
    },
    /// A file is not what it was, by somebody else's doing. What of it was had is looked at again before it is given to anybody.
    FileChanged {
        /// The torrent.
        torrent: TorrentId,
        /// By its number in the info dictionary.
        file: usize,
    },
    /// Every wanted piece is had and durable.
    Finished {
        /// The torrent.
        torrent: TorrentId,
    },
    /// The torrent stopped by itself, or goes on again (`None`).
    Trouble {
        /// The torrent.
        torrent: TorrentId,
        /// Why it stopped.
        trouble: Option<Trouble>,
    },
    /// A handshake was completed.
    PeerConnected {
        /// The torrent.
        torrent: TorrentId,
        /// Where.
        address: SocketAddr,
        /// Who it says it is.
        peer_id: PeerId,
    },
    /// A connection ended.
    PeerDisconnected {
        /// The torrent.
        torrent: TorrentId,
        /// Where.
        address: SocketAddr,
        /// Why.
        reason: DisconnectReason,
    },
    /// A peer sent bad data and will not be talked to again.
    PeerBanned {
        /// The torrent.
        torrent: TorrentId,
        /// Where.
        address: SocketAddr,
    },
    /// A tracker answered.
    TrackerAnswered {
        /// The torrent.
        torrent: TorrentId,
        /// Its URL.
        url: Arc<str>,
        /// How many peers it named.
        peers: usize,
        /// What it wants a person to read.
        warning: Option<String>,
    },
    /// A tracker did not answer, or answered with an error.
    TrackerFailed {
        /// The torrent.
        torrent: TorrentId,
        /// Its URL.
        url: Arc<str>,
        /// Its words or ours.
        reason: String,
    },
    /// It has everything and nobody to give it to: its files are closed, and little more of it is held than its name. It is in
    /// its swarms all the same.
    FellAsleep {
        /// The torrent.
        torrent: TorrentId,
    },
    /// Files that were to go, with a torrent or when a move was cancelled, stay on the disk, and from now on nobody knows that they are
    /// ours.
    FilesLeft {
        /// The torrent.
        torrent: TorrentId,
        /// Which, and why, in words for a person.
        reason: String,
    },
    /// `Session::remove` is done: files closed, trackers told.
    Removed {
        /// The torrent.
        torrent: TorrentId,
    },
}

/// Why the metadata of a torrent that sleeps cannot be had, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MetadataError {
    /// It is not there, or damaged: unless somebody brings it back, nobody will ever know which files the torrent has.
    #[error("{0}")]
    Lost(String),
    /// It cannot be read just now.
    #[error("{0}")]
    Unreadable(String),
}

/// Why a torrent stopped by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The disk would not do as asked. Writing is tried again by itself; what is had is still uploaded.
    Storage(StorageError),
    /// The v1 and v2 hashes of a hybrid contradict each other (BEP 52). For good.
    Inconsistent,
    /// What a magnet link names is there, and is no usable torrent: in these words. For good.
    Unusable(String),
}

/// Why a connection ended: whose fault it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The other side, or the network, closed it.
    Remote,
    /// Connecting or the handshake took too long, or nothing was heard for two minutes.
    Timeout,
    /// We connected to ourselves.
    OurOwn,
    /// The same peer is connected already.
    Duplicate,
    /// Both ends have everything, or neither can help the other any more.
    Useless,
    /// More connections than allowed.
    TooMany,
    /// Memory was short, and it held much for what it exchanged.
    Overload,
    /// It asked for a torrent that we do not have.
    UnknownTorrent,
    /// Its bytes make no sense.
    Malformed(&'static str),
    /// Its bytes make sense but break the rules.
    Misbehaved(&'static str),
    /// It sent data that failed its hash.
    Poisoned,
    /// The user or the session stopped the torrent.
    Stopped,
}

impl DisconnectReason {
    /// The remote end has done what it must not do.
    pub(crate) const fn is_breach(self) -> bool {
        matches!(self, Self::Malformed(_) | Self::Misbehaved(_))
    }
}

/// How a torrent is to be treated; the user's choice.
#[derive(Debug, Clone)]
pub struct AddTorrent {
    /// The torrent.
    pub metainfo: Arc<Metainfo>,
    /// Trackers besides the metainfo's own, as tiers put in front.
    pub extra_trackers: Vec<Vec<String>>,
    /// Peers known from elsewhere: a magnet link's `x.pe`, the command line.
    pub peers: Vec<SocketAddr>,
    /// One priority per file; missing entries are [`FilePriority::Normal`].
    pub priorities: Vec<FilePriority>,
    /// Pieces in order rather than rarest first.
    pub sequential: bool,
    /// Bytes per second in both directions for this torrent alone; `None` is no limit.
    pub limits: RateLimits,
    /// It is looked at what is there, and no more is done until `Session::resume`.
    pub paused: bool,
    /// What else the user may choose.
    pub manner: Manner,
}

impl AddTorrent {
    /// All of it, as usual.
    #[must_use]
    pub const fn new(metainfo: Arc<Metainfo>) -> Self {
        Self {
            metainfo,
            extra_trackers: Vec::new(),
            peers: Vec::new(),
            priorities: Vec::new(),
            sequential: false,
            limits: RateLimits { download: None, upload: None },
            paused: false,
            manner: Manner::USUAL,
        }
    }
}

/// How a torrent goes about its work, as far as the user can change it at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Manner {
    /// The first and last pieces of each wanted file come before all others, so that it can be seen what the file is.
    pub first_last_first: bool,
    /// Alone with everything, it shows each peer few pieces at a time, and the next ones when those have spread (BEP 16).
    /// Whoever is connected when that is chosen knows better already.
    pub super_seeding: bool,
    /// Connections at most, besides the limits of the session.
    pub connections: Option<usize>,
}

impl Manner {
    /// Nothing of it.
    pub const USUAL: Self = Self { first_last_first: false, super_seeding: false, connections: None };
}

/// A torrent that has nothing to do, from an earlier session: see [`crate::sleeper`].
#[derive(Debug, Clone)]
pub struct AddSleeping {
    /// The torrent.
    pub info_hashes: InfoHashes,
    /// Peers may be found only at its own trackers (BEP 27).
    pub private: bool,
    /// Its trackers, also those that the user has named, by tier.
    pub tiers: Vec<Vec<String>>,
    /// Everything wanted was had when it fell asleep. If not, it wakes unless it is paused.
    pub complete: bool,
    /// Bytes of the whole torrent that it lacks.
    pub left: u64,
    /// What was counted so far.
    pub totals: Totals,
    /// The user does not want it to take part.
    pub paused: bool,
    /// It wakes, paused or not, and hashes everything before anything is believed.
    pub recheck: bool,
    /// As in [`AddTorrent`].
    pub priorities: Vec<FilePriority>,
    /// As in [`AddTorrent`].
    pub sequential: bool,
    /// As in [`AddTorrent`].
    pub limits: RateLimits,
    /// As in [`AddTorrent`].
    pub manner: Manner,
}

impl AddSleeping {
    /// One that has everything, and nothing else is said of it.
    #[must_use]
    pub fn new(info_hashes: InfoHashes) -> Self {
        Self {
            info_hashes,
            private: false,
            tiers: Vec::new(),
            complete: true,
            left: 0,
            totals: Totals::default(),
            paused: false,
            recheck: false,
            priorities: Vec::new(),
            sequential: false,
            limits: RateLimits::default(),
            manner: Manner::USUAL,
        }
    }
}

/// What was counted since a torrent was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Payload received, bytes.
    pub downloaded: u64,
    /// Payload sent, bytes.
    pub uploaded: u64,
    /// Received for nothing, bytes: rejected pieces, duplicates of the endgame, blocks nobody asked for.
    pub wasted: u64,
    /// Pieces that failed their hash.
    pub rejected_pieces: u64,
}

/// A torrent of which a magnet link has told the name; the rest as in [`AddTorrent`].
#[derive(Debug, Clone)]
pub struct AddMagnet {
    /// The torrent.
    pub info_hashes: InfoHashes,
    /// Trackers that the link names, by tier.
    pub trackers: Vec<Vec<String>>,
    /// Trackers besides them, as tiers put in front.
    pub extra_trackers: Vec<Vec<String>>,
    /// Peers to call at once.
    pub peers: Vec<SocketAddr>,
    /// Numbers of the files to fetch, padding not counted (BEP 53); `None` is all.
    pub select_only: Option<Vec<RangeInclusive<u32>>>,
    /// Pieces in order rather than rarest first.
    pub sequential: bool,
    /// Bytes per second in both directions for this torrent alone.
    pub limits: RateLimits,
    /// Nobody is asked for anything, not even for the metadata, until `Session::resume`.
    pub paused: bool,
    /// What else the user may choose.
    pub manner: Manner,
}

impl AddMagnet {
    /// Nothing but the name.
    #[must_use]
    pub const fn new(info_hashes: InfoHashes) -> Self {
        Self {
            info_hashes,
            trackers: Vec::new(),
            extra_trackers: Vec::new(),
            peers: Vec::new(),
            select_only: None,
            sequential: false,
            limits: RateLimits { download: None, upload: None },
            paused: false,
            manner: Manner::USUAL,
        }
    }

    /// All trackers by tier.
    #[must_use]
    pub fn tiers(&self) -> Vec<Vec<String>> {
        [self.extra_trackers.as_slice(), self.trackers.as_slice()].concat()
    }

    /// The same wishes for the torrent that was found.
    #[must_use]
    pub fn of_torrent(&self, metainfo: Arc<Metainfo>) -> AddTorrent {
        let mut number = 0;
        let priority = |file: &File| {
            let selected =
                |ranges: &Vec<RangeInclusive<u32>>| ranges.iter().any(|range| range.contains(&number));
            let wanted = !file.attributes.pad && self.select_only.as_ref().is_none_or(selected);
            number += u32::from(!file.attributes.pad);
            if wanted { FilePriority::Normal } else { FilePriority::Skip }
        };
        let priorities = metainfo.info.files.iter().map(priority).collect();
        AddTorrent {
            priorities,
            extra_trackers: self.tiers(),
            peers: self.peers.clone(),
            sequential: self.sequential,
            limits: self.limits,
            paused: self.paused,
            manner: self.manner,
            metainfo,
        }
    }
}

/// Bytes per second; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateLimits {
    /// Received payload.
    pub download: Option<u64>,
    /// Sent payload.
    pub upload: Option<u64>,
}

/// How much a file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum FilePriority {
    /// Not at all.
    Skip,
    /// After the others.
    Low,
    /// As usual.
    #[default]
    Normal,
    /// Before the others.
    High,
}
