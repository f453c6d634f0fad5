//! The `.torrent` files of the torrents that the engine has.
//!
//! One file each, and not in the database: they may be many MiB, and never change.

use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use sprat_wire::bencode::Limits;
use sprat_wire::hash::InfoHashes;
use sprat_wire::metainfo::Metainfo;
use thiserror::Error;

use crate::state::StateError;
use crate::whole_file;

/// A directory of `.torrent` files, named by their info-hash.
#[derive(Debug, Clone)]
pub struct Shelf {
    directory: PathBuf,
}

/// Why a torrent cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ShelfError {
    /// The file was not what it should be. It is kept under another name.
    #[error("the file of torrent {name} was damaged ({reason}); it is now {}", aside.display())]
    Damaged {
        /// The info-hash in the name of the file.
        name: String,
        /// What was wrong.
        reason: String,
        /// Where it is now.
        aside: PathBuf,
    },
    /// Trouble with the disk.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Shelf {
    /// The shelf in a state directory. Nothing is made until something is put on it.
    #[must_use]
    pub fn below(state: &Path) -> Self {
        Self { directory: state.join("metadata") }
    }

    /// Keeps the bytes of a `.torrent` file, which the caller has read as a torrent with these hashes. Durable when it
    /// returns. Waits for the disk.
    pub fn put(&self, hashes: &InfoHashes, bytes: &[u8]) -> Result<(), StateError> {
        let path = self.path(hashes);
        whole_file::write(&path, bytes).map_err(|error| StateError::of(path.display(), &error))
    }

    /// The torrent with these hashes, if there is one. What is on the disk is believed only after it was read and hashed.
    pub fn get(&self, hashes: &InfoHashes) -> Result<Option<Metainfo>, ShelfError> {
        let path = self.path(hashes);
        let bytes = match read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StateError::of(path.display(), &error).into()),
        };
        let reason = match Metainfo::parse_kept(&bytes) {
            Ok(metainfo) if hashes.mean(&metainfo.info_hashes) => return Ok(Some(metainfo)),
            Ok(metainfo) => format!("it has the info-hash {}", metainfo.info_hashes.primary()),
            Err(error) => error.to_string(),
        };
        let aside = self.set_aside(&path).map_err(|error| StateError::of(path.display(), &error))?;
        Err(ShelfError::Damaged { name: hashes.primary().to_string(), reason, aside })
    }

    /// Forgets a torrent; one that is not there is forgotten already.
    pub fn remove(&self, hashes: &InfoHashes) -> Result<(), StateError> {
        let path = self.path(hashes);
        let removed = match fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            result => result.and_then(|()| whole_file::sync_directory(&self.directory)),
        };
        removed.map_err(|error| StateError::of(path.display(), &error))
    }

    /// Where the file of a torrent lies.
    #[must_use]
    pub fn path(&self, hashes: &InfoHashes) -> PathBuf {
        self.directory.join(format!("{}.torrent", hashes.primary()))
    }

    fn set_aside(&self, path: &Path) -> io::Result<PathBuf> {
        let with = |suffix: String| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let names = std::iter::once(with(".damaged".to_owned()))
            .chain((2..u32::MAX).map(|number| with(format!(".damaged-{number}"))));
        let is_free = |path: &PathBuf| fs::symlink_metadata(path).is_err();
        let aside = names.into_iter().find(is_free).ok_or(ErrorKind::AlreadyExists)?;
        fs::rename(path, &aside)?;
        whole_file::sync_directory(&self.directory)?;
        Ok(aside)
    }
}

/// One byte more than a `.torrent` file may have is read at most, which the parser then refuses.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(Limits::TORRENT.length as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use sprat_wire::metainfo::Version;
    use sprat_wire::metainfo::build::Description;

    use super::*;
    use crate::create::{CreateOptions, create};

    fn torrent(home: &Path, version: Version) -> (Metainfo, Vec<u8>) {
        let path = home.join("content");
        fs::write(&path, vec![7; 100_000]).unwrap();
        let description = Description::default();
        let piece_length = Some(16 * 1024);
        let created =
            create(&CreateOptions { path, version, piece_length, threads: None, description }, &|_, _| {});
        let created = created.unwrap();
        (created.metainfo, created.bytes)
    }

    #[test]
    fn what_was_put_there_is_found_until_it_is_removed() {
        let home = tempfile::tempdir().unwrap();
        for version in [Version::V1, Version::V2, Version::Hybrid] {
            let (metainfo, bytes) = torrent(home.path(), version);
            let shelf = Shelf::below(&home.path().join(format!("{version:?}/state")));
            let hashes = &metainfo.info_hashes;
            assert_eq!(shelf.get(hashes), Ok(None));
            shelf.put(hashes, &bytes).unwrap();
            assert_eq!(shelf.get(hashes), Ok(Some(metainfo.clone())));
            shelf.remove(hashes).unwrap();
            shelf.remove(hashes).unwrap();
            assert_eq!(shelf.get(hashes), Ok(None));
        }
    }

    #[test]
    fn a_file_that_is_not_the_torrent_is_set_aside_and_named() {
        let home = tempfile::tempdir().unwrap();
        let (metainfo, bytes) = torrent(home.path(), Version::V1);
        let (_, other) = torrent(home.path(), Version::V2);
        let shelf = Shelf::below(home.path());
        let hashes = &metainfo.info_hashes;
        let mut flipped = bytes.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        let long = vec![b' '; Limits::TORRENT.length + 2];
        for (number, damaged) in
            [&flipped, &bytes[..middle].to_vec(), &other, &Vec::new(), &long].iter().enumerate()
        {
            shelf.put(hashes, damaged).unwrap();
            let Err(ShelfError::Damaged { aside, .. }) = shelf.get(hashes) else { panic!("{number}") };
            assert_eq!(&fs::read(aside).unwrap(), *damaged);
            assert_eq!(shelf.get(hashes), Ok(None));
        }
    }

    #[test]
    fn a_directory_that_cannot_be_read_is_not_an_empty_one() {
        let home = tempfile::tempdir().unwrap();
        let (metainfo, _) = torrent(home.path(), Version::V1);
        fs::write(home.path().join("metadata"), b"a file").unwrap();
        let shelf = Shelf::below(home.path());
        assert!(matches!(shelf.get(&metainfo.info_hashes), Err(ShelfError::State(StateError::Io(_)))));
    }
}
