//! Files under the names that their publisher gave them.
//!
//! Names are made safe when a torrent is read, so `aux.c` becomes another name everywhere, for it means a device on
//! Windows. Whoever made the torrent has the file as it was, and must be able to seed and verify it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use sprat_wire::metainfo::Metainfo;

/// The torrent with the original name of each file of which only that is there below `directory`. The hashes do not
/// change, nor does what others see.
#[must_use]
pub fn with_names_on_disk(mut metainfo: Metainfo, directory: &Path) -> Metainfo {
    let is_file = |path: &str| fs::symlink_metadata(directory.join(path)).is_ok_and(|found| found.is_file());
    let mut info = (*metainfo.info).clone();
    for file in &mut info.files {
        if let Some(original) = file.original_name()
            && !is_file(&file.path)
            && is_file(&original)
        {
            file.path = original;
        }
    }
    metainfo.info = Arc::new(info);
    metainfo
}

#[cfg(test)]
mod tests {
    use sprat_wire::metainfo::Version;
    use sprat_wire::metainfo::build::Description;

    use super::*;
    use crate::create::{CreateOptions, create};
    use crate::verify::verify;

    #[test]
    fn a_publisher_can_seed_files_whose_names_others_cannot_have() {
        let base = tempfile::tempdir().unwrap();
        let root = base.path().join("linux");
        fs::create_dir_all(root.join("aux")).unwrap();
        let names =
            ["aux/aux.c", "aux/plain", "xt_TCPMSS.h", "xt_tcpmss.h", "back\\slash", "dot.", "esc\u{1b}[2J"];
        for name in names {
            fs::write(root.join(name), format!("the content of {name}")).unwrap();
        }
        for version in [Version::V1, Version::V2, Version::Hybrid] {
            let description = Description::default();
            let options =
                CreateOptions { path: root.clone(), version, piece_length: None, threads: None, description };
            let created = create(&options, &|_, _| {}).unwrap();
            let as_read = verify(&created.metainfo, base.path(), None, &|_, _| {}).unwrap();
            assert!(!as_read.is_good(), "some names are unsafe");
            let on_disk = with_names_on_disk(created.metainfo, base.path());
            let report = verify(&on_disk, base.path(), None, &|_, _| {}).unwrap();
            assert!(report.is_good(), "{version:?}: {:?}", report.files);
        }
    }
}
