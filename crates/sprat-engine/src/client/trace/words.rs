//! What goes to and fro, in words.

use std::net::SocketAddr;
use std::sync::Arc;

use sprat_core::io::{Event, MetadataError, TrackerFailure};
use sprat_core::storage::{StorageReply, StorageRequest, TorrentId};
use sprat_wire::metainfo::Metainfo;
use sprat_wire::peer::handshake::Handshake;
use sprat_wire::peer::message::Message;
use sprat_wire::tracker::{AnnounceRequest, AnnounceResponse};

use crate::http::RedactedUrl;

pub(super) fn handshake(handshake: &Handshake) -> String {
    format!("handshake of {} for {}", handshake.peer_id.0.escape_ascii(), handshake.info_hash)
}

pub(super) fn message(message: &Message) -> String {
    match message {
        Message::KeepAlive => "keep-alive".to_owned(),
        Message::Choke => "choke".to_owned(),
        Message::Unchoke => "unchoke".to_owned(),
        Message::Interested => "interested".to_owned(),
        Message::NotInterested => "not interested".to_owned(),
        Message::Have(piece) => format!("have {piece}"),
        Message::Bitfield(bits) => {
            let pieces: u32 = bits.iter().map(|byte| byte.count_ones()).sum();
            format!("bitfield, {pieces} pieces")
        }
        Message::Request(block) => {
            format!("request {} at {}, {} bytes", block.piece, block.begin, block.length)
        }
        Message::Piece { piece, begin, block } => format!("piece {piece} at {begin}, {} bytes", block.len()),
        Message::Cancel(block) => format!("cancel {} at {}", block.piece, block.begin),
        Message::Port(port) => format!("port {port}"),
        Message::SuggestPiece(piece) => format!("suggest {piece}"),
        Message::HaveAll => "have all".to_owned(),
        Message::HaveNone => "have none".to_owned(),
        Message::RejectRequest(block) => format!("reject {} at {}", block.piece, block.begin),
        Message::AllowedFast(piece) => format!("allowed fast {piece}"),
        Message::Extended { id: 0, payload } => format!("extension handshake, {} bytes", payload.len()),
        Message::Extended { id, payload } => format!("extended {id}, {} bytes", payload.len()),
        Message::HashRequest(request) => {
            format!("hash request, {} of layer {}", request.length, request.base_layer)
        }
        Message::Hashes { hashes, .. } => format!("hashes, {}", hashes.len()),
        Message::HashReject(_) => "hash reject".to_owned(),
        Message::Unknown(id) => format!("unknown message {id}"),
    }
}

/// Of a request to the disk; blocks go with their messages.
pub(super) fn request(request: &StorageRequest) -> Option<String> {
    Some(match request {
        StorageRequest::Open { .. } => "open its files".to_owned(),
        StorageRequest::Finish { piece, .. } => format!("check and write piece {}", piece.get()),
        StorageRequest::Forget { piece, .. } => format!("forget what there is of piece {}", piece.get()),
        StorageRequest::Verify { piece, .. } => format!("check piece {}", piece.get()),
        StorageRequest::Commit { have, .. } => format!("make {} pieces durable", have.count()),
        StorageRequest::Probe { .. } => "try the disk again".to_owned(),
        StorageRequest::Close { .. } => "close its files".to_owned(),
        _ => return None,
    })
}

/// Of an answer of the disk.
pub(super) fn reply(reply: &StorageReply) -> Option<String> {
    let outcome = |result: Result<(), &dyn std::fmt::Display>, what: String| match result {
        Ok(()) => what,
        Err(error) => format!("{what}: {error}"),
    };
    Some(match reply {
        StorageReply::Opened { result, .. } => {
            outcome(result.as_ref().map(|_| ()).map_err(|error| error as _), "its files are open".to_owned())
        }
        StorageReply::Stored { piece, .. } => format!("piece {} is written", piece.get()),
        StorageReply::Rejected { piece, .. } => format!("piece {} does not match its hash", piece.get()),
        StorageReply::Verified { piece, result, .. } => match result {
            Ok(true) => format!("piece {} is there", piece.get()),
            Ok(false) => format!("piece {} is not there", piece.get()),
            Err(error) => format!("piece {} cannot be read: {error}", piece.get()),
        },
        StorageReply::Failed { piece, error, .. } => {
            format!("piece {} cannot be written: {error}", piece.get())
        }
        StorageReply::Committed { result, .. } => {
            outcome(result.as_ref().map(|_| ()).map_err(|error| error as _), "durable".to_owned())
        }
        _ => return None,
    })
}

pub(super) fn announce(url: &str, request: &AnnounceRequest) -> String {
    let AnnounceRequest { event, uploaded, downloaded, left, .. } = request;
    let url = RedactedUrl::parse(url);
    format!("announce to {url}: {event:?}, uploaded {uploaded}, downloaded {downloaded}, left {left}")
}

pub(super) fn announced(result: &Result<AnnounceResponse, TrackerFailure>) -> String {
    match result {
        Ok(answer) => format!("a tracker names {} peers", answer.peers.len()),
        Err(failure) => format!("a tracker: {}", failure.reason.escape_debug()),
    }
}

pub(super) fn loaded(result: &Result<Arc<Metainfo>, MetadataError>) -> String {
    match result {
        Ok(_) => "its metadata is there".to_owned(),
        Err(error) => format!("its metadata: {error}"),
    }
}

/// Of what has happened with this torrent; what is in other lines is not told again.
pub(super) fn event(event: &Event, traced: TorrentId) -> Option<(Option<SocketAddr>, String)> {
    let (torrent, peer, text) = match event {
        Event::Checked { torrent, have } => (torrent, None, format!("checked: {have} pieces")),
        Event::MetadataReceived { torrent, .. } => (torrent, None, "the metadata is whole".to_owned()),
        Event::PieceCompleted { torrent, piece } => {
            (torrent, None, format!("piece {} is durable", piece.get()))
        }
        Event::FileChanged { torrent, file } => {
            (torrent, None, format!("file {file} was changed by somebody else"))
        }
        Event::Finished { torrent } => (torrent, None, "finished".to_owned()),
        Event::Trouble { torrent, trouble: Some(trouble) } => {
            (torrent, None, format!("trouble: {trouble:?}"))
        }
        Event::Trouble { torrent, trouble: None } => (torrent, None, "the trouble is over".to_owned()),
        Event::PeerConnected { torrent, address, .. } => {
            (torrent, Some(*address), "the handshakes are done".to_owned())
        }
        Event::PeerDisconnected { torrent, address, reason } => {
            (torrent, Some(*address), format!("the connection has ended: {reason:?}"))
        }
        Event::PeerBanned { torrent, address } => (torrent, Some(*address), "banned".to_owned()),
        Event::FellAsleep { torrent } => (torrent, None, "asleep".to_owned()),
        Event::FilesLeft { torrent, reason } => (torrent, None, format!("files are left: {reason}")),
        Event::Removed { torrent } => (torrent, None, "removed".to_owned()),
        Event::MetadataProgress { .. }
        | Event::PieceVerified { .. }
        | Event::PieceRejected { .. }
        | Event::TrackerAnswered { .. }
        | Event::TrackerFailed { .. } => return None,
    };
    (*torrent == traced).then_some((peer, text))
}
