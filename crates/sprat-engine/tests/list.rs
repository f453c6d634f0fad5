//! The list of torrents outlives the client, however that ends.

#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]

#[allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    reason = "what it shares with others is more than it needs"
)]
mod client_under_test;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use client_under_test::{PATIENCE, config};
use sprat_core::config::Config;
use sprat_core::io::{AddMagnet, AddTorrent, Event, RateLimits};
use sprat_core::storage::{Files, TorrentId};
use sprat_core::torrent::TorrentState;
use sprat_engine::client::{AddError, Client, ClientConfig, Home, Listing, StartError};
use sprat_engine::create::{CreateOptions, create};
use sprat_engine::ledger::Ledger;
use sprat_engine::shelf::Shelf;
use sprat_engine::state::{Change, StateStore, Table};
use sprat_engine::storage::{Place, StorageConfig};
use sprat_wire::metainfo::build::Description;
use sprat_wire::metainfo::{Metainfo, Version};
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;

/// A client with a list, and the thread that keeps it.
struct Run {
    client: Client,
    events: Receiver<Event>,
    ledger: Ledger,
}

impl Run {
    fn start(home: &Path, sleep_after: Option<Duration>) -> Self {
        Self::try_start(home, sleep_after).unwrap()
    }

    fn try_start(home: &Path, sleep_after: Option<Duration>) -> Result<Self, StartError> {
        let (store, damages) = StateStore::open(&home.join("state")).unwrap();
        assert!(damages.is_empty());
        let ledger = Ledger::start(store).unwrap();
        let client = Client::start(ClientConfig {
            session: Config { sleep_after, ..Config::default() },
            storage: StorageConfig { workers: 1, ledger: Some(ledger.handle()), ..StorageConfig::default() },
            home: Some(Home { ledger: ledger.handle(), shelf: Shelf::below(&home.join("state")) }),
            ..config(fastrand::Rng::new().u64(..))
        })?;
        let events = client.events();
        Ok(Self { client, events, ledger })
    }

    async fn end(self) {
        self.client.shut_down().await.unwrap();
        drop(self.ledger);
    }

    async fn wait_for(&mut self, is_it: impl Fn(&Event) -> bool) {
        let look = async { while !is_it(&self.events.recv().await.unwrap()) {} };
        timeout(PATIENCE, look).await.unwrap();
    }

    async fn list(&self) -> Vec<Listing> {
        let mut list = self.client.list().await.unwrap();
        list.sort_by_key(|line| line.name.clone());
        list
    }

    async fn sleepers(&self) -> usize {
        self.client.with(|session, _| session.sleepers().count()).await.unwrap()
    }
}

/// A file of its own for each number, and its torrent.
fn torrent(home: &Path, number: usize) -> (Arc<Metainfo>, PathBuf) {
    let directory = home.join(format!("shared{number}"));
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join(format!("file{number}"));
    fs::write(&path, vec![u8::try_from(number).unwrap(); 100_000]).unwrap();
    let description = Description::default();
    let options =
        CreateOptions { path, version: Version::V1, piece_length: Some(16384), threads: None, description };
    (Arc::new(create(&options, &|_, _| {}).unwrap().metainfo), directory)
}

fn add(metainfo: &Arc<Metainfo>) -> AddTorrent {
    AddTorrent {
        metainfo: Arc::clone(metainfo),
        extra_trackers: Vec::new(),
        peers: Vec::new(),
        priorities: Vec::new(),
        sequential: false,
        limits: RateLimits::default(),
    }
}

const SOON: Option<Duration> = Some(Duration::from_millis(50));

#[tokio::test]
async fn what_was_added_is_there_after_any_end_and_asleep_if_it_has_nothing_to_do() {
    let home = tempfile::tempdir().unwrap();
    let torrents: Vec<_> = (0..5).map(|number| torrent(home.path(), number)).collect();
    let mut run = Run::start(home.path(), None);
    for (metainfo, directory) in &torrents {
        run.client.add(add(metainfo), directory.clone()).await.unwrap().unwrap();
        run.wait_for(|event| matches!(event, Event::Finished { .. })).await;
    }
    let missing = torrent(home.path(), 9).0;
    let id = run.client.add(add(&missing), home.path().join("elsewhere")).await.unwrap().unwrap();
    run.client.pause(id).await.unwrap();
    let before = run.list().await;
    assert_eq!(before.len(), 6);
    assert_eq!(before.iter().filter(|line| line.is_complete).count(), 5);
    // Without farewell, as after a crash.
    drop(run);
    let run = Run::start(home.path(), None);
    let after = run.list().await;
    let strip = |list: &[Listing]| -> Vec<_> {
        list.iter()
            .map(|line| (line.name.clone(), line.directory.clone(), line.is_paused, line.is_complete))
            .collect()
    };
    assert_eq!(strip(&before), strip(&after));
    assert_eq!(run.sleepers().await, 6);
    run.end().await;
    let run = Run::start(home.path(), None);
    assert_eq!(strip(&run.list().await), strip(&before));
    run.end().await;
}

#[tokio::test]
async fn a_sleeping_torrent_serves_whoever_comes_and_sleeps_again() {
    let home = tempfile::tempdir().unwrap();
    let (metainfo, directory) = torrent(home.path(), 1);
    let mut run = Run::start(home.path(), SOON);
    run.client.add(add(&metainfo), directory).await.unwrap().unwrap();
    run.wait_for(|event| matches!(event, Event::FellAsleep { .. })).await;
    run.end().await;
    let mut run = Run::start(home.path(), SOON);
    assert_eq!(run.sleepers().await, 1);
    for number in 0..2 {
        let leecher = Client::start(config(99 + number)).unwrap();
        let mut events = leecher.events();
        let seeder = std::net::SocketAddr::from(([127, 0, 0, 1], run.client.port()));
        let place = home.path().join(format!("copy{number}"));
        let wish = AddTorrent { peers: vec![seeder], ..add(&metainfo) };
        leecher.add(wish, place.clone()).await.unwrap().unwrap();
        let finished = async { while !matches!(events.recv().await.unwrap(), Event::Finished { .. }) {} };
        timeout(PATIENCE, finished).await.unwrap();
        assert_eq!(fs::read(place.join("file1")).unwrap(), vec![1; 100_000]);
        leecher.shut_down().await.unwrap();
        run.wait_for(|event| matches!(event, Event::FellAsleep { .. })).await;
    }
    let totals = run.list().await[0].totals;
    assert_eq!(totals.uploaded, 200_000, "what was counted outlives the sleep");
    run.end().await;
}

#[tokio::test]
async fn a_torrent_is_added_once_and_may_come_back_when_it_was_removed() {
    let home = tempfile::tempdir().unwrap();
    let (metainfo, directory) = torrent(home.path(), 1);
    let mut run = Run::start(home.path(), None);
    let id = run.client.add(add(&metainfo), directory.clone()).await.unwrap().unwrap();
    let again = run.client.add(add(&metainfo), home.path().join("elsewhere")).await.unwrap();
    assert_eq!(again, Err(AddError::Duplicate(id)));
    assert_eq!(run.list().await[0].directory, directory);
    run.client.remove(id, Files::Forget).await.unwrap().unwrap();
    run.wait_for(|event| matches!(event, Event::Removed { .. })).await;
    assert_eq!(run.list().await, []);
    run.end().await;
    let run = Run::start(home.path(), None);
    assert_eq!(run.list().await, []);
    run.client.add(add(&metainfo), directory.clone()).await.unwrap().unwrap();
    assert_eq!(run.list().await.len(), 1);
    run.end().await;
    assert_eq!(fs::read(directory.join("file1")).unwrap(), vec![1; 100_000]);
}

#[tokio::test]
async fn a_removal_that_was_begun_is_ended_by_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let (metainfo, _) = torrent(home.path(), 1);
    // Downloaded by us, so that the files are ours to delete.
    let seeder = Client::start(config(5)).unwrap();
    let place = Place { directory: home.path().join("shared1"), adopt: false };
    seeder.add(add(&metainfo), place).await.unwrap().unwrap();
    let copy = home.path().join("copy");
    let mut run = Run::start(home.path(), SOON);
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], seeder.port()));
    let wish = AddTorrent { peers: vec![address], ..add(&metainfo) };
    run.client.add(wish, copy.clone()).await.unwrap().unwrap();
    run.wait_for(|event| matches!(event, Event::Finished { .. })).await;
    seeder.shut_down().await.unwrap();
    run.wait_for(|event| matches!(event, Event::FellAsleep { .. })).await;
    run.end().await;
    // The entry says that it is to go, and nothing more was done.
    {
        let (store, _) = StateStore::open(&home.path().join("state")).unwrap();
        let ledger = Ledger::start(store).unwrap();
        let (key, value) = ledger.handle().scan(Table::Torrents).unwrap().remove(0);
        let text = String::from_utf8(value).unwrap();
        let text = text.replace("\"removing\":null", "\"removing\":\"delete\"");
        let change = Change { table: Table::Torrents, key, value: Some(text.into_bytes()) };
        ledger.handle().write_and_wait(vec![change]).unwrap();
    }
    assert!(copy.join("file1").exists());
    let mut run = Run::start(home.path(), SOON);
    run.wait_for(|event| matches!(event, Event::Removed { .. })).await;
    assert!(!copy.join("file1").exists());
    assert_eq!(run.list().await, []);
    run.end().await;
    assert_eq!(Run::start(home.path(), SOON).list().await, []);
}

#[tokio::test]
async fn the_metadata_of_a_link_is_kept_and_so_is_a_link_without() {
    let home = tempfile::tempdir().unwrap();
    let (metainfo, directory) = torrent(home.path(), 1);
    let seeder = Client::start(config(5)).unwrap();
    seeder.add(add(&metainfo), directory).await.unwrap().unwrap();
    let mut run = Run::start(home.path(), None);
    let peers = vec![std::net::SocketAddr::from(([127, 0, 0, 1], seeder.port()))];
    let found = AddMagnet { peers, ..AddMagnet::new(metainfo.info_hashes) };
    run.client.add_magnet(found, home.path().join("copy")).await.unwrap().unwrap();
    let unknown = torrent(home.path(), 2).0.info_hashes;
    run.client.add_magnet(AddMagnet::new(unknown), home.path().join("copy")).await.unwrap().unwrap();
    run.wait_for(|event| matches!(event, Event::Finished { .. })).await;
    seeder.shut_down().await.unwrap();
    while !run.list().await.iter().any(|line| line.is_complete && line.name == "file1") {
        tokio::task::yield_now().await;
    }
    run.end().await;
    let run = Run::start(home.path(), None);
    let names: Vec<String> = run.list().await.into_iter().map(|line| line.name).collect();
    assert_eq!(names, ["", "file1"]);
    let (sleepers, seekers) =
        run.client.with(|session, _| (session.sleepers().count(), session.seekers().count())).await.unwrap();
    assert_eq!((sleepers, seekers), (1, 1));
    run.end().await;
}

#[tokio::test]
async fn an_entry_that_makes_no_sense_is_named_and_everything_else_is_there() {
    let home = tempfile::tempdir().unwrap();
    let (metainfo, directory) = torrent(home.path(), 1);
    let run = Run::start(home.path(), None);
    run.client.add(add(&metainfo), directory).await.unwrap().unwrap();
    let change = Change { table: Table::Torrents, key: vec![7; 20], value: Some(b"{\"format\":9}".to_vec()) };
    run.ledger.handle().write_and_wait(vec![change]).unwrap();
    run.end().await;
    let run = Run::start(home.path(), None);
    assert_eq!(run.list().await.len(), 1);
    let unreadable = run.client.unreadable();
    assert_eq!(unreadable.len(), 1);
    assert_eq!(unreadable[0].name, "07".repeat(20));
    run.end().await;
}

#[tokio::test]
async fn a_torrent_whose_metadata_is_gone_says_so_and_comes_to_when_it_is_back() {
    let home = tempfile::tempdir().unwrap();
    let (metainfo, directory) = torrent(home.path(), 1);
    let mut run = Run::start(home.path(), SOON);
    run.client.add(add(&metainfo), directory).await.unwrap().unwrap();
    run.wait_for(|event| matches!(event, Event::FellAsleep { .. })).await;
    run.end().await;
    let shelf = Shelf::below(&home.path().join("state"));
    fs::rename(shelf.path(&metainfo.info_hashes), home.path().join("aside")).unwrap();
    let mut run = Run::start(home.path(), None);
    let wake = |id: TorrentId| move |session: &mut sprat_core::Session, now| session.wake(now, id);
    let id = run.list().await[0].torrent;
    run.client.with(wake(id)).await.unwrap();
    run.wait_for(|event| matches!(event, Event::Trouble { trouble: Some(_), .. })).await;
    fs::rename(home.path().join("aside"), shelf.path(&metainfo.info_hashes)).unwrap();
    run.client.with(wake(id)).await.unwrap();
    run.wait_for(|event| matches!(event, Event::Checked { .. })).await;
    let state = run.client.with(move |session, _| session.torrent(id).unwrap().state()).await.unwrap();
    assert_eq!(state, TorrentState::Seeding);
    run.end().await;
}
