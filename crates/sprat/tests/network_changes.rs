//! The network changes in the middle of a transfer: addresses come and go, a link is down for a while, a peer vanishes.

// Network namespaces.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]
#![allow(clippy::print_stdout, reason = "a test says what it has seen and what it skipped")]

mod network;
#[allow(dead_code, reason = "other tests need more of it")]
#[path = "disk/sprat.rs"]
mod sprat;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::network::{Machine, Network};
use crate::sprat::{PATIENCE, Sprat};

const LENGTH: usize = 24 << 20;

/// Pieces, when the network changes.
const SOME: u64 = 40;

/// Promise P-15.
const RESUMES_WITHIN: Duration = Duration::from_secs(30);

/// What was sent to a peer that has vanished is given up after half a minute; the timer of TCP that sees it may be late by half of that.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(50);

/// Neither is told of anything but the other's address.
const NETWORK: [&str; 6] = ["--no-dht", "--no-lsd", "--no-pex", "--allow-private", "--port", "6881"];

#[test]
fn a_leecher_that_moves_goes_on() {
    let Some(mut scene) = Scene::new() else { return };
    let moved = Instant::now();
    scene.leecher_machine.move_to("10.77.0.101").unwrap();
    scene.resumes("the address of the leecher has changed", moved);
    scene.ends();
}

#[test]
fn a_seeder_that_moves_goes_on() {
    let Some(mut scene) = Scene::new() else { return };
    let moved = Instant::now();
    scene.seeder_machine.move_to("10.77.0.102").unwrap();
    scene.resumes("the address of the seeder has changed", moved);
    scene.ends();
}

#[test]
fn an_address_that_comes_back_is_used_again() {
    let Some(mut scene) = Scene::new() else { return };
    let own = scene.leecher_machine.address.clone();
    let moved = Instant::now();
    scene.leecher_machine.move_to("10.77.0.103").unwrap();
    scene.resumes("the address of the leecher has changed", moved);
    let moved = Instant::now();
    scene.leecher_machine.move_to(&own).unwrap();
    scene.resumes("its old address is back", moved);
    scene.ends();
}

#[test]
fn a_link_may_be_down_for_a_while() {
    let Some(mut scene) = Scene::new() else { return };
    scene.leecher_machine.set_link("down").unwrap();
    scene.leecher.listen_until(Instant::now() + Duration::from_secs(10));
    let up = Instant::now();
    scene.leecher_machine.set_link("up").unwrap();
    scene.resumes("the link was down for 10 s", up);
    scene.ends();
}

#[test]
fn a_peer_that_vanishes_is_let_go() {
    let Some(mut scene) = Scene::new() else { return };
    let vanished = Instant::now();
    scene.leecher_machine.set_link("down").unwrap();
    scene.seeder.wait_for_event("peer_disconnected", GIVEN_UP_WITHIN).unwrap();
    println!(
        "network_changes: a peer that has vanished was let go after {:.1} s",
        vanished.elapsed().as_secs_f64()
    );
}

#[test]
fn a_udp_tracker_is_told_where_we_are() {
    let Some(mut network) = network() else { return };
    let [tracker_machine, mut machine] = [(); 2].map(|()| network.add().unwrap());
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("file"), [7; 100_000]).unwrap();
    let address = format!("{}:6969", tracker_machine.address);
    let tracker = ["tracker", "--http", &address, "--udp", &address];
    let mut tracker = run(&tracker_machine, home.path(), &tracker, &[]);
    tracker.wait_for_event("listening", PATIENCE).unwrap();
    let share = ["share", "HOME/file", "--no-tracker", "--version", "v1", "--state-dir", "HOME/state"];
    let url = format!("udp://{address}");
    let mut seeder = run(&machine, home.path(), &share, &[&NETWORK[..], &["--tracker", &url]].concat());
    let mut wait_for_announces = |number: u64| {
        let since = Instant::now();
        loop {
            seeder.listen_until(Instant::now() + Duration::from_millis(100));
            let seen = tracker_machine.inside(|| statistics(&address)).unwrap();
            if seen["announces"]["udp_ipv4"] == number {
                return (since.elapsed(), seen);
            }
            assert!(since.elapsed() < RESUMES_WITHIN, "{seen}; {}", seeder.story());
        }
    };
    wait_for_announces(1);
    machine.move_to("10.77.0.104").unwrap();
    let (took, seen) = wait_for_announces(2);
    assert_eq!(seen["peers"]["seeder"], 2, "the one that was, and the one that is: {seen}");
    println!("network_changes: a tracker is told after {:.1} s", took.as_secs_f64());
}

#[test]
fn neighbours_find_who_has_moved() {
    let Some(mut network) = network() else { return };
    let [mut publisher, mut other] = [(); 2].map(|()| network.add().unwrap());
    let home = tempfile::tempdir().unwrap();
    let content = vec![7; 300_000];
    fs::write(home.path().join("file"), &content).unwrap();
    let alone = ["--no-dht", "--no-pex", "--port", "6881", "--state-dir"];
    let share = ["share", "HOME/file", "--no-tracker", "--version", "v1", "--output", "HOME/torrent"];
    let mut seeder = run(&publisher, home.path(), &share, &[&alone[..], &["HOME/seeder"]].concat());
    seeder.wait_for_event("finished", PATIENCE).unwrap();
    // Of another network nobody has heard before.
    publisher.move_to("10.78.0.1").unwrap();
    other.move_to("10.78.0.2").unwrap();
    let get = ["get", "HOME/torrent", "--dir", "HOME/copy"];
    let mut leecher = run(&other, home.path(), &get, &[&alone[..], &["HOME/leecher"]].concat());
    let began = Instant::now();
    leecher.wait_for_event("finished", PATIENCE).unwrap();
    println!("network_changes: a neighbour was found after {:.1} s", began.elapsed().as_secs_f64());
    assert!(fs::read(home.path().join("copy/file")).unwrap() == content, "another file");
}

fn network() -> Option<Network> {
    Network::new().inspect_err(|reason| println!("skipped: {reason}")).ok()
}

/// Runs the program on a machine; `HOME` in its arguments is that directory.
fn run(machine: &Machine, home: &Path, arguments: &[&str], more: &[&str]) -> Sprat {
    let path = |argument: &&str| argument.replace("HOME", home.to_str().unwrap());
    let arguments: Vec<String> = arguments.iter().chain(more).map(path).collect();
    Sprat::start_by(machine.run(&Command::new(env!("CARGO_BIN_EXE_sprat"))), home, &arguments)
}

/// What a tracker says of itself.
fn statistics(tracker: &str) -> Value {
    let mut stream = TcpStream::connect(tracker).unwrap();
    write!(stream, "GET /stats HTTP/1.1\r\nHost: {tracker}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// A download on its way from one machine to another.
struct Scene {
    home: TempDir,
    seeder_machine: Machine,
    leecher_machine: Machine,
    seeder: Sprat,
    leecher: Sprat,
    content: Vec<u8>,
    _network: Network,
}

impl Scene {
    fn new() -> Option<Self> {
        let mut network = network()?;
        let (seeder_machine, leecher_machine) = (network.add().unwrap(), network.add().unwrap());
        let home = tempfile::tempdir().unwrap();
        let mut content = vec![0; LENGTH];
        fastrand::Rng::with_seed(15).fill(&mut content);
        fs::write(home.path().join("file"), &content).unwrap();
        let share = ["share", "HOME/file", "--no-tracker", "--version", "v1", "--piece-length", "64K"];
        let share = [
            &share[..],
            &["--output", "HOME/torrent", "--state-dir", "HOME/seeder"],
            &["--upload-limit", "1M"],
        ]
        .concat();
        let mut seeder = run(&seeder_machine, home.path(), &share, &NETWORK);
        seeder.wait_for_event("finished", PATIENCE).unwrap();
        let peer = format!("{}:6881", seeder_machine.address);
        let get =
            ["get", "HOME/torrent", "--dir", "HOME/copy", "--state-dir", "HOME/leecher", "--peer", &peer];
        let mut leecher = run(&leecher_machine, home.path(), &get, &NETWORK);
        let some = |event: &Value| event["pieces_have"].as_u64().filter(|pieces| *pieces >= SOME);
        leecher.wait_for("pieces", PATIENCE, some).unwrap();
        Some(Self { home, seeder_machine, leecher_machine, seeder, leecher, content, _network: network })
    }

    /// Waits until bytes come that were not on their way when `what` happened, and says how long that took.
    fn resumes(&mut self, what: &str, since: Instant) {
        // What has arrived before is still told of.
        self.leecher.listen_until(since + Duration::from_secs(1));
        let before = self.leecher.progress.as_ref().unwrap()["downloaded"].as_u64().unwrap();
        let more = |event: &Value| (event["downloaded"].as_u64()? > before).then_some(());
        self.leecher.wait_for("bytes", RESUMES_WITHIN, more).unwrap();
        let took = since.elapsed();
        assert!(took < RESUMES_WITHIN, "{took:?}; {}", self.leecher.story());
        println!("network_changes: {what}: goes on after {:.1} s", took.as_secs_f64());
    }

    fn ends(&mut self) {
        let status = self.leecher.end(2 * PATIENCE).unwrap();
        assert!(status.success(), "{status}; {}", self.leecher.story());
        assert!(fs::read(self.home.path().join("copy/file")).unwrap() == self.content, "another file");
        self.seeder.must_not_have_crashed().unwrap();
    }
}
