//! Who reads a torrent that sleeps.

use std::fs;

use sprat_core::io::Event;
use sprat_engine::client::ReadError;
use tokio::time::timeout;

use crate::client_under_test::PATIENCE;
use crate::run::{Run, SOON, add, torrent};

#[tokio::test]
async fn who_reads_a_sleeper_wakes_it_and_is_told_when_it_cannot_wake() {
    let home = tempfile::tempdir().unwrap();
    let (metainfo, directory) = torrent(home.path(), 7);
    let mut run = Run::start(home.path(), SOON);
    let id = run.client.add(add(&metainfo), directory).await.unwrap().unwrap();
    run.wait_for(|event| matches!(event, Event::FellAsleep { .. })).await;

    let (shelf, away) = (home.path().join("state/metadata"), home.path().join("away"));
    fs::rename(&shelf, &away).unwrap();
    // The second time it is known already that it could not be woken, and it is tried again all the same.
    for _ in 0..2 {
        let opened = timeout(PATIENCE, run.client.reader(id, 0)).await.unwrap().unwrap();
        assert!(matches!(opened, Err(ReadError::Storage(_))), "{opened:?}");
    }
    fs::rename(&away, &shelf).unwrap();
    let mut reader = timeout(PATIENCE, run.client.reader(id, 0)).await.unwrap().unwrap().unwrap();
    let bytes = timeout(PATIENCE, reader.read_at(99_990, 1000)).await.unwrap().unwrap();
    assert_eq!(bytes, vec![7; 10]);
    drop(reader);
    run.wait_for(|event| matches!(event, Event::FellAsleep { .. })).await;
    run.end().await;
}
