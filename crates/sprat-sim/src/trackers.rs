//! Trackers: the shipped machine, some way off.

use std::time::Duration;

use sprat_core::time::Time;
use sprat_tracker::{Origin, Protocol, Tracker};
use sprat_wire::tracker::{AnnounceRequest, AnnounceResponse};

/// A tracker to be put into the network.
#[derive(Debug, Clone)]
pub struct TrackerConfig {
    /// Under which URL torrents know it.
    pub url: String,
    /// From the edge of the network to the tracker.
    pub latency: Duration,
    /// It answers nothing before this time.
    pub alive_from: Duration,
    /// It answers nothing from this time on.
    pub dead_from: Option<Duration>,
    /// How it was set up.
    pub settings: sprat_tracker::TrackerConfig,
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            url: "udp://tracker.example:6969".to_owned(),
            latency: Duration::from_millis(20),
            alive_from: Duration::ZERO,
            dead_from: None,
            settings: sprat_tracker::TrackerConfig::default(),
        }
    }
}

/// A client gives up on a tracker that says nothing after this time: that of the engine's HTTP client.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(15);

pub(crate) struct VirtualTracker {
    config: TrackerConfig,
    machine: Tracker,
    /// Announces answered.
    pub(crate) answered: u64,
    /// It answers nothing at present.
    pub(crate) is_silent: bool,
}

impl std::fmt::Debug for VirtualTracker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VirtualTracker").field("config", &self.config).finish_non_exhaustive()
    }
}

impl VirtualTracker {
    pub(crate) fn new(config: TrackerConfig, rng: &mut fastrand::Rng) -> Self {
        let mut seed = [0; 32];
        rng.fill(&mut seed);
        let machine = Tracker::new(config.settings.clone(), seed);
        Self { config, machine, answered: 0, is_silent: false }
    }

    pub(crate) fn url(&self) -> &str {
        &self.config.url
    }

    pub(crate) const fn latency(&self) -> Duration {
        self.config.latency
    }

    /// The answer; `None` when the tracker is dead.
    pub(crate) fn announce(
        &mut self,
        now: Time,
        from: std::net::SocketAddr,
        request: &AnnounceRequest,
    ) -> Option<Result<AnnounceResponse, String>> {
        let now = now.since(Time::ZERO);
        if self.is_silent
            || now < self.config.alive_from
            || self.config.dead_from.is_some_and(|dead| now >= dead)
        {
            return None;
        }
        let protocol = if self.config.url.starts_with("udp:") { Protocol::Udp } else { Protocol::Http };
        self.answered += 1;
        let origin = Origin { protocol, address: from };
        Some(self.machine.announce(now, origin, request).map_err(|refusal| refusal.to_string()))
    }
}
