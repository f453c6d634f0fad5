//! The trackers of a torrent, and how they are edited.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use sprat_core::storage::TorrentId;
use url::Url;

use super::failure::Failure;
use super::params::Params;
use super::state::Web;
use super::who::one;
use crate::service::{PeerDetails, PeerOrigin, TrackerDetails, TrackerWord, urls_by_tier};

/// `torrents/trackers`. Where peers come from without a tracker stands before those, as if each was one.
pub(super) async fn list(State(web): State<Arc<Web>>, params: Params) -> Result<Json<Vec<Value>>, Failure> {
    let line = one(&web, &params)?;
    let (trackers, peers) = tokio::join!(web.service.trackers(line.torrent), web.service.peers(line.torrent));
    let (trackers, peers) = (TrackerDetails::each_once(trackers?), peers?);
    let fixed = web.service.fixed();
    let is_open = !line.summary.is_private;
    let others = [
        ("** [DHT] **", PeerOrigin::Dht, fixed.dht),
        ("** [PeX] **", PeerOrigin::Pex, fixed.pex),
        ("** [LSD] **", PeerOrigin::Lsd, fixed.lsd),
    ];
    let others = others.map(|(name, origin, is_on)| without_tracker(name, &peers, origin, is_on && is_open));
    Ok(Json(others.into_iter().chain(trackers.iter().map(describe)).collect()))
}

/// What a tracker does, by its number.
mod status {
    pub(super) const DISABLED: u8 = 0;
    pub(super) const NOT_CONTACTED: u8 = 1;
    pub(super) const WORKING: u8 = 2;
    pub(super) const UPDATING: u8 = 3;
    pub(super) const NOT_WORKING: u8 = 4;
}

fn without_tracker(name: &str, peers: &[PeerDetails], origin: PeerOrigin, is_on: bool) -> Value {
    let known = peers.iter().filter(|peer| peer.source == Some(origin));
    let (seeds, leeches): (Vec<_>, Vec<_>) = known.partition(|peer| peer.progress == 1000);
    json!({
        "url": name,
        "status": if is_on { status::WORKING } else { status::DISABLED },
        "tier": -1,
        "num_peers": seeds.len() + leeches.len(),
        "num_seeds": seeds.len(),
        "num_leeches": leeches.len(),
        "num_downloaded": 0,
        "msg": "",
    })
}

fn describe(tracker: &TrackerDetails) -> Value {
    let status = match tracker.state {
        TrackerWord::Idle => status::NOT_CONTACTED,
        TrackerWord::Updating => status::UPDATING,
        TrackerWord::Working => status::WORKING,
        TrackerWord::Failed => status::NOT_WORKING,
    };
    let counted = |count: Option<u32>| count.map_or(-1, i64::from);
    json!({
        "url": tracker.url,
        "status": status,
        "tier": tracker.tier,
        "num_peers": tracker.peers.unwrap_or_default(),
        "num_seeds": counted(tracker.seeders),
        "num_leeches": counted(tracker.leechers),
        "num_downloaded": counted(tracker.downloads),
        "msg": tracker.error.as_deref().unwrap_or_default(),
    })
}

/// Changes their URLs by tier, and nobody else does meanwhile.
async fn edit_tiers(
    web: &Web,
    torrent: TorrentId,
    edit: impl FnOnce(&mut Vec<Vec<String>>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let edit = |before: Vec<TrackerDetails>| {
        let mut tiers = urls_by_tier(before.into_iter().map(|tracker| (tracker.tier, tracker.url)));
        edit(&mut tiers)?;
        Ok::<_, Failure>(Some(tiers))
    };
    web.service.edit_trackers(torrent, edit).await?;
    web.swarms.forget().await;
    Ok(())
}

/// `torrents/addTrackers`: a tier for each, or for those between which there is no empty line. Known ones are passed over.
pub(super) async fn add(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let torrent = one(&web, &params)?.torrent;
    let urls = params.needed("urls")?.lines().map(str::trim);
    let add = |tiers: &mut Vec<Vec<String>>| {
        for url in urls {
            if !url.is_empty() && !tiers.iter().flatten().any(|known| known == url) {
                tiers.push(vec![checked(url)?]);
            }
        }
        Ok(())
    };
    edit_tiers(&web, torrent, add).await
}

/// `torrents/editTracker`
pub(super) async fn edit(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let torrent = one(&web, &params)?.torrent;
    let (old, new) = (params.needed("origUrl")?, checked(params.needed("newUrl")?)?);
    let replace = |tiers: &mut Vec<Vec<String>>| {
        if tiers.iter().flatten().any(|known| *known == new) {
            return Err(Failure::conflict("it has this tracker already"));
        }
        let known = tiers.iter_mut().flatten().find(|known| *known == old);
        *known.ok_or_else(|| Failure::conflict("it has no such tracker"))? = new;
        Ok(())
    };
    edit_tiers(&web, torrent, replace).await
}

/// `torrents/removeTrackers`
pub(super) async fn remove(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let torrent = one(&web, &params)?.torrent;
    let urls = params.list("urls", '|');
    let remove = |tiers: &mut Vec<Vec<String>>| {
        if !tiers.iter().flatten().any(|known| urls.contains(&known.as_str())) {
            return Err(Failure::conflict("it has no such tracker"));
        }
        for tier in tiers {
            tier.retain(|known| !urls.contains(&known.as_str()));
        }
        Ok(())
    };
    edit_tiers(&web, torrent, remove).await
}

fn checked(url: &str) -> Result<String, Failure> {
    let url = url.trim();
    let is_tracker = Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "udp"));
    if is_tracker {
        Ok(url.to_owned())
    } else {
        Err(Failure::bad_request("this is not the URL of a tracker"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trackers_are_taken_for_trackers() {
        for url in
            ["http://a.example.org/announce", " https://a.example.org/x?k=v ", "udp://a.example.org:6969"]
        {
            assert_eq!(checked(url).unwrap(), url.trim());
        }
        for url in ["", "a", "file:///etc/passwd", "javascript:1", "wss://a.example.org"] {
            assert!(checked(url).is_err(), "{url}");
        }
    }
}
