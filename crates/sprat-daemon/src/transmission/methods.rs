//! All methods.

use std::sync::Arc;

use super::call::{Answer, Request};
use super::failure::{Code, Failure};
use super::names::folded;
use super::params::Params;
use super::state::Rpc;
use super::value::Object;
use super::who::chosen;
use super::{absent, adding, locations, removing, room, session, torrent_get, torrent_set};
use crate::service::Action;

/// Does what is asked.
pub(super) async fn perform(rpc: &Arc<Rpc>, request: Request) -> Answer {
    let Request { method, params } = request;
    match folded(&method).as_str() {
        "torrentstart" => act(rpc, &params, Action::Start).await,
        "torrentstartnow" => act(rpc, &params, Action::ForceStart).await,
        "torrentstop" => act(rpc, &params, Action::Stop).await,
        "torrentverify" => act(rpc, &params, Action::Recheck).await,
        "torrentreannounce" => act(rpc, &params, Action::Reannounce).await,
        "queuemovetop" => act(rpc, &params, Action::QueueTop).await,
        "queuemoveup" => act(rpc, &params, Action::QueueUp).await,
        "queuemovedown" => act(rpc, &params, Action::QueueDown).await,
        "queuemovebottom" => act(rpc, &params, Action::QueueBottom).await,
        "torrentget" => torrent_get::get(rpc, &params).await,
        "torrentset" => torrent_set::set(rpc, &params).await,
        "torrentadd" => adding::add(rpc, &params).await,
        "torrentremove" => removing::remove(rpc, &params).await,
        "torrentsetlocation" => locations::set_location(rpc, &params).await,
        "torrentrenamepath" => locations::rename_path(rpc, &params).await,
        "sessionget" => session::get(rpc, &params).await,
        "sessionset" => session::set(rpc, &params).await,
        "sessionstats" => Ok(session::stats(rpc)),
        "sessionclose" => Ok(session::close(rpc)),
        "freespace" => room::free_space(rpc, &params).await,
        "blocklistupdate" => absent::blocklist_update(),
        "porttest" => absent::port_test(&params),
        "groupget" => Ok(absent::group_get()),
        "groupset" => absent::group_set(),
        _ => Err(Failure::plain(Code::MethodNotFound)),
    }
}

/// One thing with all that are meant.
async fn act(rpc: &Rpc, params: &Params, action: Action) -> Answer {
    rpc.service.act(&chosen(rpc, params)?.torrents(), action).await?;
    Ok(Object::new())
}
