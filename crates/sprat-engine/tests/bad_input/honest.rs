//! A seeder and a leecher that keep to the rules, as running clients with files and sockets of their own.

use std::path::PathBuf;
use std::sync::Arc;

use sprat_core::io::{AddMagnet, Event};
use sprat_engine::client::Client;
use sprat_engine::create::{CreateOptions, create};
use sprat_wire::metainfo::build::Description;
use sprat_wire::metainfo::{Metainfo, Version};
use tempfile::TempDir;

use super::client_under_test::config;
pub(crate) use super::client_under_test::{Node, PATIENCE};

/// 97 pieces of 32 KiB, the last one short.
const LENGTH: usize = 3 * 1024 * 1024 + 12_345;
const PIECE_LENGTH: u32 = 32 * 1024;

pub(crate) struct Pair {
    home: TempDir,
    pub(crate) metainfo: Arc<Metainfo>,
    pub(crate) content: Vec<u8>,
    pub(crate) seeder: Node,
    pub(crate) leecher: Node,
}

impl Pair {
    /// Both are there and do not know each other.
    pub(crate) async fn start(version: Version, trackers: Vec<Vec<String>>) -> Self {
        Self::of(version, Description { trackers, ..Description::default() }).await
    }

    /// As [`Self::start`], with a private torrent (BEP 27).
    pub(crate) async fn start_private() -> Self {
        Self::of(Version::V1, Description { private: true, ..Description::default() }).await
    }

    async fn of(version: Version, description: Description) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut content = vec![0; LENGTH];
        fastrand::Rng::with_seed(3).fill(&mut content);
        let (seeds, leeches) = (home.path().join("seeder"), home.path().join("leecher"));
        std::fs::create_dir(&seeds).unwrap();
        std::fs::write(seeds.join("file"), &content).unwrap();
        let options = CreateOptions {
            path: seeds.join("file"),
            version,
            piece_length: Some(PIECE_LENGTH),
            threads: None,
            description,
        };
        let metainfo = Arc::new(create(&options, &|_, _| {}).unwrap().metainfo);
        let seeder = Node::start(Arc::clone(&metainfo), seeds, 1).await;
        let leecher = Node::start(Arc::clone(&metainfo), leeches, 2).await;
        Self { home, metainfo, content, seeder, leecher }
    }

    /// Tells the leecher of the seeder.
    pub(crate) async fn introduce(&self) {
        let (torrent, peers) = (self.leecher.torrent, [self.seeder.address()]);
        let told = self.leecher.client.with(move |session, now| session.add_peers(now, torrent, &peers));
        told.await.unwrap();
    }

    /// A place for files.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The leecher gets everything, and it is what the seeder has.
    pub(crate) async fn completes(&mut self) {
        let torrent = self.leecher.torrent;
        let is_finished = |event: &Event| matches!(event, Event::Finished { .. }).then_some(());
        let has_all =
            self.leecher.client.with(move |session, _| session.torrent(torrent).unwrap().have().is_full());
        if !has_all.await.unwrap() {
            self.leecher.wait_for("the end of the transfer", is_finished).await;
        }
        let copy = std::fs::read(self.home.path().join("leecher/file")).unwrap();
        assert!(copy == self.content, "the copy is another file");
    }
}

impl Node {
    async fn start(metainfo: Arc<Metainfo>, directory: PathBuf, seed: u64) -> Self {
        Self::that_has(config(seed), metainfo, directory).await
    }

    /// One that knows nothing but the name.
    pub(crate) async fn seek(add: AddMagnet, directory: PathBuf, seed: u64) -> Self {
        let client = Client::start(config(seed)).unwrap();
        let events = client.events();
        let torrent = client.add_magnet(add, directory).await.unwrap().unwrap();
        Self { client, torrent, events }
    }
}
