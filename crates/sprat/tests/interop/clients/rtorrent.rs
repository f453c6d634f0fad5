//! rtorrent, asked through its XML RPC over a Unix socket (SCGI).

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Client, Job, Running, absence_of};
use crate::process::{Process, wait_until};

pub(crate) struct Rtorrent;

impl Client for Rtorrent {
    fn name(&self) -> &'static str {
        "rtorrent"
    }

    fn absence(&self) -> Option<String> {
        absence_of("rtorrent")
    }

    fn must_be_called(&self) -> bool {
        // It keeps one peer per IP address, whatever the port; a tracker's list may begin with itself.
        true
    }

    fn start(&self, job: &Job<'_>) -> Result<Box<dyn Running>> {
        let socket = job.state.join("rpc");
        let settings = job.state.join("rtorrent.rc");
        let lines = [
            "system.daemon.set = true".to_owned(),
            format!("network.scgi.open_local = \"{}\"", socket.display()),
            format!("session.path.set = \"{}\"", job.state.display()),
            format!("directory.default.set = \"{}\"", job.directory.display()),
            format!("network.port_range.set = {0}-{0}", job.port),
            "dht.mode.set = disable".to_owned(),
            "protocol.pex.set = no".to_owned(),
            "trackers.use_udp.set = yes".to_owned(),
            "protocol.encryption.set = allow_incoming".to_owned(),
            "pieces.hash.on_completion.set = no".to_owned(),
            "network.http.ssl_verify_peer.set = 0".to_owned(),
        ];
        fs::write(&settings, lines.join("\n") + "\n")?;
        let mut command = Command::new("rtorrent");
        command.arg("-n").arg("-o").arg(format!("import={}", settings.display()));
        let process = job.start("rtorrent", command)?;
        let mut rtorrent = Rpc { process, socket, info_hash: job.info_hash.to_uppercase() };
        wait_until("rtorrent answers", Duration::from_secs(20), || {
            rtorrent.process.must_be_running()?;
            Ok(rtorrent.call("system.client_version", &[]).is_ok())
        })?;
        let torrent = job.torrent.to_str().context("paths of the tests are UTF-8")?;
        rtorrent.call("load.start", &["", torrent])?;
        if !job.peers.is_empty() {
            wait_until("rtorrent has loaded the torrent", Duration::from_secs(20), || {
                Ok(rtorrent.is_active().unwrap_or(false))
            })?;
        }
        for peer in job.peers {
            rtorrent.call("add_peer", &[&rtorrent.info_hash, &peer.to_string()])?;
        }
        Ok(Box::new(rtorrent))
    }
}

struct Rpc {
    process: Process,
    socket: PathBuf,
    info_hash: String,
}

impl Rpc {
    /// Calls a method whose parameters are strings; returns the answer's XML.
    fn call(&self, method: &str, parameters: &[&str]) -> Result<String> {
        let parameters: String = parameters
            .iter()
            .map(|value| format!("<param><value><string>{value}</string></value></param>"))
            .collect();
        let body = format!(
            "<?xml version=\"1.0\"?><methodCall><methodName>{method}</methodName>\
             <params>{parameters}</params></methodCall>"
        );
        let head = format!("CONTENT_LENGTH\0{}\0SCGI\01\0", body.len());
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(format!("{}:{head},{body}", head.len()).as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        anyhow::ensure!(!answer.contains("<fault>"), "rtorrent: {method}: {answer}");
        Ok(answer)
    }

    fn is_active(&self) -> Result<bool> {
        self.flag("d.is_active")
    }

    /// A method that answers 0 or 1 for our torrent.
    fn flag(&self, method: &str) -> Result<bool> {
        Ok(self.call(method, &[&self.info_hash])?.contains("<i8>1</i8>"))
    }
}

impl Running for Rpc {
    fn is_complete(&mut self) -> Result<bool> {
        // The torrent is unknown until it has been loaded, and not active until it has been checked.
        Ok(self.is_active().unwrap_or(false)
            && self.flag("d.complete")?
            && !self.flag("d.is_hash_checking")?)
    }

    fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
