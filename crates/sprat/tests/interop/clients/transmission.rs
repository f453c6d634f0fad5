//! transmission-daemon, asked through its JSON RPC.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Client, Job, Running, absence_of};
use crate::http::{self, Server};
use crate::process::{Process, free_port, wait_until};

pub(crate) struct Transmission;

impl Client for Transmission {
    fn name(&self) -> &'static str {
        "transmission"
    }

    fn absence(&self) -> Option<String> {
        absence_of("transmission-daemon")
    }

    fn must_be_called(&self) -> bool {
        // Version 3 keeps one peer per IP address, whatever the port; the tracker's list begins with itself.
        true
    }

    fn start(&self, job: &Job<'_>) -> Result<Box<dyn Running>> {
        let rpc_port = free_port()?;
        let settings = json!({
            "dht-enabled": false,
            "download-queue-enabled": false,
            "encryption": 0, // tolerated
            "idle-seeding-limit-enabled": false,
            "lpd-enabled": false,
            "message-level": 2,
            "peer-port": job.port,
            "pex-enabled": false,
            "port-forwarding-enabled": false,
            "ratio-limit-enabled": false,
            "rpc-authentication-required": false,
            "rpc-bind-address": "127.0.0.1",
            "rpc-host-whitelist-enabled": false,
            "rpc-port": rpc_port,
            "rpc-whitelist": "127.0.0.1",
            "seed-queue-enabled": false,
            "utp-enabled": false,
        });
        fs::write(job.state.join("settings.json"), settings.to_string())?;
        let mut command = Command::new("transmission-daemon");
        command.args(["--foreground", "--config-dir"]).arg(job.state);
        let process = job.start("transmission-daemon", command)?;
        let rpc = Server::on(job.machine, SocketAddr::from((Ipv4Addr::LOCALHOST, rpc_port)));
        let mut daemon = Daemon { process, rpc, session: String::new() };
        wait_until("transmission-daemon answers", Duration::from_secs(20), || {
            daemon.process.must_be_running()?;
            Ok(daemon.call("session-get", &json!({})).is_ok())
        })?;
        daemon.call(
            "torrent-add",
            &json!({ "filename": job.source().to_str(), "download-dir": job.directory }),
        )?;
        Ok(Box::new(daemon))
    }
}

struct Daemon {
    process: Process,
    rpc: Server,
    /// The value that the daemon wants to see in every request, against forged ones from web pages.
    session: String,
}

impl Daemon {
    fn call(&mut self, method: &str, arguments: &Value) -> Result<Value> {
        let body = json!({ "method": method, "arguments": arguments }).to_string();
        let send = |session: &str| {
            let headers = [("X-Transmission-Session-Id", session)];
            http::request(self.rpc.clone(), "POST", "/transmission/rpc", &headers, body.as_bytes())
        };
        let mut response = send(&self.session)?;
        if response.status == 409
            && let Some(session) = response.header("X-Transmission-Session-Id")
        {
            session.clone_into(&mut self.session);
            response = send(&self.session)?;
        }
        let answer: Value = serde_json::from_slice(&response.success()?)?;
        ensure!(answer["result"] == "success", "transmission-daemon: {method}: {answer}");
        Ok(answer["arguments"].clone())
    }
}

impl Running for Daemon {
    fn is_complete(&mut self) -> Result<bool> {
        let fields = json!({ "fields": ["percentDone", "errorString", "error", "status"] });
        let answer = self.call("torrent-get", &fields)?;
        let torrent = &answer["torrents"][0];
        // 3 is an error of its own disk; 1 and 2 are a tracker's.
        ensure!(torrent["error"] != 3, "transmission-daemon: {torrent}");
        // 6 is seeding: not queued for checking, not checking.
        Ok(torrent["percentDone"] == 1.0 && torrent["status"] == 6)
    }

    fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
