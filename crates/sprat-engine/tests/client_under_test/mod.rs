//! A running client with files and sockets of its own, as the tests see it: its address and its events.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sprat_core::config::Config;
use sprat_core::io::{AddTorrent, DisconnectReason, Event};
use sprat_core::storage::TorrentId;
use sprat_engine::address_policy::AddressPolicy;
use sprat_engine::client::{Client, ClientConfig};
use sprat_engine::listen::ListenConfig;
use sprat_engine::storage::{Place, StorageConfig};
use sprat_engine::udp::UdpConfig;
use sprat_engine::uplink::Uplink;
use sprat_wire::metainfo::Metainfo;
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;

/// Far more than anything here takes; what waits longer hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Node {
    pub(crate) client: Client,
    pub(crate) torrent: TorrentId,
    pub(crate) events: Receiver<Event>,
}

/// On loopback alone, without any discovery.
pub(crate) fn config(seed: u64) -> ClientConfig {
    ClientConfig {
        session: Config::default(),
        listen: Some(ListenConfig { v6: None, ..ListenConfig::loopback(0..=0) }),
        storage: StorageConfig { workers: 1, ..StorageConfig::default() },
        policy: Arc::new(AddressPolicy::permissive()),
        uplink: Uplink::any(),
        udp: UdpConfig::loopback(0),
        dht: None,
        lsd: false,
        home: None,
        seed: Some(seed),
    }
}

impl Node {
    /// One that has what lies in `directory`, and has checked it.
    pub(crate) async fn that_has(config: ClientConfig, metainfo: Arc<Metainfo>, directory: PathBuf) -> Self {
        let client = Client::start(config).unwrap();
        let events = client.events();
        let add = AddTorrent::new(metainfo);
        let torrent =
            client.add(add, Place { adopt: true, ..Place::from(directory) }).await.unwrap().unwrap();
        let mut node = Self { client, torrent, events };
        node.wait_for("the check", |event| matches!(event, Event::Checked { .. }).then_some(())).await;
        node
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
