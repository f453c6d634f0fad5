//! A process that has no descriptor left must never take a file for missing. Alone in its process, because the limit
//! holds for all of it.

#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Resource, getrlimit, setrlimit};
use sprat_core::geometry::{Geometry, PieceIndex};
use sprat_core::storage::{StorageErrorKind, StorageReply, StorageRequest, TorrentId};
use sprat_engine::create::{CreateOptions, create};
use sprat_engine::storage::{Storage, StorageConfig};
use sprat_wire::metainfo::build::Description;
use sprat_wire::metainfo::{Metainfo, Version};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const FILES: usize = 200;
const LIMIT: u64 = 64;
const ID: TorrentId = TorrentId(1);

struct Disk {
    storage: Storage,
    replies: UnboundedReceiver<StorageReply>,
    metainfo: Arc<Metainfo>,
    geometry: Arc<Geometry>,
}

impl Disk {
    fn store(&mut self, piece: PieceIndex) -> StorageReply {
        let data = Bytes::from(vec![content(piece.as_usize()); self.geometry.length_of(piece) as usize]);
        let block = self.geometry.block(piece, 0).unwrap();
        self.storage.submit(StorageRequest::Write { torrent: ID, block, data });
        let expected = self.geometry.expected_hash(&self.metainfo, piece);
        self.storage.submit(StorageRequest::Finish { torrent: ID, piece, expected, leaves: false });
        self.replies.blocking_recv().unwrap()
    }

    fn verify(&mut self, piece: PieceIndex) -> StorageReply {
        let expected = self.geometry.expected_hash(&self.metainfo, piece);
        self.storage.submit(StorageRequest::Verify { torrent: ID, piece, expected });
        self.replies.blocking_recv().unwrap()
    }
}

fn content(file: usize) -> u8 {
    file as u8
}

fn publish(directory: &Path) -> Metainfo {
    fs::create_dir(directory).unwrap();
    for file in 0..FILES {
        fs::write(directory.join(format!("{file:03}")), vec![content(file); 1000]).unwrap();
    }
    let options = CreateOptions {
        path: directory.to_path_buf(),
        version: Version::V2,
        piece_length: Some(16 * 1024),
        threads: Some(2),
        description: Description::default(),
    };
    create(&options, &|_, _| {}).unwrap().metainfo
}

/// Opens files until the system says no.
fn exhaust() -> Vec<File> {
    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    hoard
}

#[test]
fn a_lack_of_descriptors_slows_down_and_passes() {
    let home = tempfile::tempdir().unwrap();
    let metainfo = Arc::new(publish(&home.path().join("published")));
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, rustix::process::Rlimit { current: Some(LIMIT), maximum: limit.maximum })
        .unwrap();

    let geometry = Arc::new(Geometry::new(&metainfo.info));
    let (reply, replies) = unbounded_channel();
    let storage = Storage::start(StorageConfig::default(), reply);
    let mut disk = Disk { storage, replies, metainfo, geometry };
    disk.storage.place(ID, home.path().join("downloads"));
    let (metainfo, geometry) = (Arc::clone(&disk.metainfo), Arc::clone(&disk.geometry));
    disk.storage.submit(StorageRequest::Open { torrent: ID, metainfo, geometry });
    assert!(matches!(disk.replies.blocking_recv(), Some(StorageReply::Opened { result: Ok(_), .. })));

    let pieces: Vec<PieceIndex> = disk.geometry.all_pieces().collect();
    assert_eq!(pieces.len(), FILES);
    let (first, rest) = pieces.split_at(FILES / 2);
    for piece in first {
        let reply = disk.store(*piece);
        assert!(matches!(reply, StorageReply::Stored { .. }), "{reply:?}");
    }

    // What the pool holds is all there is: it closes files to open others.
    let mut hoard = exhaust();
    let reply = disk.store(rest[0]);
    assert!(matches!(reply, StorageReply::Stored { .. }), "{reply:?}");
    // Not one is left: an error for now, but no file is said to be missing or changed.
    hoard.extend(exhaust());
    let mut squeezed = 0;
    for piece in first.iter().take(40) {
        match disk.verify(*piece) {
            StorageReply::Verified { result: Ok(true), .. } => {}
            StorageReply::Verified { result: Err(error), .. } => {
                assert_eq!(error.kind, StorageErrorKind::Io, "{error}");
                squeezed += 1;
                if squeezed == 2 {
                    break; // each takes a second of trying again
                }
            }
            other => panic!("{other:?}"),
        }
        hoard.extend(exhaust());
    }
    assert!(squeezed > 0, "the system never ran out of descriptors");

    drop(hoard);
    for piece in rest {
        let reply = disk.store(*piece);
        assert!(matches!(reply, StorageReply::Stored { .. }), "{reply:?}");
    }
    disk.storage.stop(Duration::from_secs(60));
    for file in 0..FILES {
        let bytes = fs::read(home.path().join(format!("downloads/published/{file:03}"))).unwrap();
        assert_eq!(bytes, vec![content(file); 1000]);
    }
}
