//! SHA-1 and SHA-256 (FIPS 180-4) of many messages at once.
//!
//! A hash function is a chain: each step needs the one before it, and most of a processor waits. But a torrent is many
//! messages, its pieces (SHA-1, v1) or its blocks of 16 KiB (SHA-256, v2), and they do not depend on one another. A
//! vector register holds one word of sixteen of them, so sixteen chains advance at once.
//!
//! ```
//! let pieces: [&[u8]; 3] = [b"abc", b"", b"a longer one"];
//! let mut digests = Vec::new();
//! sprat_hash::sha1_many(&pieces, &mut digests);
//! assert_eq!(digests.len(), 3);
//! assert_eq!(digests[0][..4], [0xa9, 0x99, 0x3e, 0x36]);
//! ```
//!
//! A message may lie in several places, as a piece does that has arrived block by block: see [`Batch`]. Lengths may differ:
//! when a message ends, the next one takes its lane. [`lanes`] says how many messages are a full house; a lone message
//! takes the way that is fastest for one, the processor's own instructions if it has them.
//!
//! Which implementation runs is chosen once, by what the processor can do. All give the same digests; nothing here can
//! fail, allocates more than a few words per message, or depends on anything but its arguments. The time taken depends on
//! the lengths alone, not on the bytes.

mod batch;
mod cursor;
mod implementation;
mod schedule;
#[cfg_attr(not(target_arch = "x86_64"), path = "not_x86.rs")]
mod x86;

pub use batch::{Batch, Sha1Digest, Sha256Digest};
pub use implementation::Implementation;

/// Hashes each message with SHA-1 and appends the digests in the order of the messages.
pub fn sha1_many(messages: &[&[u8]], digests: &mut Vec<Sha1Digest>) {
    Batch::from_iter(messages.iter().copied()).sha1(digests);
}

/// Hashes each message with SHA-256 and appends the digests in the order of the messages.
pub fn sha256_many(messages: &[&[u8]], digests: &mut Vec<Sha256Digest>) {
    Batch::from_iter(messages.iter().copied()).sha256(digests);
}

/// How many messages this machine hashes at once: 16, 8, 2 or 1. Who gathers messages before hashing them gains by gathering
/// up to this many (of about the same length), and nothing by gathering more.
pub fn lanes() -> usize {
    Implementation::chosen().lanes()
}
