//! Files are watched while they are downloaded: a daemon, a seeder that is slow enough for it to be seen, and a player's way to ask.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of this is a test"
)]

#[path = "../daemon_under_test/mod.rs"]
mod daemon_under_test;
mod film;
mod limits;
mod links;
mod player;
mod ranges;
#[path = "../service_under_test/mod.rs"]
mod service_under_test;
mod theatre;
#[path = "../wire/mod.rs"]
mod wire;
