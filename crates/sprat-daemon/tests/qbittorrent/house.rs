//! A service behind the interface and the gate, on a port of this machine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sprat_daemon::Service;
use sprat_daemon::access::{Access, Gate, GateConfig, SessionLife, Tokens};
use sprat_daemon::http::{Proxies, Server, ServerLimits, bind};
use sprat_daemon::qbittorrent::{QBittorrent, router};
use sprat_daemon::settings::ListenAddress;
use sprat_daemon::torrents::Summary;
use tokio::sync::watch;

use crate::service_under_test::Place;
use crate::wire::{Answer, Request, exchange};

/// Of what [`form`] makes.
pub(crate) const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

pub(crate) struct House {
    pub(crate) place: Place,
    pub(crate) service: Service,
    pub(crate) gate: Arc<Gate>,
    pub(crate) address: SocketAddr,
    /// The owner's.
    pub(crate) token: String,
    /// Serves as long as this is there.
    _stop: watch::Sender<bool>,
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

    /// As it comes: an endpoint, the head, and a body.
    pub(crate) async fn send(
        &self,
        method: &str,
        endpoint: &str,
        head: &[(&'static str, &str)],
        body: &[u8],
    ) -> Answer {
        ask(self.address, method, endpoint, head, body).await
    }

    /// The owner's.
    async fn send_as_owner(
        &self,
        method: &str,
        endpoint: &str,
        head: &[(&'static str, &str)],
        body: &[u8],
    ) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        self.send(method, endpoint, &[&[("Authorization", bearer.as_str())], head].concat(), body).await
    }

    /// The owner asks, without a session.
    pub(crate) async fn get(&self, endpoint: &str) -> Answer {
        self.send_as_owner("GET", endpoint, &[], b"").await
    }

    /// The owner sends a form.
    pub(crate) async fn post(&self, endpoint: &str, fields: &[(&str, &str)]) -> Answer {
        self.send_as_owner("POST", endpoint, &[FORM], form(fields).as_bytes()).await
    }

    /// Sends a torrent file, and fields beside it.
    pub(crate) async fn add(&self, file: &[u8], fields: &[(&str, &str)]) -> Answer {
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
        let kind = ("Content-Type", "multipart/form-data; boundary=x");
        self.send_as_owner("POST", "torrents/add", &[kind], &body).await
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

/// A request for an endpoint: its head but for the host, which can be another one, and its body.
pub(crate) async fn ask(
    address: SocketAddr,
    method: &str,
    endpoint: &str,
    head: &[(&'static str, &str)],
    body: &[u8],
) -> Answer {
    let mut request = Request::new(method, &format!("/api/v2/{endpoint}")).body(body);
    if !head.iter().any(|(name, _)| *name == "Host") {
        request = request.header("Host", address.to_string());
    }
    if method == "POST" && body.is_empty() {
        request = request.header("Content-Length", "0");
    }
    for (name, value) in head {
        request = request.header(name, *value);
    }
    exchange(address, &request.to_bytes()).await.unwrap()
}
