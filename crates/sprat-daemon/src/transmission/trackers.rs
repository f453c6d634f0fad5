//! The trackers of a torrent, and how they are edited.

use url::Url;

use super::failure::{Code, Failure};
use super::params::{Params, integer};
use crate::service::{TrackerDetails, TrackerWord, urls_by_tier};

/// A tracker of a torrent. Its number is its place among them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tracker {
    pub(super) details: TrackerDetails,
    /// Another one of its tier is asked instead.
    pub(super) is_backup: bool,
}

/// One for each URL.
pub(super) fn entries(all: Vec<TrackerDetails>) -> Vec<Tracker> {
    let found = TrackerDetails::each_once(all);
    let works = |tier| found.iter().any(|one| one.tier == tier && one.state != TrackerWord::Idle);
    let is_backup = |one: &TrackerDetails| one.state == TrackerWord::Idle && works(one.tier);
    let backups: Vec<bool> = found.iter().map(is_backup).collect();
    found.into_iter().zip(backups).map(|(details, is_backup)| Tracker { details, is_backup }).collect()
}

/// The tiers after what `torrent-set` says of them, if it says anything.
pub(super) fn edited(params: &Params, before: &[Tracker]) -> Result<Option<Vec<Vec<String>>>, Failure> {
    if let Some(text) = params.text("tracker_list")? {
        return Ok(Some(tiers_of(text)?));
    }
    let added = params.texts("tracker_add")?.unwrap_or_default();
    let removed = params.numbers("tracker_remove")?.unwrap_or_default();
    let replaced = replacements(params)?;
    if added.is_empty() && removed.is_empty() && replaced.is_empty() {
        return Ok(None);
    }
    let unknown = |id| Failure::new(Code::Trackers, format!("there is no tracker number {id}"));
    let mut urls: Vec<Option<(usize, String)>> =
        before.iter().map(|one| Some((one.details.tier, one.details.url.clone()))).collect();
    for (id, url) in replaced {
        let (_, old) = urls.get_mut(id).and_then(Option::as_mut).ok_or_else(|| unknown(id))?;
        *old = checked(&url)?;
    }
    for id in removed {
        *urls.get_mut(id).ok_or_else(|| unknown(id))? = None;
    }
    let mut tiers = urls_by_tier(urls.into_iter().flatten());
    for url in added {
        let url = checked(&url)?;
        if !tiers.iter().flatten().any(|one| *one == url) {
            tiers.push(vec![url]);
        }
    }
    Ok(Some(tiers))
}

/// Pairs of a number and a URL, one after the other.
fn replacements(params: &Params) -> Result<Vec<(usize, String)>, Failure> {
    let Some(value) = params.value("tracker_replace") else { return Ok(Vec::new()) };
    let wrong = || Failure::parameter("tracker_replace", "this is not a list of numbers, each with a URL");
    let (pairs, rest) = value.as_array().ok_or_else(wrong)?.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(wrong());
    }
    let pair = |[id, url]: &[serde_json::Value; 2]| {
        Some((usize::try_from(integer(id)?).ok()?, url.as_str()?.to_owned()))
    };
    pairs.iter().map(|one| pair(one).ok_or_else(wrong)).collect()
}

fn tiers_of(text: &str) -> Result<Vec<Vec<String>>, Failure> {
    let mut tiers = vec![Vec::new()];
    for line in text.lines().map(str::trim) {
        match tiers.last_mut() {
            Some(tier) if !line.is_empty() => tier.push(checked(line)?),
            _ => tiers.push(Vec::new()),
        }
    }
    tiers.retain(|tier| !tier.is_empty());
    Ok(tiers)
}

fn checked(url: &str) -> Result<String, Failure> {
    let is_tracker = Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "udp"));
    if is_tracker {
        Ok(url.to_owned())
    } else {
        Err(Failure::new(Code::NoTrackers, "this is not the URL of a tracker"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn details(url: &str, tier: usize, answered: Option<u64>) -> TrackerDetails {
        let state = if answered.is_some() { TrackerWord::Working } else { TrackerWord::Idle };
        TrackerDetails {
            url: url.to_owned(),
            tier,
            state,
            error: None,
            failures: 0,
            seeders: None,
            leechers: None,
            downloads: None,
            peers: None,
            answered,
            next_announce: None,
        }
    }

    fn edit(before: &[Tracker], change: Value) -> Result<Option<Vec<Vec<String>>>, Failure> {
        let Value::Object(object) = change else { panic!("not an object") };
        edited(&object.into(), before)
    }

    const A: &str = "http://a.example.org/announce";
    const B: &str = "udp://b.example.org:7/announce";
    const C: &str = "https://c.example.org/x/announce.php?k=v";

    #[test]
    fn the_two_swarms_of_a_hybrid_have_each_tracker_once() {
        let all = vec![details(A, 0, None), details(B, 0, None), details(A, 0, Some(3)), details(C, 1, None)];
        let found = entries(all);
        assert_eq!(found.iter().map(|one| one.details.url.as_str()).collect::<Vec<_>>(), [A, B, C]);
        assert_eq!(found.iter().map(|one| one.is_backup).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(found[0].details.answered, Some(3));
    }

    #[test]
    fn trackers_are_edited_by_number_or_as_a_text() {
        let before = entries(vec![details(A, 0, None), details(B, 0, None), details(C, 1, None)]);
        assert_eq!(edit(&before, json!({})).unwrap(), None);
        let added =
            edit(&before, json!({"trackerAdd": ["http://d.example.org/announce", A]})).unwrap().unwrap();
        assert_eq!(added, [vec![A, B], vec![C], vec!["http://d.example.org/announce"]]);
        assert_eq!(edit(&before, json!({"trackerRemove": [0, 2]})).unwrap().unwrap(), [[B]]);
        assert_eq!(
            edit(&before, json!({"tracker_replace": [1, C]})).unwrap().unwrap(),
            [vec![A, C], vec![C]]
        );
        let text = format!("{B}\n\n{A}\n{C}\n");
        assert_eq!(edit(&before, json!({"tracker-list": text})).unwrap().unwrap(), [vec![B], vec![A, C]]);
        assert_eq!(edit(&before, json!({"trackerRemove": [9]})).unwrap_err().code, Code::Trackers);
        assert_eq!(
            edit(&before, json!({"trackerAdd": ["file:///etc/passwd"]})).unwrap_err().code,
            Code::NoTrackers
        );
        assert!(edit(&before, json!({"trackerReplace": [1]})).is_err());
    }
}
