//! A session and everything around it, with a watch over what it does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use sprat_core::Session;
use sprat_core::config::Config;
use sprat_core::io::{
    AddMagnet, AddTorrent, ConnectionId, DisconnectReason, Event, FilePriority, Input, Output, RateLimits,
    TrackerFailure, TrackerId,
};
use sprat_core::storage::{StorageRequest, TorrentId};
use sprat_core::time::Time;
use sprat_sim::{Content, ContentConfig, Disk};
use sprat_wire::hash::Sha256Hash;
use sprat_wire::metainfo::Version;
use sprat_wire::peer::message::{BlockRequest, HashRequest, Message};
use sprat_wire::tracker::AnnounceResponse;

use super::far_disk::{FarDisk, Start};
use super::remote::{Remote, encode, handshake, introduction};
use super::script::Script;

/// One input may set off so many outputs, for this little torrent and these few peers.
const MOST_OUTPUTS: usize = 3000;

/// And so many bytes.
const MOST_BYTES: usize = 4 << 20;

/// More connections say nothing new.
const MOST_PEERS: usize = 12;

pub(crate) struct World {
    content: Arc<Content>,
    session: Session,
    torrent: TorrentId,
    now: Time,
    disk: FarDisk,
    remotes: BTreeMap<ConnectionId, Remote>,
    announces: Vec<TrackerId>,
    /// Every block that was ever requested from anybody.
    requested: BTreeSet<BlockRequest>,
    /// Who sent wrong data.
    liars: BTreeSet<IpAddr>,
    next_host: u8,
    from_magnet: bool,
    is_removed: bool,
}

/// 6 pieces and a bit, in files that end within a piece; in all three kinds.
fn contents() -> &'static [Arc<Content>; 3] {
    static CONTENTS: OnceLock<[Arc<Content>; 3]> = OnceLock::new();
    CONTENTS.get_or_init(|| {
        [Version::V1, Version::V2, Version::Hybrid].map(|version| {
            let files = vec![70_000, 1, 0, 120_000];
            let config =
                ContentConfig { version, piece_length: 32 * 1024, files, ..ContentConfig::default() };
            let content = Content::generate(&config, &mut fastrand::Rng::with_seed(7));
            Arc::new(content.expect("such files make a torrent"))
        })
    })
}

impl World {
    pub(crate) fn new(script: &mut Script<'_>) -> Self {
        let content = Arc::clone(&contents()[script.one_of(3)]);
        let start = script.byte();
        let disk = Disk::new(Arc::clone(&content), start & 1 == 1);
        let how = if start & 2 == 2 { Start::Unchecked } else { Start::Plain };
        let mut session = Session::new(Config::default(), u64::from(script.byte()));
        let skip = |at: u8| if start >> 4 & at == at { FilePriority::Skip } else { FilePriority::Normal };
        let add = AddTorrent {
            priorities: vec![skip(1), skip(2), skip(4)],
            sequential: start & 4 == 4,
            ..AddTorrent::new(Arc::clone(content.metainfo()))
        };
        let added = if start & 8 == 8 {
            session.add_magnet(Time::ZERO, AddMagnet::new(content.metainfo().info_hashes))
        } else {
            session.add(Time::ZERO, add)
        };
        let torrent = added.expect("the first torrent");
        let mut world = Self {
            content,
            session,
            torrent,
            now: Time::ZERO,
            disk: FarDisk::new(disk, how),
            remotes: BTreeMap::new(),
            announces: Vec::new(),
            requested: BTreeSet::new(),
            liars: BTreeSet::new(),
            next_host: 1,
            from_magnet: start & 8 == 8,
            is_removed: false,
        };
        world.drain();
        world
    }

    pub(crate) fn step(&mut self, script: &mut Script<'_>) {
        match script.one_of(20) {
            0 => self.say_bytes(script),
            1..=3 => self.say_message(script),
            4 => self.answer(script, true),
            5 => self.answer(script, false),
            6 => self.serve(script.one_of(64)),
            7 => self.serve_all(),
            8 => self.fail(script),
            9 => self.pass(Duration::from_millis(1 << script.one_of(22))),
            10 | 11 => self.join(script),
            12 => self.finish_dialling(script),
            13 => self.hang_up(script),
            14 => self.act_as_user(script),
            15 => self.announced(script),
            16 => self.greet(script),
            18 => self.enlighten(script),
            19 => self.mislead(script),
            _ => self.settle(),
        }
    }

    /// Ends everything. Whatever state the session is in, it comes to an end.
    pub(crate) fn end(mut self) {
        self.session.shut_down(self.now);
        self.drain();
        for _ in 0..1000 {
            self.serve_all();
            for tracker in std::mem::take(&mut self.announces) {
                self.input(Input::Announced {
                    torrent: self.torrent,
                    tracker,
                    result: Err(TrackerFailure::unreachable("no answer")),
                });
            }
            if self.session.torrents().next().is_none() && self.session.seekers().next().is_none() {
                return;
            }
            self.pass(Duration::from_secs(1));
        }
        panic!("the session does not end");
    }

    // What others do.

    fn pick(&self, script: &mut Script<'_>) -> Option<ConnectionId> {
        let open: Vec<ConnectionId> =
            self.remotes.iter().filter(|(_, remote)| remote.is_open).map(|(id, _)| *id).collect();
        (!open.is_empty()).then(|| open[script.one_of(open.len())])
    }

    fn say(&mut self, connection: ConnectionId, bytes: Bytes) {
        let Some(remote) = self.remotes.get_mut(&connection).filter(|remote| remote.is_open) else { return };
        remote.say(&bytes, &self.content);
        if remote.has_lied {
            self.liars.insert(remote.address.ip());
        }
        // Before the metadata is known other limits hold, and for a while nothing is read at all.
        let must_go = remote.is_malformed && !self.from_magnet;
        self.input(Input::Received { connection, bytes });
        assert!(!must_go || !self.remotes.contains_key(&connection), "it listens to what is no message");
    }

    fn say_bytes(&mut self, script: &mut Script<'_>) {
        let Some(connection) = self.pick(script) else { return };
        let count = usize::from(script.byte());
        self.say(connection, Bytes::copy_from_slice(script.bytes(count)));
    }

    fn say_message(&mut self, script: &mut Script<'_>) {
        let Some(connection) = self.pick(script) else { return };
        if !self.remotes[&connection].is_introduced() {
            return;
        }
        let message = self.any_message(script);
        let bytes = encode(&message);
        let times = if script.byte() == 255 { 300 } else { 1 };
        for _ in 0..times {
            self.say(connection, bytes.clone());
        }
    }

    fn any_message(&self, script: &mut Script<'_>) -> Message {
        let block = |script: &mut Script<'_>| BlockRequest {
            piece: script.number(),
            begin: script.number().wrapping_mul(if script.coin() { 16 * 1024 } else { 1 }),
            length: if script.coin() { 16 * 1024 } else { script.number() },
        };
        let hashes = |script: &mut Script<'_>| {
            let files = &self.content.metainfo().info.files;
            let root = files[script.one_of(files.len())].pieces_root;
            HashRequest {
                pieces_root: root.unwrap_or(Sha256Hash::ZERO),
                base_layer: script.number(),
                index: script.number(),
                length: script.number(),
                proof_layers: script.number(),
            }
        };
        match script.one_of(23) {
            0 => Message::KeepAlive,
            1 => Message::Choke,
            2 => Message::Unchoke,
            3 => Message::Interested,
            4 => Message::NotInterested,
            5 => Message::Have(script.number()),
            6 => {
                let count = script.one_of(3);
                Message::Bitfield(Bytes::copy_from_slice(script.bytes(count)))
            }
            7 | 8 => Message::Request(block(script)),
            9 => {
                let BlockRequest { piece, begin, length } = block(script);
                Message::Piece { piece, begin, block: vec![7; length.min(1 << 15) as usize].into() }
            }
            10 => Message::Cancel(block(script)),
            11 => Message::Port(script.number() as u16),
            12 => Message::SuggestPiece(script.number()),
            13 => Message::HaveAll,
            14 => Message::HaveNone,
            15 => Message::RejectRequest(block(script)),
            16 => Message::AllowedFast(script.number()),
            17 | 18 => {
                let (id, count) = (script.byte() % 4, usize::from(script.byte()));
                Message::Extended { id, payload: Bytes::copy_from_slice(script.bytes(count)) }
            }
            19 => Message::HashRequest(hashes(script)),
            20 => {
                let hash = Sha256Hash([script.byte(); 32]);
                Message::Hashes { request: hashes(script), hashes: vec![hash; script.one_of(20)] }
            }
            21 => Message::HashReject(hashes(script)),
            _ => Message::Unknown(script.byte()),
        }
    }

    fn answer(&mut self, script: &mut Script<'_>, honestly: bool) {
        let Some(connection) = self.pick(script) else { return };
        let Some(remote) = self.remotes.get_mut(&connection).filter(|remote| remote.is_introduced()) else {
            return;
        };
        if remote.wanted.is_empty() {
            return;
        }
        let nth = script.one_of(remote.wanted.len());
        let mut message = Remote::answer(remote.wanted.remove(nth), &self.content);
        if !honestly && let Message::Piece { block, .. } = &mut message {
            let mut wrong = block.to_vec();
            wrong[0] = !wrong[0];
            *block = wrong.into();
        }
        self.say(connection, encode(&message));
    }

    fn hang_up(&mut self, script: &mut Script<'_>) {
        let all: Vec<ConnectionId> = self.remotes.keys().copied().collect();
        if !all.is_empty() {
            let connection = all[script.one_of(all.len())];
            self.remotes.remove(&connection);
            self.input(Input::Closed { connection });
        }
    }

    fn join(&mut self, script: &mut Script<'_>) {
        if self.remotes.len() >= MOST_PEERS {
            return;
        }
        let address = self.new_address();
        let connection = self.session.allocate_connection();
        self.remotes.insert(connection, Remote::new(address, true));
        self.input(Input::Accepted { connection, address });
        self.introduce(connection, script);
    }

    fn finish_dialling(&mut self, script: &mut Script<'_>) {
        let dialled = self.remotes.iter().find(|(_, remote)| !remote.is_open).map(|(id, _)| *id);
        let Some(connection) = dialled else { return };
        if let Some(remote) = self.remotes.get_mut(&connection) {
            remote.is_open = true;
        }
        self.input(Input::Connected { connection });
        self.introduce(connection, script);
    }

    fn introduce(&mut self, connection: ConnectionId, script: &mut Script<'_>) {
        let bits = script.byte();
        let reserved = [0, 0, 0, 0, 0, bits & 0x10, 0, bits & 0x05 | (bits << 4) & 0x10];
        let bytes = handshake(&self.content, reserved, script.byte());
        self.say(connection, bytes);
    }

    /// What a seeder would say first.
    fn greet(&mut self, script: &mut Script<'_>) {
        let Some(connection) = self.pick(script) else { return };
        if !self.remotes[&connection].is_introduced() {
            return;
        }
        let pieces = self.content.geometry().pieces();
        let everything = sprat_core::bitfield::Bitfield::full(pieces).to_wire();
        let introduction = introduction(&self.content, None);
        for message in [Message::Bitfield(everything), introduction, Message::Unchoke, Message::Interested] {
            self.say(connection, encode(&message));
        }
    }

    /// Answers what the session wants to know of the torrent.
    fn enlighten(&mut self, script: &mut Script<'_>) {
        let Some(connection) = self.pick(script) else { return };
        self.tell_truth(connection);
    }

    fn tell_truth(&mut self, connection: ConnectionId) {
        let answers = self.remotes.get_mut(&connection).map(|remote| remote.enlighten(&self.content));
        for message in answers.unwrap_or_default() {
            self.say(connection, encode(&message));
        }
    }

    /// The same, but something is wrong with it.
    fn mislead(&mut self, script: &mut Script<'_>) {
        let Some(connection) = self.pick(script) else { return };
        if !self.remotes[&connection].is_introduced() {
            return;
        }
        if script.coin() {
            let size = script.number();
            self.say(connection, encode(&introduction(&self.content, Some(size))));
        }
        let answers = self.remotes.get_mut(&connection).map(|remote| remote.enlighten(&self.content));
        for message in answers.unwrap_or_default() {
            let mut bytes = encode(&message).to_vec();
            let last = bytes.len() - 1;
            bytes[last] ^= script.byte();
            self.say(connection, bytes.into());
        }
    }

    fn new_address(&mut self) -> SocketAddr {
        self.next_host = self.next_host.wrapping_add(1).max(1);
        // Each in another subnet.
        SocketAddr::from((Ipv4Addr::new(20, self.next_host, self.next_host, 1), 6881))
    }

    fn serve(&mut self, nth: usize) {
        if let Some(reply) = self.disk.serve(nth) {
            self.input(Input::Storage(reply));
        }
    }

    fn serve_all(&mut self) {
        for _ in 0..1000 {
            if self.disk.is_idle() {
                return;
            }
            self.serve(0);
        }
    }

    fn fail(&mut self, script: &mut Script<'_>) {
        let (nth, kind) = (script.one_of(16), script.byte());
        if let Some(reply) = self.disk.fail(nth, kind) {
            self.input(Input::Storage(reply));
        }
    }

    fn announced(&mut self, script: &mut Script<'_>) {
        if self.announces.is_empty() {
            return;
        }
        let tracker = self.announces.remove(0);
        let peers = (0..script.one_of(5)).map(|_| self.new_address()).collect();
        let response = AnnounceResponse {
            interval: script.number(),
            min_interval: script.coin().then(|| script.number()),
            tracker_id: None,
            complete: Some(script.number()),
            incomplete: None,
            downloaded: None,
            peers,
            external_ip: None,
            warning: None,
        };
        let result =
            if script.coin() { Err(TrackerFailure::unreachable("it is unwell")) } else { Ok(response) };
        self.input(Input::Announced { torrent: self.torrent, tracker, result });
    }

    fn act_as_user(&mut self, script: &mut Script<'_>) {
        let (now, torrent) = (self.now, self.torrent);
        match script.one_of(10) {
            0 => self.session.pause(now, torrent),
            1 | 2 => self.session.resume(now, torrent),
            3 => {
                let wish = |script: &mut Script<'_>| match script.one_of(4) {
                    0 => FilePriority::Skip,
                    1 => FilePriority::Low,
                    2 => FilePriority::Normal,
                    _ => FilePriority::High,
                };
                let priorities = [wish(script), wish(script), wish(script), wish(script)];
                self.session.set_priorities(now, torrent, &priorities);
            }
            4 => self.session.set_sequential(now, torrent, script.coin()),
            5 => self.session.force_announce(now, torrent),
            6 => {
                let limit = script.coin().then(|| u64::from(script.number()));
                let limits = RateLimits { download: limit, upload: limit };
                self.session.set_torrent_limits(now, torrent, limits);
            }
            7 => {
                let peers = [self.new_address(), self.new_address()];
                self.session.add_peers(now, torrent, &peers);
            }
            8 if script.byte() > 200 => self.session.remove(now, torrent),
            _ => {}
        }
        self.drain();
    }

    /// Everybody behaves for a while.
    fn settle(&mut self) {
        for _ in 0..8 {
            self.serve_all();
            let open: Vec<ConnectionId> = self
                .remotes
                .iter()
                .filter(|(_, remote)| remote.is_open && remote.is_introduced())
                .map(|(id, _)| *id)
                .collect();
            for connection in open {
                self.tell_truth(connection);
                let wanted =
                    self.remotes.get_mut(&connection).map(|remote| std::mem::take(&mut remote.wanted));
                for request in wanted.unwrap_or_default() {
                    self.say(connection, encode(&Remote::answer(request, &self.content)));
                }
            }
            self.pass(Duration::from_millis(100));
        }
    }

    // The loop of a driver, with a watch.

    fn pass(&mut self, duration: Duration) {
        self.now += duration;
        let unsent: Vec<(ConnectionId, usize)> = self
            .remotes
            .iter_mut()
            .map(|(id, remote)| (*id, std::mem::take(&mut remote.unsent)))
            .filter(|(_, bytes)| *bytes > 0)
            .collect();
        for (connection, bytes) in unsent {
            self.input(Input::Sent { connection, bytes });
        }
        self.input(Input::Timeout);
        for _ in 0..50 {
            if self.session.poll_timeout().is_none_or(|at| at > self.now) {
                return;
            }
            self.input(Input::Timeout);
        }
        panic!("it always wants to be woken at once");
    }

    fn input(&mut self, input: Input) {
        self.session.handle_input(self.now, input);
        self.drain();
        if let Some(torrent) = self.session.torrent(self.torrent) {
            let verified = self.disk.verified();
            assert!(torrent.have().iter().all(|piece| verified.contains(piece)), "has what nobody verified");
        }
    }

    fn drain(&mut self) {
        let (mut outputs, mut bytes) = (0, 0);
        while let Some(output) = self.session.poll_output() {
            outputs += 1;
            assert!(outputs < MOST_OUTPUTS, "no end of outputs");
            match output {
                Output::Connect { connection, address } => {
                    assert!(self.remotes.len() < 1000, "no end of connections");
                    self.remotes.insert(connection, Remote::new(address, false));
                }
                Output::Send { connection, bytes: data } => {
                    bytes += data.len();
                    assert!(bytes < MOST_BYTES, "no end of bytes");
                    let Some(remote) = self.remotes.get_mut(&connection) else { continue };
                    let requests = remote.hear(&data, &self.content, self.disk.verified());
                    self.requested.extend(requests);
                }
                Output::Disconnect { connection } => {
                    self.remotes.remove(&connection);
                }
                Output::Storage(request) => self.ask_disk(request),
                Output::Announce { tracker, .. } => self.announces.push(tracker),
                Output::FindPeers { .. } | Output::DhtNode { .. } => panic!("there is no DHT"),
                Output::LoadMetadata { .. } => panic!("nobody sleeps"),
                Output::Read { .. } => panic!("nobody reads"),
                // Nothing that a fuzzer says of others is worth a call.
                Output::HeardOf { .. } => {}
                Output::Event(event) => self.watch(&event),
            }
        }
    }

    fn ask_disk(&mut self, request: StorageRequest) {
        let geometry = self.content.geometry();
        let verified = self.disk.verified();
        match &request {
            StorageRequest::Write { block, data, .. } => {
                let (piece, begin, length) = (block.piece().get(), block.begin(), block.length());
                assert_eq!(data.len(), length as usize, "a block of another length");
                let asked = self.requested.contains(&BlockRequest { piece, begin, length });
                assert!(asked, "{block:?} was not asked for");
            }
            StorageRequest::Read { piece, begin, length, .. } => {
                assert!(verified.contains(piece.get()), "reads {piece:?}, which nobody verified");
                assert!(*length <= 256 * 1024 && geometry.contains(piece.get(), *begin, *length));
            }
            StorageRequest::Leaves { piece, .. } => assert!(verified.contains(piece.get())),
            StorageRequest::Commit { have, .. } => {
                assert!(have.iter().all(|piece| verified.contains(piece)), "records what nobody verified");
            }
            StorageRequest::Open { .. } => assert!(!self.is_removed),
            StorageRequest::Finish { .. }
            | StorageRequest::Forget { .. }
            | StorageRequest::Verify { .. }
            | StorageRequest::Probe { .. }
            | StorageRequest::Close { .. } => {}
        }
        self.disk.ask(request);
    }

    fn watch(&mut self, event: &Event) {
        match event {
            Event::PeerBanned { address, .. } => {
                assert!(self.liars.contains(&address.ip()), "{address} was banned and has done nothing");
            }
            Event::PeerDisconnected { address, reason: DisconnectReason::Poisoned, .. } => {
                assert!(self.liars.contains(&address.ip()), "{address} was accused and has done nothing");
            }
            Event::Removed { .. } => self.is_removed = true,
            _ => {}
        }
    }
}
