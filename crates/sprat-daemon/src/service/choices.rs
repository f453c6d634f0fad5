//! What the user may choose for all torrents: while the service runs, or only before it is started.

use std::path::{Path, PathBuf};

use sprat_core::io::RateLimits;

use crate::settings::lies_below;
use crate::torrents::queue::{QueueLimits, SlowThreshold};
use crate::torrents::share_limits::Layer;

/// What may be chosen while the service runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Choices {
    /// Where files lie unless it is said otherwise.
    pub downloads: PathBuf,
    /// Where they lie until they are complete.
    pub incomplete: Option<PathBuf>,
    /// Other directories below which files may lie.
    pub roots: Vec<PathBuf>,
    /// All torrents together.
    pub limits: RateLimits,
    /// Instead of that, while [`Self::is_alternative`].
    pub alternative: RateLimits,
    /// The alternative limits hold.
    pub is_alternative: bool,
    /// When torrents have given enough, and what then becomes of them, unless they or their labels say otherwise.
    pub seeding: Layer,
    /// How many run at a time.
    pub queue: QueueLimits,
    /// Which of those that run take no slot from others.
    pub slow: SlowThreshold,
}

impl Choices {
    /// Everything below one directory, without limits.
    #[must_use]
    pub fn below(downloads: PathBuf) -> Self {
        Self {
            downloads,
            incomplete: None,
            roots: Vec::new(),
            limits: RateLimits::default(),
            alternative: RateLimits::default(),
            is_alternative: false,
            seeding: Layer::default(),
            queue: QueueLimits::default(),
            slow: SlowThreshold::default(),
        }
    }

    /// The limits that hold.
    #[must_use]
    pub const fn limits_now(&self) -> RateLimits {
        if self.is_alternative { self.alternative } else { self.limits }
    }

    /// Whether files may lie there. Words of the path only: the disk may hang.
    #[must_use]
    pub fn allows(&self, directory: &Path) -> bool {
        lies_below(directory, std::iter::once(&self.downloads).chain(&self.incomplete).chain(&self.roots))
    }
}

/// What was chosen when the service was started, and stays until it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// Connections of all torrents together.
    pub connections: usize,
    /// Connections of one torrent.
    pub connections_per_torrent: usize,
    /// Peers tell one another of peers.
    pub pex: bool,
    /// There is a node of the DHT.
    pub dht: bool,
    /// Peers are looked for on the local network.
    pub lsd: bool,
}
