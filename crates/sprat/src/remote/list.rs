//! `sprat ls`

use sprat_daemon::torrents::Summary;

use super::caller::Caller;
use super::table::{Heading, table};
use super::{columns, listing, naming};
use crate::cli::remote::{Column, ListArgs};
use crate::output::Output;
use crate::text;

pub(crate) async fn run(args: ListArgs, output: Output) -> anyhow::Result<()> {
    let caller = Caller::find(&args.at)?;
    let mut torrents = listing::list(&caller, &args.filter).await?;
    if !args.torrents.is_empty() {
        torrents = naming::named(&args.torrents, torrents)?;
    }
    if let Some(column) = args.sort {
        torrents.sort_by(|one, other| columns::order(column, one, other));
    }
    if args.reverse {
        torrents.reverse();
    }
    let sums = sums(&torrents);
    torrents.truncate(args.limit.unwrap_or(usize::MAX));
    for one in &torrents {
        output.object(one);
    }
    if torrents.is_empty() {
        output.line("no torrents");
    } else {
        output.result(shown(&torrents, &args.columns));
        output.line(sums);
    }
    Ok(())
}

fn shown(torrents: &[Summary], shown: &[Column]) -> String {
    let headings: Vec<Heading> = shown.iter().map(|column| columns::heading(*column)).collect();
    let row = |one: &Summary| shown.iter().map(|column| columns::cell(*column, one)).collect();
    table(&headings, torrents.iter().map(row))
}

/// `3 torrents, 1.0 MiB/s down, 20.0 KiB/s up`
fn sums(torrents: &[Summary]) -> String {
    let down = torrents.iter().map(|one| one.download_rate).fold(0, u64::saturating_add);
    let up = torrents.iter().map(|one| one.upload_rate).fold(0, u64::saturating_add);
    let many = if torrents.len() == 1 { "torrent" } else { "torrents" };
    format!("{} {many}, {} down, {} up", torrents.len(), text::rate(down), text::rate(up))
}
