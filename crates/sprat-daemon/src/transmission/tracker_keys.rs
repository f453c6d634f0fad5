//! How trackers are shown.

use std::net::IpAddr;

use url::Url;

use super::names::Name;
use super::trackers::Tracker;
use super::value::{Object, Out};
use super::view::View;
use crate::service::{TrackerWord, urls_by_tier};

/// What `announceState` can be.
const INACTIVE: i64 = 0;
const WAITING: i64 = 1;
const ACTIVE: i64 = 3;

/// Of what is not known.
const UNKNOWN: i64 = -1;

/// What does not change.
pub(super) fn plain(view: &View<'_>) -> Out {
    numbered(view).map(|(id, one)| Out::from(identity(id, one))).collect()
}

/// How they do.
pub(super) fn stats(view: &View<'_>) -> Out {
    let now = view.context.now;
    numbered(view).map(|(id, one)| Out::from([identity(id, one), doing(one, now)].concat())).collect()
}

/// All of them, a line each, and an empty one between tiers.
pub(super) fn list(view: &View<'_>) -> Out {
    let trackers = view.parts.trackers.iter().map(|one| (one.details.tier, one.details.url.clone()));
    let lines = |tier: Vec<String>| tier.into_iter().map(|url| url + "\n").collect();
    let tiers: Vec<String> = urls_by_tier(trackers).into_iter().map(lines).collect();
    tiers.join("\n").into()
}

fn numbered<'a>(view: &'a View<'_>) -> impl Iterator<Item = (usize, &'a Tracker)> {
    view.parts.trackers.iter().enumerate()
}

fn identity(id: usize, one: &Tracker) -> Object {
    let url = Url::parse(&one.details.url).ok();
    vec![
        (Name::Same("id"), id.into()),
        (Name::Same("announce"), one.details.url.as_str().into()),
        (Name::Same("scrape"), scrape(&one.details.url).into()),
        (Name::Same("sitename"), url.as_ref().map(site).unwrap_or_default().into()),
        (Name::Same("tier"), one.details.tier.into()),
    ]
}

fn doing(one: &Tracker, now: i64) -> Object {
    let details = &one.details;
    let state = match details.state {
        TrackerWord::Updating => ACTIVE,
        TrackerWord::Idle => INACTIVE,
        TrackerWord::Working | TrackerWord::Failed => WAITING,
    };
    let counted = |count: Option<u32>| count.map_or(UNKNOWN, i64::from);
    let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    let answered = details.answered.map_or(0, |ago| now.saturating_sub(seconds(ago)));
    let next = details.next_announce.map_or(0, |left| now.saturating_add(seconds(left)));
    let result = details.error.as_deref().unwrap_or(if details.answered.is_some() { "Success" } else { "" });
    let host = Url::parse(&details.url).ok().map(|url| host(&url)).unwrap_or_default();
    let knows_swarm = details.seeders.or(details.leechers).is_some();
    vec![
        (Name::Camel("announce_state"), state.into()),
        (Name::Camel("download_count"), counted(details.downloads).into()),
        (Name::Same("downloader_count"), UNKNOWN.into()),
        (Name::Camel("has_announced"), (details.answered.is_some() || details.failures > 0).into()),
        // Trackers tell of their swarms in the answers to announces.
        (Name::Camel("has_scraped"), knows_swarm.into()),
        (Name::Same("host"), host.into()),
        (Name::Camel("is_backup"), one.is_backup.into()),
        (Name::Camel("last_announce_peer_count"), details.peers.unwrap_or_default().into()),
        (Name::Camel("last_announce_result"), result.into()),
        (Name::Camel("last_announce_start_time"), answered.into()),
        (
            Name::Camel("last_announce_succeeded"),
            (details.answered.is_some() && details.error.is_none()).into(),
        ),
        (Name::Camel("last_announce_time"), answered.into()),
        (Name::Camel("last_announce_timed_out"), false.into()),
        (Name::Camel("last_scrape_result"), "".into()),
        (Name::Camel("last_scrape_start_time"), 0_i64.into()),
        (Name::Camel("last_scrape_succeeded"), knows_swarm.into()),
        (Name::Camel("last_scrape_time"), if knows_swarm { answered } else { 0 }.into()),
        (Name::Camel("last_scrape_timed_out"), false.into()),
        (Name::Camel("leecher_count"), counted(details.leechers).into()),
        (Name::Camel("next_announce_time"), next.into()),
        (Name::Camel("next_scrape_time"), 0_i64.into()),
        (Name::Camel("scrape_state"), INACTIVE.into()),
        (Name::Camel("seeder_count"), counted(details.seeders).into()),
    ]
}

/// BEP 48: where the last part of the path begins with `announce`; elsewhere there is none. UDP has one address for both.
fn scrape(announce: &str) -> String {
    if announce.starts_with("udp:") {
        return announce.to_owned();
    }
    match announce.rsplit_once("/announce") {
        Some((before, rest)) if !rest.contains('/') => format!("{before}/scrape{rest}"),
        _ => String::new(),
    }
}

fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// What people call a site: `example` of `tracker.example.org`, and all of an address.
fn site(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let is_address = host.parse::<IpAddr>().is_ok() || host.starts_with('[');
    let name = host.rsplit('.').nth(1).filter(|_| !is_address);
    name.unwrap_or(host).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_tracker_is_asked_for_counts() {
        assert_eq!(scrape("http://a.example.org/announce"), "http://a.example.org/scrape");
        assert_eq!(
            scrape("https://c.example.org/x/announce.php?k=v"),
            "https://c.example.org/x/scrape.php?k=v"
        );
        assert_eq!(scrape("udp://b.example.org:7/announce"), "udp://b.example.org:7/announce");
        assert_eq!(scrape("http://a.example.org/announce/x"), "");
        assert_eq!(site(&Url::parse("http://tracker.example.org/announce").unwrap()), "example");
        assert_eq!(site(&Url::parse("http://10.0.0.1:80/announce").unwrap()), "10.0.0.1");
        assert_eq!(site(&Url::parse("udp://10.0.0.1:80").unwrap()), "10.0.0.1");
        assert_eq!(site(&Url::parse("udp://[::1]:80").unwrap()), "[::1]");
        assert_eq!(host(&Url::parse("https://c.example.org/x").unwrap()), "c.example.org:443");
    }
}
