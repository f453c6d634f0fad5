//! `torrent-add`.

use std::path::PathBuf;

use bytes::Bytes;
use data_encoding::BASE64;
use sprat_core::io::{FilePriority, Manner};
use sprat_wire::metainfo::Metainfo;

use super::call::Answer;
use super::failure::{Code, Failure};
use super::files::{Wishes, of_metainfo};
use super::labels;
use super::names::Name;
use super::params::Params;
use super::state::Rpc;
use super::value::Object;
use super::who::number;
use crate::service::{AddError, Added, NewTorrent, Source};

/// Adds a torrent. One that is there already is no failure.
pub(super) async fn add(rpc: &Rpc, params: &Params) -> Answer {
    let wishes = Wishes::read(params)?;
    let directory = params.text("download_dir")?.filter(|path| !path.is_empty()).map(PathBuf::from);
    if directory.as_ref().is_some_and(|directory| directory.is_relative()) {
        return Err(Failure::plain(Code::RelativePath));
    }
    let (label, tags) = match params.texts("labels")? {
        Some(names) => labels::split(names, None, &rpc.service.labels()),
        None => Default::default(),
    };
    let start = !params.flag("paused")?.unwrap_or(false);
    let sequential = params.flag("sequential_download")?.unwrap_or(false);
    let connections = params.count("peer_limit")?.map(|most| usize::try_from(most).unwrap_or(usize::MAX));
    let source = source(rpc, params).await?;
    let new = NewTorrent {
        directory,
        label,
        tags,
        start,
        sequential,
        manner: Manner { connections, ..Manner::USUAL },
        priorities: priorities(&source, &wishes).await?,
        origin: "transmission".to_owned(),
        ..NewTorrent::new(source)
    };
    match rpc.service.add(new).await {
        Ok(added) => Ok(vec![(Name::Kebab("torrent_added"), describe(&added).into())]),
        Err(AddError::Duplicate(known)) => {
            Ok(vec![(Name::Kebab("torrent_duplicate"), describe(&known).into())])
        }
        Err(error) => Err(error.into()),
    }
}

fn describe(added: &Added) -> Object {
    vec![
        (Name::Same("id"), number(added.torrent).into()),
        (Name::Same("name"), added.name.as_str().into()),
        (Name::Camel("hash_string"), added.hash.as_str().into()),
    ]
}

async fn source(rpc: &Rpc, params: &Params) -> Result<Source, Failure> {
    if let Some(text) = params.text("metainfo")? {
        let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let bytes = BASE64.decode(&text).map_err(|_| Failure::parameter("metainfo", "this is not base64"))?;
        return Ok(Source::File(Bytes::from(bytes)));
    }
    let name = params.text("filename")?.map(str::trim).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Failure::parameter("filename", "this or metainfo is needed"))?;
    match named(name) {
        Named::Magnet(link) => Ok(Source::Magnet(link)),
        Named::Url if params.text("cookies")?.is_some_and(|cookies| !cookies.is_empty()) => {
            Err(Failure::parameter(
                "cookies",
                "sprat sends none; fetch the torrent file and send that as metainfo",
            ))
        }
        Named::Url => {
            let fetched = (rpc.around.fetch)(name.to_owned()).await;
            fetched.map_err(|problem| Failure::new(Code::Fetch, problem))
        }
        Named::Path => Err(Failure::parameter(
            "filename",
            "files of the server are not read; send what is in the torrent file as metainfo",
        )),
    }
}

/// What a file name can be.
#[derive(Debug, PartialEq)]
enum Named {
    Magnet(String),
    Url,
    Path,
}

fn named(name: &str) -> Named {
    let starts =
        |scheme: &str| name.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if starts("magnet:") {
        Named::Magnet(name.to_owned())
    } else if starts("http://") || starts("https://") {
        Named::Url
    } else if name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        // A mere hash will do for a link.
        Named::Magnet(format!("magnet:?xt=urn:btih:{name}"))
    } else {
        Named::Path
    }
}

/// How much files are wanted. While it is not known which there are, nothing can be said of them.
async fn priorities(source: &Source, wishes: &Wishes) -> Result<Vec<(usize, FilePriority)>, Failure> {
    match source {
        Source::File(bytes) if !wishes.is_empty() => {
            let bytes = bytes.clone();
            let parsed = tokio::task::spawn_blocking(move || Metainfo::parse(&bytes)).await;
            let parsed = parsed.map_err(|error| Failure::new(Code::Internal, error))?;
            wishes.applied(&of_metainfo(&parsed.map_err(AddError::from)?))
        }
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_and_urls_are_followed() {
        assert_eq!(named("MAGNET:?xt=urn:btih:x"), Named::Magnet("MAGNET:?xt=urn:btih:x".to_owned()));
        assert_eq!(named("https://example.org/a.torrent"), Named::Url);
        for path in ["/etc/passwd", "file:///etc/passwd", "a.torrent", "ftp://example.org/a", "https:/x"] {
            assert_eq!(named(path), Named::Path, "{path}");
        }
        let hash = "0123456789abcdef0123456789ABCDEF01234567";
        assert_eq!(named(hash), Named::Magnet(format!("magnet:?xt=urn:btih:{hash}")));
    }
}
