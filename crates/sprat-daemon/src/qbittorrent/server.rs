//! What is so of all torrents together: `transfer/info`, and `server_state` in `sync/maindata`.

use serde_json::{Map, Value, json};

use super::delta;
use super::state::Web;
use super::torrent::part;
use crate::torrents::{Snapshot, Summary};

/// `transfer/info`
pub(super) fn transfer(web: &Web, snapshot: &Snapshot) -> Map<String, Value> {
    let counted = web.service.statistics().session;
    let limits = web.service.choices().limits_now();
    let all = || snapshot.lines().iter().map(|line| &line.summary);
    let sum = |of: fn(&Summary) -> u64| all().map(of).fold(0, u64::saturating_add);
    delta::object(&json!({
        // Whether it can be reached from outside is not known; that somebody is connected is.
        "connection_status": if all().any(|one| one.peers > 0) { "connected" } else { "firewalled" },
        "dht_nodes": 0,
        "dl_info_data": counted.downloaded,
        "dl_info_speed": sum(|one| one.download_rate),
        "dl_rate_limit": limits.download.unwrap_or_default(),
        "up_info_data": counted.uploaded,
        "up_info_speed": sum(|one| one.upload_rate),
        "up_rate_limit": limits.upload.unwrap_or_default(),
    }))
}

/// `server_state`
pub(super) async fn state(web: &Web, snapshot: &Snapshot) -> Map<String, Value> {
    let choices = web.service.choices();
    let ever = web.service.statistics().all();
    let all = || snapshot.lines().iter().map(|line| &line.summary);
    let mut state = transfer(web, snapshot);
    let more = delta::object(&json!({
        "alltime_dl": ever.downloaded,
        "alltime_ul": ever.uploaded,
        // A text, unlike all others.
        "global_ratio": format!("{:.2}", part(ever.uploaded, ever.downloaded)),
        "free_space_on_disk": web.room.free(choices.downloads.clone()).await,
        "queueing": true,
        "refresh_interval": 1500,
        "total_peer_connections": all().map(|one| one.peers).sum::<usize>(),
        "total_wasted_session": all().map(|one| one.wasted).fold(0, u64::saturating_add),
        "use_alt_speed_limits": choices.is_alternative,
        "use_subcategories": false,
    }));
    state.extend(more);
    state
}
