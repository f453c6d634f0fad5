//! Programs for Transmission use a service: what they are told, and what becomes of what they say.
//!
//! Those that need programs of others (`transmission-remote` of Debian, the Python module transmission-rpc) say so and pass where these are
//! missing, unless `SPRAT_INTEROP=require` is set; `cargo xtask install-clients` gets them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of this is a test"
)]

mod dialects;
mod house;
mod python;
mod remote;
#[path = "../service_under_test/mod.rs"]
mod service_under_test;
#[path = "../wire/mod.rs"]
mod wire;
