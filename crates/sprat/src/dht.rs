//! `sprat dht`

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use bytes::Bytes;
use serde_json::json;
use sprat_dht::io::{Event, Operation, Summary};
use sprat_dht::item::Item;
use sprat_engine::address_policy::AddressPolicy;
use sprat_engine::dht::{Dht, DhtConfig};
use sprat_engine::udp::{UdpConfig, UdpSockets};
use sprat_wire::bencode::{Document, Encoder, Limits};
use sprat_wire::hash::{InfoHash, NodeId};

use crate::cli::{DhtArgs, DhtQuestion};
use crate::exit::{Failure, OrExit as _, fail};
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::text;

/// How long to wait for a first contact.
const ENTRY_LIMIT: Duration = Duration::from_secs(20);

/// How often to look whether there is one.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) async fn run(args: DhtArgs, output: Output) -> anyhow::Result<()> {
    let dht = start(&args).or_exit(Failure::Network)?;
    let Some(question) = args.question else { return serve(&dht, output).await };
    enter(&dht).await?;
    match question {
        DhtQuestion::Peers { info_hash } => peers(&dht, info_hash, output).await,
        DhtQuestion::Get { target, salt } => get(&dht, target, salt, output).await,
        DhtQuestion::Put { value, key, salt, seq } => {
            put(&dht, item(&value, key.as_deref(), &salt, seq)?, output).await
        }
        DhtQuestion::Sample { target } => sample(&dht, target, output).await,
        DhtQuestion::Stat => stat(&dht, output).await,
    }
}

fn start(args: &DhtArgs) -> std::io::Result<Dht> {
    let policy = if args.allow_private { AddressPolicy::permissive() } else { AddressPolicy::public() };
    let mut config = DhtConfig::public(policy.into());
    let mut udp = UdpConfig::everywhere(args.port);
    if !args.addresses.is_empty() {
        udp.addresses.clone_from(&args.addresses);
    }
    if args.first || !args.entrances.is_empty() {
        config.entrances.clone_from(&args.entrances);
    }
    config.state_file.clone_from(&args.state);
    if args.question.is_some() {
        // Who asks one question and goes is of no use to others (BEP 43).
        config.node.read_only = true;
    } else {
        // A node that is run for its own sake has bytes to spare: a bootstrap node above all.
        config.node.reply_bytes_per_second = 250_000;
    }
    Dht::start(&config, &UdpSockets::bind(&udp)?)
}

/// Runs until it is interrupted.
async fn serve(dht: &Dht, output: Output) -> anyhow::Result<()> {
    let mut interrupts = Interrupts::new()?;
    output.result(format_args!("DHT node on UDP port {}; Ctrl-C ends it", dht.port()));
    output.object(&json!({ "event": "listening", "protocol": "udp", "port": dht.port() }));
    interrupts.wanted().await;
    dht.save().await.context("the node had failed")
}

/// Waits until the node knows somebody.
async fn enter(dht: &Dht) -> anyhow::Result<()> {
    let known = async {
        loop {
            if dht.knows_somebody().await? {
                return anyhow::Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    match tokio::time::timeout(ENTRY_LIMIT, known).await {
        Ok(result) => result,
        Err(_) => fail(Failure::Network, "no node of the DHT answers"),
    }
}

async fn peers(dht: &Dht, info_hash: InfoHash, output: Output) -> anyhow::Result<()> {
    let mut events = dht.run(Operation::Peers { info_hash, no_seed: false }).await?;
    while let Some(event) = events.recv().await {
        match event {
            Event::Peers { peers, .. } => {
                for peer in peers {
                    output.result(peer);
                    output.object(&json!({ "event": "peer", "address": peer }));
                }
            }
            Event::Finished { summary, .. } => tell(&summary, output),
            _ => {}
        }
    }
    Ok(())
}

async fn get(dht: &Dht, target: InfoHash, salt: String, output: Output) -> anyhow::Result<()> {
    let operation = Operation::Get { target: NodeId(target.0), salt: salt.into_bytes(), newer_than: None };
    let mut events = dht.run(operation).await?;
    let mut newest = None;
    while let Some(event) = events.recv().await {
        match event {
            Event::Item { item, .. } => newest = Some(item),
            Event::Finished { summary, .. } => tell(&summary, output),
            _ => {}
        }
    }
    let Some(item) = newest else { return fail(Failure::Network, "nobody has such an item") };
    let value = readable(item.value());
    output.result(text::safe(&value, 2000));
    output.object(&json!({ "event": "item", "value": value, "seq": item.seq() }));
    Ok(())
}

/// A text as it is, anything else as its bencoded bytes.
fn readable(value: &[u8]) -> String {
    let document = Document::decode(value, Limits::DHT);
    let text = document.as_ref().ok().and_then(|document| document.root().as_bytes());
    String::from_utf8_lossy(text.unwrap_or(value)).into_owned()
}

fn item(value: &str, key: Option<&Path>, salt: &str, seq: Option<i64>) -> anyhow::Result<Item> {
    let mut encoded = Encoder::new();
    encoded.bytes(value);
    let value = Bytes::from(encoded.finish());
    let Some(key) = key else { return Ok(Item::immutable(value)?) };
    #[expect(
        clippy::disallowed_methods,
        reason = "a sequence number that grows from run to run, unless the user says one"
    )]
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seq = seq.unwrap_or_else(|| i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX));
    Ok(Item::signed(&secret_key(key)?, Bytes::copy_from_slice(salt.as_bytes()), seq, value)?)
}

/// The key in a file; a new one if there is no such file.
fn secret_key(path: &Path) -> anyhow::Result<[u8; 32]> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let name = path.display();
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let key = data_encoding::HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok();
            key.and_then(|key| key.try_into().ok())
                .with_context(|| format!("{name} holds no key of 32 bytes"))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut key = [0; 32];
            getrandom::fill(&mut key).map_err(std::io::Error::other)?;
            let mut options = std::fs::File::options();
            let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
            writeln!(file, "{}", data_encoding::HEXLOWER.encode(&key))?;
            Ok(key)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {name}")),
    }
}

async fn put(dht: &Dht, item: Item, output: Output) -> anyhow::Result<()> {
    let (target, key) = (item.target(), item.key());
    let mut events = dht.run(Operation::Put { item, cas: None }).await?;
    let mut stored = 0;
    while let Some(event) = events.recv().await {
        if let Event::Finished { summary, .. } = event {
            stored = summary.stored;
            tell(&summary, output);
        }
    }
    if stored == 0 {
        return fail(Failure::Network, "no node has stored it");
    }
    output.result(target);
    let public_key = key.map(|key| data_encoding::HEXLOWER.encode(&key));
    output.object(&json!({
        "event": "stored", "target": target.to_string(), "public_key": public_key, "nodes": stored,
    }));
    Ok(())
}

async fn sample(dht: &Dht, target: InfoHash, output: Output) -> anyhow::Result<()> {
    let mut events = dht.run(Operation::Sample { target: NodeId(target.0) }).await?;
    while let Some(event) = events.recv().await {
        match event {
            Event::Samples { from, samples, .. } => {
                for info_hash in samples.hashes {
                    output.result(info_hash);
                    let (hash, node) = (info_hash.to_string(), from.address);
                    output.object(&json!({ "event": "sample", "info_hash": hash, "node": node }));
                }
            }
            Event::Finished { summary, .. } => tell(&summary, output),
            _ => {}
        }
    }
    Ok(())
}

async fn stat(dht: &Dht, output: Output) -> anyhow::Result<()> {
    // A walk to a random place shows how large the network is.
    let mut target = [0; 20];
    getrandom::fill(&mut target).map_err(std::io::Error::other)?;
    let mut events = dht.run(Operation::FindNode { target: NodeId(target) }).await?;
    while let Some(event) = events.recv().await {
        if let Event::Finished { summary, .. } = event {
            tell(&summary, output);
        }
    }
    for statistics in dht.statistics().await? {
        let row = |name: &str, value: String| output.result(format_args!("{name:<18} {value}"));
        row("contacts, IPv4", statistics.v4_contacts.to_string());
        row("contacts, IPv6", statistics.v6_contacts.to_string());
        let size = statistics.network_size;
        row("nodes", size.map_or_else(|| "unknown".to_owned(), |size| format!("about {size:.0}")));
        row("round trip", format!("{} ms", statistics.typical_rtt.as_millis()));
        output.object(&json!({
            "event": "stat", "v4_contacts": statistics.v4_contacts, "v6_contacts": statistics.v6_contacts,
            "network_size": size, "round_trip_ms": statistics.typical_rtt.as_millis() as u64,
        }));
    }
    Ok(())
}

fn tell(summary: &Summary, output: Output) {
    output.line(format_args!(
        "{} queries in {:.2} s, {} hops; {} nodes had it, {} have stored it",
        summary.queries,
        summary.took.as_secs_f64(),
        summary.hops,
        summary.found,
        summary.stored,
    ));
    output.object(&json!({
        "event": "finished", "queries": summary.queries, "seconds": summary.took.as_secs_f64(), "hops": summary.hops,
        "found": summary.found, "stored": summary.stored,
    }));
}
