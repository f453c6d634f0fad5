//! Torrents are added, moved, renamed, found elsewhere and deleted in directories in which somebody else's files lie: whatever
//! happens, those are as they were, and nothing of ours is left where it should not be.
//!
//! `SPRAT_RUNS` says how many of the runs are made, percent (15 if it says nothing); `SPRAT_SEED` repeats one run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails loudly and says what it found"
)]

#[allow(dead_code, reason = "what it shares with others is more than it needs")]
#[path = "../client_under_test/mod.rs"]
mod client_under_test;
mod journey;
mod look;
mod planting;
#[allow(dead_code, reason = "what it shares with others is more than it needs")]
#[path = "../list/run.rs"]
mod run;
mod runs;
mod sample;
mod world;
