//! Bytes to values and back, and nothing else: no state, no clock, no sockets.
//!
//! One module per protocol. Every decoder takes untrusted bytes, is iterative, has named limits and returns an
//! error that says which field was wrong; every encoder is the inverse of its decoder.
//!
//! | Module | Bytes | Source |
//! |---|---|---|
//! | [`bencode`] | the serialisation under almost everything else | BEP 3 |
//! | [`metainfo`] | `.torrent` files: read, checked, made | BEP 3, 5, 12, 19, 27, 38, 47, 52 |
//! | [`magnet`] | magnet links | BEP 9, 53 |
//! | [`peer`] | handshake and messages between peers | BEP 3, 6, 10, 52 |
//! | [`tracker`] | announce and scrape over HTTP and UDP, both sides | BEP 3, 7, 15, 23, 24, 41, 48 |
//! | [`krpc`] | messages between nodes of the DHT | BEP 5, 32, 33, 42, 43, 44, 51 |
//! | [`compact`] | address lists of 6 and 18 bytes an entry | BEP 5, 7, 23 |
//! | [`merkle`] | the hash trees of v2 torrents | BEP 52 |

// A stranger chose every number in here. Tests may index.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod bencode;
pub mod compact;
pub mod hash;
pub mod krpc;
pub mod lsd;
pub mod magnet;
pub mod merkle;
pub mod metainfo;
pub mod peer;
mod text;
pub mod tracker;

/// The unit in which piece data is requested and sent, in bytes (BEP 3: "All current implementations use 2^14").
/// It is also the leaf of a v2 hash tree (BEP 52).
pub const BLOCK_LENGTH: u32 = 16 * 1024;
