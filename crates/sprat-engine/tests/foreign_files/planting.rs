//! Things of others, in the way of the torrent's files and beside them.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use rustix::fs::{CWD, Mode, mkfifoat};

use crate::look::Look;
use crate::sample::{Expected, Sample};
use crate::world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thing {
    Other,
    Shorter,
    Longer,
    Empty,
    Right,
    /// The first half is right.
    HalfRight,
    LinkToFile,
    LinkToDirectory,
    LinkToNothing,
    HardLink,
    Directory,
    Fifo,
}

const THINGS: [Thing; 12] = [
    Thing::Other,
    Thing::Shorter,
    Thing::Longer,
    Thing::Empty,
    Thing::Right,
    Thing::HalfRight,
    Thing::LinkToFile,
    Thing::LinkToDirectory,
    Thing::LinkToNothing,
    Thing::HardLink,
    Thing::Directory,
    Thing::Fifo,
];

/// Those that hold nothing of the torrent.
pub(crate) const STRANGE: [Thing; 4] = [Thing::Other, Thing::LinkToFile, Thing::Directory, Thing::Fifo];

impl World {
    /// Puts things into a directory that is going to be that of the torrent, perhaps into the way of its files.
    pub(crate) fn plant_in(&mut self, directory: &Path, sample: &Sample, in_the_way: bool, random: &mut Rng) {
        for file in &sample.files {
            if in_the_way && random.u8(0..4) == 0 {
                let thing = THINGS[random.usize(..THINGS.len())];
                self.plant(&directory.join(&file.path), thing, &file.bytes);
            }
            if random.u8(0..6) == 0 {
                self.plant(&directory.join(file.path.to_uppercase()), Thing::Other, b"TWIN");
            }
            if random.u8(0..6) == 0 {
                self.plant(&directory.join(format!("{}.bak", file.path)), Thing::Other, b"beside it");
            }
        }
        if in_the_way && random.u8(0..6) == 0 {
            let path = if random.bool() { "t/sub" } else { "t/sub/deep" };
            let thing = if random.bool() { Thing::LinkToDirectory } else { Thing::Other };
            self.plant(&directory.join(path), thing, b"no directory");
        }
    }

    /// Puts something of others where nothing is. `right` is what the torrent would have there.
    pub(crate) fn plant(&mut self, target: &Path, thing: Thing, right: &[u8]) {
        let parent = target.parent().unwrap();
        if Look::at(target).is_some() || !self.has_directory(parent) {
            return;
        }
        let outside = self.outside(target);
        let foreign = |length: usize| vec![b'f'; length];
        match thing {
            Thing::Other => fs::write(target, foreign(right.len().max(1))),
            Thing::Shorter => fs::write(target, foreign(right.len() / 2)),
            Thing::Longer => fs::write(target, foreign(right.len() + 777)),
            Thing::Empty => fs::write(target, b""),
            Thing::Right => fs::write(target, right),
            Thing::HalfRight => {
                let mut right = right.to_vec();
                let half = right.len() / 2;
                right[half..].fill(b'f');
                fs::write(target, right)
            }
            Thing::LinkToFile => symlink(outside.join("file"), target),
            Thing::LinkToDirectory => symlink(outside.join("directory"), target),
            Thing::LinkToNothing => symlink(outside.join("nothing"), target),
            // Each to a file of its own: two of the torrent's files that are one cannot both be right.
            Thing::HardLink => self.another_file(&outside).and_then(|file| fs::hard_link(file, target)),
            Thing::Directory => fs::create_dir(target),
            Thing::Fifo => mkfifoat(CWD, target, Mode::RWXU).map_err(Into::into),
        }
        .unwrap();
        self.note(target);
        if thing == Thing::HardLink {
            self.note_again(target);
        }
    }

    fn another_file(&mut self, outside: &Path) -> io::Result<PathBuf> {
        let names = (0..).map(|number| outside.join(format!("file {number}")));
        let file = names.into_iter().find(|path| !path.exists()).unwrap();
        fs::write(&file, [b'h'; 20_000])?;
        self.note(&file);
        Ok(file)
    }

    /// Gives a file of the torrent one more name, which is none of ours.
    pub(crate) fn plant_link_to(&mut self, ours: &Path, target: &Path) {
        if Look::at(target).is_none()
            && self.has_directory(target.parent().unwrap())
            && fs::hard_link(ours, target).is_ok()
        {
            self.note(target);
            self.note_shared(ours);
        }
    }

    /// Makes a directory as somebody else would. Fails where something else has its place, or a link is on the way: what lies
    /// behind it would be planted elsewhere.
    fn has_directory(&mut self, directory: &Path) -> bool {
        let missing: Vec<&Path> =
            directory.ancestors().take_while(|path| fs::symlink_metadata(path).is_err()).collect();
        if fs::create_dir_all(directory).is_err() || fs::canonicalize(directory).unwrap() != directory {
            return false;
        }
        for path in missing {
            self.note(path);
        }
        true
    }
}

/// Whether a file holds what the torrent has there, and nothing else but behind it.
pub(crate) fn is_right(path: &Path, file: &Expected) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes.starts_with(&file.bytes))
}
