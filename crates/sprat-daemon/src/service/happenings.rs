//! What happens, for event streams and notifications.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Service, hold};
use crate::clock;
use crate::torrents::TroubleText;

/// One thing that has happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Happening {
    /// When, seconds since 1970.
    pub at: i64,
    /// The torrent that it has happened to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What.
    #[serde(flatten)]
    pub kind: HappeningKind,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum HappeningKind {
    /// A torrent was added.
    Added,
    /// The metadata of a magnet link was found.
    MetadataFound,
    /// Everything wanted is there, durable, and where it is to stay.
    Finished,
    /// It has stopped by itself.
    TroubleBegan(TroubleText),
    /// It goes on.
    TroubleEnded,
    /// It has given enough.
    GaveEnough,
    /// Its files are elsewhere now.
    Moved {
        /// Where.
        directory: String,
    },
    /// Its files could not be moved.
    MoveFailed {
        /// Why, for a person.
        reason: String,
    },
    /// It was removed.
    Removed,
    /// It was added because a rule wants it.
    FeedMatch {
        /// The feed that offers it.
        feed: String,
        /// The rule.
        rule: String,
        /// What the feed calls it.
        title: String,
    },
    /// Something that a rule wants could not be added.
    FeedMatchFailed {
        /// The feed that offers it.
        feed: String,
        /// The rule.
        rule: String,
        /// What the feed calls it.
        title: String,
        /// Why, for a person.
        reason: String,
    },
}

impl Service {
    /// Tells whoever listens.
    pub(crate) fn tell(&self, hash: Option<String>, name: Option<String>, kind: HappeningKind) {
        let happening = Happening { at: clock::unix_now(), hash, name, kind };
        // Nobody listening is no fault.
        let _ = self.0.happenings.send(std::sync::Arc::new(happening));
    }

    /// Tells of a torrent that is known.
    pub(super) fn tell_of(&self, torrent: sprat_core::storage::TorrentId, kind: HappeningKind) {
        let found = hold(&self.0.known).torrents.get(&torrent).map(|known| {
            let name = known.record.name.clone().unwrap_or_else(|| known.facts.name.clone());
            (known.facts.hash(), name)
        });
        if let Some((hash, name)) = found {
            self.tell(Some(hash), Some(name), kind);
        }
    }
}
