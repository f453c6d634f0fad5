//! Connections to peers.

use data_encoding::{BASE64, HEXLOWER};

use super::names::Name;
use super::value::{Object, Out};
use super::view::View;
use crate::service::{PeerDetails, PeerOrigin};

/// It gives us something.
pub(super) const fn gives(peer: &PeerDetails) -> bool {
    peer.interested && !peer.choked
}

/// We give it something.
pub(super) const fn takes(peer: &PeerDetails) -> bool {
    peer.wanted && !peer.choking
}

/// All of them.
pub(super) fn list(view: &View<'_>) -> Out {
    view.parts.peers.iter().map(|peer| Out::from(describe(peer))).collect()
}

fn describe(peer: &PeerDetails) -> Object {
    let id = HEXLOWER.decode(peer.peer_id.as_bytes()).unwrap_or_default();
    vec![
        (Name::Same("address"), peer.address.ip().to_string().into()),
        (Name::Same("port"), i64::from(peer.address.port()).into()),
        (Name::Same("peer_id"), BASE64.encode(&id).into()),
        (Name::Camel("client_name"), peer.client.as_str().into()),
        (Name::Camel("client_is_choked"), peer.choked.into()),
        (Name::Camel("client_is_interested"), peer.interested.into()),
        (Name::Camel("peer_is_choked"), peer.choking.into()),
        (Name::Camel("peer_is_interested"), peer.wanted.into()),
        (Name::Camel("is_downloading_from"), gives(peer).into()),
        (Name::Camel("is_uploading_to"), takes(peer).into()),
        // Sprat speaks plain TCP.
        (Name::Camel("is_encrypted"), false.into()),
        (Name::Odd { new: "is_utp", old: "isUTP" }, false.into()),
        (Name::Camel("is_incoming"), peer.is_incoming.into()),
        (Name::Camel("flag_str"), flags(peer).into()),
        (Name::Same("progress"), (f64::from(peer.progress) / 1000.0).into()),
        (Name::Camel("rate_to_client"), peer.download_rate.into()),
        (Name::Camel("rate_to_peer"), peer.upload_rate.into()),
        (Name::Same("bytes_to_client"), peer.downloaded.into()),
        (Name::Same("bytes_to_peer"), peer.uploaded.into()),
    ]
}

/// A letter for each thing that can be said of a connection.
fn flags(peer: &PeerDetails) -> String {
    let down = match (peer.interested, peer.choked) {
        (true, false) => "D",
        (true, true) => "d",
        (false, false) => "K",
        (false, true) => "",
    };
    let up = match (peer.wanted, peer.choking) {
        (true, false) => "U",
        (true, true) => "u",
        (false, false) => "?",
        (false, true) => "",
    };
    let known_by = match peer.source {
        Some(PeerOrigin::Dht) => "H",
        Some(PeerOrigin::Pex) => "X",
        _ => "",
    };
    let incoming = if peer.is_incoming { "I" } else { "" };
    [down, up, known_by, incoming].concat()
}

/// How many there are by how we have come to know of them. Those whom the user has named are where Transmission has those that a peer
/// has named at the handshake; the list of an earlier run is not kept.
pub(super) fn sources(view: &View<'_>) -> Out {
    let count = |origin| view.parts.peers.iter().filter(|peer| peer.source == Some(origin)).count().into();
    let counts: Object = vec![
        (Name::Camel("from_cache"), 0_i64.into()),
        (Name::Camel("from_dht"), count(PeerOrigin::Dht)),
        (Name::Camel("from_incoming"), count(PeerOrigin::Incoming)),
        (Name::Camel("from_lpd"), count(PeerOrigin::Lsd)),
        (Name::Camel("from_ltep"), count(PeerOrigin::User)),
        (Name::Camel("from_pex"), count(PeerOrigin::Pex)),
        (Name::Camel("from_tracker"), count(PeerOrigin::Tracker)),
    ];
    counts.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letters_say_who_gives_whom() {
        let peer = PeerDetails {
            is_incoming: true,
            choking: false,
            choked: true,
            ..PeerDetails::example("127.0.0.1:6881")
        };
        assert_eq!(flags(&peer), "d?HI");
        let giving = PeerDetails { choked: false, wanted: true, is_incoming: false, source: None, ..peer };
        assert_eq!(flags(&giving), "DU");
        assert!(gives(&giving) && takes(&giving));
    }
}
