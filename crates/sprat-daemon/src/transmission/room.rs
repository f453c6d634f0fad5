//! `free-space`.

use std::path::PathBuf;

use super::call::Answer;
use super::failure::{Code, Failure};
use super::names::Name;
use super::params::Params;
use super::state::Rpc;

/// How much room there is where torrents may lie.
pub(super) async fn free_space(rpc: &Rpc, params: &Params) -> Answer {
    let path = params.text("path")?.ok_or_else(|| Failure::parameter("path", "it is missing"))?;
    let directory = PathBuf::from(path);
    if directory.is_relative() {
        return Err(Failure::plain(Code::RelativePath));
    }
    if !rpc.service.choices().allows(&directory) {
        return Err(Failure::new(Code::System, "torrents may not lie there"));
    }
    let space = tokio::task::spawn_blocking(move || crate::space::of(&directory)).await;
    let space = space.map_err(|error| Failure::new(Code::Internal, error))?;
    let space = space.map_err(|error| Failure::new(Code::System, error))?;
    Ok(vec![
        (Name::Same("path"), path.into()),
        (Name::Kebab("size_bytes"), space.free.into()),
        // With an underscore in both, unlike what is beside it.
        (Name::Same("total_size"), space.total.into()),
    ])
}
