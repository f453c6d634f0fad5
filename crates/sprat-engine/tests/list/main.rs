//! The list of torrents outlives the client, however that ends.

#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]

mod absurd;
mod adding;
mod cancelling;
#[allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    reason = "what it shares with others is more than it needs"
)]
#[path = "../client_under_test/mod.rs"]
mod client_under_test;
mod reading;
mod relocating;
mod removing;
mod run;
mod torrents;
mod wishes;
