//! What is added, removed, asleep and awake.

use std::fs;

use sprat_core::io::{AddMagnet, AddTorrent, Event};
use sprat_core::storage::{Files, TorrentId};
use sprat_core::torrent::TorrentState;
use sprat_engine::client::{AddError, Client, Listing};
use sprat_engine::ledger::Ledger;
use sprat_engine::shelf::Shelf;
use sprat_engine::state::{Change, StateStore, Table};
use sprat_engine::storage::Place;
use sprat_wire::hash::{InfoHashes, Sha1Hash};
use tokio::time::timeout;

use crate::client_under_test::{PATIENCE, config};
use crate::run::{Run, SOON, add, torrent};

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
            .map(|line| (line.name.clone(), line.place.clone(), line.is_paused, line.is_complete))
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
    assert_eq!(run.list().await[0].place.directory, directory);
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
    let place = Place::from(home.path().join("shared1"));
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
async fn a_hybrid_that_was_found_by_half_of_its_name_is_the_same_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let (metainfo, directory) = crate::run::hybrid(home.path());
    let seeder = Client::start(config(5)).unwrap();
    seeder.add(add(&metainfo), directory).await.unwrap().unwrap();
    let hashes = metainfo.info_hashes;
    for (at, half) in
        [InfoHashes::new(hashes.v1(), None), InfoHashes::new(None, hashes.v2())].into_iter().enumerate()
    {
        let home = home.path().join(at.to_string());
        let mut run = Run::start(&home, SOON);
        let peers = vec![std::net::SocketAddr::from(([127, 0, 0, 1], seeder.port()))];
        let link = AddMagnet { peers, ..AddMagnet::new(half.unwrap()) };
        run.client.add_magnet(link, home.join("copy")).await.unwrap().unwrap();
        run.wait_for(|event| matches!(event, Event::FellAsleep { .. })).await;
        while !run.list().await[0].is_known {
            tokio::task::yield_now().await;
        }
        run.end().await;

        let mut run = Run::start(&home, SOON);
        let [line] = run.list().await.try_into().unwrap();
        assert_eq!(line.info_hashes, hashes);
        let torrent = line.torrent;
        run.client.with(move |session, now| session.wake(now, torrent)).await.unwrap();
        run.wait_for(|event| matches!(event, Event::Checked { have, .. } if *have > 0)).await;
        run.client.remove(torrent, Files::Delete).await.unwrap().unwrap();
        run.wait_for(|event| matches!(event, Event::Removed { .. })).await;
        assert_eq!(run.ledger.handle().scan(Table::Torrents).unwrap(), []);
        assert_eq!(fs::read_dir(home.join("copy")).unwrap().count(), 0);
        run.end().await;
    }
    seeder.shut_down().await.unwrap();
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
    // Adding that torrent puts it aside.
    let link = AddMagnet::new(InfoHashes::new(Some(Sha1Hash([7; 20])), None).unwrap());
    run.client.add_magnet(link, home.path().join("copy")).await.unwrap().unwrap();
    let aside =
        run.ledger.handle().get(Table::Settings, &[b"unreadable/".as_slice(), &[7; 20]].concat()).unwrap();
    assert_eq!(aside.unwrap(), b"{\"format\":9}");
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
