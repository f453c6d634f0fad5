//! Torrents that are moved, renamed, and found elsewhere.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sprat_core::io::{AddMagnet, Event};
use sprat_core::storage::{Files, StorageErrorKind, TorrentId};
use sprat_core::torrent::TorrentState;
use sprat_engine::client::RelocateError;
use sprat_engine::create::{CreateOptions, create};
use sprat_engine::ledger::Ledger;
use sprat_engine::state::{Change, StateStore, Table};
use sprat_engine::storage::{Place, PlaceError};
use sprat_wire::metainfo::build::Description;
use sprat_wire::metainfo::{Metainfo, Version};
use tempfile::TempDir;

use crate::run::{Run, add};

/// By their numbers, and how long they are.
pub(crate) const FILES: [(&str, usize); 4] = [("a", 70_000), ("d/b", 20_000), ("d/empty", 0), ("z", 33_000)];

/// A client that has a torrent of several files, which it may write, in `old`.
pub(crate) struct Moving {
    pub(crate) home: TempDir,
    pub(crate) run: Run,
    pub(crate) id: TorrentId,
    pub(crate) metainfo: Arc<Metainfo>,
}

impl Moving {
    pub(crate) async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let old = home.path().join("old");
        let metainfo = lay_down(&old);
        let mut run = Run::start(home.path(), None);
        let place = Place { adopt: true, ..Place::from(old) };
        let id = run.client.add(add(&metainfo), place).await.unwrap().unwrap();
        run.wait_for(|event| matches!(event, Event::Finished { .. })).await;
        Self { home, run, id, metainfo }
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    pub(crate) async fn relocate(&self, to: impl Into<Place>) -> Result<(), RelocateError> {
        self.run.client.relocate(self.id, to).await.unwrap()
    }

    /// Wakes the torrent, sees that it has everything without having looked at it, and that what it gives is right.
    pub(crate) async fn has_everything(&mut self) {
        let id = self.id;
        self.run.client.with(move |session, now| session.wake(now, id)).await.unwrap();
        self.run.wait_for(|event| matches!(event, Event::Checked { .. })).await;
        let status = move |session: &mut sprat_core::Session, now| {
            let torrent = session.torrent(id).unwrap();
            (torrent.status(now), torrent.state())
        };
        let (status, state) = self.run.client.with(status).await.unwrap();
        assert_eq!(state, TorrentState::Seeding);
        assert_eq!(status.pieces_doubtful, 0, "nothing need be proven");
    }

    /// The same after another start.
    pub(crate) async fn restart(self) -> Self {
        let Self { home, run, metainfo, .. } = self;
        run.end().await;
        let run = Run::start(home.path(), None);
        let id = run.list().await[0].torrent;
        Self { home, run, id, metainfo }
    }
}

fn lay_down(directory: &Path) -> Arc<Metainfo> {
    for (path, length) in FILES {
        let path = directory.join("t").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes(length)).unwrap();
    }
    let description = Description::default();
    let path = directory.join("t");
    let options =
        CreateOptions { path, version: Version::V1, piece_length: Some(16384), threads: None, description };
    Arc::new(create(&options, &|_, _| {}).unwrap().metainfo)
}

pub(crate) fn bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(length as u64).fill(&mut bytes);
    bytes
}

/// Everything is there, unless `names` says where else.
pub(crate) fn assert_whole(directory: &Path, names: &BTreeMap<usize, String>) {
    for (number, (path, length)) in FILES.into_iter().enumerate() {
        let path = names.get(&number).cloned().unwrap_or_else(|| format!("t/{path}"));
        assert!(fs::read(directory.join(&path)).unwrap() == bytes(length), "{path}");
    }
}

pub(crate) fn files_below(directory: &Path) -> usize {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { files_below(&path) } else { 1 })
        .sum()
}

#[tokio::test]
async fn a_torrent_is_moved_and_believed_where_it_is() {
    let mut moving = Moving::start().await;
    let new = moving.at("some/where/new");
    let inode = fs::metadata(moving.at("old/t/a")).unwrap().ino();
    moving.relocate(new.clone()).await.unwrap();
    assert_whole(&new, &BTreeMap::new());
    assert_eq!(files_below(&moving.at("old")), 0);
    assert_eq!(fs::metadata(new.join("t/a")).unwrap().ino(), inode, "it was not copied");
    assert_eq!(moving.run.list().await[0].place.directory, new);
    moving.has_everything().await;
    let mut moving = moving.restart().await;
    moving.has_everything().await;
    moving.run.end().await;
}

#[tokio::test]
async fn a_torrent_is_copied_to_another_file_system() {
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { return };
    let mut moving = Moving::start().await;
    if fs::metadata(elsewhere.path()).unwrap().dev() == fs::metadata(moving.home.path()).unwrap().dev() {
        return;
    }
    let new = elsewhere.path().join("new");
    let modified = fs::metadata(moving.at("old/t/a")).unwrap().modified().unwrap();
    moving.relocate(new.clone()).await.unwrap();
    assert_whole(&new, &BTreeMap::new());
    assert_eq!(files_below(&moving.at("old")), 0);
    assert_eq!(files_below(elsewhere.path()), FILES.len(), "no draft is left");
    assert_eq!(fs::metadata(new.join("t/a")).unwrap().modified().unwrap(), modified);
    moving.has_everything().await;
    let mut moving = moving.restart().await;
    moving.has_everything().await;
    // The user has let us write these files, and does not lose them to us by a move.
    moving.run.client.remove(moving.id, Files::Delete).await.unwrap().unwrap();
    moving.run.wait_for(|event| matches!(event, Event::Removed { .. })).await;
    assert_eq!(files_below(elsewhere.path()), FILES.len());
}

#[tokio::test]
async fn files_are_renamed_one_by_one() {
    let mut moving = Moving::start().await;
    let old = moving.at("old");
    let names = BTreeMap::from([(0, "first of all".to_owned()), (1, "t/deep/er/b".to_owned())]);
    moving.relocate(Place { names: names.clone(), ..Place::from(old.clone()) }).await.unwrap();
    assert_whole(&old, &names);
    assert_eq!(files_below(&old), FILES.len());
    moving.has_everything().await;
    let mut moving = moving.restart().await;
    assert_eq!(moving.run.list().await[0].place.names, names);
    moving.has_everything().await;
    // And back.
    moving.relocate(old.clone()).await.unwrap();
    assert_whole(&old, &BTreeMap::new());
    assert_eq!(files_below(&old), FILES.len());
    for bad in ["../out", "t/z", "a/../b"] {
        let names = BTreeMap::from([(0, bad.to_owned())]);
        let result = moving.relocate(Place { names, ..Place::from(old.clone()) }).await;
        assert!(matches!(result, Err(RelocateError::Place(_))), "{bad}: {result:?}");
    }
    moving.has_everything().await;
    moving.run.end().await;
}

#[tokio::test]
async fn what_is_there_already_is_not_touched_and_the_torrent_stays() {
    let mut moving = Moving::start().await;
    let new = moving.at("new");
    fs::create_dir_all(new.join("t/d")).unwrap();
    fs::write(new.join("t/d/b"), b"precious").unwrap();
    let result = moving.relocate(new.clone()).await;
    let is_conflict = |error: &RelocateError| matches!(error, RelocateError::Storage(error) if error.kind == StorageErrorKind::Conflict);
    assert!(result.as_ref().is_err_and(is_conflict), "{result:?}");
    assert_eq!(files_below(&new), 1);
    assert_eq!(fs::read(new.join("t/d/b")).unwrap(), b"precious");
    assert_whole(&moving.at("old"), &BTreeMap::new());
    assert_eq!(moving.run.list().await[0].relocating, None);
    moving.has_everything().await;
    moving.run.end().await;
}

#[tokio::test]
async fn what_an_earlier_process_has_made_goes_when_the_move_is_given_up() {
    let Moving { home, run, metainfo, .. } = Moving::start().await;
    run.end().await;
    let new = home.path().join("new");
    // Two files were there, by another name and as a copy, and a third was being copied.
    fs::create_dir_all(new.join("t/d")).unwrap();
    fs::hard_link(home.path().join("old/t/d/b"), new.join("t/d/b")).unwrap();
    fs::copy(home.path().join("old/t/z"), new.join("t/z")).unwrap();
    fs::write(new.join(format!("t/.sprat-moving-{:016x}-0", 7)), b"half of it").unwrap();
    fs::write(new.join("t/a"), b"precious").unwrap();
    fs::write(new.join(format!(".sprat-moving-{:016x}", 7)), b"").unwrap();
    let inode = fs::metadata(new.join("t/z")).unwrap().ino();
    set_out(home.path(), &new, 7, (3, inode));
    let run = Run::start(home.path(), None);
    let moving = Moving { id: run.list().await[0].torrent, home, run, metainfo };
    while moving.run.list().await[0].relocating.is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(moving.run.list().await[0].place.directory, moving.at("old"));
    assert_eq!(fs::read(new.join("t/a")).unwrap(), b"precious");
    assert_eq!(files_below(&new), 1, "nothing of ours is left");
    assert_eq!(fs::read_dir(new.join("t")).unwrap().count(), 1, "also no directory");
    assert_whole(&moving.at("old"), &BTreeMap::new());
    moving.run.end().await;
}

/// Has the entry say that a move was begun, into a directory in which there was nothing, and that this copy is whole.
pub(crate) fn set_out(home: &Path, to: &Path, mark: u64, copy: (usize, u64)) {
    let spot = serde_json::json!({ "directory": to });
    let begun = serde_json::json!({ "copies": [copy], "directories": ["t", "t/d"] });
    plant(home, &serde_json::json!({ "to": { "spot": spot, "mark": mark, "begun": begun } }));
}

/// Has the entry of the torrent `t` say this of a move.
pub(crate) fn plant(home: &Path, moving: &serde_json::Value) {
    let (store, _) = StateStore::open(&home.join("state")).unwrap();
    let ledger = Ledger::start(store).unwrap();
    let entries = ledger.handle().scan(Table::Torrents).unwrap().into_iter();
    let mut entries =
        entries.map(|(key, value)| (key, serde_json::from_slice::<serde_json::Value>(&value).unwrap()));
    let (key, mut entry) = entries.find(|(_, entry)| entry["name"] == "t").unwrap();
    entry["format"] = 2.into();
    entry["moving"] = moving.clone();
    let change = Change { table: Table::Torrents, key, value: Some(entry.to_string().into_bytes()) };
    ledger.handle().write_and_wait(vec![change]).unwrap();
}

#[tokio::test]
async fn the_same_place_under_another_name_is_recognised() {
    let mut moving = Moving::start().await;
    symlink(moving.at("old"), moving.at("alias")).unwrap();
    moving.relocate(moving.at("alias")).await.unwrap();
    assert_whole(&moving.at("old"), &BTreeMap::new());
    moving.has_everything().await;
    moving.relocate(moving.at("old")).await.unwrap();
    assert_whole(&moving.at("old"), &BTreeMap::new());
    moving.has_everything().await;
    moving.run.end().await;
}

#[tokio::test]
async fn what_others_use_and_what_is_not_ours_stays() {
    let home = tempfile::tempdir().unwrap();
    let old = home.path().join("old");
    let metainfo = lay_down(&old);
    let mut run = Run::start(home.path(), None);
    // Nobody has said that these may be written.
    let id = run.client.add(add(&metainfo), old.clone()).await.unwrap().unwrap();
    run.wait_for(|event| matches!(event, Event::Finished { .. })).await;
    let new = home.path().join("new");
    run.client.relocate(id, new.clone()).await.unwrap().unwrap();
    assert_whole(&new, &BTreeMap::new());
    assert_whole(&old, &BTreeMap::new());
    // Not by another name, by which they might be written.
    assert_eq!(fs::metadata(old.join("t/a")).unwrap().nlink(), 1);
    run.client.remove(id, Files::Delete).await.unwrap().unwrap();
    run.wait_for(|event| matches!(event, Event::Removed { .. })).await;
    assert_eq!(files_below(&new), 0, "the copies are ours");
    assert_whole(&old, &BTreeMap::new());
    run.end().await;
}

#[tokio::test]
async fn files_that_another_torrent_uses_stay_for_it() {
    let mut moving = Moving::start().await;
    // The same files as a torrent of another name.
    let path = moving.at("old/t");
    let description = Description { comment: Some("another".to_owned()), ..Description::default() };
    let options =
        CreateOptions { path, version: Version::V1, piece_length: Some(32768), threads: None, description };
    let other = Arc::new(create(&options, &|_, _| {}).unwrap().metainfo);
    let place = Place { adopt: true, ..Place::from(moving.at("old")) };
    moving.run.client.add(add(&other), place).await.unwrap().unwrap();
    moving.run.wait_for(|event| matches!(event, Event::Finished { .. })).await;
    moving.relocate(moving.at("new")).await.unwrap();
    assert_whole(&moving.at("new"), &BTreeMap::new());
    assert_whole(&moving.at("old"), &BTreeMap::new());
    moving.run.end().await;
}

#[tokio::test]
async fn what_the_user_has_moved_is_taken_up_where_it_is() {
    let mut moving = Moving::start().await;
    let new = moving.at("new");
    fs::rename(moving.at("old"), &new).unwrap();
    moving.run.client.locate(moving.id, new.clone()).await.unwrap().unwrap();
    moving.run.wait_for(|event| matches!(event, Event::Finished { .. })).await;
    assert_whole(&new, &BTreeMap::new());
    // One of them was changed on the way, which is seen before anybody gets it.
    let newer = moving.at("newer");
    fs::rename(&new, &newer).unwrap();
    let mut spoilt = bytes(70_000);
    spoilt[100] ^= 1;
    fs::write(newer.join("t/a"), spoilt).unwrap();
    moving.run.client.locate(moving.id, newer).await.unwrap().unwrap();
    moving.run.wait_for(|event| matches!(event, Event::Checked { .. })).await;
    let id = moving.id;
    let have = move |session: &mut sprat_core::Session, now| {
        session.torrent(id).unwrap().status(now).pieces_verified
    };
    let pieces = moving.metainfo.info.piece_count();
    assert_eq!(moving.run.client.with(have).await.unwrap(), pieces - 1);
    moving.run.end().await;
}

#[tokio::test]
async fn a_torrent_that_was_removed_is_not_moved_and_a_link_only_changes_its_place() {
    let mut moving = Moving::start().await;
    let link = AddMagnet::new(
        sprat_wire::hash::InfoHashes::new(Some(sprat_wire::hash::Sha1Hash([3; 20])), None).unwrap(),
    );
    let link = moving.run.client.add_magnet(link, moving.at("link")).await.unwrap().unwrap();
    moving.run.client.relocate(link, moving.at("other")).await.unwrap().unwrap();
    let place = moving.run.list().await.into_iter().find(|line| line.torrent == link).unwrap().place;
    assert_eq!(place.directory, moving.at("other"));
    let named = Place { names: BTreeMap::from([(0, "x".to_owned())]), ..place };
    let result = moving.run.client.relocate(link, named).await.unwrap();
    assert_eq!(result, Err(RelocateError::Place(PlaceError::FilesUnknown)));
    moving.run.client.remove(moving.id, Files::Forget).await.unwrap().unwrap();
    moving.run.wait_for(|event| matches!(event, Event::Removed { .. })).await;
    assert_eq!(moving.relocate(moving.at("new")).await, Err(RelocateError::Unknown));
    assert_whole(&moving.at("old"), &BTreeMap::new());
    moving.run.end().await;
}
