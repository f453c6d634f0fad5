//! Entries that say of a move what cannot be: at most their torrent is affected, it is named, and nothing is touched.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sprat_core::storage::Files;
use sprat_engine::client::{CancelError, RelocateError};
use sprat_engine::storage::{Place, PlaceError};

use crate::relocating::{Moving, plant};
use crate::run::{Run, add, torrent};

/// Everything in the home but the state.
fn look(directory: &Path, seen: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("state") {
            look(&path, seen);
            seen.insert(path, None);
        } else if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            seen.insert(path, Some(bytes));
        }
    }
}

fn seen_in(directory: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut seen = BTreeMap::new();
    look(directory, &mut seen);
    seen
}

/// A list of two torrents, and next to them what is nobody's business. The entry of one says this of a move. It names the home as
/// `HOME`.
async fn planted(moving: &Value) -> (Moving, BTreeMap<PathBuf, Option<Vec<u8>>>) {
    let Moving { home, run, metainfo, id } = Moving::start().await;
    let (other, directory) = torrent(home.path(), 1);
    run.client.add(add(&other), directory).await.unwrap().unwrap();
    run.end().await;
    fs::create_dir_all(home.path().join("new/t")).unwrap();
    fs::create_dir_all(home.path().join("outside/empty")).unwrap();
    fs::write(home.path().join("outside/precious"), b"precious").unwrap();
    let text = moving.to_string().replace("HOME", home.path().to_str().unwrap());
    plant(home.path(), &serde_json::from_str(&text).unwrap());
    let before = seen_in(home.path());
    let run = Run::start(home.path(), None);
    (Moving { home, run, id, metainfo }, before)
}

fn to(spot: &Value) -> Value {
    let begun = json!({ "copies": [[0, 5]], "directories": ["t", "../outside/empty"] });
    json!({ "to": { "spot": spot, "mark": 7, "begun": begun } })
}

fn from(spot: &Value) -> Value {
    json!({ "from": { "spot": spot, "mark": 7, "left": { "files": [[0, 5]], "directories": ["../outside/empty"] } } })
}

#[tokio::test]
async fn a_move_that_nobody_could_have_begun_keeps_its_torrent_out_of_the_list_and_is_named() {
    let spots = ["relative", "", "./x", "HOME/new/../outside", "HOME/new%00"]
        .map(|path| json!({ "directory": path }));
    let names = ["../outside/precious", "/etc/passwd", "t/a%00/", "a\u{0}b", "", "t//a"];
    let named = names.map(|name| json!({ "directory": "HOME/new", "names": [[0, name]] }));
    let mut absurd: Vec<Value> = spots.iter().chain(&named).flat_map(|spot| [to(spot), from(spot)]).collect();
    absurd.push(json!({ "to": { "spot": { "directory": "HOME/new" }, "mark": -1 } }));
    absurd.push(json!({ "from": { "spot": { "directory": "HOME/new" }, "mark": 7, "left": 3 } }));
    for moving in absurd {
        let (planted, before) = planted(&moving).await;
        let unreadable = planted.run.client.unreadable();
        assert_eq!(unreadable.len(), 1, "{moving}");
        assert_eq!(unreadable[0].name, planted.metainfo.info_hashes.primary().to_string(), "{moving}");
        let list = planted.run.list().await;
        assert_eq!(list.iter().map(|line| line.name.as_str()).collect::<Vec<_>>(), ["file1"], "{moving}");
        planted.run.end().await;
        assert_eq!(seen_in(planted.home.path()), before, "{moving}");
        assert!(!Path::new("relative").exists());
    }
}

#[tokio::test]
async fn a_move_of_files_that_the_torrent_does_not_have_stands_still_and_says_so() {
    let many: Vec<Value> = (0..50_000).map(|number| json!([number, format!("x/{number}")])).collect();
    let spot = json!({ "directory": "HOME/new" });
    let strange = json!({ "copies": [[99, 5]], "directories": [] });
    let left = json!({ "files": [[99, 5]], "directories": ["../outside/empty"] });
    let mut absurd = vec![
        json!({ "to": { "spot": spot, "mark": 7, "begun": strange } }),
        json!({ "from": { "spot": spot, "mark": 7, "left": left } }),
    ];
    for names in [json!([[99, "x"]]), json!(many), json!([[0, "t/z"]])] {
        let spot = json!({ "directory": "HOME/new", "names": names });
        absurd.extend([to(&spot), from(&spot)]);
    }
    for (number, moving) in absurd.into_iter().enumerate() {
        let (planted, before) = planted(&moving).await;
        assert_eq!(planted.run.client.unreadable(), []);
        let line = loop {
            let line = planted.run.list().await.remove(1);
            if line.relocating.as_ref().is_some_and(|one| one.trouble.is_some()) {
                break line;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!((line.name.as_str(), line.place.directory), ("t", planted.at("old")), "{number}");
        // It can be given up.
        let is_to = moving.get("to").is_some();
        let given_up = planted.run.client.cancel_relocation(line.torrent).await.unwrap();
        assert_eq!(given_up, if is_to { Ok(()) } else { Err(CancelError::Arrived) }, "{number}");
        let list = planted.run.list().await;
        assert!(list.len() == 2 && list.iter().all(|line| line.relocating.is_none()), "{number}");
        planted.run.end().await;
        assert_eq!(seen_in(planted.home.path()), before, "{number}");
    }
}

#[tokio::test]
async fn a_move_that_was_not_begun_and_one_to_where_nothing_is_touch_nothing() {
    let nowhere = json!({ "directory": "HOME/nowhere" });
    let unbegun = json!({ "to": { "spot": { "directory": "HOME/new" }, "mark": u64::MAX } });
    for moving in [unbegun, to(&nowhere), from(&nowhere)] {
        let (planted, before) = planted(&moving).await;
        let id = planted.run.list().await[1].torrent;
        planted.run.client.remove(id, Files::Forget).await.unwrap().unwrap();
        while planted.run.list().await.len() > 1 {
            tokio::task::yield_now().await;
        }
        planted.run.end().await;
        assert_eq!(seen_in(planted.home.path()), before, "{moving}");
    }
}

#[tokio::test]
async fn nobody_moves_a_torrent_to_where_the_next_start_would_not_look() {
    let moving = Moving::start().await;
    for path in ["relative", "", "/tmp/../x"] {
        let place = Place::from(PathBuf::from(path));
        let refused = Err(RelocateError::Place(PlaceError::Directory(PathBuf::from(path))));
        assert_eq!(moving.relocate(place.clone()).await, refused);
        assert_eq!(moving.run.client.locate(moving.id, place).await.unwrap(), refused);
    }
    assert_eq!(moving.run.list().await[0].relocating, None);
    moving.run.end().await;
}
