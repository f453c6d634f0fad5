//! What may go wrong between the files of a client and a peer on real sockets: short sends, files that change, cut
//! connections, peers that do not read. Every block arrives as it should be or not at all.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where its set-up does"
)]

mod changed_files;
#[path = "../client_under_test/mod.rs"]
mod client_under_test;
mod cuts;
mod deaf;
mod node;
mod peer;
mod requests;
mod sample;
mod short_sends;
