//! A disk that does not answer holds up its own torrents and nobody else, and when it answers again nothing is lost.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails where its set-up does"
)]

#[allow(dead_code, clippy::expect_used, reason = "what it shares with others is more than it needs")]
#[path = "../client_under_test/mod.rs"]
mod client_under_test;
mod clients;
#[allow(dead_code, reason = "what it shares with others is more than it needs")]
#[path = "../durability/sample.rs"]
mod sample;
mod storages;

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use sample::Sample;
use sprat_engine::disk::faults::{self, Watch};
use sprat_engine::storage::StorageConfig;
use sprat_wire::metainfo::Version;
use tempfile::TempDir;

const PIECE: u32 = 64 * 1024;

/// Two directories that are said to lie on two disks, of which the first can be made to hang.
struct Disks {
    home: TempDir,
    slow: Watch,
}

impl Disks {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for name in ["slow", "other"] {
            fs::create_dir(home.path().join(name)).unwrap();
        }
        let at = home.path().display();
        let mounts = format!("2 1 8:1 / {at}/slow rw - x x rw\n3 1 8:2 / {at}/other rw - x x rw\n");
        fs::write(home.path().join("mounts"), mounts).unwrap();
        let slow = faults::watch(&home.path().join("slow")).unwrap();
        Self { home, slow }
    }

    fn slow(&self) -> PathBuf {
        self.home.path().join("slow")
    }

    fn other(&self) -> PathBuf {
        self.home.path().join("other")
    }

    /// From now on the first disk does not answer.
    fn stall(&self) {
        self.slow.stall_below(Path::new(""));
    }

    /// One worker for each, and a queue that is soon full.
    fn config(&self) -> StorageConfig {
        StorageConfig {
            workers: 1,
            queue_limit: 8 * PIECE as usize,
            mount_table: self.home.path().join("mounts"),
            ..StorageConfig::default()
        }
    }
}

/// A torrent of so many bytes.
fn sample(length: usize) -> Sample {
    Sample::of(Version::V1, PIECE, &[("file", length)])
}

/// Everything of a torrent, with what it should hold: each part of a file.
fn parts(sample: &Sample) -> Vec<(&str, usize, &[u8])> {
    sample.pieces().into_iter().flat_map(|piece| sample.parts(piece)).collect()
}

fn lay_down(sample: &Sample, directory: &Path) {
    for (path, begin, bytes) in parts(sample) {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path).unwrap();
        file.write_all_at(bytes, begin as u64).unwrap();
    }
}

fn assert_complete(sample: &Sample, directory: &Path) {
    for (path, begin, bytes) in parts(sample) {
        assert!(fs::read(directory.join(path)).unwrap()[begin..begin + bytes.len()] == *bytes, "{path}");
    }
}
