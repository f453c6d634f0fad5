//! Random bytes and their torrent, for the benchmarks: one file, or many.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// The content, and the torrent that names its tracker.
pub(crate) struct SharedContent {
    source: PathBuf,
    /// Path below `source` and length of each file.
    files: Vec<(PathBuf, u64)>,
    pub(crate) torrent: PathBuf,
    /// Of v1, in hex.
    pub(crate) info_hash: String,
}

/// Files of one directory, when there are many.
const FILES_OF_DIRECTORY: u64 = 100;

impl SharedContent {
    /// Makes content of so many MiB and its torrent in a directory: one file, or `count` of the same length in one directory.
    pub(crate) fn make(
        directory: &Path,
        mib: u64,
        count: u64,
        piece_length: &str,
        announce: &str,
    ) -> Result<Self> {
        let source = directory.join("source");
        let length = (mib << 20) / count.max(1);
        let files: Vec<(PathBuf, u64)> = match count {
            0 | 1 => vec![("content.bin".into(), mib << 20)],
            _ => (0..count)
                .map(|number| {
                    (format!("content/{}/{number:05}.bin", number / FILES_OF_DIRECTORY).into(), length)
                })
                .collect(),
        };
        let mut random = fastrand::Rng::with_seed(42);
        for (path, length) in &files {
            write_random(&source.join(path), *length, &mut random)?;
        }
        let top = source.join(if count > 1 { "content" } else { "content.bin" });
        let torrent = directory.join("content.torrent");
        let mut create = Command::new(env!("CARGO_BIN_EXE_sprat"));
        create.args(["create", "--json", "--version", "v1", "--piece-length", piece_length]);
        create.args(["--tracker", announce, "--output"]).arg(&torrent).arg(&top);
        let output = create.output()?;
        ensure!(output.status.success(), "sprat create: {}", String::from_utf8_lossy(&output.stderr));
        let created: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let info_hash = created["info_hash_v1"].as_str().context("an info-hash")?.to_owned();
        Ok(Self { source, files, torrent, info_hash })
    }

    /// The file, if there is only one.
    pub(crate) fn single(&self) -> Option<PathBuf> {
        let [(path, _)] = self.files.as_slice() else { return None };
        Some(self.source.join(path))
    }

    /// The same files for all, by hard links: they are in the page cache, and nobody writes to them.
    pub(crate) fn link_into(&self, directory: &Path) -> Result<()> {
        for (path, _) in &self.files {
            let link = directory.join(path);
            fs::create_dir_all(link.parent().unwrap_or(directory))?;
            fs::hard_link(self.source.join(path), link)?;
        }
        Ok(())
    }

    /// Whether a copy has as many bytes. (That they are the right ones is for the tests.)
    pub(crate) fn is_in(&self, directory: &Path) -> Result<bool> {
        for (path, length) in &self.files {
            if fs::metadata(directory.join(path))?.len() != *length {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Writes a file of so many random bytes.
pub(crate) fn write_random(path: &Path, length: u64, random: &mut fastrand::Rng) -> Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut file = std::io::BufWriter::new(fs::File::create(path)?);
    let mut buffer = vec![0; 1 << 20];
    let mut left = length;
    while left > 0 {
        random.fill(&mut buffer);
        let now = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        file.write_all(buffer.get(..now).unwrap_or_default())?;
        left -= now as u64;
    }
    Ok(file.flush()?)
}

/// A directory for a benchmark: below `SPRAT_BENCH_DIR`, which may lie in memory, or below the target directory.
pub(crate) fn bench_directory() -> Result<tempfile::TempDir> {
    let base =
        std::env::var_os("SPRAT_BENCH_DIR").map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from);
    let directory = tempfile::Builder::new().prefix("sprat-bench-").tempdir_in(&base);
    directory.with_context(|| format!("in {}", base.display()))
}
