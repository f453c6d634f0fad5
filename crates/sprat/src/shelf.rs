//! Metadata that peers have given us, kept for the next run.

use std::path::{Path, PathBuf};

use sprat_engine::whole_file;
use sprat_wire::hash::InfoHashes;
use sprat_wire::metainfo::Metainfo;

/// Where metadata from peers is kept, so that the next run of the same link need not fetch it again.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    directory: PathBuf,
}

impl Shelf {
    pub(crate) fn below(state: &Path) -> Self {
        Self { directory: state.join("metadata") }
    }

    /// The torrent of this name, if it is there and is what it should be.
    pub(crate) fn find(&self, wanted: &InfoHashes) -> Option<Metainfo> {
        let metainfo = Metainfo::parse_kept(&std::fs::read(self.place(wanted)).ok()?).ok()?;
        wanted.mean(&metainfo.info_hashes).then_some(metainfo)
    }

    /// Keeps a torrent. Returns where.
    pub(crate) fn keep(&self, metainfo: &Metainfo) -> std::io::Result<PathBuf> {
        let place = self.place(&metainfo.info_hashes);
        whole_file::write(&place, &metainfo.encode())?;
        Ok(place)
    }

    fn place(&self, hashes: &InfoHashes) -> PathBuf {
        self.directory.join(format!("{}.torrent", hashes.primary()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use sprat_engine::create::{CreateOptions, create};
    use sprat_wire::metainfo::Version;
    use sprat_wire::metainfo::build::Description;

    use super::*;

    #[test]
    fn metadata_is_found_again_only_if_it_is_what_the_link_names() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        fs::write(&path, vec![7; 100_000]).unwrap();
        for version in [Version::V1, Version::V2, Version::Hybrid] {
            let description = Description::default();
            let piece_length = Some(16 * 1024);
            let options =
                CreateOptions { path: path.clone(), version, piece_length, threads: None, description };
            let metainfo = create(&options, &|_, _| {}).unwrap().metainfo;
            let shelf = Shelf::below(&home.path().join(format!("{version:?}")));
            assert!(shelf.find(&metainfo.info_hashes).is_none());
            let place = shelf.keep(&metainfo).unwrap();
            assert_eq!(shelf.find(&metainfo.info_hashes).unwrap().info_hashes, metainfo.info_hashes);
            fs::write(&place, b"something else").unwrap();
            assert!(shelf.find(&metainfo.info_hashes).is_none());
        }
    }
}
