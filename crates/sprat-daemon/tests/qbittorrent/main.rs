//! Programs for qBittorrent use a service: what they are told, and what becomes of what they say.
//!
//! What needs the Python module qbittorrent-api says so and passes where that is missing, unless `SPRAT_INTEROP=require` is set;
//! `cargo xtask install-clients` gets it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of this is a test"
)]

mod access;
mod content_layout;
mod daemon;
mod house;
mod python;
mod requests;
#[path = "../service_under_test/mod.rs"]
mod service_under_test;
#[path = "../wire/mod.rs"]
mod wire;
