//! Moves that cannot go on: they are cancelled, or the torrent is removed, and nothing is lost or left behind in silence.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use sprat_core::io::Event;
use sprat_core::storage::Files;
use sprat_engine::client::{CancelError, Listing, RelocateError};
use sprat_engine::shelf::Shelf;
use sprat_wire::metainfo::Metainfo;
use tempfile::TempDir;

use crate::relocating::{FILES, Moving, assert_whole, files_below, plant, set_out};
use crate::run::Run;

const MARK: u64 = 7;

fn mark() -> String {
    format!(".sprat-moving-{MARK:016x}")
}

/// The home of a client that has ended and has a torrent in `old`.
async fn ended() -> (TempDir, Arc<Metainfo>) {
    let Moving { home, run, metainfo, .. } = Moving::start().await;
    run.end().await;
    (home, metainfo)
}

async fn start((home, metainfo): (TempDir, Arc<Metainfo>)) -> Moving {
    let run = Run::start(home.path(), None);
    let id = run.list().await[0].torrent;
    Moving { home, run, id, metainfo }
}

/// As after a move from `old` to `new`, where `old` has been missing since and still has the first file.
async fn arrived() -> Moving {
    let moving = Moving::start().await;
    moving.relocate(moving.at("new")).await.unwrap();
    let Moving { home, run, metainfo, .. } = moving;
    run.end().await;
    let [old, new, away] = ["old", "new", "away"].map(|path| home.path().join(path));
    fs::create_dir_all(old.join("t")).unwrap();
    fs::hard_link(new.join("t/a"), old.join("t/a")).unwrap();
    let inode = fs::metadata(new.join("t/a")).unwrap().ino();
    let left = json!({ "files": [[0, inode]], "directories": ["t"] });
    plant(home.path(), &json!({ "from": { "spot": { "directory": old }, "mark": MARK, "left": left } }));
    fs::rename(&old, &away).unwrap();
    let moving = start((home, metainfo)).await;
    moving.until(|line| line.relocating.is_none()).await;
    moving
}

impl Moving {
    async fn until(&self, is_so: impl Fn(&Listing) -> bool) {
        while !is_so(&self.run.list().await[0]) {
            tokio::task::yield_now().await;
        }
    }

    async fn is_in_trouble(&self) {
        self.until(|line| line.relocating.as_ref().is_some_and(|one| one.trouble.is_some())).await;
    }

    async fn cancel(&self) -> Result<(), CancelError> {
        self.run.client.cancel_relocation(self.id).await.unwrap()
    }

    async fn directory(&self) -> PathBuf {
        self.run.list().await[0].place.directory.clone()
    }

    async fn ends_without_it(self) {
        assert_eq!(self.run.list().await, []);
        self.run.end().await;
        let run = Run::start(self.home.path(), None);
        assert_eq!(run.list().await, []);
        run.end().await;
    }
}

#[tokio::test]
async fn a_move_that_waits_for_a_missing_disk_is_cancelled_and_its_drafts_go() {
    let (home, metainfo) = ended().await;
    let [old, new, away] = ["old", "new", "away"].map(|path| home.path().join(path));
    fs::create_dir_all(new.join("t/d")).unwrap();
    fs::write(new.join("t").join(mark() + "-0"), b"half of it").unwrap();
    fs::write(new.join("t/d").join(mark() + "-1"), b"half of it").unwrap();
    fs::write(new.join(mark()), b"").unwrap();
    // This one has its name already. Nobody can see whether the original is still there.
    fs::copy(old.join("t/z"), new.join("t/z")).unwrap();
    set_out(home.path(), &new, MARK, (3, fs::metadata(new.join("t/z")).unwrap().ino()));
    fs::rename(&old, &away).unwrap();
    let moving = start((home, metainfo)).await;
    moving.is_in_trouble().await;
    assert_eq!(moving.cancel().await, Ok(()));
    assert_eq!(moving.run.list().await[0].relocating, None);
    assert_eq!(moving.directory().await, old);
    assert_eq!(files_below(&new), 1, "the drafts and the mark are gone");
    assert_eq!(fs::read(new.join("t/z")).unwrap(), fs::read(away.join("t/z")).unwrap());
    assert!(!new.join("t/d").exists());
    assert_eq!(moving.cancel().await, Err(CancelError::NotMoving));
    fs::rename(&away, &old).unwrap();
    let mut moving = moving.restart().await;
    assert_eq!(moving.run.list().await[0].relocating, None);
    moving.has_everything().await;
    moving.run.end().await;
}

#[tokio::test]
async fn a_move_is_cancelled_or_has_arrived_whenever_that_is_asked() {
    let moving = Moving::start().await;
    let mut at = moving.at("old");
    for turns in 0..40 {
        let to = moving.at(&format!("new{turns}"));
        let cancelled = async {
            for _ in 0..turns * 3 {
                tokio::task::yield_now().await;
            }
            moving.cancel().await
        };
        let (moved, cancelled) = tokio::join!(moving.relocate(to.clone()), cancelled);
        match (&moved, cancelled) {
            (Err(RelocateError::Cancelled), Ok(())) => assert_eq!(files_below(&to), 0),
            (Ok(()), Err(CancelError::Arrived | CancelError::NotMoving)) => at = to,
            other => unreachable!("{other:?}"),
        }
        assert_eq!(moving.directory().await, at);
        assert_whole(&at, &BTreeMap::new());
    }
    let mut moving = moving.restart().await;
    moving.has_everything().await;
    moving.run.end().await;
}

#[tokio::test]
async fn a_move_without_metadata_is_cancelled_and_says_what_may_be_left() {
    let (home, metainfo) = ended().await;
    let new = home.path().join("new");
    fs::create_dir(&new).unwrap();
    fs::write(new.join(mark()), b"").unwrap();
    set_out(home.path(), &new, MARK, (3, 1));
    fs::remove_file(Shelf::below(&home.path().join("state")).path(&metainfo.info_hashes)).unwrap();
    let mut moving = start((home, metainfo)).await;
    moving.is_in_trouble().await;
    assert_eq!(moving.cancel().await, Ok(()));
    let named = new.display().to_string();
    moving
        .run
        .wait_for(|event| matches!(event, Event::FilesLeft { reason, .. } if reason.contains(&named)))
        .await;
    assert_eq!(moving.directory().await, moving.at("old"));
    assert_eq!(moving.cancel().await, Err(CancelError::NotMoving));
    moving.run.end().await;
}

#[tokio::test]
async fn a_move_that_has_arrived_cannot_be_cancelled() {
    let moving = arrived().await;
    assert_eq!(moving.cancel().await, Err(CancelError::Arrived));
    assert_eq!(moving.directory().await, moving.at("new"));
    moving.run.end().await;
}

#[tokio::test]
async fn what_a_finished_move_has_left_goes_with_the_torrent() {
    for files in [Files::Forget, Files::Delete] {
        let mut moving = arrived().await;
        fs::rename(moving.at("away"), moving.at("old")).unwrap();
        moving.run.client.remove(moving.id, files).await.unwrap().unwrap();
        moving.run.wait_for(|event| matches!(event, Event::Removed { .. })).await;
        assert_eq!(files_below(&moving.at("old")), 0);
        // These were lent to us.
        assert_eq!(files_below(&moving.at("new")), FILES.len());
        moving.ends_without_it().await;
    }
}

#[tokio::test]
async fn a_removal_does_not_wait_for_the_disk_that_the_torrent_has_left_but_names_it() {
    for files in [Files::Forget, Files::Delete] {
        let mut moving = arrived().await;
        let named = moving.at("old").display().to_string();
        moving.run.client.remove(moving.id, files).await.unwrap().unwrap();
        moving
            .run
            .wait_for(|event| matches!(event, Event::FilesLeft { reason, .. } if reason.contains(&named)))
            .await;
        moving.run.wait_for(|event| matches!(event, Event::Removed { .. })).await;
        assert_eq!(files_below(&moving.at("away")), 1);
        moving.ends_without_it().await;
    }
}

#[tokio::test]
async fn consent_that_is_given_on_the_way_counts_at_the_new_place() {
    let (home, metainfo) = ended().await;
    let [old, new, away] = ["old", "new", "away"].map(|path| home.path().join(path));
    fs::create_dir(&new).unwrap();
    fs::write(new.join(mark()), b"").unwrap();
    set_out(home.path(), &new, MARK, (3, 1));
    fs::rename(&old, &away).unwrap();
    let mut moving = start((home, metainfo)).await;
    moving.is_in_trouble().await;
    moving.run.client.adopt(moving.id).await.unwrap();
    fs::rename(&away, &old).unwrap();
    moving.until(|line| line.relocating.is_none()).await;
    let place = moving.run.list().await[0].place.clone();
    assert_eq!((place.directory, place.adopt), (new.clone(), true));
    assert_whole(&new, &BTreeMap::new());
    moving.has_everything().await;
    moving.run.end().await;
}
