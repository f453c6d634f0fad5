//! Trackers over UDP (BEP 15), with the options of BEP 41; both sides.
//!
//! As BEP 15 asks, a packet may be longer than the fields that it must have; lists in it must be whole.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::{Buf as _, BufMut as _};
use thiserror::Error;

use super::{
    AnnounceEvent, AnnounceRequest, AnnounceResponse, MAX_INTERVAL, MAX_MESSAGE, MAX_PEERS, MAX_SCRAPE,
    ScrapeEntry,
};
use crate::compact::{self, Family};
use crate::hash::{InfoHash, PeerId};
use crate::text::printable;

/// What a connect request starts with instead of a connection id (BEP 15).
pub const PROTOCOL_ID: u64 = 0x0417_2710_1980;

/// Bytes of path and query that a tracker reads (BEP 41); browsers and servers hold URLs to about as many.
pub const MAX_URL_DATA: usize = 2048;

const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;
const ERROR: u32 = 3;

const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
const OPTION_URL_DATA: u8 = 2;

/// A packet from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Asks for a connection id.
    Connect {
        /// Chosen by the client, repeated in the answer.
        transaction: u32,
    },
    /// Announces to one swarm.
    Announce {
        /// From the answer to a connect request.
        connection: u64,
        /// Chosen by the client, repeated in the answer.
        transaction: u32,
        /// The announce. Its `ip` travels only when it is IPv4, its `tracker_id` never.
        announce: AnnounceRequest,
        /// Path and query of the tracker's URL (BEP 41), as in `/announce?passkey=1`; may be empty.
        url_data: Vec<u8>,
    },
    /// Asks for the numbers of swarms.
    Scrape {
        /// From the answer to a connect request.
        connection: u64,
        /// Chosen by the client, repeated in the answer.
        transaction: u32,
        /// 1 to [`MAX_SCRAPE`].
        info_hashes: Vec<InfoHash>,
    },
}

/// A packet from a tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// Grants a connection id.
    Connect {
        /// The request's.
        transaction: u32,
        /// To be sent in announces and scrapes; valid for two minutes.
        connection: u64,
    },
    /// Answers an announce.
    Announce {
        /// The request's.
        transaction: u32,
        /// Interval, seeders, leechers and peers; the other fields do not travel.
        announce: AnnounceResponse,
    },
    /// Answers a scrape.
    Scrape {
        /// The request's.
        transaction: u32,
        /// In the order of the request.
        entries: Vec<ScrapeEntry>,
    },
    /// Refuses any request.
    Error {
        /// The request's.
        transaction: u32,
        /// For people.
        message: String,
    },
}

/// Why a packet was not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UdpTrackerError {
    /// Shorter than its kind must be, or with a list that is cut off.
    #[error("a tracker packet with action {action:?} cannot have {length} bytes")]
    Length {
        /// The action, when there was one.
        action: Option<u32>,
        /// Bytes of the packet.
        length: usize,
    },
    /// A connect request without [`PROTOCOL_ID`].
    #[error("not a request of the tracker protocol")]
    Protocol,
    /// No such action.
    #[error("unknown action {0}")]
    Action(u32),
    /// No such event.
    #[error("unknown announce event {0}")]
    Event(u32),
    /// The options of BEP 41 are cut off or too long.
    #[error("malformed announce options")]
    Options,
    /// None, or more than [`MAX_SCRAPE`].
    #[error("a scrape cannot be about {0} swarms")]
    ScrapeCount(usize),
}

impl Request {
    /// The transaction id.
    #[must_use]
    pub const fn transaction(&self) -> u32 {
        match self {
            Self::Connect { transaction }
            | Self::Announce { transaction, .. }
            | Self::Scrape { transaction, .. } => *transaction,
        }
    }

    /// Appends the packet.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Connect { transaction } => {
                out.put_u64(PROTOCOL_ID);
                out.put_u32(CONNECT);
                out.put_u32(*transaction);
            }
            Self::Announce { connection, transaction, announce, url_data } => {
                out.put_u64(*connection);
                out.put_u32(ANNOUNCE);
                out.put_u32(*transaction);
                encode_announce(announce, out);
                for part in url_data.chunks(usize::from(u8::MAX)) {
                    out.put_u8(OPTION_URL_DATA);
                    out.put_u8(u8::try_from(part.len()).unwrap_or(u8::MAX));
                    out.put_slice(part);
                }
            }
            Self::Scrape { connection, transaction, info_hashes } => {
                out.put_u64(*connection);
                out.put_u32(SCRAPE);
                out.put_u32(*transaction);
                for info_hash in info_hashes {
                    out.put_slice(&info_hash.0);
                }
            }
        }
    }

    /// The request in this packet.
    pub fn decode(packet: &[u8]) -> Result<Self, UdpTrackerError> {
        let length = packet.len();
        let mut rest = packet;
        let Some((connection, action, transaction)) = request_head(&mut rest) else {
            return Err(UdpTrackerError::Length { action: None, length });
        };
        match action {
            CONNECT if connection == PROTOCOL_ID => Ok(Self::Connect { transaction }),
            CONNECT => Err(UdpTrackerError::Protocol),
            ANNOUNCE => {
                let (announce, event) = decode_announce(&mut rest)
                    .ok_or(UdpTrackerError::Length { action: Some(action), length })?;
                let event = decode_event(event)?;
                let announce = AnnounceRequest { event, ..announce };
                let url_data = decode_options(rest).ok_or(UdpTrackerError::Options)?;
                Ok(Self::Announce { connection, transaction, announce, url_data })
            }
            SCRAPE => {
                let (hashes, cut_off) = rest.as_chunks::<{ InfoHash::LENGTH }>();
                if !cut_off.is_empty() {
                    return Err(UdpTrackerError::Length { action: Some(action), length });
                }
                if !(1..=MAX_SCRAPE).contains(&hashes.len()) {
                    return Err(UdpTrackerError::ScrapeCount(hashes.len()));
                }
                let info_hashes = hashes.iter().copied().map(InfoHash).collect();
                Ok(Self::Scrape { connection, transaction, info_hashes })
            }
            _ => Err(UdpTrackerError::Action(action)),
        }
    }
}

impl Response {
    /// The transaction id. Whoever receives a response must compare it: it is what makes forging hard.
    #[must_use]
    pub const fn transaction(&self) -> u32 {
        match self {
            Self::Connect { transaction, .. }
            | Self::Announce { transaction, .. }
            | Self::Scrape { transaction, .. }
            | Self::Error { transaction, .. } => *transaction,
        }
    }

    /// Appends the packet. Peers go in the family in which the request came; those of the other are left out.
    pub fn encode(&self, family: Family, out: &mut Vec<u8>) {
        match self {
            Self::Connect { transaction, connection } => {
                out.put_u32(CONNECT);
                out.put_u32(*transaction);
                out.put_u64(*connection);
            }
            Self::Announce { transaction, announce } => {
                let numbers = ScrapeEntry {
                    complete: announce.complete.unwrap_or(0),
                    incomplete: announce.incomplete.unwrap_or(0),
                    downloaded: 0,
                };
                let peers = announce.peers.iter().copied();
                encode_announce_response(*transaction, announce.interval, numbers, peers, family, out);
            }
            Self::Scrape { transaction, entries } => {
                out.put_u32(SCRAPE);
                out.put_u32(*transaction);
                for entry in entries {
                    out.put_u32(entry.complete);
                    out.put_u32(entry.downloaded);
                    out.put_u32(entry.incomplete);
                }
            }
            Self::Error { transaction, message } => {
                out.put_u32(ERROR);
                out.put_u32(*transaction);
                out.put_slice(message.as_bytes());
            }
        }
    }

    /// The response in this packet, which came over a socket of `family`.
    pub fn decode(packet: &[u8], family: Family) -> Result<Self, UdpTrackerError> {
        let length = packet.len();
        let mut rest = packet;
        let head = rest.try_get_u32().ok().zip(rest.try_get_u32().ok());
        let Some((action, transaction)) = head else {
            return Err(UdpTrackerError::Length { action: None, length });
        };
        let wrong_length = UdpTrackerError::Length { action: Some(action), length };
        match action {
            CONNECT => {
                let connection = rest.try_get_u64().map_err(|_| wrong_length)?;
                Ok(Self::Connect { transaction, connection })
            }
            ANNOUNCE => {
                let announce = decode_announce_response(rest, family).ok_or(wrong_length)?;
                Ok(Self::Announce { transaction, announce })
            }
            SCRAPE => {
                let entries = decode_scrape_entries(rest).ok_or(wrong_length)?;
                if entries.len() > MAX_SCRAPE {
                    return Err(UdpTrackerError::ScrapeCount(entries.len()));
                }
                Ok(Self::Scrape { transaction, entries })
            }
            ERROR => Ok(Self::Error { transaction, message: printable(rest, MAX_MESSAGE) }),
            _ => Err(UdpTrackerError::Action(action)),
        }
    }
}

/// Appends the answer to an announce without a list of peers being made first. Of `numbers`, seeders and leechers
/// travel.
pub fn encode_announce_response(
    transaction: u32,
    interval: u32,
    numbers: ScrapeEntry,
    peers: impl IntoIterator<Item = SocketAddr>,
    family: Family,
    out: &mut Vec<u8>,
) {
    out.put_u32(ANNOUNCE);
    out.put_u32(transaction);
    out.put_u32(interval);
    out.put_u32(numbers.incomplete);
    out.put_u32(numbers.complete);
    compact::encode(family, peers, out);
}

fn request_head(rest: &mut &[u8]) -> Option<(u64, u32, u32)> {
    Some((rest.try_get_u64().ok()?, rest.try_get_u32().ok()?, rest.try_get_u32().ok()?))
}

fn encode_announce(announce: &AnnounceRequest, out: &mut Vec<u8>) {
    out.put_slice(&announce.info_hash.0);
    out.put_slice(&announce.peer_id.0);
    out.put_u64(announce.downloaded);
    out.put_u64(announce.left);
    out.put_u64(announce.uploaded);
    out.put_u32(match announce.event {
        AnnounceEvent::Interval => 0,
        AnnounceEvent::Completed => 1,
        AnnounceEvent::Started => 2,
        AnnounceEvent::Stopped => 3,
    });
    out.put_u32(match announce.ip {
        Some(IpAddr::V4(ip)) => ip.to_bits(),
        _ => 0,
    });
    out.put_u32(announce.key);
    out.put_i32(announce.num_want.map_or(-1, |wanted| i32::try_from(wanted).unwrap_or(i32::MAX)));
    out.put_u16(announce.port);
}

/// The announce without its event, and the event's number.
fn decode_announce(rest: &mut &[u8]) -> Option<(AnnounceRequest, u32)> {
    let mut info_hash = InfoHash([0; 20]);
    let mut peer_id = PeerId([0; 20]);
    rest.try_copy_to_slice(&mut info_hash.0).ok()?;
    rest.try_copy_to_slice(&mut peer_id.0).ok()?;
    let downloaded = rest.try_get_u64().ok()?;
    let left = rest.try_get_u64().ok()?;
    let uploaded = rest.try_get_u64().ok()?;
    let event = rest.try_get_u32().ok()?;
    let ip = Ipv4Addr::from_bits(rest.try_get_u32().ok()?);
    let key = rest.try_get_u32().ok()?;
    let num_want = rest.try_get_i32().ok()?;
    let port = rest.try_get_u16().ok()?;
    let announce = AnnounceRequest {
        info_hash,
        peer_id,
        port,
        uploaded,
        downloaded,
        left,
        event: AnnounceEvent::Interval,
        num_want: u32::try_from(num_want).ok(),
        key,
        ip: (!ip.is_unspecified()).then_some(ip.into()),
        tracker_id: None,
    };
    Some((announce, event))
}

const fn decode_event(event: u32) -> Result<AnnounceEvent, UdpTrackerError> {
    Ok(match event {
        0 => AnnounceEvent::Interval,
        1 => AnnounceEvent::Completed,
        2 => AnnounceEvent::Started,
        3 => AnnounceEvent::Stopped,
        _ => return Err(UdpTrackerError::Event(event)),
    })
}

/// The URL data in the options after an announce; several are joined. Unknown options are skipped.
fn decode_options(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut url_data = Vec::new();
    while let Some((&option, after)) = rest.split_first() {
        rest = after;
        if option == OPTION_END {
            break;
        }
        if option == OPTION_NOP {
            continue;
        }
        let (&length, after) = rest.split_first()?;
        let (data, after) = after.split_at_checked(usize::from(length))?;
        rest = after;
        if option == OPTION_URL_DATA {
            url_data.extend_from_slice(data);
        }
        if url_data.len() > MAX_URL_DATA {
            return None;
        }
    }
    Some(url_data)
}

fn decode_announce_response(mut rest: &[u8], family: Family) -> Option<AnnounceResponse> {
    let interval = rest.try_get_u32().ok()?.min(MAX_INTERVAL);
    let incomplete = rest.try_get_u32().ok()?;
    let complete = rest.try_get_u32().ok()?;
    if !rest.len().is_multiple_of(family.entry_length()) {
        return None;
    }
    Some(AnnounceResponse {
        interval,
        complete: Some(complete),
        incomplete: Some(incomplete),
        peers: compact::decode(family, rest).take(MAX_PEERS).collect(),
        ..AnnounceResponse::default()
    })
}

fn decode_scrape_entries(mut rest: &[u8]) -> Option<Vec<ScrapeEntry>> {
    let mut entries = Vec::new();
    while !rest.is_empty() {
        entries.push(ScrapeEntry {
            complete: rest.try_get_u32().ok()?,
            downloaded: rest.try_get_u32().ok()?,
            incomplete: rest.try_get_u32().ok()?,
        });
    }
    Some(entries)
}

#[cfg(test)]
mod tests;
