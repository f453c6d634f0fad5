//! A daemon that may use one network interface uses no other, whatever routes there are, also when its own is gone; and uses it again
//! when it comes back.

// Network namespaces, and the option of sockets that this is about.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]
#![allow(clippy::print_stdout, reason = "a test says what it skipped")]

mod network;
#[allow(dead_code, reason = "other tests need more of it")]
#[path = "disk/sprat.rs"]
mod sprat;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::network::{Machine, Network};
use crate::sprat::{PATIENCE, Sprat};

/// Where the daemon is asked, on its own machine.
const API: &str = "127.0.0.1:7772";

/// So long one attempt may take.
const MOMENT: Duration = Duration::from_millis(250);

/// The network of the interface that may be used; the other one is 10.77.0.0.
const OWN: &str = "10.78.0";

#[test]
fn nothing_leaves_by_another_interface() {
    let mut network = match Network::new() {
        Ok(network) => network,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let (seeder, leecher) = (network.add().unwrap(), network.add().unwrap());
    for machine in [&seeder, &leecher] {
        // Else each interface tells the network of itself.
        machine.do_now("sysctl", &["-qw", "net.ipv6.conf.all.disable_ipv6=1"]);
    }
    network.add_interface(&leecher, "tun0", &format!("{OWN}.2")).unwrap();
    seeder.do_now("ip", &["address", "add", &format!("{OWN}.1/24"), "dev", "eth0"]);

    let home = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..2_000_000_u32).map(|at| (at % 251) as u8).collect();
    fs::write(home.path().join("file"), &content).unwrap();
    let share = ["share", "HOME/file", "--no-tracker", "--version", "v1", "--state-dir", "HOME/seeder"];
    let alone = ["--no-dht", "--no-lsd", "--allow-private", "--port", "6881"];
    let mut sharing = run(&seeder, home.path(), &[&share[..], &alone[..]].concat());
    let magnet = sharing.wait_for("link", PATIENCE, |event| event["magnet"].as_str().map(str::to_owned));
    sharing.wait_for_event("finished", PATIENCE).unwrap();

    let settings = format!(
        "[api]\nlisten = [\"{API}\"]\n[paths]\nstate = \"{0}/state\"\ndownloads = \"{0}/copy\"\n\
        [peers]\ninterface = \"tun0\"\ndht_entrances = []\n[addresses]\nallow_private = true\n",
        home.path().display()
    );
    fs::write(home.path().join("sprat.toml"), settings).unwrap();
    // What the kernel has said of itself before.
    let sent_before = leecher.sent_by("eth0");
    let mut daemon = run(&leecher, home.path(), &["daemon", "--config", "HOME/sprat.toml"]);
    daemon.wait_for_event("ready", PATIENCE).unwrap();
    let token = fs::read_to_string(home.path().join("state/token")).unwrap();
    let ask = |method: &str, path: &str, body: Value| {
        leecher.inside(|| exchange(method, path, token.trim(), &body)).unwrap()
    };
    // All of the first are reached by the other interface, if by any.
    let elsewhere = &seeder.address;
    let trackers =
        json!([[format!("http://{elsewhere}:6969/announce")], [format!("udp://{elsewhere}:6969")]]);
    let peers = json!([format!("{elsewhere}:6881"), format!("{OWN}.1:6881")]);
    let added = ask(
        "POST",
        "/torrents",
        json!({"magnet": magnet.unwrap(), "trackers": trackers, "peers": peers, "directory": home.path().join("copy")}),
    );
    let path = format!("/torrents/{}", added["hash"].as_str().unwrap());
    let until = |what: &str, is_so: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < 2 * PATIENCE, "{what}: {}", ask("GET", &path, Value::Null));
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    let failures = || -> Vec<u64> {
        let trackers = ask("GET", &format!("{path}/trackers"), Value::Null);
        trackers.as_array().unwrap().iter().map(|one| one["failures"].as_u64().unwrap()).collect()
    };
    until("it comes by the interface that may be used", &|| {
        ask("GET", &path, Value::Null)["is_complete"] == true
    });
    assert!(fs::read(home.path().join("copy/file")).unwrap() == content);
    until("no tracker is reached by the other", &|| failures().iter().all(|failures| *failures > 0));
    assert_eq!(leecher.sent_by("eth0"), sent_before);

    leecher.do_now("ip", &["link", "delete", "tun0"]);
    leecher.do_now("ip", &["route", "add", &format!("{OWN}.0/24"), "dev", "eth0"]);
    let before = failures();
    ask("POST", &format!("{path}/peers"), json!({"addresses": peers}));
    ask("POST", "/torrents/act", json!({"torrents": [added["hash"]], "action": "reannounce"}));
    until("trackers are asked once more", &|| {
        failures().iter().zip(&before).any(|(now, before)| now > before)
    });
    assert_eq!(leecher.sent_by("eth0"), sent_before, "the interface that may be used is gone");

    // A tunnel that is opened again is another interface with the same name.
    leecher.do_now("ip", &["route", "delete", &format!("{OWN}.0/24")]);
    network.add_interface(&leecher, "tun0", &format!("{OWN}.2")).unwrap();
    let called = SocketAddr::new(format!("{OWN}.2").parse().unwrap(), 6881);
    seeder.until("peers can call us", || TcpStream::connect_timeout(&called, MOMENT).is_ok());
    seeder.until("nodes of the DHT can ask us", || answers_a_ping(called));
    daemon.must_not_have_crashed().unwrap();
}

/// Runs the program on a machine; `HOME` in its arguments is that directory.
fn run(machine: &Machine, home: &Path, arguments: &[&str]) -> Sprat {
    let arguments: Vec<String> =
        arguments.iter().map(|argument| argument.replace("HOME", home.to_str().unwrap())).collect();
    Sprat::start_by(machine.run(&Command::new(env!("CARGO_BIN_EXE_sprat"))), home, &arguments)
}

/// Asks the daemon of this machine.
fn exchange(method: &str, path: &str, token: &str, body: &Value) -> Value {
    let mut stream = TcpStream::connect(API).unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!(
        "{method} /api/v1{path} HTTP/1.1\r\nHost: {API}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
    );
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let length = body.len();
    write!(stream, "{head}{kind}Content-Length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 2"), "{method} {path}: {answer}");
    serde_json::from_str(body).unwrap_or_default()
}

/// Whether a node of the DHT is there (BEP 5).
fn answers_a_ping(node: SocketAddr) -> bool {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.set_read_timeout(Some(MOMENT)).unwrap();
    let asked = socket.send_to(b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", node);
    let mut answer = [0; 512];
    asked.is_ok() && socket.recv(&mut answer).is_ok_and(|length| answer[..length].ends_with(b"1:y1:re"))
}

impl Machine {
    /// Waits until something is so there.
    fn until(&self, what: &str, is_so: impl Fn() -> bool + Sync) {
        let began = Instant::now();
        while !self.inside(&is_so).unwrap() {
            assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        }
    }

    /// Runs a command there, which must succeed.
    fn do_now(&self, program: &str, arguments: &[&str]) {
        let output = self.run(Command::new(program).args(arguments)).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    }

    /// Packets that have left by an interface.
    fn sent_by(&self, interface: &str) -> u64 {
        let mut show = Command::new("ip");
        show.args(["-j", "-s", "link", "show", interface]);
        let output = self.run(&show).output().unwrap();
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        shown[0]["stats64"]["tx"]["packets"].as_u64().unwrap()
    }
}
