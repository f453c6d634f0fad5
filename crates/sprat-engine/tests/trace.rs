//! What a torrent does can be read while it does it.

#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]

#[allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    reason = "what it shares with others is more than it needs"
)]
mod client_under_test;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use client_under_test::{Node, PATIENCE, config};
use sprat_core::config::Config;
use sprat_core::io::{AddTorrent, RateLimits};
use sprat_core::storage::{Files, TorrentId};
use sprat_engine::client::{Client, ClientConfig, TraceError, TraceLine, Way};
use sprat_engine::create::{CreateOptions, create};
use sprat_wire::metainfo::build::Description;
use sprat_wire::metainfo::{Metainfo, Version};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

fn content(directory: &Path) -> Arc<Metainfo> {
    let path = directory.join("content");
    let mut rng = fastrand::Rng::with_seed(3);
    fs::write(&path, (0..1 << 20).map(|_| rng.u8(..)).collect::<Vec<u8>>()).unwrap();
    let description = Description::default();
    let options =
        CreateOptions { path, version: Version::V1, piece_length: Some(32768), threads: None, description };
    Arc::new(create(&options, &|_, _| {}).unwrap().metainfo)
}

/// Somebody who has it and gives it in a second or two, and somebody who is to fetch it, later.
async fn pair(directory: &Path) -> (Node, Client, TorrentId) {
    let metainfo = content(directory);
    let limits = RateLimits { upload: Some(1 << 20), download: None };
    let slow = ClientConfig { session: Config { limits, ..Config::default() }, ..config(1) };
    let seeder = Node::that_has(slow, Arc::clone(&metainfo), directory.to_path_buf()).await;
    let client = Client::start(config(2)).unwrap();
    let add = AddTorrent { peers: vec![seeder.address()], paused: true, ..AddTorrent::new(metainfo) };
    let torrent = client.add(add, directory.join("copy")).await.unwrap().unwrap();
    (seeder, client, torrent)
}

/// All lines until one that has happened here and says this.
async fn until(lines: &mut Receiver<TraceLine>, last: &str) -> Vec<TraceLine> {
    let mut read = Vec::new();
    loop {
        let line = timeout(PATIENCE, lines.recv()).await.unwrap().unwrap();
        let is_last = line.way == Way::Here && line.text == last;
        read.push(line);
        if is_last {
            return read;
        }
    }
}

/// That there is a line that begins like this after the one before, and so on.
#[track_caller]
fn assert_in_order(lines: &[TraceLine], expected: &[(Way, &str)]) {
    let mut rest = lines.iter();
    for (way, text) in expected {
        let found = rest.any(|line| line.way == *way && line.text.starts_with(text));
        assert!(found, "{way:?} {text} is missing, or too early, in {lines:#?}");
    }
}

#[tokio::test]
async fn both_ends_of_a_transfer_can_be_read_from_the_first_word_to_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let (seeder, client, torrent) = pair(directory.path()).await;
    let mut theirs = seeder.client.trace(seeder.torrent).await.unwrap().unwrap();
    let mut ours = client.trace(torrent).await.unwrap().unwrap();
    client.resume(torrent).await.unwrap();
    let ours = until(&mut ours, "finished").await;
    assert_in_order(
        &ours,
        &[
            (Way::Out, "connecting"),
            (Way::Here, "connected"),
            (Way::Out, "handshake of -SP"),
            (Way::In, "handshake of -SP"),
            (Way::In, "have all"),
            (Way::Out, "interested"),
            (Way::In, "unchoke"),
            (Way::Out, "request "),
            (Way::In, "piece "),
            (Way::Out, "check and write piece "),
            (Way::In, "piece "),
            (Way::Here, "piece "),
        ],
    );
    let blocks =
        ours.iter().filter(|line| line.way == Way::In && line.text.ends_with(", 16384 bytes")).count();
    assert!(blocks >= 64, "{blocks}");
    assert!(ours.iter().all(|line| line.lost == 0 && !line.text.contains("not known")), "{ours:#?}");
    assert!(ours.is_sorted_by_key(|line| line.at));
    let read = until(&mut theirs, "the handshakes are done").await;
    assert_in_order(&read, &[(Way::In, "handshake of -SP"), (Way::Out, "handshake of -SP")]);
    let mut read = Vec::new();
    while !read.iter().any(|line: &TraceLine| line.way == Way::Out && line.text.starts_with("piece ")) {
        read.push(timeout(PATIENCE, theirs.recv()).await.unwrap().unwrap());
    }
    assert_in_order(
        &read,
        &[(Way::Out, "have all"), (Way::Out, "unchoke"), (Way::In, "request "), (Way::Out, "piece ")],
    );
}

#[tokio::test]
async fn who_begins_to_look_in_the_middle_understands_soon() {
    let directory = tempfile::tempdir().unwrap();
    let (_seeder, client, torrent) = pair(directory.path()).await;
    let mut first = client.trace(torrent).await.unwrap().unwrap();
    client.resume(torrent).await.unwrap();
    while !timeout(PATIENCE, first.recv()).await.unwrap().unwrap().text.starts_with("piece ") {}
    let mut later = client.trace(torrent).await.unwrap().unwrap();
    let lines = until(&mut later, "finished").await;
    assert_in_order(&lines, &[(Way::In, "piece "), (Way::Out, "check and write piece ")]);
}

#[tokio::test]
async fn traces_are_few_and_end_with_their_torrent() {
    let directory = tempfile::tempdir().unwrap();
    let (_seeder, client, torrent) = pair(directory.path()).await;
    assert_eq!(client.trace(TorrentId(77)).await.unwrap().unwrap_err(), TraceError::Unknown);
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(client.trace(torrent).await.unwrap().unwrap());
    }
    assert_eq!(client.trace(torrent).await.unwrap().unwrap_err(), TraceError::TooMany);
    all.pop();
    let mut last = client.trace(torrent).await.unwrap().unwrap();
    client.remove(torrent, Files::Forget).await.unwrap().unwrap();
    until(&mut last, "removed").await;
    assert_eq!(timeout(PATIENCE, last.recv()).await.unwrap(), None);
}
