//! What can be asked of the daemon: the name in each dialect, and what it is. What can be changed of it is in [`super::choosing`].

use std::path::Path;

use super::memory::{Limit, Memory};
use super::names::Name;
use super::units;
use super::value::Out;
use crate::service::{Choices, Fixed};

/// The version of the protocol that is spoken here.
pub(super) const RPC_VERSION_SEMVER: &str = "6.0.1";

/// The same, as clients have numbered it before.
const RPC_VERSION: i64 = 19;

/// Clients that know this one understand us.
const RPC_VERSION_MINIMUM: i64 = 14;

/// Clients look for the number of the Transmission that speaks this protocol, and some refuse what is older than they know.
const VERSION: &str = concat!("4.1.1 (sprat ", env!("CARGO_PKG_VERSION"), ")");

/// No limit, where only a number can be said: thousands of bytes per second, as many as fit into 32 bits when counted in bytes by a client.
pub(super) const NO_LIMIT: f64 = 2_147_483.0;

/// The daemon as it is now.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) choices: &'a Choices,
    pub(super) fixed: &'a Fixed,
    pub(super) memory: &'a Memory,
    pub(super) session_id: &'a str,
    pub(super) state: &'a Path,
    /// The port on which peers reach us.
    pub(super) port: u16,
    /// Bytes free where files usually lie; -1 is not known.
    pub(super) free: i64,
}

/// One of the keys.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: Name,
    pub(super) value: fn(&View<'_>) -> Out,
}

const fn kebab(name: &'static str, value: fn(&View<'_>) -> Out) -> Key {
    Key { name: Name::Kebab(name), value }
}

const fn other(name: Name, value: fn(&View<'_>) -> Out) -> Key {
    Key { name, value }
}

/// Where the free space of the usual directory stands, which is the only one that waits for a disk.
pub(super) const FREE_SPACE: &str = "download_dir_free_space";

/// All of them, in the order of their names.
pub(super) const KEYS: &[Key] = &[
    kebab("alt_speed_down", |view| alternative(view.choices.alternative.download)),
    kebab("alt_speed_enabled", |view| view.choices.is_alternative.into()),
    // When they hold by themselves is for the settings, which know more than one time of the day.
    kebab("alt_speed_time_begin", |_| (9 * 60_i64).into()),
    kebab("alt_speed_time_day", |_| 0x7f_i64.into()),
    kebab("alt_speed_time_enabled", |_| false.into()),
    kebab("alt_speed_time_end", |_| (17 * 60_i64).into()),
    kebab("alt_speed_up", |view| alternative(view.choices.alternative.upload)),
    // Whoever guesses tokens is slowed down in any case.
    kebab("anti_brute_force_enabled", |_| true.into()),
    kebab("blocklist_enabled", |_| false.into()),
    kebab("blocklist_size", |_| 0_i64.into()),
    kebab("blocklist_url", |_| "".into()),
    other(Name::Odd { new: "cache_size_mib", old: "cache-size-mb" }, |_| 0_i64.into()),
    kebab("config_dir", |view| view.state.display().to_string().into()),
    kebab("default_trackers", |_| "".into()),
    kebab("dht_enabled", |view| view.fixed.dht.into()),
    kebab("download_dir", |view| view.choices.downloads.display().to_string().into()),
    kebab(FREE_SPACE, |view| view.free.into()),
    kebab("download_queue_enabled", |view| view.choices.queue.active_downloads.is_some().into()),
    kebab("download_queue_size", |view| slots(view, Limit::Downloads, view.choices.queue.active_downloads)),
    // Peers are spoken to in plain text, and those that want another one are not reached.
    other(Name::Same("encryption"), |_| Out::Word(PLAIN)),
    kebab("idle_seeding_limit", |view| {
        let held = view.choices.seeding.limits.idle_seconds.own().map(units::minutes);
        units::whole(own(view, Limit::Idle, held)).into()
    }),
    kebab("idle_seeding_limit_enabled", |view| {
        view.choices.seeding.limits.idle_seconds.own().is_some().into()
    }),
    kebab("incomplete_dir", |view| {
        let directory = view.choices.incomplete.clone().or_else(|| view.memory.incomplete());
        directory.unwrap_or_else(|| view.choices.downloads.clone()).display().to_string().into()
    }),
    kebab("incomplete_dir_enabled", |view| view.choices.incomplete.is_some().into()),
    kebab("lpd_enabled", |view| view.fixed.lsd.into()),
    kebab("peer_limit_global", |view| view.fixed.connections.into()),
    kebab("peer_limit_per_torrent", |view| view.fixed.connections_per_torrent.into()),
    kebab("peer_port", |view| i64::from(view.port).into()),
    kebab("peer_port_random_on_start", |_| false.into()),
    kebab("pex_enabled", |view| view.fixed.pex.into()),
    kebab("port_forwarding_enabled", |_| false.into()),
    other(Name::Same("preferred_transports"), |_| Out::List(vec!["tcp".into()])),
    // A torrent that moves little takes no slot, whatever is said here.
    kebab("queue_stalled_enabled", |_| true.into()),
    kebab("queue_stalled_minutes", |_| 1_i64.into()),
    kebab("rename_partial_files", |_| false.into()),
    kebab("rpc_version", |_| RPC_VERSION.into()),
    kebab("rpc_version_minimum", |_| RPC_VERSION_MINIMUM.into()),
    kebab("rpc_version_semver", |_| RPC_VERSION_SEMVER.into()),
    kebab("script_torrent_added_enabled", |_| false.into()),
    kebab("script_torrent_added_filename", |_| "".into()),
    kebab("script_torrent_done_enabled", |_| false.into()),
    kebab("script_torrent_done_filename", |_| "".into()),
    kebab("script_torrent_done_seeding_enabled", |_| false.into()),
    kebab("script_torrent_done_seeding_filename", |_| "".into()),
    kebab("seed_queue_enabled", |view| view.choices.queue.active_seeds.is_some().into()),
    kebab("seed_queue_size", |view| slots(view, Limit::Seeds, view.choices.queue.active_seeds)),
    other(Name::Camel("seed_ratio_limit"), |view| {
        own(view, Limit::Ratio, view.choices.seeding.limits.ratio.own()).into()
    }),
    other(Name::Camel("seed_ratio_limited"), |view| view.choices.seeding.limits.ratio.own().is_some().into()),
    other(Name::Same("sequential_download"), |_| false.into()),
    kebab("session_id", |view| view.session_id.into()),
    kebab("speed_limit_down", |view| speed(view, Limit::Download, view.choices.limits.download)),
    kebab("speed_limit_down_enabled", |view| view.choices.limits.download.is_some().into()),
    kebab("speed_limit_up", |view| speed(view, Limit::Upload, view.choices.limits.upload)),
    kebab("speed_limit_up_enabled", |view| view.choices.limits.upload.is_some().into()),
    kebab("start_added_torrents", |_| true.into()),
    kebab("tcp_enabled", |_| true.into()),
    // Sprat keeps what is in a torrent file, and touches none of others.
    kebab("trash_original_torrent_files", |_| false.into()),
    other(Name::Same("units"), |_| units_of_measure()),
    kebab("utp_enabled", |_| false.into()),
    kebab("version", |_| VERSION.into()),
];

/// `encryption` when plain text will do.
const PLAIN: Name = Name::Odd { new: "allowed", old: "tolerated" };

fn slots(view: &View<'_>, limit: Limit, held: Option<u32>) -> Out {
    units::whole(own(view, limit, held.map(f64::from))).into()
}

fn alternative(limit: Option<u64>) -> Out {
    units::whole(limit.map_or(NO_LIMIT, units::kilobytes)).into()
}

fn own(view: &View<'_>, limit: Limit, held: Option<f64>) -> f64 {
    held.unwrap_or_else(|| view.memory.recall(None, limit))
}

fn speed(view: &View<'_>, limit: Limit, bytes: Option<u64>) -> Out {
    units::whole(own(view, limit, bytes.map(units::kilobytes))).into()
}

/// The limit, if there is one.
fn units_of_measure() -> Out {
    let list = |units: [&str; 5]| units.into_iter().map(Out::from).collect::<Out>();
    vec![
        (Name::Kebab("speed_units"), list(["B/s", "kB/s", "MB/s", "GB/s", "TB/s"])),
        (Name::Kebab("speed_bytes"), units::KILOBYTE.into()),
        (Name::Kebab("size_units"), list(["B", "kB", "MB", "GB", "TB"])),
        (Name::Kebab("size_bytes"), 1000_i64.into()),
        (Name::Kebab("memory_units"), list(["B", "KiB", "MiB", "GiB", "TiB"])),
        (Name::Kebab("memory_bytes"), 1024_i64.into()),
    ]
    .into()
}
