//! The watched tree as this process sees it: which name and which inode is which node.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path};

use super::operation::{Node, Slot};

#[derive(Debug, Default)]
pub(super) struct Live {
    last: u32,
    directories: BTreeMap<Node, BTreeMap<OsString, Node>>,
    by_inode: BTreeMap<u64, Node>,
}

impl Live {
    /// A new node. An inode that was given away again is the new node's from now on.
    pub(super) fn add(&mut self, inode: u64, is_directory: bool) -> Node {
        self.last += 1;
        let node = Node(self.last);
        self.know(node, inode, is_directory);
        node
    }

    pub(super) fn know(&mut self, node: Node, inode: u64, is_directory: bool) {
        self.by_inode.insert(inode, node);
        if is_directory {
            self.directories.insert(node, BTreeMap::new());
        }
    }

    pub(super) fn of_inode(&self, inode: u64) -> Option<Node> {
        self.by_inode.get(&inode).copied()
    }

    pub(super) fn at(&self, slot: &Slot) -> Option<Node> {
        self.directories.get(&slot.directory)?.get(&slot.name).copied()
    }

    pub(super) fn set(&mut self, slot: &Slot, node: Option<Node>) {
        let Some(names) = self.directories.get_mut(&slot.directory) else { return };
        match node {
            Some(node) => names.insert(slot.name.clone(), node),
            None => names.remove(&slot.name),
        };
    }

    /// The node of a path from the watched directory.
    pub(super) fn find(&self, path: &Path) -> Option<Node> {
        let mut node = Node::ROOT;
        for component in path.components() {
            let Component::Normal(name) = component else { return None };
            node = *self.directories.get(&node)?.get(name)?;
        }
        Some(node)
    }

    /// The slot that a path names, if its directory is known.
    pub(super) fn slot(&self, path: &Path) -> Option<Slot> {
        let (directory, name) = (path.parent()?, path.file_name()?);
        Some(Slot { directory: self.find(directory)?, name: name.to_owned() })
    }
}
