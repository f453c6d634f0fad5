//! `sprat start`, `sprat stop` and `sprat recheck`: what is done with several torrents at once.

use hyper::Method;
use serde_json::{Value, json};
use sprat_daemon::service::Action;
use sprat_daemon::torrents::Summary;

use super::caller::Caller;
use super::{listing, naming};
use crate::cli::remote::{ActArgs, StartArgs, WhichArgs};
use crate::output::Output;
use crate::text;

pub(crate) async fn start(args: StartArgs, output: Output) -> anyhow::Result<()> {
    let caller = Caller::find(&args.at)?;
    let torrents = listing::chosen(&caller, &args.which).await?;
    let named = named(&args.which, &torrents);
    if args.adopt {
        act(&caller, &named, Action::Adopt).await?;
    }
    act(&caller, &named, if args.force { Action::ForceStart } else { Action::Start }).await?;
    tell("started", &torrents, output);
    Ok(())
}

pub(crate) async fn stop(args: ActArgs, output: Output) -> anyhow::Result<()> {
    alike(args, Action::Stop, "stopped", output).await
}

pub(crate) async fn recheck(args: ActArgs, output: Output) -> anyhow::Result<()> {
    alike(args, Action::Recheck, "checking", output).await
}

async fn alike(args: ActArgs, action: Action, done: &str, output: Output) -> anyhow::Result<()> {
    let caller = Caller::find(&args.at)?;
    let torrents = listing::chosen(&caller, &args.which).await?;
    act(&caller, &named(&args.which, &torrents), action).await?;
    tell(done, &torrents, output);
    Ok(())
}

/// Has something done with all that are [named]; if one is not there any more, with none.
pub(super) async fn act(caller: &Caller, torrents: &Value, action: Action) -> anyhow::Result<()> {
    let body = json!({ "torrents": torrents, "action": action });
    caller.tell(Method::POST, "/torrents/act", &body).await?;
    Ok(())
}

/// How the API is told which torrents are meant.
pub(super) fn named(which: &WhichArgs, torrents: &[Summary]) -> Value {
    if which.all && which.filter.is_empty() { json!("all") } else { json!(hashes(torrents)) }
}

/// These torrents and no others, whatever was added meanwhile.
pub(super) fn hashes(torrents: &[Summary]) -> Vec<&str> {
    torrents.iter().map(|one| one.hash.as_str()).collect()
}

/// Tells of each torrent what was done.
pub(super) fn tell(done: &str, torrents: &[Summary], output: Output) {
    for one in torrents {
        output.line(format_args!("{done}  {}  {}", naming::short(&one.hash), text::safe(&one.name, 200)));
        output.object(&json!({ "event": done, "hash": one.hash, "name": one.name }));
    }
    if torrents.is_empty() {
        output.line("no torrents");
    }
}
