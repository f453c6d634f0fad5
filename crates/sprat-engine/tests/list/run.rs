//! A client that has a list, and torrents for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sprat_core::config::Config;
use sprat_core::io::{AddTorrent, Event};
use sprat_engine::client::{Client, ClientConfig, Home, Listing, StartError};
use sprat_engine::create::{CreateOptions, create};
use sprat_engine::ledger::Ledger;
use sprat_engine::shelf::Shelf;
use sprat_engine::state::StateStore;
use sprat_engine::storage::StorageConfig;
use sprat_wire::metainfo::build::Description;
use sprat_wire::metainfo::{Metainfo, Version};
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;

use crate::client_under_test::{PATIENCE, config};

pub(crate) const SOON: Option<Duration> = Some(Duration::from_millis(50));

/// A client with a list, and the thread that keeps it.
pub(crate) struct Run {
    pub(crate) client: Client,
    pub(crate) events: Receiver<Event>,
    pub(crate) ledger: Ledger,
}

impl Run {
    pub(crate) fn start(home: &Path, sleep_after: Option<Duration>) -> Self {
        Self::try_start(home, sleep_after).unwrap()
    }

    pub(crate) fn try_start(home: &Path, sleep_after: Option<Duration>) -> Result<Self, StartError> {
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

    pub(crate) async fn end(self) {
        self.client.shut_down().await.unwrap();
        drop(self.ledger);
    }

    pub(crate) async fn wait_for(&mut self, is_it: impl Fn(&Event) -> bool) {
        let look = async { while !is_it(&self.events.recv().await.unwrap()) {} };
        timeout(PATIENCE, look).await.unwrap();
    }

    pub(crate) async fn list(&self) -> Vec<Listing> {
        let mut list = self.client.list().await.unwrap();
        list.sort_by_key(|line| line.name.clone());
        list
    }

    pub(crate) async fn sleepers(&self) -> usize {
        self.client.with(|session, _| session.sleepers().count()).await.unwrap()
    }
}

/// A file of its own for each number, and its torrent.
pub(crate) fn torrent(home: &Path, number: usize) -> (Arc<Metainfo>, PathBuf) {
    torrent_of_version(home, number, Version::V1)
}

/// One with two info-hashes.
pub(crate) fn hybrid(home: &Path) -> (Arc<Metainfo>, PathBuf) {
    torrent_of_version(home, 200, Version::Hybrid)
}

fn torrent_of_version(home: &Path, number: usize, version: Version) -> (Arc<Metainfo>, PathBuf) {
    let directory = home.join(format!("shared{number}"));
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join(format!("file{number}"));
    fs::write(&path, vec![u8::try_from(number).unwrap(); 100_000]).unwrap();
    let description = Description::default();
    let options = CreateOptions { path, version, piece_length: Some(16384), threads: None, description };
    (Arc::new(create(&options, &|_, _| {}).unwrap().metainfo), directory)
}

pub(crate) fn add(metainfo: &Arc<Metainfo>) -> AddTorrent {
    AddTorrent::new(Arc::clone(metainfo))
}
