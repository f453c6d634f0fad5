//! What the interface stands on, and what it remembers.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;

use super::memory::Memory;
use crate::choosing::{Choose, choosing_for_now};
use crate::fetching::{Fetch, fetching_nothing};
use crate::service::Service;

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
        Self {
            fetch: fetching_nothing(),
            choose: choosing_for_now(service.clone()),
            service,
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
