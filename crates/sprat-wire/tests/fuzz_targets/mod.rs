//! What a fuzzer feeds. The targets of libFuzzer (`fuzz/`) and the test that replays their corpus share this file.
//!
//! A target does not only survive: it asserts that what was read can be written and read again, and that a stream
//! means the same however it is cut.

#![allow(clippy::expect_used, reason = "to fail loudly is what a target is for")]

use std::collections::BTreeSet;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use sprat_wire::bencode::{Document, Encoder, Limits, Value};
use sprat_wire::compact::Family;
use sprat_wire::krpc;
use sprat_wire::lsd::{self, LocalAnnounce};
use sprat_wire::magnet::Magnet;
use sprat_wire::metainfo::Metainfo;
use sprat_wire::peer::deframer::{Deframer, FrameError, MessageLimits};
use sprat_wire::peer::extension::ExtensionHandshake;
use sprat_wire::peer::handshake::{Handshake, HandshakeError};
use sprat_wire::peer::message::Message;
use sprat_wire::peer::pex::{self, PexFlags, PexMessage};
use sprat_wire::tracker::{http, udp};

/// A target's name, and what it does with its input.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// Every target. The name is that of its file in `fuzz/fuzz_targets` and of its directory in `fuzz/corpus`.
pub(crate) const TARGETS: &[Target] = &[
    ("bencode", bencode),
    ("krpc", krpc),
    ("lsd", lsd),
    ("magnet", magnet),
    ("metainfo", metainfo),
    ("peer_stream", peer_stream),
    ("pex", pex),
    ("tracker_http", tracker_http),
    ("tracker_udp", tracker_udp),
];

/// Runs the target called `name`.
pub(crate) fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(target, _)| *target == name).expect("a target of this name");
    target(data);
}

fn bencode(data: &[u8]) {
    for limits in [Limits::TORRENT, Limits::METADATA, Limits::EXTENSION, Limits::DHT, Limits::TRACKER] {
        let Ok((document, length)) = Document::decode_prefix(data, limits) else { continue };
        assert_eq!(document.root().raw(), &data[..length]);
        let canonical = document.root().check_canonical().is_ok();
        let mut out = Encoder::new();
        walk(document.root(), canonical.then_some(&mut out));
        if canonical {
            assert_eq!(out.finish(), &data[..length]);
        }
    }
}

/// Visits everything in a value and, if that is canonical, writes it again. The depth is that of the limits.
fn walk(value: Value<'_>, mut out: Option<&mut Encoder>) {
    if let Some(dict) = value.as_dict() {
        out.as_deref_mut().map(Encoder::begin_dict);
        for (key, value) in dict {
            out.as_deref_mut().map(|out| out.key(key));
            walk(value, out.as_deref_mut());
        }
        out.map(Encoder::end);
    } else if let Some(list) = value.as_list() {
        out.as_deref_mut().map(Encoder::begin_list);
        for value in list {
            walk(value, out.as_deref_mut());
        }
        out.map(Encoder::end);
    } else if let Some(bytes) = value.as_bytes() {
        out.map(|out| out.bytes(bytes));
    } else {
        let int = value.as_int().expect("a value is one of four kinds");
        out.map(|out| out.int(int));
    }
}

fn krpc(data: &[u8]) {
    let Ok(message) = krpc::Message::decode(data) else { return };
    if let krpc::Body::Response(response) = &message.body {
        assert!(response.token.as_ref().is_none_or(|token| token.len() <= krpc::MAX_TOKEN));
    }
    assert_eq!(krpc::Message::decode(&message.encode()), Ok(message));
}

fn lsd(data: &[u8]) {
    let Ok(announce) = LocalAnnounce::decode(data) else { return };
    assert!(data.len() <= lsd::MAX_DATAGRAM);
    assert!(announce.port != 0 && !announce.info_hashes.is_empty());
    // No header with 40 digits is shorter than this.
    assert!(announce.info_hashes.len() * ("Infohash:\r\n".len() + 40) <= data.len());
    let sent = announce.info_hashes.iter().take(lsd::MOST_SENT).copied().collect();
    for group in [SocketAddr::from((lsd::GROUP_V4, lsd::PORT)), SocketAddr::from((lsd::GROUP_V6, lsd::PORT))]
    {
        let again = announce.encode(&group.to_string());
        assert!(again.len() <= 1400, "{} bytes, more than BEP 14 allows", again.len());
        let read = LocalAnnounce::decode(again.as_bytes()).expect("our own announcement is one");
        assert_eq!(read, LocalAnnounce { info_hashes: Vec::clone(&sent), ..announce.clone() });
        // The name of a header may be written in any case; a value is not touched.
        let lines = again.split("\r\n").map(|line| match line.split_once(':') {
            Some((name, value)) => format!("{}:{value}", name.to_ascii_uppercase()),
            None => line.to_owned(),
        });
        assert_eq!(LocalAnnounce::decode(lines.collect::<Vec<_>>().join("\r\n").as_bytes()), Ok(read));
    }
}

fn magnet(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(magnet) = text.parse::<Magnet>() {
        assert_eq!(magnet.to_string().parse(), Ok(magnet.clone()), "{magnet}");
    }
}

fn metainfo(data: &[u8]) {
    let _ = Metainfo::from_info_bytes(Bytes::copy_from_slice(data));
    let Ok(metainfo) = Metainfo::parse(data) else { return };
    let info = &metainfo.info;
    let mut paths = BTreeSet::new();
    for (index, file) in info.files.iter().enumerate() {
        for component in file.path.split('/') {
            assert!(!matches!(component, "" | "." | ".."), "{:?} leaves the root", file.path);
        }
        assert!(!file.path.contains(['\\', '\0']), "{:?}", file.path);
        // Nothing is written for padding.
        assert!(file.attributes.pad || paths.insert(&file.path), "{:?} is there twice", file.path);
        let last = metainfo.file_layer(index).map_or(0, |layer| layer.pieces.len());
        for piece in [0, last.saturating_sub(1), last] {
            let _ = metainfo.v2_piece_root(index, u32::try_from(piece).expect("pieces have 32-bit numbers"));
        }
    }
    if let Some(pieces) = &info.v1_pieces {
        assert_eq!(pieces.len(), info.piece_count() as usize);
    }
    let again = Metainfo::from_info_bytes(metainfo.info_bytes.clone()).expect("it was read before");
    assert_eq!((&again.info, again.info_hashes), (info, metainfo.info_hashes));
}

/// The first byte chooses the limits, the second the size of the chunks; a stream follows.
fn peer_stream(data: &[u8]) {
    let [kind, cut, stream @ ..] = data else { return };
    let limits = match kind % 4 {
        0 => MessageLimits::before_metadata(),
        1 => MessageLimits::for_torrent(1, false),
        2 => MessageLimits::for_torrent(1000, true),
        _ => MessageLimits::for_torrent(u32::MAX, true),
    };
    let stream = Bytes::copy_from_slice(stream);
    let whole = read_stream(std::iter::once(stream.clone()), &limits);
    let chunk = usize::from(*cut) + 1;
    let chunks = (0..stream.len()).step_by(chunk).map(|at| stream.slice(at..stream.len().min(at + chunk)));
    assert_eq!(read_stream(chunks, &limits), whole);

    let (_, messages, _) = whole;
    for message in messages {
        // The payload of an unknown message is gone.
        if !matches!(message, Message::Unknown(_)) {
            let mut again = BytesMut::new();
            message.encode(&mut again);
            assert_eq!(again.len(), message.encoded_length());
            let (_, read, _) = read_messages(std::iter::once(again.freeze()), &limits, Deframer::new());
            assert_eq!(read, std::slice::from_ref(&message));
        }
        if let Message::Extended { id: 0, payload } = message {
            extension_handshake(&payload);
        }
    }
    extension_handshake(&stream);
}

fn extension_handshake(payload: &[u8]) {
    if let Ok(handshake) = ExtensionHandshake::decode(payload) {
        assert_eq!(ExtensionHandshake::decode(&handshake.encode()), Ok(handshake));
    }
}

fn pex(data: &[u8]) {
    let Ok(message) = PexMessage::decode(data) else { return };
    for family in [Family::V4, Family::V6] {
        // IPv4 in disguise is IPv4, and comes from either list.
        let most = pex::MOST_READ * if family == Family::V4 { 2 } else { 1 };
        assert!(message.added.iter().filter(|(peer, _)| Family::of(*peer) == family).count() <= most);
        assert!(message.dropped.iter().filter(|peer| Family::of(**peer) == family).count() <= most);
    }
    let peers = message.added.iter().map(|(peer, _)| peer).chain(&message.dropped);
    assert!(peers.clone().all(|peer| peer.port() != 0 && peer.ip() == peer.ip().to_canonical()));
    assert_eq!(message.is_empty(), peers.count() == 0);
    assert_eq!(message.added, added_one_by_one(data));

    let mut sent = PexMessage::default();
    for family in [Family::V4, Family::V6] {
        let added = message.added.iter().filter(|(peer, _)| Family::of(*peer) == family);
        let dropped = message.dropped.iter().filter(|peer| Family::of(**peer) == family);
        sent.added.extend(added.take(pex::MOST_SENT));
        sent.dropped.extend(dropped.take(pex::MOST_SENT));
    }
    let again = message.encode();
    assert_eq!(PexMessage::decode(&again), Ok(sent));
    let document = Document::decode(&again, Limits::EXTENSION).expect("our own message is one value");
    assert_eq!(document.root().check_canonical(), Ok(()));
}

/// What is read of the added peers when each is in a message of its own, with the flag that stands at its place.
fn added_one_by_one(data: &[u8]) -> Vec<(SocketAddr, PexFlags)> {
    let (document, _) = Document::decode_prefix(data, Limits::EXTENSION).expect("it was read before");
    let dict = document.as_dict().expect("it was read before");
    let mut all = Vec::new();
    for (list, flags, family) in [("added", "added.f", Family::V4), ("added6", "added6.f", Family::V6)] {
        let entries = dict.bytes(list).unwrap_or_default().chunks_exact(family.entry_length());
        let flags = dict.bytes(flags).unwrap_or_default();
        let read = entries.enumerate().flat_map(|(at, entry)| {
            let mut alone = Encoder::new();
            alone.begin_dict().key(list).bytes(entry);
            alone.key(format!("{list}.f")).bytes(flags.get(at..=at).unwrap_or_default()).end();
            PexMessage::decode(&alone.finish()).expect("a message with one peer").added
        });
        all.extend(read.take(pex::MOST_READ));
    }
    all
}

type Read = (Result<Option<Handshake>, HandshakeError>, Vec<Message>, Option<FrameError>);

/// Reads a handshake and then messages. A stream that does not begin as a handshake is read as messages only.
fn read_stream(chunks: impl Iterator<Item = Bytes>, limits: &MessageLimits) -> Read {
    let mut deframer = Deframer::new();
    let mut chunks = chunks.peekable();
    let first = chunks.peek().and_then(|chunk| chunk.first());
    if first.is_none_or(|byte| Handshake::check_start(&[*byte]).is_err()) {
        return read_messages(chunks, limits, deframer);
    }
    while let Some(chunk) = chunks.next() {
        deframer.push(chunk);
        match deframer.handshake() {
            Ok(None) => {}
            Ok(Some(handshake)) => {
                let (_, messages, end) = read_messages(chunks, limits, deframer);
                return (Ok(Some(handshake)), messages, end);
            }
            Err(error) => return (Err(error), Vec::new(), None),
        }
    }
    (Ok(None), Vec::new(), None)
}

fn read_messages(
    chunks: impl Iterator<Item = Bytes>,
    limits: &MessageLimits,
    mut deframer: Deframer,
) -> Read {
    let mut messages = Vec::new();
    for chunk in std::iter::once(Bytes::new()).chain(chunks) {
        deframer.push(chunk);
        loop {
            match deframer.next(limits) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (Ok(None), messages, Some(error)),
            }
        }
    }
    (Ok(None), messages, None)
}

fn tracker_http(data: &[u8]) {
    match http::decode_announce_response(data) {
        Ok(response) => {
            for compact in [true, false] {
                let mut again =
                    http::decode_announce_response(&http::encode_announce_response(&response, compact))
                        .expect("our own answer is one");
                let mut peers = response.peers.clone();
                peers.sort();
                again.peers.sort();
                assert_eq!(again, sprat_wire::tracker::AnnounceResponse { peers, ..response.clone() });
            }
        }
        Err(http::AnswerError::Failure(failure)) => {
            let again = http::decode_announce_response(&http::encode_failure(&failure));
            assert_eq!(again, Err(http::AnswerError::Failure(failure)));
        }
        Err(_) => {}
    }
    if let Ok(entries) = http::decode_scrape_response(data) {
        assert_eq!(http::decode_scrape_response(&http::encode_scrape_response(&entries)), Ok(entries));
    }
    if let Ok(query) = http::announce_request_from_query(data) {
        let again = http::announce_query(&query.announce);
        let announce =
            http::announce_request_from_query(again.as_bytes()).expect("our own query is one").announce;
        assert_eq!(announce, query.announce);
    }
    if let Ok(hashes) = http::scrape_hashes_from_query(data) {
        assert_eq!(http::scrape_hashes_from_query(http::scrape_query(&hashes).as_bytes()), Ok(hashes));
    }
    if let Ok(url) = std::str::from_utf8(data) {
        let _ = http::scrape_url(url);
        let _ = http::with_query(url, "a=b");
    }
}

fn tracker_udp(data: &[u8]) {
    if let Ok(request) = udp::Request::decode(data) {
        let mut again = Vec::new();
        request.encode(&mut again);
        assert_eq!(udp::Request::decode(&again), Ok(request));
    }
    for family in [Family::V4, Family::V6] {
        let Ok(mut response) = udp::Response::decode(data, family) else { continue };
        if let udp::Response::Announce { announce, .. } = &mut response {
            // IPv4 in disguise does not go back into a list of IPv6.
            announce.peers.retain(|peer| Family::of(*peer) == family);
        }
        let mut again = Vec::new();
        response.encode(family, &mut again);
        assert_eq!(udp::Response::decode(&again, family), Ok(response));
    }
}
