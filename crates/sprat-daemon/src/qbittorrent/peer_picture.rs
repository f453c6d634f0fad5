//! The peers of a torrent at one moment, and what is not as it was at another.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};
use sprat_core::storage::TorrentId;

use super::delta;
use crate::service::{PeerDetails, PeerOrigin};

/// The peers of a torrent at one moment, by their addresses.
#[derive(Debug)]
pub(super) struct PeerPicture {
    torrent: TorrentId,
    peers: BTreeMap<String, Map<String, Value>>,
}

impl PeerPicture {
    /// As it is now.
    pub(super) fn new(torrent: TorrentId, peers: &[PeerDetails]) -> Self {
        let peers = peers.iter().map(|peer| (peer.address.to_string(), describe(peer))).collect();
        Self { torrent, peers }
    }

    /// All of it.
    pub(super) fn whole(&self) -> Map<String, Value> {
        delta::object(&json!({"full_update": true, "peers": self.peers}))
    }

    /// What has changed; `None`: that was another torrent.
    pub(super) fn since(&self, before: &Self) -> Option<Map<String, Value>> {
        if before.torrent != self.torrent {
            return None;
        }
        let mut changed = Map::new();
        for (address, peer) in &self.peers {
            let part = match before.peers.get(address) {
                Some(known) => delta::fields(known, peer.clone()),
                None => peer.clone(),
            };
            if !part.is_empty() {
                changed.insert(address.clone(), Value::Object(part));
            }
        }
        let removed: Vec<&String> =
            before.peers.keys().filter(|one| !self.peers.contains_key(*one)).collect();
        let mut answer = Map::new();
        if !changed.is_empty() {
            answer.insert("peers".to_owned(), Value::Object(changed));
        }
        if !removed.is_empty() {
            answer.insert("peers_removed".to_owned(), json!(removed));
        }
        Some(answer)
    }
}

fn describe(peer: &PeerDetails) -> Map<String, Value> {
    let id = HEXLOWER.decode(peer.peer_id.as_bytes()).unwrap_or_default();
    // Its first eight bytes name the program, as the peer has it.
    let program: String =
        id.iter().take(8).map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect();
    let (flags, meanings) = flags(peer);
    delta::object(&json!({
        "client": peer.client,
        "peer_id_client": program,
        "connection": "BT",
        "ip": peer.address.ip(),
        "port": peer.address.port(),
        "progress": f64::from(peer.progress) / 1000.0,
        "dl_speed": peer.download_rate,
        "up_speed": peer.upload_rate,
        "downloaded": peer.downloaded,
        "uploaded": peer.uploaded,
        "flags": flags,
        "flags_desc": meanings,
        "files": "",
        // What it has that is lacked here is not reckoned for each.
        "relevance": 0,
    }))
}

/// A letter for each thing that can be said of a connection, and what they mean, a line each.
fn flags(peer: &PeerDetails) -> (String, String) {
    let said = [
        (peer.interested && !peer.choked, "D", "interested (local) and unchoked (peer)"),
        (peer.interested && peer.choked, "d", "interested (local) and choked (peer)"),
        (!peer.interested && !peer.choked, "K", "not interested (local) and unchoked (peer)"),
        (peer.wanted && !peer.choking, "U", "interested (peer) and unchoked (local)"),
        (peer.wanted && peer.choking, "u", "interested (peer) and choked (local)"),
        (!peer.wanted && !peer.choking, "?", "not interested (peer) and unchoked (local)"),
        (peer.snubbed, "S", "peer snubbed"),
        (peer.is_incoming, "I", "incoming connection"),
        (peer.source == Some(PeerOrigin::Dht), "H", "peer from DHT"),
        (peer.source == Some(PeerOrigin::Pex), "X", "peer from PEX"),
        (peer.source == Some(PeerOrigin::Lsd), "L", "peer from LSD"),
    ];
    let said: Vec<_> = said.into_iter().filter(|(is_so, ..)| *is_so).collect();
    let letters: Vec<&str> = said.iter().map(|(_, letter, _)| *letter).collect();
    let meanings: Vec<String> =
        said.iter().map(|(_, letter, meaning)| format!("{letter} = {meaning}")).collect();
    (letters.join(" "), meanings.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(peers: &[PeerDetails]) -> PeerPicture {
        PeerPicture::new(TorrentId(1), peers)
    }

    #[test]
    fn peers_come_change_and_go() {
        let (staying, leaving) = (PeerDetails::example("10.0.0.1:1"), PeerDetails::example("10.0.0.2:2"));
        let before = picture(&[staying.clone(), leaving]);
        assert!(before.since(&before).unwrap().is_empty());
        assert_eq!(before.since(&PeerPicture::new(TorrentId(2), &[])), None);
        let after = picture(&[PeerDetails { downloaded: 9, ..staying }, PeerDetails::example("[::1]:3")]);
        let told = Value::Object(after.since(&before).unwrap());
        assert_eq!(told["peers"]["10.0.0.1:1"], json!({"downloaded": 9}));
        assert_eq!(told["peers"]["[::1]:3"]["peer_id_client"], "-SP0100-");
        assert_eq!(told["peers"]["[::1]:3"]["flags"], "D H");
        assert_eq!(told["peers_removed"], json!(["10.0.0.2:2"]));
    }
}
