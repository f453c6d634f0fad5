//! `sprat daemon`, asked through its own API and through what programs for Transmission speak.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, Result};
use data_encoding::BASE64;
use serde_json::{Value, json};

use super::transmission::Rpc;
use super::{Api, Daemon, Home, Progress, Question, Running, Stage, Torrent};
use crate::keep_alive::KeepAlive;
use crate::process::{HOST, Process, free_port};

pub(crate) struct Sprat;

impl Daemon for Sprat {
    fn name(&self) -> &'static str {
        "sprat"
    }

    fn absence(&self) -> Option<String> {
        None
    }

    fn start(&self, home: &Home<'_>) -> Result<Running> {
        let address = SocketAddr::new(HOST, free_port()?);
        let token_file = home.state.join("token");
        let settings = format!(
            "paths.state = {:?}\npaths.downloads = {:?}\n\
             peers.port = {}\npeers.addresses = [\"0.0.0.0\"]\npeers.dht = false\npeers.lsd = false\npeers.pex = false\n\
             addresses.allow_private = true\nqueue.active_downloads = \"unlimited\"\n\
             api.listen = [\"{address}\"]\napi.transmission = true\nlog.level = \"warn\"\n",
            home.state,
            home.content,
            free_port()?
        );
        let file = home.state.join("sprat.toml");
        fs::write(&file, settings)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_sprat"));
        command.arg("daemon").arg("--config").arg(&file);
        let process = Process::start("sprat-daemon", &mut command, home.state)?;
        let token = move || -> Result<String> { Ok(fs::read_to_string(&token_file)?.trim().to_owned()) };
        let own = {
            let token = token.clone();
            move || Ok(Box::new(Own::open(address, &token()?)?) as Box<dyn Api>)
        };
        let like_transmission = move || {
            let basic = BASE64.encode(format!("bench:{}", token()?).as_bytes());
            let rpc = Rpc::open("sprat, Transmission RPC", address, Some(format!("Basic {basic}")))?;
            Ok(Box::new(rpc) as Box<dyn Api>)
        };
        Ok(Running { process, doors: vec![Box::new(own), Box::new(like_transmission)] })
    }
}

/// `/api/v1`.
struct Own {
    http: KeepAlive,
    authorization: String,
    /// Where the last answer about changes ended.
    cursor: Option<String>,
}

impl Own {
    fn open(address: SocketAddr, token: &str) -> Result<Self> {
        Ok(Self { http: KeepAlive::to(address)?, authorization: format!("Bearer {token}"), cursor: None })
    }

    fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<bytes::Bytes> {
        let target = format!("/api/v1{path}");
        let headers = [("Authorization", self.authorization.as_str()), ("Content-Type", "application/json")];
        // Without a body there is no type of one.
        let headers = if body.is_some() { &headers[..] } else { &headers[..1] };
        let body = body.map(Value::to_string).unwrap_or_default();
        self.http.ask(method, &target, headers, body)?.success()
    }

    fn get(&mut self, path: &str) -> Result<Value> {
        Ok(serde_json::from_slice(&self.call("GET", path, None)?)?)
    }
}

impl Api for Own {
    fn name(&self) -> &'static str {
        "sprat"
    }

    fn add(&mut self, torrents: &[Torrent]) -> Result<()> {
        for torrent in torrents {
            let file = BASE64.encode(&torrent.metainfo);
            let request = json!({ "file": file, "directory": torrent.directory, "adopt": true });
            self.call("POST", "/torrents", Some(&request))?;
        }
        Ok(())
    }

    fn remove(&mut self, hash: &str) -> Result<()> {
        self.call("DELETE", &format!("/torrents/{hash}?delete_files=true"), None)?;
        Ok(())
    }

    fn recheck(&mut self, hash: &str) -> Result<()> {
        let request = json!({ "torrents": [hash], "action": "recheck" });
        self.call("POST", "/torrents/act", Some(&request))?;
        Ok(())
    }

    fn progress(&mut self, hash: &str) -> Result<Option<Progress>> {
        let target = format!("/api/v1/torrents/{hash}");
        let headers = [("Authorization", self.authorization.as_str())];
        let answer = self.http.ask("GET", &target, &headers, "")?;
        if answer.status.as_u16() == 404 {
            return Ok(None);
        }
        let torrent: Value = serde_json::from_slice(&answer.success()?)?;
        let stage = match torrent["state"].as_str().context("a state")? {
            "checking" => Stage::Checking,
            "seeding" => Stage::Seeding,
            _ => Stage::Downloading,
        };
        Ok(Some(Progress { stage, have: torrent["have"].as_u64().context("bytes")? }))
    }

    fn seeds(&mut self) -> Result<usize> {
        let list = self.get("/torrents?state=seeding&limit=0")?;
        Ok(usize::try_from(list["total"].as_u64().context("a number")?)?)
    }

    fn ask(&mut self, question: Question<'_>) -> Result<usize> {
        let path = match question {
            Question::Status(hash) => format!("/torrents/{hash}"),
            Question::Page { offset, hashes } => {
                format!("/torrents?sort=name&offset={offset}&limit={}", hashes.len())
            }
            Question::Changes => match &self.cursor {
                Some(cursor) => format!("/torrents?since={cursor}"),
                None => "/torrents?limit=0".to_owned(),
            },
            Question::Everything => format!("/torrents?sort=name&limit={}", u32::MAX),
        };
        let body = self.call("GET", &path, None)?;
        if matches!(question, Question::Changes) {
            let page: Value = serde_json::from_slice(&body)?;
            self.cursor = page["cursor"].as_str().map(str::to_owned);
        }
        Ok(body.len())
    }
}
