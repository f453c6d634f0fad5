//! A whole client, with real peers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sprat_core::io::{AddTorrent, Event};
use sprat_core::storage::TorrentId;
use sprat_engine::client::{Client, ClientConfig};
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;

use super::client_under_test::{Node, PATIENCE, config};
use super::sample::Sample;
use super::{Disks, PIECE, assert_complete, lay_down, sample};

/// A client whose two torrents lie on two disks.
struct Leecher {
    client: Client,
    events: Receiver<Event>,
}

impl Leecher {
    fn start(disks: &Disks) -> Self {
        let client = Client::start(ClientConfig { storage: disks.config(), ..config(1) }).unwrap();
        Self { events: client.events(), client }
    }

    /// Adds a torrent that knows nobody yet, and waits until it is open.
    async fn add(&mut self, sample: &Sample, directory: PathBuf) -> TorrentId {
        let add = AddTorrent::new(Arc::clone(&sample.metainfo));
        let id = self.client.add(add, directory).await.unwrap().unwrap();
        self.wait_for(|event| matches!(event, Event::Checked { torrent, .. } if *torrent == id)).await;
        id
    }

    async fn introduce(&self, torrent: TorrentId, peer: SocketAddr) {
        self.client.with(move |session, now| session.add_peers(now, torrent, &[peer])).await.unwrap();
    }

    async fn wait_for(&mut self, is_it: impl Fn(&Event) -> bool) {
        let look = async { while !is_it(&self.events.recv().await.unwrap()) {} };
        timeout(PATIENCE, look).await.unwrap();
    }

    async fn wait_for_the_end(&mut self, of: TorrentId) {
        self.wait_for(|event| matches!(event, Event::Finished { torrent } if *torrent == of)).await;
    }
}

/// Somebody who has this.
async fn seeder(sample: &Sample, disks: &Disks, number: u64) -> Node {
    let directory = disks.home.path().join(format!("seeder-{number}"));
    lay_down(sample, &directory);
    Node::that_has(config(100 + number), Arc::clone(&sample.metainfo), directory).await
}

#[tokio::test]
async fn a_download_to_one_disk_goes_on_while_another_hangs() {
    let disks = Disks::new();
    let (slow, other) = (sample(100 * PIECE as usize), sample(200 * PIECE as usize));
    let seeders = (seeder(&slow, &disks, 1).await, seeder(&other, &disks, 2).await);
    let mut leecher = Leecher::start(&disks);
    let on_slow = leecher.add(&slow, disks.slow()).await;
    disks.stall();
    leecher.introduce(on_slow, seeders.0.address()).await;
    // Somebody hangs in the first write, and the rest of what comes fills the queue.
    let disks = Arc::new(disks);
    let waiting = Arc::clone(&disks);
    tokio::task::spawn_blocking(move || waiting.slow.await_hanging(1)).await.unwrap();
    let on_other = leecher.add(&other, disks.other()).await;
    leecher.introduce(on_other, seeders.1.address()).await;
    leecher.wait_for_the_end(on_other).await;
    assert_complete(&other, &disks.other());
    let left =
        leecher.client.with(move |session, now| session.torrent(on_slow).unwrap().status(now).bytes_left);
    assert!(left.await.unwrap() > 0);
    disks.slow.release();
    leecher.wait_for_the_end(on_slow).await;
    assert_complete(&slow, &disks.slow());
    leecher.client.shut_down().await.unwrap();
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_disk_that_hangs() {
    let disks = Disks::new();
    let slow = sample(100 * PIECE as usize);
    let seeder = seeder(&slow, &disks, 1).await;
    let mut leecher = Leecher::start(&disks);
    let torrent = leecher.add(&slow, disks.slow()).await;
    disks.stall();
    leecher.introduce(torrent, seeder.address()).await;
    let disks = Arc::new(disks);
    let waiting = Arc::clone(&disks);
    tokio::task::spawn_blocking(move || waiting.slow.await_hanging(1)).await.unwrap();
    let begun = Instant::now();
    leecher.client.shut_down().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "P-22: {:?}", begun.elapsed());
}
