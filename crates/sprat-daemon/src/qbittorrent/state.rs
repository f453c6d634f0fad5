//! What the interface stands on, and what it remembers.

use std::fmt;
use std::sync::Arc;

use super::peer_picture::PeerPicture;
use super::picture::Picture;
use super::room::Room;
use super::rounds::Rounds;
use super::swarms::Swarms;
use crate::access::Gate;
use crate::choosing::{Choose, choosing_for_now};
use crate::fetching::{Fetch, fetching_nothing};
use crate::service::Service;

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
    pub choose: Choose,
}

impl QBittorrent {
    /// With nobody around: nothing is fetched, and what is chosen ends with the daemon.
    #[must_use]
    pub fn alone(service: Service, gate: Arc<Gate>) -> Self {
        Self { gate, fetch: fetching_nothing(), choose: choosing_for_now(service.clone()), service }
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
