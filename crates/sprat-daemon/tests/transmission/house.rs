//! A service behind the interface, on a port of this machine.

use std::net::SocketAddr;

use axum::Router;
use serde_json::Value;
use sprat_daemon::Service;
use sprat_daemon::torrents::Summary;
use sprat_daemon::transmission::{Transmission, router};
use tokio::net::TcpListener;

use crate::service_under_test::Place;
use crate::wire::{Answer, Request, exchange};

pub(crate) struct House {
    pub(crate) place: Place,
    pub(crate) service: Service,
    pub(crate) address: SocketAddr,
    session_id: String,
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
        house.session_id = refusal.header("x-transmission-session-id").unwrap().to_owned();
        house
    }

    /// As it comes.
    pub(crate) async fn post(&self, body: &str) -> Answer {
        self.send("POST", body).await
    }

    pub(crate) async fn send(&self, method: &str, body: &str) -> Answer {
        let request = Request::new(method, "/transmission/rpc")
            .header("Host", "x")
            .header("X-Transmission-Session-Id", self.session_id.as_str())
            .body(body);
        exchange(self.address, &request.to_bytes()).await.unwrap()
    }

    /// One request, and its answer.
    pub(crate) async fn ask(&self, request: Value) -> Value {
        self.post(&request.to_string()).await.json()
    }

    /// A torrent as it stands in the list.
    pub(crate) fn one(&self, hash: &str) -> Summary {
        self.service.snapshot().by_hash(hash).unwrap().summary.clone()
    }

    /// As if it had never been told.
    pub(crate) fn forget_session_id(&mut self) {
        self.session_id = "0".to_owned();
    }
}
