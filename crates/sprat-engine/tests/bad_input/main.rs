//! Hostile peers and trackers against running clients: each gets a clear end, and the honest transfer goes on.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where its set-up does"
)]
#![allow(clippy::print_stderr, reason = "a test says what it skipped")]

mod attacker;
#[path = "../client_under_test/mod.rs"]
mod client_under_test;
mod honest;
#[path = "../loopback/mod.rs"]
mod loopback;
mod metadata;
mod peers;
mod trackers;
