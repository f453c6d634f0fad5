//! Messages between nodes of the DHT (BEP 5 and its extensions): one bencoded dictionary in one datagram.
//!
//! [`Message::decode`] is as lenient as the network is: keys in any order, unknown keys, bytes after the dictionary,
//! fields of no use to us in any shape. What is kept is bounded before it is copied. A query that cannot be
//! understood but can be answered gives [`MessageError::Query`], from which an error reply can be made.
//!
//! A response does not say what it responds to, so [`Response`] has the fields of all of them; which ones must be
//! there is known to the one who asked.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use thiserror::Error;

use crate::bencode::{DecodeError, Limits};
use crate::hash::InfoHash;
pub use crate::hash::NodeId;

mod decode;
mod encode;
#[cfg(test)]
mod tests;

/// Bytes of the longest datagram that is read. Ours are at most [`MAX_SENT`]; some nodes send fragmented ones.
pub const MAX_DATAGRAM: usize = 4096;

/// Bytes of the longest datagram that a node should send: fits every path on which IPv6 works, with room for a tunnel.
///
/// BEP 32 says 1024, but an item of 1000 bytes with its signature and nodes (BEP 44) is longer.
pub const MAX_SENT: usize = 1232;

/// What the decoder accepts: one datagram, flat, with as many values as fit.
pub const LIMITS: Limits = Limits { length: MAX_DATAGRAM, ..Limits::DHT };

/// Bytes of a write token that is kept and sent back. Others make 4 to 20.
pub const MAX_TOKEN: usize = 64;

/// Contacts of one family that are taken from one response. BEP 5 has eight; some send 16 or 20.
pub const MAX_CONTACTS: usize = 32;

/// Peers that are taken from one response. More do not fit into an unfragmented datagram.
pub const MAX_VALUES: usize = 200;

/// Info-hashes that are taken from one response (BEP 51).
pub const MAX_SAMPLES: usize = 100;

/// Characters of an error's text that are kept.
pub const MAX_ERROR_TEXT: usize = 200;

/// Bytes of a Bloom filter (BEP 33).
pub const FILTER_LENGTH: usize = 256;

/// One datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `t`: chosen by the asker, echoed in the answer.
    pub transaction: TransactionId,
    /// `v`: client and version, when it has the usual four bytes (BEP 5).
    pub version: Option<[u8; 4]>,
    /// `ro`: who asks does not answer (BEP 43). Only in queries.
    pub read_only: bool,
    /// `ip`: the address from which the query came, as its receiver saw it (BEP 42). Not in queries.
    pub external: Option<SocketAddr>,
    /// The rest.
    pub body: Body,
}

/// `y`: what kind of message it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Somebody asks.
    Query(Query),
    /// The answer.
    Response(Box<Response>),
    /// No answer, and why.
    Error(ErrorReply),
}

/// A transaction id: at most [`TransactionId::MAX`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId {
    bytes: [u8; Self::MAX],
    length: u8,
}

impl TransactionId {
    /// Bytes of the longest id that is echoed. Most are two; a longer one is an attempt to make answers long.
    pub const MAX: usize = 16;

    /// `None` if it is too long.
    #[must_use]
    pub fn new(id: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::MAX];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        Some(Self { bytes, length: u8::try_from(id.len()).ok()? })
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

/// What somebody asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Who asks.
    pub id: NodeId,
    /// For what.
    pub request: Request,
}

/// `q` and `a`: the method with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Are you there? (BEP 5)
    Ping,
    /// Which nodes are closest to a point? (BEP 5)
    FindNode {
        /// The point.
        target: NodeId,
        /// Of which families.
        want: Want,
    },
    /// Who is in a swarm? (BEP 5)
    GetPeers {
        /// The swarm.
        info_hash: InfoHash,
        /// Of which families the nodes should be.
        want: Want,
        /// Rather no seeds (BEP 33).
        no_seed: bool,
        /// Bloom filters of seeds and peers are wanted (BEP 33).
        scrape: bool,
    },
    /// I am in a swarm. (BEP 5)
    AnnouncePeer {
        /// The swarm.
        info_hash: InfoHash,
        /// Where I accept connections; 0 only with `implied_port`.
        port: u16,
        /// The port is that from which this query comes.
        implied_port: bool,
        /// I have everything (BEP 33).
        seed: bool,
        /// From a response to `get_peers`.
        token: Bytes,
    },
    /// What is stored at a point? (BEP 44)
    Get {
        /// The point.
        target: NodeId,
        /// Only a value newer than this.
        seq: Option<i64>,
        /// Of which families the nodes should be.
        want: Want,
    },
    /// Store this. (BEP 44)
    Put {
        /// From a response to `get`.
        token: Bytes,
        /// The value, bencoded. As long as the datagram allows: whoever stores it checks that.
        value: Bytes,
        /// There for a mutable item.
        mutable: Option<Box<MutablePut>>,
    },
    /// Which info-hashes do you hold? (BEP 51)
    SampleInfohashes {
        /// Nodes close to this are wanted as well.
        target: NodeId,
        /// Of which families the nodes should be.
        want: Want,
    },
    /// A method from the future. Where there is a target, nodes close to it are a useful answer.
    Unknown {
        /// `target` or `info_hash`.
        target: Option<NodeId>,
        /// Of which families the nodes should be.
        want: Want,
    },
}

/// `want`: the families of which nodes are asked for; none means that of the datagram (BEP 32).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Want {
    /// `n4`.
    pub v4: bool,
    /// `n6`.
    pub v6: bool,
}

/// What `put` has besides the value when the item is mutable (BEP 44).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MutablePut {
    /// The ed25519 public key.
    pub key: [u8; 32],
    /// The number of this version.
    pub seq: i64,
    /// Over salt, number and value.
    pub signature: [u8; 64],
    /// Tells items with one key apart; mostly empty. As long as the datagram allows: whoever stores it checks that.
    pub salt: Bytes,
    /// Store only if the stored version has this number.
    pub cas: Option<i64>,
}

/// `r`: the fields of all responses. An empty list is not written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// Who responds.
    pub id: NodeId,
    /// `nodes`: nodes of IPv4 close to the target.
    pub nodes: Vec<Contact>,
    /// `nodes6`: nodes of IPv6 close to the target (BEP 32).
    pub nodes6: Vec<Contact>,
    /// `token`: needed to store something; at most [`MAX_TOKEN`] bytes.
    pub token: Option<Bytes>,
    /// `values`: peers of the swarm.
    pub values: Vec<SocketAddr>,
    /// `BFsd` and `BFpe` (BEP 33).
    pub filters: Option<Box<ScrapeFilters>>,
    /// `v`: a stored value, bencoded (BEP 44).
    pub value: Option<Bytes>,
    /// `k`: the public key of a mutable item.
    pub key: Option<[u8; 32]>,
    /// `sig`: the signature of a mutable item.
    pub signature: Option<[u8; 64]>,
    /// `seq`: the version of a mutable item; alone, when it is not newer than what was asked for.
    pub seq: Option<i64>,
    /// What is in store (BEP 51).
    pub samples: Option<Samples>,
}

/// Bloom filters over the addresses of one swarm (BEP 33).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrapeFilters {
    /// `BFsd`: those who have everything.
    pub seeds: [u8; FILTER_LENGTH],
    /// `BFpe`: those who have not.
    pub peers: [u8; FILTER_LENGTH],
}

/// A part of the info-hashes for which a node has peers (BEP 51).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Samples {
    /// Some of them.
    pub hashes: Vec<InfoHash>,
    /// How many there are.
    pub total: u64,
    /// Seconds until the node has other ones to offer; at most [`Samples::MAX_INTERVAL`].
    pub interval: u32,
}

impl Samples {
    /// Six hours (BEP 51).
    pub const MAX_INTERVAL: u32 = 21_600;
}

/// Where a node is, and what it calls itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contact {
    /// Its id.
    pub id: NodeId,
    /// Its address.
    pub address: SocketAddr,
}

/// `e`: why a query was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorReply {
    /// One of [`error_code`], or anything.
    pub code: i64,
    /// For people; nothing in it but what can be printed.
    pub text: String,
}

/// The codes of errors.
pub mod error_code {
    /// Anything (BEP 5).
    pub const GENERIC: i64 = 201;
    /// Not the asker's fault (BEP 5).
    pub const SERVER: i64 = 202;
    /// A malformed packet, an invalid argument or a bad token (BEP 5).
    pub const PROTOCOL: i64 = 203;
    /// No such method (BEP 5).
    pub const METHOD_UNKNOWN: i64 = 204;
    /// The value is longer than 1000 bytes (BEP 44).
    pub const VALUE_TOO_BIG: i64 = 205;
    /// The signature does not fit (BEP 44).
    pub const INVALID_SIGNATURE: i64 = 206;
    /// The salt is longer than 64 bytes (BEP 44).
    pub const SALT_TOO_BIG: i64 = 207;
    /// The stored version is not the one expected (BEP 44).
    pub const CAS_MISMATCH: i64 = 301;
    /// The stored version is newer (BEP 44).
    pub const SEQ_TOO_LOW: i64 = 302;
}

/// Why a datagram is no message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MessageError {
    /// No bencoded value.
    #[error(transparent)]
    Bencode(#[from] DecodeError),
    /// Something that every message of its kind has is missing or wrong.
    #[error("no message of the DHT: `{0}` is missing or wrong")]
    Field(&'static str),
    /// A query, but not one that can be understood.
    #[error("a query in which `{field}` is missing or wrong")]
    Query {
        /// With which an error reply would be sent.
        transaction: TransactionId,
        /// What is wrong.
        field: &'static str,
    },
}
