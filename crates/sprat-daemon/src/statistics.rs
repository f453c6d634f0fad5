//! What is counted over all torrents: since the daemon was started, and since the first time it was.

use serde::{Deserialize, Serialize};
use sprat_engine::ledger::LedgerHandle;
use sprat_engine::state::{Change, StateError, Table};
use utoipa::ToSchema;

/// Where it is kept. Must never change.
const KEY: &[u8] = b"daemon/statistics";

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Since the daemon was started.
    pub session: Counts,
    /// Before that.
    before: Counts,
}

/// One set of counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Counts {
    /// Payload received, bytes.
    pub downloaded: u64,
    /// Payload sent, bytes.
    pub uploaded: u64,
    /// Torrents added.
    pub added: u64,
    /// Torrents that became complete.
    pub completed: u64,
    /// Seconds that the daemon has run.
    pub seconds: u64,
    /// How often it was started.
    pub starts: u64,
}

impl Counts {
    const fn plus(self, other: Self) -> Self {
        Self {
            downloaded: self.downloaded.saturating_add(other.downloaded),
            uploaded: self.uploaded.saturating_add(other.uploaded),
            added: self.added.saturating_add(other.added),
            completed: self.completed.saturating_add(other.completed),
            seconds: self.seconds.saturating_add(other.seconds),
            starts: self.starts.saturating_add(other.starts),
        }
    }
}

impl Statistics {
    /// What was kept, and one more start. Waits for the disk.
    pub fn read(ledger: &LedgerHandle) -> Result<Self, StateError> {
        let kept = ledger.get(Table::Statistics, KEY)?;
        let before = kept.map(|bytes| serde_json::from_slice(&bytes)).transpose().unwrap_or_else(|error| {
            tracing::error!(%error, "the statistics cannot be read");
            None
        });
        Ok(Self { session: Counts { starts: 1, ..Counts::default() }, before: before.unwrap_or_default() })
    }

    /// Since the first time that it was started.
    #[must_use]
    pub const fn all(&self) -> Counts {
        self.before.plus(self.session)
    }

    /// Has it kept.
    pub fn write(&self, ledger: &LedgerHandle) {
        let Ok(value) = serde_json::to_vec(&self.all()) else { return };
        let change = Change { table: Table::Statistics, key: KEY.to_vec(), value: Some(value) };
        ledger.write(vec![change], |result| {
            if let Err(error) = result {
                tracing::warn!(%error, "the statistics could not be kept");
            }
        });
    }
}
