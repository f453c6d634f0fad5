//! What a running daemon is asked and told by its interfaces: the torrents, the gate, and the settings as they hold now.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;
use tokio::sync::Notify;

use crate::access::Gate;
use crate::feeding::Feeding;
use crate::fetch::Fetcher;
use crate::http::Tls;
use crate::log::Journal;
use crate::service::{Choices, Service};
use crate::settings::{AlternativeRates, Layers, LogLevel, OverlayError, SettingsError, changed};
use crate::streaming::Streaming;

mod patch;
pub(crate) mod plan;

/// The setting by which the alternative rates are switched.
const ALTERNATIVE: &str = "limits.alternative";

/// What the interfaces share.
pub(crate) struct Running {
    pub(crate) service: Service,
    pub(crate) gate: Arc<Gate>,
    pub(crate) fetcher: Fetcher,
    pub(crate) streaming: Streaming,
    pub(crate) feeding: Feeding,
    pub(crate) layers: Mutex<Layers>,
    /// One change at a time is written down and carried out.
    pub(crate) changing: tokio::sync::Mutex<()>,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) journal: Arc<Journal>,
    /// Somebody wishes the daemon to end.
    pub(crate) closing: Notify,
    pub(crate) set_log_level: Box<dyn Fn(LogLevel) + Send + Sync>,
}

/// Why settings were not changed.
#[derive(Debug, Error)]
pub(crate) enum ChangeSettingsError {
    #[error(transparent)]
    Update(#[from] crate::settings::UpdateError),
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

impl Running {
    /// The settings as they hold now.
    pub(crate) fn layers(&self) -> MutexGuard<'_, Layers> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes settings for good, and carries out what can be carried out at once. Returns the keys that wait for a restart.
    pub(crate) async fn change_settings(
        &self,
        change: impl FnOnce(&Layers) -> Result<Layers, ChangeSettingsError>,
    ) -> Result<Vec<String>, ChangeSettingsError> {
        let _one_at_a_time = self.changing.lock().await;
        let before = self.layers().clone();
        let after = change(&before)?;
        after.overlay().write(self.service.ledger()).await?;
        let differing = changed(before.settings(), after.settings());
        *self.layers() = after;
        self.carry_out().await;
        let waits = differing.iter().filter(|key| key.change != crate::settings::Change::AtOnce);
        Ok(waits.map(|key| key.path()).collect())
    }

    /// Has everything that can change at run time be as the settings say.
    pub(crate) async fn carry_out(&self) {
        let layers = self.layers().clone();
        let settings = layers.settings();
        (self.set_log_level)(settings.log.level);
        self.gate.set_session_life(settings.into());
        self.feeding.set_usual_interval(settings.feeds.interval.duration());
        let choices = plan::choices(&layers);
        if choices != self.service.choices() {
            // Where the client has ended there is nothing left to be chosen.
            let _ = self.service.choose(choices).await;
        }
    }

    /// Changes, for good, those settings in which two choices differ.
    pub(crate) async fn choose(&self, before: &Choices, after: &Choices) -> Result<(), ChangeSettingsError> {
        let change = |layers: &Layers| {
            let is_scheduled = plan::is_scheduled_now(layers.settings());
            Ok(layers.patched(&patch::patch(before, after, is_scheduled))?)
        };
        self.change_settings(change).await.map(|_| ())
    }

    /// Has what the time of day asks for hold. Whoever has switched the alternative rates by hand leaves them to the schedule once that says
    /// the same.
    pub(crate) async fn look_at_clock(&self) {
        let says_the_same = {
            let layers = self.layers();
            let is_scheduled = plan::is_scheduled_now(layers.settings());
            layers.is_changed(ALTERNATIVE)
                && match layers.settings().limits.alternative {
                    AlternativeRates::Schedule => false,
                    AlternativeRates::On => is_scheduled,
                    AlternativeRates::Off => !is_scheduled,
                }
        };
        if !says_the_same {
            return self.carry_out().await;
        }
        if let Err(error) = self.change_settings(|layers| Ok(layers.reset([ALTERNATIVE])?)).await {
            tracing::warn!(%error, "the alternative rates stay as they were switched by hand");
        }
    }

    /// Reads the file and the certificate again. What cannot be used is in the log, and all stays as it was.
    pub(crate) async fn reload(&self) {
        if let Some(tls) = &self.tls
            && let Err(error) = tls.reload()
        {
            tracing::error!(%error, "the certificate stays as it was");
        }
        match self.change_settings(|layers| Ok(layers.reloaded()?)).await {
            Ok(waits) if waits.is_empty() => tracing::info!("the configuration was read again"),
            Ok(waits) => tracing::warn!(?waits, "the configuration was read again; this waits for a restart"),
            Err(error) => tracing::error!(%error, "the configuration stays as it was"),
        }
    }
}
