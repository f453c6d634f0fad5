//! What the interface stands on, and what it remembers.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use futures_util::future::BoxFuture;

use super::memory::Memory;
use crate::fetch::Fetcher;
use crate::service::{Choices, Service, Source};

/// Gets what a URL leads to; an error is for a person.
pub type Fetch = Arc<dyn Fn(String) -> BoxFuture<'static, Result<Source, String>> + Send + Sync>;

/// With the daemon's fetcher.
#[must_use]
pub fn fetching(fetcher: Fetcher) -> Fetch {
    Arc::new(move |url| {
        let fetcher = fetcher.clone();
        Box::pin(
            async move { fetcher.torrent(&url).await.map(Source::from).map_err(|error| error.to_string()) },
        )
    })
}

/// Applies choices, and keeps them; an error is for a person.
pub type Choose = Arc<dyn Fn(Choices) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Ends the daemon, soon.
pub type Close = Arc<dyn Fn() + Send + Sync>;

/// What the interface needs from the daemon around it.
#[derive(Clone)]
pub struct Transmission {
    /// The torrents.
    pub service: Service,
    /// For `torrent-add` with a URL.
    pub fetch: Fetch,
    /// For `session-set`.
    pub choose: Choose,
    /// For `session-close`.
    pub close: Close,
    /// Where everything is kept that outlives the daemon, to be told.
    pub state: PathBuf,
}

impl Transmission {
    /// With nobody around: nothing is fetched, what is chosen ends with the daemon, and that is not ended from here.
    #[must_use]
    pub fn alone(service: Service) -> Self {
        let chooser = service.clone();
        Self {
            service,
            fetch: Arc::new(|_| Box::pin(async { Err("nothing is fetched here".to_owned()) })),
            choose: Arc::new(move |choices| {
                let service = chooser.clone();
                Box::pin(async move { service.choose(choices).await.map_err(|ended| ended.to_string()) })
            }),
            close: Arc::new(|| ()),
            state: PathBuf::new(),
        }
    }
}

impl fmt::Debug for Transmission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transmission").finish_non_exhaustive()
    }
}

/// What every method can use.
#[derive(Debug)]
pub(super) struct Rpc {
    /// The torrents.
    pub(super) service: Service,
    /// The daemon around.
    pub(super) around: Transmission,
    /// What a client must repeat: a page of somebody else's cannot read it.
    pub(super) session_id: String,
    /// Limits that do not hold.
    pub(super) memory: Memory,
}

impl Rpc {
    /// With a new session id, which nobody can guess. `None`: the system has no random bytes.
    pub(super) fn new(around: Transmission) -> Option<Self> {
        let mut bytes = [0; 36];
        getrandom::fill(&mut bytes).ok()?;
        Some(Self {
            service: around.service.clone(),
            around,
            session_id: BASE64URL_NOPAD.encode(&bytes),
            memory: Memory::default(),
        })
    }
}
