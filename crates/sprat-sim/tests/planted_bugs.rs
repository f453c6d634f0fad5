//! The checkers find what is wrong: each of these bugs, given to all sessions, is caught by one of the random swarms.
//!
//! `cargo nextest run -p sprat-sim --features planted-bugs --test planted_bugs`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a scenario fails loudly and says what it measured"
)]

use sprat_core::PlantedBug;
use sprat_sim::random::RandomSwarm;

/// Seeds that are tried.
const SEEDS: u64 = 300;

fn is_caught(bug: PlantedBug) {
    for seed in 0..SEEDS {
        let swarm = RandomSwarm::draw(seed).with_sessions(|session| session.planted_bug = Some(bug));
        if let Err(violation) = swarm.run() {
            println!("{bug:?} is caught by seed {seed}: {violation}");
            return;
        }
    }
    panic!("{bug:?} is caught by none of {SEEDS} seeds");
}

#[test]
fn a_lost_have() {
    is_caught(PlantedBug::LostHave);
}

#[test]
fn a_claim_before_the_hash() {
    is_caught(PlantedBug::EarlyClaim);
}

#[test]
fn a_choke_that_is_not_noticed() {
    is_caught(PlantedBug::ChokeIgnored);
}

#[test]
fn blocks_for_those_who_are_choked() {
    is_caught(PlantedBug::ChokedAreServed);
}

#[test]
fn blocks_from_the_wrong_place() {
    is_caught(PlantedBug::WrongOffset);
}

#[test]
fn a_request_one_byte_too_long() {
    is_caught(PlantedBug::RequestTooLong);
}

#[test]
fn requests_to_peers_that_are_gone() {
    is_caught(PlantedBug::RequestsOfTheGone);
}

#[test]
fn a_ban_for_everybody() {
    is_caught(PlantedBug::EverybodyBanned);
}

#[test]
fn a_refusal_that_is_forgotten() {
    is_caught(PlantedBug::RefusalForgotten);
}

#[test]
fn no_interest_in_news() {
    is_caught(PlantedBug::NeverInterested);
}

#[test]
fn a_piece_that_is_said_to_be_durable_too_early() {
    is_caught(PlantedBug::FinishedTooEarly);
}

#[test]
fn too_many_connections() {
    is_caught(PlantedBug::TooManyConnections);
}

#[test]
fn a_request_given_up_without_a_word() {
    is_caught(PlantedBug::SilentCancel);
}
