//! A whole session that downloads: a read of 16 blocks goes in, storage writes and new requests come out.
//!
//! What peers send depends on what they were asked for, and to find that out is no part of what is measured. So the download
//! is rehearsed first. The same session with the same inputs does the same again: that is measured.

use std::collections::{BTreeMap, VecDeque};
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sprat_core::Session;
use sprat_core::bitfield::Bitfield;
use sprat_core::config::Config;
use sprat_core::geometry::PieceIndex;
use sprat_core::io::{AddMagnet, AddTorrent, ConnectionId, Input, Output};
use sprat_core::storage::{Found, StorageReply, StorageRequest, TorrentId};
use sprat_core::time::Time;
use sprat_wire::hash::PeerId;
use sprat_wire::metainfo::Metainfo;
use sprat_wire::peer::deframer::{Deframer, MessageLimits};
use sprat_wire::peer::handshake::{Handshake, Reserved};
use sprat_wire::peer::message::{BlockRequest, Message, PIECE_HEADER_LENGTH, encode_piece_header};

use crate::content::{PIECES, any_half, torrent};
use crate::operation::{Case, Operation};

/// What happens for each block from the socket to the disk.
pub(crate) const OF_THE_BUDGET: &str = "session: a block, 16 to a read, from one seed";

/// A read of 256 KiB holds so many blocks.
const BLOCKS: usize = 16;

/// Reads of one run.
const READS: u64 = 256;

/// 1 GB/s.
const BETWEEN_READS: Duration = Duration::from_micros(262);

pub(crate) fn cases() -> Vec<Case> {
    let case = |name, prepare| Case { name, rounds: READS, per_round: BLOCKS as u64, prepare };
    vec![
        case(OF_THE_BUDGET, || Replay::of(Setting { peers: 1, seeds: true, ..Setting::CROWD })),
        case("session: a block, 16 to a read, from 100 peers with half of all pieces each", || {
            Replay::of(Setting::CROWD)
        }),
        case("session: the same, and the pieces are stored", || {
            Replay::of(Setting { stored: true, ..Setting::CROWD })
        }),
        case("session: the same, in order, after nine tenths", || {
            Replay::of(Setting { stored: true, had: PIECES / 10 * 9, sequential: true, ..Setting::CROWD })
        }),
    ]
}

#[derive(Clone, Copy)]
struct Setting {
    /// By turns, they send a read each.
    peers: usize,
    /// They have everything.
    seeds: bool,
    /// The disk answers in what is measured, too.
    stored: bool,
    /// So many pieces were there before, the first ones.
    had: u32,
    sequential: bool,
}

impl Setting {
    const CROWD: Self = Self { peers: 100, seeds: false, stored: false, had: 0, sequential: false };

    /// Reads before those that are measured: until each peer has been asked for as much as its rate makes useful.
    const fn warm_up(self) -> usize {
        60 + 4 * self.peers
    }
}

/// A session with one torrent.
struct Download {
    session: Session,
    torrent: TorrentId,
}

impl Download {
    fn begin(setting: Setting, metainfo: &Arc<Metainfo>) -> Self {
        let config = Config { connections_per_torrent: setting.peers, ..Config::default() };
        let mut session = Session::new(config, 1);
        let wishes = AddMagnet::new(metainfo.info_hashes).of_torrent(Arc::clone(metainfo));
        let add = AddTorrent { sequential: setting.sequential, ..wishes };
        let torrent = session.add(Time::ZERO, add).unwrap();
        let mut have = Bitfield::new(PIECES);
        assert!((0..setting.had).all(|piece| have.insert(piece)), "they are all there are");
        let opened = StorageReply::Opened { torrent, result: Ok(Found::resumed(have)) };
        session.handle_input(Time::ZERO, Input::Storage(opened));
        Self { session, torrent }
    }

    /// A peer calls and says what it has, and that we may ask.
    fn welcome(&mut self, bytes: Bytes, heard: impl FnMut(Output)) -> ConnectionId {
        let connection = self.session.allocate_connection();
        let [.., high, low] = connection.0.to_be_bytes();
        let address = (Ipv4Addr::new(80, high, low, 1), 6881).into();
        self.session.handle_input(Time::ZERO, Input::Accepted { connection, address });
        self.take_in(Time::ZERO, Input::Received { connection, bytes }, heard);
        connection
    }

    fn take_in(&mut self, now: Time, input: Input, mut heard: impl FnMut(Output)) {
        self.session.handle_input(now, input);
        while let Some(output) = self.session.poll_output() {
            heard(output);
        }
    }

    /// A read, and what the disk says to the pieces that it completed.
    fn take_read(&mut self, read: &Read, mut heard: impl FnMut(Output)) {
        let Read { now, connection, ref bytes, ref stored } = *read;
        self.take_in(now, Input::Received { connection, bytes: bytes.clone() }, &mut heard);
        for piece in stored {
            self.take_in(now, Input::Storage(self.stored(*piece)), &mut heard);
        }
    }

    const fn stored(&self, piece: PieceIndex) -> StorageReply {
        StorageReply::Stored { torrent: self.torrent, piece, leaves: None }
    }
}

/// What happened once.
struct Read {
    now: Time,
    connection: ConnectionId,
    bytes: Bytes,
    stored: Vec<PieceIndex>,
}

/// The peers' side of a download, to find out what they send.
struct Rehearsal {
    peers: BTreeMap<ConnectionId, Peer>,
    completed: Vec<PieceIndex>,
}

#[derive(Default)]
struct Peer {
    heard: Deframer,
    is_introduced: bool,
    asked: VecDeque<BlockRequest>,
}

impl Rehearsal {
    /// The reads of a whole download.
    fn run(setting: Setting, metainfo: &Arc<Metainfo>, greetings: &[Bytes]) -> Vec<Read> {
        let mut download = Download::begin(setting, metainfo);
        let mut rehearsal = Self { peers: BTreeMap::new(), completed: Vec::new() };
        for greeting in greetings {
            download.welcome(greeting.clone(), |output| rehearsal.listen(output));
        }
        let connections: Vec<ConnectionId> = rehearsal.peers.keys().copied().collect();
        let mut reads = Vec::new();
        let mut now = Time::ZERO;
        for (nth, connection) in connections.into_iter().cycle().enumerate() {
            let is_measured = nth >= setting.warm_up();
            if nth == setting.warm_up() + READS as usize {
                break;
            }
            now += BETWEEN_READS;
            let bytes = rehearsal.answer(connection, is_measured);
            let mut read = Read { now, connection, bytes, stored: Vec::new() };
            download.take_read(&read, |output| rehearsal.listen(output));
            if setting.stored || !is_measured {
                read.stored.append(&mut rehearsal.completed);
            }
            for piece in &read.stored {
                let reply = download.stored(*piece);
                download.take_in(now, Input::Storage(reply), |output| rehearsal.listen(output));
            }
            reads.push(read);
        }
        reads
    }

    fn listen(&mut self, output: Output) {
        match output {
            Output::Storage(StorageRequest::Finish { piece, .. }) => self.completed.push(piece),
            Output::Send { connection, bytes } => self.peers.entry(connection).or_default().listen(bytes),
            Output::Disconnect { .. } => panic!("our peers behave"),
            _ => {}
        }
    }

    /// What the peer was asked for first, as it sends it.
    fn answer(&mut self, connection: ConnectionId, is_measured: bool) -> Bytes {
        let asked = &mut self.peers.get_mut(&connection).unwrap().asked;
        let count = BLOCKS.min(asked.len());
        assert!(count == BLOCKS || !is_measured, "by then it was asked for more than fits a read");
        let length =
            asked.iter().take(count).map(|request| PIECE_HEADER_LENGTH + request.length as usize).sum();
        // Of zeros that nobody looks at, the system gives no memory.
        let mut bytes = vec![0; length];
        let mut rest = &mut bytes[..];
        for BlockRequest { piece, begin, length } in asked.drain(..count) {
            let mut header = BytesMut::new();
            encode_piece_header(piece, begin, length, &mut header);
            let (message, behind) = rest.split_at_mut(PIECE_HEADER_LENGTH + length as usize);
            message[..PIECE_HEADER_LENGTH].copy_from_slice(&header);
            rest = behind;
        }
        bytes.into()
    }
}

impl Peer {
    fn listen(&mut self, bytes: Bytes) {
        self.heard.push(bytes);
        if !self.is_introduced {
            self.is_introduced = self.heard.handshake().unwrap().is_some();
        }
        let limits = MessageLimits::for_torrent(PIECES, false);
        while let Some(message) = self.heard.next(&limits).unwrap() {
            match message {
                Message::Request(request) => self.asked.push_back(request),
                Message::Cancel(request) => self.asked.retain(|asked| *asked != request),
                _ => {}
            }
        }
    }
}

/// The download again.
struct Replay {
    setting: Setting,
    metainfo: Arc<Metainfo>,
    greetings: Vec<Bytes>,
    reads: Vec<Read>,
    download: Download,
    writes: usize,
    expected_writes: usize,
}

impl Replay {
    fn of(setting: Setting) -> Box<dyn Operation> {
        let metainfo = torrent();
        // Not the session's seed: a peer with our own id would be taken for ourselves.
        let mut rng = fastrand::Rng::with_seed(2);
        let greetings: Vec<Bytes> =
            (0..setting.peers).map(|_| greeting(setting, &metainfo, &mut rng)).collect();
        let reads = Rehearsal::run(setting, &metainfo, &greetings);
        let download = Self::warmed_up(setting, &metainfo, &greetings, &reads);
        Box::new(Self { setting, metainfo, greetings, reads, download, writes: 0, expected_writes: 0 })
    }

    fn warmed_up(
        setting: Setting,
        metainfo: &Arc<Metainfo>,
        greetings: &[Bytes],
        reads: &[Read],
    ) -> Download {
        let mut download = Download::begin(setting, metainfo);
        for greeting in greetings {
            download.welcome(greeting.clone(), drop);
        }
        for read in reads.iter().take(setting.warm_up()) {
            download.take_read(read, drop);
        }
        download
    }
}

impl Operation for Replay {
    fn run(&mut self, rounds: u64) {
        let writes = &mut self.writes;
        for read in self.reads.iter().skip(self.setting.warm_up()).take(rounds as usize) {
            self.download.take_read(read, |output| {
                *writes += usize::from(matches!(output, Output::Storage(StorageRequest::Write { .. })));
                black_box(output);
            });
        }
        self.expected_writes += rounds as usize * BLOCKS;
    }

    fn reset(&mut self) {
        assert_eq!(self.writes, self.expected_writes, "each block is written");
        self.download = Self::warmed_up(self.setting, &self.metainfo, &self.greetings, &self.reads);
    }
}

/// What a peer says when it has called.
fn greeting(setting: Setting, metainfo: &Metainfo, rng: &mut fastrand::Rng) -> Bytes {
    let reserved = Reserved::default().with_fast();
    let info_hash = metainfo.info_hashes.primary();
    let handshake = Handshake { reserved, info_hash, peer_id: PeerId::generate(|| rng.u8(..)) };
    let has = if setting.seeds { Message::HaveAll } else { Message::Bitfield(any_half(rng).to_wire()) };
    let mut bytes = BytesMut::from(&handshake.encode()[..]);
    has.encode(&mut bytes);
    Message::Unchoke.encode(&mut bytes);
    bytes.freeze()
}
