//! Private torrents (BEP 27): peers come from the torrent's own trackers, and nobody else hears of it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails where its set-up does")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sprat_core::Session;
use sprat_core::config::Config;
use sprat_core::io::{AddMagnet, Input, Output};
use sprat_core::peer_list::PeerSource;
use sprat_core::storage::{Found, StorageReply, StorageRequest};
use sprat_core::time::Time;
use sprat_wire::hash::{PeerId, Sha1Hash};
use sprat_wire::metainfo::build::{Builder, Description, Hashes};
use sprat_wire::metainfo::{Attributes, Metainfo, Version};
use sprat_wire::peer::deframer::{Deframer, MessageLimits};
use sprat_wire::peer::extension::{ExtensionHandshake, ExtensionIds};
use sprat_wire::peer::handshake::{Handshake, Reserved};
use sprat_wire::peer::message::Message;
use sprat_wire::peer::metadata::MetadataMessage;
use sprat_wire::peer::pex::{PexFlags, PexMessage};
use sprat_wire::tracker::AnnounceResponse;

const TRACKER: &str = "http://tracker.example/announce";

fn torrent(private: bool) -> Arc<Metainfo> {
    let content = [7; 20_000];
    let builder =
        Builder::single(Version::V1, 16_384, "file", content.len() as u64, Attributes::default()).unwrap();
    let v1_pieces = content.chunks(16_384).map(Sha1Hash::digest).collect();
    let description = Description {
        private,
        trackers: vec![vec![TRACKER.to_owned()]],
        nodes: vec![("node.example".to_owned(), 6881)],
        ..Description::default()
    };
    Arc::new(builder.build(&Hashes { v1_pieces, v2_files: Vec::new() }, &description).unwrap().metainfo)
}

/// What a torrent has done that a private one must not do.
#[derive(Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a list of offences")]
struct Leaks {
    asked_the_dht: bool,
    called_strangers: bool,
    told_of_dht: bool,
    passed_a_node_on: bool,
    believed_a_peer: bool,
    offered_extensions: bool,
    gave_metadata: bool,
}

/// A session of one torrent with a tracker, a talkative peer, and unasked advice. Every single output is looked at.
struct Watched {
    session: Session,
    leaks: Leaks,
    said: Deframer,
    is_introduced: bool,
}

impl Watched {
    fn input(&mut self, now: Time, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            self.session.handle_input(now, input);
            while let Some(output) = self.session.poll_output() {
                inputs.extend(self.look_at(output));
            }
        }
    }

    /// Answers an output as a friendly world would.
    fn look_at(&mut self, output: Output) -> Option<Input> {
        let of_tracker: SocketAddr = "20.0.0.1:6881".parse().unwrap();
        match output {
            Output::Storage(StorageRequest::Open { torrent, geometry, .. }) => {
                let result = Ok(Found::nothing(geometry.pieces()));
                Some(Input::Storage(StorageReply::Opened { torrent, result }))
            }
            Output::Storage(_)
            | Output::Event(_)
            | Output::Disconnect { .. }
            | Output::LoadMetadata { .. }
            | Output::Read { .. } => None,
            Output::Announce { torrent, tracker, url, .. } => {
                assert_eq!(&*url, TRACKER);
                let peers = vec![of_tracker];
                let answer = AnnounceResponse { interval: 1800, peers, ..AnnounceResponse::default() };
                Some(Input::Announced { torrent, tracker, result: Ok(answer) })
            }
            Output::Connect { connection, address } => {
                self.leaks.called_strangers |= address != of_tracker;
                Some(Input::Closed { connection })
            }
            Output::FindPeers { .. } => {
                self.leaks.asked_the_dht = true;
                None
            }
            Output::DhtNode { .. } => {
                self.leaks.passed_a_node_on = true;
                None
            }
            Output::HeardOf { .. } => {
                self.leaks.believed_a_peer = true;
                None
            }
            Output::Send { bytes, .. } => {
                self.listen(bytes);
                None
            }
        }
    }

    fn listen(&mut self, bytes: Bytes) {
        self.said.push(bytes);
        if !self.is_introduced
            && let Some(handshake) = self.said.handshake().unwrap()
        {
            self.is_introduced = true;
            self.leaks.told_of_dht |= handshake.reserved.has_dht();
        }
        while let Some(message) = self.said.next(&MessageLimits::for_torrent(2, false)).unwrap() {
            match message {
                Message::Port(_) => self.leaks.told_of_dht = true,
                Message::Extended { id: 0, payload } => {
                    let said = ExtensionHandshake::decode(&payload).unwrap();
                    let offered = said.ids.ut_metadata.or(said.ids.ut_pex).or(said.ids.ut_holepunch);
                    self.leaks.offered_extensions |=
                        offered.is_some_and(|id| id != 0) || said.metadata_size.is_some();
                }
                Message::Extended { id: 3, payload } => {
                    let answer = MetadataMessage::decode(&payload).unwrap();
                    self.leaks.gave_metadata |= matches!(answer, MetadataMessage::Data { .. });
                }
                Message::Extended { id, .. } => {
                    panic!("an extended message {id} that nobody offered to take")
                }
                _ => {}
            }
        }
    }
}

fn leaks(metainfo: &Arc<Metainfo>) -> Leaks {
    let mut session = Session::new(Config { dht_port: 6881, listen_port: 6881, ..Config::default() }, 1);
    let add = AddMagnet::new(metainfo.info_hashes).of_torrent(Arc::clone(metainfo));
    let torrent = session.add(Time::ZERO, add).unwrap();
    let connection = session.allocate_connection();
    let mut watched =
        Watched { session, leaks: Leaks::default(), said: Deframer::new(), is_introduced: false };
    let strangers = || Input::FoundPeers {
        torrent,
        source: PeerSource::Dht,
        peers: vec!["20.0.0.2:6881".parse().unwrap()],
    };
    watched.input(Time::ZERO, Input::Timeout);
    watched.input(Time::ZERO, strangers());
    let address = "20.0.0.9:5000".parse().unwrap();
    watched.input(Time::ZERO, Input::Accepted { connection, address });
    for bytes in chatter(metainfo) {
        watched.input(Time::ZERO, Input::Received { connection, bytes });
    }
    for minute in 1..120 {
        watched.input(Time::ZERO + Duration::from_secs(60 * minute), Input::Timeout);
        watched.input(Time::ZERO + Duration::from_secs(60 * minute), strangers());
    }
    assert!(watched.is_introduced, "the peer was talked to");
    watched.leaks
}

/// What a peer says that knows no privacy.
fn chatter(metainfo: &Metainfo) -> Vec<Bytes> {
    let reserved = Reserved::default().with_fast().with_extended().with_dht();
    let info_hash = metainfo.info_hashes.primary();
    let handshake = Handshake { reserved, info_hash, peer_id: PeerId(*b"-XX0000-aaaaaaaaaaaa") };
    let ids = ExtensionIds { ut_metadata: Some(3), ut_pex: Some(4), ..ExtensionIds::default() };
    let introduction = ExtensionHandshake { ids, ..ExtensionHandshake::default() };
    let wish = MetadataMessage::Request { piece: 0 };
    let gossip =
        PexMessage { added: vec![("20.0.0.3:6881".parse().unwrap(), PexFlags::SEED)], dropped: vec![] };
    let messages = [
        Message::HaveNone,
        Message::Port(7000),
        Message::Extended { id: 0, payload: introduction.encode().into() },
        Message::Extended { id: 1, payload: wish.encode().into() },
        Message::Extended { id: 2, payload: gossip.encode().into() },
    ];
    let encoded = messages.iter().map(|message| {
        let mut bytes = BytesMut::new();
        message.encode(&mut bytes);
        bytes.freeze()
    });
    std::iter::once(Bytes::copy_from_slice(&handshake.encode())).chain(encoded).collect()
}

#[test]
fn a_private_torrent_is_heard_of_by_its_trackers_and_their_peers_alone() {
    assert_eq!(leaks(&torrent(true)), Leaks::default());
}

#[test]
fn a_public_one_is_heard_of_everywhere() {
    let everything = Leaks {
        asked_the_dht: true,
        called_strangers: true,
        told_of_dht: true,
        passed_a_node_on: true,
        believed_a_peer: true,
        offered_extensions: true,
        gave_metadata: true,
    };
    assert_eq!(leaks(&torrent(false)), everything);
}
