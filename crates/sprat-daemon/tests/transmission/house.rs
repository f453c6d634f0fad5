//! A service behind the interface, on a port of this machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Output;

use axum::Router;
use bytes::Bytes;
use serde_json::Value;
use sprat_daemon::Service;
use sprat_daemon::service::{NewTorrent, Source};
use sprat_daemon::torrents::{State, Summary};
use sprat_daemon::transmission::{Transmission, router};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::service_under_test::{Place, torrent_of, until_one};

pub(crate) struct House {
    pub(crate) place: Place,
    pub(crate) service: Service,
    pub(crate) address: SocketAddr,
    session_id: String,
}

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl House {
    /// Where nothing is fetched.
    pub(crate) async fn new() -> Self {
        Self::with(|around| around).await
    }

    pub(crate) async fn with(change: impl FnOnce(Transmission) -> Transmission) -> Self {
        let place = Place::new();
        let service = place.start().await;
        let router = router(change(Transmission::alone(service.clone()))).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().nest("/transmission", router);
        tokio::spawn(async move { axum::serve(listener, app).await });
        let mut house = Self { place, service, address, session_id: String::new() };
        let refusal = house.post("{}").await;
        assert_eq!(refusal.status, 409);
        house.session_id = header(&refusal.head, "x-transmission-session-id").unwrap();
        house
    }

    /// As it comes.
    pub(crate) async fn post(&self, body: &str) -> Reply {
        self.send("POST", body).await
    }

    pub(crate) async fn send(&self, method: &str, body: &str) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let (id, length) = (&self.session_id, body.len());
        let request = format!(
            "{method} /transmission/rpc HTTP/1.1\r\nHost: x\r\nX-Transmission-Session-Id: {id}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// One request, and its answer.
    pub(crate) async fn ask(&self, request: Value) -> Value {
        let reply = self.post(&request.to_string()).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        serde_json::from_str(&reply.body).unwrap()
    }

    /// A torrent as it stands in the list.
    pub(crate) fn one(&self, hash: &str) -> Summary {
        self.service.snapshot().by_hash(hash).unwrap().summary.clone()
    }

    /// Runs a program while the service goes on.
    pub(crate) async fn run(&self, program: PathBuf, arguments: Vec<String>) -> Output {
        let mut command = std::process::Command::new(program);
        command.args(arguments).env("LC_ALL", "C").env_remove("http_proxy").env_remove("all_proxy");
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
    }
}

/// A line of the head.
pub(crate) fn header(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

/// Three files, and a service that has them.
pub(crate) struct Album {
    /// Its files are there as long as this is.
    _place: Place,
    pub(crate) seeder: Service,
    pub(crate) file: Bytes,
    pub(crate) hash: String,
}

impl Album {
    pub(crate) async fn new() -> Self {
        let place = Place::new();
        let directory = place.downloads().join("album");
        std::fs::create_dir_all(directory.join("notes")).unwrap();
        for (name, length) in [("one.flac", 300_000), ("three.mp3", 50_000), ("notes/read me.txt", 1_000)] {
            let bytes: Vec<u8> = (0..length).map(|at: u32| (at * 7 + at / 251) as u8).collect();
            std::fs::write(directory.join(name), bytes).unwrap();
        }
        let file = torrent_of(&directory);
        let seeder = place.start().await;
        let new = NewTorrent { adopt: true, ..NewTorrent::new(Source::File(file.clone())) };
        let hash = seeder.add(new).await.unwrap().hash;
        until_one(&seeder, &hash, |one| one.state == State::Seeding && one.left == 0).await;
        Self { _place: place, seeder, file, hash }
    }

    /// Has a house know of the seeder.
    pub(crate) async fn introduce(&self, house: &House) {
        let torrent = house.service.find(&self.hash).unwrap();
        let address = format!("127.0.0.1:{}", self.seeder.client().port()).parse().unwrap();
        let add = move |session: &mut sprat_core::Session, now| session.add_peers(now, torrent, &[address]);
        house.service.client().with(add).await.unwrap();
    }
}

/// Says that a test cannot be run here, which is a failure if it must be.
pub(crate) fn skip(missing: &str) {
    let must = std::env::var_os("SPRAT_INTEROP").is_some_and(|value| value == "require");
    assert!(!must, "{missing} is missing");
    println!("skipped: {missing} is missing (cargo xtask install-clients)");
}

impl House {
    /// As if it had never been told.
    pub(crate) fn forget_session_id(&mut self) {
        self.session_id = "0".to_owned();
    }
}
