//! `sprat share`

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;
use sprat_core::io::AddTorrent;
use sprat_engine::originals;
use sprat_engine::tracker_server::{TrackerHandle, TrackerServer, TrackerServerConfig};
use sprat_tracker::ClaimedAddress;
use sprat_wire::metainfo::Metainfo;

use crate::cli::ShareArgs;
use crate::client::{self, Until};
use crate::exit::{Failure, OrExit as _};
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::{create, get, record};

pub(crate) fn run(args: ShareArgs, output: Output) -> anyhow::Result<()> {
    let embedded = embedded_tracker(&args)?;
    let mut trackers = args.client.trackers.clone();
    if let Some((_, url)) = &embedded {
        output.line(format_args!("tracker  {url}"));
        trackers.insert(0, url.clone());
    }
    let (metainfo, directory) = torrent(&args, &trackers, output)?;
    let metainfo = originals::with_names_on_disk(metainfo, &directory);
    client::block_on(seed(&args, metainfo, directory, trackers, output))?;
    if let Some((tracker, _)) = embedded {
        tracker.stop().context("the embedded tracker had failed")?;
    }
    Ok(())
}

async fn seed(
    args: &ShareArgs,
    metainfo: Metainfo,
    directory: PathBuf,
    trackers: Vec<String>,
    output: Output,
) -> anyhow::Result<()> {
    let interrupts = Interrupts::new()?;
    let state = client::state_directory(&args.client);
    let record = record::open(&state, &metainfo.info_hashes, &directory, output)?;
    let client = client::start(&args.client, false, &record)?;
    output.line(format_args!("seeding on port {}; Ctrl-C ends it", client.port()));
    output.object(&json!({ "event": "listening", "port": client.port() }));
    let add = AddTorrent {
        extra_trackers: trackers.into_iter().map(|url| vec![url]).collect(),
        peers: args.client.peers.clone(),
        ..AddTorrent::new(Arc::new(metainfo))
    };
    let torrent = client.add(add, directory).await??;
    client::watch(client, torrent, Until::Interrupted, interrupts, None, output).await
}

/// The torrent, made or given, and the directory below which its files lie.
fn torrent(args: &ShareArgs, trackers: &[String], output: Output) -> anyhow::Result<(Metainfo, PathBuf)> {
    if let Some(file) = &args.torrent {
        let metainfo = get::read(file)?;
        return Ok((metainfo.clone(), directory_of(&args.path, &metainfo)));
    }
    let tiers = trackers.iter().map(|url| vec![url.clone()]).collect();
    let created = create::make(&args.path, &args.make, tiers, output)?;
    let target = args.output.clone().unwrap_or_else(|| created.directory.join(create::file_name(&created)));
    create::save(&created, &target)?;
    create::tell(&created, &target, output);
    Ok((created.metainfo, created.directory))
}

/// `path` is the content itself when its last component is the torrent's name, else the directory that holds it.
fn directory_of(path: &Path, metainfo: &Metainfo) -> PathBuf {
    let is_content = path.file_name().is_some_and(|name| name == metainfo.info.name.as_str());
    match path.parent() {
        Some(parent) if is_content && !path.join(&metainfo.info.name).exists() => {
            if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent.to_path_buf() }
        }
        _ => path.to_path_buf(),
    }
}

/// A tracker of our own, when asked for or when no other is named, and its announce URL.
fn embedded_tracker(args: &ShareArgs) -> anyhow::Result<Option<(TrackerHandle, String)>> {
    let wanted =
        args.embedded_tracker.is_some() || (args.client.trackers.is_empty() && args.torrent.is_none());
    if !wanted || args.no_tracker {
        return Ok(None);
    }
    let any = if args.client.loopback { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
    let address = args.embedded_tracker.unwrap_or_else(|| SocketAddr::from((any, 0)));
    let mut config = TrackerServerConfig { http: vec![address], ..TrackerServerConfig::default() };
    // We announce from this machine to ourselves; others must be told an address that leads here.
    config.tracker.claimed_address = ClaimedAddress::TrustLoopback;
    let tracker = TrackerServer::spawn(config).or_exit(Failure::Network)?;
    let bound = tracker.http_addresses().first().copied().unwrap_or(address);
    let host = if bound.ip().is_unspecified() { own_address() } else { bound.ip() };
    let url = format!("http://{}/announce", SocketAddr::new(host, bound.port()));
    Ok(Some((tracker, url)))
}

/// The address of this machine towards the internet, or loopback when there is none. Nothing is sent: connecting a UDP
/// socket only looks up the route.
fn own_address() -> IpAddr {
    let look = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        // TEST-NET-1 (RFC 5737): routed like any other address, and nobody's.
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    };
    look().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}
