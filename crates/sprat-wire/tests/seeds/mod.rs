//! Inputs from which a fuzzer starts: one of each kind, mostly valid.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use sprat_wire::bencode::Encoder;
use sprat_wire::compact::Family;
use sprat_wire::hash::{InfoHash, PeerId, Sha1Hash, Sha256Hash};
use sprat_wire::krpc::{
    Body, Contact, ErrorReply, Message as Krpc, MutablePut, NodeId, Query, Request, Response, Samples,
    ScrapeFilters, TransactionId, Want, error_code,
};
use sprat_wire::lsd::{self, LocalAnnounce};
use sprat_wire::merkle::FileHasher;
use sprat_wire::metainfo::build::{Builder, Description, Hashes, SourceFile, Stretch};
use sprat_wire::metainfo::{Attributes, Version};
use sprat_wire::peer::extension::{ExtensionHandshake, ExtensionIds};
use sprat_wire::peer::handshake::{Handshake, Reserved};
use sprat_wire::peer::message::{BlockRequest, HashRequest, Message};
use sprat_wire::peer::pex::{self, PexFlags, PexMessage};
use sprat_wire::tracker::http::{self, Failure, Retry};
use sprat_wire::tracker::udp;
use sprat_wire::tracker::{AnnounceEvent, AnnounceRequest, AnnounceResponse, ScrapeEntry};

/// File name and content.
type Seed = (&'static str, Vec<u8>);

/// The seeds of each target.
pub(crate) fn all() -> Vec<(&'static str, Vec<Seed>)> {
    vec![
        ("bencode", bencode()),
        ("krpc", krpc()),
        ("lsd", lsd()),
        ("magnet", magnet()),
        ("metainfo", metainfo()),
        ("peer_stream", peer_stream()),
        ("pex", pex()),
        ("tracker_http", tracker_http()),
        ("tracker_udp", tracker_udp()),
    ]
}

fn bencode() -> Vec<Seed> {
    vec![
        ("every_kind", b"d1:a0:1:bi-9223372036854775808e1:cl4:spamli0eedeee".to_vec()),
        ("unsorted", b"d1:b1:x1:a1:ye".to_vec()),
        ("leading_zero", b"li007e003:abce".to_vec()),
        ("deep", [vec![b'l'; 70], vec![b'e'; 70]].concat()),
        ("long_string", b"4294967295:abc".to_vec()),
        ("many", b"i1e".repeat(200).into_iter().chain(*b"e").rev().chain(*b"l").rev().collect()),
        ("trailing", b"d3:keyi1ee\n".to_vec()),
    ]
}

fn krpc() -> Vec<Seed> {
    let id = NodeId([1; 20]);
    let target = NodeId([2; 20]);
    let info_hash = InfoHash([2; 20]);
    let want = Want { v4: true, v6: true };
    let token = Bytes::from_static(b"12345678");
    let value = Bytes::from_static(b"12:Hello World!");
    let mutable = MutablePut {
        key: [3; 32],
        seq: 1,
        signature: [4; 64],
        salt: Bytes::from_static(b"foobar"),
        cas: Some(0),
    };
    let message = |body| {
        let transaction = TransactionId::new(b"aa").unwrap();
        let external = (!matches!(body, Body::Query(_))).then(|| "192.0.2.1:6881".parse().unwrap());
        Krpc { transaction, version: Some(*b"SP01"), read_only: false, external, body }.encode()
    };
    let query = |request| message(Body::Query(Query { id, request }));
    let response = |response| message(Body::Response(Box::new(response)));
    let contact = |address: &str| Contact { id: target, address: address.parse().unwrap() };
    let nodes = Response {
        id,
        nodes: vec![contact("192.0.2.2:6881"); 8],
        nodes6: vec![contact("[2001:db8::2]:6881"); 2],
        token: Some(token.clone()),
        ..Response::default()
    };
    vec![
        ("ping", query(Request::Ping)),
        ("find_node", query(Request::FindNode { target, want })),
        ("get_peers", query(Request::GetPeers { info_hash, want, no_seed: true, scrape: true })),
        (
            "announce_peer",
            query(Request::AnnouncePeer {
                info_hash,
                port: 6881,
                implied_port: true,
                seed: true,
                token: token.clone(),
            }),
        ),
        ("get", query(Request::Get { target, seq: Some(4), want: Want::default() })),
        ("put", query(Request::Put { token: token.clone(), value: value.clone(), mutable: None })),
        (
            "put_mutable",
            query(Request::Put { token, value: value.clone(), mutable: Some(Box::new(mutable)) }),
        ),
        ("sample_infohashes", query(Request::SampleInfohashes { target, want: Want::default() })),
        ("unknown", query(Request::Unknown { target: Some(target), want })),
        ("nodes", response(nodes.clone())),
        (
            "values",
            response(Response {
                values: vec!["192.0.2.3:1".parse().unwrap(), "[2001:db8::3]:2".parse().unwrap()],
                filters: Some(Box::new(ScrapeFilters { seeds: [5; 256], peers: [6; 256] })),
                ..nodes.clone()
            }),
        ),
        (
            "item",
            response(Response {
                value: Some(value),
                key: Some([3; 32]),
                signature: Some([4; 64]),
                seq: Some(1),
                ..nodes.clone()
            }),
        ),
        (
            "samples",
            response(Response {
                samples: Some(Samples { hashes: vec![info_hash; 3], total: 9, interval: 60 }),
                ..nodes
            }),
        ),
        ("error", message(Body::Error(ErrorReply { code: error_code::PROTOCOL, text: "bad token".into() }))),
    ]
}

fn lsd() -> Vec<Seed> {
    let announce = |torrents: usize, cookie: Option<&str>| {
        let info_hashes =
            (0..torrents).map(|torrent| InfoHash([u8::try_from(torrent).unwrap(); 20])).collect();
        LocalAnnounce { port: 6881, info_hashes, cookie: cookie.map(str::to_owned) }
    };
    let host = SocketAddr::from((lsd::GROUP_V4, lsd::PORT)).to_string();
    let one = announce(1, Some("sprat")).encode(&host);
    let too_many: String = (1..=39).map(|torrent| format!("\r\nInfohash:{torrent:040x}")).collect();
    vec![
        ("one_torrent", one.clone().into()),
        ("full", announce(lsd::MOST_SENT, Some("sprat")).encode(&host).into()),
        ("more_than_is_sent", format!("BT-SEARCH * HTTP/1.1\r\nPort:1{too_many}").into()),
        ("without_cookie", announce(1, None).encode(&host).into()),
        ("other_case_and_unknown_headers", one.to_uppercase().replace("HOST", "x-unknown").into()),
        ("headers_twice", one.replace("\r\n\r\n", "\r\nPort: 0\r\nPort: 7\r\ncookie: \tb \r\n").into()),
        ("long_cookie", one.replace("sprat", &"\u{e9}".repeat(33)).into()),
        ("no_port", one.replace("6881", "65536").into()),
        ("no_info_hash", one.replace("Infohash: 00", "Infohash: 0g").into()),
        ("lines_end_otherwise", one.replace("\r\n", "\n").into()),
        ("other_search", one.replace("BT-SEARCH", "M-SEARCH").into()),
    ]
}

fn magnet() -> Vec<Seed> {
    let v1 = "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567";
    let v2 = format!("xt=urn:btmh:1220{}", "ab".repeat(32));
    let more = "dn=A%20name+of+it&tr=udp%3A%2F%2Ft.example%3A1&tr.2=http://t.example/a&ws=http://w.example/\
        &x.pe=10.0.0.1:6881&x.pe=[::1]:2&so=0,2,4-6";
    vec![
        ("v1", v1.into()),
        ("v2", format!("magnet:?{v2}").into()),
        ("hybrid_with_everything", format!("{v1}&{v2}&{more}").into()),
        ("base32", b"MAGNET:?xt=urn:btih:ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".to_vec()),
        ("bad_escapes", format!("{v1}&dn=%&tr=%zz&so=5-1&x.pe=:0").into()),
    ]
}

fn metainfo() -> Vec<Seed> {
    let hostile = b"d4:infod5:filesld6:lengthi1e4:pathl2:..10:etc/passwdeed6:lengthi0e4:pathl3:CON2:a.ee\
        d4:attr1:p6:lengthi2e4:pathl4:.pad1:2eee4:name3:../12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";
    vec![
        ("v1", torrent(Version::V1)),
        ("v2", torrent(Version::V2)),
        ("hybrid", torrent(Version::Hybrid)),
        ("single_file", single_file()),
        ("hostile_names", hostile.to_vec()),
    ]
}

const PIECE_LENGTH: u32 = 16 * 1024;

/// A directory of three files: of more than a piece, empty, and of a few bytes.
fn torrent(version: Version) -> Vec<u8> {
    let file = |path: &[&str], length| SourceFile {
        path: path.iter().map(|component| (*component).to_owned()).collect(),
        length,
        attributes: Attributes::default(),
    };
    let files = vec![file(&["a", "long"], 40_000), file(&["empty"], 0), file(&["short"], 5)];
    finish(&Builder::directory(version, PIECE_LENGTH, "sprat", files).unwrap())
}

fn single_file() -> Vec<u8> {
    let attributes = Attributes { executable: true, ..Attributes::default() };
    finish(&Builder::single(Version::Hybrid, PIECE_LENGTH, "sprat.bin", 20_000, attributes).unwrap())
}

/// The torrent with made-up hashes.
fn finish(builder: &Builder) -> Vec<u8> {
    let length = |stretch: &Stretch| match stretch {
        Stretch::File { length, .. } | Stretch::Padding { length } => *length,
    };
    let total: u64 = builder.layout().iter().map(length).sum();
    let v1_pieces =
        (0..total.div_ceil(PIECE_LENGTH.into())).map(|piece| Sha1Hash::digest(&piece.to_be_bytes()));
    let v2_files = builder.files().iter().map(|file| {
        let mut hasher = FileHasher::new(PIECE_LENGTH);
        for block in 0..file.length.div_ceil(PIECE_LENGTH.into()) {
            hasher.push_leaf(Sha256Hash::digest(&block.to_be_bytes()));
        }
        hasher.finish()
    });
    let version = builder.version();
    let hashes = Hashes {
        v1_pieces: if version == Version::V2 { Vec::new() } else { v1_pieces.collect() },
        v2_files: if version == Version::V1 { Vec::new() } else { v2_files.collect() },
    };
    let description = Description {
        private: true,
        source: Some("x".to_owned()),
        trackers: vec![vec!["udp://t.example:1".to_owned()], vec!["https://t.example/announce".to_owned()]],
        web_seeds: vec!["https://w.example/".to_owned()],
        nodes: vec![("n.example".to_owned(), 6881)],
        comment: Some("c".to_owned()),
        created_by: Some("sprat".to_owned()),
        creation_date: Some(1_700_000_000),
        similar: vec![Sha1Hash([1; 20])],
        collections: vec!["shoal".to_owned()],
    };
    builder.build(&hashes, &description).unwrap().bytes
}

fn peer_stream() -> Vec<Seed> {
    let request = BlockRequest { piece: 1, begin: 16384, length: 16384 };
    let hash_request =
        HashRequest { pieces_root: Sha256Hash([7; 32]), base_layer: 0, index: 2, length: 2, proof_layers: 1 };
    let extension = ExtensionHandshake {
        ids: ExtensionIds { ut_metadata: Some(1), ut_pex: Some(2), ..ExtensionIds::default() },
        client: Some("sprat".to_owned()),
        port: Some(6881),
        request_queue: Some(500),
        your_ip: Some([1, 2, 3, 4].into()),
        metadata_size: Some(31235),
        upload_only: Some(false),
        ..ExtensionHandshake::default()
    };
    let extended = Message::Extended { id: 0, payload: extension.encode().into() };
    let every_kind = [
        extended.clone(),
        Message::Bitfield(Bytes::from_static(&[0xff; 125])),
        Message::HaveAll,
        Message::HaveNone,
        Message::Port(6881),
        Message::Interested,
        Message::NotInterested,
        Message::Choke,
        Message::Unchoke,
        Message::Have(5),
        Message::SuggestPiece(6),
        Message::AllowedFast(7),
        Message::Request(request),
        Message::Piece { piece: 1, begin: 0, block: Bytes::from_static(&[1; 100]) },
        Message::Cancel(request),
        Message::RejectRequest(request),
        Message::KeepAlive,
        Message::HashRequest(hash_request),
        Message::Hashes { request: hash_request, hashes: vec![Sha256Hash([9; 32]); 3] },
        Message::HashReject(hash_request),
        Message::Unknown(200),
    ];
    let handshake = Handshake {
        reserved: Reserved::NONE.with_extended().with_fast().with_dht().with_v2(),
        info_hash: InfoHash([1; 20]),
        peer_id: PeerId(*b"-SP0100-000000000000"),
    };
    let mut whole = BytesMut::from(&[2, 12][..]);
    whole.extend_from_slice(&handshake.encode());
    let mut before_metadata = BytesMut::from(&[0, 255][..]);
    before_metadata.extend_from_slice(&handshake.encode());
    extended.encode(&mut before_metadata);
    for message in &every_kind {
        message.encode(&mut whole);
    }
    vec![
        ("every_message", whole.to_vec()),
        ("before_metadata", before_metadata.to_vec()),
        ("unknown_skipped", b"\x01\x03\0\0\0\x09\xc8abcdefgh\0\0\0\x01\x01".to_vec()),
        ("hostile_length", b"\x03\x00\xff\xff\xff\xff\x05".to_vec()),
        ("other_protocol", b"\x00\x05\x13BitTorrent protocoL".to_vec()),
        ("extension_handshake", [&[0, 0], &extension.encode()[..]].concat()),
    ]
}

fn pex() -> Vec<Seed> {
    let v4 = |number: usize| SocketAddr::from(([192, 0, 2, 1], u16::try_from(number).unwrap()));
    let v6 =
        |number: usize| SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], u16::try_from(number).unwrap()));
    let flags = PexFlags::SEED.and(PexFlags::REACHABLE);
    let both = |length: usize| PexMessage {
        added: (1..=length).flat_map(|number| [(v4(number), flags), (v6(number), PexFlags::UTP)]).collect(),
        dropped: (1..=length).flat_map(|number| [v4(number + length), v6(number + length)]).collect(),
    };
    let lists = |lists: &[(&str, &[u8])]| {
        let mut out = Encoder::new();
        out.begin_dict();
        for (name, list) in lists {
            out.key(name).bytes(list);
        }
        out.end();
        out.finish()
    };
    let no_port = b"\x01\x02\x03\x04\0\0\x05\x06\x07\x08\0\x09";
    let mapped = b"\0\0\0\0\0\0\0\0\0\0\xff\xff\x01\x02\x03\x04\x1a\xe1";
    vec![
        ("nothing_new", PexMessage::default().encode()),
        ("both_families", both(2).encode()),
        ("full", both(pex::MOST_SENT).encode()),
        ("more_than_is_read", lists(&[("added", &b"\x01\x02\x03\x04\0\x05".repeat(pex::MOST_READ + 1))])),
        ("fewer_flags", lists(&[("added", &b"\x01\x02\x03\x04\0\x05".repeat(3)), ("added.f", b"\x02")])),
        ("no_port", lists(&[("added", no_port), ("added.f", b"\x02\x10"), ("dropped", no_port)])),
        ("mapped", lists(&[("added6", mapped), ("added6.f", b"\x10"), ("dropped6", mapped)])),
        ("cut_off", lists(&[("added", b"\x01\x02\x03\x04\0\x05\x06"), ("added.f", b"\x01\x02\x03")])),
        ("wrong_types", b"d5:addedi1e7:added.fle7:droppeddee".to_vec()),
        ("trailing", [&both(1).encode()[..], b"\0\0"].concat()),
        ("no_dictionary", b"l5:addede".to_vec()),
    ]
}

fn announce() -> AnnounceRequest {
    AnnounceRequest {
        info_hash: InfoHash(*b"\x00\xff %&=+-._~azAZ09#?/"),
        peer_id: PeerId(*b"-SP0100-000000000000"),
        port: 6881,
        uploaded: 1,
        downloaded: 2,
        left: 3,
        event: AnnounceEvent::Started,
        num_want: Some(50),
        key: 0xdead_beef,
        ip: Some([10, 0, 0, 1].into()),
        tracker_id: Some("id".to_owned()),
    }
}

fn answer() -> AnnounceResponse {
    AnnounceResponse {
        interval: 1800,
        min_interval: Some(60),
        tracker_id: Some("id".to_owned()),
        complete: Some(3),
        incomplete: Some(4),
        downloaded: None,
        peers: vec!["1.2.3.4:6881".parse().unwrap(), "[2001:db8::1]:6882".parse().unwrap()],
        external_ip: Some([5, 6, 7, 8].into()),
        warning: Some("slow".to_owned()),
    }
}

fn tracker_http() -> Vec<Seed> {
    let failure = |retry| http::encode_failure(&Failure { reason: "no".to_owned(), retry });
    let entry = ScrapeEntry { complete: 1, downloaded: 2, incomplete: 3 };
    let hashes = [InfoHash([1; 20]), InfoHash([b'x'; 20])];
    vec![
        ("answer_compact", http::encode_announce_response(&answer(), true)),
        ("answer_listed", http::encode_announce_response(&answer(), false)),
        ("failure_never", failure(Some(Retry::Never))),
        ("failure_minutes", failure(Some(Retry::Minutes(5)))),
        ("scrape", http::encode_scrape_response(&hashes.map(|hash| (hash, entry)).into())),
        ("announce_query", http::announce_query(&announce()).into_bytes()),
        ("scrape_query", http::scrape_query(&hashes).into_bytes()),
        ("url", b"https://tracker.example:443/pass/announce.php?key=1#x".to_vec()),
    ]
}

fn tracker_udp() -> Vec<Seed> {
    let request = |request: udp::Request| {
        let mut out = Vec::new();
        request.encode(&mut out);
        out
    };
    let response = |response: udp::Response, family| {
        let mut out = Vec::new();
        response.encode(family, &mut out);
        out
    };
    let (connection, transaction) = (0x0123_4567_89ab_cdef, 0x1122_3344);
    let announced = || udp::Response::Announce { transaction, announce: answer() };
    let entries = vec![ScrapeEntry { complete: 1, downloaded: 2, incomplete: 3 }; 2];
    let url_data = b"/announce?passkey=0123456789".to_vec();
    vec![
        ("connect", request(udp::Request::Connect { transaction })),
        (
            "announce",
            request(udp::Request::Announce { connection, transaction, announce: announce(), url_data }),
        ),
        (
            "scrape",
            request(udp::Request::Scrape {
                connection,
                transaction,
                info_hashes: vec![InfoHash([1; 20]); 3],
            }),
        ),
        ("connected", response(udp::Response::Connect { transaction, connection }, Family::V4)),
        ("announced_v4", response(announced(), Family::V4)),
        ("announced_v6", response(announced(), Family::V6)),
        ("scraped", response(udp::Response::Scrape { transaction, entries }, Family::V4)),
        ("error", response(udp::Response::Error { transaction, message: "no".to_owned() }, Family::V4)),
    ]
}
