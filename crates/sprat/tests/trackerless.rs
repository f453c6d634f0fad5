//! A network without any tracker: machines with addresses of their own, one DHT node to begin with, a magnet link. And
//! what a private torrent, which must not be found this way, tells such a network: nothing.
//!
//! Where there cannot be such a [`Network`], the tests say so and pass.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails where its set-up does")]
#![allow(clippy::print_stderr, reason = "a test says what it skipped")]

mod network;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::network::{Machine, Network};

/// Where every machine listens.
const PORT: &str = "6881";

/// DHT nodes besides the first one and the clients.
const NODES: usize = 15;

impl Machine {
    fn node(&self) -> String {
        format!("{}:{PORT}", self.address)
    }

    fn sprat(&self, arguments: &[&str]) -> Sprat {
        let mut sprat = Command::new(env!("CARGO_BIN_EXE_sprat"));
        sprat.arg("--json").args(arguments);
        let mut child = self.run(&sprat).stdout(Stdio::piped()).spawn().unwrap();
        let events = BufReader::new(child.stdout.take().unwrap()).lines();
        Sprat { child, events }
    }

    fn dht(&self, first: Option<&str>) -> Sprat {
        let mut arguments = vec!["dht", "--port", PORT, "--allow-private"];
        match first {
            Some(first) => arguments.extend(["--node", first]),
            None => arguments.push("--first"),
        }
        let mut node = self.sprat(&arguments);
        node.wait_for(|event| (event["event"] == "listening").then_some(()));
        node
    }

    /// Waits until a newcomer who knows this node alone gets to know several others by it: nodes take newcomers into
    /// their tables one by one, and a network without its first node is as good as its tables.
    fn waits_for_others_behind(&self, node: &str) {
        for _ in 0..60 {
            let mut question = self.sprat(&["dht", "--node", node, "--allow-private", "stat"]);
            let contacts = question.wait_for(|event| event["v4_contacts"].as_u64());
            if contacts >= 6 {
                return;
            }
        }
        panic!("the nodes do not get to know each other");
    }

    /// Waits until the DHT knows a peer of a torrent.
    fn waits_for_a_peer(&self, node: &str, info_hash: &str) {
        for _ in 0..60 {
            let mut question = self.sprat(&["dht", "--node", node, "--allow-private", "peers", info_hash]);
            if question.any(|event| event["event"] == "peer") {
                return;
            }
        }
        panic!("the DHT does not get to know anybody");
    }

    fn client(&self, home: &Path, node: &str, arguments: &[&str]) -> Sprat {
        let state = home.join(format!("{}.state", self.name));
        let shared =
            ["--port", PORT, "--allow-private", "--dht-node", node, "--state-dir", state.to_str().unwrap()];
        self.sprat(&[arguments, &shared].concat())
    }
}

/// A running `sprat` and what it says. Killed when dropped.
struct Sprat {
    child: Child,
    events: std::io::Lines<BufReader<ChildStdout>>,
}

impl Sprat {
    /// The next event from which something can be picked, or nothing if it ends without one.
    fn find<T>(&mut self, pick: impl Fn(&Value) -> Option<T>) -> Option<T> {
        self.events.find_map(|line| pick(&serde_json::from_str(&line.unwrap()).ok()?))
    }

    fn any(&mut self, is_it: impl Fn(&Value) -> bool) -> bool {
        self.find(|event| is_it(event).then_some(())).is_some()
    }

    fn wait_for<T>(&mut self, pick: impl Fn(&Value) -> Option<T>) -> T {
        let Some(found) = self.find(pick) else {
            panic!("it ended without the event: {:?}", self.child.wait())
        };
        found
    }

    fn finishes(&mut self) {
        self.wait_for(|event| (event["event"] == "finished").then_some(()));
    }
}

impl Drop for Sprat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn network() -> Option<Network> {
    Network::new().inspect_err(|reason| eprintln!("skipped: {reason}")).ok()
}

#[test]
fn a_magnet_link_is_enough_and_the_first_node_may_go_once_others_know_each_other() {
    let Some(mut network) = network() else { return };
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { home.path().join(name) };
    let mut content = vec![0; 5_000_000];
    fastrand::Rng::with_seed(17).fill(&mut content);
    fs::write(path("file"), &content).unwrap();

    let first = network.add().unwrap();
    let first_node = first.dht(None);
    let machines: Vec<Machine> = (0..NODES).map(|_| network.add().unwrap()).collect();
    let nodes: Vec<Sprat> = machines.iter().map(|machine| machine.dht(Some(&first.node()))).collect();

    let publisher = network.add().unwrap();
    let file = path("file");
    let share = ["share", file.to_str().unwrap(), "--no-tracker"];
    let mut seeder = publisher.client(home.path(), &first.node(), &share);
    let hash = seeder.wait_for(|event| event["info_hash_v2"].as_str().map(|hash| format!("1220{hash}")));
    seeder.finishes();
    // The name alone: no tracker, no peer.
    let magnet = format!("magnet:?xt=urn:btmh:{hash}");

    let fetch = |machine: &Machine, node: &str| {
        let directory = path(&machine.name);
        fs::create_dir(&directory).unwrap();
        let arguments = ["get", &magnet, "--seed", "--dir", directory.to_str().unwrap()];
        machine.client(home.path(), node, &arguments)
    };
    let fetchers: Vec<Machine> = (0..3).map(|_| network.add().unwrap()).collect();
    let mut running: Vec<Sprat> = fetchers.iter().map(|machine| fetch(machine, &first.node())).collect();
    for (machine, client) in fetchers.iter().zip(&mut running) {
        client.finishes();
        assert!(
            fs::read(path(&machine.name).join("file")).unwrap() == content,
            "{}: another file",
            machine.name
        );
    }

    let late = network.add().unwrap();
    late.waits_for_others_behind(&machines[7].node());
    // The first node is gone, and so is the publisher; whoever comes now knows any other node.
    drop(first_node);
    drop(seeder);
    let mut client = fetch(&late, &machines[7].node());
    client.finishes();
    assert!(fs::read(path(&late.name).join("file")).unwrap() == content);
    drop((running, nodes));
}

#[test]
fn on_the_local_network_nobody_has_to_be_known() {
    let Some(mut network) = network() else { return };
    let home = tempfile::tempdir().unwrap();
    let content = vec![7; 300_000];
    fs::write(home.path().join("file"), &content).unwrap();
    let (publisher, other) = (network.add().unwrap(), network.add().unwrap());
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (file, states) = (path("file"), [path("publisher.state"), path("other.state")]);
    let alone = ["--no-dht", "--no-pex", "--port", PORT, "--state-dir"];
    let mut seeder =
        publisher.sprat(&[&["share", &file, "--no-tracker"][..], &alone, &[&states[0]]].concat());
    let hash = seeder.wait_for(|event| event["info_hash_v1"].as_str().map(str::to_owned));
    seeder.finishes();
    let (magnet, copy) = (format!("magnet:?xt=urn:btih:{hash}"), path("copy"));
    let mut client = other.sprat(&[&["get", &magnet, "--dir", &copy][..], &alone, &[&states[1]]].concat());
    client.finishes();
    assert!(fs::read(Path::new(&copy).join("file")).unwrap() == content, "another file");
}

#[test]
fn the_nodes_that_a_torrent_names_are_enough() {
    let Some(mut network) = network() else { return };
    let home = tempfile::tempdir().unwrap();
    let content = vec![7; 300_000];
    fs::write(home.path().join("file"), &content).unwrap();
    let [node, publisher, other] = [(); 3].map(|()| network.add().unwrap());
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (file, torrent, copy) = (path("file"), path("file.torrent"), path("copy"));
    let states = [path("publisher.state"), path("other.state")];

    let _node = node.dht(None);
    let mut create = publisher.sprat(&["create", &file, "--node", &node.node(), "--output", &torrent]);
    let hash = create.wait_for(|event| event["info_hash_v1"].as_str().map(str::to_owned));
    create.any(|_| false); // It has ended, and the file is there.
    // Neither side is told of any node, and the public ones are out of reach.
    let alone = ["--no-lsd", "--allow-private", "--port", PORT, "--state-dir"];
    let share = ["share", &file, "--torrent", &torrent, "--no-tracker"];
    let mut seeder = publisher.sprat(&[&share[..], &alone, &[&states[0]]].concat());
    seeder.finishes();
    other.waits_for_a_peer(&node.node(), &hash);
    let mut client = other.sprat(&[&["get", &torrent, "--dir", &copy][..], &alone, &[&states[1]]].concat());
    client.finishes();
    assert!(fs::read(Path::new(&copy).join("file")).unwrap() == content, "another file");
}

#[test]
fn of_a_private_torrent_no_datagram_tells() {
    let Some(mut network) = network() else { return };
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let captured = path("captured");
    let capture = Capture::start(&network, &captured);
    let node = network.add().unwrap();
    let _node = node.dht(None);
    let tracker = network.add().unwrap();
    let mut tracking = tracker.sprat(&["tracker", "--http", &format!("{}:6969", tracker.address)]);
    tracking.wait_for(|event| (event["event"] == "listening").then_some(()));
    let url = format!("http://{}:6969/announce", tracker.address);

    let mut running = Vec::new();
    let mut fetch = |name: &str, private: &[&str]| -> [u8; 20] {
        let content = name.repeat(20_000);
        let (file, torrent) = (path(name), path(&format!("{name}.torrent")));
        let copy = path(&format!("{name}.copy"));
        fs::write(&file, &content).unwrap();
        let (publisher, other) = (network.add().unwrap(), network.add().unwrap());
        let create = ["create", &file, "--tracker", &url, "--version", "v1", "--output", &torrent];
        let mut create = publisher.sprat(&[&create[..], private].concat());
        let hash = create.wait_for(|event| event["info_hash_v1"].as_str().map(str::to_owned));
        create.any(|_| false);
        let share = ["share", &file, "--torrent", &torrent, "--no-tracker"];
        let mut seeder = publisher.client(home.path(), &node.node(), &share);
        seeder.finishes();
        let get = ["get", &torrent, "--seed", "--dir", &copy];
        let mut client = other.client(home.path(), &node.node(), &get);
        client.finishes();
        assert!(fs::read(Path::new(&copy).join(name)).unwrap() == content.as_bytes(), "another file");
        running.extend([seeder, client]);
        std::array::from_fn(|at| u8::from_str_radix(&hash[2 * at..2 * at + 2], 16).unwrap())
    };
    let private = fetch("private", &["--private"]);
    // A public one has its chance after that. By the time it is known to the DHT and on the local network, the private
    // one would be, if it ever were.
    let public = fetch("public", &[]);
    let hex = |hash: [u8; 20]| hash.map(|byte| format!("{byte:02x}")).concat().into_bytes();
    let since = std::time::Instant::now();
    let captured = loop {
        let bytes = fs::read(&captured).unwrap();
        let some_datagram =
            |tells: &dyn Fn(&[u8]) -> bool| packets(&bytes).any(|packet| is_udp(packet) && tells(packet));
        let dht = some_datagram(&|packet| contains(packet, &public));
        let lsd = some_datagram(&|packet| contains(&packet.to_ascii_lowercase(), &hex(public)));
        if dht && lsd {
            break bytes;
        }
        assert!(since.elapsed().as_secs() < 60, "nobody tells of the public torrent");
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    drop((capture, running));

    let packets: Vec<&[u8]> = packets(&captured).collect();
    let tells =
        |packet: &[u8]| contains(packet, &private) || contains(&packet.to_ascii_lowercase(), &hex(private));
    assert!(packets.iter().any(|packet| tells(packet)), "its peers have named it");
    assert_eq!(packets.iter().filter(|packet| is_udp(packet) && tells(packet)).count(), 0);
    // Peer exchange would be named in the extension handshake, and is for the public torrent.
    let begin = packets.iter().position(|packet| contains(packet, &public)).unwrap();
    let (before, after) = packets.split_at(begin);
    let speak_pex = |packets: &[&[u8]]| packets.iter().any(|packet| contains(packet, b"6:ut_pex"));
    assert!(!speak_pex(before) && speak_pex(after));
}

/// Writes every packet that passes the switch to a file, until dropped.
struct Capture(Child);

impl Capture {
    fn start(network: &Network, file: &str) -> Self {
        let mut itself = Command::new(std::env::current_exe().unwrap());
        itself.args(["--exact", "captures_every_packet", "--ignored", "--nocapture"]);
        let mut child =
            network.on_switch(&itself).env("SPRAT_CAPTURE", file).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("capturing")), "no capture");
        Self(child)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "other tests run it on the switch of their network"]
#[allow(clippy::print_stdout, reason = "to say that it is ready")]
fn captures_every_packet() {
    use std::io::{Read as _, Write as _};

    /// `ETH_P_ALL`, in the byte order of the network (packet(7)).
    const EVERYTHING: u16 = 3_u16.to_be();
    let Some(path) = std::env::var_os("SPRAT_CAPTURE") else { return };
    let mut file = fs::File::create(path).unwrap();
    let protocol = socket2::Protocol::from(i32::from(EVERYTHING));
    let mut socket =
        socket2::Socket::new(socket2::Domain::PACKET, socket2::Type::RAW, Some(protocol)).unwrap();
    socket.set_recv_buffer_size(16 << 20).unwrap();
    println!("capturing");
    let mut packet = vec![0; 1 << 17];
    loop {
        let length = socket.read(&mut packet[4..]).unwrap();
        packet[..4].copy_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
        file.write_all(&packet[..4 + length]).unwrap();
    }
}

/// What [`captures_every_packet`] has written; the last one may be cut off.
fn packets(mut captured: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = captured.split_first_chunk::<4>()?;
        let (packet, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        captured = rest;
        Some(packet)
    })
}

/// Ethernet with IPv4 or IPv6, and in that UDP.
fn is_udp(packet: &[u8]) -> bool {
    const UDP: u8 = 17;
    match packet.get(12..14) {
        Some([0x08, 0x00]) => packet.get(23) == Some(&UDP),
        Some([0x86, 0xdd]) => packet.get(20) == Some(&UDP),
        _ => false,
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
