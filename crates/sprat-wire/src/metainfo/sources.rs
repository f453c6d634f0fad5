//! What stands beside the info dictionary: where to find the torrent and who made it. None of it is covered by a
//! hash, and real files are sloppy here, so malformed entries are skipped.

use super::Metainfo;
use crate::bencode::{Dict, Value};

/// Most tracker and web seed URLs of each kind that are kept.
const MAX_URLS: usize = 1000;

/// Most DHT nodes that are kept.
const MAX_NODES: usize = 1000;

/// Longest URL, bytes: what servers and browsers commonly handle.
const MAX_URL_LENGTH: usize = 8 * 1024;

pub(super) fn parse(metainfo: &mut Metainfo, outer: Dict<'_>) {
    metainfo.trackers = trackers(outer);
    metainfo.nodes = nodes(outer);
    metainfo.web_seeds = web_seeds(outer);
    metainfo.creation_date = outer.int("creation date");
    metainfo.comment = text(outer, "comment.utf-8").or_else(|| text(outer, "comment"));
    metainfo.created_by = text(outer, "created by.utf-8").or_else(|| text(outer, "created by"));
}

/// BEP 12: "if the announce-list key is present, the client will ignore the announce key". A list without a usable
/// URL counts as missing.
fn trackers(outer: Dict<'_>) -> Vec<Vec<String>> {
    let mut left = MAX_URLS;
    let mut tiers = Vec::new();
    for tier in outer.list("announce-list").into_iter().flatten() {
        let urls: Vec<String> = match tier.as_list() {
            Some(urls) => urls.iter().filter_map(url).take(left).collect(),
            // Seen in the wild: a flat list of URLs.
            None => url(tier).into_iter().take(left).collect(),
        };
        left = left.saturating_sub(urls.len());
        if !urls.is_empty() {
            tiers.push(urls);
        }
    }
    if tiers.is_empty() {
        tiers.extend(outer.value_of("announce").and_then(url).map(|url| vec![url]));
    }
    tiers
}

/// BEP 5: a list of lists of host and port.
fn nodes(outer: Dict<'_>) -> Vec<(String, u16)> {
    let node = |value: Value<'_>| {
        let mut pair = value.as_list()?.iter();
        let host = pair.next()?.as_str().filter(|host| !host.is_empty() && host.len() <= 253)?;
        let port = u16::try_from(pair.next()?.as_int()?).ok().filter(|port| *port > 0)?;
        Some((host.to_owned(), port))
    };
    outer.list("nodes").into_iter().flatten().filter_map(node).take(MAX_NODES).collect()
}

/// BEP 19: one URL or a list of them.
fn web_seeds(outer: Dict<'_>) -> Vec<String> {
    match outer.value_of("url-list") {
        Some(value) => match value.as_list() {
            Some(urls) => urls.iter().filter_map(url).take(MAX_URLS).collect(),
            None => url(value).into_iter().collect(),
        },
        None => Vec::new(),
    }
}

fn url(value: Value<'_>) -> Option<String> {
    let url = value.as_str()?.trim();
    (!url.is_empty() && url.len() <= MAX_URL_LENGTH && !url.contains(char::is_control))
        .then(|| url.to_owned())
}

fn text(outer: Dict<'_>, key: &str) -> Option<String> {
    outer.bytes(key).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}
