//! What is durable and what is not, after so many operations.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::operation::{Kind, Metadata, Node, Operation, Recorded, Slot};

/// All nodes of a tree.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) files: BTreeMap<Node, Arc<File>>,
    /// The names that are durable.
    pub(super) directories: BTreeMap<Node, Arc<BTreeMap<OsString, Node>>>,
    pub(super) links: BTreeMap<Node, Arc<PathBuf>>,
    /// Changes of names that are not durable, in order.
    pub(super) pending: Vec<Arc<NameChange>>,
    pub(super) metadata: BTreeMap<Node, Known>,
}

/// Names that change in one instant, or not at all.
#[derive(Debug)]
pub(super) struct NameChange {
    pub(super) sets: Vec<(Slot, Option<Node>)>,
}

/// What a file system said of a node.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    /// When it was synced last, or else at first.
    pub(super) synced: Metadata,
    pub(super) last: Metadata,
}

#[derive(Debug, Clone, Default)]
pub(super) struct File {
    pub(super) durable: Arc<Vec<u8>>,
    /// What has happened to it since, in order.
    pub(super) changes: Vec<Change>,
}

#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) what: What,
    pub(super) standing: Standing,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Write { offset: u64, bytes: Bytes },
    Length(u64),
    AtLeast(u64),
}

/// What is known of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Never synced.
    Pending,
    /// Its sync failed: no later one says anything of it.
    Doomed,
    /// Durable, but what was before it is not in all parts.
    Synced,
}

impl State {
    /// A directory with nothing in it.
    pub(super) fn new() -> Self {
        let mut state = Self::default();
        state.directories.insert(Node::ROOT, Arc::default());
        state
    }

    pub(super) fn apply(&mut self, recorded: &Recorded) {
        match &recorded.operation {
            Operation::Found { node, kind, at } => {
                if !self.files.contains_key(node) {
                    self.add(*node, kind);
                }
                self.settle(at, Some(*node));
            }
            Operation::Vanished { at } => self.settle(at, None),
            Operation::Create { node, kind, at } => {
                self.add(*node, kind);
                if let Some(at) = at {
                    self.change_names(vec![(at.clone(), Some(*node))]);
                }
            }
            Operation::Write { node, offset, bytes } => {
                self.change(*node, What::Write { offset: *offset, bytes: bytes.clone() });
            }
            Operation::Truncate { node, length } => self.change(*node, What::Length(*length)),
            Operation::Allocate { node, at_least: Some(length) } => {
                self.change(*node, What::AtLeast(*length));
            }
            Operation::Allocate { at_least: None, .. } => {}
            Operation::Link { node, at } => self.change_names(vec![(at.clone(), Some(*node))]),
            Operation::Remove { at } => self.change_names(vec![(at.clone(), None)]),
            Operation::Rename { node, from, to, exchanged } => {
                self.change_names(vec![(from.clone(), *exchanged), (to.clone(), Some(*node))]);
            }
            Operation::Sync { node } => self.sync(*node),
            Operation::SyncFailed { node } => self.with_file(*node, File::doom),
            Operation::Lost { node, range } => self.with_file(*node, |file| file.lose(range)),
            Operation::SyncAll => self.sync_all(),
        }
        let is_sync = matches!(recorded.operation, Operation::Sync { .. });
        for (node, metadata) in &recorded.after {
            let first = Known { synced: *metadata, last: *metadata };
            let known = self.metadata.entry(*node).or_insert(first);
            known.last = *metadata;
            if is_sync {
                known.synced = *metadata;
            }
        }
    }

    /// The bytes of a file as the process reads them.
    pub(super) fn bytes(&self, node: Node) -> Option<Vec<u8>> {
        self.files.get(&node).map(|file| file.now())
    }

    fn add(&mut self, node: Node, kind: &Kind) {
        match kind {
            Kind::File(bytes) => {
                self.files.insert(node, Arc::new(File { durable: Arc::clone(bytes), changes: Vec::new() }));
            }
            Kind::Directory => {
                self.directories.insert(node, Arc::default());
            }
            Kind::Link(target) => {
                self.links.insert(node, Arc::new(target.clone()));
            }
        }
    }

    fn set(&mut self, slot: &Slot, node: Option<Node>) {
        let Some(names) = self.directories.get_mut(&slot.directory) else { return };
        let names = Arc::make_mut(names);
        match node {
            Some(node) => names.insert(slot.name.clone(), node),
            None => names.remove(&slot.name),
        };
    }

    /// As [`Self::set`], whatever was not durable yet.
    fn settle(&mut self, slot: &Slot, node: Option<Node>) {
        self.sync_names(|one| one == slot);
        self.set(slot, node);
    }

    fn change_names(&mut self, sets: Vec<(Slot, Option<Node>)>) {
        self.pending.push(Arc::new(NameChange { sets }));
    }

    fn change(&mut self, node: Node, what: What) {
        self.with_file(node, |file| file.changes.push(Change { what, standing: Standing::Pending }));
    }

    fn with_file(&mut self, node: Node, act: impl FnOnce(&mut File)) {
        if let Some(file) = self.files.get_mut(&node) {
            act(Arc::make_mut(file));
        }
    }

    fn sync(&mut self, node: Node) {
        self.with_file(node, File::sync);
        if self.directories.contains_key(&node) {
            self.sync_names(|slot| slot.directory == node);
        }
    }

    fn sync_all(&mut self) {
        let files: Vec<Node> = self.files.keys().copied().collect();
        for node in files {
            self.with_file(node, File::sync);
        }
        self.sync_names(|_| true);
        for known in self.metadata.values_mut() {
            known.synced = known.last;
        }
    }

    /// Makes every change durable that concerns such a slot, and what must have come before it.
    fn sync_names(&mut self, concerned: impl Fn(&Slot) -> bool) {
        let mut due: Vec<bool> =
            self.pending.iter().map(|change| change.sets.iter().any(|(slot, _)| concerned(slot))).collect();
        extend_back(&self.pending, &mut due);
        let pending = std::mem::take(&mut self.pending);
        for (change, due) in pending.into_iter().zip(due) {
            if due {
                for (slot, node) in &change.sets {
                    self.set(slot, *node);
                }
            } else {
                self.pending.push(change);
            }
        }
    }
}

/// A slot goes through its changes in order: before one that is chosen, all earlier ones of its slots are.
pub(super) fn extend_back(changes: &[Arc<NameChange>], chosen: &mut [bool]) {
    let mut slots = BTreeSet::new();
    for (change, chosen) in changes.iter().zip(chosen).rev() {
        *chosen |= change.sets.iter().any(|(slot, _)| slots.contains(slot));
        if *chosen {
            slots.extend(change.sets.iter().map(|(slot, _)| slot));
        }
    }
}

/// The other way to the same end: after one that is not chosen, no later one of its slots is.
pub(super) fn cut_forward(changes: &[Arc<NameChange>], chosen: &mut [bool]) {
    let mut slots = BTreeSet::new();
    for (change, chosen) in changes.iter().zip(chosen) {
        *chosen &= !change.sets.iter().any(|(slot, _)| slots.contains(slot));
        if !*chosen {
            slots.extend(change.sets.iter().map(|(slot, _)| slot));
        }
    }
}

impl File {
    fn now(&self) -> Vec<u8> {
        let mut bytes = self.durable.to_vec();
        for change in &self.changes {
            change.what.apply(&mut bytes);
        }
        bytes
    }

    fn sync(&mut self) {
        let changes = std::mem::take(&mut self.changes);
        for Change { what, standing } in changes {
            if standing == Standing::Doomed
                && let What::Write { offset, bytes } = &what
            {
                // The bytes are in doubt, the length is not: it lies in the inode.
                let what = What::AtLeast(offset + bytes.len() as u64);
                self.changes.push(Change { what, standing: Standing::Synced });
                self.changes
                    .push(Change { what: What::Write { offset: *offset, bytes: bytes.clone() }, standing });
            } else {
                self.changes.push(Change { what, standing: Standing::Synced });
            }
        }
        self.forget_overwritten();
        if !self.changes.iter().any(|change| change.standing == Standing::Doomed) && !self.changes.is_empty()
        {
            self.durable = Arc::new(self.now());
            self.changes.clear();
        }
    }

    /// A doomed write does not matter any more once its whole range was written again and synced.
    fn forget_overwritten(&mut self) {
        let mut kept: Vec<Change> = Vec::with_capacity(self.changes.len());
        for (at, change) in self.changes.iter().enumerate() {
            let later = self.changes.get(at + 1..).unwrap_or_default();
            let again = kept.last().is_some_and(|last| last.what.is_same_length(&change.what));
            if !again && (change.standing != Standing::Doomed || !change.what.is_made_good(later)) {
                kept.push(change.clone());
            }
        }
        self.changes = kept;
    }

    fn doom(&mut self) {
        for change in self.changes.iter_mut().filter(|change| change.standing == Standing::Pending) {
            if matches!(change.what, What::Write { .. }) {
                change.standing = Standing::Doomed;
            }
        }
    }

    /// Doomed writes are gone there; the length, which lies in the inode, is not.
    fn lose(&mut self, range: &Range<u64>) {
        let length = self.now().len() as u64;
        let changes = std::mem::take(&mut self.changes);
        for Change { what, standing } in changes {
            match what {
                What::Write { offset, bytes } if standing == Standing::Doomed => {
                    let end = offset + bytes.len() as u64;
                    let before = to_usize(range.start.clamp(offset, end) - offset);
                    let after = to_usize(range.end.clamp(offset, end) - offset);
                    for (at, bytes) in [(0, bytes.slice(..before)), (after, bytes.slice(after..))] {
                        if !bytes.is_empty() {
                            let what = What::Write { offset: offset + at as u64, bytes };
                            self.changes.push(Change { what, standing });
                        }
                    }
                }
                what => self.changes.push(Change { what, standing }),
            }
        }
        self.changes.push(Change { what: What::Length(length), standing: Standing::Pending });
    }
}

impl What {
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes: written } => put(bytes, *offset, written),
            Self::Length(length) => bytes.resize(to_usize(*length), 0),
            Self::AtLeast(length) => bytes.resize(bytes.len().max(to_usize(*length)), 0),
        }
    }

    /// Whether synced writes among `later` cover it whole.
    fn is_made_good(&self, later: &[Change]) -> bool {
        let Self::Write { offset, bytes } = self else { return false };
        let (mut from, end) = (*offset, offset + bytes.len() as u64);
        // Each round reaches further, or there is no way on.
        while from < end {
            let reached = later
                .iter()
                .filter(|change| change.standing == Standing::Synced)
                .filter_map(|change| match &change.what {
                    Self::Write { offset, bytes } => Some((*offset, offset + bytes.len() as u64)),
                    _ => None,
                })
                .filter(|(begin, _)| *begin <= from)
                .map(|(_, end)| end)
                .max();
            match reached {
                Some(reached) if reached > from => from = reached,
                _ => return false,
            }
        }
        true
    }

    fn is_same_length(&self, other: &Self) -> bool {
        matches!((self, other), (Self::AtLeast(one), Self::AtLeast(two)) if one == two)
    }
}

/// Writes into `bytes`, which grow as a file does.
pub(super) fn put(bytes: &mut Vec<u8>, offset: u64, written: &[u8]) {
    let (begin, end) = (to_usize(offset), to_usize(offset) + written.len());
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    if let Some(target) = bytes.get_mut(begin..end) {
        target.copy_from_slice(written);
    }
}

pub(super) fn to_usize(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
