//! transmission-daemon, and its RPC, which others speak as well.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use data_encoding::BASE64;
use serde_json::{Value, json};

use super::{Api, Daemon, Home, Progress, Question, Running, Stage, Torrent};
use crate::keep_alive::KeepAlive;
use crate::process::{HOST, Process, absence_of, free_port};

/// What its web page asks for in a list.
const OF_LIST: [&str; 24] = [
    "id",
    "addedDate",
    "error",
    "errorString",
    "eta",
    "hashString",
    "isFinished",
    "isStalled",
    "leftUntilDone",
    "metadataPercentComplete",
    "name",
    "peersConnected",
    "peersGettingFromUs",
    "peersSendingToUs",
    "percentDone",
    "queuePosition",
    "rateDownload",
    "rateUpload",
    "recheckProgress",
    "sizeWhenDone",
    "status",
    "totalSize",
    "uploadRatio",
    "uploadedEver",
];

/// What it asks for besides that for the one that is looked at.
const OF_ONE: [&str; 10] = [
    "activityDate",
    "comment",
    "corruptEver",
    "desiredAvailable",
    "downloadDir",
    "downloadedEver",
    "haveUnchecked",
    "haveValid",
    "pieceCount",
    "pieceSize",
];

pub(crate) struct Transmission;

impl Daemon for Transmission {
    fn name(&self) -> &'static str {
        "transmission"
    }

    fn absence(&self) -> Option<String> {
        absence_of("transmission-daemon")
    }

    fn start(&self, home: &Home<'_>) -> Result<Running> {
        let address = SocketAddr::new(HOST, free_port()?);
        let settings = json!({
            "dht-enabled": false,
            "download-dir": home.content,
            "download-queue-enabled": false,
            "idle-seeding-limit-enabled": false,
            "lpd-enabled": false,
            "message-level": 1,
            "peer-port": free_port()?,
            "pex-enabled": false,
            "port-forwarding-enabled": false,
            "ratio-limit-enabled": false,
            "rpc-authentication-required": false,
            "rpc-bind-address": address.ip().to_string(),
            "rpc-host-whitelist-enabled": false,
            "rpc-port": address.port(),
            "rpc-whitelist": "127.0.0.1",
            "seed-queue-enabled": false,
            "utp-enabled": false,
        });
        fs::write(home.state.join("settings.json"), settings.to_string())?;
        let mut command = Command::new("transmission-daemon");
        command.args(["--foreground", "--config-dir"]).arg(home.state);
        let process = Process::start("transmission-daemon", &mut command, home.state)?;
        let door = move || Ok(Box::new(Rpc::open("transmission", address, None)?) as Box<dyn Api>);
        Ok(Running { process, doors: vec![Box::new(door)] })
    }
}

/// The RPC, in its old dialect.
pub(super) struct Rpc {
    name: &'static str,
    http: KeepAlive,
    authorization: Option<String>,
    /// The value that it wants to see in every request, against forged ones from web pages.
    session: String,
}

impl Rpc {
    pub(super) fn open(
        name: &'static str,
        address: SocketAddr,
        authorization: Option<String>,
    ) -> Result<Self> {
        Ok(Self { name, http: KeepAlive::to(address)?, authorization, session: String::new() })
    }

    fn send(&mut self, method: &str, arguments: &Value) -> Result<bytes::Bytes> {
        const SESSION: &str = "X-Transmission-Session-Id";
        let body = json!({ "method": method, "arguments": arguments }).to_string();
        loop {
            let mut headers = vec![(SESSION, self.session.as_str()), ("Content-Type", "application/json")];
            headers.extend(self.authorization.as_deref().map(|value| ("Authorization", value)));
            let answer = self.http.ask("POST", "/transmission/rpc", &headers, body.clone())?;
            let session = answer.headers.get(SESSION).and_then(|value| value.to_str().ok());
            match session.filter(|session| answer.status.as_u16() == 409 && *session != self.session) {
                Some(session) => self.session = session.to_owned(),
                None => return answer.success(),
            }
        }
    }

    fn call(&mut self, method: &str, arguments: &Value) -> Result<Value> {
        let answer: Value = serde_json::from_slice(&self.send(method, arguments)?)?;
        ensure!(answer["result"] == "success", "{}: {method}: {answer}", self.name);
        Ok(answer["arguments"].clone())
    }
}

impl Api for Rpc {
    fn name(&self) -> &'static str {
        self.name
    }

    fn add(&mut self, torrents: &[Torrent]) -> Result<()> {
        for torrent in torrents {
            let metainfo = BASE64.encode(&torrent.metainfo);
            let arguments = json!({ "metainfo": metainfo, "download-dir": torrent.directory });
            self.call("torrent-add", &arguments)?;
        }
        Ok(())
    }

    fn remove(&mut self, hash: &str) -> Result<()> {
        self.call("torrent-remove", &json!({ "ids": [hash], "delete-local-data": true }))?;
        Ok(())
    }

    fn recheck(&mut self, hash: &str) -> Result<()> {
        self.call("torrent-verify", &json!({ "ids": [hash] }))?;
        Ok(())
    }

    fn progress(&mut self, hash: &str) -> Result<Option<Progress>> {
        let fields = ["status", "haveValid", "haveUnchecked"];
        let answer = self.call("torrent-get", &json!({ "ids": [hash], "fields": fields }))?;
        let Some(torrent) = answer["torrents"].get(0) else { return Ok(None) };
        let stage = match torrent["status"].as_u64().context("a status")? {
            1 | 2 => Stage::Checking,
            5 | 6 => Stage::Seeding,
            _ => Stage::Downloading,
        };
        let have = |key: &str| torrent[key].as_u64().context("bytes");
        Ok(Some(Progress { stage, have: have("haveValid")? + have("haveUnchecked")? }))
    }

    fn seeds(&mut self) -> Result<usize> {
        let answer = self.call("torrent-get", &json!({ "fields": ["status"] }))?;
        let torrents = answer["torrents"].as_array().context("a list")?;
        Ok(torrents.iter().filter(|torrent| torrent["status"] == 6).count())
    }

    fn ask(&mut self, question: Question<'_>) -> Result<usize> {
        let arguments = match question {
            Question::Status(hash) => {
                let fields = [&OF_LIST[..], &OF_ONE[..]].concat();
                json!({ "ids": [hash], "fields": fields })
            }
            // It neither sorts nor pages: whoever asks knows which torrents are on the page.
            Question::Page { hashes, .. } => json!({ "ids": hashes, "fields": OF_LIST }),
            Question::Changes => json!({ "ids": "recently-active", "fields": OF_LIST }),
            Question::Everything => json!({ "fields": OF_LIST }),
        };
        Ok(self.send("torrent-get", &arguments)?.len())
    }
}
