//! A torrent for tests.

use std::collections::BTreeSet;

use crate::torrents::{SeedingLimits, State, Summary};

/// One that downloads and has nothing yet.
pub(super) fn summary() -> Summary {
    Summary {
        hash: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        id: 1,
        name: "album".to_owned(),
        state: State::Downloading,
        trouble: None,
        progress: 0,
        size: 1000,
        wanted: 1000,
        left: 1000,
        have: 0,
        downloaded: 0,
        uploaded: 0,
        wasted: 0,
        ratio: 0.0,
        download_rate: 0,
        upload_rate: 0,
        eta: None,
        peers: 0,
        seeds: 0,
        known_peers: 0,
        availability: None,
        label: None,
        tags: BTreeSet::new(),
        directory: "/srv".to_owned(),
        added_at: 1_700_000_000,
        completed_at: None,
        active_at: None,
        seeding_seconds: 0,
        active_seconds: 0,
        position: 0,
        is_forced: false,
        is_complete: false,
        is_private: false,
        has_metadata: true,
        sequential: false,
        first_last: false,
        super_seeding: false,
        connection_limit: None,
        download_limit: None,
        upload_limit: None,
        seeding: SeedingLimits::default(),
        has_given_enough: false,
        origin: String::new(),
    }
}
