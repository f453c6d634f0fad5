//! A service on this machine alone, and torrents to give it.

#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a test that cannot be run says so")]

pub(crate) mod album;
pub(crate) mod clients;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sprat_core::config::Config;
use sprat_daemon::service::{Choices, Happening, HappeningKind, Service, ServiceConfig};
use sprat_daemon::state::State;
use sprat_daemon::torrents::{Snapshot, Summary};
use sprat_engine::address_policy::AddressPolicy;
use sprat_engine::client::ClientConfig;
use sprat_engine::create::{CreateOptions, create};
use sprat_engine::listen::ListenConfig;
use sprat_engine::storage::StorageConfig;
use sprat_engine::udp::UdpConfig;
use sprat_engine::uplink::Uplink;
use sprat_wire::metainfo::Version;
use sprat_wire::metainfo::build::Description;
use tempfile::TempDir;
use tokio::sync::broadcast;

/// A service with directories of its own.
pub(crate) struct Place {
    pub(crate) home: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn downloads(&self) -> PathBuf {
        self.home.path().join("downloads")
    }

    pub(crate) fn config(&self) -> ServiceConfig {
        std::fs::create_dir_all(self.downloads()).unwrap();
        let mut session = Config::default();
        session.peer_list.allow_low_ports = true;
        session.peer_list.trust_private = true;
        ServiceConfig {
            client: ClientConfig {
                session,
                listen: Some(ListenConfig::loopback(0..=0)),
                storage: StorageConfig::default(),
                policy: Arc::new(AddressPolicy::permissive()),
                uplink: Uplink::any(),
                udp: UdpConfig::loopback(0),
                dht: None,
                lsd: false,
                home: None,
                seed: None,
            },
            state: State::open(&self.home.path().join("state")).unwrap(),
            choices: Choices::below(self.downloads()),
        }
    }

    pub(crate) async fn start(&self) -> Service {
        Service::start(self.config()).await.unwrap()
    }
}

/// A torrent of one file with so many bytes that follow from `seed`, and that file in `directory`.
pub(crate) fn torrent(directory: &Path, name: &str, seed: u64, length: usize) -> Bytes {
    std::fs::create_dir_all(directory).unwrap();
    let mut state = seed | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    let path = directory.join(name);
    std::fs::write(&path, (0..length).map(|_| byte()).collect::<Vec<u8>>()).unwrap();
    torrent_of(&path)
}

/// A torrent of what is there.
pub(crate) fn torrent_of(path: &Path) -> Bytes {
    let options = CreateOptions {
        path: path.to_path_buf(),
        version: Version::Hybrid,
        piece_length: Some(16 * 1024),
        threads: Some(1),
        description: Description::default(),
    };
    create(&options, &|_, _| {}).unwrap().metainfo.encode().into()
}

/// Waits until the list is like this.
pub(crate) async fn until(service: &Service, is_so: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let mut changes = service.changes();
    let wait = changes.wait_for(|snapshot| is_so(snapshot));
    let found = tokio::time::timeout(Duration::from_secs(30), wait).await;
    let Ok(found) = found else { panic!("this did not come; there is {:#?}", service.snapshot().lines()) };
    Arc::clone(&found.unwrap())
}

/// Waits until a torrent is like this.
pub(crate) async fn until_one(service: &Service, hash: &str, is_so: impl Fn(&Summary) -> bool) -> Summary {
    let is_it = |snapshot: &Snapshot| snapshot.by_hash(hash).is_some_and(|line| is_so(&line.summary));
    until(service, is_it).await.by_hash(hash).unwrap().summary.clone()
}

/// What happens next.
pub(crate) async fn next(happenings: &mut broadcast::Receiver<Arc<Happening>>) -> HappeningKind {
    let next = tokio::time::timeout(Duration::from_secs(30), happenings.recv()).await;
    next.expect("nothing happens").unwrap().kind.clone()
}
