//! What the storage claims is on the disk: whatever call fails, and whenever power is cut.
//!
//! ```text
//! cargo test -p sprat-engine --features disk-faults --test durability
//! ```
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
mod deleting;
mod driver;
mod moving;
mod oracle;
mod others;
mod planted;
mod runs;
mod sample;
mod sweep;
