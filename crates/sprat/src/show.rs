//! `sprat show`

use std::path::Path;

use serde_json::json;
use sprat_wire::magnet::Magnet;
use sprat_wire::metainfo::Metainfo;

use crate::cli::ShowArgs;
use crate::exit::{Failure, OrExit as _};
use crate::output::Output;
use crate::{client, get, remote, text};

pub(crate) fn run(args: &ShowArgs, output: Output) -> anyhow::Result<()> {
    if args.source.starts_with("magnet:") {
        let magnet: Magnet = args.source.parse().or_exit(Failure::Torrent)?;
        show_magnet(&magnet, output);
        return Ok(());
    }
    if !is_file(&args.source) {
        return client::block_on(remote::details::run(args, output));
    }
    let metainfo = get::read(Path::new(&args.source))?;
    if args.magnet {
        output.result(Magnet::of(&metainfo));
        output.object(&json!({ "magnet": Magnet::of(&metainfo).to_string() }));
    } else {
        show_torrent(&metainfo, output);
    }
    Ok(())
}

/// Whether a file is meant, rather than a torrent of the daemon. Names of files that are not there are names of files still.
fn is_file(source: &str) -> bool {
    source.contains('/') || source.ends_with(".torrent") || Path::new(source).is_file()
}

fn show_torrent(metainfo: &Metainfo, output: Output) {
    let info = &metainfo.info;
    let row = |name: &str, value: &str| output.result(format_args!("{name:<13} {value}"));
    row("name", &text::safe(&info.name, 300));
    row("version", info.version.name());
    if let Some(hash) = metainfo.info_hashes.v1() {
        row("info-hash v1", &hash.to_string());
    }
    if let Some(hash) = metainfo.info_hashes.v2() {
        row("info-hash v2", &hash.to_string());
    }
    row("size", &format!("{} ({} bytes)", text::bytes(info.content_length()), info.content_length()));
    row("pieces", &format!("{} of {}", info.piece_count(), text::bytes(u64::from(info.piece_length))));
    if info.private {
        row("private", "yes: peers from its trackers only");
    }
    let optional = [("comment", &metainfo.comment), ("created by", &metainfo.created_by)];
    for (name, value) in optional {
        if let Some(value) = value {
            row(name, &text::safe(value, 500));
        }
    }
    if let Some(date) = metainfo.creation_date {
        row("created at", &format!("{date} (seconds since 1970)"));
    }
    for (tier, urls) in metainfo.trackers.iter().enumerate() {
        for url in urls {
            row("tracker", &format!("{}  tier {tier}", text::safe(url, 300)));
        }
    }
    for url in &metainfo.web_seeds {
        row("web seed", &text::safe(url, 300));
    }
    for (host, port) in &metainfo.nodes {
        row("node", &format!("{}:{port}", text::safe(host, 200)));
    }
    output.result("files");
    let files = info.files.iter().filter(|file| !file.attributes.pad).enumerate();
    for (number, file) in files.clone() {
        let renamed = if file.original_path.is_some() { "  (renamed)" } else { "" };
        let path = text::safe(&file.path, 500);
        output.result(format_args!("{number:>6}  {:>10}  {path}{renamed}", text::bytes(file.length)));
    }
    let files: Vec<_> = files
        .map(|(number, file)| {
            let root = file.pieces_root.map(|root| root.to_string());
            json!({ "number": number, "path": file.path, "length": file.length, "pieces_root": root,
                    "renamed": file.original_path.is_some() })
        })
        .collect();
    output.object(&json!({
        "name": info.name, "version": info.version.name(),
        "info_hash_v1": metainfo.info_hashes.v1().map(|hash| hash.to_string()),
        "info_hash_v2": metainfo.info_hashes.v2().map(|hash| hash.to_string()),
        "bytes": info.content_length(), "pieces": info.piece_count(), "piece_length": info.piece_length,
        "private": info.private, "comment": metainfo.comment, "created_by": metainfo.created_by,
        "creation_date": metainfo.creation_date, "trackers": metainfo.trackers,
        "web_seeds": metainfo.web_seeds, "nodes": metainfo.nodes, "files": files,
        "magnet": Magnet::of(metainfo).to_string(),
    }));
}

fn show_magnet(magnet: &Magnet, output: Output) {
    let row = |name: &str, value: &str| output.result(format_args!("{name:<13} {value}"));
    if let Some(name) = &magnet.name {
        row("name", &text::safe(name, 300));
    }
    if let Some(hash) = magnet.info_hashes.v1() {
        row("info-hash v1", &hash.to_string());
    }
    if let Some(hash) = magnet.info_hashes.v2() {
        row("info-hash v2", &hash.to_string());
    }
    for url in &magnet.trackers {
        row("tracker", &text::safe(url, 300));
    }
    for (host, port) in &magnet.peers {
        row("peer", &format!("{}:{port}", text::safe(host, 200)));
    }
    for url in &magnet.web_seeds {
        row("web seed", &text::safe(url, 300));
    }
    if let Some(files) = &magnet.select_only {
        let ranges: Vec<String> =
            files.iter().map(|range| format!("{}-{}", range.start(), range.end())).collect();
        row("files", &ranges.join(","));
    }
    output.object(&json!({
        "name": magnet.name,
        "info_hash_v1": magnet.info_hashes.v1().map(|hash| hash.to_string()),
        "info_hash_v2": magnet.info_hashes.v2().map(|hash| hash.to_string()),
        "trackers": magnet.trackers, "peers": magnet.peers, "web_seeds": magnet.web_seeds,
    }));
}

#[cfg(test)]
mod tests {
    use super::is_file;

    #[test]
    fn what_looks_like_a_file_is_one_and_the_rest_are_torrents_of_the_daemon() {
        for file in ["a.torrent", "./debian", "dir/x", "Cargo.toml"] {
            assert!(is_file(file), "{file}");
        }
        for torrent in ["debian", "3f2a9c01", "src"] {
            assert!(!is_file(torrent), "{torrent}");
        }
    }
}
