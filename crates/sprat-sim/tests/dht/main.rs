//! Whole networks of DHT nodes, each test a behaviour, from a seed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of this is a test that tells its figures, helper functions included"
)]

use sprat_dht::io::Operation;
use sprat_wire::hash::InfoHash;

mod attacks;
mod churn;
mod operations;
mod searches;

fn hash(number: u8) -> InfoHash {
    let mut hash = [number; 20];
    fastrand::Rng::with_seed(number.into()).fill(&mut hash);
    InfoHash(hash)
}

fn announce(info_hash: InfoHash) -> Operation {
    Operation::Announce { info_hash, port: 7000, implied_port: false, seed: false }
}

fn peers(info_hash: InfoHash) -> Operation {
    Operation::Peers { info_hash, no_seed: false }
}
