//! `sprat get`

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use sprat_core::io::{AddTorrent, FilePriority};
use sprat_engine::address_policy::Origin;
use sprat_engine::client::Client;
use sprat_engine::http::{HttpClient, HttpConfig, Limits};
use sprat_engine::ledger::Ledger;
use sprat_engine::storage::Place;
use sprat_wire::hash::InfoHashes;
use sprat_wire::magnet::Magnet;
use sprat_wire::metainfo::Metainfo;

use crate::cli::{FileNumbers, GetArgs};
use crate::client::{self, Until};
use crate::exit::{Failure, OrExit as _, fail};
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::shelf::Shelf;
use crate::{magnet, record, text};

pub(crate) async fn run(args: GetArgs, output: Output) -> anyhow::Result<()> {
    if args.source.starts_with("magnet:") {
        return get_magnet(&args, output).await;
    }
    let metainfo = load(&args, output).await?;
    let add = AddTorrent {
        priorities: priorities(&metainfo, args.files.as_ref())?,
        extra_trackers: args.client.trackers.iter().map(|url| vec![url.clone()]).collect(),
        peers: args.client.peers.clone(),
        sequential: args.sequential,
        ..AddTorrent::new(Arc::new(metainfo))
    };
    get_torrent(&args, add, output).await
}

async fn get_torrent(args: &GetArgs, add: AddTorrent, output: Output) -> anyhow::Result<()> {
    client::introduce(&add.metainfo, output);
    let interrupts = Interrupts::new()?;
    let (client, _record) = start(args, &add.metainfo.info_hashes, output)?;
    let torrent = client.add(add, place(args)).await??;
    client::watch(client, torrent, until(args), interrupts, None, output).await
}

/// Fetches what a link names; its metadata first, unless an earlier run has left it.
async fn get_magnet(args: &GetArgs, output: Output) -> anyhow::Result<()> {
    let magnet: Magnet = args.source.parse().or_exit(Failure::Torrent)?;
    let wish = magnet::wish(&magnet, args, output).await?;
    let shelf = Shelf::below(&client::state_directory(&args.client));
    if let Some(metainfo) = shelf.find(&magnet.info_hashes) {
        output.line("the metadata is there from an earlier run");
        return get_torrent(args, wish.of_torrent(Arc::new(metainfo)), output).await;
    }
    let name = magnet.name.as_deref().map(|name| text::safe(name, 200));
    let hash = magnet.info_hashes.primary();
    output.line(format_args!("{}  {hash}", name.as_deref().unwrap_or("a magnet link")));
    output.object(&json!({ "event": "magnet", "name": name, "info_hash": hash.to_string() }));
    let interrupts = Interrupts::new()?;
    let (client, _record) = start(args, &magnet.info_hashes, output)?;
    let torrent = client.add_magnet(wish, place(args)).await??;
    client::watch(client, torrent, until(args), interrupts, Some(&shelf), output).await
}

/// The client, and the record that it writes to: to be kept until the client has ended.
fn start(args: &GetArgs, hashes: &InfoHashes, output: Output) -> anyhow::Result<(Client, Ledger)> {
    let state = client::state_directory(&args.client);
    let record = record::open(&state, hashes, &args.dir, output)?;
    let client = client::start(&args.client, args.preallocate, &record)?;
    output.object(&json!({ "event": "listening", "port": client.port() }));
    Ok((client, record))
}

fn place(args: &GetArgs) -> Place {
    Place { adopt: args.adopt, ..Place::from(args.dir.clone()) }
}

const fn until(args: &GetArgs) -> Until {
    if args.seed { Until::Interrupted } else { Until::Finished }
}

/// The torrent that the source names.
async fn load(args: &GetArgs, output: Output) -> anyhow::Result<Metainfo> {
    let source = args.source.as_str();
    if source.starts_with("http://") || source.starts_with("https://") {
        output.line(format_args!("fetching {}", client::host_of(source)));
        let http = HttpClient::new(HttpConfig::new(client::policy(&args.client)));
        let response =
            http.get(source, Limits::TORRENT_FILE, Origin::User).await.or_exit(Failure::Network)?;
        if response.status != 200 {
            return fail(
                Failure::Network,
                format_args!("the server answered with status {}", response.status),
            );
        }
        return Metainfo::parse(&response.body).or_exit(Failure::Torrent);
    }
    read(Path::new(source))
}

/// Reads a `.torrent` file.
pub(crate) fn read(path: &Path) -> anyhow::Result<Metainfo> {
    read_with_bytes(path).map(|(_, metainfo)| metainfo)
}

/// Reads a `.torrent` file, and keeps what stands in it.
pub(crate) fn read_with_bytes(path: &Path) -> anyhow::Result<(Vec<u8>, Metainfo)> {
    use std::io::Read as _;
    /// What a user may hand us (docs: limits); real files reach 24 MiB.
    const LONGEST: u64 = 32 * 1024 * 1024;
    let name = path.display();
    let open = || {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = match open() {
        Ok(bytes) => bytes,
        Err(error) => return fail(Failure::Torrent, format_args!("cannot read {name}: {error}")),
    };
    if bytes.len() as u64 > LONGEST {
        return fail(Failure::Torrent, format_args!("{name} is larger than any .torrent file"));
    }
    match Metainfo::parse(&bytes) {
        Ok(metainfo) => Ok((bytes, metainfo)),
        Err(error) => fail(Failure::Torrent, format_args!("{name}: {error}")),
    }
}

/// One priority per file of the torrent. Numbers count the files that are not padding.
fn priorities(metainfo: &Metainfo, wanted: Option<&FileNumbers>) -> anyhow::Result<Vec<FilePriority>> {
    let Some(wanted) = wanted else { return Ok(Vec::new()) };
    let mut number = 0;
    let mut priorities = Vec::with_capacity(metainfo.info.files.len());
    for file in &metainfo.info.files {
        let skipped = file.attributes.pad || !wanted.contains(number);
        priorities.push(if skipped { FilePriority::Skip } else { FilePriority::Normal });
        number += usize::from(!file.attributes.pad);
    }
    anyhow::ensure!(
        wanted.highest() < number,
        "--files: the torrent's files are numbered 0 to {}",
        number - 1
    );
    Ok(priorities)
}
