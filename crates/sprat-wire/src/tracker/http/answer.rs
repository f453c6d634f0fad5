//! Answers: bencoded dictionaries, written and read.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::super::{AnnounceResponse, MAX_INTERVAL, MAX_MESSAGE, MAX_PEERS, MAX_SCRAPE, ScrapeEntry};
use super::{AnswerError, Failure, Retry};
use crate::bencode::{Dict, Document, Encoder, Limits, List};
use crate::compact::{self, Family};
use crate::hash::InfoHash;
use crate::text::printable;

/// Seconds until the next announce when the tracker does not say: what most trackers ask for.
const DEFAULT_INTERVAL: u32 = 30 * 60;

/// Bytes of a `tracker id` that are worth sending back.
const MAX_TRACKER_ID: usize = 256;

/// The body of an answer to an announce. With `compact`, peers go as lists of 6 (BEP 23) and 18 (BEP 7) bytes an
/// entry, else as the dictionaries of BEP 3.
#[must_use]
pub fn encode_announce_response(response: &AnnounceResponse, compact: bool) -> Vec<u8> {
    let mut out = Encoder::new();
    out.begin_dict();
    optional(&mut out, "complete", response.complete);
    optional(&mut out, "downloaded", response.downloaded);
    match response.external_ip {
        Some(IpAddr::V4(ip)) => _ = out.key("external ip").bytes(ip.octets()),
        Some(IpAddr::V6(ip)) => _ = out.key("external ip").bytes(ip.octets()),
        None => {}
    }
    optional(&mut out, "incomplete", response.incomplete);
    out.key("interval").uint(response.interval.into());
    optional(&mut out, "min interval", response.min_interval);
    if compact {
        let list = |family| {
            let mut list = Vec::new();
            compact::encode(family, response.peers.iter().copied(), &mut list);
            list
        };
        out.key("peers").bytes(list(Family::V4));
        let v6 = list(Family::V6);
        if !v6.is_empty() {
            out.key("peers6").bytes(v6);
        }
    } else {
        out.key("peers").begin_list();
        for peer in &response.peers {
            out.begin_dict();
            out.key("ip").bytes(peer.ip().to_string());
            out.key("port").uint(peer.port().into());
            out.end();
        }
        out.end();
    }
    if let Some(id) = &response.tracker_id {
        out.key("tracker id").bytes(id);
    }
    if let Some(warning) = &response.warning {
        out.key("warning message").bytes(warning);
    }
    out.end();
    out.finish()
}

/// The body of a refusal.
#[must_use]
pub fn encode_failure(failure: &Failure) -> Vec<u8> {
    let mut out = Encoder::new();
    out.begin_dict().key("failure reason").bytes(&failure.reason);
    match failure.retry {
        Some(Retry::Never) => _ = out.key("retry in").bytes("never"),
        Some(Retry::Minutes(minutes)) => _ = out.key("retry in").uint(minutes.into()),
        None => {}
    }
    out.end();
    out.finish()
}

/// The body of an answer to a scrape (BEP 48).
#[must_use]
pub fn encode_scrape_response(entries: &BTreeMap<InfoHash, ScrapeEntry>) -> Vec<u8> {
    let mut out = Encoder::new();
    out.begin_dict().key("files").begin_dict();
    for (info_hash, entry) in entries {
        out.key(info_hash).begin_dict();
        out.key("complete").uint(entry.complete.into());
        out.key("downloaded").uint(entry.downloaded.into());
        out.key("incomplete").uint(entry.incomplete.into());
        out.end();
    }
    out.end().end();
    out.finish()
}

/// The answer to an announce. Intervals longer than a day are a day; of the peers, [`MAX_PEERS`] are read; names
/// instead of addresses are left out, since looking them up would let a tracker aim clients at anyone's servers.
pub fn decode_announce_response(body: &[u8]) -> Result<AnnounceResponse, AnswerError> {
    // Some trackers end their answers with a line feed.
    let (document, _) = Document::decode_prefix(body, Limits::TRACKER)?;
    let dict = answer(&document)?;
    if ["interval", "peers", "peers6"].iter().all(|key| dict.value_of(key).is_none()) {
        return Err(AnswerError::Field("interval"));
    }
    let interval = match dict.value_of("interval") {
        None => DEFAULT_INTERVAL,
        Some(value) => value.as_u64().map(seconds).ok_or(AnswerError::Field("interval"))?,
    };
    let tracker_id = dict.str("tracker id").filter(|id| id.len() <= MAX_TRACKER_ID);
    Ok(AnnounceResponse {
        interval,
        min_interval: dict.u64("min interval").map(seconds),
        tracker_id: tracker_id.map(str::to_owned),
        complete: count(dict, "complete"),
        incomplete: count(dict, "incomplete"),
        downloaded: count(dict, "downloaded"),
        peers: peers(dict),
        external_ip: dict.bytes("external ip").and_then(packed_ip),
        warning: dict
            .bytes("warning message")
            .map(|warning| printable(warning, MAX_MESSAGE))
            .filter(|warning| !warning.is_empty()),
    })
}

/// The answer to a scrape; of the swarms in it, the first [`MAX_SCRAPE`] are read.
pub fn decode_scrape_response(body: &[u8]) -> Result<BTreeMap<InfoHash, ScrapeEntry>, AnswerError> {
    let (document, _) = Document::decode_prefix(body, Limits::TRACKER)?;
    let files = answer(&document)?.dict("files").ok_or(AnswerError::Field("files"))?;
    let mut entries = BTreeMap::new();
    for (info_hash, numbers) in files.iter().take(MAX_SCRAPE) {
        let (Some(info_hash), Some(numbers)) = (InfoHash::from_slice(info_hash), numbers.as_dict()) else {
            return Err(AnswerError::Field("files"));
        };
        let entry = ScrapeEntry {
            complete: count(numbers, "complete").unwrap_or(0),
            downloaded: count(numbers, "downloaded").unwrap_or(0),
            incomplete: count(numbers, "incomplete").unwrap_or(0),
        };
        entries.insert(info_hash, entry);
    }
    Ok(entries)
}

fn optional(out: &mut Encoder, key: &str, value: Option<u32>) {
    if let Some(value) = value {
        out.key(key).uint(value.into());
    }
}

/// The dictionary of an answer that is not a refusal.
fn answer<'a>(document: &'a Document<'_>) -> Result<Dict<'a>, AnswerError> {
    let dict = document.as_dict().ok_or(AnswerError::Field("dictionary"))?;
    let Some(reason) = dict.bytes("failure reason") else { return Ok(dict) };
    Err(Failure { reason: printable(reason, MAX_MESSAGE), retry: retry(dict) }.into())
}

/// BEP 31 speaks of an integer, but its example has a string.
fn retry(dict: Dict<'_>) -> Option<Retry> {
    let text = dict.str("retry in");
    if text == Some("never") {
        return Some(Retry::Never);
    }
    let minutes = dict.u64("retry in").or_else(|| text?.parse().ok())?;
    Some(Retry::Minutes(u32::try_from(minutes).unwrap_or(u32::MAX).min(MAX_INTERVAL / 60)))
}

fn seconds(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX).min(MAX_INTERVAL)
}

fn count(dict: Dict<'_>, key: &str) -> Option<u32> {
    dict.u64(key).map(|value| u32::try_from(value).unwrap_or(u32::MAX))
}

fn peers(dict: Dict<'_>) -> Vec<SocketAddr> {
    let v4 = dict.bytes("peers").unwrap_or_default();
    let v6 = dict.bytes("peers6").unwrap_or_default();
    let listed = dict.list("peers").into_iter().flat_map(listed_peers);
    compact::decode(Family::V4, v4)
        .chain(listed)
        .chain(compact::decode(Family::V6, v6))
        .take(MAX_PEERS)
        .collect()
}

fn listed_peers(list: List<'_>) -> impl Iterator<Item = SocketAddr> {
    list.iter().filter_map(|peer| {
        let peer = peer.as_dict()?;
        let ip: IpAddr = peer.str("ip")?.parse().ok()?;
        let port = peer.u64("port").and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)?;
        Some(SocketAddr::new(ip.to_canonical(), port))
    })
}

/// BEP 24.
fn packed_ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    v4.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from))
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::compact::tests::address;

    fn response() -> impl Strategy<Value = AnnounceResponse> {
        let ip =
            prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)];
        let numbers = (0..=MAX_INTERVAL, option::of(0..=MAX_INTERVAL), any::<[Option<u32>; 3]>());
        (numbers, vec(address(), 0..50), option::of(ip), option::of("[!-~]{1,50}"), option::of("[!-~]{1,50}"))
            .prop_map(
                |(
                    (interval, min_interval, [complete, incomplete, downloaded]),
                    mut peers,
                    external_ip,
                    id,
                    warning,
                )| {
                    // As compact lists give them.
                    peers.sort_by_key(SocketAddr::is_ipv6);
                    AnnounceResponse {
                        interval,
                        min_interval,
                        tracker_id: id,
                        complete,
                        incomplete,
                        downloaded,
                        peers,
                        external_ip,
                        warning,
                    }
                },
            )
    }

    #[test]
    fn the_bytes_are_those_of_the_beps() {
        let response = AnnounceResponse {
            interval: 1800,
            complete: Some(1),
            peers: vec!["1.2.3.4:6881".parse().unwrap(), "[::1]:2".parse().unwrap()],
            ..AnnounceResponse::default()
        };
        assert_eq!(
            encode_announce_response(&response, true),
            b"d8:completei1e8:intervali1800e5:peers6:\x01\x02\x03\x04\x1a\xe16:peers618:\
              \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x02e"
        );
        assert_eq!(
            encode_announce_response(&response, false),
            b"d8:completei1e8:intervali1800e5:peersld2:ip7:1.2.3.44:porti6881eed2:ip3:::14:porti2eeee"
        );
    }

    #[test]
    fn a_refusal_is_told_with_its_retry_time() {
        let refused = |body: &[u8]| match decode_announce_response(body) {
            Err(AnswerError::Failure(failure)) => failure,
            other => panic!("{other:?}"),
        };
        let never = refused(b"d14:failure reason13:Not a tracker8:retry in5:nevere");
        assert_eq!(never, Failure { reason: "Not a tracker".into(), retry: Some(Retry::Never) });
        assert_eq!(refused(b"d14:failure reason1:x8:retry in1:5e").retry, Some(Retry::Minutes(5)));
        assert_eq!(refused(b"d14:failure reason1:x8:retry ini999999ee").retry, Some(Retry::Minutes(1440)));
        assert_eq!(refused(b"d14:failure reason9:\x1b[31m\nbad8:retry ini-1ee").reason, "[31mbad");
    }

    #[test]
    fn values_are_held_within_reason() {
        let decode = decode_announce_response;
        let long = decode(b"d8:completei-4e10:incompletei9999999999e8:intervali99999999e5:peers0:e").unwrap();
        assert_eq!((long.interval, long.complete, long.incomplete), (MAX_INTERVAL, None, Some(u32::MAX)));
        assert_eq!(decode(b"d8:intervali-1e5:peers0:e"), Err(AnswerError::Field("interval")));
        assert_eq!(decode(b"d5:peers0:e\n").unwrap().interval, DEFAULT_INTERVAL);
        assert_eq!(decode(b"de"), Err(AnswerError::Field("interval")));
        assert_eq!(decode(b"le"), Err(AnswerError::Field("dictionary")));
        assert!(matches!(decode(b"<html>"), Err(AnswerError::Bencode(_))));
    }

    #[test]
    fn unusable_peers_are_left_out_and_many_are_cut() {
        let body = b"d5:peersld2:ip9:localhost4:porti1eed2:ip7:1.2.3.44:porti0eed2:ip7:1.2.3.44:porti65536ee\
            i5ed2:ip16:::ffff:127.0.0.14:porti7eeee";
        assert_eq!(decode_announce_response(body).unwrap().peers, ["127.0.0.1:7".parse().unwrap()]);

        let peers = vec!["1.2.3.4:5".parse().unwrap(); MAX_PEERS + 1];
        let body = encode_announce_response(&AnnounceResponse { peers, ..AnnounceResponse::default() }, true);
        assert_eq!(decode_announce_response(&body).unwrap().peers.len(), MAX_PEERS);
    }

    #[test]
    fn reads_the_scrape_of_bep_48() {
        let body = b"d5:filesd20:xxxxxxxxxxxxxxxxxxxxd8:completei11e10:downloadedi13772e10:incompletei19ee\
            20:yyyyyyyyyyyyyyyyyyyyd8:completei21e10:downloadedi206e10:incompletei20eeee";
        let entries = decode_scrape_response(body).unwrap();
        assert_eq!(
            entries[&InfoHash([b'x'; 20])],
            ScrapeEntry { complete: 11, downloaded: 13772, incomplete: 19 }
        );
        assert_eq!(encode_scrape_response(&entries), body);
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(response in response(), compact: bool) {
            let body = encode_announce_response(&response, compact);
            prop_assert_eq!(decode_announce_response(&body), Ok(response));
        }

        #[test]
        fn decode_undoes_encode_for_scrapes(
            entries in btree_map(any::<[u8; 20]>(), any::<(u32, u32, u32)>(), 0..=MAX_SCRAPE),
        ) {
            let entries = entries.into_iter().map(|(hash, (complete, downloaded, incomplete))| {
                (InfoHash(hash), ScrapeEntry { complete, downloaded, incomplete })
            }).collect();
            prop_assert_eq!(decode_scrape_response(&encode_scrape_response(&entries)), Ok(entries));
        }

        #[test]
        fn decode_undoes_encode_for_failures(reason in "[!-~]{1,50}", minutes in option::of(0..=1440_u32)) {
            for retry in [minutes.map(Retry::Minutes), Some(Retry::Never)] {
                let failure = Failure { reason: reason.clone(), retry };
                let body = encode_failure(&failure);
                prop_assert_eq!(decode_announce_response(&body), Err(AnswerError::Failure(failure)));
            }
        }

        #[test]
        fn any_body_is_survived(body in "d(5:peers|6:peers6|8:interval|5:files|[0-9]:|i-?[0-9]{1,20}e|d|l|e|.){0,12}") {
            let _ = decode_announce_response(body.as_bytes());
            let _ = decode_scrape_response(body.as_bytes());
        }
    }
}
