//! Magnet links: what `get` needs before it can be a torrent like any other.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use sprat_core::io::AddMagnet;
use sprat_engine::address_policy::Origin;
use sprat_engine::resolve::Resolver;
use sprat_wire::hash::InfoHashes;
use sprat_wire::magnet::Magnet;
use sprat_wire::metainfo::Metainfo;

use crate::cli::GetArgs;
use crate::client;
use crate::exit::{Failure, fail};
use crate::output::Output;
use crate::text;

/// The link as a wish to the client.
pub(crate) async fn wish(magnet: &Magnet, args: &GetArgs, output: Output) -> anyhow::Result<AddMagnet> {
    let mut peers = args.client.peers.clone();
    peers.extend(resolved(magnet, args, output).await);
    if magnet.trackers.is_empty() && args.client.trackers.is_empty() && peers.is_empty() {
        return fail(
            Failure::Torrent,
            "the link names neither trackers nor peers, and there is no DHT yet: please add --tracker or --peer",
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

/// Where metadata from peers is kept, so that the next run of the same link need not fetch it again.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    directory: PathBuf,
}

impl Shelf {
    pub(crate) fn below(state: &Path) -> Self {
        Self { directory: state.join("metadata") }
    }

    /// The torrent of this name, if it is there and is what it should be.
    pub(crate) fn find(&self, wanted: &InfoHashes) -> Option<Metainfo> {
        let metainfo = Metainfo::parse(&std::fs::read(self.place(wanted)).ok()?).ok()?;
        let found = &metainfo.info_hashes;
        let is_it = wanted.v1().is_none_or(|hash| found.v1() == Some(hash))
            && wanted.v2().is_none_or(|hash| found.v2() == Some(hash));
        is_it.then_some(metainfo)
    }

    /// Keeps a torrent. Returns where.
    pub(crate) fn keep(&self, metainfo: &Metainfo) -> std::io::Result<PathBuf> {
        std::fs::create_dir_all(&self.directory)?;
        let place = self.place(&metainfo.info_hashes);
        // Whole or not at all: beside its place first, then renamed.
        let draft = place.with_extension("part");
        std::fs::write(&draft, metainfo.encode())?;
        std::fs::rename(&draft, &place)?;
        Ok(place)
    }

    fn place(&self, hashes: &InfoHashes) -> PathBuf {
        self.directory.join(format!("{}.torrent", hashes.primary()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use sprat_engine::create::{CreateOptions, create};
    use sprat_wire::metainfo::Version;
    use sprat_wire::metainfo::build::Description;

    use super::*;

    #[test]
    fn metadata_is_found_again_only_if_it_is_what_the_link_names() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        fs::write(&path, vec![7; 100_000]).unwrap();
        for version in [Version::V1, Version::V2, Version::Hybrid] {
            let description = Description::default();
            let piece_length = Some(16 * 1024);
            let options =
                CreateOptions { path: path.clone(), version, piece_length, threads: None, description };
            let metainfo = create(&options, &|_, _| {}).unwrap().metainfo;
            let shelf = Shelf::below(&home.path().join(format!("{version:?}")));
            assert!(shelf.find(&metainfo.info_hashes).is_none());
            let place = shelf.keep(&metainfo).unwrap();
            assert_eq!(shelf.find(&metainfo.info_hashes).unwrap().info_hashes, metainfo.info_hashes);
            fs::write(&place, b"something else").unwrap();
            assert!(shelf.find(&metainfo.info_hashes).is_none());
        }
    }
}
