//! `sprat tracker`

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use sprat_engine::tracker_server::{AccessFile, TrackerServer, TrackerServerConfig};

use crate::cli::TrackerArgs;
use crate::client;
use crate::exit::{Failure, OrExit as _};
use crate::interrupt::Interrupts;
use crate::output::Output;

/// Where trackers have usually been found.
const USUAL_PORT: u16 = 6969;

pub(crate) fn run(args: TrackerArgs, output: Output) -> anyhow::Result<()> {
    let usual = || {
        let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, USUAL_PORT));
        let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, USUAL_PORT));
        vec![v4, v6]
    };
    let (http, udp) = match (args.http.is_empty(), args.udp.is_empty()) {
        (true, true) => (usual(), usual()),
        // One flag speaks for both: a tracker without the other protocol is rarely what is meant.
        (true, false) => (args.udp.clone(), args.udp),
        (false, true) => (args.http.clone(), args.http),
        (false, false) => (args.http, args.udp),
    };
    let mut config = TrackerServerConfig { http, udp, ..TrackerServerConfig::default() };
    config.access = match (args.allow, args.deny) {
        (Some(file), _) => AccessFile::Allow(file),
        (_, Some(file)) => AccessFile::Deny(file),
        (None, None) => AccessFile::None,
    };
    if let Some(seconds) = args.interval {
        config.tracker.interval = Duration::from_secs(u64::from(seconds));
    }
    client::block_on(async {
        let mut interrupts = Interrupts::new()?;
        let server = TrackerServer::bind(config).or_exit(Failure::Network)?;
        for address in server.http_addresses() {
            output.result(format_args!("http://{address}/announce"));
            output.object(&json!({ "event": "listening", "protocol": "http", "address": address }));
        }
        for address in server.udp_addresses() {
            output.result(format_args!("udp://{address}"));
            output.object(&json!({ "event": "listening", "protocol": "udp", "address": address }));
        }
        server.run(async { interrupts.wanted().await }).await.context("the tracker failed")
    })
}
