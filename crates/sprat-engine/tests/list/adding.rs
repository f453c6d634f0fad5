//! Adding what is there, what is just being added, and what is on its way out.

use std::fs;

use sprat_core::io::{AddMagnet, Event};
use sprat_core::storage::Files;
use sprat_engine::client::AddError;
use sprat_engine::ledger::LedgerHandle;
use sprat_engine::shelf::Shelf;
use sprat_engine::state::{Rows, Table};
use sprat_wire::hash::InfoHashes;

use crate::run::{Run, SOON, add, torrent};

fn entries(ledger: &LedgerHandle) -> Rows {
    ledger.scan(Table::Torrents).unwrap()
}

#[tokio::test]
async fn a_duplicate_leaves_the_list_as_it_is_also_by_half_of_its_name() {
    let home = tempfile::tempdir().unwrap();
    let (metainfo, directory) = crate::run::hybrid(home.path());
    let run = Run::start(home.path(), None);
    let id = run.client.add(add(&metainfo), directory).await.unwrap().unwrap();
    let before = entries(&run.ledger.handle());
    let hashes = metainfo.info_hashes;
    for half in [InfoHashes::new(hashes.v1(), None), InfoHashes::new(None, hashes.v2())] {
        let link = AddMagnet::new(half.unwrap());
        let added = run.client.add_magnet(link, home.path().join("elsewhere")).await.unwrap();
        assert_eq!(added, Err(AddError::Duplicate(id)));
    }
    assert_eq!(entries(&run.ledger.handle()), before);
    run.end().await;
}

#[tokio::test]
async fn of_those_who_add_one_torrent_at_once_one_succeeds_and_the_list_has_what_he_has_said() {
    let home = tempfile::tempdir().unwrap();
    let (metainfo, directory) = torrent(home.path(), 1);
    let run = Run::start(home.path(), None);
    let other = home.path().join("elsewhere");
    let (one, two) = tokio::join!(
        run.client.add(add(&metainfo), directory.clone()),
        run.client.add(add(&metainfo), other.clone())
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    // The other comes while that is being done, or just after.
    assert!(one.is_ok(), "{one:?}");
    assert!(matches!(two, Err(AddError::Busy | AddError::Duplicate(_))), "{two:?}");
    run.end().await;
    let run = Run::start(home.path(), None);
    assert_eq!(run.list().await[0].place.directory, directory);
    run.end().await;
}

#[tokio::test]
async fn who_stops_waiting_for_an_add_does_not_stop_it() {
    let home = tempfile::tempdir().unwrap();
    let (metainfo, directory) = torrent(home.path(), 1);
    let mut run = Run::start(home.path(), None);
    {
        let added = std::pin::pin!(run.client.add(add(&metainfo), directory.clone()));
        // Once, so that it is asked for.
        assert!(is_waiting(added));
    }
    run.wait_for(|event| matches!(event, Event::Finished { .. })).await;
    let id = run.list().await[0].torrent;
    run.client.remove(id, Files::Forget).await.unwrap().unwrap();
    run.wait_for(|event| matches!(event, Event::Removed { .. })).await;
    assert_eq!(entries(&run.ledger.handle()), []);
    run.client.add(add(&metainfo), directory).await.unwrap().unwrap();
    run.end().await;
}

/// Polls it once, and returns whether it waits for something.
fn is_waiting(future: std::pin::Pin<&mut impl Future>) -> bool {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending()
}

#[tokio::test]
async fn what_is_being_removed_cannot_be_added_and_is_removed_all_the_same() {
    let home = tempfile::tempdir().unwrap();
    let (metainfo, directory) = torrent(home.path(), 1);
    let mut run = Run::start(home.path(), SOON);
    let id = run.client.add(add(&metainfo), directory).await.unwrap().unwrap();
    run.wait_for(|event| matches!(event, Event::FellAsleep { .. })).await;
    // Which files are to be deleted cannot be read just now.
    let shelf = Shelf::below(&home.path().join("state")).path(&metainfo.info_hashes);
    let aside = home.path().join("aside");
    fs::rename(&shelf, &aside).unwrap();
    fs::create_dir(&shelf).unwrap();
    run.client.remove(id, Files::Delete).await.unwrap().unwrap();
    run.wait_for(|event| matches!(event, Event::Trouble { trouble: Some(_), .. })).await;
    let before = entries(&run.ledger.handle());
    let link = AddMagnet::new(metainfo.info_hashes);
    let added = run.client.add_magnet(link, home.path().join("elsewhere")).await.unwrap();
    assert_eq!(added, Err(AddError::Busy));
    assert_eq!(entries(&run.ledger.handle()), before);
    fs::remove_dir(&shelf).unwrap();
    fs::rename(&aside, &shelf).unwrap();
    run.client.with(move |session, now| session.wake(now, id)).await.unwrap();
    run.wait_for(|event| matches!(event, Event::Removed { .. })).await;
    assert_eq!(run.list().await, []);
    run.end().await;
    assert_eq!(Run::start(home.path(), None).list().await, []);
}
