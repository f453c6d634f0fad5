//! Labels: names that torrents are filed under, each with a directory and seeding limits of its own. (Other programs call them
//! categories.) Tags are free words and need no list, but one that nobody has can be kept here for those who choose from it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sprat_engine::ledger::LedgerHandle;
use sprat_engine::state::{Change, StateError, Table};
use utoipa::ToSchema;

use crate::torrents::SeedingLimits;
use crate::torrents::share_limits::{self, Effective, Layer};

/// Where they are kept. Must never change.
const KEY: &[u8] = b"daemon/labels";

/// The longest name of a label or tag, bytes.
pub const MAX_NAME: usize = 256;

/// The labels of a daemon.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Labels {
    /// By name.
    pub labels: BTreeMap<String, Label>,
    /// Tags that are to be offered although nobody may have them.
    pub tags: BTreeSet<String>,
}

/// What holds for all torrents of a label.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Label {
    /// Where their files lie, unless it is said otherwise; below the usual directory, if relative.
    #[schema(value_type = Option<String>)]
    pub directory: Option<PathBuf>,
    /// When they have given enough.
    pub seeding: SeedingLimits,
}

impl Labels {
    /// What was kept. What makes no sense is reported and passed over: no torrent depends on it. Waits for the disk.
    pub fn read(ledger: &LedgerHandle) -> Result<Self, StateError> {
        let Some(bytes) = ledger.get(Table::Settings, KEY)? else { return Ok(Self::default()) };
        Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            tracing::error!(%error, "the labels cannot be read");
            Self::default()
        }))
    }

    /// Has them kept. What fails is in the log, and is kept with the next change.
    pub fn write(&self, ledger: &LedgerHandle) {
        let Ok(value) = serde_json::to_vec(self) else { return };
        let change = Change { table: Table::Settings, key: KEY.to_vec(), value: Some(value) };
        ledger.write(vec![change], |result| {
            if let Err(error) = result {
                tracing::warn!(%error, "the labels could not be kept");
            }
        });
    }

    /// When a torrent has given enough: by its own limits, those of its label, or those of all.
    #[must_use]
    pub fn seeding_limits(&self, own: SeedingLimits, label: Option<&str>, all: Layer) -> Effective {
        let layer = |limits| Layer { limits, action: None };
        let label = label.and_then(|label| self.labels.get(label)).map(|label| label.seeding);
        share_limits::effective(&[layer(own), layer(label.unwrap_or_default()), all])
    }

    /// Whether this can be the name of a label or a tag.
    #[must_use]
    pub fn is_name(name: &str) -> bool {
        !name.trim().is_empty() && name.len() <= MAX_NAME && !name.chars().any(|c| c.is_control() || c == ',')
    }
}
