//! What does not change by itself: what a torrent is, and where it lies.

use std::collections::BTreeSet;
use std::sync::Arc;

use sprat_core::io::{Manner, RateLimits, Totals};
use sprat_engine::client::Listing;
use sprat_wire::hash::InfoHashes;

/// All its hashes, and the path of its content: what programs ask for, and lists for people do not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its info-hashes.
    pub info_hashes: InfoHashes,
    /// What all its files are in, or its only file; the directory that they are below, if they are in several.
    pub content: Arc<str>,
}

/// What a torrent is, and what the user has decided, as the engine's list has it.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What it is.
    pub info_hashes: InfoHashes,
    /// As it calls itself; empty while that is not known.
    pub name: String,
    /// The directory that its files are below.
    pub directory: String,
    /// What all its files are in, or its only file; that directory, if they are in several.
    pub content: Arc<str>,
    /// How it is downloaded and seeded.
    pub manner: Manner,
    /// Its metadata is known.
    pub is_known: bool,
    /// Only its own trackers may hear of it (BEP 27).
    pub is_private: bool,
    /// Bytes of its content; 0 while that is not known.
    pub size: u64,
    /// Bytes of it that are not had.
    pub left: u64,
    /// Everything wanted was had when it was last looked at.
    pub is_complete: bool,
    /// The engine does not run it.
    pub is_paused: bool,
    /// Its files are being moved.
    pub is_moving: bool,
    /// Pieces in order.
    pub sequential: bool,
    /// Its own limits.
    pub limits: RateLimits,
    /// Counted so far.
    pub totals: Totals,
}

impl Facts {
    /// What the engine's list says.
    #[must_use]
    pub fn of(listing: &Listing) -> Self {
        Self {
            info_hashes: listing.info_hashes,
            name: listing.name.clone(),
            directory: listing.place.directory.display().to_string(),
            content: content(listing).into(),
            manner: listing.manner,
            is_known: listing.is_known,
            is_private: listing.is_private,
            size: listing.size,
            left: listing.left,
            is_complete: listing.is_complete,
            is_paused: listing.is_paused,
            is_moving: listing.relocating.is_some(),
            sequential: listing.sequential,
            limits: listing.limits,
            totals: listing.totals,
        }
    }

    /// What lists for people do not show.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity { info_hashes: self.info_hashes, content: Arc::clone(&self.content) }
    }

    /// By what people and programs call it: 40 hexadecimal digits, the v1 info-hash if it has one, else the v2 one cut to its
    /// length on the wire.
    #[must_use]
    pub fn hash(&self) -> String {
        self.info_hashes.primary().to_string()
    }
}

/// A torrent names one file or directory that all is in; files may have been given other paths since.
fn content(listing: &Listing) -> String {
    let place = &listing.place;
    let mut roots: BTreeSet<&str> = place.names.values().filter_map(|path| path.split('/').next()).collect();
    if place.names.len() < listing.files || roots.is_empty() {
        roots.insert(&listing.name);
    }
    match roots.first() {
        Some(root) if roots.len() == 1 && !root.is_empty() => place.directory.join(root),
        _ => place.directory.clone(),
    }
    .display()
    .to_string()
}
