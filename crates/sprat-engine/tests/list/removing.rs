//! Removing torrents of which not everything is there that was known.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sprat_core::io::Event;
use sprat_core::storage::{Files, TorrentId};
use sprat_engine::shelf::Shelf;
use sprat_engine::state::Table;
use sprat_engine::storage::Place;
use sprat_wire::metainfo::Metainfo;
use tempfile::TempDir;

use crate::run::{Run, SOON, add, torrent};

/// A torrent that has everything and sleeps, and whose metadata lies at `shelf`.
struct Asleep {
    home: TempDir,
    run: Run,
    id: TorrentId,
    shelf: PathBuf,
    file: PathBuf,
}

impl Asleep {
    async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (metainfo, directory): (Arc<Metainfo>, PathBuf) = torrent(home.path(), 1);
        let file = directory.join("file1");
        let mut run = Run::start(home.path(), SOON);
        let place = Place { adopt: true, ..Place::from(directory) };
        let id = run.client.add(add(&metainfo), place).await.unwrap().unwrap();
        run.wait_for(|event| matches!(event, Event::FellAsleep { .. })).await;
        let shelf = Shelf::below(&home.path().join("state")).path(&metainfo.info_hashes);
        Self { home, run, id, shelf, file }
    }

    async fn remove(&self, files: Files) {
        self.run.client.remove(self.id, files).await.unwrap().unwrap();
    }

    async fn wake(&self) {
        let id = self.id;
        self.run.client.with(move |session, now| session.wake(now, id)).await.unwrap();
    }

    async fn reports(&mut self, is_it: impl Fn(&Event) -> bool) {
        self.run.wait_for(is_it).await;
    }

    /// Nothing is known of it, nor after another start, and its file is as it was.
    async fn ends_without_it(self) {
        assert_eq!(self.run.list().await, []);
        let ledger = self.run.ledger.handle();
        for table in [Table::Torrents, Table::Progress] {
            assert_eq!(ledger.scan(table).unwrap(), [], "{table:?}");
        }
        drop(ledger);
        self.run.end().await;
        let run = Run::start(self.home.path(), None);
        assert_eq!(run.list().await, []);
        run.end().await;
        assert_eq!(fs::read(&self.file).unwrap(), vec![1; 100_000]);
    }
}

fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// What may have happened to metadata for good.
const LOSSES: [fn(&Path); 2] = [|path| fs::remove_file(path).unwrap(), damage];

#[tokio::test]
async fn to_forget_a_torrent_takes_no_metadata() {
    for lose in LOSSES {
        let mut asleep = Asleep::start().await;
        lose(&asleep.shelf);
        asleep.remove(Files::Forget).await;
        asleep.reports(|event| matches!(event, Event::Removed { .. })).await;
        asleep.ends_without_it().await;
    }
}

#[tokio::test]
async fn to_delete_a_torrent_whose_metadata_is_lost_ends_and_says_that_its_files_stay() {
    for lose in LOSSES {
        let mut asleep = Asleep::start().await;
        lose(&asleep.shelf);
        asleep.remove(Files::Delete).await;
        asleep.reports(|event| matches!(event, Event::FilesLeft { reason, .. } if reason.contains("metadata") || reason.contains("damaged"))).await;
        asleep.reports(|event| matches!(event, Event::Removed { .. })).await;
        asleep.ends_without_it().await;
    }
}

#[tokio::test]
async fn to_delete_a_torrent_whose_metadata_cannot_be_read_just_now_waits_for_it_or_for_the_user() {
    for gives_in in [false, true] {
        let mut asleep = Asleep::start().await;
        let aside = asleep.home.path().join("aside");
        fs::rename(&asleep.shelf, &aside).unwrap();
        // It opens, and cannot be read.
        fs::create_dir(&asleep.shelf).unwrap();
        asleep.remove(Files::Delete).await;
        asleep.reports(|event| matches!(event, Event::Trouble { trouble: Some(_), .. })).await;
        assert_eq!(asleep.run.list().await.len(), 1);
        if gives_in {
            asleep.remove(Files::Forget).await;
        } else {
            fs::remove_dir(&asleep.shelf).unwrap();
            fs::rename(&aside, &asleep.shelf).unwrap();
            asleep.wake().await;
        }
        asleep.reports(|event| matches!(event, Event::Removed { .. })).await;
        // It was lent to us, so it stays in either case.
        asleep.ends_without_it().await;
    }
}
