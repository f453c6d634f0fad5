//! Torrents of the [contents](crate::content).

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::clients::Client as _;
use crate::clients::libtorrent::Libtorrent;
use crate::clients::sprat::Sprat;
use crate::content::{Content, make_once, store};

/// Which pieces and hashes a torrent has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// BEP 3.
    V1,
    /// BEP 52 alone.
    V2,
    /// Both.
    Hybrid,
}

impl Version {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::Hybrid => "hybrid",
        }
    }
}

/// A torrent of one of the contents.
pub(crate) struct Torrent {
    pub(crate) content: Content,
    version: Version,
    /// The metainfo, without any tracker.
    metainfo: Vec<u8>,
    /// The 20 bytes under which trackers know it, in hex: for a hybrid the v1 hash, then the v2 hash.
    pub(crate) info_hashes: Vec<String>,
}

impl Torrent {
    /// The one that libtorrent makes, kept from run to run; without libtorrent the one that sprat makes.
    pub(crate) fn of(content: Content, version: Version) -> Result<Self> {
        if Libtorrent.absence().is_some() {
            return Self::made_by_sprat(content, version);
        }
        let original = content.original()?;
        let path = store()?.join(format!("{}.{}.torrent", content.name(), version.name()));
        let hashes = path.with_extension("hashes");
        make_once(&hashes, |draft| {
            let draft_torrent = draft.with_extension("torrent");
            let printed = Libtorrent::create(&original, version, &draft_torrent)?;
            fs::write(draft, printed)?;
            Ok(fs::rename(draft_torrent, &path)?)
        })?;
        let info_hashes = fs::read_to_string(&hashes)?.lines().map(str::to_owned).collect();
        Ok(Self { content, version, metainfo: fs::read(path)?, info_hashes })
    }

    /// The one that `sprat create` makes, now.
    pub(crate) fn made_by_sprat(content: Content, version: Version) -> Result<Self> {
        let directory = tempfile::tempdir_in(store()?)?;
        let path = directory.path().join("made.torrent");
        let info_hashes = Sprat::create(&content.original()?, version, None, &path)?;
        Ok(Self { content, version, metainfo: fs::read(path)?, info_hashes })
    }

    /// The first info-hash, the one that names it in other programs' interfaces.
    pub(crate) fn info_hash(&self) -> &str {
        &self.info_hashes[0]
    }

    /// Writes a `.torrent` file that names this tracker.
    pub(crate) fn write(&self, directory: &Path, tracker: Option<&str>) -> Result<PathBuf> {
        let rest = self.metainfo.strip_prefix(b"d").context("metainfo is a dictionary")?;
        ensure!(!rest.starts_with(b"8:announce"), "there is a tracker already");
        // Keys are sorted, and `announce` comes before all else in these.
        let announce = tracker.map(|url| format!("8:announce{}:{url}", url.len())).unwrap_or_default();
        let path = directory.join("content.torrent");
        fs::write(&path, [b"d", announce.as_bytes(), rest].concat())?;
        Ok(path)
    }

    /// Lets sprat make the same torrent with a node of the DHT in it.
    pub(crate) fn make_with_node(&self, directory: &Path, node: SocketAddr) -> Result<PathBuf> {
        let path = directory.join("content.torrent");
        let info_hashes = Sprat::create(&self.content.original()?, self.version, Some(node), &path)?;
        ensure!(info_hashes == self.info_hashes, "sprat makes another torrent of the same content");
        Ok(path)
    }
}
