//! Notifications: each event is posted as JSON to the URLs that want it.
//!
//! A hook is set by the administrator, who may also reach services in the same house with it. Its URL is therefore
//! judged as one that the user named ([`Origin::User`]): this machine and private addresses are open, link-local ones,
//! where clouds keep keys, are not, and redirects are not followed. No program is ever started.
//!
//! Each hook has a task and a short queue of its own, so one that hangs delays no other. Events reach it in order, at
//! least once: what was received and not acknowledged comes again with the same `id`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::header::{self, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use sprat_engine::address_policy::Origin;
use sprat_engine::http::{HttpClient, HttpError, HttpRequest, Limits, RedactedUrl};
use sprat_engine::resolve::ResolveError;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::clock;
use utoipa::ToSchema;

/// Events that wait for one hook. More than these are dropped, the newest first, and counted.
const MAX_WAITING: usize = 256;

/// What a hook answers is not looked at, and need not be long.
const LIMITS: Limits = Limits { body_length: 64 * 1024, time: Duration::from_secs(30) };

/// The pauses before an event is sent again: a quarter of an hour, for a service that is being restarted.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(4 * 60),
    Duration::from_secs(10 * 60),
];

const SIGNATURE: HeaderName = HeaderName::from_static("x-sprat-signature-256");
const EVENT: HeaderName = HeaderName::from_static("x-sprat-event");

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A torrent was added.
    Added,
    /// The metadata of a magnet link was fetched.
    Metadata,
    /// All that is wanted of a torrent is there.
    Finished,
    /// A torrent was removed.
    Removed,
    /// A torrent or the daemon needs somebody's attention.
    Trouble,
    /// A rule has found something in a feed.
    FeedMatch,
    /// Somebody tries the hook.
    Test,
}

impl EventKind {
    /// As it stands in the JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Metadata => "metadata",
            Self::Finished => "finished",
            Self::Removed => "removed",
            Self::Trouble => "trouble",
            Self::FeedMatch => "feed_match",
            Self::Test => "test",
        }
    }
}

/// Where to, and what.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookConfig {
    /// An `http` or `https` URL. May hold a key.
    pub url: String,
    /// What requests are signed with: `X-Sprat-Signature-256: sha256=` and the HMAC-SHA256 of the body in hexadecimal.
    #[serde(default)]
    pub secret: Option<String>,
    /// The kinds of events that it wants; all if there is none.
    #[serde(default)]
    pub events: BTreeSet<EventKind>,
    /// Gets nothing.
    #[serde(default)]
    pub paused: bool,
}

impl fmt::Debug for HookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookConfig")
            .field("url", &RedactedUrl::parse(&self.url))
            .field("is_signed", &self.secret.is_some())
            .field("events", &self.events)
            .field("paused", &self.paused)
            .finish()
    }
}

/// How a hook is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct HookStatus {
    /// Events that were accepted.
    pub delivered: u64,
    /// Events that were given up.
    pub failed: u64,
    /// Events for which there was no room.
    pub dropped: u64,
    /// Events that wait, with the one that is being sent.
    pub waiting: usize,
    /// When an event was last accepted, by the clock on the wall.
    pub last_delivery: Option<Timestamp>,
    /// Why the last attempt failed; `None` if it did not.
    pub last_error: Option<String>,
}

/// All hooks, by the names that their users gave them.
#[derive(Debug)]
pub struct Webhooks {
    http: HttpClient,
    pauses: Vec<Duration>,
    hooks: BTreeMap<String, Hook>,
    /// Unlike that of any other run, so that no two events ever have the same id.
    run: String,
    sent: u64,
}

#[derive(Debug)]
struct Hook {
    config: HookConfig,
    queue: mpsc::Sender<Delivery>,
    status: Arc<Mutex<HookStatus>>,
    /// Ends when the hook is dropped, whatever it is doing.
    _task: JoinSet<()>,
}

#[derive(Debug, Clone)]
struct Delivery {
    kind: EventKind,
    body: Bytes,
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    event: EventKind,
    at: Timestamp,
    data: &'a serde_json::Value,
}

impl Webhooks {
    /// No hooks yet. They are reached by `http`.
    #[must_use]
    pub fn new(http: HttpClient) -> Self {
        Self::with_pauses(http, PAUSES.to_vec())
    }

    /// The same, with other pauses before an event is sent again.
    #[must_use]
    pub fn with_pauses(http: HttpClient, pauses: Vec<Duration>) -> Self {
        let mut run = [0; 8];
        // Without randomness ids may repeat those of another run, which a receiver at worst takes for a repetition.
        let _ = getrandom::fill(&mut run);
        Self { http, pauses, hooks: BTreeMap::new(), run: HEXLOWER.encode(&run), sent: 0 }
    }

    /// Makes a hook, or changes the one with this name, which then forgets what waits. Within a Tokio runtime only.
    pub fn set(&mut self, name: &str, config: HookConfig) {
        let (queue, deliveries) = mpsc::channel(MAX_WAITING);
        let status = Arc::new(Mutex::new(HookStatus::default()));
        let postman = Postman {
            name: name.to_owned(),
            http: self.http.clone(),
            pauses: self.pauses.clone(),
            config: config.clone(),
            status: Arc::clone(&status),
        };
        let mut task = JoinSet::new();
        task.spawn(postman.run(deliveries));
        self.hooks.insert(name.to_owned(), Hook { config, queue, status, _task: task });
    }

    /// Forgets a hook and what waits for it. Whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.hooks.remove(name).is_some()
    }

    /// Sends an event to all hooks that want it. Never waits.
    pub fn notify(&mut self, kind: EventKind, data: &serde_json::Value) {
        let delivery = self.delivery(kind, data);
        for hook in self.hooks.values() {
            let wants = hook.config.events.is_empty() || hook.config.events.contains(&kind);
            if wants && !hook.config.paused {
                hook.post(delivery.clone());
            }
        }
    }

    /// Sends a [test](EventKind::Test) to one hook, paused or not. Whether there is one.
    pub fn test(&mut self, name: &str) -> bool {
        let delivery = self.delivery(EventKind::Test, &serde_json::Value::Null);
        self.hooks.get(name).map(|hook| hook.post(delivery)).is_some()
    }

    /// All hooks with their names.
    pub fn hooks(&self) -> impl Iterator<Item = (&str, &HookConfig, HookStatus)> {
        self.hooks.iter().map(|(name, hook)| (name.as_str(), &hook.config, lock(&hook.status).clone()))
    }

    fn delivery(&mut self, event: EventKind, data: &serde_json::Value) -> Delivery {
        self.sent += 1;
        let id = format!("{}-{}", self.run, self.sent);
        let body = serde_json::json!(Body { id: &id, event, at: clock::now(), data });
        Delivery { kind: event, body: body.to_string().into() }
    }
}

impl Hook {
    fn post(&self, delivery: Delivery) {
        let mut status = lock(&self.status);
        match self.queue.try_send(delivery) {
            Ok(()) => status.waiting += 1,
            Err(_) => status.dropped += 1,
        }
    }
}

fn lock(status: &Mutex<HookStatus>) -> MutexGuard<'_, HookStatus> {
    status.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Brings the events to one hook.
struct Postman {
    name: String,
    http: HttpClient,
    pauses: Vec<Duration>,
    config: HookConfig,
    status: Arc<Mutex<HookStatus>>,
}

/// Why a hook has not taken an event.
struct Failure {
    reason: String,
    /// Another attempt may end otherwise.
    may_pass: bool,
}

impl Postman {
    async fn run(self, mut deliveries: mpsc::Receiver<Delivery>) {
        while let Some(delivery) = deliveries.recv().await {
            let delivered = self.deliver(&delivery).await;
            let mut status = lock(&self.status);
            status.waiting = status.waiting.saturating_sub(1);
            if delivered {
                status.delivered += 1;
                status.last_delivery = Some(clock::now());
                status.last_error = None;
            } else {
                status.failed += 1;
            }
        }
    }

    async fn deliver(&self, delivery: &Delivery) -> bool {
        let mut pauses = self.pauses.iter();
        loop {
            let Err(failure) = self.attempt(delivery).await else { return true };
            tracing::info!(hook = self.name, reason = failure.reason, "could not notify");
            lock(&self.status).last_error = Some(failure.reason);
            match pauses.next().filter(|_| failure.may_pass) {
                Some(pause) => sleep(*pause).await,
                None => return false,
            }
        }
    }

    async fn attempt(&self, delivery: &Delivery) -> Result<(), Failure> {
        let mut request = HttpRequest { body: Some(delivery.body.clone()), ..HttpRequest::default() };
        request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.headers.insert(EVENT, HeaderValue::from_static(delivery.kind.name()));
        if let Some(secret) = &self.config.secret {
            request.headers.insert(SIGNATURE, signature(secret, &delivery.body)?);
        }
        let response =
            self.http.send(&self.config.url, request, LIMITS, Origin::User).await.map_err(Failure::of)?;
        match response.status {
            200..=299 => Ok(()),
            status => Err(Failure {
                reason: format!("answered with status {status}"),
                may_pass: matches!(status, 408 | 425 | 429 | 500..),
            }),
        }
    }
}

impl Failure {
    fn of(error: HttpError) -> Self {
        let may_pass = !matches!(error, HttpError::Url(_) | HttpError::Resolve(ResolveError::Refused(_)));
        Self { reason: error.to_string(), may_pass }
    }
}

fn signature(secret: &str, body: &[u8]) -> Result<HeaderValue, Failure> {
    // Neither can be: keys may have any length, and hexadecimal digits any place in a header.
    let impossible = || Failure { reason: "could not sign".to_owned(), may_pass: false };
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| impossible())?;
    mac.update(body);
    let digits = HEXLOWER.encode(&mac.finalize().into_bytes());
    HeaderValue::from_str(&format!("sha256={digits}")).map_err(|_| impossible())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_rfc_4231() {
        let Ok(value) = signature("Jefe", b"what do ya want for nothing?") else { panic!() };
        assert_eq!(value, "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_kind_is_called_the_same_everywhere() {
        use EventKind::{Added, FeedMatch, Finished, Metadata, Removed, Test, Trouble};
        for kind in [Added, Metadata, Finished, Removed, Trouble, FeedMatch, Test] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }

    #[test]
    fn keys_do_not_reach_logs() {
        let config = HookConfig {
            url: "https://a.example/0key0".to_owned(),
            secret: Some("0key0".to_owned()),
            events: BTreeSet::new(),
            paused: false,
        };
        assert!(!format!("{config:?}").contains("0key0"));
    }
}
