//! What is asked of, or told to, a running daemon, over its own API.
//!
//! ```text
//! place: where it is, and its token ─► caller: requests, events ─┬─► listing, naming: which torrents are meant
//!                                        wire, failure           └─► one module per command ─► table, output
//! ```
//!
//! Whatever comes from there may have been written by strangers: it passes [`text::safe`](crate::text::safe) before it is printed.

pub(crate) mod act;
pub(crate) mod add;
pub(crate) mod caller;
pub(crate) mod change;
pub(crate) mod columns;
pub(crate) mod details;
pub(crate) mod events;
mod failure;
pub(crate) mod files;
pub(crate) mod list;
pub(crate) mod listing;
pub(crate) mod log;
pub(crate) mod naming;
pub(crate) mod peers;
pub(crate) mod place;
pub(crate) mod relocate;
pub(crate) mod remove;
pub(crate) mod statistics;
pub(crate) mod table;
pub(crate) mod trackers;
pub(crate) mod watch;
mod wire;
pub(crate) mod words;
