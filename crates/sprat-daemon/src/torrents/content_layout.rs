//! Whether the content of a torrent is in a directory of its own.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sprat_wire::metainfo::Info;
use sprat_wire::metainfo::names::safe_component;

/// Whether the content of a torrent is in a directory of its own, in qBittorrent's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentLayout {
    /// As the torrent says: several files are, a single one is not.
    #[default]
    Original,
    /// Always. A single file is put into one of its name without the extension.
    Subfolder,
    /// Never: what all files are in is left out.
    NoSubfolder,
}

impl ContentLayout {
    /// The files of a torrent that have another path than it says, by their number, with `/` between the components. They can all be
    /// there if the paths of the torrent can, but for one that becomes longer than a path may be.
    #[must_use]
    pub fn names(self, info: &Info) -> BTreeMap<usize, String> {
        let files = info.files.iter().enumerate();
        let files = files.filter(|(_, file)| file.is_on_disk());
        let renamed = files.filter_map(|(index, file)| Some((index, self.path(&file.path)?)));
        renamed.collect()
    }

    /// The path of a file instead of its own. A torrent of several files has a directory that they are in, one of a single file has not.
    fn path(self, path: &str) -> Option<String> {
        match (self, path.split_once('/')) {
            (Self::NoSubfolder, Some((_, below))) => Some(below.to_owned()),
            (Self::Subfolder, None) => {
                let stem = Path::new(path).file_stem()?.to_str()?;
                Some(format!("{}/{path}", safe_component(stem.as_bytes())))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ContentLayout::{NoSubfolder, Original, Subfolder};

    #[test]
    fn a_directory_is_left_out_or_added() {
        for (layout, path, other) in [
            (Original, "album/one.flac", None),
            (Original, "film.mkv", None),
            (Subfolder, "album/one.flac", None),
            (Subfolder, "a.film.mkv", Some("a.film/a.film.mkv")),
            (Subfolder, "README", Some("README/README")),
            (Subfolder, ".hidden", Some(".hidden/.hidden")),
            (NoSubfolder, "film.mkv", None),
            (NoSubfolder, "album/one.flac", Some("one.flac")),
            (NoSubfolder, "album/notes/read me.txt", Some("notes/read me.txt")),
        ] {
            assert_eq!(layout.path(path).as_deref(), other, "{layout:?} {path}");
        }
        let directory = Subfolder.path("film .mkv").unwrap();
        assert_ne!(directory, "film /film .mkv", "not every file system could have it");
    }
}
