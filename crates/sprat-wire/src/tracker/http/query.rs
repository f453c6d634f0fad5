//! Requests: query strings, written and read.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use thiserror::Error;

use super::super::{AnnounceEvent, AnnounceRequest, MAX_SCRAPE};
use crate::hash::{InfoHash, PeerId};

/// Bytes of a query string that a tracker reads: the head of a request in sprat's server is bounded by as many.
pub const MAX_QUERY: usize = 16 * 1024;

/// Everything but the unreserved characters of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The query of an announce, without `?`. It asks for compact lists.
#[must_use]
pub fn announce_query(announce: &AnnounceRequest) -> String {
    let mut query = format!(
        "info_hash={}&peer_id={}&port={}&uploaded={}&downloaded={}&left={}&compact=1&no_peer_id=1&key={:08X}",
        escape(&announce.info_hash.0),
        escape(&announce.peer_id.0),
        announce.port,
        announce.uploaded,
        announce.downloaded,
        announce.left,
        announce.key,
    );
    let event = match announce.event {
        AnnounceEvent::Interval => None,
        AnnounceEvent::Started => Some("started"),
        AnnounceEvent::Completed => Some("completed"),
        AnnounceEvent::Stopped => Some("stopped"),
    };
    // Writing to a string cannot fail.
    if let Some(event) = event {
        let _ = write!(query, "&event={event}");
    }
    if let Some(wanted) = announce.num_want {
        let _ = write!(query, "&numwant={wanted}");
    }
    if let Some(ip) = announce.ip {
        let _ = write!(query, "&ip={}", escape(ip.to_string().as_bytes()));
    }
    if let Some(id) = &announce.tracker_id {
        let _ = write!(query, "&trackerid={}", escape(id.as_bytes()));
    }
    query
}

/// The query of a scrape, without `?`.
#[must_use]
pub fn scrape_query(info_hashes: &[InfoHash]) -> String {
    let parts: Vec<String> =
        info_hashes.iter().map(|hash| format!("info_hash={}", escape(&hash.0))).collect();
    parts.join("&")
}

/// `url` with `query` added to the query that it may already have, such as a passkey. A fragment is cut off.
#[must_use]
pub fn with_query(url: &str, query: &str) -> String {
    let url = without_fragment(url);
    let separator = match url.split_once('?') {
        None => "?",
        Some((_, before)) if before.is_empty() || before.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{url}{separator}{query}")
}

/// Where a tracker is scraped: the last segment of its announce URL's path must begin with `announce`, which is
/// replaced by `scrape`. `None` says that the tracker offers no scrape.
#[must_use]
pub fn scrape_url(announce_url: &str) -> Option<String> {
    let url = without_fragment(announce_url);
    let path_end = url.find('?').unwrap_or(url.len());
    let (before_query, query) = url.split_at_checked(path_end)?;
    let (scheme, rest) = before_query.split_once("://")?;
    let (before, segment) = rest.rsplit_once('/')?;
    let after = segment.strip_prefix("announce")?;
    Some(format!("{scheme}://{before}/scrape{after}{query}"))
}

fn without_fragment(url: &str) -> &str {
    url.split_once('#').map_or(url, |(url, _)| url)
}

fn escape(bytes: &[u8]) -> impl std::fmt::Display {
    percent_encode(bytes, ESCAPED)
}

/// An announce as a server receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnounceQuery {
    /// The announce.
    pub announce: AnnounceRequest,
    /// Whether peers may be sent as compact lists: unless the client said `compact=0` (BEP 23).
    pub compact: bool,
}

/// Why a query string is not an announce or a scrape.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueryError {
    /// Longer than [`MAX_QUERY`].
    #[error("the query is longer than {MAX_QUERY} bytes")]
    TooLong,
    /// A `%` without two hexadecimal digits.
    #[error("malformed percent-encoding")]
    Escape,
    /// The key must be there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The key is there more than once, and nobody can say which is meant.
    #[error("{0} is there more than once")]
    Duplicate(&'static str),
    /// The value is not what the key needs.
    #[error("{0} is malformed")]
    Malformed(&'static str),
    /// More than [`MAX_SCRAPE`] swarms.
    #[error("more than {MAX_SCRAPE} swarms in one scrape")]
    TooManySwarms,
}

/// The announce in a query string. Keys that mean nothing here are ignored. So are `ipv4` and `ipv6`, which BEP 7
/// discourages because they let one client send many others to a victim.
pub fn announce_request_from_query(query: &[u8]) -> Result<AnnounceQuery, QueryError> {
    /// In the order of the array below.
    const KEYS: [&str; 12] = [
        "info_hash",
        "peer_id",
        "port",
        "left",
        "uploaded",
        "downloaded",
        "event",
        "numwant",
        "key",
        "ip",
        "trackerid",
        "compact",
    ];
    let mut values: [Option<Vec<u8>>; KEYS.len()] = Default::default();
    for (key, value) in pairs(query)? {
        let known = KEYS.iter().zip(&mut values).find(|(name, _)| name.as_bytes() == key);
        if let Some((name, slot)) = known
            && slot.replace(unescape(value)?).is_some()
        {
            return Err(QueryError::Duplicate(name));
        }
    }
    let [info_hash, peer_id, port, left, uploaded, downloaded, event, num_want, key, ip, tracker_id, compact] =
        values;

    let info_hash = info_hash.ok_or(QueryError::Missing("info_hash"))?;
    let peer_id = peer_id.ok_or(QueryError::Missing("peer_id"))?;
    let announce = AnnounceRequest {
        info_hash: InfoHash::from_slice(&info_hash).ok_or(QueryError::Malformed("info_hash"))?,
        peer_id: PeerId::from_slice(&peer_id).ok_or(QueryError::Malformed("peer_id"))?,
        port: number(port, "port")?.ok_or(QueryError::Missing("port"))?,
        left: match left {
            // Clients that have no metadata yet do not know; some say -1.
            Some(value) if value.starts_with(b"-") => u64::MAX,
            value => number(value, "left")?.ok_or(QueryError::Missing("left"))?,
        },
        uploaded: number(uploaded, "uploaded")?.unwrap_or(0),
        downloaded: number(downloaded, "downloaded")?.unwrap_or(0),
        event: match event.as_deref() {
            Some(b"started") => AnnounceEvent::Started,
            Some(b"completed") => AnnounceEvent::Completed,
            Some(b"stopped") => AnnounceEvent::Stopped,
            // `paused` (BEP 21) and whatever else is made up.
            _ => AnnounceEvent::Interval,
        },
        num_want: match num_want {
            Some(value) if value.starts_with(b"-") => None,
            value => number(value, "numwant")?,
        },
        key: key.map_or(0, |key| key_number(&key)),
        ip: ip.and_then(|ip| std::str::from_utf8(&ip).ok()?.parse().ok()),
        tracker_id: tracker_id.and_then(|id| String::from_utf8(id).ok()),
    };
    Ok(AnnounceQuery { announce, compact: compact.as_deref() != Some(b"0") })
}

/// The swarms that a scrape is about, each once: 1 to [`MAX_SCRAPE`]. A scrape of everything is refused.
pub fn scrape_hashes_from_query(query: &[u8]) -> Result<Vec<InfoHash>, QueryError> {
    let mut seen = BTreeSet::new();
    let mut info_hashes = Vec::new();
    for (key, value) in pairs(query)? {
        if key != b"info_hash" {
            continue;
        }
        let hash = InfoHash::from_slice(&unescape(value)?).ok_or(QueryError::Malformed("info_hash"))?;
        if !seen.insert(hash) {
            continue;
        }
        if info_hashes.len() == MAX_SCRAPE {
            return Err(QueryError::TooManySwarms);
        }
        info_hashes.push(hash);
    }
    if info_hashes.is_empty() {
        return Err(QueryError::Missing("info_hash"));
    }
    Ok(info_hashes)
}

/// Keys and values, still escaped.
fn pairs(query: &[u8]) -> Result<impl Iterator<Item = (&[u8], &[u8])>, QueryError> {
    if query.len() > MAX_QUERY {
        return Err(QueryError::TooLong);
    }
    Ok(query.split(|byte| *byte == b'&').map(|pair| {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        (halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
    }))
}

/// `+` is a space, as in forms: clients that mean `+` write `%2B`, and those made with form encoders mean a space.
fn unescape(value: &[u8]) -> Result<Vec<u8>, QueryError> {
    let mut bytes = value.iter();
    let mut out = Vec::with_capacity(value.len());
    while let Some(&byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let high = bytes.next().copied().and_then(hex_digit).ok_or(QueryError::Escape)?;
                let low = bytes.next().copied().and_then(hex_digit).ok_or(QueryError::Escape)?;
                high << 4 | low
            }
            b'+' => b' ',
            other => other,
        });
    }
    Ok(out)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn number<T: std::str::FromStr>(value: Option<Vec<u8>>, key: &'static str) -> Result<Option<T>, QueryError> {
    let Some(value) = value else { return Ok(None) };
    let digits = value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(&value).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok()).map(Some).ok_or(QueryError::Malformed(key))
}

/// `key` as a number: of its hexadecimal digits, as most clients write it, or else a hash (FNV-1a) of its bytes.
fn key_number(key: &[u8]) -> u32 {
    let digits = key.len() <= 8 && key.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(key).ok().filter(|_| digits);
    text.and_then(|text| u32::from_str_radix(text, 16).ok()).unwrap_or_else(|| {
        key.iter().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
    })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::tracker::tests::announce_request;

    const LEAST: &str = "info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=bbbbbbbbbbbbbbbbbbbb&port=1&left=2";

    fn read(more: &str) -> Result<AnnounceQuery, QueryError> {
        announce_request_from_query(format!("{LEAST}{more}").as_bytes())
    }

    #[test]
    fn binary_values_are_escaped() {
        let announce = AnnounceRequest {
            info_hash: InfoHash(*b"\x00\xff %&=+-._~azAZ09#?/"),
            event: AnnounceEvent::Started,
            num_want: Some(50),
            key: 0xab,
            ..read("").unwrap().announce
        };
        assert_eq!(
            announce_query(&announce),
            "info_hash=%00%FF%20%25%26%3D%2B-._~azAZ09%23%3F%2F&peer_id=bbbbbbbbbbbbbbbbbbbb&port=1&uploaded=0\
             &downloaded=0&left=2&compact=1&no_peer_id=1&key=000000AB&event=started&numwant=50"
        );
    }

    #[test]
    fn a_query_is_added_to_what_the_url_has() {
        assert_eq!(with_query("http://t/announce", "a=1"), "http://t/announce?a=1");
        assert_eq!(with_query("http://t/announce?passkey=x#y", "a=1"), "http://t/announce?passkey=x&a=1");
        assert_eq!(with_query("http://t/announce?", "a=1"), "http://t/announce?a=1");
        assert_eq!(with_query("http://t/announce?b&", "a=1"), "http://t/announce?b&a=1");
    }

    #[test]
    fn scrape_urls_follow_bep_48() {
        let scrape = |url: &str| scrape_url(url);
        assert_eq!(scrape("http://t/announce").as_deref(), Some("http://t/scrape"));
        assert_eq!(scrape("http://t/x/announce.php?k=a/b").as_deref(), Some("http://t/x/scrape.php?k=a/b"));
        assert_eq!(scrape("http://t:1/key/announce#f").as_deref(), Some("http://t:1/key/scrape"));
        assert_eq!(scrape("http://t/a"), None);
        assert_eq!(scrape("http://announce"), None);
        assert_eq!(scrape("http://announce/"), None);
        assert_eq!(scrape("http://t/announce/x"), None);
        assert_eq!(scrape("http://t/?announce"), None);
    }

    #[test]
    fn what_is_missing_double_or_malformed_is_named() {
        assert_eq!(announce_request_from_query(b""), Err(QueryError::Missing("info_hash")));
        assert_eq!(read("&port=3"), Err(QueryError::Duplicate("port")));
        assert_eq!(read("&uploaded=%zz"), Err(QueryError::Escape));
        assert_eq!(read("&uploaded=%4"), Err(QueryError::Escape));
        assert_eq!(read("&uploaded=-1"), Err(QueryError::Malformed("uploaded")));
        assert_eq!(read("&uploaded=18446744073709551616"), Err(QueryError::Malformed("uploaded")));
        assert_eq!(read(&"&x".repeat(MAX_QUERY)), Err(QueryError::TooLong));
        let short = LEAST.replace("aaaa&", "&");
        assert_eq!(announce_request_from_query(short.as_bytes()), Err(QueryError::Malformed("info_hash")));
    }

    #[test]
    fn what_clients_in_the_field_send_is_read() {
        let query =
            read("&compact=0&event=paused&numwant=-1&key=uTorrent!&ip=example.org&x=1&x=2&&=").unwrap();
        assert!(!query.compact);
        assert_eq!(query.announce.event, AnnounceEvent::Interval);
        assert_eq!((query.announce.num_want, query.announce.ip), (None, None));
        assert_ne!(query.announce.key, 0);
        let unknown_left = LEAST.replace("left=2", "left=-1");
        assert_eq!(announce_request_from_query(unknown_left.as_bytes()).unwrap().announce.left, u64::MAX);
    }

    #[test]
    fn scrapes_are_bounded() {
        let hashes = |count: u8| (0..count).map(|index| InfoHash([index; 20])).collect::<Vec<_>>();
        assert_eq!(scrape_hashes_from_query(scrape_query(&hashes(74)).as_bytes()), Ok(hashes(74)));
        assert_eq!(
            scrape_hashes_from_query(scrape_query(&hashes(75)).as_bytes()),
            Err(QueryError::TooManySwarms)
        );
        assert_eq!(scrape_hashes_from_query(b""), Err(QueryError::Missing("info_hash")));
        let twice = [InfoHash([1; 20]); 2];
        assert_eq!(scrape_hashes_from_query(scrape_query(&twice).as_bytes()), Ok(hashes(2)[1..].to_vec()));
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(announce in announce_request()) {
            let query = AnnounceQuery { announce, compact: true };
            let text = announce_query(&query.announce);
            prop_assert_eq!(announce_request_from_query(text.as_bytes()), Ok(query));
        }

        #[test]
        fn any_query_is_survived(more in vec(any::<u8>(), 0..100)) {
            let query = [LEAST.as_bytes(), b"&ip=", &more].concat();
            let _ = announce_request_from_query(&query);
            let _ = scrape_hashes_from_query(&query);
        }

        #[test]
        fn any_url_is_survived(url in ".{0,40}(announce)?.{0,10}") {
            let _ = scrape_url(&url);
            let _ = with_query(&url, "a=b");
        }
    }
}
