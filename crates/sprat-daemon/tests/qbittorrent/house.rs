//! A service behind the interface and the gate, on a port of this machine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use sprat_daemon::Service;
use sprat_daemon::access::{Access, Gate, GateConfig, SessionLife, Tokens};
use sprat_daemon::http::{Proxies, Server, ServerLimits, bind};
use sprat_daemon::qbittorrent::{QBittorrent, router};
use sprat_daemon::settings::ListenAddress;
use sprat_daemon::torrents::Summary;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::service_under_test::Place;

pub(crate) struct House {
    pub(crate) place: Place,
    pub(crate) service: Service,
    pub(crate) gate: Arc<Gate>,
    pub(crate) address: SocketAddr,
    /// The owner's.
    pub(crate) token: String,
    /// What the settings were to be.
    /// Serves as long as this is there.
    _stop: watch::Sender<bool>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Reply {
    /// A line of the head.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(|around| around).await
    }

    pub(crate) async fn with(change: impl FnOnce(QBittorrent) -> QBittorrent) -> Self {
        let place = Place::new();
        let service = place.start().await;
        let tokens = Tokens::open(place.home.path(), service.ledger().clone()).unwrap();
        let token = std::fs::read_to_string(Tokens::file(place.home.path())).unwrap().trim().to_owned();
        let day = Duration::from_secs(86_400);
        let config = GateConfig {
            hosts: Vec::new(),
            proxies: Proxies::default(),
            session_life: SessionLife { idle: day, whole: day },
        };
        let gate = Arc::new(Gate::new(config, tokens).unwrap());
        let around = QBittorrent::alone(service.clone(), Arc::clone(&gate));
        let listen: ListenAddress = serde_json::from_value("127.0.0.1:0".into()).unwrap();
        let server =
            Server::new(bind(&[listen]).await.unwrap(), None, Proxies::default(), ServerLimits::default());
        let address = server.addresses()[0];
        let (stop, stopping) = watch::channel(false);
        let app = Router::new().nest("/api/v2", router(change(around)));
        tokio::spawn(server.serve(app, stopping));
        Self { place, service, gate, address, token, _stop: stop }
    }

    /// As it comes: an endpoint, lines of the head, and a body.
    pub(crate) async fn send(&self, method: &str, endpoint: &str, head: &[&str], body: &[u8]) -> Reply {
        exchange(self.address, method, &format!("/api/v2/{endpoint}"), head, body).await
    }

    fn authorization(&self) -> String {
        format!("Authorization: Bearer {}", self.token)
    }

    /// The owner asks, without a session.
    pub(crate) async fn get(&self, endpoint: &str) -> Reply {
        self.send("GET", endpoint, &[&self.authorization()], b"").await
    }

    /// The owner sends a form.
    pub(crate) async fn post(&self, endpoint: &str, fields: &[(&str, &str)]) -> Reply {
        let kind = "Content-Type: application/x-www-form-urlencoded";
        self.send("POST", endpoint, &[&self.authorization(), kind], form(fields).as_bytes()).await
    }

    /// Sends a torrent file, and fields beside it.
    pub(crate) async fn add(&self, file: &[u8], fields: &[(&str, &str)]) -> Reply {
        let mut body = Vec::new();
        for (name, value) in fields {
            body.extend(
                format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
            );
        }
        body.extend(b"--x\r\nContent-Disposition: form-data; name=\"torrents\"; filename=\"a.torrent\"\r\n");
        body.extend(b"Content-Type: application/x-bittorrent\r\n\r\n");
        body.extend(file);
        body.extend(b"\r\n--x--\r\n");
        let kind = "Content-Type: multipart/form-data; boundary=x";
        self.send("POST", "torrents/add", &[&self.authorization(), kind], &body).await
    }

    /// It is done.
    pub(crate) async fn does(&self, endpoint: &str, fields: &[(&str, &str)]) {
        let reply = self.post(endpoint, fields).await;
        assert_eq!(reply.status, 200, "{endpoint} {fields:?}: {}", reply.body);
    }

    /// A token that allows to look.
    pub(crate) async fn read_only_token(&self) -> String {
        self.gate.tokens().create("look", Access::ReadOnly).await.unwrap().1.reveal()
    }

    /// A torrent as it stands in the list.
    pub(crate) fn one(&self, hash: &str) -> Summary {
        self.service.snapshot().by_hash(hash).unwrap().summary.clone()
    }
}

/// As programs send it.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    fields.join("&")
}

/// One request on a connection of its own.
pub(crate) async fn exchange(
    address: SocketAddr,
    method: &str,
    target: &str,
    head: &[&str],
    body: &[u8],
) -> Reply {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut request = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
    if !head.iter().any(|line| line.starts_with("Host: ")) {
        request += &format!("Host: {address}\r\n");
    }
    for line in head {
        request += &format!("{line}\r\n");
    }
    if method == "POST" {
        request += &format!("Content-Length: {}\r\n", body.len());
    }
    stream.write_all(&[(request + "\r\n").as_bytes(), body].concat()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head: head.to_owned(), body: body.to_owned() }
}
