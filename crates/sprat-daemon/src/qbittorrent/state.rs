//! What the interface stands on, and what it remembers.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::peer_picture::PeerPicture;
use super::picture::Picture;
use super::room::Room;
use super::rounds::Rounds;
use super::swarms::Swarms;
use crate::access::Gate;
use crate::fetching::{Fetch, fetching_nothing};
use crate::service::Service;

/// Changes settings by a JSON merge patch (RFC 7396), and returns when they hold; an error is for a person.
pub type ChangeSettings = Arc<dyn Fn(Value) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What the interface needs from the daemon around it.
#[derive(Clone)]
pub struct QBittorrent {
    /// The torrents.
    pub service: Service,
    /// Who may ask.
    pub gate: Arc<Gate>,
    /// For `torrents/add` with a URL.
    pub fetch: Fetch,
    /// For `app/setPreferences` and the limits of all torrents.
    pub change_settings: ChangeSettings,
}

impl QBittorrent {
    /// With nobody around: nothing is fetched, and no setting can be changed.
    #[must_use]
    pub fn alone(service: Service, gate: Arc<Gate>) -> Self {
        Self {
            service,
            gate,
            fetch: fetching_nothing(),
            change_settings: Arc::new(|_| {
                Box::pin(async { Err("settings are not changed here".to_owned()) })
            }),
        }
    }
}

impl fmt::Debug for QBittorrent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QBittorrent").finish_non_exhaustive()
    }
}

/// What every endpoint can use.
#[derive(Debug)]
pub(super) struct Web {
    /// The torrents.
    pub(super) service: Service,
    /// The daemon around.
    pub(super) around: QBittorrent,
    /// What `sync/maindata` has told.
    pub(super) told: Rounds<Picture>,
    /// What `sync/torrentPeers` has told.
    pub(super) told_of_peers: Rounds<PeerPicture>,
    /// The trackers of all torrents.
    pub(super) swarms: Swarms,
    /// How much fits on the disk.
    pub(super) room: Room,
}

impl Web {
    pub(super) fn new(around: QBittorrent) -> Self {
        Self {
            service: around.service.clone(),
            around,
            told: Rounds::default(),
            told_of_peers: Rounds::default(),
            swarms: Swarms::default(),
            room: Room::default(),
        }
    }
}
