//! A whole daemon on this machine alone, with directories of its own, and somebody who asks it.
//!
//! Whoever has this needs the module `wire` as well.

#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use sprat_daemon::http::Inherited;
use sprat_daemon::notify::Supervisor;
use sprat_daemon::settings::Places;
use sprat_daemon::{Daemon, Options};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::wire::{Request, exchange};

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running daemon.
pub(crate) struct House {
    pub(crate) home: TempDir,
    pub(crate) address: SocketAddr,
    /// The owner's.
    pub(crate) token: String,
    daemon: Daemon,
}

/// An answer: `null` is no JSON.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl House {
    /// With more keys of `[api]`, and more sections of the configuration.
    pub(crate) async fn open(more: &str) -> Self {
        Self::open_at(tempfile::tempdir().unwrap(), more).await
    }

    async fn open_at(home: TempDir, more: &str) -> Self {
        let place = home.path().display();
        let settings = format!(
            "[paths]\nstate = \"{place}/state\"\ndownloads = \"{place}/downloads\"\n\
             [peers]\nport = 0\naddresses = [\"127.0.0.1\"]\ndht = false\nlsd = false\n\
             [api]\nlisten = [\"127.0.0.1:0\"]\n{more}"
        );
        let file = home.path().join("sprat.toml");
        std::fs::create_dir_all(home.path().join("downloads")).unwrap();
        std::fs::write(&file, settings).unwrap();
        let options = Options {
            file: Some(file),
            places: Places::of(|name| (name == "HOME").then(|| home.path().into())),
            inherited: Inherited::default(),
            supervisor: Supervisor::none(),
            journal: std::sync::Arc::default(),
            set_log_level: Box::new(|_| {}),
        };
        let daemon = Daemon::start(options).await.unwrap();
        let token = std::fs::read_to_string(daemon.token_file()).unwrap().trim().to_owned();
        Self { home, address: *daemon.addresses().first().unwrap(), token, daemon }
    }

    /// Stops the daemon, and starts it anew with what it has kept.
    pub(crate) async fn reopen(self, more: &str) -> Self {
        self.daemon.stop().await;
        Self::open_at(self.home, more).await
    }

    /// Runs until somebody ends it.
    pub(crate) async fn run(&self) {
        let (_reload, reloads) = tokio::sync::mpsc::channel(1);
        self.daemon.run(std::future::pending(), reloads).await;
    }

    /// Stops the daemon.
    pub(crate) async fn close(self) {
        self.daemon.stop().await;
    }

    /// A request with the owner's token.
    pub(crate) fn request(&self, method: &str, target: &str) -> Request {
        self.request_with(&self.token, method, target)
    }

    /// A request with a token.
    pub(crate) fn request_with(&self, token: &str, method: &str, target: &str) -> Request {
        Request::new(method, target)
            .header("Host", self.address.to_string())
            .header("Authorization", format!("Bearer {token}"))
    }

    /// Logs in with a token: the `Cookie` of the session.
    pub(crate) async fn log_in(&self, token: &str) -> String {
        let request = Request::new("POST", "/api/v1/login")
            .header("Host", self.address.to_string())
            .header("Origin", format!("http://{}", self.address))
            .header("Content-Type", "application/json")
            .body(serde_json::json!({"token": token}).to_string());
        let answer = exchange(self.address, &request.to_bytes()).await.unwrap();
        let cookie = answer.header("set-cookie").unwrap();
        assert!(cookie.contains("; HttpOnly; SameSite=Strict") && !cookie.contains(token), "{cookie}");
        cookie.split(';').next().unwrap().to_owned()
    }

    /// Makes a token: its id, and its secret.
    pub(crate) async fn make_token(&self, name: &str, access: &str) -> (String, String) {
        let wish = serde_json::json!({"name": name, "access": access});
        let made = self.tell("POST", "/tokens", wish).await;
        assert_eq!(made.status, 201, "{made:?}");
        let text = |key: &str| made.body[key].as_str().unwrap().to_owned();
        (text("id"), text("token"))
    }

    /// Sends a request.
    pub(crate) async fn send(&self, request: Request) -> Reply {
        let answer = timeout(PATIENCE, exchange(self.address, &request.to_bytes())).await;
        let answer = answer.expect("no answer in time").expect("no answer");
        Reply { status: answer.status, body: serde_json::from_str(&answer.body).unwrap_or_default() }
    }

    /// Asks for something below `/api/v1`.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let reply = self.send(self.request("GET", &format!("/api/v1{path}"))).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        reply.body
    }

    /// Tells something to do, below `/api/v1`.
    pub(crate) async fn tell(&self, method: &str, path: &str, body: Value) -> Reply {
        let request = self.request(method, &format!("/api/v1{path}"));
        let request = if body.is_null() {
            request
        } else {
            request.header("Content-Type", "application/json").body(body.to_string())
        };
        self.send(request).await
    }

    /// Asks again and again until the answer is like this.
    pub(crate) async fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let asking = async {
            loop {
                let value = self.get(path).await;
                if is_so(&value) {
                    return value;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("{path} does not become so"))
    }

    /// What happens from now on.
    pub(crate) async fn happenings(&self) -> Happenings {
        self.happenings_for(&self.token).await
    }

    /// What happens from now on, told to whoever has a token.
    pub(crate) async fn happenings_for(&self, token: &str) -> Happenings {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = self.request_with(token, "GET", "/api/v1/events");
        stream.write_all(&request.to_bytes()).await.unwrap();
        let mut happenings = Happenings { stream, text: String::new() };
        // The first event is the list as it is: from then on nothing is missed.
        happenings.line("data: ").await;
        happenings
    }
}

/// A stream of events that is read.
pub(crate) struct Happenings {
    stream: TcpStream,
    text: String,
}

impl Happenings {
    /// The next happening of a kind; what comes before it is passed over.
    pub(crate) async fn next(&mut self, kind: &str) -> Value {
        let reading = async {
            loop {
                let data = self.line("data: ").await;
                let value: Value = serde_json::from_str(&data).unwrap_or_default();
                if value["event"] == kind {
                    return value;
                }
            }
        };
        timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("{kind} does not happen"))
    }

    /// Reads until the stream ends.
    pub(crate) async fn ended(mut self) {
        let reading =
            async { while self.stream.read(&mut [0; 4096]).await.is_ok_and(|length| length > 0) {} };
        timeout(PATIENCE, reading).await.expect("the stream goes on");
    }

    /// What follows `start` in the next line that begins with it.
    async fn line(&mut self, start: &str) -> String {
        loop {
            while let Some((line, rest)) = self.text.split_once('\n') {
                let (found, rest) = (line.strip_prefix(start).map(str::to_owned), rest.to_owned());
                self.text = rest;
                if let Some(found) = found {
                    return found;
                }
            }
            let mut bytes = [0; 4096];
            let length = self.stream.read(&mut bytes).await.unwrap();
            assert_ne!(length, 0, "the stream of events has ended");
            self.text.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    }
}
