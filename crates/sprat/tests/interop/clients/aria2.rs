//! aria2, asked through its JSON RPC.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Client, Discovery, Job, Running, absence_of};
use crate::http::{self, Server};
use crate::process::{Process, free_port, wait_until};

pub(crate) struct Aria2;

impl Client for Aria2 {
    fn name(&self) -> &'static str {
        "aria2"
    }

    fn absence(&self) -> Option<String> {
        absence_of("aria2c")
    }

    fn start(&self, job: &Job<'_>) -> Result<Box<dyn Running>> {
        let rpc_port = free_port()?;
        let mut command = Command::new("aria2c");
        command.args([
            "--no-conf",
            "--bt-enable-lpd=false",
            "--bt-hash-check-seed=true",
            "--check-integrity=true",
            "--enable-dht6=false",
            "--enable-peer-exchange=false",
            "--enable-rpc=true",
            "--file-allocation=none",
            "--quiet=true",
            "--seed-ratio=0.0",
            "--summary-interval=0",
        ]);
        command.arg(format!("--rpc-listen-port={rpc_port}")).arg(format!("--listen-port={}", job.port));
        match job.discovery {
            Discovery::Dht(node) => {
                let state = job.state.join("dht.dat");
                command.args(["--enable-dht=true", "--dht-entry-point", &node.to_string()]);
                command.arg(format!("--dht-listen-port={}", job.port)).arg("--dht-file-path").arg(state);
            }
            _ => _ = command.arg("--enable-dht=false"),
        }
        command.arg("--dir").arg(job.directory).arg(job.source());
        let rpc = Server::on(job.machine, SocketAddr::from((Ipv4Addr::LOCALHOST, rpc_port)));
        let process = job.start("aria2c", command)?;
        let mut aria2 = Rpc { process, rpc };
        wait_until("aria2 answers", Duration::from_secs(20), || {
            aria2.process.must_be_running()?;
            Ok(aria2.downloads().is_ok())
        })?;
        Ok(Box::new(aria2))
    }
}

struct Rpc {
    process: Process,
    rpc: Server,
}

impl Rpc {
    fn downloads(&self) -> Result<Value> {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "aria2.tellActive" }).to_string();
        let headers = [("Content-Type", "application/json")];
        let answer = http::request(self.rpc.clone(), "POST", "/jsonrpc", &headers, call.as_bytes())?;
        let answer: Value = serde_json::from_slice(&answer.success()?)?;
        ensure!(answer["result"].is_array(), "aria2: {answer}");
        Ok(answer["result"].clone())
    }
}

impl Running for Rpc {
    fn is_complete(&mut self) -> Result<bool> {
        let downloads = self.downloads()?;
        Ok(downloads[0]["seeder"] == "true" && downloads[0]["verifyIntegrityPending"].is_null())
    }

    fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
