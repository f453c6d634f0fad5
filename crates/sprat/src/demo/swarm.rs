//! The tracker, the seeder and the leechers of the demo: separate sessions with their own threads, sockets and files.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sprat_core::config::Config;
use sprat_core::io::{AddTorrent, RateLimits};
use sprat_core::storage::TorrentId;
use sprat_engine::address_policy::AddressPolicy;
use sprat_engine::client::{Client, ClientConfig};
use sprat_engine::listen::ListenConfig;
use sprat_engine::storage::StorageConfig;
use sprat_engine::tracker_server::{TrackerHandle, TrackerServer, TrackerServerConfig};
use sprat_engine::udp::UdpConfig;
use sprat_engine::uplink::Uplink;
use sprat_wire::hash::PeerId;
use sprat_wire::metainfo::Metainfo;

use super::account::{Account, Sample};
use crate::cli::{DemoArgs, MakeArgs, TorrentVersion};
use crate::create;
use crate::output::Output;

/// A running swarm.
pub(crate) struct Swarm {
    pub(crate) metainfo: Arc<Metainfo>,
    pub(crate) content_length: u64,
    pub(crate) account: Account,
    members: Vec<Member>,
    /// Which member a peer id is.
    numbers: BTreeMap<PeerId, usize>,
    tracker: Option<TrackerHandle>,
}

struct Member {
    client: Client,
    torrent: TorrentId,
}

/// Where the leechers put their copies.
pub(crate) fn leecher_directories(place: &Path, leechers: usize) -> Vec<PathBuf> {
    (1..=leechers).map(|number| place.join(format!("leecher-{number}"))).collect()
}

impl Swarm {
    /// Makes the torrent, starts the tracker and everybody.
    pub(crate) async fn start(
        args: &DemoArgs,
        file: &Path,
        place: &Path,
        output: Output,
    ) -> anyhow::Result<Self> {
        let config = TrackerServerConfig {
            http: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            ..TrackerServerConfig::default()
        };
        let tracker = TrackerServer::spawn(config).context("cannot start the tracker")?;
        let address = tracker.http_addresses().first().copied().context("the tracker has no address")?;
        let url = format!("http://{address}/announce");
        output.line(format_args!("tracker at {url}"));
        let make = MakeArgs {
            version: TorrentVersion::Hybrid,
            piece_length: None,
            private: false,
            comment: Some("made by sprat demo".to_owned()),
            web_seeds: Vec::new(),
            nodes: Vec::new(),
            no_date: true,
            threads: None,
        };
        let created = create::make(file, &make, vec![vec![url]], output)?;
        create::tell(&created, &place.join(create::file_name(&created)), output);
        create::save(&created, &place.join(create::file_name(&created)))?;
        let metainfo = Arc::new(created.metainfo);
        let names = std::iter::once("seeder".to_owned())
            .chain((1..=args.leechers).map(|number| format!("leecher {number}")));
        let mut swarm = Self {
            metainfo: Arc::clone(&metainfo),
            content_length: created.content_length,
            account: Account::new(names),
            members: Vec::new(),
            numbers: BTreeMap::new(),
            tracker: Some(tracker),
        };
        swarm.join(created.directory, args.seed_rate).await?;
        for directory in leecher_directories(place, args.leechers) {
            std::fs::create_dir(&directory)?;
            swarm.join(directory, args.peer_rate).await?;
        }
        Ok(swarm)
    }

    async fn join(&mut self, directory: PathBuf, upload: u64) -> anyhow::Result<()> {
        let limits = RateLimits { download: None, upload: Some(upload) };
        let mut session = Config { limits, ..Config::default() };
        session.choker.upload_limit = Some(upload);
        session.peer_list.trust_private = true;
        session.peer_list.allow_low_ports = true;
        let client = Client::start(ClientConfig {
            session,
            listen: Some(ListenConfig { v6: None, ..ListenConfig::loopback(0..=0) }),
            storage: StorageConfig { workers: 1, ..StorageConfig::default() },
            policy: Arc::new(AddressPolicy::permissive()),
            uplink: Uplink::any(),
            udp: UdpConfig::loopback(0),
            dht: None,
            lsd: false,
            home: None,
            seed: None,
        })?;
        let add = AddTorrent::new(Arc::clone(&self.metainfo));
        let torrent = client.add(add, directory).await??;
        let peer_id = client.with(|session, _| session.peer_id()).await?;
        self.numbers.insert(peer_id, self.members.len());
        self.members.push(Member { client, torrent });
        Ok(())
    }

    /// Looks at everybody once.
    pub(crate) async fn sample(&mut self, elapsed: Duration) -> anyhow::Result<()> {
        for (at, member) in self.members.iter().enumerate() {
            let torrent = member.torrent;
            let seen = member.client.with(move |session, now| {
                let torrent = session.torrent(torrent)?;
                let connections: Vec<_> = torrent.connections(now).collect();
                Some((torrent.status(now), connections))
            });
            let Some((status, connections)) = seen.await? else { continue };
            let received = connections.iter().filter_map(|connection| {
                let giver = self.numbers.get(&connection.peer_id)?;
                Some((connection.address.to_string(), *giver, connection.downloaded))
            });
            let sample = Sample {
                uploaded: status.totals.uploaded,
                downloaded: status.totals.downloaded,
                download_rate: status.download_rate,
                upload_rate: status.upload_rate,
                pieces: status.pieces,
                pieces_have: status.pieces_have,
                received: received.collect(),
            };
            self.account.enter(at, elapsed.as_secs_f64(), sample);
        }
        Ok(())
    }

    /// Ends everybody, all at once, and hands the books over.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<Account> {
        for member in self.members.drain(..) {
            member.client.shut_down().await?;
        }
        if let Some(tracker) = self.tracker.take() {
            tracker.stop().context("the tracker had failed")?;
        }
        Ok(std::mem::take(&mut self.account))
    }
}
