//! `torrent-set-location` and `torrent-rename-path`.

use std::path::PathBuf;

use super::call::Answer;
use super::failure::{Code, Failure};
use super::names::Name;
use super::params::Params;
use super::state::Rpc;
use super::value::Object;
use super::who::{chosen, number};

fn needed<'a>(params: &'a Params, name: &'static str) -> Result<&'a str, Failure> {
    params.text(name)?.ok_or_else(|| Failure::parameter(name, "it is missing"))
}

/// Has files lie elsewhere: moves them there, or believes that somebody has.
pub(super) async fn set_location(rpc: &Rpc, params: &Params) -> Answer {
    let location = PathBuf::from(needed(params, "location")?);
    if location.is_relative() {
        return Err(Failure::plain(Code::RelativePath));
    }
    let moves = params.flag("move")?.unwrap_or(false);
    for torrent in chosen(rpc, params)?.torrents() {
        rpc.service.begin_move(torrent, location.clone(), !moves).await?;
    }
    Ok(Object::new())
}

/// Gives a file or a directory of one torrent another name.
pub(super) async fn rename_path(rpc: &Rpc, params: &Params) -> Answer {
    let (path, name) = (needed(params, "path")?, needed(params, "name")?);
    let torrents = chosen(rpc, params)?.torrents();
    let [torrent] = torrents.as_slice() else {
        return Err(Failure::parameter("ids", "one torrent is needed"));
    };
    rpc.service.rename_path(*torrent, path, name).await?;
    Ok(vec![
        (Name::Same("id"), number(*torrent).into()),
        (Name::Same("path"), path.into()),
        (Name::Same("name"), name.into()),
    ])
}
