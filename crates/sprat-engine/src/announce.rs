//! Announces and scrapes, over whatever the URL of the tracker asks for.

use std::sync::Arc;
use std::time::Duration;

use sprat_wire::hash::InfoHash;
use sprat_wire::tracker::{AnnounceRequest, AnnounceResponse, ScrapeEntry};
use thiserror::Error;

use crate::address_policy::{AddressPolicy, Origin};
use crate::resolve::Resolver;

/// How an [`AnnounceClient`] goes about its work.
#[derive(Debug, Clone)]
pub struct AnnounceConfig {
    /// Which trackers may be contacted, and which peers are believed.
    pub policy: Arc<AddressPolicy>,
    /// Who resolves host names.
    pub resolver: Resolver,
    /// What HTTP trackers are told about this program.
    pub user_agent: String,
    /// How long one announce may take.
    pub time_limit: Duration,
}

impl AnnounceConfig {
    /// Everything but the policy as it should be.
    #[must_use]
    pub fn new(policy: Arc<AddressPolicy>) -> Self {
        Self {
            policy,
            resolver: Resolver::system(),
            user_agent: concat!("sprat/", env!("CARGO_PKG_VERSION")).to_owned(),
            time_limit: Duration::from_secs(60),
        }
    }
}

/// Why an announce or a scrape failed: one short line for a person.
#[derive(Debug, Error)]
pub enum AnnounceError {
    /// The URL is not one of a tracker.
    #[error("not a tracker URL: {0}")]
    Url(&'static str),
}

/// Talks to trackers. Clones share everything.
#[derive(Debug, Clone)]
pub struct AnnounceClient {
    config: Arc<AnnounceConfig>,
}

impl AnnounceClient {
    /// A client that works as `config` says.
    #[must_use]
    pub fn new(config: AnnounceConfig) -> Self {
        Self { config: Arc::new(config) }
    }

    /// Announces to the tracker at `url`, over every internet that leads there.
    #[expect(clippy::unused_async, reason = "the wire codecs are about to arrive")]
    pub async fn announce(
        &self,
        url: &str,
        request: &AnnounceRequest,
        origin: Origin,
    ) -> Result<AnnounceResponse, AnnounceError> {
        let _ = (&self.config, url, request, origin);
        Err(AnnounceError::Url("announcing is not there yet"))
    }

    /// Asks the tracker at `url` for its figures on `swarms`.
    #[expect(clippy::unused_async, reason = "the wire codecs are about to arrive")]
    pub async fn scrape(
        &self,
        url: &str,
        swarms: &[InfoHash],
        origin: Origin,
    ) -> Result<Vec<(InfoHash, ScrapeEntry)>, AnnounceError> {
        let _ = (&self.config, url, swarms, origin);
        Err(AnnounceError::Url("scraping is not there yet"))
    }
}
