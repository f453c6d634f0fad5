//! What was changed through the API, and how it is kept.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sprat_engine::ledger::LedgerHandle;
use sprat_engine::state::{Change, StateError, Table};
use thiserror::Error;
use tokio::sync::oneshot;

use super::check::Problem;
use super::key;
use super::sections::keys;

/// The record in [`Table::Settings`].
const RECORD: &[u8] = b"overlay";

/// The overlay cannot be read or written.
#[derive(Debug, Error)]
#[error("what was changed through the API cannot be kept: {0}")]
pub struct OverlayError(#[from] pub StateError);

/// What was changed through the API: a JSON merge patch (RFC 7396) over the file. `null` takes a setting away from the
/// file, so that it has its default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overlay {
    /// By `section.name`.
    values: BTreeMap<String, Value>,
}

impl Overlay {
    /// What was kept. Waits for the ledger. What cannot be read is as if it had never been: the daemon must start.
    pub fn read(ledger: &LedgerHandle) -> Result<Self, OverlayError> {
        let Some(record) = ledger.get(Table::Settings, RECORD)? else { return Ok(Self::default()) };
        Ok(serde_json::from_slice::<Map<String, Value>>(&record).map(Self::from_stored).unwrap_or_else(
            |error| {
                tracing::error!(%error, "the settings that were changed through the API cannot be read");
                Self::default()
            },
        ))
    }

    /// Keeps it. It is durable when this returns.
    pub async fn write(&self, ledger: &LedgerHandle) -> Result<(), OverlayError> {
        let value = serde_json::to_vec(&self.to_patch()).ok().filter(|_| !self.values.is_empty());
        let change = Change { table: Table::Settings, key: RECORD.to_vec(), value };
        let (reply, answer) = oneshot::channel();
        ledger.write(vec![change], move |result| {
            let _ = reply.send(result);
        });
        Ok(answer.await.map_err(|_| StateError::Closed)??)
    }

    /// Keys that are not known any more stay in it, for the version that knows them.
    pub(super) fn from_stored(stored: Map<String, Value>) -> Self {
        let entries = stored.into_iter().filter_map(|(section, entries)| match entries {
            Value::Object(entries) => Some((section, entries)),
            _ => None,
        });
        let values = entries.flat_map(|(section, entries)| {
            entries.into_iter().map(move |(name, value)| (format!("{section}.{name}"), value))
        });
        Self { values: values.collect() }
    }

    /// As a JSON merge patch.
    fn to_patch(&self) -> Map<String, Value> {
        let mut patch = Map::new();
        for (key, value) in &self.values {
            let Some((section, name)) = key.split_once('.') else { continue };
            let entries = patch.entry(section).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(entries) = entries {
                entries.insert(name.to_owned(), value.clone());
            }
        }
        patch
    }

    /// With `patch` over it. Every setting that it names must exist and may be changed through the API.
    pub(super) fn patched(&self, patch: &Value) -> Result<Self, Vec<Problem>> {
        let Value::Object(sections) = patch else {
            return Err(vec![Problem::new("", "an object of sections is expected")]);
        };
        let (mut overlay, mut problems) = (self.clone(), Vec::new());
        for (section, entries) in sections {
            let Value::Object(entries) = entries else {
                problems.push(Problem::new(section, "a section is an object of settings"));
                continue;
            };
            for (name, value) in entries {
                let key = format!("{section}.{name}");
                match keys().into_iter().find(|known| known.section == section && known.name == name) {
                    None => problems.push(Problem::new(key, "there is no such setting")),
                    Some(known) if known.change == key::Change::InFile => {
                        problems
                            .push(Problem::new(key, "this can be changed in the configuration file only"));
                    }
                    Some(_) => {
                        overlay.values.insert(key, value.clone());
                    }
                }
            }
        }
        if problems.is_empty() { Ok(overlay) } else { Err(problems) }
    }

    /// Without a setting.
    pub(super) fn without(&self, key: &str) -> Self {
        let mut overlay = self.clone();
        overlay.values.remove(key);
        overlay
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Only a setting of it.
    pub(super) fn only(&self, key: &str) -> Self {
        Self {
            values: self
                .values
                .get_key_value(key)
                .map(|(key, value)| (key.clone(), value.clone()))
                .into_iter()
                .collect(),
        }
    }

    /// What `file` is with this over it.
    pub(super) fn over(&self, file: &Map<String, Value>) -> Map<String, Value> {
        let mut values = file.clone();
        for (section, entries) in self.to_patch() {
            let Value::Object(entries) = entries else { continue };
            let below = values.entry(section).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(below) = below else { continue };
            for (name, value) in entries {
                if value.is_null() {
                    below.remove(&name);
                } else {
                    below.insert(name, value);
                }
            }
        }
        values
    }
}
