//! What a disk holds after power was cut, and how to have it as real files.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};

use super::crash::Chance;
use super::operation::{Metadata, Node};
use super::state::State;

/// A tree of files as a power cut left it.
#[derive(Debug, Clone)]
pub struct Image {
    /// Parents before children.
    entries: Vec<Entry>,
    pub(super) device: u64,
    /// Of the directory itself.
    pub(super) root: Metadata,
}

/// One name in an image.
#[derive(Debug, Clone)]
pub struct Entry {
    /// From the watched directory.
    pub path: PathBuf,
    /// What has this name.
    pub content: Content,
    /// What the file system says of it.
    pub metadata: Metadata,
}

/// What an image has under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A directory.
    Directory,
    /// A file with these bytes.
    File(Arc<Vec<u8>>),
    /// One more name of the file that has that name.
    Again(PathBuf),
    /// A symbolic link to there.
    Link(PathBuf),
}

impl Image {
    pub(super) fn of(state: &State, device: u64, mut chance: Chance) -> Self {
        let directories = chance.names(state);
        let mut image =
            Self { entries: Vec::new(), device, root: chance.metadata(state.metadata.get(&Node::ROOT)) };
        let mut seen: BTreeMap<Node, PathBuf> = BTreeMap::from([(Node::ROOT, PathBuf::new())]);
        let mut open = vec![(PathBuf::new(), Node::ROOT)];
        while let Some((path, directory)) = open.pop() {
            let Some(names) = directories.get(&directory) else { continue };
            for (name, node) in names.iter() {
                let path = path.join(name);
                let content = if let Some(file) = state.files.get(node) {
                    match seen.get(node) {
                        Some(first) => Content::Again(first.clone()),
                        None => Content::File(chance.bytes(file)),
                    }
                } else if let Some(target) = state.links.get(node) {
                    Content::Link(target.to_path_buf())
                } else if seen.contains_key(node) {
                    // A directory that was moved has one name.
                    continue;
                } else {
                    open.push((path.clone(), *node));
                    Content::Directory
                };
                seen.entry(*node).or_insert_with(|| path.clone());
                image.entries.push(Entry {
                    path,
                    content,
                    metadata: chance.metadata(state.metadata.get(node)),
                });
            }
        }
        image
    }

    /// All names, parents before children.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The bytes of a file, by its path from the watched directory.
    #[must_use]
    pub fn file(&self, path: impl AsRef<Path>) -> Option<&[u8]> {
        self.find(path.as_ref())
    }

    /// The paths of all files, from the watched directory, in order.
    #[must_use]
    pub fn files(&self) -> BTreeSet<&Path> {
        let is_file = |entry: &&Entry| matches!(entry.content, Content::File(_) | Content::Again(_));
        self.entries.iter().filter(is_file).map(|entry| entry.path.as_path()).collect()
    }

    /// Makes the files in `into`, an existing directory that should be empty.
    pub fn materialise(&self, into: &Path) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, into, flags, Mode::empty())?;
        // Siblings follow one another: their directory is opened once.
        let mut opened: Option<(&Path, OwnedFd)> = None;
        for entry in &self.entries {
            let (Some(parent), Some(name)) = (entry.path.parent(), entry.path.file_name()) else { continue };
            if !parent.as_os_str().is_empty() && opened.as_ref().is_none_or(|(path, _)| *path != parent) {
                opened = Some((parent, rustix::fs::openat(&root, parent, flags, Mode::empty())?));
            }
            let directory = match &opened {
                Some((path, directory)) if *path == parent => directory,
                _ => &root,
            };
            match &entry.content {
                Content::Directory => rustix::fs::mkdirat(directory, name, Mode::from_raw_mode(0o777))?,
                Content::File(bytes) => {
                    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                    let file = rustix::fs::openat(directory, name, flags, Mode::from_raw_mode(0o666))?;
                    write_all(file, bytes)?;
                }
                Content::Again(first) => {
                    rustix::fs::linkat(&root, first, directory, name, AtFlags::empty())?;
                }
                Content::Link(target) => rustix::fs::symlinkat(target, directory, name)?,
            }
        }
        Ok(())
    }

    fn find(&self, path: &Path) -> Option<&[u8]> {
        match &self.entries.iter().find(|entry| entry.path == path)?.content {
            Content::File(bytes) => Some(bytes),
            Content::Again(first) => self.find(first),
            Content::Directory | Content::Link(_) => None,
        }
    }
}

fn write_all(file: impl AsFd, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = rustix::io::write(&file, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}
