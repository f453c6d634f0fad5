//! qbittorrent-nox, asked through its Web API.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Api, Daemon, Home, Progress, Question, Running, Stage, Torrent};
use crate::keep_alive::KeepAlive;
use crate::process::{HOST, Process, absence_of, free_port};

/// Between the parts of a form. It is in none of them: they are bencoded, or paths.
const BOUNDARY: &str = "----a-part-of-a-form-of-the-benchmark";

/// Torrents in one request.
const AT_ONCE: usize = 50;

pub(crate) struct Qbittorrent;

impl Daemon for Qbittorrent {
    fn name(&self) -> &'static str {
        "qbittorrent"
    }

    fn absence(&self) -> Option<String> {
        absence_of("qbittorrent-nox")
    }

    fn start(&self, home: &Home<'_>) -> Result<Running> {
        let address = SocketAddr::new(HOST, free_port()?);
        let settings = format!(
            "[LegalNotice]\nAccepted=true\n\n\
             [BitTorrent]\nSession\\DHTEnabled=false\nSession\\LSDEnabled=false\nSession\\PeXEnabled=false\n\
             Session\\BTProtocol=TCP\nSession\\Port={}\nSession\\QueueingSystemEnabled=false\n\
             Session\\MaxActiveCheckingTorrents=4\nSession\\MultiConnectionsPerIp=true\n\
             Session\\SSRFMitigation=false\nSession\\DefaultSavePath={}\n\n\
             [Preferences]\nWebUI\\Address={}\nWebUI\\Port={}\nWebUI\\LocalHostAuth=false\n\
             WebUI\\CSRFProtection=false\nWebUI\\HostHeaderValidation=false\n",
            free_port()?,
            home.content.display(),
            address.ip(),
            address.port(),
        );
        let directory = home.state.join("qBittorrent/config");
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("qBittorrent.conf"), settings)?;
        let mut command = Command::new("qbittorrent-nox");
        command.arg(format!("--profile={}", home.state.display()));
        let process = Process::start("qbittorrent-nox", &mut command, home.state)?;
        let door = move || Ok(Box::new(WebApi::open(address)?) as Box<dyn Api>);
        Ok(Running { process, doors: vec![Box::new(door)] })
    }
}

/// `/api/v2`.
struct WebApi {
    http: KeepAlive,
    /// The number of the last answer about changes.
    changes: u64,
}

impl WebApi {
    fn open(address: SocketAddr) -> Result<Self> {
        Ok(Self { http: KeepAlive::to(address)?, changes: 0 })
    }

    fn get(&mut self, path: &str) -> Result<bytes::Bytes> {
        self.http.ask("GET", &format!("/api/v2/{path}"), &[], "")?.success()
    }

    fn list(&mut self, filter: &str) -> Result<Vec<Value>> {
        let list: Value = serde_json::from_slice(&self.get(&format!("torrents/info?{filter}"))?)?;
        Ok(list.as_array().context("a list")?.clone())
    }

    fn post(&mut self, path: &str, form: String) -> Result<()> {
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        self.http.ask("POST", &format!("/api/v2/{path}"), &headers, form)?.success()?;
        Ok(())
    }

    /// Those that lie in one directory.
    fn add_together(&mut self, torrents: &[Torrent]) -> Result<()> {
        let mut form = Vec::new();
        let mut part = |head: &str, value: &[u8]| {
            form.extend(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n").bytes());
            form.extend(value);
            form.extend(b"\r\n");
        };
        for torrent in torrents {
            let head = format!(
                "name=\"torrents\"; filename=\"{}.torrent\"\r\nContent-Type: application/x-bittorrent",
                torrent.hash
            );
            part(&head, &torrent.metainfo);
        }
        if let Some(torrent) = torrents.first() {
            part("name=\"savepath\"", torrent.directory.display().to_string().as_bytes());
        }
        form.extend(format!("--{BOUNDARY}--\r\n").bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let headers = [("Content-Type", kind.as_str())];
        let answer = self.http.ask("POST", "/api/v2/torrents/add", &headers, form)?.success()?;
        ensure!(answer.starts_with(b"Ok"), "qbittorrent: {}", String::from_utf8_lossy(&answer));
        Ok(())
    }
}

impl Api for WebApi {
    fn name(&self) -> &'static str {
        "qbittorrent"
    }

    fn add(&mut self, torrents: &[Torrent]) -> Result<()> {
        for alike in torrents.chunk_by(|one, other| one.directory == other.directory) {
            for some in alike.chunks(AT_ONCE) {
                self.add_together(some)?;
            }
        }
        Ok(())
    }

    fn remove(&mut self, hash: &str) -> Result<()> {
        self.post("torrents/delete", format!("hashes={hash}&deleteFiles=true"))
    }

    fn recheck(&mut self, hash: &str) -> Result<()> {
        self.post("torrents/recheck", format!("hashes={hash}"))
    }

    fn progress(&mut self, hash: &str) -> Result<Option<Progress>> {
        let list = self.list(&format!("hashes={hash}"))?;
        let Some(torrent) = list.first() else { return Ok(None) };
        let stage = match torrent["state"].as_str().context("a state")? {
            "checkingUP" | "checkingDL" | "checkingResumeData" => Stage::Checking,
            "uploading" | "stalledUP" | "forcedUP" | "queuedUP" => Stage::Seeding,
            _ => Stage::Downloading,
        };
        Ok(Some(Progress { stage, have: torrent["completed"].as_u64().context("bytes")? }))
    }

    fn seeds(&mut self) -> Result<usize> {
        let list = self.list("filter=completed")?;
        Ok(list.iter().filter(|torrent| torrent["state"] == "stalledUP").count())
    }

    fn ask(&mut self, question: Question<'_>) -> Result<usize> {
        let path = match question {
            Question::Status(hash) => format!("torrents/properties?hash={hash}"),
            Question::Page { offset, hashes } => {
                format!("torrents/info?sort=name&offset={offset}&limit={}", hashes.len())
            }
            Question::Changes => format!("sync/maindata?rid={}", self.changes),
            Question::Everything => "torrents/info?sort=name".to_owned(),
        };
        let body = self.get(&path)?;
        if matches!(question, Question::Changes) {
            let changes: Value = serde_json::from_slice(&body)?;
            self.changes = changes["rid"].as_u64().context("a number")?;
        }
        Ok(body.len())
    }
}
