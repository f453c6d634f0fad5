//! Writing `.torrent` files. The info dictionary is copied as it was hashed, never written anew.

use super::Metainfo;
use crate::bencode::Encoder;

pub(super) fn encode(metainfo: &Metainfo) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.begin_dict();
    encode_trackers(&mut encoder, &metainfo.trackers);
    if let Some(comment) = &metainfo.comment {
        encoder.key("comment").bytes(comment);
    }
    if let Some(created_by) = &metainfo.created_by {
        encoder.key("created by").bytes(created_by);
    }
    if let Some(date) = metainfo.creation_date {
        encoder.key("creation date").int(date);
    }
    encoder.key("encoding").bytes("UTF-8");
    encoder.key("info").raw(&metainfo.info_bytes);
    encode_nodes(&mut encoder, &metainfo.nodes);
    // Half of them would be worse than none.
    if metainfo.info.is_v2() && metainfo.is_whole() {
        encoder.key("piece layers").begin_dict();
        for (root, layer) in &metainfo.piece_layers {
            encoder.key(root).bytes(layer.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>());
        }
        encoder.end();
    }
    encode_strings(&mut encoder, "url-list", &metainfo.web_seeds);
    encoder.end();
    encoder.finish()
}

fn encode_trackers(encoder: &mut Encoder, tiers: &[Vec<String>]) {
    let tiers: Vec<&Vec<String>> = tiers.iter().filter(|tier| !tier.is_empty()).collect();
    let Some(first) = tiers.first().and_then(|tier| tier.first()) else { return };
    encoder.key("announce").bytes(first);
    if tiers.iter().map(|tier| tier.len()).sum::<usize>() < 2 {
        return;
    }
    encoder.key("announce-list").begin_list();
    for tier in tiers {
        encoder.begin_list();
        for url in tier {
            encoder.bytes(url);
        }
        encoder.end();
    }
    encoder.end();
}

fn encode_nodes(encoder: &mut Encoder, nodes: &[(String, u16)]) {
    if nodes.is_empty() {
        return;
    }
    encoder.key("nodes").begin_list();
    for (host, port) in nodes {
        encoder.begin_list().bytes(host).int((*port).into()).end();
    }
    encoder.end();
}

pub(super) fn encode_strings(encoder: &mut Encoder, key: &str, strings: &[String]) {
    if strings.is_empty() {
        return;
    }
    encoder.key(key).begin_list();
    for string in strings {
        encoder.bytes(string);
    }
    encoder.end();
}
