//! What the user has chosen for a torrent, and what is remembered of it, outlive the client.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;

use sprat_core::io::{AddMagnet, AddTorrent, Event, Manner};
use sprat_core::storage::TorrentId;
use sprat_core::torrent::TorrentState;
use sprat_engine::address_policy::Origin;
use sprat_engine::client::{Admission, Client, Note};
use sprat_engine::storage::Place;

use crate::client_under_test::config;
use crate::run::{Run, SOON, add, torrent};

#[tokio::test]
async fn what_is_added_paused_is_looked_at_and_waits_until_it_is_resumed() {
    let home = tempfile::tempdir().unwrap();
    let (metainfo, directory) = torrent(home.path(), 1);
    let seeder = Client::start(config(5)).unwrap();
    seeder.add(add(&metainfo), directory).await.unwrap().unwrap();
    let peers = vec![SocketAddr::from(([127, 0, 0, 1], seeder.port()))];
    let mut run = Run::start(home.path(), None);
    let wish = AddTorrent { paused: true, ..add(&metainfo) };
    let id = run.client.add(wish, home.path().join("copy")).await.unwrap().unwrap();
    run.wait_for(|event| matches!(event, Event::Checked { have: 0, .. })).await;
    let state = run.client.with(move |session, _| session.torrent(id).unwrap().state()).await.unwrap();
    assert_eq!(state, TorrentState::Paused);
    assert!(run.list().await[0].is_paused);
    run.end().await;
    let mut run = Run::start(home.path(), None);
    assert_eq!(run.sleepers().await, 1);
    let id = run.list().await[0].torrent;
    run.client.resume(id).await.unwrap();
    run.client.with(move |session, now| session.add_peers(now, id, &peers)).await.unwrap();
    run.wait_for(|event| matches!(event, Event::Finished { .. })).await;
    run.end().await;
    seeder.shut_down().await.unwrap();
}

#[tokio::test]
async fn a_paused_link_calls_nobody_before_it_is_resumed_and_not_after_a_start() {
    let home = tempfile::tempdir().unwrap();
    let (metainfo, directory) = torrent(home.path(), 1);
    let seeder = Client::start(config(5)).unwrap();
    seeder.add(add(&metainfo), directory).await.unwrap().unwrap();
    let peers = vec![SocketAddr::from(([127, 0, 0, 1], seeder.port()))];
    let run = Run::start(home.path(), None);
    let wish = AddMagnet { paused: true, ..AddMagnet::new(metainfo.info_hashes) };
    run.client.add_magnet(wish, home.path().join("copy")).await.unwrap().unwrap();
    run.end().await;
    let mut run = Run::start(home.path(), None);
    let id = run.list().await[0].torrent;
    let status = run
        .client
        .with(move |session, now| {
            session.add_peers(now, id, &peers);
            session.seeker(id).unwrap().status()
        })
        .await
        .unwrap();
    assert!(status.paused);
    assert_eq!((status.connections, status.known_peers), (0, 1));
    assert!(matches!(run.events.try_recv(), Err(tokio::sync::broadcast::error::TryRecvError::Empty)));
    run.client.resume(id).await.unwrap();
    run.wait_for(|event| matches!(event, Event::Finished { .. })).await;
    run.end().await;
    seeder.shut_down().await.unwrap();
}

#[tokio::test]
async fn a_note_is_kept_with_its_torrent() {
    let home = tempfile::tempdir().unwrap();
    let (metainfo, directory) = torrent(home.path(), 1);
    let run = Run::start(home.path(), None);
    let note = |text: &str| Note::new(text).unwrap();
    let admission = Admission { note: note("{\"label\":\"\\u0000\"}"), ..Place::from(directory).into() };
    run.client.add(add(&metainfo), admission).await.unwrap().unwrap();
    let admission = Admission { note: note("of a link"), ..home.path().join("copy").into() };
    let magnet = AddMagnet::new(torrent(home.path(), 2).0.info_hashes);
    run.client.add_magnet(magnet, admission).await.unwrap().unwrap();
    // As after a crash: what was given when a torrent was added is durable.
    drop(run);
    let run = Run::start(home.path(), None);
    let notes = |list: Vec<sprat_engine::client::Listing>| -> Vec<Note> {
        list.into_iter().map(|line| line.note).collect()
    };
    assert_eq!(notes(run.list().await), [note("of a link"), note("{\"label\":\"\\u0000\"}")]);
    let id = run.list().await[1].torrent;
    run.client.annotate(vec![(id, note("another"))]).await.unwrap();
    assert_eq!(notes(run.list().await), [note("of a link"), note("another")]);
    run.end().await;
    let run = Run::start(home.path(), None);
    assert_eq!(notes(run.list().await), [note("of a link"), note("another")]);
    run.end().await;
}

#[tokio::test]
async fn the_list_tells_what_a_torrent_is_and_what_was_chosen_also_while_it_sleeps() {
    let home = tempfile::tempdir().unwrap();
    let (metainfo, _) = torrent(home.path(), 1);
    let mut run = Run::start(home.path(), None);
    let wish = AddTorrent { paused: true, sequential: true, ..add(&metainfo) };
    run.client.add(wish, home.path().join("copy")).await.unwrap().unwrap();
    run.wait_for(|event| matches!(event, Event::Checked { .. })).await;
    run.end().await;
    let run = Run::start(home.path(), None);
    assert_eq!(run.sleepers().await, 1);
    let line = run.list().await.remove(0);
    assert!(line.is_known && !line.is_private && line.sequential);
    assert_eq!((line.size, line.left, line.files), (100_000, 100_000, 1));
    run.end().await;
}

/// What the trackers of a torrent are called, by tier.
async fn trackers(client: &Client, id: TorrentId) -> Vec<(usize, String)> {
    let trackers = client.with(move |session, _| session.trackers(id)).await.unwrap();
    trackers.into_iter().map(|one| (one.tier, one.url.to_string())).collect()
}

#[tokio::test]
async fn trackers_that_the_user_has_changed_stay_so_awake_asleep_and_as_a_link() {
    let home = tempfile::tempdir().unwrap();
    let (metainfo, directory) = torrent(home.path(), 1);
    let mut run = Run::start(home.path(), SOON);
    let id = run.client.add(add(&metainfo), directory).await.unwrap().unwrap();
    let magnet = AddMagnet {
        trackers: vec![vec!["http://127.0.0.1:1/link".to_owned()]],
        ..AddMagnet::new(torrent(home.path(), 2).0.info_hashes)
    };
    let link = run.client.add_magnet(magnet, home.path().join("copy")).await.unwrap().unwrap();
    let tiers = |names: &[&str]| -> Vec<Vec<String>> {
        names.iter().map(|name| vec![format!(" http://127.0.0.1:1/{name}")]).collect()
    };
    let expected = |names: &[&str]| -> Vec<(usize, String)> {
        tiers(names).iter().flatten().map(|url| url.trim().to_owned()).enumerate().collect()
    };
    run.client.set_trackers(id, tiers(&["a", "b"]), Origin::User).await.unwrap();
    run.client.set_trackers(link, tiers(&["mine", "link"]), Origin::User).await.unwrap();
    assert_eq!(trackers(&run.client, id).await, expected(&["a", "b"]));
    assert_eq!(trackers(&run.client, link).await, expected(&["mine", "link"]));
    run.wait_for(|event| matches!(event, Event::FellAsleep { .. })).await;
    run.client.set_trackers(id, tiers(&["b", "c"]), Origin::User).await.unwrap();
    assert_eq!(trackers(&run.client, id).await, expected(&["b", "c"]));
    run.end().await;
    let run = Run::start(home.path(), None);
    let (link, id) = (run.list().await[0].torrent, run.list().await[1].torrent);
    assert_eq!(trackers(&run.client, id).await, expected(&["b", "c"]));
    assert_eq!(trackers(&run.client, link).await, expected(&["mine", "link"]));
    run.end().await;
}

/// Changes a byte so that nobody can see it who does not read it.
fn rot(path: &std::path::Path) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(b"!", 20_000).unwrap();
    file.set_modified(modified).unwrap();
}

#[tokio::test]
async fn what_is_rechecked_is_read_awake_asleep_and_paused() {
    let home = tempfile::tempdir().unwrap();
    let (metainfo, directory) = torrent(home.path(), 1);
    let path = directory.join("file1");
    let good = fs::read(&path).unwrap();
    let mut run = Run::start(home.path(), None);
    let id = run.client.add(add(&metainfo), directory).await.unwrap().unwrap();
    run.wait_for(|event| matches!(event, Event::Finished { .. })).await;
    run.client.recheck(id).await.unwrap();
    let state = run.client.with(move |session, _| session.torrent(id).unwrap().state()).await.unwrap();
    assert!(matches!(state, TorrentState::Opening | TorrentState::Checking { .. }), "{state:?}");
    run.wait_for(|event| matches!(event, Event::Checked { have: 7, .. })).await;
    let state = run.client.with(move |session, _| session.torrent(id).unwrap().state()).await.unwrap();
    assert!(matches!(state, TorrentState::Seeding | TorrentState::Downloading), "{state:?}");
    run.client.pause(id).await.unwrap();
    rot(&path);
    run.client.recheck(id).await.unwrap();
    run.wait_for(|event| matches!(event, Event::Checked { have: 6, .. })).await;
    let state = run.client.with(move |session, _| session.torrent(id).unwrap().state()).await.unwrap();
    assert_eq!(state, TorrentState::Paused);
    run.end().await;
    fs::write(&path, &good).unwrap();
    let mut run = Run::start(home.path(), None);
    assert_eq!(run.sleepers().await, 1);
    let id = run.list().await[0].torrent;
    run.client.recheck(id).await.unwrap();
    run.wait_for(|event| matches!(event, Event::Checked { have: 7, .. })).await;
    run.client.recheck(id).await.unwrap();
    // As after a crash: the next one begins again, although it is paused.
    run.client.annotate(vec![(id, Note::new("x").unwrap())]).await.unwrap();
    drop(run);
    let mut run = Run::start(home.path(), None);
    run.wait_for(|event| matches!(event, Event::Checked { have: 7, .. })).await;
    run.end().await;
    let run = Run::start(home.path(), None);
    assert_eq!(run.sleepers().await, 1, "once is enough");
    run.end().await;
}

#[tokio::test]
async fn the_manner_of_a_torrent_is_kept_awake_and_asleep() {
    let home = tempfile::tempdir().unwrap();
    let (metainfo, directory) = torrent(home.path(), 1);
    let mut run = Run::start(home.path(), SOON);
    let id = run.client.add(add(&metainfo), directory).await.unwrap().unwrap();
    let magnet = AddMagnet::new(torrent(home.path(), 2).0.info_hashes);
    let link = run.client.add_magnet(magnet, home.path().join("copy")).await.unwrap().unwrap();
    run.client.set_first_last_first(link, true).await.unwrap();
    run.client.set_super_seeding(id, true).await.unwrap();
    run.wait_for(|event| matches!(event, Event::FellAsleep { .. })).await;
    run.client.set_torrent_connections(id, Some(3)).await.unwrap();
    run.end().await;
    let run = Run::start(home.path(), None);
    let manners: Vec<Manner> = run.list().await.iter().map(|line| line.manner).collect();
    let expected = [
        Manner { first_last_first: true, ..Manner::USUAL },
        Manner { super_seeding: true, connections: Some(3), ..Manner::USUAL },
    ];
    assert_eq!(manners, expected);
    let ids: Vec<TorrentId> = run.list().await.iter().map(|line| line.torrent).collect();
    let of_session = move |session: &mut sprat_core::Session, _| {
        ids.iter().map(|id| session.manner(*id).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(run.client.with(of_session).await.unwrap(), expected);
    run.end().await;
}
