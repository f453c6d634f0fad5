//! A service behind the interface, on a port of this machine.

use std::net::SocketAddr;

use axum::Router;
use serde_json::Value;
use sprat_daemon::Service;
use sprat_daemon::torrents::Summary;
use sprat_daemon::transmission::{Transmission, router};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::service_under_test::Place;

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
}

/// A line of the head.
pub(crate) fn header(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

impl House {
    /// As if it had never been told.
    pub(crate) fn forget_session_id(&mut self) {
        self.session_id = "0".to_owned();
    }
}
