//! Magnet links (BEP 9, BEP 53).
//!
//! What identifies the torrent must be right, and so must a selection of files, or the user would get something
//! else than the link says. What only helps to find peers (`tr`, `x.pe`, `ws`) is skipped where it is malformed.

use std::fmt;
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use thiserror::Error;

use crate::hash::{InfoHashes, Sha1Hash, Sha256Hash};
use crate::metainfo::{MAX_FILES, Metainfo};

#[cfg(test)]
mod tests;

/// Longest link that is read, in bytes.
pub const MAX_LENGTH: usize = 128 * 1024;

/// Most trackers, peers and web seeds of each kind; what comes after them is skipped. Links with hundreds of
/// trackers have crashed clients (CVE-2010-1853).
pub const MAX_SOURCES: usize = 100;

/// Most ranges of a selection (`so`).
pub const MAX_RANGES: usize = 10_000;

/// A magnet link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Magnet {
    /// `xt`: what is to be fetched.
    pub info_hashes: InfoHashes,
    /// `dn`: a name to show until the true one is known. As the link has it: to be escaped where it is shown, and
    /// never to be used as a path.
    pub name: Option<String>,
    /// `tr`: tracker URLs. Each is a tier of its own.
    pub trackers: Vec<String>,
    /// `x.pe`: peers, host and port. IPv6 addresses are without brackets.
    pub peers: Vec<(String, u16)>,
    /// `ws`: web seeds.
    pub web_seeds: Vec<String>,
    /// `so`: numbers of the files to fetch (BEP 53), in ascending order without overlap. `None` means all.
    pub select_only: Option<Vec<RangeInclusive<u32>>>,
}

/// Why a text is not a magnet link.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MagnetError {
    /// It begins otherwise.
    #[error("a magnet link begins with \"magnet:?\"")]
    NotAMagnet,
    /// Longer than [`MAX_LENGTH`].
    #[error("the magnet link is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// No `xt` with a BitTorrent info-hash.
    #[error("the magnet link has no \"xt=urn:btih:…\" or \"xt=urn:btmh:…\"")]
    MissingInfoHash,
    /// `urn:btih:` is not followed by 40 hexadecimal or 32 base32 digits.
    #[error("xt: the v1 info-hash is not 40 hexadecimal or 32 base32 digits")]
    MalformedV1Hash,
    /// `urn:btmh:` is not followed by a SHA-256 multihash in hexadecimal.
    #[error("xt: the v2 info-hash is not \"1220\" and 64 hexadecimal digits")]
    MalformedV2Hash,
    /// Two `xt` of one kind differ.
    #[error("xt: two different info-hashes of the same kind")]
    ConflictingHashes,
    /// `so` is not a list of numbers and ranges, or goes beyond every torrent.
    #[error("so: not a list of file numbers below {MAX_FILES} like \"0,2,4-6\"")]
    MalformedSelection,
}

impl Magnet {
    /// A link with nothing but the identity.
    #[must_use]
    pub const fn new(info_hashes: InfoHashes) -> Self {
        Self {
            info_hashes,
            name: None,
            trackers: Vec::new(),
            peers: Vec::new(),
            web_seeds: Vec::new(),
            select_only: None,
        }
    }

    /// The link of a torrent: what it is, how it calls itself, its trackers and web seeds.
    #[must_use]
    pub fn of(metainfo: &Metainfo) -> Self {
        Self {
            name: Some(metainfo.info.name.clone()),
            trackers: metainfo.trackers.concat(),
            web_seeds: metainfo.web_seeds.clone(),
            ..Self::new(metainfo.info_hashes)
        }
    }

    /// Whether the link selects this file.
    #[must_use]
    pub fn selects(&self, file: u32) -> bool {
        self.select_only.as_ref().is_none_or(|ranges| ranges.iter().any(|range| range.contains(&file)))
    }
}

impl FromStr for Magnet {
    type Err = MagnetError;

    fn from_str(text: &str) -> Result<Self, MagnetError> {
        const PREFIX: &str = "magnet:?";
        let text = text.trim();
        if text.len() > MAX_LENGTH {
            return Err(MagnetError::TooLong);
        }
        let query = text
            .split_at_checked(PREFIX.len())
            .filter(|(prefix, _)| prefix.eq_ignore_ascii_case(PREFIX))
            .map(|(_, query)| query)
            .ok_or(MagnetError::NotAMagnet)?;

        let mut topic = Topic::default();
        let mut magnet = Parts::default();
        for (key, value) in query.split('&').filter_map(|parameter| parameter.split_once('=')) {
            match unnumbered(key).to_ascii_lowercase().as_str() {
                "xt" => topic.add(&decoded(value))?,
                "dn" => magnet.name = magnet.name.or_else(|| Some(decoded(&value.replace('+', " ")))),
                "tr" => add_url(&mut magnet.trackers, value),
                "ws" => add_url(&mut magnet.web_seeds, value),
                "x.pe" if magnet.peers.len() < MAX_SOURCES => {
                    magnet.peers.extend(peer_address(&decoded(value)));
                }
                "so" => add_selection(&mut magnet.select_only, &decoded(value))?,
                _ => {}
            }
        }
        Ok(Self {
            info_hashes: InfoHashes::new(topic.v1, topic.v2).ok_or(MagnetError::MissingInfoHash)?,
            name: magnet.name.filter(|name| !name.is_empty()),
            trackers: magnet.trackers,
            peers: magnet.peers,
            web_seeds: magnet.web_seeds,
            select_only: magnet.select_only.map(merged),
        })
    }
}

impl fmt::Display for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("magnet:?")?;
        let mut separator = "";
        if let Some(v1) = self.info_hashes.v1() {
            write!(f, "xt=urn:btih:{v1}")?;
            separator = "&";
        }
        if let Some(v2) = self.info_hashes.v2() {
            write!(f, "{separator}xt=urn:btmh:1220{v2}")?;
        }
        if let Some(name) = &self.name {
            write!(f, "&dn={}", encoded(name))?;
        }
        for tracker in &self.trackers {
            write!(f, "&tr={}", encoded(tracker))?;
        }
        for (host, port) in &self.peers {
            if host.contains(':') {
                write!(f, "&x.pe=[{host}]:{port}")?;
            } else {
                write!(f, "&x.pe={}:{port}", encoded(host))?;
            }
        }
        for seed in &self.web_seeds {
            write!(f, "&ws={}", encoded(seed))?;
        }
        if let Some(ranges) = &self.select_only {
            f.write_str("&so=")?;
            for (place, range) in ranges.iter().enumerate() {
                let comma = if place == 0 { "" } else { "," };
                match (range.start(), range.end()) {
                    (start, end) if start == end => write!(f, "{comma}{start}")?,
                    (start, end) => write!(f, "{comma}{start}-{end}")?,
                }
            }
        }
        Ok(())
    }
}

/// What is known of a link while it is read.
#[derive(Default)]
struct Parts {
    name: Option<String>,
    trackers: Vec<String>,
    peers: Vec<(String, u16)>,
    web_seeds: Vec<String>,
    select_only: Option<Vec<RangeInclusive<u32>>>,
}

#[derive(Default)]
struct Topic {
    v1: Option<Sha1Hash>,
    v2: Option<Sha256Hash>,
}

impl Topic {
    /// Takes an exact topic. Those of other networks are skipped.
    fn add(&mut self, urn: &str) -> Result<(), MagnetError> {
        if let Some(text) = strip_prefix_ignoring_case(urn, "urn:btih:") {
            let hash = match text.len() {
                32 => Sha1Hash::from_base32(text),
                _ => text.parse(),
            };
            set_once(&mut self.v1, hash.map_err(|_| MagnetError::MalformedV1Hash)?)
        } else if let Some(text) = strip_prefix_ignoring_case(urn, "urn:btmh:") {
            // Multihash: 0x12 is SHA-256, 0x20 its length.
            let hash = text.strip_prefix("1220").ok_or(MagnetError::MalformedV2Hash)?;
            set_once(&mut self.v2, hash.parse().map_err(|_| MagnetError::MalformedV2Hash)?)
        } else {
            Ok(())
        }
    }
}

fn set_once<T: PartialEq>(slot: &mut Option<T>, hash: T) -> Result<(), MagnetError> {
    match slot {
        Some(known) if *known != hash => Err(MagnetError::ConflictingHashes),
        _ => {
            *slot = Some(hash);
            Ok(())
        }
    }
}

/// `tr.2` is `tr`.
fn unnumbered(key: &str) -> &str {
    match key.rsplit_once('.') {
        Some((stem, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            stem
        }
        _ => key,
    }
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn add_url(urls: &mut Vec<String>, value: &str) {
    let Ok(url) = percent_decode_str(value).decode_utf8() else { return };
    if !url.is_empty() && urls.len() < MAX_SOURCES {
        urls.push(url.into_owned());
    }
}

/// `host:port`, where an IPv6 address stands in brackets.
fn peer_address(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = decimal(port).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)?;
    if let Some(address) = host.strip_prefix('[') {
        return Some((address.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.to_string(), port));
    }
    let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    // 253 bytes are the longest name that DNS has (RFC 1035, 2.3.4).
    (is_name && (1..=253).contains(&host.len())).then(|| (host.to_owned(), port))
}

fn add_selection(selection: &mut Option<Vec<RangeInclusive<u32>>>, text: &str) -> Result<(), MagnetError> {
    let ranges = selection.get_or_insert_default();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range = decimal(first)
            .zip(decimal(last))
            .filter(|(first, last)| first <= last && (*last as usize) < MAX_FILES)
            .filter(|_| ranges.len() < MAX_RANGES);
        let (first, last) = range.ok_or(MagnetError::MalformedSelection)?;
        ranges.push(first..=last);
    }
    Ok(())
}

/// Digits only: `str::parse` would take a plus sign as well.
fn decimal(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Ascending, overlapping and adjacent ranges joined.
fn merged(mut ranges: Vec<RangeInclusive<u32>>) -> Vec<RangeInclusive<u32>> {
    ranges.sort_by_key(|range| *range.start());
    let mut merged: Vec<RangeInclusive<u32>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if *range.start() <= last.end().saturating_add(1) => {
                *last = *last.start()..=*last.end().max(range.end());
            }
            _ => merged.push(range),
        }
    }
    merged
}

fn decoded(value: &str) -> String {
    percent_decode_str(value).decode_utf8_lossy().into_owned()
}

fn encoded(text: &str) -> impl fmt::Display + '_ {
    /// All but what RFC 3986 calls unreserved.
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, ESCAPED)
}
