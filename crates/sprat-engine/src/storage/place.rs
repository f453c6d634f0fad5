//! Where the files of a torrent lie.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, PathBuf};

use sprat_wire::metainfo::names::{NameError, PathTable, safe_component};
use sprat_wire::metainfo::{File, Info};
use thiserror::Error;

/// Where the files of a torrent lie, and whose they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The files are below it.
    pub directory: PathBuf,
    /// Files that have another path below it than the torrent says, by their number in the info dictionary. Components are joined
    /// by `/`.
    pub names: BTreeMap<usize, String>,
    /// Files that are there already, and that nobody has recorded as ours, may be written.
    pub adopt: bool,
}

/// Why files cannot have the names that they were given.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlaceError {
    /// It would be another directory for another process, or none at all: it is not absolute, or leads back by `..`.
    #[error("{} cannot be the directory of a torrent that is moved", .0.display())]
    Directory(PathBuf),
    /// The torrent has no file of this number.
    #[error("there is no file number {0}")]
    NoSuchFile(usize),
    /// Not every file system could have it, or it would be elsewhere.
    #[error("{0:?} cannot be the path of a file")]
    Unsafe(String),
    /// Another file has it, or differs in nothing that every file system heeds, or needs a directory of that name.
    #[error("{0:?} is the path of two files")]
    Twice(String),
    /// Not a path at all.
    #[error("{0:?}: {1}")]
    Name(String, NameError),
    /// Which files there are will be known when the metadata has been found.
    #[error("the files are not known yet")]
    FilesUnknown,
}

impl From<PathBuf> for Place {
    /// As the torrent has it, and only what is ours is written.
    fn from(directory: PathBuf) -> Self {
        Self { directory, names: BTreeMap::new(), adopt: false }
    }
}

impl Place {
    /// The path of a file below the directory.
    pub(crate) fn path<'a>(&'a self, info: &'a Info, file: usize) -> &'a str {
        let named = self.names.get(&file).map(String::as_str);
        named.or_else(|| info.files.get(file).map(|file| file.path.as_str())).unwrap_or_default()
    }

    /// Whether every process finds it: what is written down of a move may be read by one that was started elsewhere.
    pub(crate) fn check_directory(&self) -> Result<(), PlaceError> {
        let leads_back = self.directory.components().any(|component| component == Component::ParentDir);
        let is_path = !self.directory.as_os_str().as_bytes().contains(&0);
        let is_sound = self.directory.is_absolute() && !leads_back && is_path;
        is_sound.then_some(()).ok_or_else(|| PlaceError::Directory(self.directory.clone()))
    }

    /// Whether every file system could have the names, wherever they are below it.
    pub(crate) fn check_names(&self) -> Result<(), PlaceError> {
        let is_safe =
            |name: &str| name.split('/').all(|component| safe_component(component.as_bytes()) == component);
        let unsafe_name = self.names.values().find(|name| !is_safe(name));
        unsafe_name.map_or(Ok(()), |name| Err(PlaceError::Unsafe(name.clone())))
    }

    /// Whether each file can be where it is said to be. The torrent's own paths are; it is the names given by the user, or by a
    /// record of the state, that may not be.
    pub(crate) fn check(&self, info: &Info) -> Result<(), PlaceError> {
        if self.names.is_empty() {
            return Ok(());
        }
        if let Some(file) =
            self.names.keys().find(|file| !info.files.get(**file).is_some_and(File::is_on_disk))
        {
            return Err(PlaceError::NoSuchFile(*file));
        }
        self.check_names()?;
        let mut paths = PathTable::new();
        for (file, _) in info.files.iter().enumerate().filter(|(_, file)| file.is_on_disk()) {
            let path = self.path(info, file);
            let components: Vec<&[u8]> = path.split('/').map(str::as_bytes).collect();
            match paths.insert(&components) {
                Ok(safe) if safe.path == path => {}
                Ok(_) => return Err(PlaceError::Twice(path.to_owned())),
                Err(error) => return Err(PlaceError::Name(path.to_owned(), error)),
            }
        }
        Ok(())
    }
}

/// The directories on the way to a file, the root (empty) first.
pub(super) fn directories_of(path: &str) -> impl Iterator<Item = &str> {
    std::iter::once("").chain(path.match_indices('/').filter_map(|(at, _)| path.get(..at)))
}

#[cfg(test)]
mod tests {
    use sprat_wire::metainfo::Version;

    use super::*;
    use crate::create::{CreateOptions, create};

    fn info() -> Info {
        let home = tempfile::tempdir().unwrap();
        for path in ["t/a", "t/d/b", "t/d/c"] {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"some").unwrap();
        }
        let options = CreateOptions {
            path: home.path().join("t"),
            version: Version::V1,
            piece_length: Some(16 * 1024),
            threads: Some(1),
            description: sprat_wire::metainfo::build::Description::default(),
        };
        (*create(&options, &|_, _| {}).unwrap().metainfo.info).clone()
    }

    fn named(names: &[(usize, &str)]) -> Result<(), PlaceError> {
        let names = names.iter().map(|(file, name)| (*file, (*name).to_owned())).collect();
        Place { names, ..Place::from(PathBuf::from("/d")) }.check(&info())
    }

    #[test]
    fn a_directory_that_is_not_the_same_for_everybody_is_refused() {
        let check = |path: &str| Place::from(PathBuf::from(path)).check_directory();
        assert_eq!(check("/a/b c"), Ok(()));
        for path in ["", "a", "./a", "/a/../b", "/..", "/a\0b"] {
            assert_eq!(check(path), Err(PlaceError::Directory(PathBuf::from(path))));
        }
    }

    #[test]
    fn any_file_may_have_another_name() {
        assert_eq!(named(&[]), Ok(()));
        assert_eq!(named(&[(0, "elsewhere/x y")]), Ok(()));
        assert_eq!(named(&[(1, "t/a"), (0, "t/d/b")]), Ok(()), "each other's");
    }

    #[test]
    fn names_that_lead_out_or_are_taken_are_refused() {
        for name in ["", "/etc/passwd", "../x", "a//b", "a/./b", "a\0b", "nul", "a/"] {
            assert!(matches!(named(&[(0, name)]), Err(PlaceError::Unsafe(_))), "{name:?}");
        }
        for name in ["t/d/b", "T/D/B", "t/d", "t/d/b/c"] {
            assert!(matches!(named(&[(0, name)]), Err(PlaceError::Twice(_))), "{name:?}");
        }
        assert_eq!(named(&[(9, "x")]), Err(PlaceError::NoSuchFile(9)));
        assert!(matches!(named(&[(0, "x/".repeat(200).trim_end_matches('/'))]), Err(PlaceError::Name(..))));
    }
}
