//! libtorrent (the library of qBittorrent and Deluge), through its Python bindings and a script of ours.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail, ensure};

use super::{Client, Discovery, INTRODUCER_RATE, Job, Role, Running};
use crate::process::{HOST, Process};
use crate::torrent::Version;

pub(crate) struct Libtorrent;

impl Libtorrent {
    /// What makes a torrent.
    pub(crate) fn creation(content: &Path, version: Version, torrent: &Path) -> Command {
        let mut command = script("create");
        command.arg(content).arg(version.name()).arg(torrent);
        command
    }

    /// Makes a torrent; returns its info-hashes, one on each line.
    pub(crate) fn create(content: &Path, version: Version, torrent: &Path) -> Result<String> {
        let mut command = Self::creation(content, version, torrent);
        let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
        if !output.status.success() {
            bail!("libtorrent cannot make a torrent: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Libtorrent {
    /// Asks the DHT that this node belongs to: `put VALUE`, `get TARGET`, `put-mutable SEED KEY VALUE` or
    /// `get-mutable KEY`.
    pub(crate) fn ask_dht(node: SocketAddr, question: &[&str]) -> Result<String> {
        let output = script("dht").arg(node.to_string()).args(question).output()?;
        ensure!(output.status.success(), "libtorrent: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}

impl Client for Libtorrent {
    fn name(&self) -> &'static str {
        "libtorrent"
    }

    fn absence(&self) -> Option<String> {
        static PRESENT: OnceLock<bool> = OnceLock::new();
        let present = *PRESENT.get_or_init(|| {
            let output = Command::new(python()).args(["-c", "import libtorrent"]).output();
            output.is_ok_and(|output| output.status.success())
        });
        (!present).then(|| "libtorrent is not installed (cargo xtask install-clients)".to_owned())
    }

    fn start(&self, job: &Job<'_>) -> Result<Box<dyn Running>> {
        let mut command = script("run");
        let host = match job.discovery {
            // On loopback it speaks to a DHT only if it is told to listen there and nowhere else.
            Discovery::Dht(node) => node.ip(),
            Discovery::DhtOfTorrent => HOST,
            Discovery::None | Discovery::LocalNetwork | Discovery::PeerExchange => {
                IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            }
        };
        command.arg(job.source()).arg(job.directory).arg(format!("{host}:{}", job.port));
        match job.discovery {
            Discovery::None => {}
            Discovery::Dht(node) => _ = command.arg("--dht").arg(node.to_string()),
            Discovery::DhtOfTorrent => _ = command.args(["--dht", ""]),
            // It repeats every announcement, and so a seeder would never show that it hears those of others.
            Discovery::LocalNetwork if job.role == Role::Seeder => _ = command.args(["--lsd", "hear"]),
            Discovery::LocalNetwork => _ = command.args(["--lsd", "both"]),
            Discovery::PeerExchange => _ = command.arg("--pex"),
        }
        if job.role == Role::Introducer {
            command.arg("--download-limit").arg(INTRODUCER_RATE.to_string());
        }
        for peer in job.peers {
            command.arg("--peer").arg(peer.to_string());
        }
        Ok(Box::new(Script(job.start("libtorrent", command)?)))
    }
}

struct Script(Process);

impl Running for Script {
    fn is_complete(&mut self) -> Result<bool> {
        Ok(self.0.output()?.lines().any(|line| line == "complete"))
    }

    fn has_met_a_peer(&mut self) -> Result<bool> {
        Ok(self.0.output()?.lines().any(|line| line == "connected"))
    }

    fn process(&mut self) -> &mut Process {
        &mut self.0
    }
}

fn script(task: &str) -> Command {
    let mut command = Command::new(python());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/libtorrent_client.py")).arg(task);
    command
}

/// The interpreter of the virtual environment that `cargo xtask install-clients` makes.
fn python() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("interop").join("venv/bin/python")
}
