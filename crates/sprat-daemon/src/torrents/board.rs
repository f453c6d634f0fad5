//! The list of torrents as every interface sees it: complete, or what has changed since it was last asked for.
//!
//! Whoever reads takes a [`Snapshot`], which nobody changes any more; so no reader waits for another one, nor for the session.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sprat_core::storage::TorrentId;

use super::facts::Identity;
use super::summary::Summary;

/// Torrents that are gone are remembered for those who ask for changes; who has missed more gets everything.
const GONE: usize = 10_000;

/// A torrent, and when it last changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its name in the engine.
    pub torrent: TorrentId,
    /// The board's revision at which it changed.
    pub revision: u64,
    /// What lists for people do not show.
    pub identity: Identity,
    /// What is known of it.
    pub summary: Summary,
}

/// Until where somebody has read. Good for one run of the daemon: of another one everything is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    run: u64,
    revision: u64,
}

/// All torrents at one moment, by their number.
#[derive(Debug, Clone)]
pub struct Snapshot {
    run: u64,
    revision: u64,
    lines: Arc<[Arc<Line>]>,
    by_hash: Arc<BTreeMap<String, TorrentId>>,
    gone: Arc<VecDeque<(u64, Gone)>>,
}

/// A torrent that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Its name in the engine.
    pub torrent: TorrentId,
    /// Its hash.
    pub hash: String,
}

/// What has changed.
#[derive(Debug, Clone)]
pub struct Delta {
    /// Whoever asks must forget what it had.
    pub is_full: bool,
    /// New, or not as it was.
    pub changed: Vec<Arc<Line>>,
    /// Removed.
    pub gone: Vec<Gone>,
}

/// Where snapshots come from.
#[derive(Debug)]
pub struct Board {
    run: u64,
    revision: u64,
    lines: BTreeMap<TorrentId, Arc<Line>>,
    /// Shared with snapshots until torrents come or go.
    by_hash: Arc<BTreeMap<String, TorrentId>>,
    gone: Arc<VecDeque<(u64, Gone)>>,
    is_changed: bool,
}

impl Board {
    /// An empty one. `run` tells one run of the daemon from others.
    #[must_use]
    pub fn new(run: u64) -> Self {
        Self {
            run,
            revision: 0,
            lines: BTreeMap::new(),
            by_hash: Arc::default(),
            gone: Arc::default(),
            is_changed: false,
        }
    }

    /// A torrent is like this now.
    pub fn put(&mut self, torrent: TorrentId, identity: Identity, summary: Summary) {
        let is_known = |line: &Arc<Line>| line.summary == summary && line.identity == identity;
        if self.lines.get(&torrent).is_some_and(is_known) {
            return;
        }
        self.is_changed = true;
        if self.by_hash.get(&summary.hash) != Some(&torrent) {
            let by_hash = Arc::make_mut(&mut self.by_hash);
            // Its metadata has shown that its hash is another one than its link has said.
            if let Some(known) = self.lines.get(&torrent).map(|line| &line.summary.hash)
                && by_hash.get(known) == Some(&torrent)
            {
                by_hash.remove(known);
            }
            by_hash.insert(summary.hash.clone(), torrent);
        }
        let line = Line { torrent, revision: self.revision + 1, identity, summary };
        self.lines.insert(torrent, Arc::new(line));
    }

    /// A torrent is gone.
    pub fn remove(&mut self, torrent: TorrentId) {
        let Some(line) = self.lines.remove(&torrent) else { return };
        self.is_changed = true;
        // Another one may have it by now.
        if self.by_hash.get(&line.summary.hash) == Some(&torrent) {
            Arc::make_mut(&mut self.by_hash).remove(&line.summary.hash);
        }
        let gone = Arc::make_mut(&mut self.gone);
        gone.push_back((self.revision + 1, Gone { torrent, hash: line.summary.hash.clone() }));
        if gone.len() > GONE {
            gone.pop_front();
        }
    }

    /// What is on it now, if that is not what the last one said.
    pub fn publish(&mut self) -> Option<Snapshot> {
        if !std::mem::take(&mut self.is_changed) {
            return None;
        }
        self.revision += 1;
        Some(self.snapshot())
    }

    /// What was on it when it was last published.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let lines = self.lines.values().cloned().collect();
        Snapshot {
            run: self.run,
            revision: self.revision,
            lines,
            by_hash: Arc::clone(&self.by_hash),
            gone: Arc::clone(&self.gone),
        }
    }
}

impl Snapshot {
    /// Where whoever has read all of it stands.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        Cursor { run: self.run, revision: self.revision }
    }

    /// All torrents.
    #[must_use]
    pub fn lines(&self) -> &[Arc<Line>] {
        &self.lines
    }

    /// One of them.
    #[must_use]
    pub fn line(&self, torrent: TorrentId) -> Option<&Arc<Line>> {
        let at = self.lines.binary_search_by_key(&torrent, |line| line.torrent).ok()?;
        self.lines.get(at)
    }

    /// One of them, by its hash.
    #[must_use]
    pub fn by_hash(&self, hash: &str) -> Option<&Arc<Line>> {
        self.line(*self.by_hash.get(&hash.to_ascii_lowercase())?)
    }

    /// What has changed since.
    #[must_use]
    pub fn since(&self, cursor: Option<Cursor>) -> Delta {
        let oldest =
            self.gone.front().filter(|_| self.gone.len() >= GONE).map_or(0, |(revision, _)| *revision);
        let known = cursor.filter(|cursor| {
            cursor.run == self.run && cursor.revision <= self.revision && cursor.revision >= oldest
        });
        let Some(known) = known else {
            return Delta { is_full: true, changed: self.lines.to_vec(), gone: Vec::new() };
        };
        let changed = self.lines.iter().filter(|line| line.revision > known.revision).cloned().collect();
        let gone = self.gone.iter().rev().take_while(|(revision, _)| *revision > known.revision);
        Delta { is_full: false, changed, gone: gone.map(|(_, gone)| gone.clone()).collect() }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.run, self.revision)
    }
}

/// That is not where anybody stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor")]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (run, revision) = text.split_once('-').ok_or(NoCursor)?;
        let parse = |text| u64::from_str_radix(text, 16).map_err(|_| NoCursor);
        Ok(Self { run: parse(run)?, revision: parse(revision)? })
    }
}
