//! What torrents are filed under, as clients see it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::labels::{Label, Labels};
use crate::torrents::Snapshot;

/// All categories.
pub(super) fn categories(labels: &Labels) -> Map<String, Value> {
    let describe = |(name, label): (&String, &Label)| {
        let path = label.directory.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        (name.clone(), json!({"name": name, "savePath": path}))
    };
    labels.labels.iter().map(describe).collect()
}

/// All tags that torrents have, and those that are to be offered.
pub(super) fn tags<'a>(labels: &'a Labels, snapshot: &'a Snapshot) -> BTreeSet<&'a str> {
    let of_torrents = snapshot.lines().iter().flat_map(|line| &line.summary.tags);
    labels.tags.iter().chain(of_torrents).map(String::as_str).collect()
}
