//! The one door to the torrents, for every interface: what is asked here is answered from memory or by the engine's client, and
//! never waits for a disk that somebody else waits for.
//!
//! Two things are held: the engine's [`Client`], and behind a lock that nobody keeps while waiting, what the daemon itself knows of each
//! torrent. Once a second, and when something happens, `keeping` compares the two, puts what has changed on the
//! [board](crate::torrents::Board), and lets the policies (queue, seeding limits) decide.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sprat_core::storage::TorrentId;
use sprat_engine::address_policy::AddressPolicy;
use sprat_engine::client::{Client, ClientConfig, Ended, Home, StartError};
use sprat_engine::ledger::{Ledger, LedgerHandle};
use sprat_engine::shelf::Shelf;
use sprat_engine::state::StateError;
use thiserror::Error;
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinHandle;

use crate::labels::Labels;
use crate::state::State;
use crate::statistics::Statistics;
use crate::torrents::{Delta, Recent, Snapshot};

mod adding;
mod changing;
mod choices;
mod completing;
mod deciding;
mod details;
mod editing;
mod events;
mod happenings;
mod inspecting;
mod keeping;
mod known;
mod laying_out;
mod moving;
mod queueing;
mod reading;
mod recording;

pub use adding::{AddError, Added, NewTorrent, Source};
pub use changing::{Action, Change, ChangeError};
pub use choices::{Choices, Fixed};
pub use details::{
    FileDescription, FileDetails, PeerDetails, PeerOrigin, Pieces, Priority, TorrentDetails, TrackerDetails,
    TrackerWord, urls_by_tier,
};
pub use happenings::{Happening, HappeningKind};
pub use inspecting::InspectError;
pub use moving::MoveError;

use known::{Known, Torrent};

/// What happens is kept for a listener that is slow; it is told how much it has missed.
const HAPPENINGS: usize = 1024;

/// What a service is made from.
#[derive(Debug)]
pub struct ServiceConfig {
    /// The engine's client. Its list of torrents is put into `state`.
    pub client: ClientConfig,
    /// Where everything is kept that outlives the daemon.
    pub state: State,
    /// What may change while it runs.
    pub choices: Choices,
}

/// Why a service did not start.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// The state cannot be read.
    #[error("cannot read the state: {0}")]
    State(#[from] StateError),
    /// No thread.
    #[error("cannot start: {0}")]
    Thread(#[from] io::Error),
    /// The client.
    #[error(transparent)]
    Client(#[from] StartError),
    /// It has ended at once.
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// An address that a stranger could not have us call either: who may use the interfaces may not look around in our network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} is not in the public network, and others are not allowed (addresses.allow_private)")]
pub struct PrivateAddress(pub SocketAddr);

/// A running service: cheap to clone, and the same one.
#[derive(Debug, Clone)]
pub struct Service(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    epoch: Instant,
    ledger: LedgerHandle,
    shelf: Shelf,
    /// Whom to contact on the word of strangers.
    policy: Arc<AddressPolicy>,
    known: Mutex<Known>,
    /// Held from asking the engine until the answer is in `known`: an older answer must not come after a newer one.
    reading: tokio::sync::Mutex<()>,
    /// The same for records, from `known` to the engine.
    writing: tokio::sync::Mutex<()>,
    choices: Mutex<Choices>,
    fixed: Fixed,
    labels: Mutex<Labels>,
    statistics: Mutex<Statistics>,
    published: watch::Sender<Arc<Snapshot>>,
    recent: Mutex<Recent>,
    happenings: broadcast::Sender<Arc<Happening>>,
    /// Something has changed: the next look is to come soon.
    nudge: Notify,
    damages: Vec<String>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    /// Ends after the client has, which writes to it.
    state: Mutex<Option<Ledger>>,
}

/// As long as this is held, nobody else gets further: for moments only, never while waiting.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    /// Takes up everything that was there when the last one ended. To be called within a runtime of tokio.
    pub async fn start(config: ServiceConfig) -> Result<Self, ServiceError> {
        let ServiceConfig { mut client, state, choices } = config;
        let fixed = Fixed {
            connections: client.session.connections,
            connections_per_torrent: client.session.connections_per_torrent,
            pex: client.session.pex,
            dht: client.dht.is_some(),
            lsd: client.lsd,
        };
        let State { ledger, shelf, damages } = state;
        let handle = ledger.handle();
        client.session.limits = choices.limits_now();
        client.storage.ledger = Some(handle.clone());
        client.home = Some(Home { ledger: handle.clone(), shelf: shelf.clone() });
        let policy = Arc::clone(&client.policy);
        let reading = handle.clone();
        let kept = tokio::task::spawn_blocking(move || {
            Ok::<_, StateError>((Labels::read(&reading)?, Statistics::read(&reading)?))
        });
        let (labels, statistics) = kept.await.map_err(io::Error::other)??;
        let client =
            tokio::task::spawn_blocking(move || Client::start(client)).await.map_err(io::Error::other)??;
        let events = client.events();
        let known = Known::take_up(client.list().await?, statistics.all().seconds);
        let (published, _) = watch::channel(Arc::new(known.board.snapshot()));
        let damages = damages
            .into_iter()
            .chain(client.unreadable().iter().map(|one| format!("{}: {}", one.name, one.error)));
        let inner = Inner {
            damages: damages.collect(),
            epoch: Instant::now(),
            client,
            ledger: handle,
            shelf,
            policy,
            known: Mutex::new(known),
            reading: tokio::sync::Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            choices: Mutex::new(choices),
            fixed,
            labels: Mutex::new(labels),
            statistics: Mutex::new(statistics),
            published,
            recent: Mutex::default(),
            happenings: broadcast::channel(HAPPENINGS).0,
            nudge: Notify::new(),
            tasks: Mutex::default(),
            state: Mutex::new(Some(ledger)),
        };
        let service = Self(Arc::new(inner));
        service.look().await?;
        let keeper = tokio::spawn(keeping::keep(service.clone(), events));
        hold(&service.0.tasks).push(keeper);
        Ok(service)
    }

    /// Tells trackers, writes down what was counted, and ends the client: five seconds at the most.
    pub async fn stop(&self) {
        for task in std::mem::take(&mut *hold(&self.0.tasks)) {
            task.abort();
        }
        // A last look, so that what was counted is complete.
        let _ = self.look().await;
        self.keep_counted();
        self.keep_records().await;
        self.keep_counts(usize::MAX).await;
        if self.0.client.shut_down().await.is_err() {
            tracing::error!("the client ended unexpectedly");
        }
        let state = hold(&self.0.state).take();
        let _ = tokio::task::spawn_blocking(move || drop(state)).await;
    }

    /// The engine's client, for what only it can say.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// All torrents, as they were at the last look.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.published.borrow())
    }

    /// What has changed in the last minute, or since the service was started.
    #[must_use]
    pub fn recent(&self) -> Delta {
        let cursor = hold(&self.0.recent).cursor(Instant::now());
        self.snapshot().since(cursor)
    }

    /// For whoever wants to see each change of [`Self::snapshot`].
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.0.published.subscribe()
    }

    /// What happens from now on.
    #[must_use]
    pub fn happenings(&self) -> broadcast::Receiver<Arc<Happening>> {
        self.0.happenings.subscribe()
    }

    /// What of the state was damaged when it was read, for a person.
    #[must_use]
    pub fn damages(&self) -> &[String] {
        &self.0.damages
    }

    /// What is chosen now.
    #[must_use]
    pub fn choices(&self) -> Choices {
        hold(&self.0.choices).clone()
    }

    /// What cannot be chosen any more.
    #[must_use]
    pub fn fixed(&self) -> &Fixed {
        &self.0.fixed
    }

    /// Chooses otherwise.
    pub async fn choose(&self, choices: Choices) -> Result<(), Ended> {
        let limits = choices.limits_now();
        *hold(&self.0.choices) = choices;
        self.0.client.with(move |session, now| session.set_limits(now, limits)).await?;
        self.0.nudge.notify_one();
        Ok(())
    }

    /// Whether peers may be called because an interface was told of them.
    fn may_call(&self, peers: &[SocketAddr]) -> Result<(), PrivateAddress> {
        let refused = peers.iter().find(|peer| !self.0.policy.accepts_peer(**peer, None));
        refused.map_or(Ok(()), |peer| Err(PrivateAddress(*peer)))
    }

    /// Who answers to this hash.
    #[must_use]
    pub fn find(&self, hash: &str) -> Option<TorrentId> {
        self.snapshot().by_hash(hash).map(|line| line.torrent)
    }

    /// The labels.
    #[must_use]
    pub fn labels(&self) -> Labels {
        hold(&self.0.labels).clone()
    }

    /// Changes the labels, for good.
    pub fn change_labels<T>(&self, act: impl FnOnce(&mut Labels) -> T) -> T {
        let mut labels = hold(&self.0.labels);
        let result = act(&mut labels);
        labels.write(&self.0.ledger);
        result
    }

    /// What was counted.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        *hold(&self.0.statistics)
    }

    fn keep_statistics(&self) {
        hold(&self.0.statistics).write(&self.0.ledger);
    }

    /// The state's ledger, for whatever else is kept.
    #[must_use]
    pub fn ledger(&self) -> &LedgerHandle {
        &self.0.ledger
    }
}
