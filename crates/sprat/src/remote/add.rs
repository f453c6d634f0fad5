//! `sprat add`

use std::path::Path;

use data_encoding::BASE64;
use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use sprat_daemon::service::Priority;
use sprat_wire::magnet::Magnet;
use sprat_wire::metainfo::Metainfo;

use super::caller::Caller;
use super::failure::{CallError, Refused};
use super::{files, naming, relocate};
use crate::cli::FileNumbers;
use crate::cli::remote::AddArgs;
use crate::exit::{Failure, OrExit as _};
use crate::output::Output;
use crate::{get, text};

/// What the daemon says of a torrent that it has added.
#[derive(Debug, Deserialize)]
struct Added {
    hash: String,
    name: String,
}

/// What the daemon finds in a torrent, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Inspected {
    files: Vec<InspectedFile>,
}

#[derive(Debug, Deserialize)]
struct InspectedFile {
    index: usize,
}

pub(crate) async fn run(args: AddArgs, output: Output) -> anyhow::Result<()> {
    let caller = Caller::find(&args.at)?;
    let options = options(&caller, &args)?;
    // One that cannot be used does not keep the others from being added.
    let mut failed = None;
    for source in &args.sources {
        if let Err(error) = add(&caller, source, &args, &options, output).await
            && let Some(before) = failed.replace(error)
        {
            output.problem(&before);
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn add(
    caller: &Caller,
    source: &str,
    args: &AddArgs,
    options: &Value,
    output: Output,
) -> anyhow::Result<()> {
    let mut request = options.clone();
    let wanted = wanted(caller, source, args.only.as_ref()).await?;
    for (key, value) in wanted {
        request[key] = value;
    }
    match caller.ask::<Added>(Method::POST, "/torrents", &request).await {
        Ok(added) => tell("added", &added, output),
        Err(CallError::Refused(Refused { error, hash: Some(hash), .. })) if error == "duplicate" => {
            let name = source.to_owned();
            tell("there already", &Added { hash, name }, output);
        }
        Err(error) => {
            return Err(error.into_error().context(format!("cannot add {}", text::safe(source, 200))));
        }
    }
    Ok(())
}

fn tell(done: &str, added: &Added, output: Output) {
    output.line(format_args!("{done}  {}  {}", naming::short(&added.hash), text::safe(&added.name, 200)));
    output.object(&json!({ "event": done, "hash": added.hash, "name": added.name }));
}

/// What holds for all sources alike.
fn options(caller: &Caller, args: &AddArgs) -> anyhow::Result<Value> {
    let directory = args.directory.as_deref().map(|named| relocate::directory(caller, named)).transpose()?;
    let trackers: Vec<[&String; 1]> = args.trackers.iter().map(|url| [url]).collect();
    Ok(json!({
        "directory": directory, "name": args.name, "label": args.label, "tags": args.tags, "stopped": args.paused,
        "at_top": args.first, "adopt": args.adopt, "sequential": args.sequential,
        "first_last": args.first_last, "super_seeding": args.super_seeding, "trackers": trackers,
        "peers": args.peers, "download_limit": args.download_limit, "upload_limit": args.upload_limit,
    }))
}

/// The source itself, and which of its files are wanted.
async fn wanted(
    caller: &Caller,
    source: &str,
    only: Option<&FileNumbers>,
) -> anyhow::Result<Vec<(&'static str, Value)>> {
    if source.starts_with("magnet:") {
        let mut magnet: Magnet = source.parse().or_exit(Failure::Torrent)?;
        // Which files it has is not known yet: the link says which are wanted when it is (BEP 53).
        magnet.select_only = only.map(FileNumbers::ranges).or(magnet.select_only);
        return Ok(vec![("magnet", json!(magnet.to_string()))]);
    }
    if source.starts_with("http://") || source.starts_with("https://") {
        let url = ("url", json!(source));
        let Some(only) = only else { return Ok(vec![url]) };
        let inspected: Inspected = caller
            .ask(Method::POST, "/torrents/inspect", &json!({ "url": source }))
            .await
            .map_err(CallError::into_error)?;
        let indices: Vec<usize> = inspected.files.iter().map(|file| file.index).collect();
        return Ok(vec![url, ("priorities", priorities(&indices, only)?)]);
    }
    let (bytes, metainfo) = get::read_with_bytes(Path::new(source))?;
    let file = ("file", json!(BASE64.encode(&bytes)));
    let Some(only) = only else { return Ok(vec![file]) };
    Ok(vec![file, ("priorities", priorities(&indices(&metainfo), only)?)])
}

/// The files that people count, by the numbers of the API.
fn indices(metainfo: &Metainfo) -> Vec<usize> {
    let files = metainfo.info.files.iter().enumerate();
    files.filter(|(_, file)| !file.attributes.pad).map(|(index, _)| index).collect()
}

/// All but the wanted ones are skipped.
fn priorities(indices: &[usize], only: &FileNumbers) -> anyhow::Result<Value> {
    files::check(only, indices.len())?;
    let others = indices.iter().enumerate().filter(|(number, _)| !only.contains(*number));
    Ok(others.map(|(_, index)| json!({ "file": index, "priority": Priority::Skip })).collect())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn the_others_are_skipped_by_the_numbers_of_the_api() {
        let cli = Cli::parse_from(["sprat", "add", "x", "--only", "1-2"]);
        let Command::Add(AddArgs { only: Some(only), .. }) = cli.command else { panic!("{cli:?}") };
        let skipped = priorities(&[0, 2, 4, 6], &only).unwrap();
        let expected = json!([{ "file": 0, "priority": "skip" }, { "file": 6, "priority": "skip" }]);
        assert_eq!(skipped, expected);
        assert!(priorities(&[0, 2], &only).unwrap_err().to_string().contains("0 to 1"));
    }
}
