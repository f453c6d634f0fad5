//! `sprat stats`

use serde::{Deserialize, Serialize};
use sprat_daemon::statistics::Counts;

use super::caller::Caller;
use super::table::{Heading, table};
use super::words;
use crate::cli::remote::StatisticsArgs;
use crate::output::Output;
use crate::text;

/// What the daemon has counted, and what it is.
#[derive(Debug, Serialize)]
struct Statistics {
    #[serde(flatten)]
    counted: Counted,
    daemon: Version,
    /// Where torrents go; none if its disk cannot be asked.
    space: Option<Space>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Counted {
    session: Counts,
    all: Counts,
    download_rate: u64,
    upload_rate: u64,
    peers: usize,
    torrents: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct Version {
    version: String,
    port: u16,
    damages: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Space {
    directory: String,
    free: u64,
    total: u64,
}

const HEADINGS: [Heading; 3] =
    [Heading::text(""), Heading::figure("since the start"), Heading::figure("in all")];

pub(crate) async fn run(args: StatisticsArgs, output: Output) -> anyhow::Result<()> {
    let caller = Caller::find(&args.at)?;
    let statistics = Statistics {
        counted: caller.get("/statistics").await?,
        daemon: caller.get("/version").await?,
        // A disk that is gone keeps nobody from the figures.
        space: caller.get("/space").await.ok(),
    };
    output.object(&statistics);
    let row = |name: &str, value: String| output.result(format_args!("{name:<13} {value}"));
    let Statistics { counted, daemon, space } = &statistics;
    row("daemon", format!("sprat {} at {}", text::safe(&daemon.version, 40), caller.address()));
    row("peers' port", if daemon.port == 0 { "none".to_owned() } else { daemon.port.to_string() });
    row("torrents", counted.torrents.to_string());
    row("peers", counted.peers.to_string());
    row("down", text::rate(counted.download_rate));
    row("up", text::rate(counted.upload_rate));
    if let Some(space) = space {
        let (free, total) = (text::bytes(space.free), text::bytes(space.total));
        row("room", format!("{free} of {total} in {}", text::safe(&space.directory, 300)));
    }
    for damage in &daemon.damages {
        row("damage", text::safe(damage, 500));
    }
    output.result("");
    output.result(table(&HEADINGS, rows(counted)));
    Ok(())
}

fn rows(counted: &Counted) -> Vec<Vec<String>> {
    let row = |name: &str, told: &dyn Fn(&Counts) -> String| {
        vec![name.to_owned(), told(&counted.session), told(&counted.all)]
    };
    vec![
        row("received", &|counts| text::bytes(counts.downloaded)),
        row("sent", &|counts| text::bytes(counts.uploaded)),
        row("added", &|counts| counts.added.to_string()),
        row("completed", &|counts| counts.completed.to_string()),
        row("running for", &|counts| words::seconds(counts.seconds)),
        row("starts", &|counts| counts.starts.to_string()),
    ]
}
