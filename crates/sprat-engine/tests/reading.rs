//! Files are read while they are downloaded: what is read comes first, and nothing that was not verified.

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
use std::time::Duration;

use client_under_test::{Node, PATIENCE, config};
use sprat_core::Session;
use sprat_core::config::Config;
use sprat_core::io::{AddTorrent, FilePriority, RateLimits};
use sprat_core::peer_list::PeerSource;
use sprat_core::storage::TorrentId;
use sprat_core::time::Time;
use sprat_engine::client::{Client, FileReader, ReadError};
use sprat_engine::create::{CreateOptions, create};
use sprat_wire::metainfo::build::Description;
use sprat_wire::metainfo::{Metainfo, Version};
use tokio::time::timeout;

const LENGTH: usize = 3_000_000;

/// Two files that begin in one piece, with bytes that tell where they stand.
fn content(directory: &Path) -> (Arc<Metainfo>, [Vec<u8>; 2]) {
    let path = directory.join("content");
    fs::create_dir_all(&path).unwrap();
    let mut rng = fastrand::Rng::with_seed(3);
    let files = [0, 1].map(|_| (0..LENGTH).map(|_| rng.u8(..)).collect::<Vec<u8>>());
    for (name, bytes) in ["a", "b"].into_iter().zip(&files) {
        fs::write(path.join(name), bytes).unwrap();
    }
    let description = Description::default();
    let options =
        CreateOptions { path, version: Version::V1, piece_length: Some(32768), threads: None, description };
    (Arc::new(create(&options, &|_, _| {}).unwrap().metainfo), files)
}

/// A seeder that gives so many bytes per second, and a client that reads.
async fn pair(
    directory: &Path,
    rate: u64,
    priorities: Vec<FilePriority>,
) -> (Node, Client, TorrentId, [Vec<u8>; 2]) {
    let (metainfo, files) = content(directory);
    let limits = RateLimits { upload: Some(rate), download: None };
    let slow =
        sprat_engine::client::ClientConfig { session: Config { limits, ..Config::default() }, ..config(1) };
    let seeder = Node::that_has(slow, Arc::clone(&metainfo), directory.to_path_buf()).await;
    let client = Client::start(config(2)).unwrap();
    let add = AddTorrent { peers: vec![seeder.address()], priorities, ..AddTorrent::new(metainfo) };
    let torrent = client.add(add, directory.join("copy")).await.unwrap().unwrap();
    (seeder, client, torrent, files)
}

async fn read(reader: &mut FileReader, offset: u64, bytes: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < bytes {
        let at = offset + all.len() as u64;
        let next = timeout(PATIENCE, reader.read_at(at, bytes - all.len())).await.unwrap().unwrap();
        assert!(!next.is_empty());
        all.extend_from_slice(&next);
    }
    all
}

async fn left(client: &Client, torrent: TorrentId) -> u64 {
    client.with(move |session, now| session.torrent(torrent).unwrap().status(now).bytes_left).await.unwrap()
}

/// Bytes had by file, peers by piece, and how those peers were found.
fn look(session: &Session, now: Time, torrent: TorrentId) -> (Vec<u64>, Vec<u32>, Vec<Option<PeerSource>>) {
    let torrent = session.torrent(torrent).unwrap();
    let sources = torrent.connections(now).map(|one| one.source).collect();
    (torrent.file_progress(), torrent.availability().collect(), sources)
}

#[tokio::test]
async fn a_file_is_read_whole_while_it_comes_and_so_is_a_range_of_another() {
    let directory = tempfile::tempdir().unwrap();
    let (seeder, client, torrent, files) = pair(directory.path(), 3 << 20, Vec::new()).await;
    let mut whole = client.reader(torrent, 0).await.unwrap().unwrap();
    let mut range = client.reader(torrent, 1).await.unwrap().unwrap();
    assert_eq!(whole.length(), LENGTH as u64);
    let (whole_bytes, range_bytes) =
        tokio::join!(read(&mut whole, 0, LENGTH), read(&mut range, 2_000_000, 500_000));
    assert!(whole_bytes == files[0]);
    assert!(range_bytes == files[1][2_000_000..2_500_000]);
    assert!(left(&client, torrent).await > 0, "what nobody reads comes later");
    let (progress, availability, sources) =
        client.with(move |session, now| look(session, now, torrent)).await.unwrap();
    assert!(progress[0] == LENGTH as u64 && progress[1] < LENGTH as u64, "{progress:?}");
    assert!(availability.iter().all(|peers| *peers == 1), "{availability:?}");
    assert_eq!(sources, [Some(PeerSource::User)]);
    client.set_connections(0, 100).await.unwrap();
    client.set_torrent_connections(torrent, Some(0)).await.unwrap();
    let connections = client.with(move |session, now| look(session, now, torrent).2.len()).await.unwrap();
    assert_eq!(connections, 0);
    assert_eq!(whole.read_at(LENGTH as u64, 1).await.unwrap(), "", "the end");
    client.shut_down().await.unwrap();
    assert_eq!(range.read_at(0, 1).await, Err(ReadError::Ended));
    drop(seeder);
}

#[tokio::test]
async fn what_is_skipped_is_fetched_for_who_reads_it_and_no_more_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let nothing = vec![FilePriority::Skip, FilePriority::Skip];
    let (seeder, client, torrent, files) = pair(directory.path(), 20 << 20, nothing).await;
    let mut reader = client.reader(torrent, 1).await.unwrap().unwrap();
    let bytes = read(&mut reader, LENGTH as u64 - 100_000, 100_000).await;
    assert!(bytes == files[1][LENGTH - 100_000..]);
    drop(reader);
    let left = left(&client, torrent).await;
    assert!(left > 2 * LENGTH as u64 - 200_000, "{left}");
    let missing = client.reader(torrent, 2).await.unwrap();
    assert_eq!(missing.err(), Some(ReadError::NoSuchFile(2)));
    assert_eq!(client.reader(TorrentId(99), 0).await.unwrap().err(), Some(ReadError::NoTorrent));
    drop(seeder);
}

#[tokio::test]
async fn who_goes_elsewhere_before_he_was_answered_gets_what_he_asked_for_last() {
    let directory = tempfile::tempdir().unwrap();
    let (metainfo, files) = content(directory.path());
    let seeder = Node::that_has(config(1), metainfo, directory.path().to_path_buf()).await;
    let mut reader = seeder.client.reader(seeder.torrent, 0).await.unwrap().unwrap();
    let mut rng = fastrand::Rng::with_seed(5);
    for _ in 0..500 {
        let (before, after) = (rng.u64(..LENGTH as u64 - 1), rng.usize(..LENGTH - 1));
        // Asked for, and not waited for.
        let _ = timeout(Duration::ZERO, reader.read_at(before, 1)).await;
        let bytes = timeout(PATIENCE, reader.read_at(after as u64, 100)).await.unwrap().unwrap();
        assert_eq!(bytes, files[0][after..after + bytes.len()]);
    }
}
