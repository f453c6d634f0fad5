//! The list as it is now.

use super::failure::Failure;
use super::state::Web;
use super::torrent::{List, places};

/// All torrents, and what holds for them.
pub(super) async fn look(web: &Web) -> Result<List, Failure> {
    let snapshot = web.service.snapshot();
    let overview = web.swarms.look(&web.service, &snapshot).await?;
    Ok(List {
        places: places(&snapshot),
        overview,
        choices: web.service.choices(),
        labels: web.service.labels(),
        snapshot,
    })
}
