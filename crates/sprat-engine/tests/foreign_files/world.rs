//! The directories of one run, and what of others lies in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::look::{Inode, Look, inode_of, look_below};
use crate::runs::{Outcome, ensure};

pub(crate) struct World {
    /// In memory where that is possible, and on another file system than that.
    homes: [TempDir; 2],
    foreign: BTreeMap<PathBuf, Look>,
    /// Files of the torrent to which somebody else has given a name: how many they have is not theirs alone.
    shared: BTreeSet<Inode>,
    /// Files that the user lets us write.
    adopted: BTreeSet<Inode>,
    /// Other names of those, which stay.
    other_names: BTreeMap<PathBuf, Inode>,
    /// What may lie there for ever although it is nobody's.
    kept: BTreeSet<PathBuf>,
    /// Directories that were named to us. They are the user's, whoever has made them.
    named: BTreeSet<PathBuf>,
}

impl World {
    pub(crate) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let first = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let homes = [first.unwrap(), tempfile::tempdir().unwrap()];
        let mut world = Self {
            homes,
            foreign: BTreeMap::new(),
            shared: BTreeSet::new(),
            adopted: BTreeSet::new(),
            other_names: BTreeMap::new(),
            kept: BTreeSet::new(),
            named: BTreeSet::new(),
        };
        for side in 0..2 {
            let outside = world.files(side).join("outside");
            fs::create_dir_all(outside.join("directory")).unwrap();
            fs::write(outside.join("file"), [b'o'; 70_000]).unwrap();
            fs::write(outside.join("directory/b"), "not the torrent's").unwrap();
            for path in ["", "file", "directory", "directory/b"] {
                world.note(&outside.join(path));
            }
            world.note(&world.files(side));
        }
        world
    }

    /// Where the state of the client lies.
    pub(crate) fn home(&self) -> &Path {
        self.homes[0].path()
    }

    /// Where files lie, on one of the two file systems.
    pub(crate) fn files(&self, side: usize) -> PathBuf {
        self.homes[side].path().canonicalize().unwrap().join("files")
    }

    /// Things that lie elsewhere, on the file system of a path.
    pub(crate) fn outside(&self, path: &Path) -> PathBuf {
        let side = usize::from(path.starts_with(self.files(1)));
        self.files(side).join("outside")
    }

    /// What is there is somebody else's, and stays as it is.
    pub(crate) fn note(&mut self, path: &Path) {
        let look = Look::at(path).unwrap();
        self.foreign.insert(path.components().collect(), look);
    }

    /// A file has one more name: all of them look otherwise.
    pub(crate) fn note_again(&mut self, path: &Path) {
        let look = Look::at(path).unwrap();
        for other in self.foreign.values_mut().filter(|other| other.inode == look.inode) {
            *other = look.clone();
        }
    }

    pub(crate) fn note_shared(&mut self, ours: &Path) {
        self.shared.extend(inode_of(ours));
    }

    /// Somebody has named this directory to us.
    pub(crate) fn name(&mut self, directory: &Path) {
        self.named.insert(directory.to_path_buf());
    }

    pub(crate) fn is_foreign(&self, path: &Path) -> bool {
        self.foreign.contains_key(path)
    }

    pub(crate) fn is_adopted(&self, path: &Path) -> bool {
        inode_of(path).is_some_and(|inode| self.adopted.contains(&inode))
    }

    /// How many things of others there are, but for directories.
    pub(crate) fn things(&self) -> u64 {
        let is_thing = |look: &&Look| look.kind != "directory";
        (self.foreign.values().filter(is_thing).count() + self.other_names.len() + self.adopted.len()) as u64
    }

    /// The user lets us write what lies here.
    pub(crate) fn consent(&mut self, path: &Path) {
        let Some(look) = self.foreign.get(path).filter(|look| look.kind == "file") else { return };
        let inode = look.inode;
        self.adopted.insert(inode);
        self.foreign.remove(path);
        let names: Vec<PathBuf> = self
            .foreign
            .iter()
            .filter(|(_, look)| look.inode == inode)
            .map(|(path, _)| path.clone())
            .collect();
        for name in names {
            self.foreign.remove(&name);
            self.other_names.insert(name, inode);
        }
    }

    /// It may stay.
    pub(crate) fn keep(&mut self, path: &Path) {
        self.kept.insert(path.to_path_buf());
    }

    /// That everything of others is as it was, and that there is nothing else but files of these paths.
    pub(crate) fn check(&self, ours: &BTreeSet<PathBuf>) -> Outcome {
        let mut now = BTreeMap::new();
        for side in 0..2 {
            look_below(&self.files(side), &mut now);
        }
        for (path, before) in &self.foreign {
            let Some(look) = now.get(path) else { return Err(format!("{} is gone", path.display())) };
            let mut before = before.clone();
            if self.shared.contains(&before.inode) {
                before.links = look.links;
            }
            ensure!(look.is_as(&before), "{} was {before:?} and is {look:?}", path.display());
        }
        for (path, inode) in &self.other_names {
            ensure!(inode_of(path) == Some(*inode), "{} is gone", path.display());
        }
        let stays = |path: &Path| {
            ours.contains(path)
                || self.kept.contains(path)
                || self.named.contains(path)
                || self.foreign.contains_key(path)
                || self.other_names.contains_key(path)
        };
        let on_the_way: BTreeSet<&Path> = now
            .keys()
            .chain(ours)
            .chain(&self.named)
            .filter(|path| stays(path))
            .flat_map(|path| path.ancestors())
            .collect();
        for (path, look) in &now {
            let is_right = stays(path) || look.kind == "directory" && on_the_way.contains(path.as_path());
            ensure!(is_right, "{} is left, a {}", path.display(), look.kind);
        }
        Ok(())
    }
}

/// A path without links on the way, as far as it is there.
pub(crate) fn real(path: &Path) -> PathBuf {
    let is_there = path.ancestors().find(|path| path.exists()).unwrap();
    let rest = path.strip_prefix(is_there).unwrap();
    let mut real = is_there.canonicalize().unwrap();
    real.extend(rest);
    real
}
