//! Magnet links: what `get` needs before it can be a torrent like any other.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use sprat_core::io::AddMagnet;
use sprat_engine::address_policy::Origin;
use sprat_engine::resolve::Resolver;
use sprat_wire::magnet::Magnet;

use crate::cli::GetArgs;
use crate::client;
use crate::exit::{Failure, fail};
use crate::output::Output;
use crate::text;

/// The link as a wish to the client.
pub(crate) async fn wish(magnet: &Magnet, args: &GetArgs, output: Output) -> anyhow::Result<AddMagnet> {
    let mut peers = args.client.peers.clone();
    peers.extend(resolved(magnet, args, output).await);
    let trackerless = magnet.trackers.is_empty() && args.client.trackers.is_empty();
    if args.client.no_dht && args.client.no_lsd && trackerless && peers.is_empty() {
        return fail(
            Failure::Torrent,
            "the link names neither trackers nor peers: please add --tracker or --peer, or leave out --no-dht",
        );
    }
    Ok(AddMagnet {
        trackers: magnet.trackers.iter().map(|url| vec![url.clone()]).collect(),
        extra_trackers: args.client.trackers.iter().map(|url| vec![url.clone()]).collect(),
        peers,
        select_only: selection(magnet, args),
        sequential: args.sequential,
        ..AddMagnet::new(magnet.info_hashes)
    })
}

/// What the user selects counts more than what the link selects.
fn selection(magnet: &Magnet, args: &GetArgs) -> Option<Vec<RangeInclusive<u32>>> {
    args.files.as_ref().map(crate::cli::FileNumbers::ranges).or_else(|| magnet.select_only.clone())
}

/// The addresses of the peers that the link names (`x.pe`). The link is a stranger's, so its peers are judged as such.
async fn resolved(magnet: &Magnet, args: &GetArgs, output: Output) -> Vec<SocketAddr> {
    let policy = client::policy(&args.client);
    let resolver = Resolver::system();
    let mut peers = Vec::new();
    for (host, port) in &magnet.peers {
        let found = match host.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, *port)],
            Err(_) => resolver.resolve(host, *port, &policy, Origin::Torrent).await.unwrap_or_default(),
        };
        let before = peers.len();
        peers.extend(found.into_iter().filter(|peer| policy.accepts_peer(*peer, None)));
        if peers.len() == before {
            output.line(format_args!("peer {} of the link cannot be contacted", text::safe(host, 200)));
        }
    }
    peers
}
