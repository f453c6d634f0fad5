//! rqbit, asked through its HTTP API. For the benchmark: `cargo install rqbit` puts it into the path.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::{Client, Job, Running, absence_of};
use crate::http::{self, Server};
use crate::process::{Process, free_port, wait_until};

pub(crate) struct Rqbit;

impl Client for Rqbit {
    fn name(&self) -> &'static str {
        "rqbit"
    }

    fn absence(&self) -> Option<String> {
        absence_of("rqbit")
    }

    fn start(&self, job: &Job<'_>) -> Result<Box<dyn Running>> {
        let rpc = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let mut command = Command::new("rqbit");
        command.args(["--disable-dht", "--disable-upnp-port-forward", "--disable-lsd", "--ipv4-only"]);
        command.arg(format!("--http-api-listen-addr={rpc}")).arg(format!("--listen-port={}", job.port));
        command.args(["server", "start", "--disable-persistence"]).arg(job.directory);
        let process = job.start("rqbit", command)?;
        let rpc = Server::on(job.machine, rpc);
        let mut rqbit = Api { process, rpc: rpc.clone() };
        wait_until("rqbit answers", Duration::from_secs(20), || {
            rqbit.process.must_be_running()?;
            Ok(http::request(rpc.clone(), "GET", "/", &[], &[]).is_ok())
        })?;
        let peers: Vec<String> = job.peers.iter().map(ToString::to_string).collect();
        let path = format!("/torrents?overwrite=true&initial_peers={}", peers.join(","));
        http::request(rpc, "POST", &path, &[], &fs::read(job.torrent)?)?.success()?;
        Ok(Box::new(rqbit))
    }
}

struct Api {
    process: Process,
    rpc: Server,
}

impl Running for Api {
    fn is_complete(&mut self) -> Result<bool> {
        let stats = http::request(self.rpc.clone(), "GET", "/torrents/0/stats/v1", &[], &[])?.success()?;
        let stats: Value = serde_json::from_slice(&stats)?;
        Ok(stats["finished"] == true && stats["state"] == "live")
    }

    fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
