//! What `get` and `share` have in common: starting a client, watching a torrent, ending in good order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use sprat_core::config::Config;
use sprat_core::io::{Event, RateLimits, Trouble};
use sprat_core::seeker::{Seeker, SeekerStatus};
use sprat_core::storage::{StorageErrorKind, TorrentId};
use sprat_core::torrent::{TorrentState, TorrentStatus};
use sprat_engine::address_policy::AddressPolicy;
use sprat_engine::client::{Client, ClientConfig};
use sprat_engine::dht::DhtConfig;
use sprat_engine::ledger::Ledger;
use sprat_engine::listen::ListenConfig;
use sprat_engine::storage::StorageConfig;
use sprat_engine::udp::UdpConfig;
use sprat_engine::uplink::Uplink;
use sprat_wire::metainfo::Metainfo;
use tokio::sync::broadcast::error::RecvError;

use crate::cli::ClientArgs;
use crate::exit::{Failure, OrExit as _, fail};
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::shelf::Shelf;
use crate::text;

/// The ports that BitTorrent clients have always tried first.
const USUAL_PORTS: std::ops::RangeInclusive<u16> = 6881..=6889;

/// How often figures are read and shown.
const REFRESH: Duration = Duration::from_millis(250);

/// Runs a future on a runtime of its own, on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the event loop")?;
    let result = runtime.block_on(future);
    sprat_engine::runtime::end(runtime);
    result
}

/// Whom strangers may make us contact.
pub(crate) fn policy(args: &ClientArgs) -> Arc<AddressPolicy> {
    Arc::new(if args.allow_private { AddressPolicy::permissive() } else { AddressPolicy::public() })
}

/// Starts a client as the flags say.
pub(crate) fn start(args: &ClientArgs, preallocate: bool, record: &Ledger) -> anyhow::Result<Client> {
    let limits = RateLimits { download: args.download_limit, upload: args.upload_limit };
    let ports = args.port.map_or(USUAL_PORTS, |port| port..=port);
    let listen = |ports| {
        if args.loopback { ListenConfig::loopback(ports) } else { ListenConfig::everywhere(ports) }
    };
    let mut session = Config { limits, connections_per_torrent: args.connections, ..Config::default() };
    // A command has one torrent, so it may have all the connections.
    session.connections = session.connections.max(args.connections);
    session.memory = args.memory;
    session.choker.upload_limit = args.upload_limit;
    session.pex = !args.no_pex;
    session.peer_list.allow_low_ports = args.allow_private;
    session.peer_list.trust_private = args.allow_private;
    let config = ClientConfig {
        session,
        listen: Some(listen(ports)),
        storage: StorageConfig { preallocate, ledger: Some(record.handle()), ..StorageConfig::default() },
        policy: policy(args),
        uplink: Uplink::any(),
        udp: if args.loopback { UdpConfig::loopback(0) } else { UdpConfig::everywhere(0) },
        dht: (!args.no_dht).then(|| dht_config(args)),
        lsd: !args.no_lsd && !args.loopback,
        home: None,
        seed: None,
    };
    match Client::start(config.clone()) {
        Ok(client) => Ok(client),
        // Nine other clients on this machine: any port will do.
        Err(_) if args.port.is_none() => {
            Client::start(ClientConfig { listen: Some(listen(0..=0)), ..config }).or_exit(Failure::Network)
        }
        Err(error) => Err(error).or_exit(Failure::Network),
    }
}

/// The DHT node of a client.
pub(crate) fn dht_config(args: &ClientArgs) -> DhtConfig {
    let public = DhtConfig::public(policy(args));
    let entrances = if args.dht_entrances.is_empty() { public.entrances } else { args.dht_entrances.clone() };
    let state_file = Some(state_directory(args).join("dht"));
    DhtConfig { entrances, state_file, ..public }
}

/// What the user says, `$XDG_STATE_HOME/sprat`, `~/.local/state/sprat`, or `.sprat` here when there is no home.
pub(crate) fn state_directory(args: &ClientArgs) -> PathBuf {
    if let Some(directory) = &args.state_dir {
        return directory.clone();
    }
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map_or_else(|| PathBuf::from(".sprat"), |base| base.join("sprat"))
}

/// When to stop watching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Everything wanted is there.
    Finished,
    /// The user interrupts.
    Interrupted,
}

/// To whoever is the only seeder, and a slow one.
const TOO_SLOW: &str = "those who download wait for this line: nobody else has everything, and what is sent from here is \
    with most of them at once; more upload, or another seeder, would make all of them faster";

/// Shows a torrent's progress until it is over. A client that is interrupted has been shut down when this returns.
pub(crate) async fn watch(
    client: Client,
    torrent: TorrentId,
    until: Until,
    interrupts: Interrupts,
    shelf: Option<&Shelf>,
    output: Output,
) -> anyhow::Result<()> {
    let result = show_progress(&client, torrent, until, interrupts, shelf, output).await;
    let shut_down = client.shut_down().await;
    result?;
    shut_down.context("the client ended unexpectedly")
}

async fn show_progress(
    client: &Client,
    torrent: TorrentId,
    until: Until,
    mut interrupts: Interrupts,
    shelf: Option<&Shelf>,
    output: Output,
) -> anyhow::Result<()> {
    let mut events = client.events();
    let mut refresh = tokio::time::interval(REFRESH);
    let bar = output.bar(1, "{bar:30} {percent:>3}%  {msg}");
    let (mut finished, mut warned) = (false, false);
    loop {
        tokio::select! {
            _ = refresh.tick() => {
                let status = client.with(move |session, now| {
                    let seeker = session.seeker(torrent).map(Seeker::status);
                    let held = session.memory_held();
                    (session.torrent(torrent).map(|torrent| (torrent.status(now), held)), seeker)
                });
                let (status, held) = match status.await? {
                    (Some(found), _) => found,
                    (None, Some(seeking)) => {
                        bar.set_message(search(&seeking));
                        output.object(&search_object(&seeking));
                        continue;
                    }
                    (None, None) => return Ok(()),
                };
                let wanted = status.bytes_total - status.bytes_left + status.bytes_wanted_left;
                bar.set_length(wanted.max(1));
                bar.set_position(wanted - status.bytes_wanted_left);
                bar.set_message(summary(&status));
                output.object(&progress_object(&status, held));
                if status.upload_is_bottleneck && !std::mem::replace(&mut warned, true) {
                    bar.suspend(|| output.line(format_args!("{TOO_SLOW}")));
                }
                // Events may have been missed, and a torrent that was complete from the start sends none in time.
                let done = status.state == TorrentState::Seeding;
                if done && !std::mem::replace(&mut finished, true) {
                    bar.suspend(|| output.line(format_args!("everything is there: {}", text::bytes(wanted))));
                    output.object(&json!({ "event": "finished", "bytes": wanted }));
                }
                if done && until == Until::Finished {
                    bar.finish_and_clear();
                    return Ok(());
                }
            }
            event = events.recv() => match event {
                Ok(event) => {
                    if matches!(event, Event::Finished { .. }) {
                        refresh.reset_immediately();
                    }
                    bar.suspend(|| tell(&event, shelf, output))?;
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => anyhow::bail!("the client ended unexpectedly"),
            },
            () = interrupts.wanted() => {
                bar.finish_and_clear();
                output.object(&json!({ "event": "interrupted" }));
                if until == Until::Interrupted {
                    return Ok(());
                }
                return fail(Failure::Interrupted, "interrupted; the same command resumes where it stopped");
            }
        }
    }
}

fn summary(status: &TorrentStatus) -> String {
    let rates = format!(
        "↓ {}  ↑ {}  {} peers ({} seeds)",
        text::rate(status.download_rate),
        text::rate(status.upload_rate),
        status.connections,
        status.seeds
    );
    match &status.state {
        TorrentState::Checking { permille } => format!("checking what is there, {} %", permille / 10),
        TorrentState::Downloading => match text::remaining(status.bytes_wanted_left, status.download_rate) {
            Some(left) => format!("{rates}  {} left", text::duration(left)),
            None => rates,
        },
        TorrentState::Seeding => {
            let sent = text::bytes(status.totals.uploaded);
            let waits = if status.upload_is_bottleneck { "  the others wait for this line" } else { "" };
            format!("seeding  {rates}  {sent} sent{waits}")
        }
        TorrentState::Trouble(trouble) => format!("stopped: {}", trouble_text(trouble)),
        TorrentState::Opening | TorrentState::Paused | TorrentState::Closing => rates,
    }
}

/// What the torrent is.
pub(crate) fn introduce(metainfo: &Metainfo, output: Output) {
    let info = &metainfo.info;
    let files = info.files.iter().filter(|file| !file.attributes.pad).count();
    output.line(format_args!(
        "{}  {} in {files} {}  {}",
        text::safe(&info.name, 200),
        text::bytes(info.content_length()),
        if files == 1 { "file" } else { "files" },
        metainfo.info_hashes.primary(),
    ));
    output.object(&json!({
        "event": "torrent", "name": info.name, "info_hash": metainfo.info_hashes.primary().to_string(),
        "bytes": info.content_length(), "files": files,
    }));
}

/// What a search for metadata has come to.
fn search(status: &SeekerStatus) -> String {
    let peers = format!("{} peers of {} known", status.connections, status.known_peers);
    match (status.layers, status.metadata) {
        (Some((have, all)), _) => format!("piece hashes of {have} of {all} files, {peers}"),
        (None, Some((have, size))) => {
            format!("metadata {} of {}, {peers}", text::bytes(have.into()), text::bytes(size.into()))
        }
        (None, None) => format!("looking for the metadata, {peers}"),
    }
}

fn search_object(status: &SeekerStatus) -> serde_json::Value {
    let (have, size) = status.metadata.unzip();
    let (layers_have, layers) = status.layers.unzip();
    json!({
        "event": "search", "peers": status.connections, "informed_peers": status.informed,
        "known_peers": status.known_peers, "metadata_have": have, "metadata_size": size,
        "layers_have": layers_have, "layers": layers,
    })
}

fn progress_object(status: &TorrentStatus, held: usize) -> serde_json::Value {
    let state = match &status.state {
        TorrentState::Opening => "opening",
        TorrentState::Checking { .. } => "checking",
        TorrentState::Downloading => "downloading",
        TorrentState::Seeding => "seeding",
        TorrentState::Paused => "paused",
        TorrentState::Trouble(_) => "trouble",
        TorrentState::Closing => "closing",
    };
    json!({
        "event": "progress", "state": state,
        "bytes_total": status.bytes_total, "bytes_left": status.bytes_wanted_left,
        "pieces": status.pieces, "pieces_have": status.pieces_have,
        "download_rate": status.download_rate, "upload_rate": status.upload_rate,
        "downloaded": status.totals.downloaded, "uploaded": status.totals.uploaded, "wasted": status.totals.wasted,
        "rejected_pieces": status.totals.rejected_pieces, "peers": status.connections, "seeds": status.seeds,
        "known_peers": status.known_peers, "upload_is_bottleneck": status.upload_is_bottleneck,
        "held_for_peers": held,
    })
}

/// Whether nothing goes on without a word of the user.
fn needs_consent(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Storage(error) if error.kind == StorageErrorKind::Conflict)
}

fn trouble_text(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Storage(error) => text::safe(&error.to_string(), 300),
        Trouble::Unusable(reason) => {
            format!("what the link names is no usable torrent: {}", text::safe(reason, 300))
        }
        Trouble::Inconsistent => {
            "the torrent contradicts itself: its v1 and v2 hashes do not agree".to_owned()
        }
    }
}

/// Tells what happened, where a person or a script would want to know.
fn tell(event: &Event, shelf: Option<&Shelf>, output: Output) -> anyhow::Result<()> {
    match event {
        Event::MetadataReceived { metainfo, .. } => {
            introduce(metainfo, output);
            if let Some(shelf) = shelf {
                // It can be fetched again; the download does not fail for this.
                match shelf.keep(metainfo) {
                    Ok(place) => output.object(&json!({ "event": "metadata_kept", "torrent": place })),
                    Err(error) => output.line(format_args!("cannot keep the metadata: {error}")),
                }
            }
        }
        Event::Checked { have, .. } if *have > 0 => {
            output.line(format_args!("{have} pieces are there already"));
            output.object(&json!({ "event": "checked", "pieces_have": have }));
        }
        Event::TrackerAnswered { url, peers, warning, .. } => {
            let tracker = host_of(url);
            if let Some(warning) = warning {
                output.line(format_args!("{tracker} warns: {}", text::safe(warning, 300)));
            }
            output.object(&json!({ "event": "tracker", "tracker": tracker, "peers": peers }));
        }
        Event::TrackerFailed { url, reason, .. } => {
            let (tracker, reason) = (host_of(url), text::safe(reason, 300));
            output.line(format_args!("{tracker}: {reason}"));
            output.object(&json!({ "event": "tracker_failed", "tracker": tracker, "reason": reason }));
        }
        Event::PeerBanned { address, .. } => {
            output.line(format_args!("{address} sent bad data and is banned"));
            output.object(&json!({ "event": "peer_banned", "address": address }));
        }
        Event::Trouble {
            trouble: Some(trouble @ (Trouble::Inconsistent | Trouble::Unusable(_))), ..
        } => {
            return fail(Failure::Torrent, trouble_text(trouble));
        }
        Event::Trouble { trouble: Some(trouble), .. } if needs_consent(trouble) => {
            let what = "; --adopt lets it be overwritten, --dir names another place";
            return fail(Failure::Disk, format_args!("{}{what}", trouble_text(trouble)));
        }
        Event::Trouble { trouble: Some(trouble), .. } => {
            let trouble = trouble_text(trouble);
            output.line(format_args!("stopped: {trouble}; trying again by itself"));
            output.object(&json!({ "event": "trouble", "reason": trouble }));
        }
        Event::Trouble { trouble: None, .. } => {
            output.line("going on");
            output.object(&json!({ "event": "recovered" }));
        }
        Event::PeerConnected { address, .. } => {
            output.object(&json!({ "event": "peer_connected", "address": address }));
        }
        Event::PeerDisconnected { address, reason, .. } => {
            let reason = format!("{reason:?}");
            output.object(&json!({ "event": "peer_disconnected", "address": address, "reason": reason }));
        }
        Event::FileChanged { file, .. } => {
            output.line(format_args!("file {file} was changed by somebody else; looking at it again"));
            output.object(&json!({ "event": "file_changed", "file": file }));
        }
        Event::PieceRejected { piece, .. } => {
            output.object(&json!({ "event": "piece_rejected", "piece": piece.get() }));
        }
        Event::FilesLeft { reason, .. } => {
            output.line(format_args!("files stay behind: {}", text::safe(reason, 300)));
            output.object(&json!({ "event": "files_left", "reason": reason }));
        }
        Event::Checked { .. }
        | Event::MetadataProgress { .. }
        | Event::PieceVerified { .. }
        | Event::FellAsleep { .. }
        | Event::PieceCompleted { .. }
        | Event::Finished { .. }
        | Event::Removed { .. } => {}
    }
    Ok(())
}

/// Scheme and host of a tracker: the rest may hold a passkey.
pub(crate) fn host_of(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    text::safe(&format!("{scheme}://{host}"), 200)
}
