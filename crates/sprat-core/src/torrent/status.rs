//! What a user sees of a torrent: plain values, taken when asked for.

use std::net::SocketAddr;

use sprat_wire::hash::PeerId;

use crate::announcer::{SwarmCounts, TrackerStatus};
use crate::bitfield::Bitfield;
use crate::connection::Direction;
use crate::io::{Totals, Trouble};
use crate::peer_list::PeerSource;
use crate::picker::PieceState;
use crate::time::Time;

use super::{Phase, Torrent};

/// What a torrent is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TorrentState {
    /// Looking which files are there.
    Opening,
    /// Hashing what is there, paused or not; so many thousandths are done.
    Checking {
        /// 0 to 1000.
        permille: u16,
    },
    /// Fetching what is missing.
    Downloading,
    /// Everything wanted is had; sharing it.
    Seeding,
    /// The user said so.
    Paused,
    /// It stopped by itself.
    Trouble(Trouble),
    /// Closing its files.
    Closing,
}

/// The figures of a torrent.
#[derive(Debug, Clone)]
pub struct TorrentStatus {
    /// What it is doing.
    pub state: TorrentState,
    /// Pieces, and how many of them are had and how many are wanted but not had.
    pub pieces: u32,
    /// Pieces had and durable.
    pub pieces_have: u32,
    /// Pieces had, also those that a power cut may take yet.
    pub pieces_verified: u32,
    /// Pieces that were had, of files that somebody else has changed: they are being looked at.
    pub pieces_doubtful: u32,
    /// Pieces wanted and not had.
    pub pieces_wanted_left: u32,
    /// Bytes of the whole torrent.
    pub bytes_total: u64,
    /// Bytes of the whole torrent that are not had.
    pub bytes_left: u64,
    /// Bytes wanted that are not had.
    pub bytes_wanted_left: u64,
    /// Counted since it was added.
    pub totals: Totals,
    /// Payload received, bytes per second.
    pub download_rate: u64,
    /// Payload sent, bytes per second.
    pub upload_rate: u64,
    /// Connections whose handshakes are through.
    pub connections: usize,
    /// Connected peers that have everything.
    pub seeds: usize,
    /// Addresses known.
    pub known_peers: usize,
    /// How many there are in all, connected or not, as the trackers say.
    pub swarm: SwarmCounts,
    /// The others wait for our upload: we are the only one with everything, and they have nearly all that we have sent.
    pub upload_is_bottleneck: bool,
    /// Whole copies that connected peers hold together, and thousandths of one more.
    pub distributed_copies: (u32, u32),
}

/// The figures of a connection.
#[derive(Debug, Clone)]
pub struct ConnectionStatus {
    /// The remote end.
    pub address: SocketAddr,
    /// Who it says it is.
    pub peer_id: PeerId,
    /// What program it says it is.
    pub client: Option<String>,
    /// By whom its address is known, the first one of those that are tried first; `None` if that is forgotten.
    pub source: Option<PeerSource>,
    /// Who began.
    pub direction: Direction,
    /// Pieces it has.
    pub pieces_have: u32,
    /// We choke it.
    pub choking: bool,
    /// It chokes us.
    pub choked: bool,
    /// We want something from it.
    pub interested: bool,
    /// It wants something from us.
    pub wanted: bool,
    /// It owes us blocks and does not deliver.
    pub snubbed: bool,
    /// Payload received from it, bytes.
    pub downloaded: u64,
    /// Payload sent to it, bytes.
    pub uploaded: u64,
    /// Payload received, bytes per second.
    pub download_rate: u64,
    /// Payload sent, bytes per second.
    pub upload_rate: u64,
    /// Requests of ours that it has not answered.
    pub requests: usize,
}

impl Torrent {
    /// What it is doing.
    #[must_use]
    pub fn state(&self) -> TorrentState {
        match (&self.phase, &self.trouble) {
            (Phase::Closing, _) => TorrentState::Closing,
            (_, Some(trouble)) => TorrentState::Trouble(trouble.clone()),
            (Phase::Checking(check), None) => TorrentState::Checking { permille: check.permille() },
            (_, None) if self.paused => TorrentState::Paused,
            (Phase::New | Phase::Opening, None) => TorrentState::Opening,
            (Phase::Active, None) if self.is_complete() => TorrentState::Seeding,
            (Phase::Active, None) => TorrentState::Downloading,
        }
    }

    /// Its figures.
    #[must_use]
    pub fn status(&self, now: Time) -> TorrentStatus {
        let connections = self.connections.values();
        TorrentStatus {
            state: self.state(),
            pieces: self.geometry.pieces(),
            pieces_have: self.durability.count(),
            pieces_verified: self.picker.have().count(),
            pieces_doubtful: u32::try_from(self.recheck.doubtful().count()).unwrap_or(u32::MAX),
            pieces_wanted_left: self.picker.wanted_left(),
            bytes_total: self.geometry.total_length(),
            bytes_left: self.picker.bytes_left(),
            bytes_wanted_left: self.picker.bytes_wanted_left(),
            totals: self.totals,
            download_rate: connections.clone().map(|connection| connection.download.rate(now)).sum(),
            upload_rate: connections.clone().map(|connection| connection.upload.rate(now)).sum(),
            connections: self.connections.len(),
            seeds: connections.filter(|connection| connection.is_seed()).count(),
            known_peers: self.peers.len(),
            swarm: self.announcer.swarm(),
            upload_is_bottleneck: self.bottleneck.is_ours,
            distributed_copies: self.picker.distributed_copies(),
        }
    }

    /// Counted since it was added.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// Bytes of the whole torrent that are not had; `None` until it has been looked at what is there.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        matches!(self.phase, Phase::Active).then(|| self.picker.bytes_left())
    }

    /// The pieces had, also those that are not durable yet.
    #[must_use]
    pub const fn have(&self) -> &Bitfield {
        self.picker.have()
    }

    /// How far each piece has come.
    pub fn piece_states(&self) -> impl Iterator<Item = PieceState> + '_ {
        self.geometry.all_pieces().map(|piece| self.picker.state(piece))
    }

    /// How many connected peers have each piece.
    pub fn availability(&self) -> impl Iterator<Item = u32> + '_ {
        self.geometry.all_pieces().map(|piece| self.picker.availability(piece))
    }

    /// Bytes had of each file, also those that are not durable yet, padding among them. Looks at every piece once for each of its
    /// files.
    #[must_use]
    pub fn file_progress(&self) -> Vec<u64> {
        let have = self.picker.have();
        let of_file = |file: usize| {
            let pieces = self.geometry.pieces_of(file).filter(|piece| have.contains(*piece));
            pieces.map(|piece| self.geometry.bytes_of(file, piece)).sum()
        };
        (0..self.metainfo.info.files.len()).map(of_file).collect()
    }

    /// Its connections, oldest first.
    pub fn connections(&self, now: Time) -> impl Iterator<Item = ConnectionStatus> + '_ {
        self.connections.values().map(move |connection| ConnectionStatus {
            address: connection.address,
            peer_id: connection.peer_id,
            client: connection.client.clone(),
            source: match connection.direction {
                Direction::Incoming => Some(PeerSource::Incoming),
                Direction::Outgoing => self.peers.source_of(connection.address),
            },
            direction: connection.direction,
            pieces_have: connection.pieces.count(),
            choking: connection.choking,
            choked: connection.choked,
            interested: connection.interested,
            wanted: connection.wanted,
            snubbed: connection.snubbed,
            downloaded: connection.downloaded,
            uploaded: connection.uploaded,
            download_rate: connection.download.rate(now),
            upload_rate: connection.upload.rate(now),
            requests: connection.requests_in_flight(),
        })
    }

    /// Its trackers, by tier.
    pub fn trackers(&self) -> impl Iterator<Item = TrackerStatus> + '_ {
        self.announcer.trackers()
    }
}
