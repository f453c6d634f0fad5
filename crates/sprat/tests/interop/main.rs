//! Transfers between sprat and the clients that people use, byte for byte.
//!
//! The tests are `#[ignore]`d, since they need other programs and take minutes; `cargo xtask test` installs the
//! programs where it can and runs them. A test whose program is missing says so and passes, unless
//! `SPRAT_INTEROP=require` is set.

#![allow(clippy::print_stdout, reason = "tests say what they waited for and what they skipped")]

mod clients;
mod content;
mod http;
mod introduction;
#[path = "../network/mod.rs"]
mod network;
mod process;
mod torrent;
mod transfer;

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::clients::Client;
use crate::clients::aria2::Aria2;
use crate::clients::libtorrent::Libtorrent;
use crate::clients::opentracker::Opentracker;
use crate::clients::rtorrent::Rtorrent;
use crate::clients::sprat::{Sprat, SpratTracker, ask_dht, start_dht};
use crate::clients::transmission::Transmission;
use crate::content::Content;
use crate::introduction::{Caller, introduction};
use crate::network::Network;
use crate::torrent::Torrent;
use crate::torrent::Version::{self, Hybrid, V1, V2};
use crate::transfer::Known::{self, File, Magnet};
use crate::transfer::Meeting::{self, Dht, Direct, Http, LocalNetwork, Nodes, Udp};
use crate::transfer::{remove_leftovers, transfer};

/// Runs one transfer, or says in one line why it cannot be run here.
fn check(
    seeder: &dyn Client,
    leecher: &dyn Client,
    torrent: impl FnOnce() -> Result<Torrent>,
    meeting: Meeting<'_>,
    known: Known,
) -> Result<()> {
    let tracker = match meeting {
        Http(tracker) | Udp(tracker) => tracker.absence(),
        Direct | Dht | Nodes | LocalNetwork => None,
    };
    if let Some(absence) = [seeder.absence(), leecher.absence(), tracker].into_iter().flatten().next() {
        return skip(&absence);
    }
    if let (LocalNetwork, Err(reason)) = (meeting, Network::new()) {
        // No installation of a program helps.
        println!("skipped: {reason}");
        return Ok(());
    }
    remove_leftovers()?;
    transfer(seeder, leecher, &torrent()?, meeting, known)
}

fn skip(absence: &str) -> Result<()> {
    if std::env::var_os("SPRAT_INTEROP").is_some_and(|value| value == "require") {
        bail!("{absence}, but SPRAT_INTEROP=require");
    }
    println!("skipped: {absence}");
    Ok(())
}

fn tree(version: Version) -> Result<Torrent> {
    Torrent::of(Content::Tree, version)
}

fn big_file(version: Version) -> Result<Torrent> {
    Torrent::of(Content::BigFile, version)
}

fn tree_made_by_sprat(version: Version) -> Result<Torrent> {
    Torrent::made_by_sprat(Content::Tree, version)
}

fn big_file_made_by_sprat(version: Version) -> Result<Torrent> {
    Torrent::made_by_sprat(Content::BigFile, version)
}

/// Declares tests: who seeds, who leeches, which torrent, how they meet, and what the leecher knows, if that is not the
/// `.torrent` file.
macro_rules! transfers {
    ($($name:ident: $seeder:expr => $leecher:expr, $torrent:expr, $meeting:expr;)*) => {
        transfers! { known File; $($name: $seeder => $leecher, $torrent, $meeting;)* }
    };
    (known $known:expr; $($name:ident: $seeder:expr => $leecher:expr, $torrent:expr, $meeting:expr;)*) => {
        $(
            #[test]
            #[ignore = "needs other clients: cargo xtask test"]
            fn $name() -> Result<()> {
                check(&$seeder, &$leecher, || $torrent, $meeting, $known)
            }
        )*
    };
}

// The other clients among themselves: if one of these fails, the fault is not sprat's.
transfers! {
    harness_aria2_to_rtorrent: Aria2 => Rtorrent, tree(V1), Http(&Opentracker);
    harness_libtorrent_to_aria2: Libtorrent => Aria2, big_file(V1), Http(&Opentracker);
    harness_libtorrent_to_itself_hybrid: Libtorrent => Libtorrent, tree(Hybrid), Direct;
    harness_libtorrent_to_itself_v2: Libtorrent => Libtorrent, big_file(V2), Direct;
    harness_libtorrent_to_transmission: Libtorrent => Transmission, tree(V1), Http(&Opentracker);
    harness_rtorrent_to_libtorrent: Rtorrent => Libtorrent, tree(V1), Udp(&Opentracker);
    harness_transmission_to_libtorrent: Transmission => Libtorrent, big_file(V1), Http(&Opentracker);
}

// Our tracker, in swarms in which sprat does not take part.
transfers! {
    our_tracker_serves_aria2_and_libtorrent: Aria2 => Libtorrent, tree(V1), Http(&SpratTracker);
    our_tracker_serves_libtorrent_and_transmission: Libtorrent => Transmission, tree(V1), Http(&SpratTracker);
    our_tracker_serves_libtorrent_hybrid: Libtorrent => Libtorrent, tree(Hybrid), Udp(&SpratTracker);
    our_tracker_serves_libtorrent_and_aria2: Libtorrent => Aria2, tree(V1), Http(&SpratTracker);
    our_tracker_serves_rtorrent_and_libtorrent_over_udp: Rtorrent => Libtorrent, tree(V1), Udp(&SpratTracker);
}

// From sprat to the others.
transfers! {
    sprat_to_aria2_big_file: Sprat => Aria2, big_file(V1), Http(&SpratTracker);
    sprat_to_aria2_tree: Sprat => Aria2, tree(V1), Http(&Opentracker);
    sprat_to_libtorrent_big_file: Sprat => Libtorrent, big_file(V1), Udp(&SpratTracker);
    sprat_to_libtorrent_big_file_hybrid: Sprat => Libtorrent, big_file(Hybrid), Http(&SpratTracker);
    sprat_to_libtorrent_big_file_v2: Sprat => Libtorrent, big_file(V2), Http(&Opentracker);
    sprat_to_libtorrent_tree: Sprat => Libtorrent, tree(V1), Http(&Opentracker);
    sprat_to_libtorrent_tree_hybrid: Sprat => Libtorrent, tree(Hybrid), Direct;
    sprat_to_libtorrent_tree_v2: Sprat => Libtorrent, tree(V2), Udp(&Opentracker);
    sprat_to_rtorrent_big_file: Sprat => Rtorrent, big_file(V1), Http(&SpratTracker);
    sprat_to_rtorrent_tree: Sprat => Rtorrent, tree(V1), Udp(&Opentracker);
    sprat_to_transmission_big_file: Sprat => Transmission, big_file(V1), Http(&SpratTracker);
    sprat_to_transmission_tree: Sprat => Transmission, tree(V1), Http(&Opentracker);
}

// From the others to sprat.
transfers! {
    aria2_to_sprat_big_file: Aria2 => Sprat, big_file(V1), Http(&SpratTracker);
    aria2_to_sprat_tree: Aria2 => Sprat, tree(V1), Http(&Opentracker);
    libtorrent_to_sprat_big_file: Libtorrent => Sprat, big_file(V1), Direct;
    libtorrent_to_sprat_big_file_hybrid: Libtorrent => Sprat, big_file(Hybrid), Http(&Opentracker);
    libtorrent_to_sprat_big_file_v2: Libtorrent => Sprat, big_file(V2), Udp(&SpratTracker);
    libtorrent_to_sprat_tree: Libtorrent => Sprat, tree(V1), Udp(&Opentracker);
    libtorrent_to_sprat_tree_hybrid: Libtorrent => Sprat, tree(Hybrid), Http(&SpratTracker);
    libtorrent_to_sprat_tree_v2: Libtorrent => Sprat, tree(V2), Http(&Opentracker);
    rtorrent_to_sprat_big_file: Rtorrent => Sprat, big_file(V1), Http(&SpratTracker);
    rtorrent_to_sprat_tree: Rtorrent => Sprat, tree(V1), Udp(&Opentracker);
    transmission_to_sprat_big_file: Transmission => Sprat, big_file(V1), Http(&SpratTracker);
    transmission_to_sprat_tree: Transmission => Sprat, tree(V1), Http(&Opentracker);
}

// The torrents that sprat makes, judged by others. (A hybrid with many files has pad files, which only libtorrent
// leaves out of the directory.)
transfers! {
    made_by_sprat_hybrid: Libtorrent => Libtorrent, tree_made_by_sprat(Hybrid), Direct;
    made_by_sprat_hybrid_read_as_v1: Libtorrent => Rtorrent, big_file_made_by_sprat(Hybrid), Http(&Opentracker);
    made_by_sprat_v1: Libtorrent => Aria2, tree_made_by_sprat(V1), Http(&Opentracker);
    made_by_sprat_v2: Libtorrent => Libtorrent, tree_made_by_sprat(V2), Direct;
}

// The leecher has nothing but a magnet link, and gets the metadata from the seeder.
transfers! {
    known Magnet;
    magnet_harness_libtorrent_to_itself: Libtorrent => Libtorrent, tree(V2), Http(&SpratTracker);
    magnet_aria2_to_sprat: Aria2 => Sprat, tree(V1), Http(&Opentracker);
    magnet_libtorrent_to_sprat_v1: Libtorrent => Sprat, tree(V1), Udp(&Opentracker);
    magnet_libtorrent_to_sprat_v2: Libtorrent => Sprat, tree(V2), Http(&SpratTracker);
    magnet_libtorrent_to_sprat_v2_layers: Libtorrent => Sprat, big_file(V2), Http(&SpratTracker);
    magnet_libtorrent_to_sprat_hybrid: Libtorrent => Sprat, big_file(Hybrid), Http(&SpratTracker);
    magnet_rtorrent_to_sprat: Rtorrent => Sprat, big_file(V1), Http(&SpratTracker);
    magnet_sprat_to_aria2: Sprat => Aria2, tree(V1), Http(&Opentracker);
    magnet_sprat_to_libtorrent_v1: Sprat => Libtorrent, tree(V1), Http(&SpratTracker);
    magnet_sprat_to_libtorrent_v2: Sprat => Libtorrent, big_file(V2), Http(&SpratTracker);
    magnet_sprat_to_libtorrent_hybrid: Sprat => Libtorrent, tree(Hybrid), Http(&SpratTracker);
    magnet_sprat_to_itself_v2: Sprat => Sprat, tree(V2), Udp(&SpratTracker);
    magnet_sprat_to_transmission: Sprat => Transmission, tree(V1), Http(&SpratTracker);
    magnet_transmission_to_sprat: Transmission => Sprat, tree(V1), Http(&Opentracker);
}

// Neither tracker nor address: a name, and one node of a DHT.
transfers! {
    known Magnet;
    dht_aria2_to_sprat: Aria2 => Sprat, tree(V1), Dht;
    dht_libtorrent_to_sprat: Libtorrent => Sprat, tree(V1), Dht;
    dht_libtorrent_to_sprat_v2: Libtorrent => Sprat, tree(V2), Dht;
    dht_sprat_to_aria2: Sprat => Aria2, tree(V1), Dht;
    dht_sprat_to_libtorrent: Sprat => Libtorrent, tree(V1), Dht;
    dht_sprat_to_libtorrent_v2: Sprat => Libtorrent, tree(V2), Dht;
}

// The same, but the leecher has a torrent, which names the node, and is told of none.
transfers! {
    dht_of_the_torrent_harness_libtorrent: Libtorrent => Libtorrent, tree_made_by_sprat(V2), Nodes;
    dht_of_the_torrent_sprat_to_libtorrent: Sprat => Libtorrent, tree_made_by_sprat(Hybrid), Nodes;
}

// Nothing at all but a local network (BEP 14): the leecher, who comes second, speaks up, and the seeder calls.
transfers! {
    lsd_libtorrent_to_sprat: Libtorrent => Sprat, tree(V1), LocalNetwork;
    lsd_libtorrent_to_sprat_v2: Libtorrent => Sprat, tree(V2), LocalNetwork;
    lsd_sprat_to_libtorrent: Sprat => Libtorrent, tree(V1), LocalNetwork;
    lsd_sprat_to_libtorrent_v2: Sprat => Libtorrent, tree(V2), LocalNetwork;
}

#[test]
#[ignore = "needs other clients: cargo xtask test"]
fn dht_items_of_libtorrent_and_sprat_are_the_same() -> Result<()> {
    if let Some(absence) = Libtorrent.absence() {
        return skip(&absence);
    }
    let directory = content::test_directory()?;
    let node = SocketAddr::from((process::HOST, process::free_port()?));
    let _nodes = start_dht(node, directory.path())?;
    let value_of =
        |events: &[Value]| events.iter().find_map(|event| event["value"].as_str().map(str::to_owned));
    let target_of =
        |events: &[Value]| events.iter().find_map(|event| event["target"].as_str().map(str::to_owned));
    let key = directory.path().join("key");
    let key = key.to_str().context("a path in UTF-8")?;

    let target = Libtorrent::ask_dht(node, &["put", "from libtorrent"])?;
    ensure!(value_of(&ask_dht(node, &["get", &target])?).as_deref() == Some("from libtorrent"));
    let target = target_of(&ask_dht(node, &["put", "from sprat"])?).context("a target")?;
    ensure!(Libtorrent::ask_dht(node, &["get", &target])? == "from sprat");

    let stored = ask_dht(node, &["put", "signed by sprat", "--key", key])?;
    let public = stored.iter().find_map(|event| event["public_key"].as_str()).context("a public key")?;
    ensure!(Libtorrent::ask_dht(node, &["get-mutable", public])? == "signed by sprat");
    let seed = std::fs::read_to_string(key)?;
    Libtorrent::ask_dht(node, &["put-mutable", seed.trim(), public, "signed by libtorrent"])?;
    let target = target_of(&stored).context("a target")?;
    ensure!(value_of(&ask_dht(node, &["get", &target])?).as_deref() == Some("signed by libtorrent"));
    Ok(())
}

/// Declares tests: who seeds, who introduces, who leeches, and who of the first two calls the other.
macro_rules! introductions {
    ($($name:ident: $seeder:expr => $introducer:expr => $leecher:expr, $caller:expr;)*) => {
        $(
            #[test]
            #[ignore = "needs other clients: cargo xtask test"]
            fn $name() -> Result<()> {
                check_introduction([&$seeder, &$introducer, &$leecher], $caller)
            }
        )*
    };
}

fn check_introduction(clients: [&dyn Client; 3], caller: Caller) -> Result<()> {
    if let Some(absence) = clients.iter().find_map(|client| client.absence()) {
        return skip(&absence);
    }
    remove_leftovers()?;
    introduction(clients, &tree(V1)?, caller)
}

// The leecher knows only somebody who has nothing, but knows the seeder.
introductions! {
    pex_harness_libtorrent_alone: Libtorrent => Libtorrent => Libtorrent, Caller::Introducer;
    pex_by_libtorrent: Sprat => Libtorrent => Sprat, Caller::Introducer;
    pex_by_libtorrent_of_a_caller: Sprat => Libtorrent => Sprat, Caller::Seeder;
    pex_by_sprat: Libtorrent => Sprat => Libtorrent, Caller::Introducer;
    pex_by_sprat_of_a_caller: Libtorrent => Sprat => Libtorrent, Caller::Seeder;
    pex_sprat_alone: Sprat => Sprat => Sprat, Caller::Introducer;
}

// sprat alone: what a failure above has to be compared with.
transfers! {
    sprat_to_sprat_big_file: Sprat => Sprat, big_file(Hybrid), Http(&SpratTracker);
    sprat_to_sprat_tree: Sprat => Sprat, tree(V2), Udp(&SpratTracker);
}
