//! `sprat trackers`

use hyper::Method;
use serde_json::json;
use sprat_daemon::service::{Action, TrackerDetails, TrackerWord, urls_by_tier};

use super::caller::Caller;
use super::table::{Heading, table};
use super::{act, listing, words};
use crate::cli::remote::TrackersArgs;
use crate::output::Output;
use crate::text;

pub(crate) const HEADINGS: [Heading; 8] = [
    Heading::figure("tier"),
    Heading::long("tracker"),
    Heading::text("state"),
    Heading::figure("seeders"),
    Heading::figure("leechers"),
    Heading::figure("peers"),
    Heading::figure("next in"),
    Heading::long("trouble"),
];

pub(crate) async fn run(args: TrackersArgs, output: Output) -> anyhow::Result<()> {
    let caller = Caller::find(&args.at)?;
    let torrent = listing::one(&caller, &args.torrent).await?;
    let path = format!("/torrents/{}/trackers", torrent.hash);
    let trackers: Vec<TrackerDetails> = caller.get(&path).await?;
    let changes = !args.add.is_empty() || !args.remove.is_empty();
    if changes {
        let tiers = changed(&trackers, &args.add, &args.remove)?;
        caller.tell(Method::PUT, &path, &json!({ "tiers": tiers })).await?;
    }
    let torrent = [torrent];
    if args.announce {
        act::act(&caller, &json!(act::hashes(&torrent)), Action::Reannounce).await?;
    }
    if changes || args.announce {
        act::tell(if changes { "changed" } else { "announcing" }, &torrent, output);
        return Ok(());
    }
    for tracker in &trackers {
        output.object(tracker);
    }
    if trackers.is_empty() {
        output.line("it has no trackers");
    } else {
        output.result(table(&HEADINGS, trackers.iter().map(row)));
    }
    Ok(())
}

/// The tiers with other trackers. A hybrid lists each tracker once for each of its swarms.
fn changed(now: &[TrackerDetails], add: &[String], remove: &[String]) -> anyhow::Result<Vec<Vec<String>>> {
    for url in remove {
        anyhow::ensure!(now.iter().any(|tracker| tracker.url == *url), "it has no tracker {url}");
    }
    let stay = TrackerDetails::each_once(now.to_vec()).into_iter().filter(|one| !remove.contains(&one.url));
    let mut tiers = urls_by_tier(stay.map(|tracker| (tracker.tier, tracker.url)));
    tiers.extend(add.iter().map(|url| vec![url.clone()]));
    Ok(tiers)
}

/// A row of it: text that is safe to print.
pub(crate) fn row(tracker: &TrackerDetails) -> Vec<String> {
    vec![
        tracker.tier.to_string(),
        text::safe(&tracker.url, 300),
        word(tracker.state).to_owned(),
        words::known(tracker.seeders),
        words::known(tracker.leechers),
        words::known(tracker.peers),
        words::known(tracker.next_announce.map(words::seconds)),
        text::safe(tracker.error.as_deref().unwrap_or_default(), 300),
    ]
}

/// What a tracker does.
pub(crate) const fn word(word: TrackerWord) -> &'static str {
    match word {
        TrackerWord::Idle => "idle",
        TrackerWord::Updating => "asking",
        TrackerWord::Working => "working",
        TrackerWord::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracker(url: &str, tier: usize) -> TrackerDetails {
        TrackerDetails {
            url: url.to_owned(),
            tier,
            state: TrackerWord::Idle,
            error: Some("\u{1b}[31mno\u{202e}".to_owned()),
            failures: 0,
            seeders: None,
            leechers: None,
            downloads: None,
            peers: None,
            answered: None,
            next_announce: Some(60),
        }
    }

    #[test]
    fn tiers_stay_together_when_trackers_change() {
        let now = [tracker("a", 0), tracker("b", 0), tracker("a", 0), tracker("c", 1)];
        let strings = |urls: &[&str]| urls.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>();
        let tiers = changed(&now, &strings(&["d"]), &strings(&["c"])).unwrap();
        assert_eq!(tiers, [strings(&["a", "b"]), strings(&["d"])]);
        assert_eq!(changed(&[], &strings(&["d"]), &[]).unwrap(), [strings(&["d"])]);
        assert!(changed(&now, &[], &strings(&["x"])).is_err());
    }

    #[test]
    fn what_a_tracker_says_cannot_write_to_the_terminal() {
        let row = row(&tracker("http://t\u{7}", 0)).concat();
        assert!(!row.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{row}");
    }
}
