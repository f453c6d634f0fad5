//! `torrent-remove`.

use sprat_core::storage::Files;

use super::call::Answer;
use super::params::Params;
use super::state::Rpc;
use super::value::Object;
use super::who::chosen;

/// Removes torrents; with `delete-local-data` also the files that they have made, and that no other torrent uses.
pub(super) async fn remove(rpc: &Rpc, params: &Params) -> Answer {
    let torrents = chosen(rpc, params)?.torrents();
    let deletes = params.flag("delete_local_data")?.unwrap_or(false);
    rpc.service.remove(&torrents, if deletes { Files::Delete } else { Files::Forget }).await?;
    rpc.memory.forget(&torrents);
    Ok(Object::new())
}
