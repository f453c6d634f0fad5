//! Requests to the daemon, and their answers.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::events::Events;
use super::failure::CallError;
use super::place::Place;
use super::wire;
use crate::cli::remote::DaemonAt;

/// The longest answer: a list of 100,000 torrents.
const LONGEST_ANSWER: usize = 128 << 20;

/// So long an answer may take: the daemon may have to fetch a torrent file from a slow server, or wait for a slow disk.
const PATIENCE: Duration = Duration::from_secs(120);

/// Who speaks to the daemon. Each request has a connection of its own: the daemon lets go of silent ones whenever it likes.
pub(crate) struct Caller {
    place: Place,
    authorization: HeaderValue,
}

impl Caller {
    /// To the daemon that the flags name. Calls nobody yet.
    pub(crate) fn find(at: &DaemonAt) -> anyhow::Result<Self> {
        let place = Place::find(at)?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", place.token.reveal()))?;
        authorization.set_sensitive(true);
        Ok(Self { place, authorization })
    }

    /// Whether the daemon is on this machine, and paths mean the same to it.
    pub(crate) fn is_here(&self) -> bool {
        self.place.address.is_here()
    }

    /// Where the daemon is, for people.
    pub(crate) fn address(&self) -> String {
        self.place.address.to_string()
    }

    /// Asks for something. `path` is below `/api/v1`, with its query.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let answer = self.exchange(Method::GET, path, None).await.and_then(|body| self.read(&body));
        answer.map_err(CallError::into_error)
    }

    /// Tells something, and reads the answer: for those to whom it matters why it is refused.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<T, CallError> {
        let body = self.exchange(method, path, Some(body)).await?;
        self.read(&body)
    }

    /// Tells something to which the answer is that it was done.
    pub(crate) async fn tell(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<()> {
        self.exchange(method, path, Some(body)).await.map(drop).map_err(CallError::into_error)
    }

    /// Opens a stream of events.
    pub(crate) async fn events(&self, path: &str) -> anyhow::Result<Events> {
        self.open(path).await.map_err(CallError::into_error)
    }

    async fn open(&self, path: &str) -> Result<Events, CallError> {
        let response = tokio::time::timeout(PATIENCE, self.send(Method::GET, path, None));
        let response = response.await.map_err(|_| self.answer_is("it does not answer"))??;
        if response.status() == StatusCode::OK {
            return Ok(Events::new(response.into_body(), self.place.address.clone()));
        }
        let (status, body) = self.collect(response).await?;
        Err(self.refusal(status, &body))
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Bytes, CallError> {
        let exchange = async { self.collect(self.send(method, path, body).await?).await };
        let answer = tokio::time::timeout(PATIENCE, exchange).await;
        let (status, body) = answer.map_err(|_| self.answer_is("it does not answer"))??;
        if status.is_success() { Ok(body) } else { Err(self.refusal(status, &body)) }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<Incoming>, CallError> {
        let address = &self.place.address;
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/api/v1{path}", address.prefix()))
            .header(HOST, address.authority())
            .header(AUTHORIZATION, self.authorization.clone())
            .header(ACCEPT, "application/json, text/event-stream");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request.body(Full::new(body)).map_err(|error| self.answer_is(error))?;
        let stream = wire::connect(address)
            .await
            .map_err(|error| CallError::Connect { address: address.clone(), error })?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.answer_is(error))?;
        // It ends with the request, or with the stream of events.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(|error| self.answer_is(error))
    }

    async fn collect(&self, response: Response<Incoming>) -> Result<(StatusCode, Bytes), CallError> {
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
        Ok((status, body.map_err(|error| self.answer_is(error))?.to_bytes()))
    }

    fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, CallError> {
        let read = serde_json::from_slice(body);
        read.map_err(|error| self.answer_is(format_args!("its answer cannot be understood: {error}")))
    }

    fn refusal(&self, status: StatusCode, body: &[u8]) -> CallError {
        CallError::of_answer(status, body, &self.place.address, &self.place.token_file)
    }

    fn answer_is(&self, reason: impl ToString) -> CallError {
        CallError::Answer { address: self.place.address.clone(), reason: reason.to_string() }
    }
}
