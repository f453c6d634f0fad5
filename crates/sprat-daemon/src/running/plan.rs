//! What the settings mean for the engine and for the service.

use std::sync::Arc;

use jiff::tz::TimeZone;
use sprat_core::config::Config;
use sprat_core::io::RateLimits;
use sprat_engine::address_policy::AddressPolicy;
use sprat_engine::client::ClientConfig;
use sprat_engine::dht::DhtConfig;
use sprat_engine::http::HostPort;
use sprat_engine::listen::ListenConfig;
use sprat_engine::storage::StorageConfig;
use sprat_engine::udp::UdpConfig;
use sprat_engine::uplink::{InterfaceNameError, Uplink};

use crate::clock;
use crate::schedule;
use crate::service::Choices;
use crate::settings::{AlternativeRates, CountLimit, Layers, RateLimit, Settings};
use crate::torrents::SeedingLimits;
use crate::torrents::queue::{QueueLimits, SlowThreshold};
use crate::torrents::share_limits::Layer;

/// Whom strangers may make us contact.
pub(crate) fn policy(settings: &Settings) -> Arc<AddressPolicy> {
    let permissive = settings.addresses.allow_private;
    Arc::new(if permissive { AddressPolicy::permissive() } else { AddressPolicy::public() })
}

/// By which interface peers, trackers and what strangers name are reached. What is no name of one has been refused with the settings.
pub(crate) fn uplink(settings: &Settings) -> Result<Uplink, InterfaceNameError> {
    settings.peers.interface.as_deref().map_or(Ok(Uplink::any()), Uplink::only)
}

/// Where feeds may be although it is in the private network.
pub(crate) fn private_servers(settings: &Settings) -> Vec<HostPort> {
    // They were checked when the settings were read.
    settings.feeds.private_servers.iter().filter_map(|server| server.parse().ok()).collect()
}

/// The engine's client.
pub(crate) fn client(layers: &Layers, policy: &Arc<AddressPolicy>, uplink: Uplink) -> ClientConfig {
    let settings = layers.settings();
    let (peers, limits) = (&settings.peers, &settings.limits);
    let mut session = Config {
        pex: peers.pex,
        connections: count(limits.connections.0),
        connections_per_torrent: count(limits.connections_per_torrent.0),
        memory: usize::try_from(limits.memory.0).unwrap_or(usize::MAX),
        ..Config::default()
    };
    if let Some(slots) = limits.upload_slots.get() {
        session.choker.max_slots = count(slots.0).max(2);
        session.choker.min_slots = session.choker.min_slots.min(session.choker.max_slots);
    }
    session.peer_list.allow_low_ports = settings.addresses.allow_private;
    session.peer_list.trust_private = settings.addresses.allow_private;
    let last = peers.port.saturating_add(peers.port_attempts);
    let ports = if peers.port == 0 { 0..=0 } else { peers.port..=last };
    let v4 = peers.addresses.iter().find_map(|address| match address {
        std::net::IpAddr::V4(v4) => Some(*v4),
        std::net::IpAddr::V6(_) => None,
    });
    let v6 = peers.addresses.iter().find_map(|address| match address {
        std::net::IpAddr::V6(v6) => Some(*v6),
        std::net::IpAddr::V4(_) => None,
    });
    let is_here = peers.addresses.iter().all(std::net::IpAddr::is_loopback);
    let dht = peers.dht.then(|| DhtConfig {
        entrances: peers.dht_entrances.clone(),
        state_file: Some(layers.state_directory().join("dht")),
        ..DhtConfig::public(Arc::clone(policy))
    });
    ClientConfig {
        session,
        listen: Some(ListenConfig { v4, v6, ports }),
        storage: StorageConfig::default(),
        policy: Arc::clone(policy),
        uplink,
        udp: UdpConfig { addresses: peers.addresses.clone(), port: 0 },
        dht,
        lsd: peers.lsd && !is_here,
        home: None,
        seed: None,
    }
}

/// What the service may choose anew while it runs.
pub(crate) fn choices(layers: &Layers) -> Choices {
    let settings = layers.settings();
    let limits = &settings.limits;
    let resolve = |path: &std::path::PathBuf| layers.resolve(path);
    Choices {
        downloads: layers.downloads(),
        incomplete: settings.paths.incomplete.as_ref().map(resolve),
        roots: layers.roots(),
        limits: RateLimits { download: rate(limits.download_rate), upload: rate(limits.upload_rate) },
        alternative: RateLimits {
            download: rate(limits.alternative_download_rate),
            upload: rate(limits.alternative_upload_rate),
        },
        is_alternative: match settings.limits.alternative {
            AlternativeRates::Schedule => is_scheduled_now(settings),
            AlternativeRates::On => true,
            AlternativeRates::Off => false,
        },
        seeding: Layer {
            limits: SeedingLimits {
                ratio: settings
                    .seeding
                    .ratio
                    .get()
                    .map(|ratio| f64::from(ratio.thousandths()) / 1000.0)
                    .into(),
                seconds: settings.seeding.time.get().map(|time| time.duration().as_secs()).into(),
                idle_seconds: settings.seeding.inactivity.get().map(|time| time.duration().as_secs()).into(),
            },
            action: Some(settings.seeding.action),
        },
        queue: QueueLimits {
            active_downloads: slots(settings.queue.active_downloads),
            active_seeds: slots(settings.queue.active_seeds),
            active_total: slots(settings.queue.active_total),
            ..QueueLimits::default()
        },
        slow: SlowThreshold {
            rate: settings.queue.slow_rate.bytes_per_second(),
            after_secs: u32::try_from(settings.queue.slow_after.duration().as_secs()).unwrap_or(u32::MAX),
        },
    }
}

/// Whether the time of day asks for the alternative limits.
pub(crate) fn is_scheduled_now(settings: &Settings) -> bool {
    schedule::is_open(&settings.limits.alternative_schedule, &TimeZone::system(), clock::now())
}

fn slots(limit: CountLimit) -> Option<u32> {
    limit.get().map(|count| count.0)
}

fn rate(limit: RateLimit) -> Option<u64> {
    limit.get().map(|rate| rate.bytes_per_second())
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
