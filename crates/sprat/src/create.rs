//! `sprat create`, and the making half of `sprat share`.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde_json::json;
use sprat_engine::create::{CreateError, CreateOptions, Created};
use sprat_engine::whole_file;
use sprat_wire::magnet::Magnet;
use sprat_wire::metainfo::Version;
use sprat_wire::metainfo::build::Description;

use crate::cli::{CreateArgs, MakeArgs, TorrentVersion};
use crate::exit::{Failure, OrExit as _};
use crate::output::Output;
use crate::text;

pub(crate) fn run(args: &CreateArgs, output: Output) -> anyhow::Result<()> {
    let tiers = args.trackers.iter().map(|tier| tier.split(',').map(str::to_owned).collect()).collect();
    let created = make(&args.path, &args.make, tiers, output)?;
    let target = args.output.clone().unwrap_or_else(|| PathBuf::from(file_name(&created)));
    save(&created, &target)?;
    tell(&created, &target, output);
    Ok(())
}

/// Hashes the content and builds the torrent.
pub(crate) fn make(
    path: &Path,
    args: &MakeArgs,
    trackers: Vec<Vec<String>>,
    output: Output,
) -> anyhow::Result<Created> {
    let creation_date = if args.no_date {
        None
    } else {
        #[expect(clippy::disallowed_methods, reason = "a date in the torrent, for people")]
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).ok();
        since_1970.and_then(|duration| i64::try_from(duration.as_secs()).ok())
    };
    let options = CreateOptions {
        path: path.to_path_buf(),
        version: match args.version {
            TorrentVersion::V1 => Version::V1,
            TorrentVersion::V2 => Version::V2,
            TorrentVersion::Hybrid => Version::Hybrid,
        },
        piece_length: args.piece_length.map(u32::try_from).transpose()?,
        threads: args.threads,
        description: Description {
            private: args.private,
            nodes: args.nodes.iter().map(|node| host_and_port(node)).collect::<anyhow::Result<_>>()?,
            trackers,
            web_seeds: args.web_seeds.clone(),
            comment: args.comment.clone(),
            created_by: Some(concat!("sprat/", env!("CARGO_PKG_VERSION")).to_owned()),
            creation_date,
            ..Description::default()
        },
    };
    let bar = output.bar(1, "hashing {bar:30} {percent:>3}%  {binary_bytes_per_sec}  {eta} left");
    let result = sprat_engine::create::create(&options, &|done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let failure = match &result {
        Err(CreateError::Build(_)) => Failure::Torrent,
        _ => Failure::Disk,
    };
    let created = result.or_exit(failure)?;
    for link in &created.left_out {
        output.line(format_args!("left out, a symbolic link: {}", text::safe(&link.to_string_lossy(), 300)));
    }
    for file in created.metainfo.info.files.iter().filter(|file| file.original_path.is_some()) {
        output.line(format_args!("others will save this file as {}", text::safe(&file.path, 300)));
    }
    Ok(created)
}

fn host_and_port(node: &str) -> anyhow::Result<(String, u16)> {
    let parts = node.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = parts.with_context(|| format!("--node: `{node}` is not HOST:PORT"))?;
    Ok((host.trim_matches(['[', ']']).to_owned(), port))
}

/// `name.torrent`
pub(crate) fn file_name(created: &Created) -> String {
    format!("{}.torrent", created.metainfo.info.name)
}

pub(crate) fn save(created: &Created, target: &Path) -> anyhow::Result<()> {
    whole_file::write(target, &created.bytes).or_exit(Failure::Disk)
}

pub(crate) fn tell(created: &Created, target: &Path, output: Output) {
    let info = &created.metainfo.info;
    let seconds = created.elapsed.as_secs_f64();
    let rate = created.content_length as f64 / seconds.max(1e-9);
    let magnet = Magnet::of(&created.metainfo);
    output.line(format_args!(
        "{} in {} pieces of {}, hashed in {seconds:.2} s ({})",
        text::bytes(created.content_length),
        info.piece_count(),
        text::bytes(u64::from(info.piece_length)),
        text::rate(rate as u64),
    ));
    output.result(format_args!("torrent  {}", text::safe(&target.to_string_lossy(), 500)));
    output.result(format_args!("magnet   {magnet}"));
    output.object(&json!({
        "event": "created", "torrent": target, "magnet": magnet.to_string(),
        "info_hash_v1": created.metainfo.info_hashes.v1().map(|hash| hash.to_string()),
        "info_hash_v2": created.metainfo.info_hashes.v2().map(|hash| hash.to_string()),
        "bytes": created.content_length, "pieces": info.piece_count(), "piece_length": info.piece_length,
        "seconds": seconds,
    }));
}
