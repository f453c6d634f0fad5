//! What `get` and `share` have in common: starting a client, watching a torrent, ending in good order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use sprat_core::config::Config;
use sprat_core::io::{Event, RateLimits, Trouble};
use sprat_core::storage::TorrentId;
use sprat_core::torrent::{TorrentState, TorrentStatus};
use sprat_engine::address_policy::AddressPolicy;
use sprat_engine::client::{Client, ClientConfig};
use sprat_engine::listen::ListenConfig;
use sprat_engine::storage::StorageConfig;
use tokio::sync::broadcast::error::RecvError;

use crate::cli::ClientArgs;
use crate::exit::{Failure, OrExit as _, fail};
use crate::output::Output;
use crate::text;

/// The ports that BitTorrent clients have always tried first.
const USUAL_PORTS: std::ops::RangeInclusive<u16> = 6881..=6889;

/// How often figures are read and shown.
const REFRESH: Duration = Duration::from_millis(250);

/// Runs a future on a runtime of its own, on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the event loop")?.block_on(future)
}

/// Whom strangers may make us contact.
pub(crate) fn policy(args: &ClientArgs) -> Arc<AddressPolicy> {
    Arc::new(if args.allow_private { AddressPolicy::permissive() } else { AddressPolicy::public() })
}

/// Starts a client as the flags say.
pub(crate) fn start(args: &ClientArgs, preallocate: bool) -> anyhow::Result<Client> {
    let limits = RateLimits { download: args.download_limit, upload: args.upload_limit };
    let ports = args.port.map_or(USUAL_PORTS, |port| port..=port);
    let listen = |ports| {
        if args.loopback { ListenConfig::loopback(ports) } else { ListenConfig::everywhere(ports) }
    };
    let mut session = Config { limits, connections_per_torrent: args.connections, ..Config::default() };
    session.choker.upload_limit = args.upload_limit;
    session.peer_list.allow_low_ports = args.allow_private;
    session.peer_list.trust_private = args.allow_private;
    let config = ClientConfig {
        session,
        listen: Some(listen(ports)),
        storage: StorageConfig {
            preallocate,
            resume_dir: Some(args.state_dir.clone().unwrap_or_else(state_directory).join("resume")),
            ..StorageConfig::default()
        },
        policy: policy(args),
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

/// `$XDG_STATE_HOME/sprat`, `~/.local/state/sprat`, or `.sprat` here when there is no home.
fn state_directory() -> PathBuf {
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

/// Shows a torrent's progress until it is over. A client that is interrupted has been shut down when this returns.
pub(crate) async fn watch(
    client: Client,
    torrent: TorrentId,
    until: Until,
    output: Output,
) -> anyhow::Result<()> {
    let result = show_progress(&client, torrent, until, output).await;
    let shut_down = client.shut_down().await;
    result?;
    shut_down.context("the client ended unexpectedly")
}

async fn show_progress(
    client: &Client,
    torrent: TorrentId,
    until: Until,
    output: Output,
) -> anyhow::Result<()> {
    let mut events = client.events();
    let mut refresh = tokio::time::interval(REFRESH);
    let bar = output.bar(1, "{bar:30} {percent:>3}%  {msg}");
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let mut finished = false;
    loop {
        tokio::select! {
            _ = refresh.tick() => {
                let status = client.with(move |session, now| {
                    session.torrent(torrent).map(|torrent| torrent.status(now))
                });
                let Some(status) = status.await? else { return Ok(()) };
                let wanted = status.bytes_total - status.bytes_left + status.bytes_wanted_left;
                bar.set_length(wanted.max(1));
                bar.set_position(wanted - status.bytes_wanted_left);
                bar.set_message(summary(&status));
                output.object(&progress_object(&status));
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
                Ok(event) => bar.suspend(|| tell(&event, output))?,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => anyhow::bail!("the client ended unexpectedly"),
            },
            _ = &mut interrupted => {
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
        TorrentState::Seeding => format!("seeding  {rates}  {} sent", text::bytes(status.uploaded)),
        TorrentState::Trouble(trouble) => format!("stopped: {}", trouble_text(trouble)),
        TorrentState::Opening | TorrentState::Paused | TorrentState::Closing => rates,
    }
}

fn progress_object(status: &TorrentStatus) -> serde_json::Value {
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
        "downloaded": status.downloaded, "uploaded": status.uploaded, "wasted": status.wasted,
        "rejected_pieces": status.rejected_pieces, "peers": status.connections, "seeds": status.seeds,
        "known_peers": status.known_peers,
    })
}

fn trouble_text(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Storage(error) => text::safe(&error.to_string(), 300),
        Trouble::Inconsistent => {
            "the torrent contradicts itself: its v1 and v2 hashes do not agree".to_owned()
        }
    }
}

/// Tells what happened, where a person or a script would want to know.
fn tell(event: &Event, output: Output) -> anyhow::Result<()> {
    match event {
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
        Event::Trouble { trouble: Some(Trouble::Inconsistent), .. } => {
            return fail(Failure::Torrent, trouble_text(&Trouble::Inconsistent));
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
        Event::PieceRejected { piece, .. } => {
            output.object(&json!({ "event": "piece_rejected", "piece": piece.get() }));
        }
        Event::Checked { .. }
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
