//! A seeder and a leecher that keep to the rules, as running clients with files and sockets of their own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sprat_core::config::Config;
use sprat_core::io::{AddMagnet, AddTorrent, DisconnectReason, Event, RateLimits};
use sprat_core::storage::TorrentId;
use sprat_engine::address_policy::AddressPolicy;
use sprat_engine::client::{Client, ClientConfig};
use sprat_engine::create::{CreateOptions, create};
use sprat_engine::listen::ListenConfig;
use sprat_engine::storage::StorageConfig;
use sprat_engine::udp::UdpConfig;
use sprat_wire::metainfo::build::Description;
use sprat_wire::metainfo::{Metainfo, Version};
use tempfile::TempDir;
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;

/// Far more than anything here takes; what waits longer hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

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

pub(crate) struct Node {
    pub(crate) client: Client,
    pub(crate) torrent: TorrentId,
    events: Receiver<Event>,
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
        let (client, mut events) = client(seed);
        let add = AddTorrent {
            metainfo,
            extra_trackers: Vec::new(),
            peers: Vec::new(),
            priorities: Vec::new(),
            sequential: false,
            limits: RateLimits::default(),
        };
        let torrent = client.add(add, directory).await.unwrap().unwrap();
        loop {
            if let Event::Checked { .. } = timeout(PATIENCE, events.recv()).await.unwrap().unwrap() {
                break;
            }
        }
        Self { client, torrent, events }
    }

    /// One that knows nothing but the name.
    pub(crate) async fn seek(add: AddMagnet, directory: PathBuf, seed: u64) -> Self {
        let (client, events) = client(seed);
        let torrent = client.add_magnet(add, directory).await.unwrap().unwrap();
        Self { client, torrent, events }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.client.port()))
    }

    /// The first event, from those not looked at yet, of which `pick` makes something.
    pub(crate) async fn wait_for<T>(&mut self, what: &str, pick: impl Fn(&Event) -> Option<T>) -> T {
        let look = async {
            loop {
                if let Some(found) = pick(&self.events.recv().await.expect("no event is missed")) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }

    /// Why the connection with this remote end has ended, or will.
    pub(crate) async fn farewell(&mut self, to: SocketAddr) -> DisconnectReason {
        self.wait_for("a disconnection", |event| match event {
            Event::PeerDisconnected { address, reason, .. } if *address == to => Some(*reason),
            _ => None,
        })
        .await
    }
}

fn client(seed: u64) -> (Client, Receiver<Event>) {
    let client = Client::start(ClientConfig {
        session: Config::default(),
        listen: Some(ListenConfig { v6: None, ..ListenConfig::loopback(0..=0) }),
        storage: StorageConfig { workers: 1, ..StorageConfig::default() },
        policy: Arc::new(AddressPolicy::permissive()),
        udp: UdpConfig::loopback(0),
        dht: None,
        lsd: false,
        seed: Some(seed),
    })
    .unwrap();
    let events = client.events();
    (client, events)
}
