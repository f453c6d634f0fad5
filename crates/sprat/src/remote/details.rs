//! `sprat show`, of a torrent that the daemon has.

use serde_json::json;
use sprat_daemon::service::TorrentDetails;
use sprat_daemon::torrents::SeedingLimit;

use super::caller::Caller;
use super::table::Heading;
use super::{listing, words};
use crate::cli::ShowArgs;
use crate::output::Output;
use crate::text;

pub(crate) async fn run(args: &ShowArgs, output: Output) -> anyhow::Result<()> {
    let caller = Caller::find(&args.at)?;
    let torrent = listing::one(&caller, &args.source).await?;
    let details: TorrentDetails = caller.get(&format!("/torrents/{}", torrent.hash)).await?;
    if args.magnet {
        output.result(text::safe(&details.magnet, 4000));
        output.object(&json!({ "magnet": details.magnet }));
        return Ok(());
    }
    for (name, value) in rows(&details) {
        output.result(format_args!("{name:<13} {value}"));
    }
    output.object(&details);
    Ok(())
}

/// The columns of what is said where it stands in a table.
pub(crate) const HEADINGS: [Heading; 2] = [Heading::text(""), Heading::long("")];

/// What there is to say, line by line; what is not known is left out.
pub(crate) fn rows(of: &TorrentDetails) -> Vec<(&'static str, String)> {
    let one = &of.summary;
    let mut rows = vec![("name", text::safe(&one.name, 300)), ("state", words::state(one.state).to_owned())];
    let mut row = |name, value: String| rows.push((name, value));
    if let Some(trouble) = &one.trouble {
        row("trouble", text::safe(&trouble.text, 500));
        row("what to do", text::safe(&trouble.remedy, 500));
    }
    for (name, hash) in [("info-hash v1", &of.info_hash_v1), ("info-hash v2", &of.info_hash_v2)] {
        if let Some(hash) = hash {
            row(name, text::safe(hash, 64));
        }
    }
    row("done", format!("{}, {} left", words::permille(one.progress.into()), text::bytes(one.left)));
    if one.has_metadata {
        row("size", format!("{} in {} files", text::bytes(one.size), of.files));
        let length = text::bytes(of.piece_length.into());
        row("pieces", format!("{} of {}, each {length}", of.pieces_have, of.pieces));
    }
    row("directory", text::safe(&one.directory, 500));
    if let Some(to) = &of.moving_to {
        row("moving to", text::safe(to, 500));
    }
    row("down", figures(one.download_rate, one.downloaded, one.download_limit));
    row("up", figures(one.upload_rate, one.uploaded, one.upload_limit));
    row("time left", words::eta(one));
    row("ratio", words::ratio(one.ratio));
    row("seeds until", seeding(of));
    row("peers", format!("{} connected, {} of them seeds; {} known", one.peers, one.seeds, one.known_peers));
    if let Some(availability) = one.availability {
        row("availability", format!("{}.{:03} copies", availability / 1000, availability % 1000));
    }
    if let Some(label) = &one.label {
        row("label", text::safe(label, 100));
    }
    if !one.tags.is_empty() {
        row("tags", text::safe(&one.tags.iter().map(String::as_str).collect::<Vec<_>>().join(", "), 300));
    }
    let queue = if one.is_forced { ", but runs whatever the queue says" } else { "" };
    row("queue", format!("place {}{queue}", one.position + 1));
    if one.sequential {
        row("order", "pieces in order".to_owned());
    }
    if one.is_private {
        row("private", "yes: peers from its trackers only".to_owned());
    }
    row("added", words::date(one.added_at));
    for (name, at) in [("completed", one.completed_at), ("active", one.active_at), ("made", of.created_at)] {
        if let Some(at) = at {
            row(name, words::date(at));
        }
    }
    for (name, said) in [("made with", &of.created_by), ("comment", &of.comment)] {
        if let Some(said) = said {
            row(name, text::safe(said, 500));
        }
    }
    for url in &of.web_seeds {
        row("web seed", text::safe(url, 300));
    }
    row("magnet", text::safe(&of.magnet, 4000));
    rows
}

fn figures(rate: u64, bytes: u64, limit: Option<u64>) -> String {
    let limit = limit.map_or_else(String::new, |limit| format!(", limited to {}", text::rate(limit)));
    format!("{}, {} in all{limit}", text::rate(rate), text::bytes(bytes))
}

/// When it has given enough, where the torrent itself says so.
fn seeding(of: &TorrentDetails) -> String {
    let limits = of.summary.seeding;
    let said = [
        limit("ratio", limits.ratio, words::ratio),
        limit("seeding for", limits.seconds, words::seconds),
        limit("unwanted for", limits.idle_seconds, words::seconds),
        of.summary.has_given_enough.then(|| "it has given enough".to_owned()),
    ];
    let said: Vec<String> = said.into_iter().flatten().collect();
    if said.is_empty() { "as for its label, or for all".to_owned() } else { said.join(", ") }
}

fn limit<T>(name: &str, limit: SeedingLimit<T>, told: impl FnOnce(T) -> String) -> Option<String> {
    match limit {
        SeedingLimit::Inherit => None,
        SeedingLimit::Unlimited => Some(format!("{name} unlimited")),
        SeedingLimit::Limit(limit) => Some(format!("{name} {}", told(limit))),
    }
}

#[cfg(test)]
mod tests {
    use sprat_daemon::torrents::{SeedingLimits, Summary};

    use super::super::words::tests::summary;
    use super::*;

    #[test]
    fn what_strangers_have_written_cannot_write_to_the_terminal() {
        const HOSTILE: &str = "\u{1b}]0;x\u{7}\u{202e}\u{9b}2J\n";
        let hostile = || Some(HOSTILE.to_owned());
        let details = TorrentDetails {
            summary: Summary {
                label: hostile(),
                directory: HOSTILE.to_owned(),
                tags: [HOSTILE.to_owned()].into(),
                seeding: SeedingLimits { ratio: SeedingLimit::Limit(2.0), ..SeedingLimits::default() },
                ..summary("aa", HOSTILE)
            },
            info_hash_v1: hostile(),
            info_hash_v2: None,
            magnet: HOSTILE.to_owned(),
            comment: hostile(),
            created_by: hostile(),
            created_at: Some(i64::MIN),
            piece_length: 0,
            pieces: 0,
            pieces_have: 0,
            files: 0,
            web_seeds: vec![HOSTILE.to_owned()],
            moving_to: hostile(),
            upload_is_bottleneck: false,
        };
        for (name, value) in rows(&details) {
            assert_eq!(text::safe(&value, 10_000), value, "{name}");
        }
        assert!(rows(&details).contains(&("seeds until", "ratio 2.00".to_owned())));
    }
}
