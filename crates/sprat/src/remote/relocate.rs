//! `sprat mv`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hyper::Method;
use serde_json::json;
use sprat_daemon::service::{Happening, HappeningKind};
use sprat_daemon::torrents::Summary;

use super::caller::Caller;
use super::events::Events;
use super::{act, listing, naming};
use crate::cli::remote::MoveArgs;
use crate::exit::{Failure, fail};
use crate::output::Output;
use crate::text;

pub(crate) async fn run(args: MoveArgs, output: Output) -> anyhow::Result<()> {
    let caller = Caller::find(&args.at)?;
    let torrents = listing::chosen(&caller, &args.which).await?;
    let directory = directory(&caller, &args.directory)?;
    // Before anything is begun: it may be done at once.
    let events = if args.no_wait { None } else { Some(caller.events("/events?fields=hash").await?) };
    for one in &torrents {
        let body = json!({ "directory": directory, "is_there": args.already_there });
        caller.tell(Method::POST, &format!("/torrents/{}/move", one.hash), &body).await?;
    }
    match events {
        Some(events) => wait(events, &torrents, output).await,
        None => {
            act::tell("moving", &torrents, output);
            Ok(())
        }
    }
}

/// A directory in terms of the daemon's machine.
pub(super) fn directory(caller: &Caller, named: &Path) -> anyhow::Result<PathBuf> {
    if caller.is_here() {
        return Ok(std::path::absolute(named)?);
    }
    anyhow::ensure!(
        named.is_absolute(),
        "the daemon is on another machine: say the whole path of the directory there, instead of {}",
        named.display()
    );
    Ok(named.to_owned())
}

/// Waits until all of them have been moved. Those that could not be are told at the end as an error.
async fn wait(mut events: Events, torrents: &[Summary], output: Output) -> anyhow::Result<()> {
    let mut waiting: BTreeSet<&str> = torrents.iter().map(|one| one.hash.as_str()).collect();
    let mut failed = Vec::new();
    while !waiting.is_empty() {
        let Some(event) = events.next().await? else {
            return fail(
                Failure::Network,
                "the daemon has ended; it goes on with moving when it is started again",
            );
        };
        anyhow::ensure!(
            event.name != "missed",
            "too much happens to tell whether it was moved: see `sprat show`"
        );
        if event.name != "happening" {
            continue;
        }
        let Ok(happening) = serde_json::from_str::<Happening>(&event.data) else { continue };
        let hash = happening.hash.as_deref().unwrap_or_default();
        let Some(one) = torrents.iter().find(|one| one.hash == hash) else { continue };
        match happening.kind {
            HappeningKind::Moved { .. } => act::tell("moved", std::slice::from_ref(one), output),
            HappeningKind::MoveFailed { reason } => {
                failed.push(format!("{}: {}", naming::short(hash), text::safe(&reason, 500)));
            }
            HappeningKind::Removed => failed.push(format!("{}: it was removed", naming::short(hash))),
            _ => continue,
        }
        waiting.remove(hash);
    }
    if failed.is_empty() { Ok(()) } else { fail(Failure::Disk, failed.join("; ")) }
}
