//! What a disk may hold after power was cut: which of the changes that nobody synced have reached it.
//!
//! By POSIX, and no kinder: a write that was not synced is there, or not, or in some of its sectors of 512 bytes; a
//! length may be an older one, or one on the way; a name that was made, changed or removed without a sync of its
//! directory may be as before or as after, each for itself, and the sync of a file says nothing of its name. Only
//! what ext4, XFS and btrfs all promise is taken for granted: a name goes through its changes in order, and a rename
//! happens at both of its ends or at neither.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

use super::operation::{Metadata, Node};
use super::state::{File, Known, Standing, State, What, cut_forward, extend_back, put, to_usize};

/// The two ends of what may be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extreme {
    /// What no sync vouches for is gone.
    NothingUnsynced,
    /// All that was done has reached the disk.
    EverythingKept,
}

/// Decides, by a seed or by principle.
#[derive(Debug)]
pub(super) struct Chance {
    random: fastrand::Rng,
    extreme: Option<Extreme>,
    /// Of 8: how many changes are kept, of each kind.
    names: u8,
    writes: u8,
    torn: u8,
}

/// A size of disk sectors that all file systems are multiples of.
const SECTOR: u64 = 512;

impl Chance {
    pub(super) fn of_seed(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        // Seeds differ in kind: nearly everything lost or kept finds other bugs than half of it.
        let mut odds = || *random.choice([0, 1, 4, 4, 7, 8].iter()).unwrap_or(&4);
        let (names, writes, torn) = (odds(), odds(), odds());
        Self { random, extreme: None, names, writes, torn }
    }

    pub(super) fn of_extreme(extreme: Extreme) -> Self {
        let odds = if extreme == Extreme::EverythingKept { 8 } else { 0 };
        Self {
            random: fastrand::Rng::with_seed(0),
            extreme: Some(extreme),
            names: odds,
            writes: odds,
            torn: 0,
        }
    }

    /// The directories with those changes of names that have reached the disk.
    pub(super) fn names(&mut self, state: &State) -> BTreeMap<Node, Arc<BTreeMap<OsString, Node>>> {
        let mut chosen: Vec<bool> = state.pending.iter().map(|_| self.hit(self.names)).collect();
        if self.random.bool() {
            extend_back(&state.pending, &mut chosen);
        } else {
            cut_forward(&state.pending, &mut chosen);
        }
        let mut directories = state.directories.clone();
        for (change, _) in state.pending.iter().zip(chosen).filter(|(_, chosen)| *chosen) {
            for (slot, node) in &change.sets {
                let Some(names) = directories.get_mut(&slot.directory) else { continue };
                let names = Arc::make_mut(names);
                match node {
                    Some(node) => names.insert(slot.name.clone(), *node),
                    None => names.remove(&slot.name),
                };
            }
        }
        directories
    }

    /// The bytes of a file that have reached the disk.
    pub(super) fn bytes(&mut self, file: &File) -> Arc<Vec<u8>> {
        if file.changes.is_empty() {
            return Arc::clone(&file.durable);
        }
        let unsure = file.changes.iter().filter(|change| change.standing != Standing::Synced).count();
        let mut lengths = self.lengths(unsure);
        let mut bytes = file.durable.to_vec();
        let mut length = bytes.len() as u64;
        let mut on_the_way = None;
        for change in &file.changes {
            let synced = change.standing == Standing::Synced;
            let counts = synced || lengths > 0;
            lengths -= usize::from(!synced && lengths > 0);
            let after = match &change.what {
                What::Write { offset, bytes } => length.max(offset + bytes.len() as u64),
                What::Length(length) => *length,
                What::AtLeast(least) => length.max(*least),
            };
            match &change.what {
                What::Write { offset, bytes: written } if synced => put(&mut bytes, *offset, written),
                What::Write { offset, bytes: written } => self.write(&mut bytes, *offset, written),
                What::Length(_) | What::AtLeast(_) if counts => bytes.resize(to_usize(after), 0),
                What::Length(_) | What::AtLeast(_) => {}
            }
            if counts {
                length = after;
                on_the_way = None;
            } else if on_the_way.is_none() && after > length {
                on_the_way = Some(after);
            }
        }
        if let Some(after) = on_the_way
            && self.extreme.is_none()
            && self.random.bool()
        {
            let sectors = self.random.u64(length / SECTOR..=after / SECTOR);
            length = length.max(sectors * SECTOR);
        }
        bytes.resize(to_usize(length), 0);
        Arc::new(bytes)
    }

    /// What the file system says of the node now.
    pub(super) fn metadata(&mut self, known: Option<&Known>) -> Metadata {
        let Some(known) = known else { return Metadata::default() };
        let last = match self.extreme {
            Some(extreme) => extreme == Extreme::EverythingKept,
            None => self.random.bool(),
        };
        if last { known.last } else { known.synced }
    }

    /// How many of the changes of a length that are not durable count.
    fn lengths(&mut self, unsure: usize) -> usize {
        match self.extreme {
            Some(Extreme::NothingUnsynced) => 0,
            Some(Extreme::EverythingKept) => unsure,
            None => match self.random.u8(..4) {
                0 => 0,
                1 => self.random.usize(..=unsure),
                _ => unsure,
            },
        }
    }

    /// A write that was never synced, as far as it has reached the disk.
    fn write(&mut self, bytes: &mut Vec<u8>, offset: u64, written: &[u8]) {
        let end = offset + written.len() as u64;
        let (first, last) = (offset / SECTOR, end.div_ceil(SECTOR));
        if last - first < 2 || !self.hit(self.torn) {
            if self.hit(self.writes) {
                put(bytes, offset, written);
            }
            return;
        }
        let cut = self.random.u64(first + 1..last);
        let way = self.random.u8(..3);
        for sector in first..last {
            let kept = match way {
                0 => sector < cut,
                1 => sector >= cut,
                _ => self.random.bool(),
            };
            let (from, to) = ((sector * SECTOR).max(offset), ((sector + 1) * SECTOR).min(end));
            if kept && let Some(part) = written.get(to_usize(from - offset)..to_usize(to - offset)) {
                put(bytes, from, part);
            }
        }
    }

    fn hit(&mut self, of_eight: u8) -> bool {
        self.random.u8(..8) < of_eight
    }
}
