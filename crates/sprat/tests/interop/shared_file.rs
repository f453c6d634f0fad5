//! A file of random bytes and its torrent, for the benchmarks.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// The file, and the torrent that names its tracker.
pub(crate) struct SharedFile {
    path: PathBuf,
    pub(crate) torrent: PathBuf,
    /// Of v1, in hex.
    pub(crate) info_hash: String,
}

const NAME: &str = "content.bin";

impl SharedFile {
    /// Makes both in a directory.
    pub(crate) fn make(directory: &Path, mib: u64, piece_length: &str, announce: &str) -> Result<Self> {
        let source = directory.join("source");
        fs::create_dir_all(&source)?;
        let path = source.join(NAME);
        let mut file = std::io::BufWriter::new(fs::File::create(&path)?);
        let mut random = fastrand::Rng::with_seed(42);
        let mut buffer = vec![0; 1 << 20];
        for _ in 0..mib {
            random.fill(&mut buffer);
            file.write_all(&buffer)?;
        }
        file.flush()?;
        let torrent = directory.join("content.torrent");
        let mut create = Command::new(env!("CARGO_BIN_EXE_sprat"));
        create.args(["create", "--json", "--version", "v1", "--piece-length", piece_length]);
        create.args(["--tracker", announce, "--output"]).arg(&torrent).arg(&path);
        let output = create.output()?;
        ensure!(output.status.success(), "sprat create: {}", String::from_utf8_lossy(&output.stderr));
        let created: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let info_hash = created["info_hash_v1"].as_str().context("an info-hash")?.to_owned();
        Ok(Self { path, torrent, info_hash })
    }

    /// The same file for all, by a hard link: it is in the page cache, and nobody writes to it.
    pub(crate) fn link_into(&self, directory: &Path) -> Result<()> {
        Ok(fs::hard_link(&self.path, directory.join(NAME))?)
    }

    /// Whether a copy has as many bytes. (That they are the right ones is for the tests.)
    pub(crate) fn is_in(&self, directory: &Path) -> Result<bool> {
        Ok(fs::metadata(directory.join(NAME))?.len() == fs::metadata(&self.path)?.len())
    }
}

/// A directory for a benchmark: below `SPRAT_BENCH_DIR`, which may lie in memory, or below the target directory.
pub(crate) fn bench_directory() -> Result<tempfile::TempDir> {
    let base =
        std::env::var_os("SPRAT_BENCH_DIR").map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from);
    let directory = tempfile::Builder::new().prefix("sprat-bench-").tempdir_in(&base);
    directory.with_context(|| format!("in {}", base.display()))
}
