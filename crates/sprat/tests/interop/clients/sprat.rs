//! sprat itself, through its command line, as a person or a script would use it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{Client, Discovery, INTRODUCER_RATE, Job, Role, Running, Tracker};
use crate::http::{self, Server};
use crate::network::Machine;
use crate::process::{HOST, Process, free_port};
use crate::torrent::Version;

/// `sprat share` and `sprat get`.
pub(crate) struct Sprat;

impl Sprat {
    /// `sprat create`: makes a torrent without trackers, and with a node of the DHT if it is to name one; returns its
    /// info-hashes in hex, 20 bytes each.
    pub(crate) fn create(
        content: &Path,
        version: Version,
        node: Option<SocketAddr>,
        torrent: &Path,
    ) -> Result<Vec<String>> {
        let mut command = sprat();
        command.arg("create").arg(content).args(["--version", version.name(), "--output"]).arg(torrent);
        if let Some(node) = node {
            command.arg("--node").arg(node.to_string());
        }
        let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
        if !output.status.success() {
            bail!("sprat cannot make a torrent: {}", String::from_utf8_lossy(&output.stdout));
        }
        let created =
            objects(&String::from_utf8_lossy(&output.stdout)).find(|object| object["event"] == "created");
        let created = created.context("sprat create does not say what it created")?;
        let hashes = ["info_hash_v1", "info_hash_v2"].into_iter().filter_map(|key| created[key].as_str());
        // Trackers and handshakes have room for 20 bytes (BEP 52).
        Ok(hashes.map(|hash| hash.chars().take(40).collect()).collect())
    }
}

impl Sprat {
    /// `sprat show --magnet`: the link to a torrent, its trackers included.
    pub(crate) fn magnet_of(torrent: &Path) -> Result<String> {
        let output =
            Command::new(env!("CARGO_BIN_EXE_sprat")).args(["show", "--magnet"]).arg(torrent).output()?;
        anyhow::ensure!(output.status.success(), "sprat show: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}

/// Two of `sprat dht`: the first node of a network of its own, and another one. (libtorrent does not count those whom it
/// is told to ask first.)
pub(crate) fn start_dht(first: SocketAddr, state: &Path) -> Result<[Process; 2]> {
    let start = |name: &str, port: u16, entrance: &[&str]| {
        let mut command = sprat();
        command.args(["dht", "--allow-private", "--address", &first.ip().to_string()]);
        command.args(["--port", &port.to_string()]).args(entrance);
        Process::start(name, &mut command, state)
    };
    let one = start("first-dht-node", first.port(), &["--first"])?;
    Ok([one, start("second-dht-node", free_port()?, &["--node", &first.to_string()])?])
}

/// `sprat dht`, asked something of the network that this node belongs to: the events of its answer.
pub(crate) fn ask_dht(node: SocketAddr, question: &[&str]) -> Result<Vec<Value>> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sprat"));
    command.args(["--json", "dht", "--allow-private", "--address", &node.ip().to_string()]);
    let output = command.args(["--node", &node.to_string()]).args(question).output()?;
    Ok(objects(&String::from_utf8_lossy(&output.stdout)).collect())
}

impl Client for Sprat {
    fn name(&self) -> &'static str {
        "sprat"
    }

    fn absence(&self) -> Option<String> {
        None
    }

    fn start(&self, job: &Job<'_>) -> Result<Box<dyn Running>> {
        let mut command = sprat();
        match job.role {
            Role::Seeder => command.arg("share").arg(job.directory).arg("--torrent").arg(job.torrent),
            Role::Leecher | Role::Introducer => {
                command.arg("get").arg(job.source()).arg("--dir").arg(job.directory)
            }
        };
        command
            .arg("--port")
            .arg(job.port.to_string())
            .arg("--state-dir")
            .arg(job.state)
            .arg("--allow-private");
        match job.discovery {
            Discovery::None => command.args(["--no-dht", "--no-lsd", "--no-pex"]),
            Discovery::Dht(node) => {
                command.args(["--no-lsd", "--no-pex", "--loopback", "--dht-node", &node.to_string()])
            }
            Discovery::DhtOfTorrent => command.args(["--no-lsd", "--no-pex", "--loopback"]),
            Discovery::LocalNetwork => command.args(["--no-dht", "--no-pex"]),
            Discovery::PeerExchange => command.args(["--no-dht", "--no-lsd"]),
        };
        if job.stays && job.role == Role::Leecher {
            command.arg("--seed");
        }
        if job.role == Role::Introducer {
            command.arg("--download-limit").arg(INTRODUCER_RATE.to_string());
        }
        for peer in job.peers {
            command.arg("--peer").arg(peer.to_string());
        }
        Ok(Box::new(CommandLine(job.start("sprat", command)?)))
    }
}

struct CommandLine(Process);

impl Running for CommandLine {
    fn is_complete(&mut self) -> Result<bool> {
        Ok(objects(&self.0.output()?).any(|object| object["event"] == "finished"))
    }

    fn has_met_a_peer(&mut self) -> Result<bool> {
        Ok(objects(&self.0.output()?).any(|object| object["event"] == "peer_connected"))
    }

    fn sent(&mut self) -> Result<Option<u64>> {
        let said = objects(&self.0.output()?).filter_map(|object| object["uploaded"].as_u64()).last();
        Ok(said)
    }

    fn process(&mut self) -> &mut Process {
        &mut self.0
    }
}

/// `sprat tracker`.
pub(crate) struct SpratTracker;

impl Tracker for SpratTracker {
    fn name(&self) -> &'static str {
        "sprat tracker"
    }

    fn absence(&self) -> Option<String> {
        None
    }

    fn start(&self, _info_hashes: &[String], port: u16, state: &Path) -> Result<Process> {
        Self::start_at(SocketAddr::from((HOST, port)), None, state)
    }
}

impl SpratTracker {
    /// At an address of a machine, or of this one.
    pub(crate) fn start_at(address: SocketAddr, machine: Option<&Machine>, state: &Path) -> Result<Process> {
        let address = address.to_string();
        let mut command = sprat();
        command.args(["tracker", "--http", &address, "--udp", &address]);
        if let Some(machine) = machine {
            command = machine.run(&command);
        }
        Process::start("sprat-tracker", &mut command, state)
    }

    /// How many seeders or leechers it knows.
    #[allow(dead_code, reason = "for the benchmarks, which share this file")]
    pub(crate) fn counts(server: &Server, role: &str) -> Result<u64> {
        let stats = http::request(server.clone(), "GET", "/stats", &[], &[])?.success()?;
        let stats: Value = serde_json::from_slice(&stats)?;
        stats["peers"][role].as_u64().context("a number of peers")
    }
}

fn sprat() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sprat"));
    command.args(["--json", "-v"]);
    command
}

/// The lines that are JSON objects; the log is among them.
fn objects(output: &str) -> impl Iterator<Item = Value> {
    output.lines().filter(|line| line.starts_with('{')).filter_map(|line| serde_json::from_str(line).ok())
}
