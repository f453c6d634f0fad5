//! The client under test, with files and sockets of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sprat_core::choker::ChokerConfig;
use sprat_core::config::Config;
use sprat_core::time::Time;
use sprat_core::torrent::{ConnectionStatus, Torrent};
use sprat_engine::client::ClientConfig;
use sprat_engine::storage::StorageConfig;
use tokio::time::timeout;

use super::client_under_test::config;
pub(crate) use super::client_under_test::{Node, PATIENCE};
use super::sample::Sample;

impl Node {
    /// One that has what lies in `directory`, and has checked it.
    pub(crate) async fn start(sample: &Sample, directory: PathBuf) -> Self {
        Self::with(sample, directory, StorageConfig { workers: 1, ..StorageConfig::default() }).await
    }

    pub(crate) async fn with(sample: &Sample, directory: PathBuf, storage: StorageConfig) -> Self {
        // Two that draw the same numbers would take each other for themselves.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // So many slots that nobody here waits for one.
        let choker = ChokerConfig { min_slots: 50, ..ChokerConfig::default() };
        let config = ClientConfig {
            session: Config { choker, ..Config::default() },
            storage,
            ..config(NEXT.fetch_add(1, Ordering::Relaxed))
        };
        Self::that_has(config, Arc::clone(&sample.metainfo), directory).await
    }

    /// Tells it of a peer.
    pub(crate) async fn introduce(&self, peer: SocketAddr) {
        let torrent = self.torrent;
        self.client.with(move |session, now| session.add_peers(now, torrent, &[peer])).await.unwrap();
    }

    /// Looks at the torrent.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        at: impl FnOnce(&Torrent, Time) -> T + Send + 'static,
    ) -> T {
        let torrent = self.torrent;
        self.client.with(move |session, now| at(session.torrent(torrent).unwrap(), now)).await.unwrap()
    }

    /// The pieces that it has.
    pub(crate) async fn have(&self) -> Vec<u32> {
        self.look(|torrent, _| torrent.have().iter().collect()).await
    }

    /// The connection with this remote end.
    pub(crate) async fn connection(&self, to: SocketAddr) -> Option<ConnectionStatus> {
        self.look(move |torrent, now| torrent.connections(now).find(|connection| connection.address == to))
            .await
    }

    /// Payload that was read for this remote end and put on the way to it.
    pub(crate) async fn uploaded_to(&self, to: SocketAddr) -> u64 {
        self.connection(to).await.expect("it is connected").uploaded
    }

    /// Waits until the connection with this remote end is as it should be, of which no event tells.
    pub(crate) async fn until_connection(&self, to: SocketAddr, is_so: impl Fn(&ConnectionStatus) -> bool) {
        let look = async {
            while !self.connection(to).await.is_some_and(|connection| is_so(&connection)) {
                pause().await;
            }
        };
        timeout(PATIENCE, look).await.expect("the connection comes to be so");
    }

    /// Waits until exactly these pieces are had. No event tells of a piece that was lost.
    pub(crate) async fn until_it_has(&self, pieces: &[u32]) {
        let look = async {
            while self.have().await != pieces {
                pause().await;
            }
        };
        let in_time = timeout(PATIENCE, look).await.is_ok();
        assert!(in_time, "it has {:?} instead of {pieces:?}", self.have().await);
    }
}

/// Between two looks at what no event tells of.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}
