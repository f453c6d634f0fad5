//! From calls that succeeded to operations on nodes.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rustix::fs::{Advice, FallocateFlags, FileType, OFlags, RenameFlags};
use rustix::io::Errno;

use super::crash::Extreme;
use super::disguise::Disguises;
use super::image::{Content, Image};
use super::live::Live;
use super::operation::{Kind, Metadata, Node, Operation, Recorded};
use super::recording::{Mark, Recording};
use super::scan;
use super::state::{Known, State};
use super::whereabouts::reopen;
use crate::disk::call::Call;

/// What a call gave back.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome<'a> {
    Done,
    Opened(BorrowedFd<'a>),
    Transferred(usize),
}

/// What has to be known of the tree before a call changes it.
#[derive(Debug)]
pub(super) enum Before {
    /// Nothing that is recorded.
    Nothing,
    Create {
        path: PathBuf,
        existed: bool,
    },
    /// A change, or a sync, of what is open.
    Open {
        path: PathBuf,
        node: Node,
    },
    Name {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: Option<PathBuf>,
        node: Option<Node>,
        replaced: Option<Node>,
    },
    SyncAll,
}

#[derive(Debug)]
pub(super) struct Recorder {
    root: PathBuf,
    device: u64,
    initial: Arc<State>,
    live: Live,
    operations: Vec<Arc<Recorded>>,
    marks: Vec<Mark>,
    pub(super) disguises: Disguises,
    /// Files of which a sync has failed.
    doubtful: BTreeSet<Node>,
}

impl Recorder {
    /// `root` is canonical. What lies there is taken for durable.
    pub(super) fn new(root: PathBuf) -> io::Result<Self> {
        let (device, metadata) = scan::whereabouts(&root)?;
        let mut live = Live::default();
        live.know(Node::ROOT, metadata.inode, true);
        let mut recorder = Self {
            root,
            device,
            initial: Arc::new(State::new()),
            live,
            operations: Vec::new(),
            marks: Vec::new(),
            disguises: Disguises::default(),
            doubtful: BTreeSet::new(),
        };
        for found in scan::tree(&recorder.root)? {
            recorder.find(found);
        }
        let mut state = State::new();
        let root = Recorded {
            operation: Operation::Sync { node: Node::ROOT },
            path: PathBuf::new(),
            after: vec![(Node::ROOT, metadata)],
        };
        recorder.operations.iter().for_each(|recorded| state.apply(recorded));
        state.apply(&root);
        recorder.operations.clear();
        recorder.initial = Arc::new(state);
        Ok(recorder)
    }

    pub(super) fn recording(&self) -> Recording {
        Recording {
            initial: Arc::clone(&self.initial),
            operations: self.operations.clone(),
            marks: self.marks.clone(),
            device: self.device,
            reached: Mutex::new(None),
        }
    }

    pub(super) fn mark(&mut self, label: String) {
        self.marks.push(Mark { at: self.operations.len(), label });
    }

    /// What [`Watch::disguise`](super::Watch::disguise) does.
    pub(super) fn disguise(&mut self, image: &Image) -> io::Result<()> {
        self.device = image.device;
        self.disguises.pretend_device(image.device);
        self.disguise_one(Path::new(""), image.root)?;
        for entry in image.entries() {
            if !matches!(entry.content, Content::Again(_)) {
                self.disguise_one(&entry.path, entry.metadata)?;
            }
        }
        Ok(())
    }

    fn disguise_one(&mut self, path: &Path, said: Metadata) -> io::Result<()> {
        let (_, truth) = scan::whereabouts(&self.root.join(path))?;
        self.disguises.put_on(truth, said);
        if let Some(node) = self.live.of_inode(truth.inode) {
            Arc::make_mut(&mut self.initial).metadata.insert(node, Known { synced: said, last: said });
        }
        Ok(())
    }

    /// `path` and `second`: what the call names, from the root.
    pub(super) fn before(&mut self, call: &Call<'_>, path: &Path, second: Option<&Path>) -> Before {
        let path = path.to_path_buf();
        match call {
            Call::Open { flags, .. }
                if flags.intersects(OFlags::CREATE | OFlags::TRUNC | OFlags::TMPFILE) =>
            {
                self.node_at(path.parent().unwrap_or(&path));
                let existed = self.node_at(&path).is_some();
                Before::Create { path, existed }
            }
            Call::Write { file, .. }
            | Call::Copy { to: file, .. }
            | Call::Clone { to: file }
            | Call::Sync { file }
            | Call::Truncate { file, .. }
            | Call::Allocate { file, .. }
            | Call::Advise { file, advice: Advice::DontNeed, .. } => match self.node_of(*file, &path) {
                Some(node) => Before::Open { path, node },
                None => Before::Nothing,
            },
            Call::SyncAll { .. } => Before::SyncAll,
            Call::MakeDirectory { .. } | Call::Remove { .. } => {
                self.node_at(path.parent().unwrap_or(&path));
                self.node_at(&path);
                Before::Name { path }
            }
            Call::Link { .. } => {
                let Some(to) = second else { return Before::Nothing };
                self.node_at(&path);
                self.node_at(to.parent().unwrap_or(to));
                self.node_at(to);
                Before::Name { path: to.to_path_buf() }
            }
            Call::Rename { .. } => {
                let node = self.node_at(&path);
                if let Some(parent) = second.and_then(Path::parent) {
                    self.node_at(parent);
                }
                let replaced = second.and_then(|to| self.node_at(to));
                Before::Rename { from: path, to: second.map(Path::to_path_buf), node, replaced }
            }
            Call::Open { .. }
            | Call::Read { .. }
            | Call::Advise { .. }
            | Call::Stat { .. }
            | Call::StatAt { .. }
            | Call::List { .. }
            | Call::ReadLink { .. } => Before::Nothing,
        }
    }

    /// The call succeeded.
    pub(super) fn after(&mut self, call: &Call<'_>, before: Before, outcome: Outcome<'_>) {
        match (before, outcome) {
            (Before::Create { path, existed }, Outcome::Opened(file)) => {
                self.opened(call, path, existed, file);
            }
            (Before::Nothing | Before::Create { .. }, _) => {}
            (Before::Open { path, node }, outcome) => self.changed(call, path, node, outcome),
            (Before::Name { path }, _) => self.named(call, path),
            (Before::Rename { from, to, node, replaced }, _) => {
                self.renamed(call, &from, to, node, replaced);
            }
            (Before::SyncAll, _) => self.push(Operation::SyncAll, PathBuf::new(), Vec::new()),
        }
    }

    /// A sync failed. Whether the kernel keeps the pages that it gave up, or throws them away.
    pub(super) fn sync_failed(&mut self, file: BorrowedFd<'_>, path: &Path, keeps: bool) {
        let Some(node) = self.node_of(file, path) else { return };
        self.push(Operation::SyncFailed { node }, path.to_path_buf(), Vec::new());
        self.doubtful.insert(node);
        if !keeps {
            // Should it fail, the disk is kinder than it was asked to be.
            let _ = self.throw_away(file, path, node, 0..u64::MAX);
        }
    }

    /// The kernel is told that pages are not needed: those that a failed sync left clean are forgotten.
    fn advised(&mut self, file: BorrowedFd<'_>, path: &Path, node: Node, range: Range<u64>) {
        if self.doubtful.contains(&node) {
            // As above.
            let _ = self.throw_away(file, path, node, range);
        }
    }

    /// Makes the file read as if what no sync has saved there had never been written.
    fn throw_away(
        &mut self,
        file: BorrowedFd<'_>,
        path: &Path,
        node: Node,
        range: Range<u64>,
    ) -> Result<(), Errno> {
        let said = self.metadata(file);
        self.push(Operation::Lost { node, range }, path.to_path_buf(), Vec::new());
        let recording = self.recording();
        let Some(bytes) = recording.with_state(recording.len(), |state| state.bytes(node)) else {
            return Ok(());
        };
        let writable = reopen(file, OFlags::WRONLY)?;
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            at += rustix::io::pwrite(&writable, rest, at as u64)?;
        }
        // The times did not change: the kernel threw memory away and wrote nothing.
        let truth = Metadata::of(&rustix::fs::fstat(file)?);
        if let Some(said) = said {
            self.disguises.put_on(truth, said);
        }
        Ok(())
    }

    fn opened(&mut self, call: &Call<'_>, path: PathBuf, existed: bool, file: BorrowedFd<'_>) {
        let Call::Open { flags, .. } = call else { return };
        let Ok(stat) = rustix::fs::fstat(file) else { return };
        if existed && !flags.contains(OFlags::TMPFILE) {
            if flags.contains(OFlags::TRUNC)
                && let Some(node) = self.live.of_inode(stat.st_ino)
            {
                self.disguises.reveal_times(stat.st_ino);
                self.push(Operation::Truncate { node, length: 0 }, path, self.after_of(node, file));
            }
            return;
        }
        let node = self.make(stat.st_ino, false);
        let at = (!flags.contains(OFlags::TMPFILE)).then(|| self.live.slot(&path)).flatten();
        if let Some(at) = &at {
            self.live.set(at, Some(node));
        }
        let kind = Kind::File(Arc::default());
        self.push(Operation::Create { node, kind, at }, path, self.after_of(node, file));
    }

    fn changed(&mut self, call: &Call<'_>, path: PathBuf, node: Node, outcome: Outcome<'_>) {
        let (file, operation) = match (call, outcome) {
            (Call::Write { file, buffers, offset }, Outcome::Transferred(length)) => {
                let bytes = buffers.iter().flat_map(|buffer| buffer.iter()).take(length).copied().collect();
                (file, Operation::Write { node, offset: *offset, bytes })
            }
            (Call::Copy { to, offset, .. }, Outcome::Transferred(length)) => {
                let Ok(bytes) = read_back(*to, *offset, length) else { return };
                (to, Operation::Write { node, offset: *offset, bytes })
            }
            (Call::Clone { to }, _) => {
                let Ok(bytes) = read_back(*to, 0, usize::MAX) else { return };
                let length = bytes.len() as u64;
                self.push(Operation::Truncate { node, length }, path.clone(), self.after_of(node, *to));
                (to, Operation::Write { node, offset: 0, bytes })
            }
            (Call::Advise { file, offset, length, .. }, _) => {
                let end = length.map_or(u64::MAX, |length| offset.saturating_add(length.get()));
                return self.advised(*file, &path, node, *offset..end);
            }
            (Call::Sync { file }, _) => (file, Operation::Sync { node }),
            (Call::Truncate { file, length }, _) => (file, Operation::Truncate { node, length: *length }),
            (Call::Allocate { file, flags, offset, length }, _) => {
                let zeros = FallocateFlags::PUNCH_HOLE | FallocateFlags::ZERO_RANGE;
                let at_least = (!flags.contains(FallocateFlags::KEEP_SIZE)).then_some(offset + length);
                if flags.intersects(zeros)
                    && let Ok(bytes) =
                        read_back(*file, *offset, usize::try_from(*length).unwrap_or(usize::MAX))
                {
                    let write = Operation::Write { node, offset: *offset, bytes };
                    self.push(write, path.clone(), Vec::new());
                }
                (file, Operation::Allocate { node, at_least })
            }
            _ => return,
        };
        if !matches!(operation, Operation::Sync { .. })
            && let Ok(stat) = rustix::fs::fstat(*file)
        {
            self.disguises.reveal_times(stat.st_ino);
        }
        self.push(operation, path, self.after_of(node, *file));
    }

    fn named(&mut self, call: &Call<'_>, path: PathBuf) {
        let Some(at) = self.live.slot(&path) else { return };
        if matches!(call, Call::Remove { .. }) {
            self.live.set(&at, None);
            return self.push(Operation::Remove { at }, path, Vec::new());
        }
        let Ok((_, truth)) = scan::whereabouts(&self.root.join(&path)) else { return };
        if matches!(call, Call::MakeDirectory { .. }) {
            let node = self.make(truth.inode, true);
            self.live.set(&at, Some(node));
            let create = Operation::Create { node, kind: Kind::Directory, at: Some(at) };
            return self.push(create, path, vec![(node, truth)]);
        }
        match self.live.of_inode(truth.inode) {
            Some(node) => {
                self.live.set(&at, Some(node));
                let after = vec![(node, self.disguises.said(truth))];
                self.push(Operation::Link { node, at }, path, after);
            }
            // A file from elsewhere; nothing is known of it, so it may as well be durable.
            None => self.adopt(&path),
        }
    }

    fn renamed(
        &mut self,
        call: &Call<'_>,
        from: &Path,
        to: Option<PathBuf>,
        node: Option<Node>,
        replaced: Option<Node>,
    ) {
        let exchanges = matches!(call, Call::Rename { flags, .. } if flags.contains(RenameFlags::EXCHANGE));
        let Some(old) = self.live.slot(from).filter(|_| node.is_some()) else {
            return to.iter().for_each(|to| self.adopt(to));
        };
        let Some((path, new)) = to.and_then(|to| self.live.slot(&to).map(|slot| (to, slot))) else {
            self.live.set(&old, None);
            return self.push(Operation::Remove { at: old }, from.to_path_buf(), Vec::new());
        };
        let Some(node) = node.filter(|node| Some(*node) != replaced) else { return };
        let exchanged = replaced.filter(|_| exchanges);
        self.live.set(&old, exchanged);
        self.live.set(&new, Some(node));
        let truth = scan::whereabouts(&self.root.join(&path)).ok();
        let after = truth.map(|(_, truth)| (node, self.disguises.said(truth))).into_iter().collect();
        self.push(Operation::Rename { node, from: old, to: new, exchanged }, path, after);
    }

    fn push(&mut self, operation: Operation, path: PathBuf, after: Vec<(Node, Metadata)>) {
        self.operations.push(Arc::new(Recorded { operation, path, after }));
    }

    fn after_of(&self, node: Node, file: BorrowedFd<'_>) -> Vec<(Node, Metadata)> {
        self.metadata(file).map(|metadata| (node, metadata)).into_iter().collect()
    }

    fn metadata(&self, file: BorrowedFd<'_>) -> Option<Metadata> {
        rustix::fs::fstat(file).ok().map(|stat| self.disguises.said(Metadata::of(&stat)))
    }

    fn make(&mut self, inode: u64, is_directory: bool) -> Node {
        self.disguises.forget(inode);
        self.live.add(inode, is_directory)
    }

    /// The node of what is open; what nobody knows yet is adopted.
    fn node_of(&mut self, file: BorrowedFd<'_>, path: &Path) -> Option<Node> {
        let stat = rustix::fs::fstat(file).ok()?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if !kind.is_file() && !kind.is_dir() {
            return None;
        }
        self.live.of_inode(stat.st_ino).or_else(|| {
            self.adopt(path);
            self.live.of_inode(stat.st_ino)
        })
    }

    /// The node of a name; what came there without a call of ours is adopted.
    fn node_at(&mut self, path: &Path) -> Option<Node> {
        if path.is_absolute() {
            return None; // outside
        }
        let Ok((_, truth)) = scan::whereabouts(&self.root.join(path)) else {
            self.miss(path);
            return None;
        };
        let known = self.live.find(path).filter(|node| self.live.of_inode(truth.inode) == Some(*node));
        if known.is_none() {
            self.adopt(path);
        }
        self.live.find(path)
    }

    /// Takes what lies there for durable, whatever is below it included.
    fn adopt(&mut self, path: &Path) {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty())
            && self.live.find(parent).is_none()
        {
            return self.adopt(parent);
        }
        let Ok(found) = scan::one(&self.root, path) else { return };
        let is_directory = found.kind == Some(Kind::Directory);
        self.find(found);
        if is_directory {
            for mut found in scan::tree(&self.root.join(path)).unwrap_or_default() {
                found.path = path.join(found.path);
                self.find(found);
            }
        }
    }

    /// What has gone without a call of ours is gone for good.
    fn miss(&mut self, path: &Path) {
        let Some(at) = self.live.slot(path).filter(|at| self.live.at(at).is_some()) else { return };
        self.live.set(&at, None);
        self.push(Operation::Vanished { at }, path.to_path_buf(), Vec::new());
    }

    fn find(&mut self, found: scan::Found) {
        let (Some(kind), Some(at)) = (found.kind, self.live.slot(&found.path)) else { return };
        let inode = found.metadata.inode;
        let known = self.live.of_inode(inode).filter(|_| matches!(kind, Kind::File(_)));
        let node = known.unwrap_or_else(|| self.live.add(inode, kind == Kind::Directory));
        self.live.set(&at, Some(node));
        let metadata = self.disguises.said(found.metadata);
        self.push(Operation::Found { node, kind, at }, found.path, vec![(node, metadata)]);
    }

    /// What differs between the tree and what is known of it: nothing, unless something was done past the calls that
    /// are watched.
    pub(super) fn deviation(&self) -> io::Result<Vec<String>> {
        let mut deviations = Vec::new();
        let image = {
            let recording = self.recording();
            recording.extreme(recording.len(), Extreme::EverythingKept)
        };
        let mut expected = image.files();
        for found in scan::tree(&self.root)? {
            let Some(Kind::File(bytes)) = found.kind else { continue };
            if !expected.remove(found.path.as_path()) {
                deviations.push(format!("{} is not known", found.path.display()));
            } else if image.file(&found.path) != Some(bytes.as_slice()) {
                deviations.push(format!("{} has other bytes", found.path.display()));
            }
        }
        deviations.extend(expected.iter().map(|path| format!("{} is gone", path.display())));
        Ok(deviations)
    }
}

/// The bytes that are in a file now.
fn read_back(file: BorrowedFd<'_>, offset: u64, length: usize) -> Result<Bytes, Errno> {
    let file: OwnedFd = reopen(file, OFlags::RDONLY)?;
    let mut bytes = Vec::new();
    let mut part = vec![0; 64 * 1024];
    while bytes.len() < length {
        let most = part.len().min(length - bytes.len());
        let target = part.get_mut(..most).unwrap_or_default();
        let read = rustix::io::pread(file.as_fd(), target, offset + bytes.len() as u64)?;
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(part.get(..read).unwrap_or_default());
    }
    Ok(bytes.into())
}
