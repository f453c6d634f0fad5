//! `sprat log`

use anyhow::Context as _;
use sprat_daemon::log::{Entry, Since};

use super::caller::Caller;
use super::words;
use crate::cli::remote::LogArgs;
use crate::exit::{Failure, fail};
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::text;

pub(crate) async fn run(args: LogArgs, output: Output) -> anyhow::Result<()> {
    let caller = Caller::find(&args.at)?;
    let last: Since = caller.get(&format!("/log?level={}&limit={}", args.level, args.lines)).await?;
    for entry in &last.entries {
        output.happening(line(entry), entry)?;
    }
    if !args.follow {
        return Ok(());
    }
    let path = format!("/log/events?level={}&since={}", args.level, last.next);
    let mut events = caller.events(&path).await?;
    let mut interrupts = Interrupts::new().context("cannot wait for signals")?;
    loop {
        let event = tokio::select! {
            event = events.next() => event?,
            () = interrupts.wanted() => return Ok(()),
        };
        let Some(event) = event else { return fail(Failure::Network, "the daemon has ended") };
        let Ok(entry) = serde_json::from_str::<Entry>(&event.data) else { continue };
        // Nobody reads any more.
        if output.happening(line(&entry), &entry).is_err() {
            return Ok(());
        }
    }
}

/// `2026-05-31 12:04:09  WARN  sprat_daemon::access  a wrong token`
fn line(entry: &Entry) -> String {
    let level = entry.level.name().to_uppercase();
    let (target, message) = (text::safe(&entry.target, 100), text::safe(&entry.message, 4000));
    format!("{}  {level:<5}  {target}  {message}", words::moment(entry.at))
}
