//! Everything that is told at one moment, and what is not as it was at another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use sprat_core::storage::TorrentId;

use super::torrent::{Described, List};
use super::{delta, filing};
use crate::torrents::Line;

/// All that is told, at one moment.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) list: List,
    pub(super) server: Map<String, Value>,
}

/// What is answered: all, or what has changed.
#[derive(Debug, Default, Serialize)]
pub(super) struct Answer<'a> {
    pub(super) rid: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    full_update: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    torrents: Option<BTreeMap<&'a str, Told<'a>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    torrents_removed: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    categories: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    categories_removed: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<BTreeSet<&'a str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags_removed: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trackers: Option<BTreeMap<&'a str, Vec<&'a str>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trackers_removed: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_state: Option<Map<String, Value>>,
}

/// A torrent, or what has changed of it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Told<'a> {
    Whole(Box<Described<'a>>),
    Part(Map<String, Value>),
}

impl Picture {
    /// All of it.
    pub(super) fn whole(&self) -> Answer<'_> {
        let lines = self.list.snapshot.lines().iter();
        let torrents =
            lines.map(|line| (&*line.summary.hash, Told::Whole(Box::new(self.list.describe(line)))));
        Answer {
            full_update: true,
            torrents: Some(torrents.collect()),
            categories: Some(filing::categories(&self.list.labels)),
            tags: Some(filing::tags(&self.list.labels, &self.list.snapshot)),
            trackers: Some(self.trackers()),
            server_state: Some(self.server.clone()),
            ..Answer::default()
        }
    }

    /// What is not as it was in `before`, which may be all; `None`: too long ago to be told.
    pub(super) fn since<'a>(&'a self, before: &'a Self) -> Option<Answer<'a>> {
        let (now, then) = (&self.list, &before.list);
        let delta = now.snapshot.since(Some(then.snapshot.cursor()));
        if delta.is_full {
            return None;
        }
        let mut torrents_removed: Vec<&str> = Vec::new();
        // One that has come and gone several times is gone once.
        let gone: BTreeSet<TorrentId> = delta.gone.iter().map(|gone| gone.torrent).collect();
        for torrent in gone {
            torrents_removed.extend(then.snapshot.line(torrent).map(|line| &*line.summary.hash));
        }
        let mut changed: BTreeMap<TorrentId, &Arc<Line>> = BTreeMap::new();
        let torrents = self.may_differ(before, delta.changed.iter().map(|line| line.torrent));
        changed.extend(torrents.into_iter().filter_map(|one| Some((one, now.snapshot.line(one)?))));
        let mut torrents = BTreeMap::new();
        for (torrent, line) in changed {
            match then.snapshot.line(torrent) {
                Some(known) if known.summary.hash == line.summary.hash => {
                    let known = delta::object(&then.describe(known));
                    let part = delta::fields(&known, delta::object(&now.describe(line)));
                    if !part.is_empty() {
                        torrents.insert(&*line.summary.hash, Told::Part(part));
                    }
                }
                known => {
                    // Its metadata has shown that it has another name than its link.
                    torrents_removed.extend(known.map(|known| &*known.summary.hash));
                    torrents.insert(&*line.summary.hash, Told::Whole(Box::new(now.describe(line))));
                }
            }
        }
        // Removed and added again: under this name there is one.
        torrents_removed.retain(|hash| now.snapshot.by_hash(hash).is_none());
        let mut answer = Answer {
            torrents: Some(torrents).filter(|torrents| !torrents.is_empty()),
            torrents_removed,
            ..Answer::default()
        };
        self.tell_categories(before, &mut answer);
        self.tell_tags(before, &mut answer);
        self.tell_trackers(before, &mut answer);
        let server = delta::fields(&before.server, self.server.clone());
        answer.server_state = Some(server).filter(|server| !server.is_empty());
        Some(answer)
    }

    /// Torrents of which something may be told otherwise than before: those that have changed, and those around which something has.
    fn may_differ(&self, before: &Self, changed: impl Iterator<Item = TorrentId>) -> BTreeSet<TorrentId> {
        let (now, then) = (&self.list, &before.list);
        // The limits that hold for all are told with each.
        if now.choices.seeding != then.choices.seeding || now.labels.labels != then.labels.labels {
            return now.snapshot.lines().iter().map(|line| line.torrent).collect();
        }
        let mut torrents: BTreeSet<TorrentId> = changed.collect();
        let elsewhere = now.places.iter().filter(|(torrent, place)| then.places.get(torrent) != Some(place));
        torrents.extend(elsewhere.map(|(torrent, _)| *torrent));
        if !Arc::ptr_eq(&now.overview, &then.overview) {
            let is_other = |torrent, swarm| {
                then.overview.swarms.get(torrent).is_none_or(|known| !Arc::ptr_eq(known, swarm))
            };
            let others = now.overview.swarms.iter().filter(|(torrent, swarm)| is_other(torrent, swarm));
            torrents.extend(others.map(|(torrent, _)| *torrent));
        }
        torrents
    }

    fn tell_categories<'a>(&'a self, before: &'a Self, answer: &mut Answer<'a>) {
        let (now, then) = (&self.list.labels, &before.list.labels);
        if now.labels != then.labels {
            let changed = delta::fields(&filing::categories(then), filing::categories(now));
            answer.categories = Some(changed).filter(|changed| !changed.is_empty());
            let gone = then.labels.keys().filter(|name| !now.labels.contains_key(*name));
            answer.categories_removed = gone.map(String::as_str).collect();
        }
    }

    fn tell_tags<'a>(&'a self, before: &'a Self, answer: &mut Answer<'a>) {
        let now = filing::tags(&self.list.labels, &self.list.snapshot);
        let then = filing::tags(&before.list.labels, &before.list.snapshot);
        answer.tags_removed = then.difference(&now).copied().collect();
        let new: BTreeSet<&str> = now.difference(&then).copied().collect();
        answer.tags = Some(new).filter(|new| !new.is_empty());
    }

    fn tell_trackers<'a>(&'a self, before: &'a Self, answer: &mut Answer<'a>) {
        if Arc::ptr_eq(&self.list.overview, &before.list.overview) {
            return;
        }
        let (now, then) = (self.trackers(), before.trackers());
        answer.trackers_removed = then.keys().filter(|url| !now.contains_key(*url)).copied().collect();
        let changed: BTreeMap<_, _> =
            now.into_iter().filter(|(url, torrents)| then.get(url) != Some(torrents)).collect();
        answer.trackers = Some(changed).filter(|changed| !changed.is_empty());
    }

    /// The torrents of each tracker.
    fn trackers(&self) -> BTreeMap<&str, Vec<&str>> {
        let hash = |torrent: &TorrentId| Some(&*self.list.snapshot.line(*torrent)?.summary.hash);
        let by_tracker = self.list.overview.by_tracker.iter();
        by_tracker.map(|(url, torrents)| (&**url, torrents.iter().filter_map(hash).collect())).collect()
    }
}

#[cfg(test)]
mod tests;
